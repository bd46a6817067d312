"""The signing page and its receipt."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from banking import lifecycle as banking_lifecycle
from banking import stops
from payments import (
    approval,
    choice,
    guards,
    lifecycle,
    limits,
    policy,
    queries,
    signable,
    tasks,
    timing,
)
from payments.models import Ceremony, Payment, PaymentLine
from portal import clock
from portal.access import guard, passkeys, secondfactor
from portal.access.models import User
from portal.access.roles import APPROVE_PAYMENTS
from portal.access.secondfactor import Proof
from portal.events import moves
from portal.lists import selection
from portal.people import services
from portal.people.forms import SigningForm, told

PAYEES_SHOWN = 200  # on a page
LEFT_SHOWN = 10
OTHERS_SHOWN = 5
FINDINGS_SHOWN = 20
NONCES = "signing_nonces"


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
    acting = guard.acting_of(request)
    chosen = choice.kept(request, kept)
    if chosen is None:
        ceremony = choice.signed(request, kept)
        if ceremony is not None and request.method == "GET":
            company = acting.company.public_id
            return redirect("payments:receipt", company=company, ceremony=ceremony)
        messages.error(request, _("What you had chosen is signed or forgotten. Choose again."))
        return _list(request)
    payments = chosen.payments(
        queries.visible(company=acting.company, permissions=acting.permissions)
    )
    shown = signable.shown(payments)
    in_use = services.in_use(acting.company)
    user = guard.user_of(request)
    authority = limits.of(company=acting.company, user=user, at=clock.now())
    rows = signable.by(
        user=user,
        permissions=acting.permissions,
        payments=shown,
        in_use=in_use,
        authority=authority,
        hands=signable.hands(acting.company, user),
    )
    if not rows:
        text = _("None of the chosen payments waits for your approval; you may have given it.")
        idle = [row for row in shown if row.payment.agreement.status != banking_lifecycle.ACTIVE]
        if idle:
            text = policy.without_agreement(idle[0].payment)
        beyond = signable.beyond_limit(authority, shown)
        if beyond:
            text = next(iter(beyond.values())).text
        messages.error(request, text if in_use else policy.service_off())
        return redirect(chosen.address)
    if request.method == "POST":
        form = SigningForm(request.POST)
        ceremony = _try_to_sign(request, rows, form, kept) if form.is_valid() else None
        if ceremony is None:
            faults = [(name, list(map(str, texts))) for name, texts in form.errors.items()]
            return choice.refused(request, kept, faults=faults)
        choice.forget(request, kept, ceremony=ceremony)
        company = acting.company.public_id
        return redirect("payments:receipt", company=company, ceremony=ceremony)
    form = _form(choice.told(request, kept).get("faults", []))
    return render(request, "payments/sign.html", _context(request, chosen, shown, rows, form))


def _form(faults: list[tuple[str, list[str]]]) -> SigningForm:
    """The form for the code, with what was wrong with the one that was sent."""
    if not faults:
        return SigningForm()
    form = SigningForm({"code": "-"})  # judged already; the field shows no value anyway
    for field, texts in faults:
        for text in texts:
            form.add_error(None if field == NON_FIELD_ERRORS else field, text)
    return form


def _seen(request: HttpRequest) -> dict[int, str]:
    """Payment id → fingerprint, as the page that was sent had shown them."""
    return {
        number: fingerprint
        for pk, _sep, fingerprint in (v.partition("|") for v in request.POST.getlist("seen"))
        for number in selection.ids_of([pk])
    }


def _as_one(seen: dict[int, str]) -> str:
    """One digest of all that is signed at once, for a passkey to sign."""
    text = "\n".join(f"{pk}|{seen[pk]}" for pk in sorted(seen))
    return hashlib.sha256(text.encode()).hexdigest()


@require_POST
@guard.company(*APPROVE_PAYMENTS)
def passkey(request: HttpRequest, kept: str) -> JsonResponse:
    """What a passkey is to sign: a new nonce and the digest of just what the page showed."""
    if choice.kept(request, kept) is None:
        return JsonResponse({"told": _changed()}, status=409)
    nonce = passkeys.new_nonce()
    request.session[NONCES] = {kept: nonce}
    options = passkeys.begin_signing(
        request, guard.user_of(request), nonce=nonce, digest=_as_one(_seen(request))
    )
    return JsonResponse(options)


def _by_passkey(
    request: HttpRequest, form: SigningForm, kept: str, seen: dict[int, str]
) -> tuple[Proof | None, dict[str, Any] | None]:
    """The proof, and the assertion that is kept as evidence; None with the reason in the form."""
    nonce = request.session.pop(NONCES, {}).get(kept, "")
    try:
        data = passkeys.read(form.cleaned_data["passkey"])
        if not nonce:
            raise passkeys.Refused
        proof = passkeys.verify_signing(
            request, guard.user_of(request), data, nonce=nonce, digest=_as_one(seen)
        )
    except passkeys.Refused:
        form.add_error(None, _("The passkey did not sign this. Nothing is approved; try again."))
    except secondfactor.TooManyTries as error:
        form.add_error(None, told(error))
    else:
        return proof, {"nonce": nonce, "digest": _as_one(seen), "assertion": data}
    return None, None


def _try_to_sign(
    request: HttpRequest, rows: list[signable.Shown], form: SigningForm, kept: str
) -> int | None:
    """The number of the receipt; None when nothing was signed, and the form says why."""
    acting = guard.acting_of(request)
    seen = _seen(request)
    if set(seen) != {row.payment.pk for row in rows} or any(
        seen[row.payment.pk] != row.fingerprint() for row in rows
    ):
        form.add_error(None, _changed())
        return None
    evidence: dict[str, Any] | None = None
    if form.cleaned_data.get("passkey"):
        proof, evidence = _by_passkey(request, form, kept, seen)
    else:
        proof = form.verify(request.user)
        if proof is None and request.session.get(guard.FACTOR_KEY) not in secondfactor.SIGNING:
            form.add_error("code", _("Only the code from your authenticator app signs payments."))
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
    except approval.OverLimit as error:
        text = _("Nothing is approved: %(numbers)s would be beyond what you may approve.")
        form.add_error(None, text % {"numbers": ", ".join(error.numbers)})
        return None
    except approval.ServiceOff:
        form.add_error(None, policy.service_off())
        return None
    except approval.NoAgreement as error:
        text = _("Nothing is approved: the agreement of %(numbers)s is not active any more.")
        form.add_error(None, text % {"numbers": ", ".join(error.numbers)})
        return None
    except approval.StoppedByCheck as error:
        text = _(
            "Nothing is approved: a check stops %(numbers)s until an administrator lets it pass."
        )
        form.add_error(None, text % {"numbers": ", ".join(error.numbers)})
        return None
    except approval.AlreadySigned as error:
        form.add_error(
            None,
            _("You have approved %(numbers)s already; another person must be the second.")
            % {"numbers": ", ".join(error.numbers)},
        )
        return None
    except approval.EnteredByThemselves:
        form.add_error(None, policy.own())
        return None
    except (approval.Changed, moves.Conflict):
        form.add_error(None, _changed())
        return None
    tasks.nudge_sending(acting.company.pk)
    return ceremony.pk


def _changed() -> str:
    return _(
        "The payments changed after the page was shown. Look through them again, then approve."
    )


def _context(
    request: HttpRequest,
    chosen: choice.Choice,
    shown: list[signable.Shown],
    rows: list[signable.Shown],
    form: SigningForm,
) -> dict[str, Any]:
    payments = [row.payment for row in rows]
    open_lines = PaymentLine.objects.filter(
        payment__in=payments, status__in=lifecycle.PHASES[lifecycle.OPEN]
    ).select_related("payment")
    total = sum(row.lines for row in rows)
    page = _page(request, total)
    sums: dict[str, Decimal] = {}
    accounts: dict[int, dict[str, Any]] = {}
    for row in rows:
        account = row.payment.account
        own = accounts.setdefault(account.pk, {"account": account, "sums": {}})["sums"]
        for currency, amount in row.totals.items():
            sums[currency] = sums.get(currency, Decimal(0)) + amount
            own[currency] = own.get(currency, Decimal(0)) + amount
    lines = open_lines.order_by("payment__due_date", "payment_id", "position")
    return {
        "rows": rows,
        "lines": list(lines[(page - 1) * PAYEES_SHOWN : page * PAYEES_SHOWN]),
        "page": page,
        "pages": -(-total // PAYEES_SHOWN),
        "first_line": (page - 1) * PAYEES_SHOWN + 1,
        "last_line": min(page * PAYEES_SHOWN, total),
        "line_total": total,
        "accounts": list(accounts.values()),
        "sums": {currency: str(amount) for currency, amount in sums.items()},
        "without_authority": _without_authority(guard.user_of(request), payments),
        "dates": timing.dates(payments, now=clock.now(), abroad=queries.abroad(payments)),
        "stopped": _stopped(request, payments),
        "closed": _closed(payments),
        "withholding": [p.number for p in payments if p.account.tax_withholding],
        "findings": guards.of(
            payments, severities=[guards.STOP, guards.WARN], size=FINDINGS_SHOWN + 1
        ),
        "findings_most": FINDINGS_SHOWN,
        "beyond": [payment.number for payment in payments if payment.after_last_day],
        "others": _others(request, rows),
        "choice": chosen,
        "checked": _checked(request, chosen, shown, rows, sums),
        "form": form,
        "held": secondfactor.held(guard.user_of(request)),
    }


def _without_authority(user: User, payments: list[Payment]) -> list[dict[str, Any]]:
    """By account: the payments' numbers, and whether the other approver's authority is enough."""
    groups: dict[tuple[int, bool], dict[str, Any]] = {}
    for payment in approval.authority_warnings(user=user, payments=payments):
        agreement = payment.agreement
        enough = agreement.approvers_required == 2 and agreement.bank_approvers_required == 1
        group = groups.setdefault(
            (payment.account_id, enough),
            {"account": payment.account, "enough": enough, "numbers": []},
        )
        group["numbers"].append(payment.number)
    return list(groups.values())


def _stopped(request: HttpRequest, payments: list[Payment]) -> list[Any]:
    """What has stopped the sending of any of the payments."""
    now = stops.now(guard.acting_of(request).company.pk)
    concerned = {payment.agreement_id for payment in payments}
    return [
        stop for stop in now.every() if stop.agreement_id is None or stop.agreement_id in concerned
    ]


def _closed(payments: list[Payment]) -> list[dict[str, Any]]:
    """The agreements that the bank says it has closed, with the numbers of their payments."""
    found: dict[int, dict[str, Any]] = {}
    for payment in payments:
        if payment.agreement.closed_at is not None:
            words = {"agreement": payment.agreement, "numbers": []}
            found.setdefault(payment.agreement_id, words)["numbers"].append(payment.number)
    return list(found.values())


def _others(request: HttpRequest, rows: list[signable.Shown]) -> list[str]:
    """Who else may approve those that need another after this user; at most OTHERS_SHOWN."""
    waiting = [row for row in rows if row.needed_after > 0]
    return approval.others(
        company=guard.acting_of(request).company,
        payments=[row.payment for row in waiting],
        but=[guard.user_of(request).pk, *(s.user_id for row in waiting for s in row.signed_by)],
        most=OTHERS_SHOWN,
    )


def _page(request: HttpRequest, total: int) -> int:
    """Which page of the payees is asked for: there is always one."""
    told = request.GET.get("payees", "1")
    wanted = int(told) if told.isascii() and told.isdigit() and len(told) < 6 else 1
    return min(max(1, wanted), max(1, -(-total // PAYEES_SHOWN)))


def _checked(
    request: HttpRequest,
    chosen: choice.Choice,
    shown: list[signable.Shown],
    rows: list[signable.Shown],
    sums: dict[str, Decimal],
) -> dict[str, Any]:
    """The sum of what was chosen, and of the lines that the bank file will hold, beside `sums`."""
    ids = [row.payment.pk for row in rows]
    file = queries.sums_to_send(payment_ids=ids)
    all_of_it = {currency: Decimal(amount) for currency, amount in chosen.sums.items()}
    acting, who = guard.acting_of(request), guard.user_of(request)
    authority = limits.of(company=acting.company, user=who, at=clock.now())
    hands = signable.hands(acting.company, who)
    beyond = signable.beyond_limit(authority, shown)
    left = [
        (
            row.payment,
            policy.text_of(
                beyond.get(row.payment.pk)
                or policy.approving(
                    row.payment,
                    signers=[signature.user_id for signature in row.signed_by],
                    user_id=who.pk,
                    permissions=acting.permissions,
                    in_use=True,
                    stops=row.stops,
                    hand=hands[policy.approve_permission(row.payment)],
                )
            ),
        )
        for row in shown
        if row.payment.pk not in ids
    ]
    return {
        "file": {currency: str(amount) for currency, amount in file.items()},
        "agree": all_of_it == sums == file,
        "apart": sum(len(row.excluded) for row in rows),
        "left": left[:LEFT_SHOWN],
        "unnamed": max(0, chosen.count - chosen.beyond - len(rows) - len(left[:LEFT_SHOWN])),
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
    others = approval.others(
        company=acting.company,
        payments=[s.payment for s in waiting],
        but=[guard.user_of(request).pk],
        most=OTHERS_SHOWN,
    )
    context = {
        "row": row,
        "signatures": signatures,
        "still_waiting": len(waiting),
        "others": others,
        "hidden": row.payment_count - len(signatures),  # of an axis that was lost since
    }
    return render(request, "payments/receipt.html", context)
