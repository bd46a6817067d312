"""Agreements: who must approve, what is missing, activate and deactivate."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from banking import connecting, inbox, lifecycle, notices, sharing
from banking.models import (
    Authority,
    BankAccount,
    BankAgreement,
    BankChannel,
    BankFile,
    ConnectionTest,
)
from banking.nets import remittance
from banking.setup_forms import OLD_FORMAT_IDENTIFIERS
from portal import clock
from portal.access import actors, grants, tenancy
from portal.access.actors import Actor
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.events import moves, questions
from portal.people import changes


def unreachable_and_files(
    company: Company, files: QuerySet[BankFile]
) -> tuple[list[BankChannel], int]:
    """The banks of the company's active agreements that could not be reached at the last try, and
    how many there are of the files; one query."""
    of_one = files.filter(channel=OuterRef("pk")).order_by().values("channel")
    active = BankAgreement.objects.of(company).filter(
        channel=OuterRef("pk"), status=lifecycle.ACTIVE
    )
    rows = BankChannel.objects.filter(agreements__company=company).annotate(
        is_used=Exists(active), files_n=Subquery(of_one.annotate(n=Count("pk")).values("n"))
    )
    found = list(rows.distinct().order_by("name"))
    unreachable: list[BankChannel] = [row for row in found if row.is_used and row.last_error]
    return unreachable, sum(row.files_n or 0 for row in found)


def closed_and_shared(company: Company) -> tuple[list[BankAgreement], list[BankAgreement]]:
    """The company's active agreements that the bank says it has closed, and those that another
    company shares with it; one query."""
    is_closed = Q(status=lifecycle.ACTIVE, closed_at__isnull=False)
    rows = BankAgreement.objects.of(company).filter(is_closed | Q(share__isnull=False))
    rows = rows.exclude(status=lifecycle.DEACTIVATED).select_related("account", "channel")
    found = list(rows.order_by("pk"))
    closed = [row for row in found if row.status == lifecycle.ACTIVE and row.closed_at is not None]
    return closed, [row for row in found if row.share_id is not None]


def set_up(companies: Iterable[Company]) -> dict[int, questions.SetUp]:
    """How many active agreements each company has, and that it lacks one; one query for all."""
    rows = BankAgreement.objects.filter(company__in=list(companies), status=lifecycle.ACTIVE)
    found = dict(rows.values("company_id").annotate(n=Count("pk")).values_list("company_id", "n"))
    made = {}
    for company in companies:
        has = found.get(company.pk, 0)
        made[company.pk] = questions.SetUp({"agreements": has})
        if not has:
            made[company.pk].missing.append((_("No active agreement with a bank"), ""))
    return made


def lacking() -> Q:
    """The companies without an active agreement, as a condition on Company."""
    active = BankAgreement.objects.filter(company=OuterRef("pk"), status=lifecycle.ACTIVE)
    return Q(~Exists(active))


# Kept as the reason of the event by which an agreement ends that the bank gave to another company.
OVERRULED = "the bank gave the account to another company"
# Why an agreement ended that nobody here has ended, in words.
ENDED_BY = {
    OVERRULED: gettext_lazy("the bank has said that another company has the account"),
    sharing.SHARE_ENDED: sharing.SHARE_ENDED_TOLD,
}


class AnotherIsActive(Exception):
    """The account has an active agreement already; one account, one agreement."""

    def __init__(self, other: BankAgreement | None) -> None:
        super().__init__(str(other))
        self.other = other


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why an agreement cannot be activated as it stands: a stable code, a sentence, what to do,
    and the agreement that is in the way, where that is why."""

    code: str
    text: str
    cure: str
    other: BankAgreement | None = None


