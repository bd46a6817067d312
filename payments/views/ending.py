"""Refusing, cancelling and asking the bank to stop payments: chosen, shown, done for a reason."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from payments import approval, cancelling, choice, lifecycle, policy, queries, tasks
from payments.models import Payment
from portal import clock
from portal.access import actors, guard
from portal.access.roles import APPROVE_PAYMENTS, CANCEL_PAYMENTS, Permission
from portal.events import moves
from portal.events.lifecycle import Move
from portal.lists import selection
from portal.people.forms import one_line

NAMED = 5  # payments that are told by number


@require_POST
@guard.company(*APPROVE_PAYMENTS)
def refuse(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen and leads to the page where it is refused."""
    return _kept(request, REFUSE)


@require_POST
@guard.company(*CANCEL_PAYMENTS)
def cancel(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen and leads to the page where it is cancelled."""
    return _kept(request, CANCEL)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.company(*APPROVE_PAYMENTS)
def refuse_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Refuses whole payments for good; the reason is asked for and told to the ERP."""
    return _end(request, REFUSE, kept)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.company(*CANCEL_PAYMENTS)
def cancel_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Cancels whole payments that have not been sent; the reason is told to the ERP."""
    return _end(request, CANCEL, kept)


@require_POST
@guard.company(*CANCEL_PAYMENTS)
def ask_bank(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen and leads to the page where the bank is asked to stop it."""
    return _kept(request, ASK)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.company(*CANCEL_PAYMENTS)
def ask_bank_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Asks the bank to stop what it has got and has not paid; the bank decides."""
    return _end(request, ASK, kept)


@dataclass(frozen=True, slots=True)
class _Way:
    """How payments are ended: refused or cancelled by a move, or by asking the bank."""

    act: str
    statuses: frozenset[str]
    move: Move | None = None

    def refusal(
        self, payment: Payment, permissions: frozenset[Permission]
    ) -> policy.Refusal | None:
        """Why this payment cannot be ended so."""
        if self.move is None:
            return policy.asking_bank(payment, permissions=permissions)
        return policy.ending(payment, self.move, permissions=permissions)


REFUSE = _Way("refuse", lifecycle.REFUSE.sources, lifecycle.REFUSE)
CANCEL = _Way("cancel", lifecycle.CANCEL.sources, lifecycle.CANCEL)
ASK = _Way("ask-bank", frozenset(policy.AT_BANK))


def _kept(request: HttpRequest, way: _Way) -> HttpResponse:
    chosen = choice.made(request, statuses=way.statuses)
    if not chosen.ids:
        messages.error(request, _("Choose at least one payment first."))
        return redirect(chosen.address)
    company = guard.acting_of(request).company.public_id
    name = choice.keep(request, chosen)
    return redirect(f"payments:{way.act}-page", company=company, kept=name)


def _end(request: HttpRequest, way: _Way, kept: str) -> HttpResponse:
    """Asks why; then ends all that were shown, or none of them."""
    acting = guard.acting_of(request)
    chosen = choice.kept(request, kept)
    if chosen is None:
        messages.error(request, _("What you had chosen is ended or forgotten. Choose again."))
        return redirect("payments:list", company=acting.company.public_id)
    found = chosen.payments(queries.visible(company=acting.company, permissions=acting.permissions))
    refusals = {payment.pk: way.refusal(payment, acting.permissions) for payment in found}
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
            if _ended(request, way, shown, reason):
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
        "act": way.act,
        "reason": told.get("reason", ""),
        "missing": fault == "missing",
        "changed": _changed() if fault == "changed" else "",
    }
    return render(request, "payments/end.html", context)


def _ended(request: HttpRequest, way: _Way, payments: list[Payment], reason: str) -> bool:
    """Ends them and tells it; False when another was quicker, and then none is ended."""
    acting = guard.acting_of(request)
    ids = [payment.pk for payment in payments]
    try:
        if way is REFUSE:
            count = approval.refuse(
                company=acting.company,
                user=guard.user_of(request),
                permissions=acting.permissions,
                payment_ids=ids,
                reason=reason,
                at=clock.now(),
            )
            text = ngettext("%(n)s payment is refused", "%(n)s payments are refused", len(ids))
        elif way is ASK:
            count = cancelling.ask(
                company=acting.company,
                by=actors.person(request.user),
                user=guard.user_of(request),
                permissions=acting.permissions,
                payment_ids=ids,
                reason=reason,
                at=clock.now(),
            )
            tasks.nudge_sending(acting.company.pk)
            text = ngettext(
                "The bank is asked to stop %(n)s payment",
                "The bank is asked to stop %(n)s payments",
                len(ids),
            )
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
    except (moves.Conflict, approval.Changed, cancelling.NothingToAsk):
        return False
    lines = ngettext("%(n)s line", "%(n)s lines", count) % {"n": count}
    numbers = ", ".join(payment.number for payment in payments[:NAMED])
    more = " …" if len(payments) > NAMED else ""
    messages.success(request, f"{text % {'n': len(ids)}} ({lines}): {numbers}{more}")
    return True


def _changed() -> str:
    return _("Nothing was changed: a payment has been sent or ended since the page was shown.")
