"""Invoices approved before their payments come: what matches exactly goes on, and nothing else."""

from __future__ import annotations

import datetime as dt
import functools
import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from payments import deciding, lifecycle
from payments.models import (
    Ceremony,
    Finding,
    GuardSetting,
    Payment,
    PreApproval,
    PreApprovalSignature,
    Signature,
)
from portal import clock
from portal.access import tenancy
from portal.access.models import ApprovalLimit, Membership, User
from portal.access.roles import Role
from portal.events.models import Event
from portal.people.models import Change
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Line, Stage
from tests.portal.events import threads

KID = "1000421"
NAME = "Leverandør AS"
IBAN = "SE4550000000058398257466"


@pytest.fixture
def made(db: None) -> Stage:
    return staged()


def staged(bank: Bank | None = None, approvers: int = 1) -> Stage:
    made = kit.stage(bank, approvers=approvers)
    made.users["admin"] = kit.person("admin", made.company, Role.AUTOPAY_ADMINISTRATOR)
    switched(made, "yes")
    return made


def browser(user: User) -> Client:
    client = kit.signed_in(user)
    client.cookies["kvitt_language"] = "en"
    return client


def at(made: Stage, path: str) -> str:
    return f"/c/{made.company.public_id}/{path}"


def switched(made: Stage, on: str) -> str:
    client = browser(made.users["admin"])
    answer = client.post(at(made, "checks/pre-approval/"), {"on": on}, follow=True)
    assert answer.status_code == 200
    made.company.refresh_from_db()
    return str(answer.content.decode())


def written(made: Stage, user: str = "anne", client: Client | None = None, **other: str) -> Any:
    """The answer to the form of an invoice of 1,250.00 with a KID."""
    form = {
        "payee": NAME,
        "account": kit.account(70),
        "amount": "1 250,00",
        "currency": "NOK",
        "kid": KID,
        "reference": "",
        "valid_until": f"{clock.today() + dt.timedelta(days=60):%d.%m.%Y}",
    }
    client = client or browser(made.users[user])
    return client.post(at(made, "pre-approvals/new/"), form | other)


def signed(made: Stage, page: str, *users: str) -> None:
    for name in users:
        client, user = browser(made.users[name]), made.users[name]
        shown = client.get(page).content.decode()
        seen = re.findall(r'name="seen" value="([^"]+)"', shown)
        answer = client.post(f"{page}sign/", {"seen": seen, "code": kit.code_of(user)})
        assert answer.status_code == 302, answer.content.decode()


def in_advance(made: Stage, *users: str, **other: str) -> PreApproval:
    """An invoice that these have approved in advance."""
    answer = written(made, **other)
    assert answer.status_code == 302, answer.content.decode()
    signed(made, answer["Location"], *users)
    with made.scope():
        return PreApproval.objects.latest("pk")


def line(reference: str = "L1", amount: str = "1250.00", **other: Any) -> Line:
    return Line(reference, amount, other.pop("account", kit.account(70)), **{"kid": KID} | other)


def came(made: Stage, *lines: Line, number: str = "B1", **other: Any) -> Payment:
    """The payment of these lines, as an ERP sends it."""
    body = kit.pain001(
        {number: list(lines) or [line()]},
        account=made.agreement.account.number,
        due=kit.soon(),
        **other,
    )
    answer = Erp(made).post("payments", body)
    assert answer.status_code == 201, answer.content
    return there(made, number)


def there(made: Stage, number: str = "B1") -> Payment:
    with made.scope():
        return Payment.objects.get(number=number)


def signers(made: Stage, payment: Payment) -> list[str]:
    with made.scope():
        rows = Signature.objects.filter(payment=payment, voided_at=None).order_by("pk")
        return [one.user.name for one in rows.select_related("user")]


def test_what_matches_exactly_needs_nobody_and_tells_so(made: Stage) -> None:
    row = in_advance(made, "anne")
    payment = came(made)
    assert payment.status == lifecycle.APPROVED
    assert signers(made, payment) == ["Anne"]
    with made.scope():
        row.refresh_from_db()
        assert row.line is not None
        assert row.line.payment_id == payment.pk
        (ceremony,) = Ceremony.objects.all()
        assert ceremony.evidence == {"pre_approvals": [row.pk]}
        (event,) = Event.objects.filter(event="approved", subject="payment")
        assert event.actor_name == "Anne"
    client = browser(made.users["bjorn"])
    page = client.get(at(made, f"outgoing/{payment.pk}/")).content.decode()
    assert "Approved in advance: the invoice was signed before the payment came." in page
    assert f"pre-approvals/{row.pk}/" in page
    told = client.get(at(made, f"pre-approvals/{row.pk}/")).content.decode()
    assert "Its payment came" in told
    assert "The exact text that was signed" in told
    assert "amount: 1250.00 NOK" in told
    # Nobody is asked to approve it.
    assert not [one for one in kit.letters() if one.kind == "payments.to_approve"]


