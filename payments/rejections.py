"""What went wrong in a week, by its cause: how much of it, who must act, and what to do.

It reads events and lines in a constant number of queries, and tells only what still stands so.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum

from payments import lifecycle, queries
from payments.models import Payment, PaymentLine
from portal.access.models import Company
from portal.access.roles import Permission
from portal.clock import OSLO
from portal.events.lifecycle import Status
from portal.events.models import Event

DAYS = 7
READ_MAX, SHOWN = 2_000, 20
# In this order people are told of what they can do something about.
ACTORS = ("erp", "approver", "administrator", "bank", "support", "", "nobody")


@dataclass(frozen=True, slots=True)
class Row:
    """One line that went another way, or all such lines of a payment: then `line` is None."""

    event: Event
    line: PaymentLine | None
    lines: int
    sums: dict[str, Decimal]


@dataclass(slots=True)
class Cause:
    """Lines with one status and one cause: the reasons explained as portal.events.questions does,
    their number, and their sum by currency."""

    state: Status
    why: list[dict[str, Any]]
    rows: list[Row] = field(default_factory=list)
    lines: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)

    @property
    def shown(self) -> list[Row]:
        return self.rows[:SHOWN]

    @property
    def unshown(self) -> int:
        """How many lines stand in rows that are not shown."""
        return sum(row.lines for row in self.rows[SHOWN:])

    @property
    def who(self) -> str:
        """Who must act on the first reason, "" where nobody knows."""
        return str(self.why[0]["who"]) if self.why else ""

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.lines += row.lines
        for currency, amount in row.sums.items():
            self.sums[currency] = self.sums.get(currency, Decimal(0)) + amount


@dataclass(frozen=True, slots=True)
class Week:
    """Seven days, the last one included, and what went wrong in them by cause; `cut` where there
    was more than is read."""

    first: dt.date
    last: dt.date
    causes: list[Cause]
    cut: bool

    @property
    def lines(self) -> int:
        return sum(cause.lines for cause in self.causes)


def week(*, company: Company, permissions: frozenset[Permission], last: dt.date) -> Week:
    """What went wrong in the seven days up to this one, on the axes that these permissions open."""
    first = last - dt.timedelta(days=DAYS - 1)
    events = queries.wrong(
        company=company,
        permissions=permissions,
        since=dt.datetime.combine(first, dt.time(), OSLO),
        before=dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), OSLO),
        size=READ_MAX + 1,
    )
    causes: dict[str, Cause] = {}
    for row in _rows(events[:READ_MAX]):
        state = lifecycle.LINE.statuses[row.event.status]
        why = row.event.why
        key = json.dumps([row.event.status, [_likeness(reason) for reason in why]])
        causes.setdefault(key, Cause(state, why)).add(row)
    for cause in causes.values():
        _tell_alike(cause)
    ordered = sorted(causes.values(), key=lambda one: (ACTORS.index(one.who), -one.lines))
    return Week(first, last, ordered, len(events) > READ_MAX)


def _likeness(reason: dict[str, Any]) -> list[str]:
    """What makes two reasons one cause: the words where there are any, and else code and text."""
    if reason["title"]:
        return [reason["title"], reason["cure"]]
    return [reason.get("code", ""), reason.get("text") or ""]


def _tell_alike(cause: Cause) -> None:
    """The bank's own words stand beside a cause only where they are the same for all of it."""
    for place, reason in enumerate(cause.why):
        texts = {_text(row.event, place) for row in cause.rows}
        cause.why[place] = {**reason, "text": texts.pop() if len(texts) == 1 else "", "value": ""}


def _text(event: Event, place: int) -> str:
    reasons = event.reasons or []
    return str(reasons[place].get("text") or "") if place < len(reasons) else ""


def _rows(events: Sequence[Event]) -> Iterable[Row]:
    """Those of the events that still hold, with their lines; three queries."""
    lines = PaymentLine.objects.in_bulk([event.subject_id for event in events if _is_line(event)])
    whole = [event for event in events if not _is_line(event)]
    sums = _sums(whole)
    for event in events:
        if _is_line(event):
            line = lines.get(event.subject_id)
            if line is not None and line.status == event.status:
                yield Row(event, line, 1, {line.currency: line.amount})
        elif (event.group_id, event.status) in sums:
            count, by_currency = sums.pop((event.group_id, event.status))
            yield Row(event, None, count, by_currency)


def _is_line(event: Event) -> bool:
    """Whether it is about one line, and not about all of a payment's at once."""
    return event.subject == PaymentLine.tracking.subject and bool(event.reference)


def _sums(events: Iterable[Event]) -> dict[tuple[int | None, str], tuple[int, dict[str, Decimal]]]:
    """(payment id, status) → (lines, sum by currency) of the payments that met something whole."""
    groups = {event.group_id for event in events if event.group_id is not None}
    found: dict[tuple[int | None, str], tuple[int, dict[str, Decimal]]] = {}
    if not groups:
        return found
    rows = PaymentLine.objects.filter(
        payment__in=Payment.objects.filter(pk__in=groups), status__in={one.status for one in events}
    )
    grouped = rows.order_by().values_list("payment", "status", "currency")
    for payment, status, currency, count, total in grouped.annotate(n=Count("pk"), s=Sum("amount")):
        lines, sums = found.get((payment, status), (0, {}))
        found[payment, status] = lines + count, sums | {currency: total}
    return found
