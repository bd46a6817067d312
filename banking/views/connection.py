"""The page that tries the way to an agreement's bank, step by step."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from banking import connecting, tasks
from banking.models import BankAgreement
from banking.views.lookup import found
from portal.access import guard
from portal.access.roles import Permission


def _context(row: BankAgreement) -> dict[str, Any]:
    test = connecting.of(row)
    steps = connecting.shown(test) if test else []
    return {
        "row": row,
        "asks": connecting.asks(row),
        "test": test,
        "under_way": test is not None and connecting.under_way(test),
        "steps": steps,
        "failed": next((step.told for step in steps if step.ok is False), None),
    }


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
def page(request: HttpRequest, agreement: int) -> HttpResponse:
    """What the latest test found; POST begins another."""
    row = found(request, agreement)
    if request.method == "POST":
        with transaction.atomic():
            test = connecting.begin(agreement=row, user=guard.user_of(request))
            if test is not None:
                tasks.nudge_test(row.company_id, test.pk)
        if test is None:
            messages.info(request, _("A test is under way already."))
        company = guard.acting_of(request).company.public_id
        return redirect("banking:connection", company=company, agreement=row.pk)
    return render(request, "banking/connection.html", _context(row))


@guard.asks_by_itself
@require_GET
@guard.company(Permission.CHANGE_AGREEMENTS)
def steps(request: HttpRequest, agreement: int) -> HttpResponse:
    """The moving part of the page; tells the page to load anew when the test has ended."""
    row = found(request, agreement)
    context = _context(row)
    if not getattr(request, "htmx", False):
        company = guard.acting_of(request).company.public_id
        return redirect("banking:connection", company=company, agreement=row.pk)
    if not context["under_way"]:
        return HttpResponse(headers={"HX-Refresh": "true"})
    return render(request, "banking/connection_steps.html", context)
