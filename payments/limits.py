"""How much one person may approve: at a time and on a day, in kroner; none where none is set.

An amount in another currency is beyond every limit: nobody knows here what it will be in kroner.
A deputy with no limit of their own is bound by the tightest of those they stand in for.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q
from django.utils.translation import gettext as _

from payments import policy
from payments.models import Ceremony
from portal.access import grants
from portal.access.models import ApprovalLimit, Company, User
from portal.clock import OSLO

HOME = "NOK"
Sums = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Limit:
    """What a person may approve now; `used` is what they have approved on this day."""

    per_payment: Decimal | None
    per_day: Decimal | None
    used: Decimal


def of(*, company: Company, user: User, at: dt.datetime, lock: bool = False) -> Limit | None:
    """The user's limit in the company; None where there is none. `lock` holds it till the end of
    the transaction, so that two signings at once do not both fit into one day.
    """
    absent = grants.standing_in(company=company).filter(deputy=user).values("absent_id")
    rows = ApprovalLimit.objects.of(company).filter(Q(user=user) | Q(user__in=absent))
    found = list(rows.select_for_update() if lock else rows)
    own = [row for row in found if row.user_id == user.pk] or found
    if not own:
        return None
    tightest = [row.per_payment for row in own if row.per_payment is not None]
    daily = [row.per_day for row in own if row.per_day is not None]
    return Limit(min(tightest, default=None), min(daily, default=None), _used(company, user, at))


def _used(company: Company, user: User, at: dt.datetime) -> Decimal:
    midnight = dt.datetime.combine(at.astimezone(OSLO).date(), dt.time(), OSLO)
    rows = Ceremony.objects.of(company).filter(user=user, at__gte=midnight)
    totals = rows.values_list("totals", flat=True)
    return sum((Decimal(row.get(HOME, 0)) for row in totals), Decimal(0))


def refusals(
    limit: Limit | None, payments: Iterable[tuple[int, Sums]]
) -> dict[int, policy.Refusal]:
    """Payment id → why it is beyond the limit, taking the payments in their order."""
    if limit is None:
        return {}
    found, used = {}, limit.used
    for pk, sums in payments:
        amount = sums.get(HOME, Decimal(0))
        if set(sums) - {HOME}:
            text = _("You approve within a limit in kroner, so not amounts in other currencies.")
        elif limit.per_payment is not None and amount > limit.per_payment:
            text = _("It is larger than the %(most)s kr that you may approve at a time.")
            text = text % {"most": _shown(limit.per_payment)}
        elif limit.per_day is not None and used + amount > limit.per_day:
            text = _("With it you would approve more than your %(most)s kr on one day.")
            text = text % {"most": _shown(limit.per_day)}
        else:
            used += amount
            continue
        another = _("Another approver must do it.")
        found[pk] = policy.Refusal(policy.OVER_LIMIT, f"{text} {another}")
    return found


def _shown(amount: Decimal) -> str:
    return f"{amount:,.2f}".replace(",", "\u00a0").replace(".", ",")
