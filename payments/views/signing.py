"""The signing page of one company, and its receipt."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from payments import approval, choice, digest, lifecycle, queries, signable, tasks
from payments.models import Ceremony
from payments.views import sign_page as shown_page
from portal import clock
from portal.access import guard
from portal.access.roles import APPROVE_PAYMENTS
from portal.events import moves
from portal.lists import selection
from portal.people.forms import SigningForm


def _list(request: HttpRequest) -> HttpResponse:
    company = guard.acting_of(request).company
    return redirect("payments:list", company=company.public_id)


@require_POST
@guard.company(*APPROVE_PAYMENTS)
def sign(request: HttpRequest) -> HttpResponse:
    """Keeps what was chosen and leads to the page where it is signed."""
    chosen = choice.made(request, statuses=lifecycle.PHASES[lifecycle.OPEN])
    if not chosen.count and request.POST.get(selection.ALL) != "1":
        messages.error(request, _("Choose at least one payment first."))
        return redirect(chosen.address)
    company = guard.acting_of(request).company.public_id
    return redirect("payments:sign-page", company=company, kept=choice.keep(request, chosen))


@never_cache
@sensitive_post_parameters("code")
@require_http_methods(["GET", "POST"])
@guard.company(*APPROVE_PAYMENTS)
def sign_page(request: HttpRequest, kept: str) -> HttpResponse:
    """Shows exactly what would be signed; with a code, signs exactly what was shown."""
    company = guard.acting_of(request).company.public_id
    chosen = choice.kept(request, kept)
    if chosen is None:
        ceremony = choice.signed(request, kept)
        if ceremony is not None and request.method == "GET":
            return redirect("payments:receipt", company=company, ceremony=ceremony)
        messages.error(request, _("What you had chosen is signed or forgotten. Choose again."))
        return _list(request)
    page = shown_page.looked(request, chosen)
    if not page.rows:
        messages.error(request, shown_page.nothing_to_sign(page))
        return redirect(chosen.address)
    if request.method == "POST":
        form = SigningForm(request.POST)
        ceremony = _try_to_sign(request, page.rows, form, kept) if form.is_valid() else None
        if ceremony is None:
            faults = [(name, list(map(str, texts))) for name, texts in form.errors.items()]
            return choice.refused(request, kept, faults=faults)
        choice.forget(request, kept, ceremony=ceremony)
        return redirect("payments:receipt", company=company, ceremony=ceremony)
    form = shown_page.form_with(choice.told(request, kept).get("faults", []))
    return render(request, "payments/sign.html", shown_page.context(request, page, form))


def _seen(request: HttpRequest) -> dict[int, str]:
    """Payment id → fingerprint, as the page that was sent had shown them."""
    return {
        number: fingerprint
        for pk, _sep, fingerprint in (v.partition("|") for v in request.POST.getlist("seen"))
        for number in selection.ids_of([pk])
    }


@require_POST
@guard.company(*APPROVE_PAYMENTS)
def passkey(request: HttpRequest, kept: str) -> JsonResponse:
    """What a passkey is to sign: a new nonce and the digest of just what the page showed."""
    if choice.kept(request, kept) is None:
        return JsonResponse({"told": shown_page.changed()}, status=409)
    shown = digest.shown(_seen(request))
    return JsonResponse(shown_page.asked_of_passkey(request, kept, shown))


def _try_to_sign(
    request: HttpRequest, rows: list[signable.Shown], form: SigningForm, kept: str
) -> int | None:
    """The number of the receipt; None when nothing was signed, and the form says why."""
    acting = guard.acting_of(request)
    seen = _seen(request)
    if set(seen) != {row.payment.pk for row in rows} or any(
        seen[row.payment.pk] != row.fingerprint() for row in rows
    ):
        form.add_error(None, shown_page.changed())
        return None
    proof, evidence = shown_page.proof_of(request, form, kept, digest.shown(seen))
    if proof is None:
        return None
    try:
        ceremony = approval.sign(
            company=acting.company,
            user=guard.user_of(request),
            permissions=acting.permissions,
            fingerprints=seen,
            proof=proof,
            at=clock.now(),
            evidence=evidence,
        )
    except approval.NotSigned as fault:
        form.add_error(None, shown_page.why_not(fault))
        return None
    except moves.Conflict:
        form.add_error(None, shown_page.changed())
        return None
    tasks.nudge_sending(acting.company.pk)
    return ceremony.pk


@require_GET
@guard.company(*APPROVE_PAYMENTS)
def receipt(request: HttpRequest, ceremony: int) -> HttpResponse:
    """What was signed, by whom, when and with what; and who must act next."""
    acting = guard.acting_of(request)
    row = get_object_or_404(
        Ceremony.objects.of(acting.company).select_related("user"), pk=ceremony, user=request.user
    )
    signatures = list(
        row.signatures.filter(payment__kind__in=queries.kinds_seen(acting.permissions))
        .select_related("payment__account", "payment__agreement")
        .order_by("payment__due_date", "payment_id")
    )
    waiting = [s for s in signatures if s.payment.status == lifecycle.PARTLY]
    others = signable.others(
        company=acting.company,
        payments=[s.payment for s in waiting],
        but=[guard.user_of(request).pk],
        most=shown_page.OTHERS_SHOWN,
    )
    context = {
        "row": row,
        "signatures": signatures,
        "still_waiting": len(waiting),
        "others": others,
        "hidden": row.payment_count - len(signatures),  # of an axis that was lost since
    }
    return render(request, "payments/receipt.html", context)
