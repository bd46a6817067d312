"""Sign in: e-mail and password, then a second factor, where the person has one or must have one."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import auth, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.access import guard, guesses, passkeys, secondfactor, tenancy
from portal.access.models import User
from portal.access.secondfactor import Factor
from portal.mail import sms
from portal.people import entering, factors, phones
from portal.people.forms import CodeForm, WayForm, told

BODY_MAX = 20_000


class PasswordForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username webauthn"}),
    )
    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """First step: who you are. The second step proves it."""
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        email = form.cleaned_data["email"].strip().lower()
        owner_id = User.objects.filter(email=email).values_list("pk", flat=True).first()
        try:
            guesses.begin(request, email=email, owner_id=owner_id)
        except guesses.TooMany as error:
            return _closed(request, error.until)
        user = auth.authenticate(
            request,
            # By the name that axes counts by, else failures would be counted for nobody.
            email=email,
            password=form.cleaned_data["password"],
        )
        if getattr(request, "axes_locked_out", False):
            return locked_out(request)
        if isinstance(user, User):
            guesses.was_right(request, email=email)
            entering.begin(request, user, to=request.POST.get("next", ""))
            return _second_step(request, user)
        form.add_error(None, _("The e-mail or the password is wrong."))
    context = {
        "form": form,
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "lost": guard.LOST in request.GET,
    }
    return render(request, "people/sign_in.html", context, status=_status(request, form))


def _second_step(request: HttpRequest, user: User) -> HttpResponse:
    """To the code; whoever has no factor is in, or sets one up first where it is asked for."""
    if secondfactor.held(user).any:
        return redirect("people:sign-in-code")
    entering.without(request)
    with tenancy.acting_for((), user=user):
        must = entering.must_enrol(user)
    if must:
        return entering.speak(request, redirect("people:authenticator"))
    return entering.speak(request, HttpResponseRedirect(entering.go_on(request)))


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """Second step: a code from the authenticator app, accepted once; or a passkey."""
    if not request.user.is_authenticated:
        return redirect("people:sign-in")
    if guard.entered(request):
        return redirect("people:start")
    user = guard.user_of(request)
    held = secondfactor.held(user)
    if not held.signs:
        return redirect("people:another-way")
    form = CodeForm(request.POST or None) if held.authenticator else None
    if form is not None:
        form.fields["code"].widget.attrs["autofocus"] = True  # the page has no other field
    if request.method == "POST" and form is not None and form.is_valid():
        proof = form.verify(user)
        if proof is not None:
            entering.prove(request, proof)
            return entering.speak(request, HttpResponseRedirect(entering.go_on(request)))
    context = {"form": form, "held": held}
    status = _status(request, form) if form is not None else 200
    return render(request, "people/sign_in_code.html", context, status=status)


@never_cache
@require_http_methods(["GET"])
def another_way(request: HttpRequest) -> HttpResponse:
    """What else signs in when the phone is lost, and that none of it signs payments."""
    if not request.user.is_authenticated:
        return redirect("people:sign-in")
    if guard.entered(request):
        return redirect("people:start")
    user = guard.user_of(request)
    held = secondfactor.held(user)
    context = {
        "held": held,
        "phone": phones.hidden(held.phone) if sms.offered() else "",
    }
    return render(request, "people/another_way.html", context)


WAYS = {
    "recovery": (Factor.RECOVERY, secondfactor.verify_recovery),
    "sms": (Factor.SMS, secondfactor.verify_sms),
    "support": (Factor.SUPPORT, secondfactor.verify_support),
}


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def way(request: HttpRequest, way: str) -> HttpResponse:
    """Signs in by a recovery code, a text message or a code from support."""
    if not request.user.is_authenticated or way not in WAYS:
        return redirect("people:sign-in")
    if guard.entered(request):
        return redirect("people:start")
    user, (factor, verify) = guard.user_of(request), WAYS[way]
    sending = request.method == "POST" and "send" in request.POST
    if sending and factor is Factor.SMS:
        try:
            factors.send_code(user=user)
            messages.success(request, _("A code is on its way, if a phone is registered."))
        except secondfactor.TooSoon as error:
            messages.error(request, told(error))
        return redirect("people:way", way=way)
    form = WayForm(request.POST or None, factor=factor)
    if request.method == "POST" and form.is_valid():
        proof = form.verify(user, verify)
        if proof is not None:
            entering.prove(request, proof)
            factors.used_another_way(request, user=user, factor=factor)
            return entering.speak(request, redirect("people:lost"))
    held = secondfactor.held(user)
    context = {
        "form": form,
        "way": way,
        "phone": phones.hidden(held.phone),
        "enrolled": held,
    }
    return render(request, "people/way.html", context, status=_status(request, form))


@never_cache
@require_POST
def passkey_begin(request: HttpRequest) -> JsonResponse:
    """What the browser asks the passkey for; before the password any passkey of ours will do."""
    return JsonResponse(passkeys.begin_sign_in(request, _half(request)))


def _half(request: HttpRequest) -> User | None:
    """Who has shown the password and is awaited with the second factor."""
    return guard.user_of(request) if request.user.is_authenticated else None


@never_cache
@require_POST
def passkey_finish(request: HttpRequest) -> JsonResponse:
    """Signs in with the passkey's answer: it is both factors, since the person was verified."""
    user = _half(request)
    try:
        proof = passkeys.verify_sign_in(request, user, passkeys.read(_body(request)))
    except secondfactor.TooManyTries:
        return _refused(_("Too many wrong tries. Wait a little, and try again."), 429)
    except passkeys.Refused:
        return _refused(_("The passkey was not accepted. Try again, or sign in another way."), 422)
    owner = proof.device.user
    if user is None:
        entering.begin(request, owner, to=request.GET.get("next", ""))
        request.user = owner
    entering.prove(request, proof)
    told = request.GET.get("next", "")
    to = entering.safe(request, told) if told else entering.go_on(request)
    answer = JsonResponse({"to": to})
    entering.speak(request, answer)
    return answer


def _body(request: HttpRequest) -> str:
    return request.body[:BODY_MAX].decode("utf-8", "replace")


def _refused(text: str, status: int) -> JsonResponse:
    return JsonResponse({"told": text}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect("people:sign-in")


sign_out.guarded = True  # type: ignore[attr-defined]


def locked_out(request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
    """Too many tries for this account from this address; the right password does not help now."""
    return _closed(request, timezone.now() + dt.timedelta(hours=settings.AXES_COOLOFF_TIME))


def _closed(request: HttpRequest, until: dt.datetime) -> HttpResponse:
    minutes = max(1, round((until - timezone.now()).total_seconds() / 60))
    return render(request, "people/locked_out.html", {"minutes": minutes}, status=429)


def _status(request: HttpRequest, form: forms.Form) -> int:
    return 422 if request.method == "POST" and form.errors else 200
