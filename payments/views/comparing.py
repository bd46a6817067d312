"""The page of the daily three-way check."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from payments import queries, threeway
from payments.models import DailyCheck
from portal.access import guard
from portal.access.roles import SEE_PAYMENTS

DAYS_SHOWN, LATE_SHOWN = 30, 50


@require_GET
@guard.company(*SEE_PAYMENTS)
def daily(request: HttpRequest) -> HttpResponse:
    """The latest bank days, and what was to be debited and is not."""
    acting = guard.acting_of(request)
    kinds = queries.kinds_seen(acting.permissions)
    checks = list(DailyCheck.objects.of(acting.company).order_by("-day")[:DAYS_SHOWN])
    late: list[Any] = []
    if checks:
        rows = threeway.late(company=acting.company, day=checks[0].day)
        rows = rows.filter(payment__kind__in=kinds).select_related("payment")
        late = list(rows.order_by("payment__due_date", "pk")[: LATE_SHOWN + 1])
    context = {
        "days": [
            {
                "check": one,
                "differs": threeway.differs(one, kinds),
                **{
                    name: threeway.figure(one, name, kinds)
                    for name in (threeway.SENT, threeway.DEBITED, threeway.LATE, threeway.ODD)
                },
            }
            for one in checks
        ],
        "late": late[:LATE_SHOWN],
        "cut": len(late) > LATE_SHOWN,
    }
    return render(request, "payments/daily.html", context)
