"""A person's own factors: set up, replaced, lost and removed; all of it asks for a fresh proof."""

from __future__ import annotations

from base64 import b32encode
from urllib.parse import quote, urlencode

import segno
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.access import guard, passkeys, secondfactor, sessions
from portal.access.models import Authenticator, User
from portal.access.secondfactor import Factor
from portal.mail import sms
from portal.people import entering, factors, phones
from portal.people.forms import CodeForm, PhoneForm, WayForm, one_line, told
from portal.people.views.prove import needs_proof

SHEET_KEY = "recovery_sheet"
BEGUN_KEY = "authenticator_begun"


@never_cache
@require_GET
@guard.signed_in
def index(request: HttpRequest) -> HttpResponse:
    """What one has to prove oneself with, and what each is good for."""
    user = guard.user_of(request)
    context = {
        "held": secondfactor.held(user),
        "authenticator": Authenticator.objects.filter(user=user, confirmed=True).first(),
        "passkeys": passkeys.of(user),
        "sms": sms.offered(),
    }
    return render(request, "people/two_factor.html", context)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@guard.signed_in
@needs_proof
def authenticator(request: HttpRequest) -> HttpResponse:
    """Sets up an authenticator app: QR code, then the first code; an older app is dead then."""
    user = guard.user_of(request)
    to = entering.safe(request, request.GET.get("next", ""))
    device = secondfactor.begin_authenticator(user, begun=request.session.get(BEGUN_KEY))
    request.session[BEGUN_KEY] = device.pk
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            proof = secondfactor.confirm_authenticator(user=user, code=form.cleaned_data["code"])
        except (secondfactor.WrongCode, secondfactor.NotEnrolled):
            form.add_error(
                "code",
                _("The code does not fit. See that the phone's clock is right; wait for the next."),
            )
        except secondfactor.TooManyTries as error:
            form.add_error("code", told(error))
        else:
            factors.new_signing(request, user=user, factor=Factor.TOTP)
            sessions.end_all(user=user, but=request.session.session_key or "")
            entering.prove(request, proof)
            factors.happened(request, "factor.app", user=user)
            return _enrolled(request, user, to)
    secret = b32encode(bytes.fromhex(device.secret)).decode()
    context = {
        "form": form,
        "svg": _qr(user, secret),
        "secret": " ".join(secret[place : place + 4] for place in range(0, len(secret), 4)),
        "uri": _uri(user, secret),
        "held": secondfactor.held(user),
        "to": request.GET.get("next", ""),
    }
    status = 422 if form.is_bound else 200
    return render(request, "people/authenticator.html", context, status=status)


def _enrolled(request: HttpRequest, user: User, to: str) -> HttpResponse:
    """The first app brings the sheet of recovery codes along, for the day the phone is lost."""
    messages.success(request, _("The authenticator app is set up. Its codes sign in and sign."))
    if secondfactor.held(user).recovery_left:
        return HttpResponseRedirect(to if to != "/" else reverse("people:two-factor"))
    entering.keep_secret(request, SHEET_KEY, secondfactor.new_recovery_sheet(user))
    factors.happened(request, "factor.recovery", user=user)
    request.session[entering.NEXT_KEY] = to
    return redirect("people:recovery")


def _uri(user: User, secret: str) -> str:
    """What the app reads from the QR code (Key URI format)."""
    label = quote(f"Kvitt:{user.email}")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': 'Kvitt'})}"


def _qr(user: User, secret: str) -> str:
    code = segno.make(_uri(user, secret), error="m", micro=False)
    return code.svg_inline(
        scale=4, border=3, dark="#000", light="#fff", omitsize=True, svgclass="qr"
    )


@require_POST
@guard.signed_in
@needs_proof
def remove_authenticator(request: HttpRequest) -> HttpResponse:
    user = guard.user_of(request)
    refused = _last(request, user, "authenticator")
    if refused is not None:
        return refused
    if secondfactor.remove_authenticator(user):
        factors.happened(request, "factor.app_removed", user=user)
        messages.success(request, _("The authenticator app is removed."))
    return _after_removal(request, user)


