"""Files to the bank: stored first, delivered after, and never sent blindly again.

`deliver` may be stopped at any instruction: what the file's row says and what lies at the bank
are enough to go on. The same file always carries the same name and bytes.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import BinaryIO

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from banking import channel, filestore, lifecycle, stops
from banking.iso20022 import queries
from banking.models import BankAgreement, BankChannel, BankFile
from portal import clock, faults
from portal.access import actors
from portal.access.actors import Actor
from portal.events import moves

log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What came of an attempt to deliver."""

    DELIVERED = "delivered"
    LATER = "later"
    GIVEN_UP = "given up"
    BUSY = "busy"
    NOTHING = "nothing to do"


def message_id(file_id: int) -> str:
    """The MsgId of a stored file: made from its id, so it never repeats and never changes."""
    return f"KVITT{file_id:012d}"


def store(
    *,
    file_id: int,
    agreement: BankAgreement,
    kind: str,
    salary: bool,
    content: BinaryIO,
    transactions: int,
    totals: dict[str, str],
    at: dt.datetime,
    suffix: str = "xml",
) -> BankFile:
    """Keeps a finished file in the caller's transaction, together with the rows it is made of."""
    sha256, size = filestore.sha256_of(content)
    file = BankFile.objects.create(
        pk=file_id,
        company_id=agreement.company_id,
        channel_id=agreement.channel_id,
        agreement=agreement,
        direction=BankFile.Direction.OUT,
        kind=kind,
        name=f"{kind}.{message_id(file_id)}.{suffix}",
        message_id=message_id(file_id),
        sha256=sha256,
        size=size,
        salary=salary,
        status=lifecycle.STORED,
        created_at=at,
        transactions=transactions,
        totals=totals,
    )
    filestore.write_parts(file, content)
    return file


def deliver(file_id: int) -> Outcome:
    """Brings one stored file to the bank. Run it outside any transaction, acting for its company.

    An attempt whose outcome is unknown is never repeated blindly: first the bank's folders are
    asked for the final name, and only a file absent from both after the receipt window is put
    again. A bank without an archive folder cannot be asked so: then the file waits for a person.
    """
    file = BankFile.objects.select_related("channel").get(pk=file_id)
    with channel.only_one(file.channel_id) as held:
        if not held:
            return Outcome.BUSY
        file.refresh_from_db()
        if file.status == lifecycle.STORED:
            if _stopped(file):
                return Outcome.LATER
            moved = _claim(file)
            faults.point("upload.claimed")
            return _attempt(file, fresh=True) if moved else Outcome.NOTHING
        if file.status == lifecycle.UPLOADING:
            return _attempt(file, fresh=False)
        return Outcome.NOTHING


def _stopped(file: BankFile) -> bool:
    """Whether a person has stopped all sending of its agreement or its company. What moves no money
    is not held: a request for a balance, or to cancel what was sent."""
    assert file.company_id is not None
    if file.kind == queries.VERSION or file.kind.startswith("camt.055"):
        return False
    return stops.holds(company_id=file.company_id, agreement_id=file.agreement_id)


def _claim(file: BankFile) -> bool:
    with transaction.atomic():
        moved = moves.move(
            BankFile.objects.filter(pk=file.pk),
            lifecycle.UPLOAD,
            by=actors.CLOCK,
            at=clock.now(),
            sets={"attempts": 1, "last_attempt_at": timezone.now()},
        )
    file.refresh_from_db()
    return bool(moved.rows)


def _attempt(file: BankFile, *, fresh: bool) -> Outcome:
    now = timezone.now()
    if not fresh and file.next_attempt_at is not None and file.next_attempt_at > now:
        return Outcome.LATER
    try:
        with channel.connect(file.channel) as bank:
            if not fresh and bank.lies_at_bank(file.name):
                _heard(file.channel)
                return Outcome.DELIVERED
            if not fresh and not _may_put_again(file, now):
                return _wait_or_stop(file, now)
            if not fresh and _stopped(file):
                return Outcome.LATER
            if not fresh:
                _count_attempt(file, now)
            with filestore.open_content(file) as content:
                bank.put(file.name, content)
        _heard(file.channel)
        return Outcome.DELIVERED
    except channel.ChannelFault as fault:
        log.warning("bank.upload_failed", file=file.name, code=fault.code, attempts=file.attempts)
        return _failed(file, fault)


