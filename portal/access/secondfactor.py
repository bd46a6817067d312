"""The second factor: a code is verified once, under a lock, with bounded attempts.

It returns facts; whoever asks records them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from portal.access.models import Authenticator, User


@dataclass(frozen=True, slots=True)
class Proof:
    """What was shown: which factor, on which device, at machine time."""

    factor: str
    device_id: int
    device: Authenticator
    at: dt.datetime


class NotEnrolled(Exception):
    """The user has no authenticator, so nothing can be proved."""


class WrongCode(Exception):
    """The code is wrong, too old, or was used before."""


class TooManyTries(Exception):
    """The device is resting after failures; `until` says when it may be tried again."""

    def __init__(self, until: dt.datetime) -> None:
        super().__init__(until.isoformat())
        self.until = until


def enrolled(user_ids: Iterable[int]) -> set[int]:
    """Which of these users have a factor that signs: an authenticator app or a passkey."""
    rows = Authenticator.objects.filter(user_id__in=list(user_ids), confirmed=True)
    return set(rows.values_list("user_id", flat=True))


def verify(*, user: User, code: str) -> Proof:
    """Checks a code from the user's authenticator app.

    Raises NotEnrolled, WrongCode or TooManyTries. A failed try is recorded even though the
    caller's work is refused, so call it outside a transaction that will be rolled back.
    """
    with transaction.atomic():
        device = (
            Authenticator.objects.select_for_update()
            .filter(user=user, confirmed=True)
            .order_by("-id")
            .first()
        )
        if device is None:
            raise NotEnrolled
        allowed, reason = device.verify_is_allowed()
        if not allowed:
            raise TooManyTries((reason or {}).get("locked_until", timezone.now()))
        right = device.verify_token(code.replace(" ", "").strip())
    if not right:
        raise WrongCode
    return Proof("totp", device.pk, device, timezone.now())
