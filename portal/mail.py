"""Mail to people, in their own language, after the work that causes it is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.utils import translation

from portal.access.models import User

log = structlog.get_logger(__name__)
Composed = tuple[str, str]


def after_commit(*, to: Iterable[User], compose: Callable[[User], Composed]) -> None:
    """Sends subject and body, composed in each user's language, when the transaction commits.

    A mail that cannot be sent is logged; it never undoes the work it tells of.
    """
    letters = []
    for user in to:
        with translation.override(user.language):
            subject, body = compose(user)
        letters.append(EmailMessage(subject, body, settings.DEFAULT_FROM_EMAIL, [user.email]))
    if letters:
        transaction.on_commit(lambda: _send(letters), robust=True)


def _send(letters: list[EmailMessage]) -> None:
    try:
        get_connection().send_messages(letters)
    except OSError as error:
        log.error("mail.not_sent", count=len(letters), error=str(error))
