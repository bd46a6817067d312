"""What the bank answers, carried out: each fetched file in one transaction, or set aside whole.

A message never reopens a final line; rows that are already further on are skipped and counted on
the file. An unreadable file changes nothing.
"""

from __future__ import annotations

from typing import BinaryIO

from django.db import OperationalError, transaction

from banking import activation, connecting, filestore, inbox, kept, recognition
from banking.iso20022 import queries
from banking.located import Unreadable
from banking.models import BankFile
from payments import advices, cancelling, reports, settlements

# Why a file of no kind cannot be read, where more is known of it than that.
UNKNOWN = "unknown-kind"
TOLD_AS_THEY_ARE = ("withdrawn", "doctype-forbidden", "encoding", "empty")
TO_THE_BANK = ("pain.001", "camt.055", "camt.060")
READERS = {
    "pain.002": reports.read,
    "camt.054": advices.read,
    "camt.052": connecting.read_answer,
    "camt.029": cancelling.read,
    "camt.053": advices.read,
    "ocr-giro": kept.read,
    "avtalegiro": kept.read,
    "agreement-status": activation.read,
    "direkte-remittering": settlements.read,
}


def _read_rejection(file: BankFile, content: BinaryIO) -> None:
    """An admi.002 answers a request of ours: to cancel, or for a balance."""
    answer = queries.read(content)
    content.seek(0)
    if not cancelling.read_rejection(file, answer):
        connecting.read_answer(file, content)


READERS["admi.002"] = _read_rejection


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
        _put_aside(file_id, fault.code, fault.problem, fault.cure, place)
        return False
    except inbox.NotOurs as fault:
        cure = "Look at the file, and check the agreement's identifiers; then read it again."
        _put_aside(file_id, fault.code, fault.problem, cure)
        return False
    except filestore.Damaged:
        problem = "The stored bytes do not have the hash they came with."
        _put_aside(file_id, "damaged", problem, "Ask the bank to send the file again.")
        return False
    except OperationalError:
        raise  # the database is away: the file is as good as before
    except Exception as fault:  # one file's fault must never stop the others
        inbox.failed(file_id, fault, answers_to=_answered(file_id))
        return False
    return True


def _unread(file: BankFile, content: BinaryIO) -> Exception:
    """Why there is no reader for the file: a format that banks have withdrawn, or another kind."""
    try:
        recognition.recognise(content)
    except Unreadable as fault:
        if fault.code in TOLD_AS_THEY_ARE:
            return fault
        cure = "Look at the file. If it is meant for something else, leave it here."
        return Unreadable(code=UNKNOWN, problem=fault.problem, cure=cure, place=fault.place)
    if file.kind.startswith(TO_THE_BANK):
        told = f"The file is {file.kind}, which goes to the bank and does not come from it."
        return inbox.NotOurs("outgoing", told)
    return inbox.NotOurs(UNKNOWN, f"The file is no message that is read here ({file.kind}).")


def _put_aside(file_id: int, code: str, problem: str, cure: str, place: str = "") -> None:
    answers_to = _answered(file_id)
    inbox.set_aside(
        file_id, code=code, problem=problem, cure=cure, place=place, answers_to=answers_to
    )


def _answered(file_id: int) -> BankFile | None:
    """The file of ours that one which cannot be carried out answers, as far as it can be read: its
    company must see what has become of the answer."""
    with inbox.reaching(file_id):
        file = BankFile.objects.select_related("channel").get(pk=file_id)
        if not file.kind.startswith("pain.002"):
            return None
        try:
            with inbox.opened(file) as content:
                return reports.answered(file, content)
        except filestore.Damaged:
            return None
