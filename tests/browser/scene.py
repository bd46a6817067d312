"""A company whose pages are all full, companies beside it, and a person for every role.

`make` fills the database that Django is connected to; the answer is plain facts (ids and names),
so that other processes can look at a clone of that database.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from dataclasses import dataclass, field

from django.http import QueryDict
from django.test import Client, override_settings

from banking import lifecycle, numbers, setups, stops
from banking.connecting import STEPS
from banking.models import AgreementShare, Authority, BankAccount, BankAgreement, ConnectionTest
from payments import deciding
from payments import lifecycle as payments_lifecycle
from payments.models import Ceremony, Payment, Signature
from portal.access import actors, secondfactor, tenancy
from portal.access.models import Authenticator, Company, PhoneCode, User
from portal.access.roles import CUSTOMER_ROLES, Role
from portal.clock import now
from portal.events import moves
from portal.jobs import work
from portal.jobs.models import Job
from portal.lists.models import SavedView
from portal.mail.models import Letter
from portal.people import changes
from tests import kit
from tests.browser import scene_directory as directory
from tests.browser import scene_drafts as drafts
from tests.browser import scene_invoices as invoices
from tests.browser import scene_payments as story
from tests.browser import scene_push as push
from tests.kit import Stage

NOBODY, STRANGER, ALL = "nobody", "stranger", "all"
ACT = "of-many-companies"
# Everybody whom pages are shown to, the richest view first.
ROLES = [ALL, *(role.value for role in Role), STRANGER, NOBODY]
NAME = "Sørøyværingens Fiskeforedling og Kjølelager AS"
SECOND = "Bærum og Østre Ærlighet Eiendomsforvaltning, Vaktmester- og Rengjøringstjenester AS"
EMPTY = "Åpen Kasse AS"
MORE_COMPANIES = 40
LOCKED, HALFWAY = "utestengt@example.org", "halvveis@example.org"
BARE = "uten-faktor@example.org"
TRIES = 10
QUICK = {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}
SERVED = {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.Argon2PasswordHasher"]}


@dataclass
class Scene:
    """What stands in the database, by name: companies' public ids, people's e-mails, row ids."""

    companies: dict[str, str] = field(default_factory=dict)
    people: dict[str, str] = field(default_factory=dict)
    payments: dict[str, int] = field(default_factory=dict)
    agreements: dict[str, int] = field(default_factory=dict)
    setups: dict[str, str] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    drafts: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, int] = field(default_factory=dict)
    invoices: dict[str, int] = field(default_factory=dict)
    ceremonies: dict[str, int] = field(default_factory=dict)
    signatures: dict[str, int] = field(default_factory=dict)
    jobs: dict[str, str] = field(default_factory=dict)
    letters: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    members: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    users: dict[str, int] = field(default_factory=dict)
    customer: str = ""
    names: list[str] = field(default_factory=list)

    def written(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def read(cls, text: str) -> Scene:
        return cls(**json.loads(text))


@override_settings(**QUICK)
def make() -> Scene:
    """Fills the database; a few seconds."""
    made = kit.stage()
    scene = Scene()
    Company.objects.filter(pk=made.company.pk).update(name=NAME, address="Fiskebryggen 12")
    made.company.refresh_from_db()
    _people(made, scene)
    _agreements(made, scene)
    story.fill(made, scene.files)
    _deactivated(made, scene)
    scene.payments = story.by_status(made)
    _ceremonies(made, scene)
    _checks(made, scene)
    scene.drafts, scene.uploads = drafts.fill(made, made.users[ALL])
    scene.invoices = invoices.fill(made, made.users["anne"], made.users["bjorn"])
    with made.scope():
        invoices.compared(made)
    push.fill(made)
    _neighbours(made, scene)
    _setups(made, scene)
    _connections(made, scene)
    _shares(made, scene)
    user = User.objects.get(pk=made.users[ALL].pk)
    scene.companies["ready"] = directory.fill(made, user, scene.imports)
    directory.people(made, user, scene)
    scene.customer = made.company.customer.public_id
    _jobs(made, scene)
    _letters(scene)
    _views(made)
    _at_the_door()
    people = User.objects.values_list("name", flat=True)
    scene.names = [NAME, SECOND, *(name for name in people if " " in name)]
    _complete(made, scene)
    return scene


def _people(made: Stage, scene: Scene) -> None:
    """One person for each role, one with all of them, and one with none."""
    here = [role for role in Role if role not in CUSTOMER_ROLES]
    made.users[ALL] = kit.person("all", made.company, *here)
    kit.give(made.users["bjorn"], made.company, Role.PAYROLL_APPROVER)
    for role in Role:
        if role in CUSTOMER_ROLES:
            user = kit.person(role.value, made.company)
            _at_customer(user, made, role)
        else:
            user = kit.person(role.value, made.company, role)
        made.users[role.value] = user
    made.users[STRANGER] = kit.person(STRANGER, made.company)
    for role in CUSTOMER_ROLES:
        _at_customer(made.users[ALL], made, role)
    User.objects.filter(pk=made.users[ALL].pk).update(name="Ragnhild Sørbø-Åkermann")
    scene.people = {name: made.users[name].email for name in ROLES if name != NOBODY}
    with made.scope():
        for name in (Role.PAYROLL_APPROVER.value, Role.APPROVER.value):
            Authority.objects.create(
                company=made.company,
                account=made.agreement.account,
                user=made.users[name],
                bank_identity=name[:20].upper().replace("_", "-"),
                holds_authority=name == Role.APPROVER.value,
            )


def _at_customer(user: User, made: Stage, role: Role) -> None:
    kit.give_at(user, made.company.customer, role)


def _agreements(made: Stage, scene: Scene) -> None:
    """An agreement in every state; the active one is the stage's own."""
    scene.agreements["active"] = made.agreement.pk
    with made.scope():
        for place, (label, change) in enumerate(
            {
                "draft": None,
                "ordered": lifecycle.ORDER,
                "one-approver": lifecycle.ACTIVATE,
                "deactivated": lifecycle.ACTIVATE,
            }.items(),
            start=2,
        ):
            row = _agreement(made, place, label)
            scene.agreements[label] = row.pk
            if change is not None:
                moves.move(
                    BankAgreement.objects.filter(pk=row.pk),
                    change,
                    by=actors.person(made.users[ALL]),
                    at=now(),
                )
        fit = _agreement(made, 9, "fit")
        scene.agreements["fit"] = fit.pk
        for name in (Role.APPROVER.value, ALL):
            Authority.objects.create(
                company=made.company,
                account=fit.account,
                user=made.users[name],
                bank_identity=f"FIT-{name}"[:20].upper().replace("_", "-"),
                holds_authority=True,
            )
        # The bank says that it has closed one of those in use.
        closed = BankAgreement.objects.filter(pk=scene.agreements["one-approver"])
        closed.update(closed_at=now() - dt.timedelta(days=2))


