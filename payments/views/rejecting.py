"""What went wrong in a week, by cause."""

from __future__ import annotations

import datetime as dt

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from payments import rejections as told
from portal import clock
from portal.access import guard
from portal.access.roles import SEE_PAYMENTS

WEEK = dt.timedelta(days=told.DAYS)


@require_GET
@guard.company(*SEE_PAYMENTS)
def rejections(request: HttpRequest) -> HttpResponse:
    """The seven days up to `until`, or up to today where that is no day that has been."""
    acting, today = guard.acting_of(request), clock.today()
    try:
        last = min(dt.date.fromisoformat(request.GET.get("until", "")), today)
    except ValueError:
        last = today
    last = max(last, dt.date(2000, 1, 1))
    week = told.week(company=acting.company, permissions=acting.permissions, last=last)
    context = {
        "week": week,
        "earlier": (last - WEEK).isoformat(),
        "later": min(last + WEEK, today).isoformat() if last < today else "",
        "read_max": told.READ_MAX,
    }
    return render(request, "payments/rejections.html", context)
