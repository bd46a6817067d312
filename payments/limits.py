"""How much one person may approve: at a time and on a day, in kroner; none where none is set.

An approver is bound by their own limit. A deputy who has the right only by standing in for somebody
uses up that person's day as well: an absent one and all who stand in for them approve no more
together than the absent one could. An amount in another currency is beyond every limit: nobody
knows here what it will be in kroner.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Q, Sum
from django.utils.translation import gettext as _

from payments import policy
from payments.models import Payment, Signature
from portal.access import grants, tenancy
from portal.access.models import ApprovalLimit, Company, User
from portal.access.roles import APPROVE_PAYMENTS, Permission, permissions_of
from portal.clock import OSLO

HOME = "NOK"
Sums = Mapping[str, Decimal]


@dataclass(slots=True)
class Bound:
    """What a person may approve; `used` is what they, or others in their place, approved today."""

    per_payment: Decimal | None
    per_day: Decimal | None
    used: Decimal


@dataclass(frozen=True, slots=True)
class Authority:
    """By which right a person approves now, and how much.

    `own` are the approvals that the person may give in their own right. `lenders` are the absent
    ones whom they stand in for, by what these may approve, in a fixed order.
    """

    user_id: int
    own: frozenset[Permission]
    lenders: Mapping[Permission, Sequence[int]] = field(default_factory=dict)
    bounds: Mapping[int, Bound] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A payment that is to be approved, and what of it is paid."""

    pk: int
    permission: Permission
    sums: Sums


@dataclass(frozen=True, slots=True)
class Told:
    """What the limits say: payment id → why it is beyond them, or in whose place it is approved
    (None: in one's own right)."""

    refusals: dict[int, policy.Refusal]
    in_place_of: dict[int, int | None]


def of(*, company: Company, user: User, at: dt.datetime, lock: bool = False) -> Authority:
    """The user's right to approve in the company, as `in_all` tells it."""
    return in_all(companies=[company], user=user, at=at, lock=lock)[company.pk]


def in_all(
    *, companies: Sequence[Company], user: User, at: dt.datetime, lock: bool = False
) -> dict[int, Authority]:
    """Company id → the user's right to approve there, as it stands now; in a constant number of
    queries. Run it while acting for the companies.

    `lock` holds the stand-ins, limits and roles till the end of the transaction, so that two
    signings at once do not both fit into one day, and a right that ends meanwhile is not used.
    """
    deputies = grants.standing_in_any(companies=companies).filter(deputy=user).order_by("pk")
    if lock:
        deputies = deputies.select_for_update(of=("self",))
    absent: dict[int, list[int]] = {company.pk: [] for company in companies}
    for row in deputies:
        if row.absent_id not in absent[row.company_id]:
            absent[row.company_id].append(row.absent_id)
    people = {user.pk, *(pk for some in absent.values() for pk in some)}
    limits = ApprovalLimit.objects.filter(
        company__in=tenancy.ids(absent), user__in=people
    ).order_by("pk")
    rows = list(limits.select_for_update() if lock else limits)
    if lock:
        grants.hold(companies=companies, users=people)
    by_company = grants.own_roles_in(companies=companies, users=people)
    used = _used(rows, at)
    bounds: dict[int, dict[int, Bound]] = {company: {} for company in absent}
    for row in rows:
        company, whose = row.company_id, row.user_id
        if whose in {user.pk, *absent[company]}:
            bounds[company][whose] = Bound(row.per_payment, row.per_day, used[company, whose])
    found = {}
    for company, some in absent.items():
        held = {
            pk: permissions_of(roles) & APPROVE_PAYMENTS
            for pk, roles in by_company[company].items()
        }
        found[company] = Authority(
            user_id=user.pk,
            own=held.get(user.pk, frozenset()),
            lenders={
                permission: [pk for pk in some if permission in held.get(pk, ())]
                for permission in APPROVE_PAYMENTS
            },
            bounds=bounds[company],
        )
    return found