def _connections(made: Stage, scene: Scene) -> None:
    """Tests of the way to the bank: open, closed on the way, and one that nobody took up."""
    passed = [{"step": step, "ms": 12, "ok": True, "code": "", "detail": ""} for step in STEPS]
    refused = {"ok": False, "code": "key-refused", "detail": "Authentication failed."}
    closed = [*passed[:2], passed[2] | refused]
    untied = {"ok": False, "code": "account-not-tied", "ms": None, "detail": "AC02 Not tied"}
    with made.scope():
        for label, steps, ended in (
            ("active", passed, now()),
            ("draft", closed, now()),
            ("ordered", [], None),
            ("one-approver", [*passed[:-1], passed[-1] | untied], now()),
        ):
            ConnectionTest.objects.create(
                company=made.company,
                agreement_id=scene.agreements[label],
                asked_at=now() - dt.timedelta(hours=1),
                asked_by=made.users[ALL],
                steps=steps,
                ended_at=ended,
            )


def _shares(made: Stage, scene: Scene) -> None:
    """An agreement that is shared, one that is used, and one that another company offers; and one
    in the old format, with a payment under way."""
    theirs = kit.stage(place=70)
    Company.objects.filter(pk=theirs.company.pk).update(name="Morselskapet for Alt Mulig AS")
    facts = {"made_at": now(), "made_by": made.users[ALL]}
    with made.scope():
        AgreementShare.objects.create(
            company=made.company,
            agreement=made.agreement,
            organisation_number=kit.organisation(71),
            **facts,
        )
    with theirs.scope():
        second = _agreement(theirs, 72, "draft")
        for row in (theirs.agreement, second):
            AgreementShare.objects.create(
                company=theirs.company,
                agreement=row,
                organisation_number=made.company.organisation_number,
                **facts,
            )
        BankAgreement.objects.filter(pk=second.pk).update(status=lifecycle.ACTIVE)
        used = AgreementShare.objects.get(agreement=second)
    with made.scope():
        rows = {"shared": _agreement(made, 73, "shared"), "old": _agreement(made, 74, "old")}
        BankAgreement.objects.filter(pk=rows["shared"].pk).update(
            share=used, settlement_return=False, status=lifecycle.ACTIVE
        )
        old = BankAgreement.objects.filter(pk=rows["old"].pk)
        old.update(file_format="nets", status=lifecycle.ORDERED)
    scene.agreements |= {label: row.pk for label, row in rows.items()}


