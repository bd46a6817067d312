"""What pages and the API read of payments: axes a user may see, pages by key, constant queries."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Prefetch, QuerySet

from payments import lifecycle
from payments.models import Payment, PaymentLine, Signature
from portal.access.models import Company
from portal.access.roles import Permission
from portal.events.models import Event

COUNT_CAP = 1000
ID_DIGITS_MAX = 18


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
    return Payment.objects.of(company).filter(kind__in=kinds_seen(permissions))


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a list, the key of the next page or None, and a capped count."""

    rows: list[Any]
    after: str | None
    count: int
    capped: bool


def page(*, payments: QuerySet[Payment], status: str, after: str, size: int) -> Page:
    """Payments by due date, latest first; `after` is the key «date,id» of the last row seen.

    A row-value comparison, so that the index serves every page alike.
    """
    if status:
        payments = payments.filter(status=status)
    count = len(payments.order_by()[: COUNT_CAP + 1].values_list("pk"))
    rows = payments.order_by("-due_date", "-id")
    key = _key(after)
    if key is not None:
        rows = rows.extra(
            where=["(payments_payment.due_date, payments_payment.id) < (%s, %s)"], params=list(key)
        )
    found = list(
        rows.select_related("account", "agreement").prefetch_related(
            Prefetch(
                "signatures",
                queryset=Signature.objects.filter(voided_at=None).select_related("user"),
                to_attr="alive",
            )
        )[: size + 1]
    )
    more = len(found) > size
    found = found[:size]
    last = found[-1] if more else None
    return Page(
        found,
        f"{last.due_date.isoformat()},{last.pk}" if last else None,
        min(count, COUNT_CAP),
        count > COUNT_CAP,
    )


def _key(after: str) -> tuple[dt.date, int] | None:
    day, _, pk = after.partition(",")
    try:
        return dt.date.fromisoformat(day), int(pk)
    except ValueError:
        return None


def status_counts(payments: QuerySet[Payment]) -> dict[str, int]:
    """How many payments stand in each status; for the filter."""
    rows = payments.order_by().values("status").annotate(n=Count("pk"))
    counts = {row["status"]: row["n"] for row in rows}
    return {code: counts[code] for code in lifecycle.PAYMENT_STATUSES if code in counts}


def lines(*, payment: Payment, after: int, size: int) -> tuple[list[PaymentLine], int | None]:
    """Lines by position; those that departed stand first on the first page's summary instead."""
    rows = list(
        PaymentLine.objects.filter(payment=payment, position__gt=after).order_by("position")[
            : size + 1
        ]
    )
    more = len(rows) > size
    rows = rows[:size]
    return rows, rows[-1].position if more else None


def departed(*, payment: Payment, size: int) -> list[PaymentLine]:
    """The lines that went their own way: stopped, held, rejected, refused, returned, unknown."""
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


def ids_of(values: Sequence[str]) -> list[int]:
    """Row ids from a form; what is no number, or a longer one than any id, is left out."""
    return [int(v) for v in values if v.isascii() and v.isdigit() and len(v) <= ID_DIGITS_MAX]
