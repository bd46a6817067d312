"""Agreements with banks: list, one of them, and the form that makes one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from banking import agreements, lifecycle, unreadable
from banking.forms import AgreementForm
from banking.lists import AGREEMENTS
from banking.models import BankAgreement
from portal import clock, details
from portal.access import guard
from portal.access.roles import Permission
from portal.events import moves
from portal.events.models import Event
from portal.lists.pages import ListPage
from portal.people import changes

EVENTS_SHOWN = 50


@require_GET
@guard.company(Permission.SEE_AGREEMENTS)
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "banking/agreements.html", {"list": ListPage(request, AGREEMENTS)})


@require_GET
@guard.company(Permission.SEE_AGREEMENTS)
def one(request: HttpRequest, agreement: int) -> HttpResponse:
    acting = guard.acting_of(request)
    row = get_object_or_404(
        BankAgreement.objects.of(acting.company).select_related("account", "channel"),
        pk=agreement,
    )
    events = Event.objects.filter(subject="agreement", subject_id=row.pk, group_id=None)
    context = {
        "row": row,
        "state": row.state,
        "authorities": row.account.authorities.select_related("user").order_by("user__name"),
        "channel_fault": unreadable.told_channel(row.channel.last_error),
        "warnings": agreements.warnings(row),
        "sentence": agreements.approvers_sentence(row),
        "acts": _acts(row, acting),
        "days": details.timeline(events.order_by("-id")[:EVENTS_SHOWN]),
    }
    return render(request, "banking/agreement.html", context)


def _acts(row: BankAgreement, acting: guard.Acting) -> list[details.Act]:
    """What may be done with the agreement; greyed, with the reason, where it may not."""
    if row.state.final:
        return []
    words = {"company": acting.company.public_id, "agreement": row.pk}
    address = reverse("banking:agreement-change", kwargs=words)
    acts = []
    for name, label, tone in (
        ("activate", _("Activate"), "main"),
        ("deactivate", _("Deactivate for good"), "danger"),
    ):
        why_not = agreements.why_not(name, agreement=row, permissions=acting.permissions)
        if name == "deactivate" or row.status != lifecycle.ACTIVE:
            acts.append(details.Act(name, label, address, (("act", name),), why_not, tone))
    return acts


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
def new(request: HttpRequest) -> HttpResponse:
    company = guard.acting_of(request).company
    form = AgreementForm(request.POST or None, company=company)
    if request.method == "POST" and form.is_valid():
        row = form.save(by=changes.by(request))
        messages.success(request, _("The agreement is saved as a draft."))
        return redirect("banking:agreement", company=company.public_id, agreement=row.pk)
    status = 422 if form.is_bound else 200
    return render(request, "banking/agreement_form.html", {"form": form}, status=status)


@require_POST
@guard.company(Permission.CHANGE_AGREEMENTS)
def change(request: HttpRequest, agreement: int) -> HttpResponse:
    """Activates or deactivates an agreement."""
    company = guard.acting_of(request).company
    row = get_object_or_404(BankAgreement.objects.of(company), pk=agreement)
    act = request.POST.get("act")
    try:
        if act == "activate":
            agreements.activate(agreement=row, user=request.user, at=clock.now())
            messages.success(request, _("The agreement is active: payments can be sent on it."))
        elif act == "deactivate":
            agreements.deactivate(agreement=row, user=request.user, at=clock.now())
            messages.success(request, _("The agreement is deactivated: nothing is sent on it."))
        else:
            messages.error(request, _("Nothing was changed: choose what to do first."))
    except moves.Conflict:
        messages.error(
            request,
            _("Nothing was changed: the agreement has moved on since the page was shown."),
        )
    except agreements.AnotherIsActive as error:
        messages.error(request, agreements.already_active(error.other))
    except agreements.Unfit as error:
        messages.error(request, " ".join(map(str, error.reasons)))
    return redirect("banking:agreement", company=company.public_id, agreement=row.pk)
