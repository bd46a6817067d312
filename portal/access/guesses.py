"""How many passwords are tried in an hour: against one account from anywhere, and from one address
against all accounts. It is slow work beside the quick bound on an account from an address.

A browser that the owner has signed in with before carries a mark of it, and is not held up by what
strangers try against the account (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
"""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from axes.utils import reset
from django.conf import settings
from django.core import signing
from django.db import models, transaction
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

COOKIE, SALT = "kvitt_known", "portal.access.guesses"
COOKIE_SECONDS = 365 * 24 * 3600
KNOWN_MAX = 10  # people who share a browser


class GuessWindow(models.Model):
    """Tries against one account, or from one address, in the hour that began at `began_at`."""

    key: Any = models.BinaryField(max_length=32, unique=True)
    began_at: Any = models.DateTimeField(db_index=True)
    tries: Any = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{bytes(self.key).hex()[:8]}: {self.tries}"


class TooMany(Exception):
    """No more is tried before `until`."""

    def __init__(self, until: dt.datetime) -> None:
        super().__init__(until.isoformat())
        self.until = until


def begin(request: HttpRequest, *, email: str, owner_id: int | None) -> None:
    """Counts a try before the password is looked at; raises TooMany."""
    _count(_address(request), settings.GUESSES_PER_ADDRESS)
    if owner_id is None or owner_id not in _known(request):
        _count(_account(email), settings.GUESSES_PER_ACCOUNT)


def was_right(request: HttpRequest, *, email: str) -> None:
    """A right password is no guess."""
    rows = GuessWindow.objects.filter(key__in=[_address(request), _account(email)], tries__gt=0)
    rows.update(tries=F("tries") - 1)


def forgive(*, email: str) -> None:
    """Whoever has the mailbox has chosen a new password: what was tried before holds nobody up."""
    reset(username=email)
    GuessWindow.objects.filter(key=_account(email)).delete()


def mark(request: HttpRequest, response: HttpResponse, *, user_id: int) -> None:
    """The browser is one that this user has signed in with."""
    people = [user_id, *(pk for pk in _known(request) if pk != user_id)][:KNOWN_MAX]
    response.set_cookie(
        COOKIE,
        signing.dumps(people, salt=SALT),
        max_age=COOKIE_SECONDS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def forget(*, now: dt.datetime) -> int:
    """Removes windows that are long over."""
    old = now - dt.timedelta(seconds=settings.GUESS_WINDOW_SECONDS)
    return int(GuessWindow.objects.filter(began_at__lt=old).delete()[0])


def _known(request: HttpRequest) -> list[int]:
    try:
        people = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=COOKIE_SECONDS)
    except signing.BadSignature:
        return []
    return list(people)


def _count(key: bytes, most: int) -> None:
    now = timezone.now()
    with transaction.atomic():
        GuessWindow.objects.get_or_create(key=key, defaults={"began_at": now})
        window = GuessWindow.objects.select_for_update().get(key=key)
        end = window.began_at + dt.timedelta(seconds=settings.GUESS_WINDOW_SECONDS)
        if now >= end:
            window.began_at, window.tries = now, 0
        elif window.tries >= most:
            raise TooMany(end)
        window.tries += 1
        window.save(update_fields=["began_at", "tries"])


def _address(request: HttpRequest) -> bytes:
    return _digest(f"address:{request.META.get('REMOTE_ADDR', '')}")


def _account(email: str) -> bytes:
    return _digest(f"account:{email}")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
