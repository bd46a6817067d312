"""What would be signed of payments as they stand now, and by whom; asks, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Sum

from payments import guards, lifecycle, limits, policy
from payments.models import Payment, PaymentLine, Signature
from portal.access import grants
from portal.access.models import Company, User
from portal.access.roles import APPROVE_PAYMENTS, Permission


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
        sums = ",".join(f"{c}{self.totals[c]:.2f}" for c in sorted(self.totals))
        left_out = ",".join(map(str, self.excluded))
        return f"{bytes(self.payment.digest).hex()}:{self.lines}:{sums}:{left_out}"


def shown(payments: Sequence[Payment]) -> list[Shown]:
    """What would be signed of each payment now, in constant queries."""
    ids = [payment.pk for payment in payments]
    open_lines = PaymentLine.objects.filter(
        payment_id__in=ids, status__in=[lifecycle.AWAITING, lifecycle.PARTLY]
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
    others = PaymentLine.objects.filter(payment_id__in=ids).exclude(
        status__in=[lifecycle.AWAITING, lifecycle.PARTLY]
    )
    for payment_id, position in others.values_list("payment_id", "position").order_by("position"):
        excluded[payment_id].append(position)
    signatures: dict[int, list[Signature]] = {pk: [] for pk in ids}
    for signature in Signature.objects.filter(payment_id__in=ids, voided_at=None).select_related(
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


Hands = Mapping[Permission, frozenset[int]]


def hands(company: Company, user: User) -> Hands:
    """By permission to approve: whose approvals and this user's count as one person's."""
    return {
        permission: grants.one_hand(company=company, user=user, permission=permission)
        for permission in APPROVE_PAYMENTS
    }


def by(
    *,
    user: User,
    permissions: frozenset[Permission],
    payments: Iterable[Shown],
    in_use: bool,
    authority: limits.Authority,
    hands: Hands | None = None,
) -> list[Shown]:
    """Those that wait for a signature which this user may give and has not given; none while
    AutoPay is not `in_use`, and none beyond what the user has
    `authority` for."""
    able = [
        row
        for row in payments
        if row.lines
        and policy.approving(
            row.payment,
            signers=[signature.user_id for signature in row.signed_by],
            user_id=user.pk,
            permissions=permissions,
            in_use=in_use,
            stops=row.stops,
            hand=(hands or {}).get(policy.approve_permission(row.payment), ()),
        )
        is None
    ]
    beyond = beyond_limit(authority, able)
    return [row for row in able if row.payment.pk not in beyond]


def beyond_limit(authority: limits.Authority, rows: Iterable[Shown]) -> dict[int, policy.Refusal]:
    """Payment id → why it is beyond what the user may approve."""
    return judged(authority, rows).refusals


def judged(authority: limits.Authority, rows: Iterable[Shown]) -> limits.Told:
    """What the limits say to these."""
    return limits.judge(authority, [limits.asked(row.payment, row.totals) for row in rows])
