"""Outgoing payments of all the user's companies: their list, what waits, signing, the receipt."""

from __future__ import annotations

import secrets
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from payments import approval, choice, digest, lifecycle, lists, tasks
from payments.models import Ceremony
from payments.views import sign_page as shown_page
from portal import clock
from portal.access import guard
from portal.access.roles import APPROVE_PAYMENTS, CANCEL_PAYMENTS, SEE_PAYMENTS
from portal.events import moves
from portal.lists import selection
from portal.lists.pages import ListPage
from portal.people.forms import SigningForm

# In the session: act → (company, why nothing was signed there), for its receipt.
LEFT_OUT = "signing_left_out"


@require_GET
@guard.everywhere(*SEE_PAYMENTS)
def index(request: HttpRequest) -> HttpResponse:
    """The payments of all companies."""
    permissions = guard.everywhere_of(request).permissions
    may_approve = bool(APPROVE_PAYMENTS & permissions)
    may_cancel = bool(CANCEL_PAYMENTS & permissions)
    context = {
        "list": ListPage(request, lists.PAYMENTS_EVERYWHERE, may_choose=may_approve or may_cancel),
        "may_approve": may_approve,
        "may_cancel": may_cancel,
        "at_once": settings.SIGN_AT_ONCE_MAX,
    }
    return render(request, "payments/list_everywhere.html", context)


@require_GET
@guard.everywhere(*APPROVE_PAYMENTS)
def approve(request: HttpRequest) -> HttpResponse:
    """What waits for the user's own signature in all companies."""
    context = {
        "list": ListPage(request, lists.TO_APPROVE_EVERYWHERE),
        "may_approve": True,
        "may_cancel": bool(CANCEL_PAYMENTS & guard.everywhere_of(request).permissions),
        "at_once": settings.SIGN_AT_ONCE_MAX,
    }
    return render(request, "payments/list_everywhere.html", context)


