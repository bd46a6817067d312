"""The emergency brake: a person stops all sending on one agreement, or of a whole company.

What is stopped stays where it is, approved and signed; nothing leaves for the bank until somebody
starts it again. What the bank has already got runs on. Who shares its account with others stops
what they send from it as well.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from banking import lifecycle
from banking.models import AgreementShare, BankAgreement, SendingStop
from portal.access import tenancy
from portal.access.models import Company, User
from portal.people import changes


class Already(Exception):
    """It is stopped, or started, already."""


@dataclass(frozen=True, slots=True)
class Stops:
    """What is stopped now: the whole company, or agreements by id."""

    company: SendingStop | None = None
    agreements: dict[int, SendingStop] = field(default_factory=dict)

    def of(self, agreement_id: int | None) -> SendingStop | None:
        """What stops payments on the agreement; None where nothing does."""
        return self.company or self.agreements.get(agreement_id or 0)

    def every(self) -> list[SendingStop]:
        """All of them, the company's first."""
        return [*([self.company] if self.company else []), *self.agreements.values()]


def now(company_id: int, *, uses: Sequence[BankAgreement] | None = None) -> Stops:
    """What is stopped in the company now; as many queries as now_in. `uses`, where they are known,
    are its agreements that another company shares with it. Run it while acting for the company."""
    return now_in([company_id], uses=uses)[company_id]


def now_in(
    company_ids: Iterable[int], *, uses: Sequence[BankAgreement] | None = None
) -> dict[int, Stops]:
    """Company id → what is stopped there now; two queries, and two more where an agreement is
    another's. Run it while acting for them."""
    found = {pk: Stops() for pk in company_ids}
    rows = SendingStop.objects.filter(company__in=tenancy.ids(found), started_at=None)
    # On an agreement that is deactivated for good there is nothing left to stop or to start.
    rows = rows.exclude(agreement__status=lifecycle.DEACTIVATED)
    for row in rows.select_related("stopped_by", "agreement__account", "agreement__channel"):
        if row.agreement_id is None:
            found[row.company_id] = replace(found[row.company_id], company=row)
        else:
            found[row.company_id].agreements[row.agreement_id] = row
    shared = shared_with(found) if uses is None else uses
    for use, theirs in _of_owners(shared).items():
        found[use.company_id].agreements.setdefault(use.pk, theirs)
    return found


def shared_with(company_ids: Iterable[int]) -> list[BankAgreement]:
    """The agreements that others share with these companies, and that are not deactivated."""
    rows = BankAgreement.objects.filter(company__in=tenancy.ids(company_ids), share__isnull=False)
    rows = rows.exclude(status=lifecycle.DEACTIVATED).select_related("account", "channel")
    return list(rows)


def _of_owners(rows: Sequence[BankAgreement]) -> dict[BankAgreement, SendingStop]:
    """Each agreement that the owner has stopped → this, told as a stop of the agreement here, by
    the owner and with no more said of why."""
    if not rows:
        return {}
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        pairs = AgreementShare.objects.filter(pk__in=[row.share_id for row in rows])
        shares = {share.pk: share for share in pairs.select_related("company")}
        owners = {share.company_id for share in shares.values()}
        stops = list(SendingStop.objects.filter(company__in=owners, started_at=None))
    found = {}
    for row in rows:
        share = shares[row.share_id or 0]
        for stop in stops:
            if stop.company_id == share.company_id and stop.agreement_id in (
                None,
                share.agreement_id,
            ):
                told = _("It is the owner's account, and the owner has stopped it.")
                found[row] = SendingStop(
                    company_id=row.company_id,
                    agreement=row,
                    reason=told,
                    stopped_at=stop.stopped_at,
                    stopped_by=User(name=share.company.name),
                )
    return found


def holds(*, company_id: int, agreement_id: int | None) -> bool:
    """Whether nothing may leave on the agreement; under the lock of whoever sends."""
    here = Q(agreement=None) | Q(agreement=agreement_id)
    rows = SendingStop.objects.of(company_id).filter(here, started_at=None)
    if rows.exists():
        return True
    return any(use.pk == agreement_id for use in _of_owners(shared_with([company_id])))


def stop(
    *,
    company: Company,
    agreement: BankAgreement | None,
    reason: str,
    user: User,
    at: dt.datetime,
    by: changes.By,
) -> SendingStop:
    """Stops all sending, at once. Raises Already."""
    try:
        with transaction.atomic():
            row: SendingStop = SendingStop.objects.create(
                company=company,
                agreement=agreement,
                reason=reason,
                stopped_at=at,
                stopped_by=user,
            )
            _log("sending.stopped", company, agreement, by, reason=reason)
    except IntegrityError as error:
        raise Already from error
    return row


@transaction.atomic
def start(
    *,
    company: Company,
    agreement: BankAgreement | None,
    user: User,
    at: dt.datetime,
    by: changes.By,
) -> None:
    """Lets payments leave again. Raises Already."""
    rows = SendingStop.objects.of(company).filter(agreement=agreement, started_at=None)
    if not rows.update(started_at=at, started_by=user):
        raise Already
    _log("sending.started", company, agreement, by)


def _log(
    act: str, company: Company, agreement: BankAgreement | None, by: changes.By, **told: str
) -> None:
    changes.record(
        act,
        by=by,
        customer=company.customer,
        company=company,
        name=str(agreement or company),
        after=told,
    )


def companies_stopped(companies: Iterable[Company]) -> set[int]:
    """Ids of those of the companies where anything is stopped now; one query."""
    ids = [company.pk for company in companies]
    rows = SendingStop.objects.filter(company__in=ids, started_at=None)
    rows = rows.exclude(agreement__status=lifecycle.DEACTIVATED)
    return set(rows.values_list("company_id", flat=True))
