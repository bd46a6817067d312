"""The signing page and its receipt; refusing and cancelling, which ask for a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from payments import approval, lifecycle, policy, queries, tasks
from payments.lists import PAYMENTS, TO_APPROVE
from payments.models import Ceremony, Payment, PaymentLine
from portal import clock
from portal.access import guard
from portal.access.roles import APPROVE_PAYMENTS, CANCEL_PAYMENTS
from portal.events import moves
from portal.events.lifecycle import Move
from portal.lists import selection
from portal.lists.spec import ListSpec
from portal.people.forms import CodeForm, one_line

PAYEES_SHOWN = 200


@dataclass(frozen=True, slots=True)
class _Choice:
    """The chosen payments, those due first; `beyond` more were chosen than are handled at once."""

    payments: list[Payment]
    beyond: int

    @property
    def all(self) -> int:
        return len(self.payments) + self.beyond


def _list(request: HttpRequest) -> ListSpec:
    return TO_APPROVE if request.POST.get("list") == TO_APPROVE.name else PAYMENTS


def _chosen(request: HttpRequest, *, statuses: Collection[str]) -> _Choice:
    """What a form names; of all that match, those whose status the act can be for."""
    rows, every = selection.chosen(request, _list(request))
    if every:
        rows = rows.filter(status__in=statuses)
    most = settings.SIGN_AT_ONCE_MAX
    found = list(
        rows.select_related("account", "agreement__account", "agreement__channel").order_by(
            "due_date", "pk"
        )[: most + 1]
    )
    if len(found) > most:
        return _Choice(found[:most], rows.order_by().count() - most)
    told = request.POST.get("beyond", "")  # the page that comes again after a wrong code
    return _Choice(found, int(told) if told.isascii() and told.isdigit() and len(told) < 7 else 0)


def _back(request: HttpRequest) -> HttpResponse:
    """To the list that the choice was made in, as it was filtered."""
    shown = _list(request)
    query = shown.known(QueryDict(request.POST.get("query", "")[: selection.POSTED_MAX]))
    return redirect(f"{shown.address(guard.acting_of(request))}?{query.urlencode()}".rstrip("?"))


def _none_chosen(request: HttpRequest) -> bool:
    return request.POST.get(selection.ALL) != "1" and not request.POST.getlist("payment")


@never_cache
@sensitive_post_parameters("code")
@require_POST
@guard.company(*APPROVE_PAYMENTS)
def sign(request: HttpRequest) -> HttpResponse:
    """Shows exactly what would be signed; with a code, signs exactly what was shown."""
    acting = guard.acting_of(request)
    choice = _chosen(request, statuses=lifecycle.PHASES[lifecycle.OPEN])
    rows = approval.signable_by(
        user=guard.user_of(request),
        permissions=acting.permissions,
        payments=approval.shown(choice.payments),
    )
    if not rows and _none_chosen(request):
        messages.error(request, _("Choose at least one payment first."))
        return _back(request)
    if not rows:
        messages.error(
            request,
            _("None of the chosen payments waits for your approval; you may have given it."),
        )
        return _back(request)
    form = CodeForm(request.POST if "code" in request.POST else None)
    if form.is_bound and form.is_valid():
        answer = _try_to_sign(request, rows, form)
        if answer is not None:
            return answer
    context = _context(request, choice, rows, form)
    return render(request, "payments/sign.html", context, status=422 if form.errors else 200)


def _try_to_sign(
    request: HttpRequest, rows: list[approval.Shown], form: CodeForm
) -> HttpResponse | None:
    acting = guard.acting_of(request)
    seen = {
        number: fingerprint
        for pk, _sep, fingerprint in (v.partition("|") for v in request.POST.getlist("seen"))
        for number in selection.ids_of([pk])
    }
    if set(seen) != {row.payment.pk for row in rows} or any(
        seen[row.payment.pk] != row.fingerprint() for row in rows
    ):
        form.add_error(None, _changed())
        return None
    proof = form.verify(request.user)
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
        )
    except approval.AlreadySigned as error:
        form.add_error(
            None,
            _("You have approved %(numbers)s already; another person must be the second.")
            % {"numbers": ", ".join(error.numbers)},
        )
        return None
    except (approval.Changed, moves.Conflict):
        form.add_error(None, _changed())
        return None
    tasks.nudge_sending(acting.company.pk)
    return redirect("payments:receipt", company=acting.company.public_id, ceremony=ceremony.pk)


def _changed() -> str:
    return _(
        "The payments changed after the page was shown. Look through them again, then approve."
    )


def _context(
    request: HttpRequest,
    choice: _Choice,
    rows: list[approval.Shown],
    form: CodeForm,
) -> dict[str, Any]:
    payments = choice.payments
    chosen = [row.payment for row in rows]
    lines = list(
        PaymentLine.objects.filter(
            payment__in=chosen, status__in=[lifecycle.AWAITING, lifecycle.PARTLY]
        )
        .select_related("payment")
        .order_by("payment__due_date", "payment_id", "position")[: PAYEES_SHOWN + 1]
    )
    sums: dict[str, Any] = {}
    for row in rows:
        for currency, amount in row.totals.items():
            sums[currency] = sums.get(currency, 0) + amount
    accounts: dict[int, dict[str, Any]] = {}
    for row in rows:
        account = row.payment.account
        own = accounts.setdefault(account.pk, {"account": account, "sums": {}})["sums"]
        for currency, amount in row.totals.items():
            own[currency] = own.get(currency, 0) + amount
    left = len(payments) - len(rows)
    return {
        "rows": rows,
        "lines": lines[:PAYEES_SHOWN],
        "cut": len(lines) > PAYEES_SHOWN,
        "line_total": sum(row.lines for row in rows),
        "accounts": list(accounts.values()),
        "sums": {currency: str(amount) for currency, amount in sums.items()},
        "without_authority": approval.authority_warnings(
            user=guard.user_of(request), payments=chosen
        ),
        "left": left,
        "choice": choice,
        "list": _list(request),
        "query": request.POST.get("query", "")[: selection.POSTED_MAX],
        "checked": _checked(payments, rows, sums),
        "form": form,
    }


def _checked(
    payments: list[Payment], rows: list[approval.Shown], sums: dict[str, Any]
) -> dict[str, Any]:
    """The sum of what was chosen, and of the lines that the bank file will hold, beside `sums`."""
    chosen: dict[str, Decimal] = {}
    for payment in payments:
        for currency, amount in payment.totals.items():
            chosen[currency] = chosen.get(currency, Decimal(0)) + Decimal(amount)
    ids = [row.payment.pk for row in rows]
    file = queries.sums_to_send(payment_ids=ids)
    return {
        "chosen": {currency: str(amount) for currency, amount in chosen.items()},
        "file": {currency: str(amount) for currency, amount in file.items()},
        "agree": chosen == sums == file,
        "apart": sum(len(row.excluded) for row in rows),
    }


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
    context = {
        "row": row,
        "signatures": signatures,
        "waiting": len(waiting),
        "hidden": row.payment_count - len(signatures),  # of an axis that was lost since
    }
    return render(request, "payments/receipt.html", context)


@require_POST
@guard.company(*APPROVE_PAYMENTS)
def refuse(request: HttpRequest) -> HttpResponse:
    """Refuses whole payments for good; the reason is asked for and told to the ERP."""
    return _end(request, lifecycle.REFUSE)


@require_POST
@guard.company(*CANCEL_PAYMENTS)
def cancel(request: HttpRequest) -> HttpResponse:
    """Cancels whole payments that have not been sent."""
    return _end(request, lifecycle.CANCEL)


def _changed_meanwhile(request: HttpRequest) -> HttpResponse:
    messages.error(
        request,
        _("Nothing was changed: a payment has been sent or ended since the page was shown."),
    )
    return _back(request)


def _end(request: HttpRequest, move: Move) -> HttpResponse:
    """Asks why; then ends all that were shown, or none of them."""
    acting = guard.acting_of(request)
    act = "refuse" if move is lifecycle.REFUSE else "cancel"
    choice = _chosen(request, statuses=move.sources)
    refusals = {
        payment.pk: policy.ending(payment, move, permissions=acting.permissions)
        for payment in choice.payments
    }
    payments = [payment for payment in choice.payments if refusals[payment.pk] is None]
    left = Counter(refusal.text for refusal in refusals.values() if refusal is not None)
    if not choice.payments:
        messages.error(request, _("Choose at least one payment first."))
        return _back(request)
    if left and request.POST.get("step") == "do":
        return _changed_meanwhile(request)
    if not payments:
        for text in left:
            messages.error(request, text)
        return _back(request)
    reason = one_line(request.POST.get("reason", ""), 200)
    context = {
        "payments": payments,
        "left": list(left.items()),
        "choice": choice,
        "list": _list(request),
        "query": request.POST.get("query", "")[: selection.POSTED_MAX],
        "act": act,
        "reason": reason,
        "missing": False,
    }
    if request.POST.get("step") != "do":
        return render(request, "payments/end.html", context)
    if not reason:
        return render(request, "payments/end.html", {**context, "missing": True}, status=422)
    ids = [payment.pk for payment in payments]
    try:
        if act == "refuse":
            count = approval.refuse(
                company=acting.company,
                user=guard.user_of(request),
                permissions=acting.permissions,
                payment_ids=ids,
                reason=reason,
                at=clock.now(),
            )
        else:
            count = approval.cancel(
                company=acting.company,
                by=approval.actors.person(request.user),
                permissions=acting.permissions,
                payment_ids=ids,
                reason=reason,
                at=clock.now(),
            )
    except (moves.Conflict, approval.Changed):
        return _changed_meanwhile(request)
    text = (
        ngettext("%(n)s line is refused.", "%(n)s lines are refused.", count)
        if act == "refuse"
        else ngettext("%(n)s line is cancelled.", "%(n)s lines are cancelled.", count)
    )
    messages.success(request, text % {"n": count})
    return _back(request)