def _may_put_again(file: BankFile, now: dt.datetime) -> bool:
    """After the receipt window, where the bank's archive shows what it has taken; or when a
    person has said so (no attempt counted since)."""
    if file.attempts == 0:
        return True
    return bool(file.channel.archive_folder) and _window_is_over(file, now)


def _window_is_over(file: BankFile, now: dt.datetime) -> bool:
    window = dt.timedelta(seconds=settings.RECEIPT_WINDOW_SECONDS)
    return file.last_attempt_at is None or now - file.last_attempt_at >= window


def _wait_or_stop(file: BankFile, now: dt.datetime) -> Outcome:
    """A bank that cannot be asked stops for a person once the window is over."""
    if not file.channel.archive_folder and _window_is_over(file, now):
        return Outcome.GIVEN_UP
    return Outcome.LATER


def _count_attempt(file: BankFile, now: dt.datetime) -> None:
    file.attempts += 1
    file.last_attempt_at = now
    file.save(update_fields=["attempts", "last_attempt_at"])


def _failed(file: BankFile, fault: channel.ChannelFault) -> Outcome:
    BankChannel.objects.filter(pk=file.channel_id).update(
        last_error=f"{fault.code}: {fault.detail}"
    )
    wait = min(2**file.attempts, 3600)
    file.next_attempt_at = timezone.now() + dt.timedelta(seconds=wait)
    file.error = {"code": fault.code, "detail": fault.detail}
    file.save(update_fields=["next_attempt_at", "error"])
    if file.attempts >= settings.CHANNEL_MAX_ATTEMPTS:
        return Outcome.GIVEN_UP
    return Outcome.LATER


def _heard(bank_channel: BankChannel) -> None:
    BankChannel.objects.filter(pk=bank_channel.pk).update(
        last_contact_at=timezone.now(), last_error=""
    )


def mark(file_id: int, *, delivered: bool, at: dt.datetime) -> bool:
    """Records the outcome in the caller's transaction; False when somebody was quicker."""
    change = lifecycle.DELIVER if delivered else lifecycle.GIVE_UP
    sets: dict[str, object] = {"next_attempt_at": None}
    moved = moves.move(
        BankFile.objects.filter(pk=file_id), change, by=actors.CLOCK, at=at, sets=sets
    )
    return bool(moved.rows)


# By which a bank refuses a second copy: it has had a message by this id.
SENT_BEFORE = "DU01"


def answered(
    file_id: int,
    *,
    refused: bool,
    by: Actor,
    at: dt.datetime,
    reasons: Sequence[dict[str, str]] = (),
) -> bool:
    """Records the bank's receipt or refusal of a whole file, with the `reasons` (code, text) of
    this; False when it was known already."""
    change = lifecycle.REFUSE if refused else lifecycle.RECEIVE
    told = list(reasons) if refused else []
    moved = moves.move(
        BankFile.objects.filter(pk=file_id),
        change,
        by=by,
        at=at,
        reasons=told or None,
        sets={"error": json.dumps({"refused": told})} if told else None,
    )
    return bool(moved.rows)


def alarm_stuck(*, company_id: int) -> int:
    """Logs files that have been on their way for too long; answers how many. What a person has
    stopped waits for that person."""
    limit = dt.timedelta(seconds=max(300, 2 * settings.RECEIPT_WINDOW_SECONDS))
    stopped = stops.now(company_id)
    if stopped.company is not None:
        return 0
    rows = BankFile.objects.of(company_id).filter(
        status__in=[lifecycle.STORED, lifecycle.UPLOADING], created_at__lt=clock.now() - limit
    )
    rows = rows.exclude(agreement__in=list(stopped.agreements))
    names = list(rows.values_list("name", flat=True)[:20])
    if names:
        log.error("bank.file_stuck", files=names)
    return len(names)


def try_again(file_id: int, *, by: Actor, at: dt.datetime) -> bool:
    """Puts a file that was given up on its way again, in the caller's transaction."""
    moved = moves.move(
        BankFile.objects.filter(pk=file_id),
        lifecycle.TRY_AGAIN,
        by=by,
        at=at,
        sets={"attempts": 0, "next_attempt_at": None},
    )
    return bool(moved.rows)
