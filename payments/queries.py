"""What pages and the API read of payments: axes a user may see, pages by key, constant queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.db import connection
from django.db.models import Q, QuerySet, Sum

from banking.models import BankAccount, BankAgreement
from payments import lifecycle
from payments.models import Payment, PaymentLine
from portal.access import tenancy
from portal.access.models import Company
from portal.access.roles import Permission
from portal.events.models import Event
from portal.lists import keyset
from portal.lists.keyset import Count

HOME = "NOK"
# As the index event_went_wrong has them (payments/migrations/0004).
WRONG = [
    move.name
    for move in (
        lifecycle.STOP,
        lifecycle.REJECT,
        lifecycle.RETURN,
        lifecycle.NOT_DELIVERED,
        lifecycle.PUZZLE,
    )
]


def kinds_seen(permissions: frozenset[Permission]) -> list[str]:
    """The axes, supplier and salary, that these permissions open."""
    kinds = []
    if Permission.SEE_SUPPLIER in permissions:
        kinds.append(Payment.Kind.SUPPLIER)
    if Permission.SEE_SALARY in permissions:
        kinds.append(Payment.Kind.SALARY)
    return [str(kind) for kind in kinds]


def visible(*, company: Company, permissions: frozenset[Permission]) -> QuerySet[Payment]:
    """The company's payments that may be opened."""
    rows, kinds = Payment.objects.of(company), kinds_seen(permissions)
    return rows if len(kinds) == len(Payment.Kind) else rows.filter(kind__in=kinds)


def hidden(*, company: Company, permissions: frozenset[Permission]) -> Count:
    """How many payments these roles do not reach, up to a cap."""
    unseen = [kind for kind in Payment.Kind.values if kind not in kinds_seen(permissions)]
    if not unseen:
        return Count(0, False)
    return keyset.count(Payment.objects.of(company).filter(kind__in=unseen))


