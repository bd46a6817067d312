"""What a company's people must know of its banks before anything else, wherever they come in."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace

from django.db.models import DateTimeField, ExpressionWrapper, QuerySet, Value

from banking import agreements, lifecycle, stops
from banking.lists import files_seen, remarked_gravely
from banking.models import BankAgreement, BankChannel, BankFile
from portal import clock
from portal.access import tenancy
from portal.access.grants import BusinessToday
from portal.access.guard import Acting
from portal.access.roles import Permission

# A file that lies aside is told of for so long; afterwards it stands in the list of files alone.
TOLD_FOR = dt.timedelta(days=7)
# What money may be lost by is told of longer, and to all.
GRAVE_FOR = dt.timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Alarms:
    """`unclaimed` are the banks that sent a file of which nobody knows whose it is, `aside` how
    many of the company's own could not be carried out, and `grave` how many tell of payments
    otherwise than they stand here."""

    unreachable: list[BankChannel]
    stops: stops.Stops
    closed: list[BankAgreement]
    grave: int = 0
    aside: int = 0
    unclaimed: list[str] = field(default_factory=list)


def of(acting: Acting) -> Alarms:
    """The alarms of the company that is acted in; a constant number of queries."""
    company = acting.company
    closed, shared = agreements.closed_and_shared(company)
    unreachable, grave = agreements.unreachable_and_files(company, _grave(acting))
    found = Alarms(
        unreachable=unreachable,
        stops=stops.now(company.pk, uses=shared),
        closed=closed,
        grave=grave,
    )
    if not acting.may(Permission.SEE_FILES):
        return found
    since = clock.now() - TOLD_FOR
    # Whoever brings a file in by hand is told on its page, and has the bank's word elsewhere.
    aside = files_seen(acting=acting).filter(
        status=lifecycle.SET_ASIDE, created_at__gt=since, imported_by=None
    )
    ours = BankChannel.objects.filter(
        agreements__company=company, agreements__status=lifecycle.ACTIVE
    )
    with tenancy.acting_for([company], unclaimed=True):
        rows = BankFile.objects.filter(
            company=None, status=lifecycle.SET_ASIDE, created_at__gt=since, channel__in=ours
        )
        banks = list(rows.values_list("channel__name", flat=True).distinct())
    return replace(found, aside=aside.count(), unclaimed=sorted(banks))


def _grave(acting: Acting) -> QuerySet[BankFile]:
    """By the database's own clock, which need not be asked beforehand."""
    since = ExpressionWrapper(BusinessToday() - Value(GRAVE_FOR), output_field=DateTimeField())
    return files_seen(acting=acting).filter(remarked_gravely(), created_at__gt=since)
