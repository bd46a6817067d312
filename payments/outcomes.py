"""What the bank answers, carried out: each fetched file in one transaction, or set aside whole.

A message never reopens a final line; rows that are already further on are skipped and counted on
the file. An unreadable file changes nothing.
"""

from __future__ import annotations

from typing import BinaryIO

from django.db import OperationalError, transaction

from banking import activation, connecting, filestore, inbox, kept, recognition
from banking.located import Unreadable
from banking.models import BankFile
from payments import advices, reports, settlements

# Why a file of no kind cannot be read, where more is known of it than that.
TOLD_AS_THEY_ARE = ("withdrawn", "doctype-forbidden", "encoding", "empty")
READERS = {
    "pain.002": reports.read,
    "camt.054": advices.read,
    "camt.052": connecting.read_answer,
    "admi.002": connecting.read_answer,
    "camt.053": kept.read,
    "ocr-giro": kept.read,
    "avtalegiro": kept.read,
    "agreement-status": activation.read,
    "direkte-remittering": settlements.read,
}


def take_answers() -> int:
    """Carries out every fetched file, oldest first; answers how many were read."""
    read = 0
    for file_id in inbox.waiting():
        read += take_one(file_id)
    return read


def take_one(file_id: int) -> bool:
    """Carries out one fetched file in one transaction, or sets it aside with the reason.

    A file that another worker has in hand, or has read, is left alone.
    """
    try:
        with inbox.reaching(file_id), transaction.atomic():
            file = inbox.take(file_id)
            if file is None:
                return False
            with inbox.opened(file) as content:
                reader = READERS.get(file.kind)
                if reader is None:
                    raise _unread(file, content)
                reader(file, content)
    except Unreadable as fault:
        place = f"line {fault.place.line} {fault.place.path}".strip()
        inbox.set_aside(
            file_id, code=fault.code, problem=fault.problem, cure=fault.cure, place=place
        )
        return False
    except inbox.NotOurs as fault:
        inbox.set_aside(
            file_id,
            code=fault.code,
            problem=fault.problem,
            cure="Look at the file, and check the agreement's identifiers; then read it again.",
        )
        return False
    except filestore.Damaged:
        inbox.set_aside(
            file_id,
            code="damaged",
            problem="The stored bytes do not have the hash they came with.",
            cure="Ask the bank to send the file again.",
        )
        return False
    except OperationalError:
        raise  # the database is away: the file is as good as before
    except Exception as fault:  # one file's fault must never stop the others
        inbox.failed(file_id, fault)
        return False
    return True


def _unread(file: BankFile, content: BinaryIO) -> Exception:
    """Why there is no reader for the file: a format that banks have withdrawn, or another kind."""
    try:
        recognition.recognise(content)
    except Unreadable as fault:
        if fault.code in TOLD_AS_THEY_ARE:
            return fault
    told = f"The file is no message that is read here ({file.kind or 'not XML'})."
    return inbox.NotOurs("unknown-kind", told)
