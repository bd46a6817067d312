"""Refusing, cancelling and asking the bank to stop payments: chosen, shown, done for a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from payments import approval, cancelling, choice, lifecycle, policy, tasks
from payments.models import Payment
from payments.views.sign_page import acting_of
from portal import clock
from portal.access import actors, guard
from portal.access.acting import Acting, Everywhere
from portal.access.models import Company
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
@guard.everywhere(*APPROVE_PAYMENTS)
def refuse_everywhere(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen in several companies and leads to the page where it is refused."""
    return _kept(request, REFUSE)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.everywhere(*APPROVE_PAYMENTS)
def refuse_everywhere_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Refuses whole payments of several companies for good, in each all or none."""
    return _end(request, REFUSE, kept)


@require_POST
@guard.everywhere(*CANCEL_PAYMENTS)
def cancel_everywhere(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen in several companies and leads to the page where it is cancelled."""
    return _kept(request, CANCEL)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.everywhere(*CANCEL_PAYMENTS)
def cancel_everywhere_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Cancels whole payments of several companies that have not been sent, in each all or none."""
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


def _page(here: Acting | Everywhere, way: _Way, kept: str) -> HttpResponse:
    if isinstance(here, Everywhere):
        return redirect(f"all-payments:{way.act}-page", kept=kept)
    return redirect(f"payments:{way.act}-page", company=here.company.public_id, kept=kept)


def _list(here: Acting | Everywhere) -> HttpResponse:
    if isinstance(here, Everywhere):
        return redirect("all-payments:list")
    return redirect("payments:list", company=here.company.public_id)


def _kept(request: HttpRequest, way: _Way) -> HttpResponse:
    chosen = choice.made(request, statuses=way.statuses)
    if not chosen.ids:
        messages.error(request, _("Choose at least one payment first."))
        return redirect(chosen.address)
    return _page(acting_of(request), way, choice.keep(request, chosen))


def _end(request: HttpRequest, way: _Way, kept: str) -> HttpResponse:
    """Asks why; then ends, of each company, all that was shown or none of it."""
    here = acting_of(request)
    chosen = choice.kept(request, kept)
    if chosen is None:
        messages.error(request, _("What you had chosen is ended or forgotten. Choose again."))
        return _list(here)
    found = chosen.payments(here)
    refusals = {
        payment.pk: way.refusal(payment, here.places[payment.company_id].permissions)
        for payment in found
    }
    able = [payment for payment in found if refusals[payment.pk] is None]
    left: dict[str, list[str]] = {}
    for payment in found:
        refusal = refusals[payment.pk]
        if refusal is not None:
            left.setdefault(refusal.text, []).append(payment.called)
    told = {} if request.method == "POST" else choice.told(request, kept)
    fault = told.get("fault", "")
    if request.method == "POST":
        reason = one_line(request.POST.get("reason", ""), 200)
        # What is ended is what was shown, not what can be ended by now.
        seen = set(selection.ids_of(request.POST.getlist("seen")))
        if seen and seen <= {payment.pk for payment in found}:
            if not reason:
                return choice.refused(request, kept, fault="missing")
            if _ended(request, way, [p for p in found if p.pk in seen], able, reason):
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
        "several": isinstance(here, Everywhere),
        "choice": chosen,
        "act": way.act,
        "reason": told.get("reason", ""),
        "missing": fault == "missing",
        "changed": _changed() if fault == "changed" else "",
    }
    return render(request, "payments/end.html", context)


def _ended(
    request: HttpRequest, way: _Way, shown: list[Payment], able: list[Payment], reason: str
) -> bool:
    """Ends what was shown, of each company all or nothing, and tells it; False when none of it was
    ended: another was quicker."""
    still = {payment.pk for payment in able}
    done: list[Payment] = []
    lines = 0
    late: list[Company] = []
    for company, payments in _by_company(shown).items():
        count = 0
        if all(payment.pk in still for payment in payments):
            count = _end_in(request, way, company, [payment.pk for payment in payments], reason)
        if count:
            done += payments
            lines += count
        else:
            late.append(company)
    if not done:
        return False
    told = ngettext("%(n)s line", "%(n)s lines", lines) % {"n": lines}
    numbers = ", ".join(payment.called for payment in done[:NAMED])
    more = " …" if len(done) > NAMED else ""
    messages.success(request, f"{_count(way, len(done))} ({told}): {numbers}{more}")
    for company in late[:NAMED]:
        messages.error(request, f"{company}: {_changed()}")
    if len(late) > NAMED:
        text = ngettext(
            "In %(n)s more company nothing was changed.",
            "In %(n)s more companies nothing was changed.",
            len(late) - NAMED,
        )
        messages.error(request, text % {"n": len(late) - NAMED})
    return True


def _by_company(payments: list[Payment]) -> dict[Company, list[Payment]]:
    found: dict[Company, list[Payment]] = {}
    for payment in payments:
        found.setdefault(payment.company, []).append(payment)
    return found


def _end_in(request: HttpRequest, way: _Way, company: Company, ids: list[int], reason: str) -> int:
    """Ends these of one company; answers how many lines, 0 where another was quicker."""
    user = guard.user_of(request)
    common: dict[str, Any] = {
        "company": company,
        "permissions": acting_of(request).places[company.pk].permissions,
        "payment_ids": ids,
        "reason": reason,
        "at": clock.now(),
    }
    try:
        if way is REFUSE:
            return approval.refuse(user=user, **common)
        if way is CANCEL:
            return approval.cancel(by=actors.person(user), **common)
        count = cancelling.ask(by=actors.person(user), user=user, **common)
    except (moves.Conflict, approval.NotSigned, cancelling.NothingToAsk):
        return 0
    tasks.nudge_sending(company.pk)
    return count


def _count(way: _Way, n: int) -> str:
    if way is REFUSE:
        text = ngettext("%(n)s payment is refused", "%(n)s payments are refused", n)
    elif way is ASK:
        text = ngettext(
            "The bank is asked to stop %(n)s payment", "The bank is asked to stop %(n)s payments", n
        )
    else:
        text = ngettext("%(n)s payment is cancelled", "%(n)s payments are cancelled", n)
    return text % {"n": n}


def _changed() -> str:
    return _("Nothing was changed: a payment has been sent or ended since the page was shown.")
