"""Agreements with banks: list, one of them, its acts, authorities, and stopping all sending."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from banking import (
    agreement_events,
    agreements,
    authorities,
    conversions,
    labels,
    lifecycle,
    profiles,
    setup_forms,
    setups,
    sharing,
    stops,
    tasks,
    unreadable,
)
from banking.lists import AGREEMENTS
from banking.models import BankAgreement, SendingStop
from banking.views.amend import STALE
from banking.views.lookup import found
from portal import clock, details
from portal.access import actors, guard
from portal.access.roles import APPROVE_PAYMENTS, Permission
from portal.events import moves
from portal.events.lifecycle import Status
from portal.events.models import Event
from portal.lists import selection
from portal.lists.pages import ListPage
from portal.people import changes
from portal.people.forms import one_line
from portal.people.views.prove import decides

EVENTS_SHOWN, SETUPS_SHOWN = 50, 20
REASON_MAX = 200
# Whoever answers for the money may stop it: administrators and approvers.
MAY_STOP = (Permission.CHANGE_AGREEMENTS, *sorted(APPROVE_PAYMENTS))
OWNERS = gettext_lazy("The company that owns the account has stopped it, and starts it again.")
NOT_YOURS = gettext_lazy(
    "An AutoPay Administrator, or whoever stopped it, can start the sending again."
)
MOVED_ON = gettext_lazy("Nothing was changed: the agreement has moved on since the page was shown.")


def _page(request: HttpRequest, row: BankAgreement) -> HttpResponse:
    company = guard.acting_of(request).company.public_id
    return redirect("banking:agreement", company=company, agreement=row.pk)


@require_GET
@guard.company(Permission.SEE_AGREEMENTS)
def index(request: HttpRequest) -> HttpResponse:
    acting = guard.acting_of(request)
    begun = setups.begun(acting.company)[:SETUPS_SHOWN]
    context = {
        "list": ListPage(request, AGREEMENTS),
        "stops": stops.now(acting.company.pk),
        "may_stop": bool(acting.permissions & set(MAY_STOP)),
        "offers": sharing.offered(acting.company)
        if acting.may(Permission.CHANGE_AGREEMENTS)
        else (),
        "begun": [(setup, setups.called(setup)) for setup in begun]
        if acting.may(Permission.CHANGE_AGREEMENTS)
        else (),
    }
    return render(request, "banking/agreements.html", context)


@require_GET
@guard.company(Permission.SEE_AGREEMENTS)
def one(request: HttpRequest, agreement: int) -> HttpResponse:
    acting = guard.acting_of(request)
    row = found(request, agreement)
    events = Event.objects.filter(subject="agreement", subject_id=row.pk, group_id=None)
    sentence = agreements.approvers_sentence(row.approvers_required, row.bank_approvers_required)
    profile = profiles.of(row.channel.bank)
    stop = stops.now(acting.company.pk).of(row.pk)
    context = {
        "row": row,
        "state": _standing(row, stop),
        "authorities": agreements.authorities_of(row.account),
        "channel_fault": unreadable.told_channel(row.channel.last_error),
        "warnings": agreements.warnings(row) if not row.state.final else (),
        "sentence": sentence,
        "acts": _acts(row, acting),
        "days": details.timeline(events.order_by("-id")[:EVENTS_SHOWN]),
        "profile": profile,
        "cut_offs_unverified": any(one.startswith("cut_offs") for one in profile.unverified),
        "identifiers": [
            (setup_forms.CALLED[one.field][0], getattr(row, one.field))
            for one in profile.identifiers
            if getattr(row, one.field)
        ],
        "services": _services(row),
        "stop": stop if not row.state.final else None,
        "shares": len(sharing.of(row)) if row.status == lifecycle.ACTIVE else 0,
        "other": agreements.another_active(row) if not row.state.final else None,
        "elsewhere": agreements.active_elsewhere(row, user=guard.user_of(request))
        if row.status in lifecycle.ACTIVATE.sources
        else None,
        "changes": acting.may(Permission.CHANGE_AGREEMENTS),
        "may_stop": bool(acting.permissions & set(MAY_STOP)),
        "convertible": conversions.may_be(row),
        "owner": sharing.owner_of(row),
        "still_shared": sharing.holds(row),
    }
    return render(request, "banking/agreement.html", context)


def _standing(row: BankAgreement, stop: SendingStop | None) -> Status:
    """Where the agreement stands: an active one on which nothing goes out is not told as one that
    payments are sent on."""
    state: Status = row.state
    if row.status != lifecycle.ACTIVE:
        return state
    if stop is not None:
        return replace(state, meaning=_("Somebody has stopped all sending; nothing leaves."))
    if row.closed_at is not None:
        told = _("It is active here, but the bank says that it is closed.")
        return replace(state, meaning=told, tone="wait")
    return state


def _services(row: BankAgreement) -> str:
    return ", ".join(str(label) for name, label in labels.SERVICES.items() if getattr(row, name))


def _acts(row: BankAgreement, acting: guard.Acting) -> list[details.Act]:
    """What may be done with the agreement; greyed, with the reason, where it may not."""
    words = {"company": acting.company.public_id, "agreement": row.pk}
    change = reverse("banking:agreement-change", kwargs=words)
    begin = reverse("banking:agreement-begin", kwargs=words)
    offered = []
    to_order = row.status == lifecycle.DRAFT and row.share_id is None
    if to_order:
        offered.append(("order", _("Mark as ordered"), "main", change))
        offered.append(("edit", _("Change"), "plain", begin))
    if row.status in (lifecycle.DRAFT, lifecycle.ORDERED):
        offered.append(("activate", _("Activate"), "plain" if to_order else "main", change))
    if row.share_id is None:
        offered.append(("copy", _("Copy"), "plain", begin))
    if not row.state.final:
        offered.append(("deactivate", _("Deactivate for good"), "danger", change))
    return [
        details.Act(
            name,
            label,
            address,
            (("act", name),),
            agreements.why_not(name, agreement=row, permissions=acting.permissions),
            tone,
        )
        for name, label, tone, address in offered
    ]


@require_POST
@guard.company(Permission.CHANGE_AGREEMENTS)
@decides
def change(request: HttpRequest, agreement: int) -> HttpResponse:
    """Orders, activates or ends an agreement; asks first what ending it would hold up."""
    row, act = found(request, agreement), request.POST.get("act")
    log, user = changes.by(request), guard.user_of(request)
    at = log.at
    try:
        if act == "activate":
            confirmed = bool(request.POST.get("confirmed"))
            agreements.activate(
                agreement=row, by=actors.person(user), told=log, confirmed=confirmed
            )
            tasks.nudge_reading()
            messages.success(request, _active(row))
        elif act == "reopened":
            if not agreement_events.open_again(agreement=row, by=actors.person(user), at=at):
                messages.error(request, MOVED_ON)
            else:
                messages.success(request, _("The agreement is told as open at the bank again."))
        elif act == "order":
            agreements.order(agreement=row, by=log)
            messages.success(
                request, _("The agreement is ordered. It is active when the bank says so.")
            )
        elif act == "deactivate" and not row.state.final:
            return _before_the_end(request, row)
        elif act in ("deactivate", "end"):
            agreements.deactivate(agreement=row, user=user, by=log)
            messages.success(request, _("The agreement is deactivated: nothing is sent on it."))
        else:
            messages.error(request, _("Nothing was changed: choose what to do first."))
    except moves.Conflict:
        messages.error(request, MOVED_ON)
    except agreements.AnotherIsActive as error:
        messages.error(request, agreements.already_active(error.other))
    except agreements.Unconfirmed as error:
        context = {"row": row, "tried": error.test, "back": request.POST.get("back", "")}
        return render(request, "banking/activate.html", context)
    except agreements.Unfit as error:
        messages.error(request, " ".join(map(str, error.reasons)))
    # The agreement whose page it was done from, where it is another of the company's.
    backs = selection.ids_of([request.POST.get("back", "")])
    known = BankAgreement.objects.of(guard.acting_of(request).company).filter(pk__in=backs)
    return _page(request, known.first() or row)


def _active(row: BankAgreement) -> str:
    """What an active agreement is good for."""
    if row.remittance:
        return _("The agreement is active: payments can be sent on it.")
    return _("The agreement is active: what the bank tells of the account is taken in.")


def _before_the_end(request: HttpRequest, row: BankAgreement) -> HttpResponse:
    """What is under way on an agreement, and who shares it, before it is deactivated for good."""
    context = {
        "row": row,
        "unsettled": conversions.unsettled(row, guard.acting_of(request)),
        "shares": sharing.of(row),
        "back": request.POST.get("back", ""),
    }
    return render(request, "banking/deactivate.html", context)


# --- authorities ---------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
@decides
def authority(request: HttpRequest, agreement: int) -> HttpResponse:
    """Who each approver is at the bank, and whether they hold authority on the account."""
    row = found(request, agreement)
    form = authorities.AuthorityForm(request.POST or None, account=row.account)
    if form.stale:
        messages.error(request, STALE)
        return redirect(request.path)
    if request.method == "POST" and form.is_valid():
        changed = authorities.save(form, by=changes.by(request))
        text = _("The authorities are changed.") if changed else _("There was nothing to change.")
        messages.success(request, text)
        return _page(request, row)
    status = 422 if form.is_bound else 200
    context = {"row": row, "form": form}
    return render(request, "banking/authorities.html", context, status=status)


# --- stopping all sending ------------------------------------------------------------------------


class StopForm(forms.Form):
    """Why sending is stopped."""

    reason = forms.CharField(
        label=gettext_lazy("Why is it stopped?"),
        max_length=REASON_MAX,
        help_text=gettext_lazy("Everybody who can see payments sees it."),
    )

    def clean_reason(self) -> str:
        return one_line(self.cleaned_data["reason"], REASON_MAX)


@require_http_methods(["GET", "POST"])
@guard.company(*MAY_STOP)
def sending(request: HttpRequest) -> HttpResponse:
    """Stops all sending of the company, or of the agreement that the address names; or starts it
    again, which an administrator does, or whoever stopped it."""
    acting = guard.acting_of(request)
    named = selection.ids_of([request.GET.get("agreement", "")])
    row = found(request, named[0]) if named else None
    form: Any = StopForm(request.POST if request.POST.get("act") == "stop" else None)
    told: dict[str, Any] = {
        "company": acting.company,
        "agreement": row,
        "user": guard.user_of(request),
        "at": clock.now(),
        "by": changes.by(request),
    }
    now = stops.now(acting.company.pk)
    stop = now.agreements.get(row.pk) if row else now.company
    owners = stop is not None and stop.pk is None
    may_start = (
        stop is not None
        and not owners
        and (acting.may(Permission.CHANGE_AGREEMENTS) or stop.stopped_by_id == told["user"].pk)
    )
    try:
        if form.is_bound and form.is_valid():
            stops.stop(reason=form.cleaned_data["reason"], **told)
            told_then = _("All sending is stopped. Nothing leaves for the bank.")
            if row is not None:
                told_then = _("Sending on this agreement is stopped. The others send as before.")
            messages.success(request, told_then)
            return _back(request, row)
        if request.POST.get("act") == "start" and stop is not None and not may_start:
            messages.error(request, OWNERS if owners else NOT_YOURS)
            return _back(request, row)
        if request.POST.get("act") == "start":
            stops.start(**told)
            messages.success(request, _started(row, now))
            return _back(request, row)
    except stops.Already:
        told_then = _("Nothing was changed: it is stopped already.")
        if request.POST.get("act") == "start":
            told_then = _("Nothing was changed: it is not stopped any more.")
        messages.error(request, told_then)
        return _back(request, row)
    context = {
        "row": row,
        "form": form,
        "stop": stop,
        "why_not": "" if may_start else OWNERS if owners else NOT_YOURS,
    }
    status = 422 if form.is_bound else 200
    return render(request, "banking/sending.html", context, status=status)


def _started(row: BankAgreement | None, before: stops.Stops) -> str:
    """What starting again means, when the other brake may still be on."""
    if row is not None and before.company is not None:
        return _("Started on this agreement, but all sending of the company is still stopped.")
    if row is None and before.agreements:
        return _("Sending is started, but for agreements that are stopped by themselves.")
    return _("Sending is started. What is approved leaves now.")


def _back(request: HttpRequest, row: BankAgreement | None) -> HttpResponse:
    if row is not None:
        return _page(request, row)
    return redirect("banking:agreements", company=guard.acting_of(request).company.public_id)
