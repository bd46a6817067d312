"""Sign in with e-mail and password, then with a code from the authenticator app."""

from __future__ import annotations

from typing import Any

import django_otp
from django import forms
from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from portal.access import guard
from portal.people.forms import CodeForm


class PasswordForm(forms.Form):
    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username"}),
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
        user = auth.authenticate(
            request,
            # By the name that axes counts by, else failures would be counted for nobody.
            email=form.cleaned_data["email"].strip().lower(),
            password=form.cleaned_data["password"],
        )
        if getattr(request, "axes_locked_out", False):
            return locked_out(request)
        if user is not None:
            request.session.flush()  # a whole new one, whoever was signed in here
            auth.login(request, user)
            request.session["next"] = request.POST.get("next", "")
            return redirect("people:sign-in-code")
        form.add_error(None, _("The e-mail or the password is wrong."))
    context = {
        "form": form,
        "next": request.POST.get("next") or request.GET.get("next", ""),
        "lost": guard.LOST in request.GET,
    }
    return render(request, "people/sign_in.html", context, status=_status(request, form))


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def code(request: HttpRequest) -> HttpResponse:
    """Second step: a code from the authenticator app, accepted once."""
    if not request.user.is_authenticated:
        return redirect("people:sign-in")
    if guard.verified(request):
        return redirect("people:start")
    form = CodeForm(request.POST or None)
    form.fields["code"].widget.attrs["autofocus"] = True  # the page has no other field
    if request.method == "POST" and form.is_valid():
        proof = form.verify(request.user)
        if proof is not None:
            django_otp.login(request, proof.device)
            request.session.cycle_key()
            response = HttpResponseRedirect(_next(request))
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) or request.user.language,
                max_age=settings.LANGUAGE_COOKIE_AGE,
                secure=settings.SESSION_COOKIE_SECURE,
                samesite="Lax",
            )
            return response
    return render(
        request, "people/sign_in_code.html", {"form": form}, status=_status(request, form)
    )


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return redirect("people:sign-in")


sign_out.guarded = True  # type: ignore[attr-defined]


def locked_out(request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
    """Too many tries for this account from this address; the right password does not help now."""
    minutes = round(settings.AXES_COOLOFF_TIME * 60)
    return render(request, "people/locked_out.html", {"minutes": minutes}, status=429)


def _status(request: HttpRequest, form: forms.Form) -> int:
    return 422 if request.method == "POST" and form.errors else 200


def _next(request: HttpRequest) -> str:
    target = request.session.pop("next", "")
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if target and safe else "/"
