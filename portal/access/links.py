"""Links that are mailed to a person: made, found again by their token, and used once.

The token stands in the mail alone; the database keeps its digest, so that whoever reads the
database opens nothing.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets

from django.utils import timezone

from portal.access.models import Membership, OneTimeLink, User

Purpose = OneTimeLink.Purpose
TOKEN_BYTES = 32


class Dead(Exception):
    """The link opens nothing: unknown, used, replaced by a newer one, or too old.

    `link` is the row, where there is one.
    """

    def __init__(self, link: OneTimeLink | None) -> None:
        super().__init__("unknown" if link is None else f"{link.purpose} {link.pk}")
        self.link = link


def make(
    *,
    purpose: Purpose,
    user: User,
    lifetime: dt.timedelta,
    membership: Membership | None = None,
    email: str = "",
) -> str:
    """The token of a new link; earlier ones for the same thing are dead from now on.

    All but those that undo a change of e-mail: a thief who changes it twice must not kill the link
    that the owner has got.
    """
    now = timezone.now()
    if purpose != Purpose.EMAIL_UNDO:
        OneTimeLink.objects.filter(
            purpose=purpose, user=user, membership=membership, used_at=None
        ).update(used_at=now)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    OneTimeLink.objects.create(
        purpose=purpose,
        digest=_digest(token),
        user=user,
        membership=membership,
        email=email,
        created_at=now,
        expires_at=now + lifetime,
    )
    return token


def find(*, purpose: Purpose, token: str) -> OneTimeLink:
    """The living link of a token; raises Dead."""
    rows = OneTimeLink.objects.select_related("user")
    link = rows.filter(purpose=purpose, digest=_digest(token)).first()
    if link is None or link.used_at is not None or link.expires_at <= timezone.now():
        raise Dead(link)
    return link


def use(link: OneTimeLink) -> None:
    """Uses a link, in the caller's transaction; raises Dead when somebody was quicker."""
    rows = OneTimeLink.objects.filter(pk=link.pk, used_at=None)
    if not rows.update(used_at=timezone.now()):
        raise Dead(link)


def forget(*, now: dt.datetime) -> int:
    """Removes links that have been dead for a month."""
    old = OneTimeLink.objects.filter(expires_at__lt=now - dt.timedelta(days=30))
    return int(old.delete()[0])


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def kill(user_id: int, *purposes: Purpose) -> None:
    """Links of these kinds that wait for the user open nothing any more."""
    waiting = OneTimeLink.objects.filter(user_id=user_id, purpose__in=purposes, used_at=None)
    waiting.update(used_at=timezone.now())