def _last(request: HttpRequest, user: User, kind: str) -> HttpResponse | None:
    """To a longer password first, where the present one is too short to stand alone."""
    held = secondfactor.held(user)
    left = {
        "authenticator": held.authenticator and kind != "authenticator",
        "passkey": held.passkeys > (kind == "passkey"),
        "phone": bool(held.phone) and kind != "phone",
        "recovery": held.recovery_left > 0,
    }
    if user.password_alone or any(left.values()):
        return None
    messages.error(
        request,
        _("Nothing was removed: your password would stand alone. Choose a longer one first."),
    )
    return redirect(f"{reverse('people:password')}?alone=1")


def _after_removal(request: HttpRequest, user: User) -> HttpResponse:
    """Whoever has nothing left goes on with the password alone, where that is enough."""
    if not secondfactor.held(user).any:
        entering.without(request)
    return redirect("people:two-factor")


@never_cache
@require_http_methods(["GET", "POST"])
@guard.signed_in
@needs_proof
def recovery(request: HttpRequest) -> HttpResponse:
    """The sheet of recovery codes, shown once, to be printed; a new one kills the old."""
    user = guard.user_of(request)
    if request.method == "POST":
        entering.keep_secret(request, SHEET_KEY, secondfactor.new_recovery_sheet(user))
        factors.happened(request, "factor.recovery", user=user)
        mine = request.session.get(guard.FACTOR_KEY) == Factor.RECOVERY
        if mine or not guard.verified(request):
            _stay(request, user)
        return redirect("people:recovery")
    sheet = entering.secret(request, SHEET_KEY)
    to = entering.safe(request, request.session.pop(entering.NEXT_KEY, "")) if sheet else ""
    context = {"sheet": sheet, "held": secondfactor.held(user), "to": to}
    return render(request, "people/recovery.html", context)


def _stay(request: HttpRequest, user: User) -> None:
    """A session that was opened with the former sheet, or with none, stands on the new one."""
    from portal.access.models import RecoverySheet

    sheet = RecoverySheet.objects.get(user=user)
    entering.prove(request, secondfactor.proof_of(Factor.RECOVERY, sheet))


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@guard.signed_in
@needs_proof
def phone(request: HttpRequest) -> HttpResponse:
    """A mobile phone for codes: the number, then the code that was sent to it."""
    user = guard.user_of(request)
    if not sms.offered():
        return redirect("people:two-factor")
    step = request.POST.get("step", "number") if request.method == "POST" else "number"
    number_form = PhoneForm(request.POST if step == "number" and request.POST else None)
    number_form.fields["number"].initial = user.phone
    code_form = WayForm(request.POST if step == "code" else None, factor=Factor.SMS)
    waiting = bool(request.GET.get("sent"))
    if step == "number" and number_form.is_bound and number_form.is_valid():
        try:
            with transaction.atomic():
                secondfactor.set_phone(user=user, number=number_form.cleaned_data["number"])
                factors.send_code(user=user, confirmed=False)
        except secondfactor.TooSoon as error:
            number_form.add_error("number", told(error))
        else:
            return redirect(f"{reverse('people:phone')}?sent=1")
    if step == "code" and code_form.is_valid():
        proof = code_form.verify(user, secondfactor.confirm_phone)
        if proof is not None:
            secondfactor.forget_former_phones(user, proof.device_id)
            if not guard.verified(request):
                entering.prove(request, proof)
            factors.happened(request, "factor.phone", user=user)
            messages.success(request, _("Codes can be sent to the phone now."))
            return redirect("people:two-factor")
        waiting = True
    context = {
        "number_form": number_form,
        "code_form": code_form,
        "waiting": waiting,
        "held": phones.hidden(secondfactor.held(user).phone),
    }
    bound = number_form.is_bound or code_form.is_bound
    return render(request, "people/phone.html", context, status=422 if bound else 200)