def waiting_in(companies: Iterable[Company], *, cap: int = 99) -> dict[int, Count]:
    """How many payments wait for approval in each company, up to a cap; one query for all."""
    ids = [company.pk for company in companies]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, (SELECT count(*) FROM (SELECT 1 FROM payments_payment p"
            " WHERE p.company_id = c.id AND p.phase = %s LIMIT %s) few)"
            " FROM unnest(%s::bigint[]) c(id)",
            [lifecycle.OPEN, cap + 1, ids],
        )
        return {pk: Count(min(n, cap), n > cap) for pk, n in cursor.fetchall()}


def under_way(company: Company, *, phase: str) -> Count:
    """How many of the company's payments are in this phase, up to a cap."""
    return keyset.count(Payment.objects.of(company).filter(phase=phase), cap=999)


def lines(*, payment: Payment, after: int, size: int) -> tuple[list[PaymentLine], int | None]:
    """Lines by position, those that departed too; and where to go on from, if there is more."""
    rows = list(
        PaymentLine.objects.filter(payment=payment, position__gt=after).order_by("position")[
            : size + 1
        ]
    )
    more = len(rows) > size
    rows = rows[:size]
    return rows, rows[-1].position if more else None


def departed(*, payment: Payment, size: int) -> list[PaymentLine]:
    """The lines that went their own way: stopped, held, refused, or other than paid at the bank."""
    apart = [
        lifecycle.STOPPED,
        lifecycle.HELD,
        lifecycle.REJECTED,
        lifecycle.REFUSED,
        lifecycle.RETURNED,
        lifecycle.UNKNOWN,
        lifecycle.CANCELLED_AT_BANK,
    ]
    if not any(payment.line_counts.get(code) for code in apart):
        return []
    rows = PaymentLine.objects.filter(payment=payment, status__in=apart)
    return list(rows.order_by("position")[:size])


def events(*, payment: Payment, size: int) -> list[Event]:
    """What happened to a payment and its lines, latest first."""
    return list(Event.objects.filter(group_id=payment.pk).order_by("-id")[:size])


def by_number(*, company: Company, number: str) -> Payment | None:
    """A payment by its number in the ERP."""
    return Payment.objects.of(company).filter(number=number).first()


def standing(
    rows: QuerySet[Payment], *, statuses: Sequence[str]
) -> list[tuple[dt.date, dict[str, Decimal]]]:
    """(due date, currency → sum of the lines that stand so) of each payment, in two queries.

    `Payment.totals` are as they were received: where some lines have gone another way since, the
    lines are added up.
    """
    found = list(rows.values_list("pk", "due_date", "totals", "line_counts"))
    mixed = [pk for pk, _due, _totals, counts in found if set(counts) - set(statuses)]
    sums: dict[int, dict[str, Decimal]] = {pk: {} for pk in mixed}
    lines = PaymentLine.objects.filter(payment_id__in=mixed, status__in=statuses).order_by()
    for pk, currency, amount in lines.values_list("payment_id", "currency").annotate(
        sum=Sum("amount")
    ):
        sums[pk][currency] = amount
    return [
        (due, sums[pk] if pk in sums else {code: Decimal(n) for code, n in totals.items()})
        for pk, due, totals, _counts in found
    ]


def wrong(
    *,
    company: Company,
    permissions: frozenset[Permission],
    since: dt.datetime,
    before: dt.datetime | None = None,
    size: int,
) -> list[Event]:
    """The latest events by which a line left the way to being paid, whether or not they hold."""
    kinds = kinds_seen(permissions)
    rows = Event.objects.of(company).filter(event__in=WRONG, at__gte=since)
    if before is not None:
        rows = rows.filter(at__lt=before)
    if len(kinds) < len(Payment.Kind):
        rows = rows.filter(salary=Payment.Kind.SALARY in kinds)
    return list(rows.order_by("-id")[:size])


def went_wrong(
    *, company: Company, permissions: frozenset[Permission], since: dt.datetime, size: int
) -> list[Event]:
    """The latest events by which a line left the way to being paid and that still hold."""
    events = wrong(company=company, permissions=permissions, since=since, size=size)
    counts = dict(
        Payment.objects.filter(pk__in={event.group_id for event in events}).values_list(
            "pk", "line_counts"
        )
    )
    return [event for event in events if counts.get(event.group_id or 0, {}).get(event.status)]


def sums_to_send(*, payment_ids: Sequence[int]) -> dict[str, Decimal]:
    """Currency → sum of the lines of these payments that wait for approval, line by line."""
    rows = PaymentLine.objects.filter(
        payment_id__in=tenancy.ids(payment_ids), status__in=lifecycle.PHASES[lifecycle.OPEN]
    )
    return dict(rows.order_by().values_list("currency").annotate(sum=Sum("amount")))


def with_agreements(payments: Sequence[Payment]) -> None:
    """Gives each payment its agreement, with channel, and its account, in three queries at most."""
    ids = tenancy.ids({payment.agreement_id for payment in payments})
    rows = BankAgreement.objects.filter(pk__in=ids).select_related("account")
    agreements = {row.pk: row for row in rows.prefetch_related("channel")}
    accounts = {row.account_id: row.account for row in agreements.values()}
    if others := {payment.account_id for payment in payments} - set(accounts):
        accounts |= {row.pk: row for row in BankAccount.objects.filter(pk__in=tenancy.ids(others))}
    for payment in payments:
        payment.agreement = agreements[payment.agreement_id]
        payment.account = accounts[payment.account_id]


def abroad(payments: Iterable[Payment]) -> set[int]:
    """Ids of those of the payments of which a line still to be sent goes abroad: in another
    currency, or to an account that is not Norwegian; one query."""
    home = Q(currency=HOME) & (
        Q(payee_account_kind=PaymentLine.AccountKind.BBAN)
        | Q(payee_account_kind=PaymentLine.AccountKind.IBAN, payee_account__startswith="NO")
    )
    rows = PaymentLine.objects.filter(
        payment__in=tenancy.ids(payment.pk for payment in payments),
        status__in=lifecycle.PHASES[lifecycle.OPEN],
    ).exclude(home)
    return set(rows.values_list("payment_id", flat=True).distinct())
