"""Files from the bank: kept raw before anything else, read after, set aside when unreadable.

It owns the way in and knows no payments: whoever reads a kind of file asks here for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from banking import channel, filestore, lifecycle
from banking.iso20022 import xmlio
from banking.located import Unreadable
from banking.models import BankAgreement, BankChannel, BankFile, BankFilePart
from portal import clock, faults
from portal.access import actors, tenancy
from portal.access.models import Company
from portal.events import moves

log = structlog.get_logger(__name__)
READ_ATTEMPTS = 3


class NotOurs(Exception):
    """The file speaks of a message or an account that is not known here."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code, self.problem = code, problem


def poll(channel_id: int) -> int:
    """Fetches what lies in the bank's out folders; answers how many new files were kept.

    A file is removed at the bank only after its bytes are committed here; the same file again
    (name and hash) changes nothing. Run it outside any transaction.
    """
    kept = 0
    with channel.only_one(channel_id) as held, tenancy.acting_for((), unclaimed=True):
        if not held:
            return 0
        bank_channel = BankChannel.objects.get(pk=channel_id)
        try:
            with channel.connect(bank_channel) as bank:
                for folder in bank_channel.download_folders:
                    for name, _size in bank.listing(folder)[: settings.CHANNEL_FILES_PER_POLL]:
                        try:
                            kept += _take(bank, bank_channel, folder, name)
                        except channel.TooLarge as fault:
                            log.error("bank.file_too_large", file=name, detail=fault.detail)
        except channel.ChannelFault as fault:
            log.warning("bank.poll_failed", channel=bank_channel.name, code=fault.code)
            bank_channel.last_error = f"{fault.code}: {fault.detail}"
            bank_channel.save(update_fields=["last_error"])
            return kept
        bank_channel.last_contact_at, bank_channel.last_error = timezone.now(), ""
        bank_channel.save(update_fields=["last_contact_at", "last_error"])
    return kept


def _take(bank: channel.Session, bank_channel: BankChannel, folder: str, name: str) -> int:
    with filestore.spool() as content:
        bank.fetch(folder, name, content)
        faults.point("inbox.fetched")
        _file, new = keep(bank_channel=bank_channel, name=name, content=content)
    faults.point("inbox.kept")
    bank.remove(folder, name)
    return int(new)


def keep(*, bank_channel: BankChannel, name: str, content: BinaryIO) -> tuple[BankFile, bool]:
    """Stores a file's bytes as they came; answers the file and whether it is new."""
    sha256, size = filestore.sha256_of(content)
    with transaction.atomic():
        known = _known(bank_channel, name, sha256)
        if known is not None:
            return known, False
        file = BankFile.objects.create(
            channel=bank_channel,
            direction=BankFile.Direction.IN,
            name=name,
            kind=_kind(content),
            sha256=sha256,
            size=size,
            status=lifecycle.FETCHED,
            created_at=clock.now(),
        )
        filestore.write_parts(file, content)
    return file, True


def _known(bank_channel: BankChannel, name: str, sha256: bytes) -> BankFile | None:
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody, unclaimed=True):
        return BankFile.objects.filter(
            channel=bank_channel, direction=BankFile.Direction.IN, name=name, sha256=sha256
        ).first()


def _kind(content: BinaryIO) -> str:
    content.seek(0)
    try:
        root = xmlio.sniff(content)
    except Unreadable:
        return ""
    finally:
        content.seek(0)
    return root.kind


def waiting() -> list[int]:
    """Ids of the files that have been fetched and not read, oldest first."""
    with tenancy.acting_for((), unclaimed=True):
        rows = BankFile.objects.filter(status=lifecycle.FETCHED, company=None).order_by("id")
        return list(rows.values_list("pk", flat=True))


def take(file_id: int) -> BankFile | None:
    """A fetched file, locked in the caller's transaction; None when another worker has it."""
    return (
        BankFile.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("channel")
        .filter(pk=file_id, status=lifecycle.FETCHED)
        .first()
    )


def company_of_message(bank_channel_id: int, message_id: str) -> BankFile | None:
    """The file we sent under this MsgId on this channel, whoever's it is."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        return (
            BankFile.objects.filter(
                channel_id=bank_channel_id,
                direction=BankFile.Direction.OUT,
                message_id=message_id,
            )
            .select_related("company", "agreement")
            .first()
        )


def owner_of_account(bank_channel_id: int, number: str) -> int | None:
    """Id of the one company with an agreement for this BBAN or IBAN on this channel.

    An active agreement decides (an account has one, whoever's it is); else one that was active.
    A draft, or an account that is only written down, makes nobody its owner. None when there is
    no owner, or more than one.
    """
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = BankAgreement.objects.filter(channel_id=bank_channel_id).filter(
            Q(account__number=number) | Q(account__iban=number)
        )
        for status in (lifecycle.ACTIVE, lifecycle.DEACTIVATED):
            owners = set(rows.filter(status=status).values_list("company_id", flat=True))
            if owners:
                return owners.pop() if len(owners) == 1 else None
    return None


def claim(file: BankFile, *, company_id: int, answers_to: BankFile | None, salary: bool) -> None:
    """Gives a fetched file to its company, in the caller's transaction."""
    file.company_id = company_id
    file.answers_to = answers_to
    file.salary = salary
    file.save(update_fields=["company", "answers_to", "salary"])
    BankFilePart.objects.filter(file=file).update(company_id=company_id)


def finish(
    file: BankFile, *, message_id: str, transactions: int, remarks: list[dict[str, Any]]
) -> None:
    """Marks a file as read, in the transaction that carried out what it says."""
    moves.move(
        BankFile.objects.filter(pk=file.pk),
        lifecycle.READ_OUT,
        by=actors.CLOCK,
        at=clock.now(),
        sets={"message_id": message_id[:70], "transactions": transactions},
    )
    file.remarks = remarks or None
    file.error = None
    file.save(update_fields=["remarks", "error"])


def failed(file_id: int, error: Exception) -> None:
    """Counts a fault of ours; after READ_ATTEMPTS the file is set aside, so it stops no other."""
    log.exception("bank.file_failed", file=file_id, error=str(error)[:500])
    with tenancy.acting_for((), unclaimed=True):
        BankFile.objects.filter(pk=file_id).update(attempts=F("attempts") + 1)
        attempts = BankFile.objects.values_list("attempts", flat=True).get(pk=file_id)
    if attempts >= READ_ATTEMPTS:
        set_aside(
            file_id,
            code="internal",
            problem=f"It could not be carried out: {type(error).__name__}.",
            cure="Tell support; the file is kept and nothing of it was done.",
        )


def set_aside(file_id: int, *, code: str, problem: str, cure: str, place: str = "") -> None:
    """Puts a file that could not be carried out where people see it; nothing of it was done."""
    with tenancy.acting_for((), unclaimed=True), transaction.atomic():
        moved = moves.move(
            BankFile.objects.filter(pk=file_id),
            lifecycle.PUT_ASIDE,
            by=actors.CLOCK,
            at=clock.now(),
        )
        BankFile.objects.filter(pk=file_id).update(
            error={"code": code, "problem": problem, "cure": cure, "place": place}
        )
    if moved.rows:
        log.error("bank.file_set_aside", file=file_id, code=code)


@contextmanager
def opened(file: BankFile) -> Iterator[BinaryIO]:
    """The exact bytes of a file, checked against its hash; raises filestore.Damaged."""
    content = filestore.open_content(file)
    try:
        yield content
    finally:
        content.close()