@require_POST
@guard.everywhere(*APPROVE_PAYMENTS)
def sign(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen and leads to the page where it is signed."""
    chosen = choice.made(request, statuses=lifecycle.PHASES[lifecycle.OPEN])
    if not chosen.count and request.POST.get(selection.ALL) != "1":
        messages.error(request, _("Choose at least one payment first."))
        return redirect(chosen.address)
    return redirect("all-payments:sign-page", kept=choice.keep(request, chosen))


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
@guard.everywhere(*APPROVE_PAYMENTS)
def sign_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Shows exactly what would be signed in each company; with a code, signs just that, and in one
    company all or none."""
    chosen = choice.kept(request, kept)
    if chosen is None:
        act = choice.signed(request, kept)
        if act is not None and request.method == "GET":
            return redirect("all-payments:receipt", signing=act)
        messages.error(request, _("What you had chosen is signed or forgotten. Choose again."))
        return redirect("all-payments:approve")
    if request.method == "POST":
        form = SigningForm(request.POST)
        signed = _try_to_sign(request, chosen, form, kept) if form.is_valid() else None
        if signed is None:
            faults = [(name, list(map(str, texts))) for name, texts in form.errors.items()]
            return choice.refused(request, kept, faults=faults)
        choice.forget(request, kept, ceremony=signed.act)
        request.session[LEFT_OUT] = {signed.act: _left_out(request, signed.faults)}
        return redirect("all-payments:receipt", signing=signed.act)
    page = shown_page.looked(request, chosen)
    if not page.rows:
        messages.error(request, shown_page.nothing_to_sign(page))
        return redirect(chosen.address)
    form = shown_page.form_with(choice.told(request, kept).get("faults", []))
    context = shown_page.context(request, page, form)
    return render(request, "payments/sign.html", context)


def _seen(request: HttpRequest) -> dict[int, dict[int, str]]:
    """Company id → payment id → fingerprint, as the page that was sent had shown them, and of
    companies in which the user approves alone."""
    known = {one.company.public_id: pk for pk, one in guard.everywhere_of(request).places.items()}
    seen: dict[int, dict[int, str]] = {}
    for value in request.POST.getlist("seen"):
        company, _sep, rest = value.partition("|")
        pk, _sep, fingerprint = rest.partition("|")
        for number in selection.ids_of([pk]):
            if company in known:
                seen.setdefault(known[company], {})[number] = fingerprint
    return dict(sorted(seen.items()))


def _digests(seen: dict[int, dict[int, str]]) -> list[str]:
    return [digest.shown(fingerprints) for fingerprints in seen.values()]


@require_POST
@guard.everywhere(*APPROVE_PAYMENTS)
def passkey(request: HttpRequest, kept: str) -> JsonResponse:
    """What a passkey is to sign: a new nonce and the digest of just what the page showed."""
    seen = _seen(request)
    if choice.kept(request, kept) is None or not seen:
        return JsonResponse({"told": shown_page.changed()}, status=409)
    shown = digest.together(_digests(seen))
    return JsonResponse(shown_page.asked_of_passkey(request, kept, shown))


def _try_to_sign(
    request: HttpRequest, chosen: choice.Choice, form: SigningForm, kept: str
) -> approval.Signed | None:
    """What came of it; None when nothing was signed anywhere, and the form says why."""
    acting, seen = guard.everywhere_of(request), _seen(request)
    if not seen or not {pk for some in seen.values() for pk in some} <= set(chosen.ids):
        form.add_error(None, shown_page.changed())
        return None
    parts = _digests(seen)
    proof, evidence = shown_page.proof_of(request, form, kept, digest.together(parts))
    if proof is None:
        return None
    try:
        signed = approval.sign_in_each(
            user=guard.user_of(request),
            parts=[
                approval.Part(acting.places[company], fingerprints, _own(evidence, parts, place))
                for place, (company, fingerprints) in enumerate(seen.items())
            ],
            proof=proof,
            at=clock.now(),
            act=secrets.token_urlsafe(9),
        )
    except (approval.NotSigned, moves.Conflict):
        form.add_error(None, shown_page.changed())
        return None
    if not signed.ceremonies:
        for company, why in _left_out(request, signed.faults)[: shown_page.LEFT_SHOWN]:
            form.add_error(None, f"{company}: {why}")
        return None
    tasks.nudge_sending_in_each([one.company_id for one in signed.ceremonies])
    return signed


def _own(evidence: dict[str, Any] | None, parts: list[str], place: int) -> dict[str, Any] | None:
    """The evidence as one company keeps it: what shows that its part was signed, and nothing of
    the others' but digests."""
    if evidence is None:
        return None
    return {**evidence, "own": parts[place], "path": digest.path(parts, place)}


def _left_out(request: HttpRequest, faults: dict[int, approval.NotSigned]) -> list[tuple[str, str]]:
    places = guard.everywhere_of(request).places
    return [(places[pk].company.name, shown_page.why_not(fault)) for pk, fault in faults.items()]


@require_GET
@guard.everywhere(*APPROVE_PAYMENTS)
def receipt(request: HttpRequest, signing: str) -> HttpResponse:
    """What was signed in which company at once, and where nothing was."""
    places = guard.everywhere_of(request).places
    rows = Ceremony.objects.filter(user=guard.user_of(request), act=signing).exclude(act="")
    waiting = Count(
        "signatures",
        filter=Q(signatures__voided_at=None, signatures__payment__status=lifecycle.PARTLY),
    )
    ceremonies = list(rows.annotate(waiting=waiting).order_by("pk"))
    if not ceremonies:
        raise Http404
    told = [{"row": row, "company": places[row.company_id].company} for row in ceremonies]
    context = {
        "first": ceremonies[0],
        "rows": sorted(told, key=lambda one: one["company"].name_key),
        "payment_count": sum(row.payment_count for row in ceremonies),
        "line_count": sum(row.line_count for row in ceremonies),
        "sums": shown_page.added(row.totals for row in ceremonies),
        "still_waiting": sum(row.waiting for row in ceremonies),
        "left_out": request.session.get(LEFT_OUT, {}).get(signing, []),
    }
    return render(request, "payments/receipt_everywhere.html", context)