def test_it_is_sent_and_settles(bank: Bank, own_database: None) -> None:
    bank.pass_days(0)
    made = staged(bank, approvers=2)
    in_advance(made, "anne", "bjorn")
    assert came(made).status == lifecycle.APPROVED
    job.send(made)
    bank.work()
    bank.pass_days(5)
    job.fetch(made)
    assert there(made).status == lifecycle.SETTLED
    assert [one["amount"] for one in bank.transfers()] == ["1250.00"]


def test_of_two_approvers_the_second_signs_when_it_comes(db: None) -> None:
    made = staged(approvers=2)
    in_advance(made, "anne")
    payment = came(made)
    assert payment.status == lifecycle.PARTLY
    letters = [one for one in kit.letters() if one.kind == "payments.to_approve"]
    assert letters
    job.sign(made, made.users["bjorn"])
    assert there(made).status == lifecycle.APPROVED
    assert signers(made, payment) == ["Anne", "Bjorn"]


DIFFERENT: dict[str, Callable[[], dict[str, Any]]] = {
    "another amount": lambda: {"amount": "1250.01"},
    "another account": lambda: {"account": kit.account(71)},
    "another KID": lambda: {"kid": "1000438"},
    "a KID with a zero before": lambda: {"kid": f"0{KID}"},
    "no KID": lambda: {"kid": "", "message": KID},
    "another payee": lambda: {"name": "Leverandør To AS"},
    "an invoice number": lambda: {"kid": "", "invoice": KID},
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_whatever_differs_waits(made: Stage, what: str) -> None:
    row = in_advance(made, "anne")
    payment = came(made, line(**DIFFERENT[what]()))
    assert payment.status == lifecycle.AWAITING
    assert not signers(made, payment)
    with made.scope():
        row.refresh_from_db()
    assert row.line_id is None


@pytest.mark.parametrize("name", ["LEVERANDØR A.S", "leverandør as", "Leverandør  AS"])
def test_how_a_name_is_written_is_no_difference(made: Stage, name: str) -> None:
    in_advance(made, "anne")
    assert came(made, line(name=name)).status == lifecycle.APPROVED


@pytest.mark.parametrize(
    ("written_as", "sent_as"),
    [
        ({"kid": "", "reference": "Faktura 77"}, {"kid": "", "message": "Faktura 77"}),
        ({"kid": "", "reference": "77"}, {"kid": "", "invoice": "77"}),
    ],
)
def test_a_message_or_an_invoice_number_does_as_well(
    made: Stage, written_as: dict[str, str], sent_as: dict[str, str]
) -> None:
    in_advance(made, "anne", **written_as)
    assert came(made, line(**sent_as)).status == lifecycle.APPROVED


def test_one_that_nobody_has_signed_approves_nothing(made: Stage) -> None:
    in_advance(made)
    assert came(made).status == lifecycle.AWAITING


def test_it_is_used_once(made: Stage) -> None:
    in_advance(made, "anne")
    assert came(made).status == lifecycle.APPROVED
    again = came(made, number="B2")
    assert again.status == lifecycle.AWAITING


def test_two_lines_alike_are_not_both_it(made: Stage) -> None:
    in_advance(made, "anne")
    assert came(made, line("L1"), line("L2")).status == lifecycle.AWAITING


def test_every_line_must_be_approved_in_advance(made: Stage) -> None:
    in_advance(made, "anne")
    other = line("L2", "99.00", kid="", message="Andre")
    assert came(made, line(), other).status == lifecycle.AWAITING
    with made.scope():
        assert not PreApproval.objects.exclude(line=None).exists()


def test_one_person_must_have_approved_every_line(made: Stage) -> None:
    in_advance(made, "anne")
    in_advance(made, "bjorn", kid="", reference="Andre", amount="99")
    other = line("L2", "99.00", kid="", message="Andre")
    assert came(made, line(), other).status == lifecycle.AWAITING


def test_several_lines_each_approved_in_advance(made: Stage) -> None:
    in_advance(made, "anne")
    in_advance(made, "anne", kid="", reference="Andre", amount="99")
    other = line("L2", "99.00", kid="", message="Andre")
    payment = came(made, line(), other)
    assert payment.status == lifecycle.APPROVED
    with made.scope():
        assert PreApproval.objects.exclude(line=None).count() == 2


def test_what_may_be_paid_twice_waits(made: Stage) -> None:
    first = came(made, number="B0")
    answer = written(made)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Its payment has come already. Approve that instead:" in page
    assert f"outgoing/{first.pk}/" in page
    job.sign(made, made.users["anne"])
    in_advance(made, "anne")
    payment = came(made)
    assert payment.status == lifecycle.AWAITING
    with made.scope():
        assert "possible-duplicate" in set(
            Finding.objects.filter(payment=payment).values_list("code", flat=True)
        )


def test_what_a_check_stops_goes_on_when_it_is_let_pass(made: Stage) -> None:
    in_advance(made, "anne")
    with made.scope():
        GuardSetting.objects.create(company=made.company, code="first-payment", severity="stop")
    payment = came(made)
    assert payment.status == lifecycle.AWAITING
    with made.scope():
        (finding,) = deciding.waiting(company=made.company)
        deciding.let_pass(
            company=made.company,
            user=made.users["admin"],
            finding_id=finding.pk,
            reason="Ringt",
            at=clock.now(),
        )
    assert there(made).status == lifecycle.APPROVED


def _off(made: Stage) -> None:
    switched(made, "no")


def _gone(made: Stage) -> None:
    Membership.objects.filter(user=made.users["anne"]).update(ended_at=clock.now())


def _limited(made: Stage) -> None:
    ApprovalLimit.objects.create(
        company=made.company, user=made.users["anne"], per_payment=Decimal(1000)
    )


def _ended(made: Stage) -> None:
    client = browser(made.users["bjorn"])
    page = at(made, f"pre-approvals/{PreApproval.objects.get().pk}/")
    told = client.post(f"{page}end/", follow=True).content.decode()
    assert "Ended. Its payment must be approved when it comes." in told


def _too_old(made: Stage) -> None:
    PreApproval.objects.update(valid_until=clock.today() - dt.timedelta(days=1))


def _altered(made: Stage) -> None:
    PreApproval.objects.update(valid_until=clock.today() + dt.timedelta(days=300))


def _forged(made: Stage) -> None:
    PreApprovalSignature.objects.update(mac=b"\0" * 32)


@pytest.mark.parametrize("spoil", [_off, _gone, _limited, _ended, _too_old, _altered, _forged])
def test_what_holds_no_more_approves_nothing(made: Stage, spoil: Callable[[Stage], None]) -> None:
    in_advance(made, "anne")
    with made.scope():
        spoil(made)
    payment = came(made)
    assert payment.status == lifecycle.AWAITING
    assert not signers(made, payment)


def test_salary_and_urgent_payments_wait(made: Stage) -> None:
    in_advance(made, "anne")
    assert came(made, category="SALA").status == lifecycle.AWAITING


def test_nothing_is_paid_from_a_tax_account(made: Stage) -> None:
    in_advance(made, "anne")
    with made.scope():
        made.agreement.account.tax_withholding = True
        made.agreement.account.save(update_fields=["tax_withholding"])
    assert came(made).status == lifecycle.AWAITING


def test_what_is_said_beside_may_not_differ(made: Stage) -> None:
    """A clearing code sends the money elsewhere; who pays the banks changes what it costs."""
    in_advance(made, "anne", account=IBAN, kid="", reference="77", currency="SEK")
    assert abroad(made, "B1", charge_bearer="DEBT").status == lifecycle.AWAITING


def test_a_payment_abroad_that_says_no_more_goes_on(made: Stage) -> None:
    in_advance(made, "anne", account=IBAN, kid="", reference="77", currency="SEK")
    assert abroad(made, "B1").status == lifecycle.APPROVED


def abroad(made: Stage, number: str, **extra: str) -> Payment:
    """A payment in Swedish kronor to Sweden, as an ERP sends it as JSON."""
    one = {
        "reference": "L1",
        "amount": "1250.00",
        "currency": "SEK",
        "payee": {"name": NAME, "town": "LUND", "country": "SE"},
        "account": IBAN,
        "bic": "ESSESESS",
        "message": "77",
    }
    payment = {
        "number": number,
        "due_date": kit.soon().isoformat(),
        "debit_account": made.agreement.account.number,
        "lines": [one | extra],
    }
    body = {"totals": {"lines": 1, "sum": "1250.00"}, "payments": [payment]}
    answer = Erp(made).post("payments", json.dumps(body).encode(), media_type="application/json")
    assert answer.status_code == 201, answer.content
    return there(made, number)


def test_an_account_is_the_same_written_as_iban(made: Stage) -> None:
    from banking import numbers

    row = in_advance(made, "anne", account=numbers.iban_of(kit.account(70)))
    assert (row.payee_account, row.payee_account_kind) == (kit.account(70), "BBAN")
    assert came(made).status == lifecycle.APPROVED


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("account", "12345678901", "the account fails its check"),
        ("kid", "1000420", "the KID fails its check"),
        ("kid", "", "Write the KID, or else the message or invoice number."),
        ("reference", "77", "An invoice has a KID or a message, not both."),
        ("amount", "0", "0,01"),
        ("valid_until", "01.01.2020", "The day has passed."),
        ("valid_until", "01.01.2099", "more than a year ahead"),
        ("payee", " ", "required"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(
    made: Stage, field: str, text: str, told: str
) -> None:
    answer = written(made, **{field: text})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert told in page
    error = re.search(rf'id="id_{field}_error">([^<]*)', page)
    assert error is not None
    with made.scope():
        assert not PreApproval.objects.exists()


def test_the_same_invoice_is_not_written_twice(made: Stage) -> None:
    row = in_advance(made, "anne")
    page = written(made, user="bjorn").content.decode()
    assert "Just this invoice is approved in advance, or about to be:" in page
    assert f"pre-approvals/{row.pk}/" in page


def test_it_is_signed_with_a_second_factor_as_it_was_shown_and_by_each_once(made: Stage) -> None:
    page = written(made)["Location"]
    client, anne = browser(made.users["anne"]), made.users["anne"]
    seen = re.findall(r'name="seen" value="([^"]+)"', client.get(page).content.decode())
    for body, told in (
        ({"seen": seen, "code": "000000"}, "code"),
        ({"seen": ["0" * 64], "code": kit.code_of(anne)}, "changed after the page was shown"),
        ({"code": kit.code_of(anne)}, "changed after the page was shown"),
    ):
        answer = client.post(f"{page}sign/", body)
        assert answer.status_code == 422
        assert told in answer.content.decode()
    with made.scope():
        assert not PreApprovalSignature.objects.exists()
    good = {"seen": seen, "code": kit.code_of(anne)}
    assert client.post(f"{page}sign/", good).status_code == 302
    good["code"] = kit.code_of(anne)
    again = client.post(f"{page}sign/", good)
    assert again.status_code == 422
    assert "You have approved it already" in again.content.decode()
    with made.scope():
        assert PreApprovalSignature.objects.count() == 1


def test_nobody_signs_beyond_their_limit(made: Stage) -> None:
    with made.scope():
        _limited(made)
    page = written(made)["Location"]
    client, anne = browser(made.users["anne"]), made.users["anne"]
    seen = re.findall(r'name="seen" value="([^"]+)"', client.get(page).content.decode())
    answer = client.post(f"{page}sign/", {"seen": seen, "code": kit.code_of(anne)})
    assert "The amount is beyond what you may approve." in answer.content.decode()


def test_it_is_off_until_an_administrator_switches_it_on(db: None) -> None:
    made = kit.stage(approvers=1)
    made.users["admin"] = kit.person("admin", made.company, Role.AUTOPAY_ADMINISTRATOR)
    answer = written(made)
    assert answer.status_code == 422
    assert "The company does not approve payments in advance." in answer.content.decode()
    assert "Approvers may approve invoices before their payments come." in switched(made, "yes")
    assert written(made).status_code == 302
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        changed = Change.objects.filter(act="company.changed").latest("pk")
        assert (changed.before, changed.after) == ({"pre_approval": "no"}, {"pre_approval": "yes"})


def test_the_list_has_a_constant_number_of_queries(
    made: Stage, django_assert_max_num_queries: Any
) -> None:
    with made.scope():
        PreApproval.objects.bulk_create(
            PreApproval(
                company=made.company,
                payee_name=f"Leverandør {n} AS",
                payee_account=kit.account(70),
                payee_account_kind="BBAN",
                amount=n + 1,
                currency="NOK",
                reference=f"{n}",
                valid_until=kit.soon(),
                made_by=made.users["anne"],
                made_at=clock.now(),
            )
            for n in range(120)
        )
    client = browser(made.users["anne"])
    with django_assert_max_num_queries(25):
        page = client.get(at(made, "pre-approvals/")).content.decode()
    names: list[str] = []
    while True:
        names += re.findall(r"Leverandør (\d+) AS", page)
        more = re.search(r'href="\?(tab=open&amp;before=\d+)"', page)
        if more is None:
            break
        page = client.get(
            at(made, f"pre-approvals/?{more[1].replace('&amp;', '&')}")
        ).content.decode()
    assert names == [str(n) for n in reversed(range(120))]
    for tab in ("used", "ended", "wrong"):
        assert client.get(at(made, f"pre-approvals/?tab={tab}")).status_code == 200


def test_two_uploads_at_once_use_it_once(own_database: None) -> None:
    made = staged()
    in_advance(made, "anne")
    threads.together(*[functools.partial(came, made, number=f"B{n}") for n in range(4)])
    with made.scope():
        found = list(Payment.objects.values_list("status", flat=True))
    assert sorted(found) == [lifecycle.APPROVED, *[lifecycle.AWAITING] * 3]