def _setups(made: Stage, scene: Scene) -> None:
    """Forms of agreements that are begun: one filled in, one with the bank alone, one to spoil."""
    user = made.users[ALL]
    with made.scope():
        for label in ("copy", "wrong"):
            scene.setups[label] = setups.begin_from(made.agreement, user, copy=True).public_id
        begun = setups.begin(made.company, user)
        setups.keep(begun, "bank", QueryDict(f"channel={made.channel.pk}"))
        scene.setups["begun"] = begun.public_id


def _agreement(made: Stage, place: int, label: str) -> BankAgreement:
    number = kit.account(place * 100)
    account = BankAccount.objects.create(
        company=made.company,
        number=number,
        iban=numbers.iban_of(number),
        name="Skatt og avgift" if label != "draft" else "Ny konto for bærekraftige innkjøp",
        bic="DNBANOKK",
    )
    return BankAgreement.objects.create(
        company=made.company,
        channel=made.channel,
        account=account,
        customer_number=f"CUST{place}00",
        agreement_id=f"AGR{place}00",
        description=f"Avtale {place} for {NAME}" if place % 2 else "",
        approvers_required=1 if label == "one-approver" else 2,
        bank_approvers_required=1,
    )


def _deactivated(made: Stage, scene: Scene) -> None:
    """A payment waits on an agreement that is then deactivated."""
    with made.scope():
        rows = BankAgreement.objects.filter(pk=scene.agreements["deactivated"])
        number = rows.get().account_number
    story.at_rest(made, number)
    with made.scope():
        moves.move(rows, lifecycle.DEACTIVATE, by=actors.person(made.users[ALL]), at=now())


def _ceremonies(made: Stage, scene: Scene) -> None:
    """A receipt for each who may approve: of a payment that still waits for another."""
    signed = {ALL: "B-partly-mine", Role.APPROVER.value: "M0001"}
    for name, number in signed.items():
        scene.ceremonies[name] = story.sign(made, made.users[name], number)
    with made.scope():
        good = Signature.objects.get(ceremony=scene.ceremonies[Role.APPROVER.value])
        broken = Signature.objects.get(ceremony=scene.ceremonies[ALL])
        scene.signatures = {"holds": good.pk, "broken": broken.pk}
        Signature.objects.filter(pk=broken.pk).update(mac=b"0" * 32)
    with made.scope():  # as if it had been signed along with others
        Ceremony.objects.filter(pk=scene.ceremonies[ALL]).update(act=ACT)
    story.upload(made, [story.some(made, "B-salary-waiting", kind="salary")])
    payroll = Role.PAYROLL_APPROVER.value
    scene.ceremonies[payroll] = story.sign(made, made.users[payroll], "B-salary-waiting")
    scene.payments |= {
        name.removeprefix("B-"): pk
        for name in ("B-salary-waiting",)
        for pk in story.ids(made, [name])
    }


def _checks(made: Stage, scene: Scene) -> None:
    """A payment that a check stops, and one that an administrator has let pass."""
    boss = made.users[ALL]
    numbers = ["B-check-stops", "B-check-passed"]
    with made.scope():
        usual = deciding.settings(company=made.company)
        by = changes.By(boss, "Ragnhild Sørbø-Åkermann", None, now())
        deciding.choose(company=made.company, wanted=dict.fromkeys(usual, "stop"), by=by)
    story.upload(made, [story.some(made, number, place) for place, number in enumerate(numbers, 1)])
    with made.scope():
        for row in deciding.waiting(company=made.company).filter(payment__number=numbers[1]):
            deciding.let_pass(
                company=made.company,
                user=boss,
                finding_id=row.pk,
                reason="Tlf. 22 00 00 00, Strøm og Nett AS",
                at=now(),
            )
        deciding.choose(company=made.company, wanted=usual, by=by)
        scene.findings["stops"] = deciding.waiting(company=made.company)[0].pk
    ids = story.ids(made, numbers)
    scene.payments |= dict(zip(["check-stops", "check-passed"], ids, strict=True))


