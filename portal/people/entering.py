"""How a session begins and is proved: whose it is, from where, and with which factor."""

from __future__ import annotations

import time

import django_otp
from django.conf import settings
from django.contrib import auth
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from portal.access import crypto, grants, guard, guesses, sessions
from portal.access.models import User
from portal.access.secondfactor import Proof

NEXT_KEY = "next"
BACKEND = "django.contrib.auth.backends.ModelBackend"


def begin(request: HttpRequest, user: User, *, to: str) -> None:
    """A whole new session for whoever has shown the password, or a passkey."""
    request.session.flush()
    auth.login(request, user, backend=BACKEND)
    request.session[NEXT_KEY] = to
    request.session[sessions.ADDRESS_KEY] = request.META.get("REMOTE_ADDR", "")
    agent = request.headers.get("User-Agent", "")
    request.session[sessions.AGENT_KEY] = agent[: sessions.AGENT_MAX].replace("\0", "")


def prove(request: HttpRequest, proof: Proof) -> None:
    """The session is proved with this factor, under a new id; it ends with the device."""
    django_otp.login(request, proof.device)
    request.session[guard.FACTOR_KEY] = str(proof.factor)
    request.session[guard.PROVED_KEY] = time.time()
    request.session.pop(guard.AGAIN_KEY, None)
    request.session.cycle_key()


def prove_again(request: HttpRequest) -> None:
    """What the session was opened with counts from now."""
    request.session[guard.PROVED_KEY] = time.time()


def with_password(request: HttpRequest) -> None:
    """The password again, from somebody who has nothing that signs: as whole as it was, anew."""
    if guard.verified(request):
        request.session[guard.AGAIN_KEY] = True
        request.session[guard.PROVED_KEY] = time.time()
        request.session.cycle_key()
    else:
        without(request)


def without(request: HttpRequest) -> None:
    """The session of somebody who has no factor yet is whole with the password alone."""
    request.session[guard.FACTOR_KEY] = guard.WITHOUT
    request.session[guard.PROVED_KEY] = time.time()
    request.session.cycle_key()


def keep_secret(request: HttpRequest, key: str, texts: list[str]) -> None:
    """Keeps what is shown once until the page that shows it, encrypted: sessions are rows."""
    request.session[key] = crypto.encrypt("\n".join(texts)).decode()


def secret(request: HttpRequest, key: str) -> list[str]:
    """What was kept, this once; empty when there is nothing."""
    token = request.session.pop(key, "")
    return crypto.decrypt(token.encode()).split("\n") if token else []


def must_enrol(user: User) -> bool:
    """Whether some company of the user's asks for a second factor to sign in, or a customer does:
    run it while acting for the user."""
    forced = grants.companies_of(user).filter(two_factor_to_sign_in=True).exists()
    return bool(forced or grants.customers_of(user).exists())


def safe(request: HttpRequest, target: str) -> str:
    """Where to go on to: an address of ours, or the start."""
    fits = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if target and fits else "/"


def go_on(request: HttpRequest) -> str:
    """Where the person wanted to go when they were asked to sign in."""
    return safe(request, request.session.pop(NEXT_KEY, ""))


def speak(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Lets the pages speak the user's language from now on, unless another was chosen here; and
    the browser is known as one that the user signs in with."""
    assert isinstance(request.user, User)
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        request.COOKIES.get(settings.LANGUAGE_COOKIE_NAME) or request.user.language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        secure=settings.SESSION_COOKIE_SECURE,
        samesite="Lax",
    )
    guesses.mark(request, response, user_id=request.user.pk)
    User.objects.filter(pk=request.user.pk).update(last_login=timezone.now())
    return response
