"""What was read or written: how many elements, their sum, and one number for all of their texts.

It shows that the codec and the bare loop beside it did the same work; nothing here is measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from lxml import etree

from banking.iso20022.values import (
    Account,
    Balance,
    Entry,
    EntryDetail,
    GroupStatus,
    Initiation,
    Instruction,
    Notification,
    PaymentStatus,
    ReportHead,
    TransactionStatus,
    Transfer,
)
from banking.nets.values import (
    Assignment,
    AssignmentEnd,
    Receipt,
    Transmission,
    TransmissionEnd,
)


class Touched(NamedTuple):
    """How many elements (or fields) hold a text, the sum of the transactions, and the texts.

    texts is one number for all texts, the same in whatever order they come.
    """

    elements: int
    total: Decimal
    texts: int


def of_file(path: Path) -> Touched:
    """A written pain.001: every element with its text and attributes, in order."""
    elements, total, digest = 0, Decimal(0), hashlib.sha256()
    for event, element in etree.iterparse(str(path), events=("start", "end")):
        if event == "start":
            digest.update(b"<")
            continue
        text = (element.text or "").strip()
        elements += bool(text)
        digest.update(repr((element.tag, dict(element.attrib), text)).encode())
        if etree.QName(element).localname == "InstdAmt":
            total += Decimal(text)
        element.clear()
    return Touched(elements, total, int(digest.hexdigest(), 16))


def of_texts(texts: Iterable[str | None], total: Decimal) -> Touched:
    """What a bare loop has read, of a file whose transactions have that sum."""
    elements = fingerprint = 0
    for text in texts:
        if text and not text.isspace():
            elements += 1
            fingerprint += hash(text)
    return Touched(elements, total, fingerprint)


def of_values(values: Iterable[Any]) -> Touched:
    """What a reader has read. TypeError for a value that tells of something wrong in the file."""
    total = Decimal(0)

    def texts() -> Iterator[str | None]:
        nonlocal total
        for value in values:
            if isinstance(value, Transfer | Entry | Receipt):
                total += value.amount
            yield from _texts(value)

    counted = of_texts(texts(), total)
    return counted._replace(total=total)


def _texts(value: Any) -> list[str | None]:
    """The texts of the elements that a value was made of, "" and None for those not there."""
    match value:
        case Transfer():
            payee = value.payee
            return [
                value.instruction_id,
                value.end_to_end_id,
                str(value.amount),
                *(payee.name, payee.street, payee.post_code, payee.town, payee.country),
                *_account(value.payee_account),
                *_reference(value.kid),
                *value.message,
            ]
        case Instruction():
            return [
                *(value.number, value.method, value.debtor.name, value.debtor_bic),
                *(str(value.declared_count), str(value.declared_sum)),
                *(value.service_level, value.category, str(value.execution_date)),
                *_account(value.debit_account),
                value.debit_currency,
            ]
        case Initiation():
            return [
                *(value.message_id, value.created_at.isoformat(), value.initiator.name),
                *(str(value.declared_count), str(value.declared_sum)),
            ]
        case EntryDetail():
            return [
                *(value.bank_reference, value.message_id, value.payment_number),
                *(value.instruction_id, value.end_to_end_id),
                *(str(value.amount), _side(value.credit)),
                str(value.instructed_amount) if value.instructed_amount is not None else "",
                value.counterparty_name,
                *_account(value.counterparty_account),
                *_reference(value.kid),
                *value.message.split("\n"),
            ]
        case Entry():
            declared = [value.batch_count, value.batch_sum]
            return [
                *(str(value.amount), _side(value.credit), value.status, value.bank_reference),
                *(str(value.booking_date), str(value.value_date)),
                *value.transaction_code.split("/"),
                *(value.batch_message_id, value.batch_payment_number),
                *(str(one) for one in declared if one is not None),
            ]
        case _:
            return _head_texts(value)


def _head_texts(value: Any) -> list[str | None]:
    match value:
        case TransactionStatus():
            reasons = [word for one in value.reasons for word in (one.code, one.text)]
            return [value.instruction_id, value.end_to_end_id, value.status, *reasons]
        case PaymentStatus():
            return [value.number, value.status]
        case GroupStatus():
            return [value.original_message_id, value.original_name, value.status]
        case ReportHead():
            assert value.created_at is not None
            return [value.message_id, value.created_at.isoformat()]
        case Notification():
            assert value.created_at is not None
            account = [*_account(value.account), value.currency]
            return [value.message_id, value.created_at.isoformat(), value.id, *account]
        case Balance():
            return [value.kind, str(value.amount), _side(value.credit), str(value.date)]
        case Receipt():
            return [
                *(value.type, value.number, f"{value.date:%d%m%y}", value.centre, value.day_code),
                *(value.part, value.serial, "-" if value.reversal else "0"),
                *(f"{int(value.amount.scaleb(2)):017d}", value.kid, value.form_number),
                *(value.archive_reference, f"{value.bank_date:%d%m%y}", value.debit_account),
            ]
        case Transmission() | Assignment() | AssignmentEnd() | TransmissionEnd():
            return []
        case _:
            raise TypeError(f"unexpected: {value}")


def _account(account: Account | None) -> tuple[str, ...]:
    assert account is not None
    return account.kind, account.number


def _reference(kid: str | None) -> tuple[str, ...]:
    return ("SCOR", kid) if kid else ()


def _side(credit: bool) -> str:
    return "CRDT" if credit else "DBIT"
