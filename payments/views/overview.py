"""The overview of outgoing payments, and «Update now»."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from banking import tasks as banking_tasks
from payments import lifecycle, queries, tasks
from payments.models import Payment
from portal.access import guard
from portal.access.roles import APPROVE_PAYMENTS, CANCEL_PAYMENTS, SEE_PAYMENTS


@require_GET
@guard.company(*SEE_PAYMENTS)
def index(request: HttpRequest) -> HttpResponse:
    acting = guard.acting_of(request)
    visible = queries.visible(company=acting.company, permissions=acting.permissions)
    status = request.GET.get("status", "")
    if status not in lifecycle.PAYMENT_STATUSES:
        status = ""
    page = queries.page(
        payments=visible,
        status=status,
        after=request.GET.get("after", ""),
        size=settings.PAYMENTS_PER_PAGE,
    )
    counts = queries.status_counts(visible)
    hidden = (
        Payment.objects.of(acting.company)
        .exclude(kind__in=queries.kinds_seen(acting.permissions))
        .count()
    )
    context = {
        "page": page,
        "status": status,
        "filters": [
            {"code": code, "label": lifecycle.PAYMENT_STATUSES[code].label, "count": count}
            for code, count in counts.items()
        ],
        "total": sum(counts.values()),
        "hidden": hidden,
        "may_approve": bool(APPROVE_PAYMENTS & acting.permissions),
        "may_cancel": bool(CANCEL_PAYMENTS & acting.permissions),
    }
    return render(request, "payments/list.html", context)


@require_POST
@guard.company(*SEE_PAYMENTS)
def update_now(request: HttpRequest) -> HttpResponse:
    """Nudges sending and the fetching of answers, as the timetable would."""
    company = guard.acting_of(request).company
    tasks.nudge_sending(company.pk)
    banking_tasks.nudge_poll()
    messages.info(
        request, _("Fetching news from the bank. Reload the page in a few seconds to see it.")
    )
    return redirect("payments:list", company=company.public_id)