class Unfit(Exception):
    """The agreement cannot be activated as it stands; `reasons` are sentences."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


class Unconfirmed(Exception):
    """No test has shown the agreement to be open at the bank; `test` is the latest, or None."""

    def __init__(self, test: ConnectionTest | None) -> None:
        super().__init__(str(test))
        self.test = test


def approvers_sentence(portal: int, bank: int) -> str:
    """Who must approve in the portal, and what the bank asks, as one sentence."""
    return {
        (1, 1): _("One person approves; that person must hold authority at the bank."),
        (2, 1): _("Two people approve; at least one of them must hold authority at the bank."),
        (2, 2): _("Two people approve, in any order; both must hold authority at the bank."),
    }[portal, bank]


def warnings(agreement: BankAgreement) -> list[str]:
    """What would make the bank refuse payments on this agreement; only who may approve counts."""
    return authority_faults(agreement.bank_approvers_required, holders(agreement))


def unfit(agreement: BankAgreement, *, today: dt.date) -> list[str]:
    """Why payments on the agreement would fail whatever the bank says: sentences."""
    told = []
    if agreement.file_format == BankAgreement.Format.NETS and not remittance.carries(
        sender=agreement.customer_number, agreement=agreement.agreement_id
    ):
        told.append(str(OLD_FORMAT_IDENTIFIERS))
    if agreement.cut_over_date is not None and agreement.cut_over_date < today:
        told.append(_("The last day of the agreement has passed, so nothing would be sent on it."))
    return told


def holders(agreement: BankAgreement) -> int:
    """How many of those who may approve now hold authority at the bank on its account."""
    return _holders([agreement])[agreement.account_id]


def authorities_of(account: BankAccount) -> list[Authority]:
    """Who is known at the bank on the account, by name."""
    return list(account.authorities.select_related("user").order_by("user__name"))


def _holders(rows: Iterable[BankAgreement]) -> dict[int, int]:
    """Account id → how many of those who may approve now hold authority on it at the bank."""
    companies = {row.account_id: row.company for row in rows}
    known = grants.approver_ids(companies=set(companies.values()))
    held = Authority.objects.filter(account__in=companies, holds_authority=True)
    found = dict.fromkeys(companies, 0)
    for account_id, user_id in held.values_list("account_id", "user_id"):
        found[account_id] += user_id in known[companies[account_id].pk]
    return found


def authority_faults(needed: int, holders: int) -> list[str]:
    """That fewer hold authority than the bank asks for."""
    if holders >= needed:
        return []
    text = _(
        "The bank asks for %(needed)s with authority on the account, and %(held)s is registered"
        " here. The bank will refuse the payments."
    )
    return [text % {"needed": needed, "held": holders}]


def ask_for_code(company: Company) -> bool:
    """Whether an active agreement of the company asks for a code at upload."""
    rows = BankAgreement.objects.of(company).filter(status=lifecycle.ACTIVE)
    return bool(rows.filter(two_factor_to_upload=True).exists())


def another_active(agreement: BankAgreement) -> BankAgreement | None:
    """The company's agreement that is active on the same account, if there is one."""
    rows = BankAgreement.objects.filter(account_id=agreement.account_id, status=lifecycle.ACTIVE)
    return rows.exclude(pk=agreement.pk).first()


def active_elsewhere(agreement: BankAgreement, *, user: User) -> BankAgreement | None:
    """The agreement of another company that is active on the same account, where this user may
    change that company's agreements; else None."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = BankAgreement.objects.filter(
            account_number=agreement.account_number, status=lifecycle.ACTIVE, share=None
        ).exclude(company=agreement.company_id)
        found = rows.select_related("account", "channel", "company__customer").first()
    if found is None or agreement.share_id is not None:
        return None
    customer = found.company.customer
    with tenancy.acting_for([found.company], user=user, customers=[customer]):
        mine = grants.companies_where(
            user=user, customer=customer, permission=Permission.CHANGE_AGREEMENTS
        )
        return found if mine.filter(pk=found.company_id).exists() else None


def why_not(act: str, *, agreement: BankAgreement, permissions: frozenset[Permission]) -> str:
    """Why the agreement cannot be activated or deactivated by this user; empty when it can."""
    if Permission.CHANGE_AGREEMENTS not in permissions:
        return _("An AutoPay Administrator in the company can do this.")
    if act in ("deactivate", "order", "edit", "copy"):
        return ""
    if not sharing.holds(agreement):
        return _("The other company does not share the account any more.")
    faults = [*warnings(agreement), *unfit(agreement, today=clock.today())]
    if faults:
        return " ".join(faults)
    other = another_active(agreement)
    return already_active(other) if other is not None else ""


def already_active(other: BankAgreement | None) -> str:
    """The sentence about the agreement that is in the way; None: it is another company's."""
    if other is None:
        return _(
            "IBAN and key exist already: the account has an active agreement in another company."
            " Ask that company, or the bank whose account it is."
        )
    text = _(
        "IBAN and key exist already: the account has an active agreement (%(other)s). Deactivate"
        " that first."
    )
    return text % {"other": other}


def obstacles(rows: Iterable[BankAgreement]) -> dict[int, list[Obstacle]]:
    """Agreement id → all that keeps it from being activated; in a constant number of queries.

    Run it while acting for their companies. That the account is active in another company is not
    seen from here: only `activate` finds it.
    """
    rows = list(rows)
    waiting = [row for row in rows if row.status in lifecycle.ACTIVATE.sources]
    held = _holders(waiting)
    live = BankAgreement.objects.filter(account__in=held, status=lifecycle.ACTIVE)
    blocking = {row.account_id: row for row in live.select_related("account", "channel")}
    found: dict[int, list[Obstacle]] = {row.pk: [] for row in rows}
    for row in rows:
        if row.state.final:
            found[row.pk] = [deactivated()]
    for row in waiting:
        faults = authority_faults(row.bank_approvers_required, held[row.account_id])
        found[row.pk] = [authority_missing(text) for text in faults]
        found[row.pk] += [unfit_as_it_is(text) for text in unfit(row, today=clock.today())]
        if row.account_id in blocking:
            found[row.pk].append(another(blocking[row.account_id]))
    return found


