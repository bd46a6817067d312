"""Delivers the letters of the outbox: claimed, sent outside any transaction, then recorded.

Who may no longer read a letter does not get it.

At least once: a sender that dies between sending and recording leaves a letter that is sent again
when its lease is over, under the same Message-ID. It composes nothing and picks no recipients.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
import smtplib
import time
from collections.abc import Callable, Sequence
from email.utils import parseaddr
from typing import Any

import structlog
from django.conf import settings
from django.core import mail
from django.db import transaction
from django.db.models import F

from portal import faults
from portal import mail as outbox
from portal.access import grants, tenancy
from portal.access.models import User
from portal.access.roles import Permission
from portal.mail import sms
from portal.mail.models import WAITING, Letter

log = structlog.get_logger(__name__)
ERROR_MAX = 500
MAIL, SMS = "mail", "sms"
# What a server says of the session, not of the recipient: bad sequence, sign in first.
OF_THE_SESSION = frozenset({503, 530})
Now = Callable[[], dt.datetime]


def message_of(letter: Letter) -> mail.EmailMultiAlternatives:
    """The letter as a mail. Its Message-ID never changes, so mail systems can drop a repeat.

    The time is part of it: a database restored from a backup gives the same ids out again.
    """
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    message = mail.EmailMultiAlternatives(
        letter.subject,
        letter.text,
        settings.DEFAULT_FROM_EMAIL,
        [letter.address],
        headers={
            "Message-ID": f"<{letter.pk}.{letter.created_at:%Y%m%d%H%M%S%f}@{domain}>",
            "Auto-Submitted": "auto-generated",
            "Content-Language": letter.language,
        },
    )
    message.attach_alternative(letter.html, "text/html")
    return message


def wait_after(attempt: int) -> dt.timedelta:
    """How long until the next attempt when this one has failed: twice the last, give or take."""
    seconds = min(settings.MAIL_RETRY_SECONDS * 2 ** (attempt - 1), settings.MAIL_RETRY_MAX_SECONDS)
    return dt.timedelta(seconds=seconds * random.SystemRandom().uniform(0.8, 1.2))


def deliver(*, now: dt.datetime) -> int:
    """Sends what is due, batch by batch, and answers how many letters were taken.

    Run it outside any transaction. It ends when nothing more is due, when the mail server cannot
    be reached, or when its time is up; the timetable goes on from there.
    """
    began = time.monotonic()
    end = now + dt.timedelta(seconds=settings.MAIL_RUN_SECONDS)
    taken = 0

    def at() -> dt.datetime:
        return now + dt.timedelta(seconds=time.monotonic() - began)

    with tenancy.acting_for((), letters=True):
        more = True
        while more:
            letters = _claim(at())
            faults.point("mail.claimed")
            sent, unhindered = _send(letters, at, end)
            taken += sent
            more = unhindered and len(letters) == settings.MAIL_BATCH
    return taken


def _claim(now: dt.datetime) -> list[Letter]:
    """Takes the letters longest due, each for one sender only, until the lease is over."""
    with transaction.atomic():
        letters = list(
            Letter.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("company")
            .filter(WAITING, next_attempt_at__lte=now)
            .order_by("next_attempt_at", "id")[: settings.MAIL_BATCH]
        )
        Letter.objects.filter(pk__in=[letter.pk for letter in letters]).update(
            attempts=F("attempts") + 1,
            next_attempt_at=now + dt.timedelta(seconds=settings.MAIL_LEASE_SECONDS),
        )
    for letter in letters:
        letter.attempts += 1
    return letters


def _send(letters: Sequence[Letter], at: Now, end: dt.datetime) -> tuple[int, bool]:
    """How many were taken, and whether neither server nor time stood in the way."""
    server = mail.get_connection()
    sent = 0
    down: OSError | None = None
    try:
        for place, letter in enumerate(letters):
            if at() >= end:
                _put_back(letters[place:], at())
                return sent, False
            if not _may_read(letter):
                _mine(letter).update(failed_at=at(), error="no longer a reader")
                log.info("mail.withheld", letter=letter.pk, kind=letter.kind)
                continue
            if letter.attempts > settings.MAIL_MAX_ATTEMPTS:
                _fail(letter, "no attempt came to an end", "unfinished", at())
                continue
            if letter.channel == MAIL and down is None:
                try:
                    server.open()  # does nothing when it is open
                except OSError as error:
                    down = error
                    left = sum(each.channel == MAIL for each in letters[place:])
                    log.error("mail.server_fault", code=_code(error), letters=left)
            if letter.channel == MAIL and down is not None:
                _later(letter, down, at())
                continue
            sent += _hand_over(server, letter, at)
        return sent, down is None
    finally:
        _close(server)


def _may_read(letter: Letter) -> bool:
    """Whether the recipient may still know what it tells: it may have waited for days."""
    if letter.user_id is None:
        return True  # an address on a list holds no rights and is told nothing that needs any
    if letter.company is None or not letter.needs:
        return User.objects.filter(pk=letter.user_id, is_active=True).exists()
    with tenancy.acting_for([letter.company], letters=True):
        holders = grants.holders(company=letter.company, permission=Permission(letter.needs))
        return holders.filter(pk=letter.user_id).exists()


def _hand_over(server: Any, letter: Letter, at: Now) -> bool:
    try:
        if letter.channel == SMS:
            reference = f"{letter.pk}.{letter.created_at:%Y%m%d%H%M%S}"
            sms.gateway().send(number=letter.address, text=letter.text, reference=reference)
        else:
            server.send_messages([message_of(letter)])
    except Exception as error:  # whatever is wrong with one letter must not hold up the others
        _close(server)  # after a fault nobody knows where the conversation stands
        if is_final(error):
            _fail(letter, _reason(error), _code(error), at())
        else:
            _later(letter, error, at())
        return False
    faults.point("mail.sent")
    Letter.objects.filter(WAITING, pk=letter.pk).update(sent_at=at(), error="", **_wiped(letter))
    return True


def _wiped(letter: Letter) -> dict[str, str]:
    """A code or a link that has left is not kept; in the demo the outbox is where it is read."""
    gone = letter.kind in outbox.secret and not settings.DEMO
    return {"text": "", "html": ""} if gone else {}


def is_final(error: Exception) -> bool:
    """Whether the same letter would be refused again: its recipient or content, for good.

    A refused sender or sign-in is our own fault, which may be mended while the letter waits.
    """
    if isinstance(error, sms.Refused):
        return True
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _text in error.recipients.values()]
        return all(500 <= code < 600 and code not in OF_THE_SESSION for code in codes)
    if isinstance(error, smtplib.SMTPDataError):
        return 500 <= error.smtp_code < 600 and error.smtp_code not in OF_THE_SESSION
    # A ValueError is an address that cannot be written; a failed certificate is both.
    return isinstance(error, ValueError) and not isinstance(error, OSError)


def _later(letter: Letter, error: Exception, now: dt.datetime) -> None:
    if letter.attempts >= settings.MAIL_MAX_ATTEMPTS:
        _fail(letter, _reason(error), _code(error), now)
        return
    _mine(letter).update(next_attempt_at=now + wait_after(letter.attempts), error=_reason(error))
    known = isinstance(error, OSError)
    log.warning(
        "mail.postponed",
        letter=letter.pk,
        attempts=letter.attempts,
        code=_code(error),
        exc_info=None if known else error,
    )


def _fail(letter: Letter, reason: str, code: str, now: dt.datetime) -> None:
    """Gives up, and sounds the alarm; what the server said stays in the row, not in the log."""
    if _mine(letter).update(failed_at=now, error=reason, **_wiped(letter)):
        log.error(
            "mail.failed",
            letter=letter.pk,
            kind=letter.kind,
            attempts=letter.attempts,
            code=code,
        )


def _put_back(letters: Sequence[Letter], now: dt.datetime) -> None:
    for letter in letters:
        _mine(letter).update(attempts=F("attempts") - 1, next_attempt_at=now)


def _mine(letter: Letter) -> Any:
    """The letter's row, unless its lease ran out and another sender has taken it since."""
    return Letter.objects.filter(WAITING, pk=letter.pk, attempts=letter.attempts)


def _reason(error: Exception) -> str:
    """What the server said, or what went wrong, for the row."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        told = "; ".join(f"{code} {_text(text)}" for code, text in error.recipients.values())
    elif isinstance(error, smtplib.SMTPResponseException):
        told = f"{error.smtp_code} {_text(error.smtp_error)}"
    else:
        told = f"{type(error).__name__}: {error}"
    return told[:ERROR_MAX]


def _code(error: Exception) -> str:
    """The same for the log: without words, for these may name the recipient."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(str(code) for code, _text in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return str(error.smtp_code)
    return type(error).__name__


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def _close(server: Any) -> None:
    with contextlib.suppress(OSError):
        server.close()
