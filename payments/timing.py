"""When a bank is expected to pay: bank days, and the bank's cut-offs. It decides nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from banking import calendar, profiles
from payments.models import Payment
from portal import clock


@dataclass(slots=True)
class Group:
    """Payments for which the same is to be told; `paid_on` is when the bank is expected to pay."""

    paid_on: dt.date
    bank: str = ""
    cut_off: dt.time | None = None
    numbers: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Dates:
    """Payments that are not paid on their due date: it has passed, banks are closed on it, or the
    day's cut-off has passed. `soon` are those that a bank still pays today, if they reach it by its
    cut-off; they are no deviation."""

    past: list[Group]
    closed: list[Group]
    late: list[Group]
    soon: list[Group]

    def __bool__(self) -> bool:
        return bool(self.past or self.closed or self.late)


def asked(due_date: dt.date, *, today: dt.date) -> dt.date:
    """The day on which the bank is asked to pay: the due date, but never a day that has passed or
    on which banks are closed; then the first bank day after it."""
    return calendar.roll(max(due_date, today))


def after_last_day(due_date: dt.date, last_day: dt.date | None, *, today: dt.date) -> bool:
    """Whether the bank would be asked to pay after the last day of the agreement, if it has one."""
    return last_day is not None and asked(due_date, today=today) > last_day


def dates(payments: Iterable[Payment], *, now: dt.datetime, abroad: Collection[int] = ()) -> Dates:
    """What is to be told of when these are paid, if they are sent now.

    Payments need agreement and channel at hand; `abroad` are the ids of those with a line that goes
    abroad, for which the earlier of the two cut-offs is told.
    """
    local = now.astimezone(clock.OSLO)
    today = local.date()
    found: dict[str, dict[tuple[object, ...], Group]] = {
        kind: {} for kind in ("past", "closed", "late", "soon")
    }
    for payment in payments:
        bank = payment.agreement.channel
        kinds = ["urgent" if payment.urgent else "domestic"]
        kinds += ["foreign"] if payment.pk in abroad else []
        known = map(profiles.of(bank.bank).cut_off, kinds)
        cut_off = min((one for one in known if one is not None), default=None)
        is_late = (
            cut_off is not None
            and payment.due_date <= today
            and calendar.is_bank_day(today)
            and local.time() > cut_off
        )
        first = calendar.next_bank_day(today) if is_late else calendar.roll(today)
        paid_on = calendar.roll(max(payment.due_date, first))
        if cut_off is not None and paid_on == today:
            alike = (today, str(bank), cut_off)
            found["soon"].setdefault(alike, Group(*alike)).numbers.append(payment.called)
        if payment.due_date < today:
            kind, told = "past", Group(paid_on)
        elif is_late:
            kind, told = "late", Group(paid_on, str(bank), cut_off)
        elif paid_on != payment.due_date:
            kind, told = "closed", Group(paid_on)
        else:
            continue
        key = (told.paid_on, told.bank, told.cut_off)
        found[kind].setdefault(key, told).numbers.append(payment.called)
    return Dates(*(list(groups.values()) for groups in found.values()))