def _used(rows: Sequence[ApprovalLimit], at: dt.datetime) -> dict[tuple[int, int], Decimal]:
    """Company and user id of each limit → what was approved there today by the person or in their
    place, and stands; in one query."""
    used = {(row.company_id, row.user_id): Decimal(0) for row in rows}
    if not used:
        return used
    midnight = dt.datetime.combine(at.astimezone(OSLO).date(), dt.time(), OSLO)
    people = {user for _company, user in used}
    found = Signature.objects.filter(
        Q(user_id__in=people) | Q(in_place_of_id__in=people),
        company__in={company for company, _user in used},
        signed_at__gte=midnight,
        voided_at=None,
    )
    sums = found.order_by().values_list("company_id", "user_id", "in_place_of_id")
    for company, signer, lender, amount in sums.annotate(sum=Sum("amount")):
        for pk in {signer, lender}:
            if (company, pk) in used:
                used[company, pk] += amount
    return used


def too_small(*, company: Company, users: Iterable[User], payments: Iterable[Payment]) -> set[int]:
    """Ids of those users whose own limit at a time one of the payments is beyond."""
    sums = [{code: Decimal(amount) for code, amount in row.totals.items()} for row in payments]
    foreign = any(set(row) - {HOME} for row in sums)
    largest = max((row.get(HOME, Decimal(0)) for row in sums), default=Decimal(0))
    rows = ApprovalLimit.objects.of(company).filter(user__in=[user.pk for user in users])
    return {
        row.user_id
        for row in rows
        if foreign or (row.per_payment is not None and largest > row.per_payment)
    }


def asked(payment: Payment, sums: Sums) -> Asked:
    """What is asked of the limits about one payment."""
    return Asked(payment.pk, policy.approve_permission(payment), sums)


def judge(authority: Authority, payments: Iterable[Asked]) -> Told:
    """What the person may approve of these, taking the payments in their order."""
    told = Told({}, {})
    used = {pk: bound.used for pk, bound in authority.bounds.items()}
    for one in payments:
        mine = one.permission in authority.own
        lenders: Sequence[int | None] = (
            [None] if mine else list(authority.lenders.get(one.permission, ()))
        )
        why = ""
        for lender in lenders:
            bound_by = [
                pk
                for pk in (authority.user_id, lender)
                if pk is not None and pk in authority.bounds
            ]
            faults = [_fault(authority.bounds[pk], used[pk], one.sums) for pk in bound_by]
            if any(faults):
                why = why or next(filter(None, faults))
                continue
            for pk in bound_by:
                used[pk] += one.sums.get(HOME, Decimal(0))
            told.in_place_of[one.pk] = lender
            break
        else:
            told.refusals[one.pk] = _refusal(why)
    return told


def _refusal(why: str) -> policy.Refusal:
    if not why:
        return policy.Refusal(policy.NOT_YOURS, _("Your roles do not let you approve it."))
    another = _("Another approver must do it.")
    return policy.Refusal(policy.OVER_LIMIT, f"{why} {another}")


def _fault(bound: Bound, used: Decimal, sums: Sums) -> str:
    """Why the payment is beyond one person's limit; empty when it is within."""
    amount = sums.get(HOME, Decimal(0))
    if set(sums) - {HOME}:
        return _("You approve within a limit in kroner, so not amounts in other currencies.")
    if bound.per_payment is not None and amount > bound.per_payment:
        text = _("It is larger than the %(most)s kr that you may approve at a time.")
        return text % {"most": _shown(bound.per_payment)}
    if bound.per_day is not None and used + amount > bound.per_day:
        text = _("With it more than %(most)s kr would be approved on one day: that is your limit.")
        return text % {"most": _shown(bound.per_day)}
    return ""


def _shown(amount: Decimal) -> str:
    return f"{amount:,.2f}".replace(",", "\u00a0").replace(".", ",")
