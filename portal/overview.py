"""The first page of a company: what waits, what is due, what went wrong, who has been heard of.

It reads what the floors below know and changes nothing; a constant number of queries.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from banking import alarms, calendar
from banking.models import BankChannel
from payments import deciding, lifecycle, lists, queries, threeway
from payments.models import DailyCheck, Payment, PaymentLine
from portal import clock, details
from portal.access import guard
from portal.access.models import SigningKey
from portal.access.roles import APPROVE_PAYMENTS, SEE_PAYMENTS, Permission
from portal.erp.models import PushTarget
from portal.events import questions
from portal.events.lifecycle import Status
from portal.lists import keyset

DAYS = 30
HOME = "NOK"
WEEK = dt.timedelta(days=7)
DEVIATIONS_SHOWN, DEVIATIONS_READ = 5, 200
OPEN, WAY = lifecycle.PHASES[lifecycle.OPEN], lifecycle.PHASES[lifecycle.WAY]
DUE_ROWS_MAX = 10_000
CHART_WIDTH, CHART_HEIGHT = 900, 160
LABEL_EVERY = 5  # days between the dates beneath a chart


@dataclass(frozen=True, slots=True)
class DueDay:
    """What is due on one day in one currency, and its bar in the chart (in its units)."""

    date: dt.date
    payments: int
    sum: Decimal
    open: bool
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Deviation:
    """Lines of one payment that went another way together; the line, where it is only one."""

    entry: details.Entry
    state: Status
    line: PaymentLine | None


@require_GET
@guard.company(*SEE_PAYMENTS, Permission.SEE_AGREEMENTS, Permission.SEE_FILES)
def page(request: HttpRequest) -> HttpResponse:
    acting = guard.acting_of(request)
    context: dict[str, Any] = {
        "channels": _channels(acting),
        "poll_minutes": -(-settings.BANK_POLL_SECONDS // 60),
        "alarms": alarms.of(acting),
        "may_stop": bool(acting.permissions & (APPROVE_PAYMENTS | {Permission.CHANGE_AGREEMENTS})),
        "key": _key(acting),
    }
    if acting.may(Permission.MANAGE_KEYS):
        context["push_fails"] = _push_fails(acting)
    if acting.may(Permission.DECIDE_CHECKS):
        context["stopped"] = keyset.count(deciding.waiting(company=acting.company))
    if acting.permissions & APPROVE_PAYMENTS:
        context["to_sign"] = _to_sign(request, acting)
    if acting.permissions & SEE_PAYMENTS:
        today = clock.today()
        context |= {
            "differs": _differs(acting),
            "due": _due(acting, today),
            "overdue": _overdue(acting, today),
            "due_most": DUE_ROWS_MAX,
            "days": DAYS,
            "deviations": _deviations(acting, clock.now()),
            "chart": {"width": CHART_WIDTH, "height": CHART_HEIGHT},
        }
    return render(request, "overview.html", context)


def _differs(acting: guard.Acting) -> DailyCheck | None:
    """The latest daily check, where it found a difference that this user sees."""
    latest = DailyCheck.objects.of(acting.company).order_by("-day").first()
    kinds = queries.kinds_seen(acting.permissions)
    return latest if latest is not None and threeway.differs(latest, kinds) else None


def _to_sign(request: HttpRequest, acting: guard.Acting) -> dict[str, Any]:
    """What waits for this user: how many, and their sums where they are not too many to add."""
    return _waiting(lists.to_sign(acting=acting, user=request.user))


def _waiting(rows: QuerySet[Payment]) -> dict[str, Any]:
    """How many there are, and the sums of what still waits, where they are not too many to add."""
    found = keyset.count(rows)
    sums: dict[str, Decimal] = {}
    if found.shown and not found.capped:
        for _due_date, amounts in queries.standing(rows, statuses=OPEN):
            _add(sums, amounts)
    return {"count": found, "sums": {code: str(amount) for code, amount in sums.items()}}


def _add(sums: dict[str, Decimal], more: dict[str, Decimal]) -> None:
    for currency, amount in more.items():
        sums[currency] = sums.get(currency, Decimal(0)) + amount


def _overdue(acting: guard.Acting, today: dt.date) -> dict[str, Any] | None:
    """What still waits for approval after its due date: how many, their sums, and where it is."""
    rows = queries.visible(company=acting.company, permissions=acting.permissions).filter(
        due_date__lt=today, phase=lifecycle.OPEN
    )
    found = _waiting(rows)
    if not found["count"].shown:
        return None
    yesterday = today - dt.timedelta(days=1)
    query = f"tab={lifecycle.OPEN}&due_to={yesterday.isoformat()}&sort=-due_date"
    return {**found, "query": query}


def _due(acting: guard.Acting, today: dt.date) -> list[dict[str, Any]] | None:
    """Per currency, what is due on each of the next days and not yet settled; kroner first.

    None where there are too many to add up: a sum of some of them would be no sum.
    """
    rows = queries.visible(company=acting.company, permissions=acting.permissions).filter(
        due_date__range=(today, today + dt.timedelta(days=DAYS - 1)),
        phase__in=[lifecycle.OPEN, lifecycle.WAY],
    )
    found = queries.standing(
        rows.order_by("due_date", "pk")[: DUE_ROWS_MAX + 1], statuses=[*OPEN, *WAY]
    )
    if len(found) > DUE_ROWS_MAX:
        return None
    by_currency: dict[str, dict[dt.date, list[Decimal]]] = {}
    for date, amounts in found:
        for currency, amount in amounts.items():
            by_currency.setdefault(currency, {}).setdefault(date, []).append(amount)
    return [
        {
            "currency": currency,
            "bars": _bars(days, today),
            "labels": [today + dt.timedelta(days=day) for day in range(0, DAYS, LABEL_EVERY)],
            "sum": {currency: str(sum(sum(amounts) for amounts in days.values()))},
        }
        for currency, days in sorted(by_currency.items(), key=lambda one: (one[0] != HOME, one[0]))
    ]


def _bars(days: dict[dt.date, list[Decimal]], today: dt.date) -> list[DueDay]:
    highest = max(sum(amounts) for amounts in days.values())
    step = CHART_WIDTH / DAYS
    bars = []
    for place in range(DAYS):
        date = today + dt.timedelta(days=place)
        amounts = days.get(date, [])
        total = sum(amounts, Decimal(0))
        height = float(total / highest) * (CHART_HEIGHT - 10) if total else 0.0
        height = max(height, 3.0) if total else 0.0
        bars.append(
            DueDay(
                date=date,
                payments=len(amounts),
                sum=total,
                open=calendar.is_bank_day(date),
                x=round(place * step + step * 0.15, 1),
                y=round(CHART_HEIGHT - height, 1),
                width=round(step * 0.7, 1),
                height=round(height, 1),
            )
        )
    return bars


def _deviations(acting: guard.Acting, now: dt.datetime) -> list[Deviation]:
    """What went wrong in the last week and still stands so, the latest first; alike told once."""
    events = queries.went_wrong(
        company=acting.company,
        permissions=acting.permissions,
        since=now - WEEK,
        size=DEVIATIONS_READ,
    )
    told = details.entries(events)[:DEVIATIONS_SHOWN]
    single = [entry.event.subject_id for entry in told if entry.rows == 1 and entry.references]
    lines = PaymentLine.objects.in_bulk(single)
    return [
        Deviation(
            entry,
            lifecycle.LINE.statuses[entry.event.status],
            lines.get(entry.event.subject_id) if entry.rows == 1 and entry.references else None,
        )
        for entry in told
    ]


def _channels(acting: guard.Acting) -> list[BankChannel]:
    """The banks that the company's agreements go to, with when they were last heard of."""
    if not acting.may(Permission.SEE_AGREEMENTS):
        return []
    rows = BankChannel.objects.filter(agreements__company=acting.company).distinct()
    return list(rows.order_by("name"))


def _key(acting: guard.Acting) -> SigningKey | None:
    """The key that the company's ERP signs with: when it was last used."""
    return SigningKey.objects.of(acting.company).filter(retired_at=None).first()


def _push_fails(acting: guard.Acting) -> PushTarget | None:
    """Where events should go, when the ERP takes none of them."""
    rows = PushTarget.objects.of(acting.company).filter(failing_since__isnull=False)
    return rows.first()


def _menu(permissions: frozenset[Permission]) -> list[questions.MenuItem] | None:
    opens = SEE_PAYMENTS | {Permission.SEE_AGREEMENTS, Permission.SEE_FILES}
    if not opens & permissions:
        return None
    return [questions.MenuItem(5, "overview:page", _("Overview"), icon="House")]


questions.menu.register(_menu)

app_name = "overview"
urlpatterns = [path("overview/", page, name="page")]