def _neighbours(made: Stage, scene: Scene) -> None:
    """Companies of the same customer, one of them without any payment; and somebody else's."""
    scene.companies["main"] = made.company.public_id
    customer = made.company.customer
    second = kit.stage(place=2)
    Company.objects.filter(pk=second.company.pk).update(name=SECOND, customer=customer)
    second.company.refresh_from_db()
    for user in second.users.values():
        kit.join(user, customer)
    _roles_of_all(made.users[ALL], second.company)
    second.users[ALL] = made.users[ALL]
    story.upload(second, [story.some(second, "S-1"), story.some(second, "S-2", 1)])
    story.send(second, "S-1")
    scene.others["second-sending"] = story.ids(second, ["S-1"])[0]
    scene.companies["second"] = second.company.public_id
    with second.scope():
        boss = made.users[ALL]
        stops.stop(
            company=second.company,
            agreement=None,
            reason="Mistenkt svindel: leverandørens kontonummer er endret",
            user=boss,
            at=now(),
            by=changes.By(boss, "Ragnhild Sørbø-Åkermann", None, now()),
        )
    rows = [
        Company(
            customer=customer,
            name=EMPTY if n == 0 else f"Datterselskap nummer {n} Øst AS",
            organisation_number=kit.organisation(100 + n),
        )
        for n in range(MORE_COMPANIES)
    ]
    Company.objects.bulk_create(rows)
    _roles_of_all(made.users[ALL], rows[0])
    scene.companies["empty"] = rows[0].public_id
    foreign = kit.stage(place=3)
    story.upload(foreign, [story.some(foreign, "X-1")])
    scene.companies["foreign"] = foreign.company.public_id
    scene.others["foreign-payment"] = story.ids(foreign, ["X-1"])[0]
    scene.others["foreign-agreement"] = foreign.agreement.pk


def _jobs(made: Stage, scene: Scene) -> None:
    """Exports of the richest view in every state that one can be found in."""
    user = made.users[ALL]

    def asked(**params: str) -> Job:
        with made.scope(), tenancy.acting_for([made.company], user=user):
            return work.start(
                company=made.company,
                user=user,
                kind="export.payments",
                params={"query": "sort=number", "format": "csv"} | params,
                language="nb",
            )

    done, failed, stopped = asked(), asked(format="none"), asked(format="xlsx")
    for job in (done, failed):
        work.run(company_id=made.company.pk, job_id=job.pk)
    with made.scope(), tenancy.acting_for([made.company], user=user):
        work.cancel(job=stopped, by=actors.person(user))
    rows = {"done": done, "failed": failed, "cancelled": stopped, "waiting": asked()}
    scene.jobs = {name: job.public_id for name, job in rows.items()}


def _letters(scene: Scene) -> None:
    """One letter of each kind and language, as the story above had them written."""
    with tenancy.acting_for((), letters=True):
        for letter in Letter.objects.order_by("-pk"):
            scene.letters[f"{letter.kind}-{letter.language}"] = letter.pk


def _views(made: Stage) -> None:
    with made.scope():
        for name, query in (("Avviste", "status=rejected"), ("Årets store", "due_from=2026-01-01")):
            SavedView.objects.create(
                company=made.company,
                user=made.users[ALL],
                list_name="payments",
                name=name,
                query=query,
            )


def _roles_of_all(user: User, company: Company) -> None:
    kit.give(user, company, *(role for role in Role if role not in CUSTOMER_ROLES))


def _at_the_door() -> None:
    """One whose password the server itself can check."""
    with override_settings(**SERVED):
        user = User.objects.create_user(HALFWAY, kit.PASSWORD, name="Halvor Veis")
        User.objects.create_user(BARE, kit.PASSWORD, name="Bård Uten")
    Authenticator.objects.create(user=user, name="test", confirmed=True)
    secondfactor.new_recovery_sheet(user)
    PhoneCode.objects.create(user=user, name="", confirmed=True, number="+4791234567")


def lock_out() -> None:
    """One who has tried too often just now: it is forgotten before a long crawl is over."""
    client = Client()
    for _try in range(TRIES):
        client.post("/sign-in/", {"email": LOCKED, "password": "feil passord"})


def _complete(made: Stage, scene: Scene) -> None:
    """The scene is worthless when a status has no page: raises AssertionError naming it."""
    with made.scope():
        shown = set(Payment.objects.of(made.company).values_list("status", flat=True))
    missing = set(payments_lifecycle.PAYMENT_STATUSES) - shown
    assert not missing, f"no payment is {sorted(missing)}"
    assert set(lifecycle.AGREEMENT.codes()) <= set(scene.agreements)
    assert set(lifecycle.FILE.codes()) <= set(scene.files), sorted(scene.files)


def fresh_codes(email: str) -> None:
    """Forgets wrong codes, so that the next wrong one is answered as the first."""
    Authenticator.objects.filter(user__email=email).update(
        throttling_failure_count=0, throttling_failure_timestamp=None
    )
