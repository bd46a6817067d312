"""The list of outgoing payments, and «Update now»."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from banking import alarms
from banking import tasks as banking_tasks
from payments import lists, queries, tasks
from payments.lists import PAYMENTS, TO_APPROVE
from portal.access import grants, guard
from portal.access.acting import Acting
from portal.access.roles import APPROVE_PAYMENTS, CANCEL_PAYMENTS, SEE_PAYMENTS, Permission
from portal.lists.pages import ListPage


@require_GET
@guard.company(*SEE_PAYMENTS)
def index(request: HttpRequest) -> HttpResponse:
    acting = guard.acting_of(request)
    may_approve = bool(APPROVE_PAYMENTS & acting.permissions)
    may_cancel = bool(CANCEL_PAYMENTS & acting.permissions)
    context = {
        "list": ListPage(request, PAYMENTS, may_choose=may_approve or may_cancel),
        "hidden": queries.hidden(company=acting.company, permissions=acting.permissions),
        "alarms": alarms.of(acting),
        "may_approve": may_approve,
        "may_cancel": may_cancel,
        "at_once": settings.SIGN_AT_ONCE_MAX,
        "pre_approves": _pre_approves(acting),
    }
    return render(request, "payments/list.html", context)


def _pre_approves(acting: Acting) -> bool:
    """Whether there is anything to see of what is approved in advance."""
    return acting.company.pre_approval and acting.may(Permission.SEE_SUPPLIER)


@require_GET
@guard.company(*APPROVE_PAYMENTS)
def approve(request: HttpRequest) -> HttpResponse:
    """What waits for the user's own signature."""
    acting = guard.acting_of(request)
    context = {
        "list": ListPage(request, TO_APPROVE),
        "stopped": lists.stopped(acting=acting),
        "several": grants.in_several(guard.user_of(request)),
        "may_approve": True,
        "may_cancel": bool(CANCEL_PAYMENTS & acting.permissions),
        "at_once": settings.SIGN_AT_ONCE_MAX,
        "pre_approves": _pre_approves(acting),
    }
    return render(request, "payments/approve.html", context)


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