def authority_missing(text: str) -> Obstacle:
    """That too few hold authority at the bank, as the sentence says."""
    cure = _("An AutoPay Administrator registers on the agreement's page who holds authority.")
    return Obstacle("authority-missing", text, cure)


def unfit_as_it_is(text: str) -> Obstacle:
    """That payments would fail on the agreement as it is, as the sentence says."""
    cure = _("Change the draft, or copy the agreement and change the copy, in the portal.")
    return Obstacle("unfit", text, cure)


def another(other: BankAgreement | None) -> Obstacle:
    """That the account has an active agreement; None: it is another company's."""
    cure = _("Deactivate the agreement that is in the way, on its page in the portal.")
    if other is None:
        cure = _("Ask the other company to deactivate its agreement, or use another account.")
    return Obstacle("another-active", already_active(other), cure, other)


def deactivated() -> Obstacle:
    """That the agreement has been ended for good."""
    text = _("The agreement is deactivated, and is never active again.")
    return Obstacle("deactivated", text, _("Copy it in the portal, and activate the copy."))


def order(*, agreement: BankAgreement, by: changes.By) -> None:
    """Marks an agreement as ordered from the bank; raises moves.Conflict."""
    with transaction.atomic():
        moves.move(
            BankAgreement.objects.filter(pk=agreement.pk),
            lifecycle.ORDER,
            by=by.actor,
            at=by.at,
            expected=1,
        )
        log("agreement.ordered", agreement, by)


def log(act: str, agreement: BankAgreement, by: changes.By) -> None:
    """Writes in the change log what was done with the agreement as a whole."""
    company = agreement.company
    told = {"account": agreement.account_number}
    changes.record(
        act, by=by, customer=company.customer, company=company, name=str(agreement), after=told
    )


def activate(
    *, agreement: BankAgreement, by: Actor, told: changes.By, confirmed: bool = True
) -> None:
    """Makes an agreement active; raises AnotherIsActive, Unfit, Unconfirmed, moves.Conflict.

    confirmed: whoever asks answers for it that the bank has confirmed the agreement.
    """
    faults = [*warnings(agreement), *unfit(agreement, today=clock.today())]
    if claimed_elsewhere(agreement):
        faults.append(
            _(
                "Another customer has ordered or used this account in Kvitt. Only the bank's own"
                " word can make it active here: ask the bank to send its activation message."
            )
        )
    if not sharing.holds(agreement):
        faults.append(_("The other company does not share the account any more."))
    if faults:
        raise Unfit(faults)
    if not confirmed:
        test = connecting.latest([agreement]).get(agreement.pk)
        if test is None or not connecting.is_open(test):
            raise Unconfirmed(test)
    try:
        with transaction.atomic():
            moves.move(
                BankAgreement.objects.filter(pk=agreement.pk),
                lifecycle.ACTIVATE,
                by=by,
                at=told.at,
                expected=1,
            )
            log("agreement.activated", agreement, told)
            inbox.read_unknown_again(agreement.channel_id)
    except IntegrityError as error:
        raise AnotherIsActive(another_active(agreement)) from error


def claimed_elsewhere(agreement: BankAgreement) -> bool:
    """Whether a company of another customer has ordered an agreement on the same account, or had
    one that the bank knew: then people's word is not enough to have it here."""
    if agreement.share_id is not None:
        return False
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = BankAgreement.objects.filter(account_number=agreement.account_number, share=None)
        rows = rows.exclude(company__customer=agreement.company.customer_id)
        before = Q(inbox.known_by_bank(), status=lifecycle.DEACTIVATED)
        return bool(rows.filter(Q(status=lifecycle.ORDERED) | before).exists())


def overrule(*, agreement: BankAgreement, by: Actor, at: dt.datetime) -> None:
    """Ends the agreement of another company that stands as active on the same account, where the
    bank has never shown to know it, and says now that this one is its customer's; in the caller's
    transaction."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = BankAgreement.objects.filter(
            account_number=agreement.account_number, status=lifecycle.ACTIVE, share=None
        ).exclude(company=agreement.company_id)
        for row in rows.exclude(inbox.known_by_bank()).select_related("company", "channel"):
            ended = {"reason": OVERRULED}
            moves.move(
                BankAgreement.objects.filter(pk=row.pk),
                lifecycle.DEACTIVATE,
                by=actors.CLOCK,
                at=at,
                detail=ended,
            )
            sharing.end_all(agreement=row, user=None, at=at)
            log("agreement.deactivated", row, changes.By(None, by.name, None, at))
            notices.bank_word(agreement=row, closed=True)


def deactivate(*, agreement: BankAgreement, user: User, by: changes.By) -> None:
    """Deactivates an agreement for good, and with it what others make of it; payments sent run on.
    Raises moves.Conflict."""
    with transaction.atomic():
        moves.move(
            BankAgreement.objects.filter(pk=agreement.pk),
            lifecycle.DEACTIVATE,
            by=actors.person(user),
            at=by.at,
            expected=1,
        )
        sharing.end_all(agreement=agreement, user=user, at=by.at)
        log("agreement.deactivated", agreement, by)