@require_POST
@guard.signed_in
@needs_proof
def remove_phone(request: HttpRequest) -> HttpResponse:
    user = guard.user_of(request)
    refused = _last(request, user, "phone")
    if refused is not None:
        return refused
    if secondfactor.remove_phone(user):
        factors.happened(request, "factor.phone_removed", user=user)
        messages.success(request, _("No codes are sent to the phone any more."))
    return _after_removal(request, user)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.signed_in
def lost(request: HttpRequest) -> HttpResponse:
    """After signing in another way: is the authenticator gone for good, or only at home?"""
    user = guard.user_of(request)
    held = secondfactor.held(user)
    if request.method == "POST":
        another_way = request.session.get(guard.FACTOR_KEY) in (Factor.RECOVERY, Factor.SUPPORT)
        if not (guard.fresh(request) or another_way):
            return redirect(f"{reverse('people:prove')}?{urlencode({'next': request.path})}")
        factors.lost(request, user=user)
        entering.prove_again(request)
        messages.info(
            request,
            _("The lost app no longer works, and your other sessions have ended. Set up the new."),
        )
        return redirect("people:authenticator")
    context = {
        "held": held,
        "phone": phones.hidden(held.phone),
        "by_sms": request.session.get(guard.FACTOR_KEY) == Factor.SMS,
        "code": "".join(entering.secret(request, factors.NEW_CODE_KEY)),
        "to": entering.safe(request, request.session.get(entering.NEXT_KEY, "")),
    }
    return render(request, "people/lost.html", context)


@never_cache
@require_POST
@guard.signed_in
def passkey_new(request: HttpRequest) -> JsonResponse:
    """What the browser is to make a passkey for."""
    if not guard.fresh(request):
        return JsonResponse({"to": _to_prove()}, status=403)
    return JsonResponse(passkeys.begin_registration(request, guard.user_of(request)))


@never_cache
@require_POST
@guard.signed_in
def passkey_add(request: HttpRequest) -> JsonResponse:
    """Takes the browser's new passkey."""
    if not guard.fresh(request):
        return JsonResponse({"to": _to_prove()}, status=403)
    user = guard.user_of(request)
    name = one_line(request.GET.get("name", ""), passkeys.NAME_MAX) or _("Passkey")
    try:
        data = passkeys.read(request.body[:40_000].decode("utf-8", "replace"))
        device = passkeys.register(request, user, data, name)
    except passkeys.Refused:
        text = _("The passkey could not be added. Try again, or use another device.")
        return JsonResponse({"told": text}, status=422)
    factors.new_signing(request, user=user, factor=Factor.PASSKEY)
    if not guard.verified(request):
        entering.prove(request, secondfactor.proof_of(Factor.PASSKEY, device))
    factors.happened(request, "factor.passkey", user=user, name=name)
    messages.success(request, _("The passkey is added. It signs in, and it signs payments."))
    if secondfactor.held(user).recovery_left:
        return JsonResponse({"to": reverse("people:two-factor")})
    entering.keep_secret(request, SHEET_KEY, secondfactor.new_recovery_sheet(user))
    factors.happened(request, "factor.recovery", user=user)
    return JsonResponse({"to": reverse("people:recovery")})


def _to_prove() -> str:
    return f"{reverse('people:prove')}?{urlencode({'next': reverse('people:two-factor')})}"


@require_POST
@guard.signed_in
@needs_proof
def passkey_remove(request: HttpRequest, passkey: int) -> HttpResponse:
    user = guard.user_of(request)
    refused = _last(request, user, "passkey")
    if refused is not None:
        return refused
    device = passkeys.remove(user, passkey)
    if device is not None:
        factors.happened(request, "factor.passkey_removed", user=user, name=device.name)
        messages.success(request, _("The passkey is removed."))
    return _after_removal(request, user)
