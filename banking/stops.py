"""The emergency brake: a person stops all sending on one agreement, or of a whole company.

What is stopped stays where it is, approved and signed; nothing leaves for the bank until somebody
starts it again. What the bank has already got runs on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from django.db import IntegrityError, transaction
from django.db.models import Q

from banking import lifecycle
from banking.models import BankAgreement, SendingStop
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


def now(company_id: int) -> Stops:
    """What is stopped in the company now; one query. Run it while acting for the company."""
    return now_in([company_id])[company_id]


def now_in(company_ids: Iterable[int]) -> dict[int, Stops]:
    """Company id → what is stopped there now; one query. Run it while acting for them."""
    found = {pk: Stops() for pk in company_ids}
    rows = SendingStop.objects.filter(company__in=found, started_at=None)
    # On an agreement that is deactivated for good there is nothing left to stop or to start.
    rows = rows.exclude(agreement__status=lifecycle.DEACTIVATED)
    for row in rows.select_related("stopped_by", "agreement__account", "agreement__channel"):
        if row.agreement_id is None:
            found[row.company_id] = replace(found[row.company_id], company=row)
        else:
            found[row.company_id].agreements[row.agreement_id] = row
    return found


def holds(*, company_id: int, agreement_id: int | None) -> bool:
    """Whether nothing may leave on the agreement; under the lock of whoever sends."""
    here = Q(agreement=None) | Q(agreement=agreement_id)
    rows = SendingStop.objects.of(company_id).filter(here, started_at=None)
    return bool(rows.exists())


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
