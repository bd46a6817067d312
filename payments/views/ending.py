"""Refusing and cancelling payments: what was chosen is kept, shown, and ended for a reason."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from payments import approval, choice, lifecycle, policy, queries
from payments.models import Payment
from portal import clock
from portal.access import actors, guard
from portal.access.roles import APPROVE_PAYMENTS, CANCEL_PAYMENTS
from portal.events import moves
from portal.events.lifecycle import Move
from portal.lists import selection
from portal.people.forms import one_line

NAMED = 5  # payments that are told by number


@require_POST
@guard.company(*APPROVE_PAYMENTS)
def refuse(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen and leads to the page where it is refused."""
    return _kept(request, lifecycle.REFUSE)


@require_POST
@guard.company(*CANCEL_PAYMENTS)
def cancel(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen and leads to the page where it is cancelled."""
    return _kept(request, lifecycle.CANCEL)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.company(*APPROVE_PAYMENTS)
def refuse_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Refuses whole payments for good; the reason is asked for and told to the ERP."""
    return _end(request, lifecycle.REFUSE, kept)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.company(*CANCEL_PAYMENTS)
def cancel_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Cancels whole payments that have not been sent; the reason is told to the ERP."""
    return _end(request, lifecycle.CANCEL, kept)


def _act(move: Move) -> str:
    return "refuse" if move is lifecycle.REFUSE else "cancel"


def _kept(request: HttpRequest, move: Move) -> HttpResponse:
    chosen = choice.made(request, statuses=move.sources)
    if not chosen.ids:
        messages.error(request, _("Choose at least one payment first."))
        return redirect(chosen.address)
    company = guard.acting_of(request).company.public_id
    name = choice.keep(request, chosen)
    return redirect(f"payments:{_act(move)}-page", company=company, kept=name)


def _end(request: HttpRequest, move: Move, kept: str) -> HttpResponse:
    """Asks why; then ends all that were shown, or none of them."""
    acting = guard.acting_of(request)
    chosen = choice.kept(request, kept)
    if chosen is None:
        messages.error(request, _("What you had chosen is ended or forgotten. Choose again."))
        return redirect("payments:list", company=acting.company.public_id)
    found = chosen.payments(queries.visible(company=acting.company, permissions=acting.permissions))
    refusals = {
        payment.pk: policy.ending(payment, move, permissions=acting.permissions)
        for payment in found
    }
    able = [payment for payment in found if refusals[payment.pk] is None]
    left: dict[str, list[str]] = {}
    for payment in found:
        refusal = refusals[payment.pk]
        if refusal is not None:
            left.setdefault(refusal.text, []).append(payment.number)
    told = {} if request.method == "POST" else choice.told(request, kept)
    fault = told.get("fault", "")
    if request.method == "POST":
        reason = one_line(request.POST.get("reason", ""), 200)
        # What is ended is what was shown, not what can be ended by now.
        seen = set(selection.ids_of(request.POST.getlist("seen")))
        shown = [payment for payment in able if payment.pk in seen]
        if shown and len(shown) == len(seen):
            if not reason:
                return choice.refused(request, kept, fault="missing")
            if _ended(request, move, shown, reason):
                choice.forget(request, kept)
                return redirect(chosen.address)
        return choice.refused(request, kept, fault="changed", reason=reason)
    if not able:
        if fault == "changed":
            messages.error(request, _changed())
        for text in left or [_("Choose at least one payment first.")]:
            messages.error(request, text)
        return redirect(chosen.address)
    context = {
        "payments": able,
        "left": list(left.items()),
        "choice": chosen,
        "act": _act(move),
        "reason": told.get("reason", ""),
        "missing": fault == "missing",
        "changed": _changed() if fault == "changed" else "",
    }
    return render(request, "payments/end.html", context)


def _ended(request: HttpRequest, move: Move, payments: list[Payment], reason: str) -> bool:
    """Ends them and tells it; False when another was quicker, and then none is ended."""
    acting = guard.acting_of(request)
    ids = [payment.pk for payment in payments]
    try:
        if move is lifecycle.REFUSE:
            count = approval.refuse(
                company=acting.company,
                user=guard.user_of(request),
                permissions=acting.permissions,
                payment_ids=ids,
                reason=reason,
                at=clock.now(),
            )
            text = ngettext("%(n)s payment is refused", "%(n)s payments are refused", len(ids))
        else:
            count = approval.cancel(
                company=acting.company,
                by=actors.person(request.user),
                permissions=acting.permissions,
                payment_ids=ids,
                reason=reason,
                at=clock.now(),
            )
            text = ngettext("%(n)s payment is cancelled", "%(n)s payments are cancelled", len(ids))
    except (moves.Conflict, approval.Changed):
        return False
    lines = ngettext("%(n)s line", "%(n)s lines", count) % {"n": count}
    numbers = ", ".join(payment.number for payment in payments[:NAMED])
    more = " …" if len(payments) > NAMED else ""
    messages.success(request, f"{text % {'n': len(ids)}} ({lines}): {numbers}{more}")
    return True


def _changed() -> str:
    return _("Nothing was changed: a payment has been sent or ended since the page was shown.")
