"""Invoices that are approved before their payments come: the list, a new one, signing, ending."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from payments import approval, policy, preapproval
from payments.draft_forms import InvoiceForm
from payments.models import PreApproval
from payments.views import sign_page
from portal import clock
from portal.access import guard, secondfactor
from portal.access.roles import Permission
from portal.events import moves
from portal.people import changes
from portal.people.forms import SigningForm

SHOWN = 50
TABS = {
    "open": gettext_lazy("Waiting for their payments"),
    "used": gettext_lazy("Used"),
    "ended": gettext_lazy("Ended"),
}


def _rows(request: HttpRequest) -> QuerySet[PreApproval]:
    rows = PreApproval.objects.of(guard.acting_of(request).company)
    return rows.select_related("made_by", "ended_by", "line__payment").prefetch_related(
        "signatures__user"
    )


def _found(request: HttpRequest, pk: int) -> PreApproval:
    row: PreApproval = get_object_or_404(_rows(request), pk=pk)
    row.company = guard.acting_of(request).company
    return row


@require_GET
@guard.company(Permission.SEE_SUPPLIER)
def index(request: HttpRequest) -> HttpResponse:
    """What is approved in advance, the latest first; and what became of it."""
    acting, today = guard.acting_of(request), clock.today()
    tab = request.GET.get("tab", "open")
    tab = tab if tab in TABS else "open"
    alive = {"line": None, "ended_at": None, "valid_until__gte": today}
    rows = _rows(request).order_by("-pk")
    if tab == "open":
        rows = rows.filter(**alive)
    elif tab == "used":
        rows = rows.exclude(line=None)
    else:
        rows = rows.filter(line=None).exclude(ended_at=None, valid_until__gte=today)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and len(before) < 16:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: SHOWN + 1])
    context = {
        "rows": found[:SHOWN],
        "next": found[SHOWN - 1].pk if len(found) > SHOWN else None,
        "tab": tab,
        "tabs": TABS,
        "on": acting.company.pre_approval,
        "may_decide": acting.may(Permission.DECIDE_CHECKS),
        "may_approve": acting.may(Permission.APPROVE_SUPPLIER),
        "past_first": bool(before),
    }
    return render(request, "payments/pre_approvals.html", context)


@require_http_methods(["GET", "POST"])
@guard.company(Permission.APPROVE_SUPPLIER)
def new(request: HttpRequest) -> HttpResponse:
    """The form of an invoice; what is filled in is signed on its own page."""
    company, today = guard.acting_of(request).company, clock.today()
    words: dict[str, Any] = {"company": company.public_id}
    form = InvoiceForm(
        request.POST or None,
        today=today,
        days_max=preapproval.DAYS_MAX,
        initial={"valid_until": today + dt.timedelta(days=preapproval.DAYS)},
    )
    if request.method == "POST" and form.is_valid():
        try:
            row = preapproval.make(
                company=company,
                user=guard.user_of(request),
                invoice=preapproval.Invoice(**form.cleaned_data),
                at=clock.now(),
            )
        except preapproval.Off:
            form.add_error(None, off())
        except preapproval.Waits as fault:
            there = reverse("payments:detail", kwargs=words | {"payment": fault.payment.pk})
            told = _("Its payment has come already. Approve that instead:")
            form.add_error(None, _with_link(told, there, fault.payment.number))
        except preapproval.Already as fault:
            there = reverse("payments:pre-approval", kwargs=words | {"invoice": fault.row.pk})
            told = _("Just this invoice is approved in advance, or about to be:")
            form.add_error(None, _with_link(told, there, str(fault.row)))
        else:
            return redirect("payments:pre-approval", company=company.public_id, invoice=row.pk)
    context = {"form": form, "on": company.pre_approval}
    status = 422 if form.is_bound else 200
    return render(request, "payments/pre_approval_new.html", context, status=status)


def off() -> str:
    """Why nothing is approved in advance."""
    return _(
        "The company does not approve payments in advance. An AutoPay Administrator can switch it"
        " on, under Checks."
    )


def _with_link(told: str, address: str, label: str) -> Any:
    return format_html('{} <a class="ds-link" href="{}">{}</a>', told, address, label)


@require_GET
@never_cache
@guard.company(Permission.SEE_SUPPLIER)
def one(request: HttpRequest, invoice: int) -> HttpResponse:
    """What is approved in advance, by whom, and what became of it."""
    return _page(request, _found(request, invoice), SigningForm())


def _page(
    request: HttpRequest, row: PreApproval, form: SigningForm, status: int = 200
) -> HttpResponse:
    acting, user = guard.acting_of(request), guard.user_of(request)
    signatures = sorted(row.signatures.all(), key=lambda one: one.pk)
    holds = preapproval.still_holds(row, at=clock.now())
    mine = any(one.user_id == user.pk for one in signatures)
    may = acting.may(Permission.APPROVE_SUPPLIER)
    context = {
        "row": row,
        "signatures": signatures,
        "holds": holds,
        "too_old": not holds and row.line_id is None and row.ended_at is None,
        "on": acting.company.pre_approval,
        "signs": may and holds and not mine and acting.company.pre_approval,
        "may_end": may and holds,
        "seen": preapproval.fingerprint(row),
        "form": form,
        "held": secondfactor.held(user) if may else None,
    }
    return render(request, "payments/pre_approval.html", context, status=status)


def _kept(row: PreApproval) -> str:
    """Under what the nonce of this page is kept."""
    return f"pre-approval {row.pk}"


@require_POST
@guard.company(Permission.APPROVE_SUPPLIER)
def passkey(request: HttpRequest, invoice: int) -> JsonResponse:
    """What a passkey is to sign: a new nonce and the digest of just what the page showed."""
    row = _found(request, invoice)
    seen = preapproval.fingerprint(row)
    if request.POST.get("seen") != seen:
        return JsonResponse({"told": sign_page.changed()}, status=409)
    return JsonResponse(sign_page.asked_of_passkey(request, _kept(row), seen))


@never_cache
@sensitive_post_parameters("code")
@require_POST
@guard.company(Permission.APPROVE_SUPPLIER)
def sign(request: HttpRequest, invoice: int) -> HttpResponse:
    """Approves the invoice just as it was shown."""
    row, form = _found(request, invoice), SigningForm(request.POST)
    if form.is_valid() and _signed(request, row, form):
        told = _("You have approved the invoice in advance.")
        messages.success(request, told)
        company = guard.acting_of(request).company.public_id
        return redirect("payments:pre-approval", company=company, invoice=row.pk)
    return _page(request, _found(request, invoice), form, 422)


def _signed(request: HttpRequest, row: PreApproval, form: SigningForm) -> bool:
    """Whether it is signed now; else the form says why not."""
    shown = request.POST.get("seen", "")
    if shown != preapproval.fingerprint(row):
        form.add_error(None, sign_page.changed())
        return False
    proof, evidence = sign_page.proof_of(request, form, _kept(row), shown)
    if proof is None:
        return False
    try:
        preapproval.sign(
            acting=guard.acting_of(request),
            user=guard.user_of(request),
            pre_approval_id=row.pk,
            shown=shown,
            proof=proof,
            at=clock.now(),
            evidence=evidence,
        )
    except preapproval.Off:
        form.add_error(None, off())
    except preapproval.Gone:
        form.add_error(None, gone())
    except approval.AlreadySigned:
        form.add_error(None, _("You have approved it already; another person must be the second."))
    except approval.ServiceOff:
        form.add_error(None, policy.service_off())
    except approval.OverLimit:
        form.add_error(None, _("The amount is beyond what you may approve."))
    except approval.NotYours:
        form.add_error(None, _("Your roles do not let you approve it."))
    except (approval.Changed, moves.Conflict):
        form.add_error(None, sign_page.changed())
    else:
        return True
    return False


def gone() -> str:
    """Why nothing can be done with it any more."""
    return _("It is used, ended or too old.")


@require_POST
@guard.company(Permission.APPROVE_SUPPLIER)
def end(request: HttpRequest, invoice: int) -> HttpResponse:
    """Ends it unused: its payment must be approved as always."""
    row, company = _found(request, invoice), guard.acting_of(request).company
    try:
        preapproval.end(
            company=company,
            user=guard.user_of(request),
            pre_approval_id=row.pk,
            at=clock.now(),
        )
        messages.success(request, _("Ended. Its payment must be approved when it comes."))
    except preapproval.Gone:
        messages.error(request, _("Nothing was changed: %(why)s") % {"why": gone()})
    return redirect("payments:pre-approval", company=company.public_id, invoice=row.pk)


@require_POST
@guard.company(Permission.DECIDE_CHECKS)
def switch(request: HttpRequest) -> HttpResponse:
    """Whether the company approves before payments come."""
    company, on = guard.acting_of(request).company, request.POST.get("on") == "yes"
    if not preapproval.set_on(company=company, on=on, by=changes.by(request)):
        messages.info(request, _("Nothing was changed: it was set so already."))
    elif on:
        messages.success(request, _("Approvers may approve invoices before their payments come."))
    else:
        told = _("From now on every payment is approved when it has come.")
        messages.success(request, told)
    return redirect("payments:checks", company=company.public_id)
