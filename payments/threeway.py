"""The daily three-way check: what was sent, what the bank has debited, what the ERP has fetched.

A bank day is compared once, when it is over. What was to be debited a bank day before and is not,
what the bank tells otherwise than it stands here, and what the ERP has not fetched in a day are
differences: on a page, on the overview, and in a letter to those who see the payments.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from banking import calendar
from banking.lists import remarked_gravely
from banking.models import BankFile
from payments import lifecycle, notices, policy
from payments.models import DailyCheck, Payment, PaymentLine
from portal import clock
from portal.access.models import Company
from portal.erp import positions
from portal.events.models import Event

BACK = dt.timedelta(days=60)  # further back nothing new is found: it has been told of since
PAID = (lifecycle.SETTLED, lifecycle.RETURNED)
GONE_TO_BANK = (*policy.AT_BANK, *PAID, lifecycle.REJECTED, lifecycle.CANCELLED_AT_BANK)
SENT, DEBITED, LATE, ODD = "sent", "debited", "late", "odd"


@dataclass(slots=True)
class Figure:
    """How many lines, or files, and their sums by currency."""

    lines: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)

    def add(self, lines: int, sums: Iterable[tuple[str, Decimal]]) -> None:
        self.lines += lines
        for currency, amount in sums:
            self.sums[currency] = self.sums.get(currency, Decimal(0)) + amount

    @property
    def shown(self) -> dict[str, str]:
        """The sums as pages show them."""
        return {currency: f"{amount:.2f}" for currency, amount in sorted(self.sums.items())}


def figure(check: DailyCheck, name: str, kinds: Collection[str]) -> Figure:
    """One figure of a check, of these kinds of payments together."""
    found = Figure()
    for kind in kinds:
        one = check.figures.get(kind, {}).get(name, {})
        sums = ((code, Decimal(text)) for code, text in one.get("sums", {}).items())
        found.add(one.get("lines", 0), sums)
    return found


def differs(check: DailyCheck, kinds: Collection[str]) -> bool:
    """Whether something of it is a difference to those who see these kinds."""
    told = [figure(check, name, kinds).lines for name in (LATE, ODD)]
    return any(told) or (check.unfetched > 0 and Payment.Kind.SUPPLIER in kinds)


def run(*, company: Company, at: dt.datetime) -> DailyCheck | None:
    """Compares the latest bank day that is over, once; None where that is done. Run it while
    acting for the company."""
    day = _day_before(at.astimezone(clock.OSLO).date())
    if DailyCheck.objects.of(company).filter(day=day).exists():
        return None
    found = compare(company=company, day=day, at=at)
    found.save()
    for kind in Payment.Kind.values:
        if differs(found, [kind]):
            notices.differs(
                company=company,
                kind=kind,
                day=day,
                late=figure(found, LATE, [kind]).lines,
                odd=figure(found, ODD, [kind]).lines,
                unfetched=found.unfetched if kind == Payment.Kind.SUPPLIER else 0,
            )
    return found


def compare(*, company: Company, day: dt.date, at: dt.datetime) -> DailyCheck:
    """What a bank day comes to, not stored."""
    begins, ends = (
        dt.datetime.combine(one, dt.time(), clock.OSLO) for one in (day, day + dt.timedelta(days=1))
    )
    figures: dict[str, dict[str, Any]] = {kind: {} for kind in Payment.Kind.values}
    near = PaymentLine.objects.of(company).filter(payment__due_date__gte=day - BACK)
    sent = Q(payment__bank_file__created_at__gte=begins, payment__bank_file__created_at__lt=ends)
    _put(figures, SENT, near.filter(sent, status__in=GONE_TO_BANK))
    _put(figures, DEBITED, near.filter(booked_date=day, status__in=PAID))
    _put(figures, LATE, late(company=company, day=day))
    odd = BankFile.objects.of(company).filter(
        remarked_gravely(), created_at__gte=begins, created_at__lt=ends
    )
    for salary, count in odd.order_by().values_list("salary").annotate(n=Count("pk")):
        kind = Payment.Kind.SALARY if salary else Payment.Kind.SUPPLIER
        figures[kind][ODD] = {"lines": count, "sums": {}}
    position = positions.of(company)
    unfetched = 0
    if position is not None:
        unfetched = (
            Event.objects.of(company)
            .filter(
                sequence__gt=position.cursor,
                told=True,
                recorded_at__lt=timezone.now()
                - dt.timedelta(seconds=settings.ERP_FETCHES_WITHIN_SECONDS),
            )
            .count()
        )
    return DailyCheck(
        company=company,
        day=day,
        made_at=at,
        figures=figures,
        unfetched=unfetched,
        fetched_until=position.asked_at if position is not None else None,
    )


def late(*, company: Company, day: dt.date) -> QuerySet[PaymentLine]:
    """Lines that lie at the bank, and that it was to have paid by the bank day before this one."""
    by = _day_before(day)
    ends = dt.datetime.combine(by + dt.timedelta(days=1), dt.time(), clock.OSLO)
    return PaymentLine.objects.of(company).filter(
        payment__phase__in=[lifecycle.WAY, lifecycle.DEVIATING],
        payment__due_date__gte=day - BACK,
        payment__due_date__lte=by,
        payment__bank_file__created_at__lt=ends,
        status__in=policy.AT_BANK,
    )


def _day_before(date: dt.date) -> dt.date:
    """The last bank day before the date."""
    date -= dt.timedelta(days=1)
    while not calendar.is_bank_day(date):
        date -= dt.timedelta(days=1)
    return date


def _put(figures: dict[str, dict[str, Any]], name: str, lines: QuerySet[PaymentLine]) -> None:
    rows = lines.order_by().values_list("payment__kind", "currency")
    found: dict[str, Figure] = {}
    for kind, currency, count, amount in rows.annotate(n=Count("pk"), sum=Sum("amount")):
        found.setdefault(kind, Figure()).add(count, [(currency, amount)])
    for kind, one in found.items():
        figures[kind][name] = {"lines": one.lines, "sums": one.shown}
