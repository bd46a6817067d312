"""What would be signed of payments as they stand now, and by whom; asks, and changes nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Sum

from banking.models import Authority
from payments import digest, guards, lifecycle, limits, policy
from payments.models import Payment, PaymentLine, Signature
from portal.access import grants, tenancy
from portal.access.acting import Acting
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.people import services


@dataclass(frozen=True, slots=True)
class Shown:
    """What the signing page showed of one payment: enough to notice any change."""

    payment: Payment
    lines: int
    totals: dict[str, Decimal]
    excluded: tuple[int, ...]
    signed_by: tuple[Signature, ...]
    stops: int = 0  # findings of checks that nobody has let pass

    @property
    def needed_after(self) -> int:
        """How many approvals are still needed when the one who looks has given theirs."""
        return max(0, self.payment.agreement.approvers_required - len(self.signed_by) - 1)

    def fingerprint(self) -> str:
        """Changes when what is paid changes: a line, a sum, or which lines are left out."""
        covered = digest.Covered(self.lines, self.totals, self.excluded)
        return digest.fingerprint(bytes(self.payment.digest).hex(), covered)


def shown(payments: Sequence[Payment]) -> list[Shown]:
    """What would be signed of each payment now, in constant queries."""
    ids = [payment.pk for payment in payments]
    these = tenancy.ids(ids)
    open_lines = PaymentLine.objects.filter(
        payment_id__in=these, status__in=[lifecycle.AWAITING, lifecycle.PARTLY]
    )
    sums: dict[int, dict[str, Decimal]] = {pk: {} for pk in ids}
    lines: dict[int, int] = dict.fromkeys(ids, 0)
    for row in (
        open_lines.values("payment_id", "currency")
        .annotate(sum=Sum("amount"), n=Count("id"))
        .order_by()
    ):
        sums[row["payment_id"]][row["currency"]] = row["sum"]
        lines[row["payment_id"]] += row["n"]
    excluded: dict[int, list[int]] = {pk: [] for pk in ids}
    others = PaymentLine.objects.filter(payment_id__in=these).exclude(
        status__in=[lifecycle.AWAITING, lifecycle.PARTLY]
    )
    for payment_id, position in others.values_list("payment_id", "position").order_by("position"):
        excluded[payment_id].append(position)
    signatures: dict[int, list[Signature]] = {pk: [] for pk in ids}
    for signature in Signature.objects.filter(payment_id__in=these, voided_at=None).select_related(
        "user"
    ):
        signatures[signature.payment_id].append(signature)
    stops = guards.stops(ids)
    return [
        Shown(
            p,
            lines[p.pk],
            sums[p.pk],
            tuple(excluded[p.pk]),
            tuple(signatures[p.pk]),
            stops.get(p.pk, 0),
        )
        for p in payments
    ]


@dataclass(frozen=True, slots=True)
class Rights:
    """By what right a user approves in a company now: whether AutoPay is `in_use` there, how much
    they have `authority` for, and, by permission to approve, in whose `hand` with theirs an
    approval counts as one person's."""

    permissions: frozenset[Permission]
    in_use: bool
    authority: limits.Authority
    hands: Mapping[Permission, frozenset[int]]

    def refusal(self, row: Shown) -> policy.Refusal | None:
        """Why the user may not sign this, but for limits."""
        return policy.approving(
            row.payment,
            signers=[signature.user_id for signature in row.signed_by],
            user_id=self.authority.user_id,
            permissions=self.permissions,
            in_use=self.in_use,
            stops=row.stops,
            hand=self.hands[policy.approve_permission(row.payment)],
        )


def rights(
    *, user: User, places: Collection[Acting], at: dt.datetime, lock: bool = False
) -> dict[int, Rights]:
    """Company id → by what right the user approves there; in a constant number of queries, run
    while acting for the companies. `lock` as limits.in_all has it."""
    held = {acting.company.pk: acting.permissions for acting in places}
    companies = [acting.company for acting in places]
    authority = limits.in_all(companies=companies, user=user, at=at, lock=lock)
    hands = grants.hands_of(companies=companies, user=user)
    used = services.used_in(held)
    return {
        pk: Rights(permissions, pk in used, authority[pk], hands[pk])
        for pk, permissions in held.items()
    }


def by(*, rights: Mapping[int, Rights], payments: Iterable[Shown]) -> list[Shown]:
    """Those that wait for a signature which the user of these rights, by company, may give and has
    not given; none beyond what the user has authority for."""
    able = [
        row for row in payments if row.lines and rights[row.payment.company_id].refusal(row) is None
    ]
    beyond = beyond_limit(rights, able)
    return [row for row in able if row.payment.pk not in beyond]


def beyond_limit(rights: Mapping[int, Rights], rows: Iterable[Shown]) -> dict[int, policy.Refusal]:
    """Payment id → why it is beyond what the user may approve."""
    found: dict[int, policy.Refusal] = {}
    for company, some in by_company(rows).items():
        found |= judged(rights[company].authority, some).refusals
    return found


def by_company(rows: Iterable[Shown]) -> dict[int, list[Shown]]:
    """Company id → its own of these, in their order."""
    found: dict[int, list[Shown]] = {}
    for row in rows:
        found.setdefault(row.payment.company_id, []).append(row)
    return found


def judged(authority: limits.Authority, rows: Iterable[Shown]) -> limits.Told:
    """What the limits of one company say to these."""
    return limits.judge(authority, [limits.asked(row.payment, row.totals) for row in rows])


def others(
    *, company: Company, payments: Sequence[Payment], but: Iterable[int], most: int
) -> list[str]:
    """Names of active users, but not these ids, who may approve every one of the payments: none
    whose limit at a time is below one of them, and none who entered one of them that others among
    its writers have approved, or that one approval is enough for."""
    able: list[User] | None = None
    for permission in {policy.approve_permission(payment) for payment in payments}:
        holders = grants.holders(company=company, permission=permission).exclude(pk__in=set(but))
        able = [user for user in holders if able is None or user in able]
    small = limits.too_small(company=company, users=able or [], payments=payments)
    signed = set(but)
    return [
        str(user)
        for user in able or []
        if user.pk not in small
        and not any(
            policy.alone(payment, {user.pk, *(signed & set(payment.entered_by))})
            for payment in payments
        )
    ][:most]


def authority_warnings(*, user: User, payments: Sequence[Payment]) -> list[Payment]:
    """Payments whose account the user holds no authority on at the bank, as we know it."""
    held = set(
        Authority.objects.filter(
            user=user,
            holds_authority=True,
            account_id__in=tenancy.ids({p.account_id for p in payments}),
        ).values_list("account_id", flat=True)
    )
    return [payment for payment in payments if payment.account_id not in held]
