"""Any bank file as one list of transactions, whatever its format; pure.

It is for people who look into a file and for programs that compare files: every format gives the
same rows. Nothing here decides what a file means for a payment.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import BinaryIO

from banking import recognition
from banking.iso20022 import camt029, camt053, camt054, camt055, pain001, pain002
from banking.iso20022.values import (
    Account,
    Balance,
    CancellationRequest,
    CancellationStatus,
    CancelledPayment,
    CancelledTransfer,
    Deviation,
    Discrepancy,
    Entry,
    EntryDetail,
    GroupStatus,
    Initiation,
    Instruction,
    Notification,
    Party,
    PaymentStatus,
    Reason,
    ReportHead,
    Resolution,
    TransactionStatus,
    Transfer,
)
from banking.located import NOWHERE, Place, Unreadable
from banking.nets import reader as nets
from banking.nets.values import Assignment, Mandate, Order, Receipt, Skipped, Transmission

DEBIT, CREDIT = "debit", "credit"
NETS = ("ocr-giro", "direkte-remittering", "avtalegiro")
HOME = "NOK"


@dataclass(frozen=True, slots=True)
class Head:
    """What the file says of itself; several of them where it holds several parts."""

    message_id: str
    created_at: datetime.datetime | None = None
    parties: tuple[tuple[str, Party], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the file tells; level is "transaction", or "group" or "payment" for a status
    of more than one. direction is "debit" or "credit" of the customer's account, "" unknown.
    """

    level: str
    place: Place
    number: str = ""
    instruction_id: str = ""
    end_to_end_id: str = ""
    reference: str = ""
    date: datetime.date | None = None
    amount: Decimal | None = None
    currency: str = ""
    direction: str = ""
    debit_account: str = ""
    credit_account: str = ""
    name: str = ""
    kid: str | None = None
    creditor_reference: str = ""
    text: str = ""
    status: str = ""
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True)
class Summed:
    """An amount that belongs in the control sum: of a transfer, or of a whole account entry."""

    amount: Decimal
    currency: str
    direction: str
    status: str


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is not as it should be, and did not stop the reading."""

    code: str
    text: str
    place: Place


Item = Head | Row | Summed | Remark | Balance


@dataclass(slots=True)
class Summary:
    """All that is told before the transactions; sums by (currency, direction, status)."""

    kind: str
    version: str
    message_id: str = ""
    created_at: datetime.datetime | None = None
    parties: list[tuple[str, Party]] = field(default_factory=list)
    transactions: int = 0
    sums: dict[tuple[str, str, str], Decimal] = field(default_factory=dict)
    balances: list[Balance] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def summarise(source: BinaryIO) -> Summary:
    """Reads the whole file once. Raises located.Unreadable where it cannot be read."""
    what = recognition.recognise(source)
    made = Summary(what.kind, what.version)
    for item in _items(source, what.kind):
        if isinstance(item, Row):
            made.transactions += item.level == "transaction"
        elif isinstance(item, Summed):
            key = (item.currency, item.direction, item.status)
            made.sums[key] = made.sums.get(key, Decimal(0)) + item.amount
        elif isinstance(item, Head):
            made.message_id = made.message_id or item.message_id
            made.created_at = made.created_at or item.created_at
            made.parties += [one for one in item.parties if one not in made.parties]
        elif isinstance(item, Balance):
            made.balances.append(item)
        else:
            made.remarks.append(item)
    return made


def rows(source: BinaryIO) -> Iterator[Row]:
    """The rows of the file in its order, in memory bounded by one of them."""
    kind = recognition.recognise(source).kind
    return (item for item in _items(source, kind) if isinstance(item, Row))


def _items(source: BinaryIO, kind: str) -> Iterator[Item]:
    read = nets_items if kind in NETS or kind.startswith("nets") else _READERS.get(kind)
    if read is None:
        raise Unreadable(
            code="unlisted",
            problem=f"A file of the kind {kind} holds no transactions to list.",
            cure="Open the file itself; it is short.",
            place=Place(1, ""),
        )
    yield from read(source)


def _number(account: Account | None) -> str:
    return account.number if account else ""


# --- ISO 20022 -----------------------------------------------------------------------------------


def pain001_items(source: BinaryIO) -> Iterator[Item]:
    """A payment initiation, of any version and national namespace."""
    payment: Instruction | None = None
    for one in pain001.read(source, schema=False):
        if isinstance(one, Initiation):
            yield Head(one.message_id, one.created_at, (("InitgPty", one.initiator),))
        elif isinstance(one, Instruction):
            payment = one
            yield Head("", None, (("Dbtr", one.debtor),))
        elif isinstance(one, Transfer) and payment is not None:
            yield Summed(one.amount, one.currency, DEBIT, "")
            yield Row(
                "transaction",
                one.place,
                number=payment.number,
                instruction_id=one.instruction_id,
                end_to_end_id=one.end_to_end_id,
                date=payment.execution_date,
                amount=one.amount,
                currency=one.currency,
                direction=DEBIT,
                debit_account=_number(payment.debit_account),
                credit_account=_number(one.payee_account),
                name=one.payee.name,
                kid=one.kid or next((paper.kid for paper in one.documents if paper.kid), None),
                text=" ".join([*one.message, *one.additional]),
            )


def pain002_items(source: BinaryIO) -> Iterator[Item]:
    """A status report, at whatever levels it speaks."""
    for one in pain002.read(source):
        if isinstance(one, ReportHead):
            yield Head(one.message_id, one.created_at, one.parties)
        elif isinstance(one, GroupStatus):
            row = Row("group", NOWHERE, reference=one.original_message_id)
            yield _with_status(row, one.status, one.reasons)
        elif isinstance(one, PaymentStatus):
            row = Row("payment", NOWHERE, one.number, reference=one.original_message_id)
            yield _with_status(row, one.status, one.reasons)
        elif isinstance(one, TransactionStatus):
            yield Row(
                "transaction",
                NOWHERE,
                number=one.number,
                instruction_id=one.instruction_id,
                end_to_end_id=one.end_to_end_id,
                status=one.status,
                reasons=one.reasons,
            )
        else:
            yield Remark(one.code, one.text, one.place)


def _with_status(row: Row, status: str, reasons: tuple[Reason, ...]) -> Row:
    return Row(
        row.level,
        row.place,
        row.number,
        reference=row.reference,
        status=status,
        reasons=reasons,
    )


def statement_items(source: BinaryIO) -> Iterator[Item]:
    """A statement, or what has been booked within a day."""
    return _camt(camt053.read(source))


def advice_items(source: BinaryIO) -> Iterator[Item]:
    """A debit or credit advice."""
    return _camt(camt054.read(source))


def _camt(values: Iterator[camt054.camt.Value]) -> Iterator[Item]:
    """Entries: each detail is a transaction, and an entry without any is one."""
    account = ""
    entry: Entry | None = None
    details = 0
    for one in values:
        if isinstance(one, EntryDetail) and entry is not None:
            details += 1
            yield _booked(account, entry, one)
            continue
        if not isinstance(one, Discrepancy | Deviation):
            if entry is not None and not details:
                yield _booked(account, entry, None)
            entry = None
        if isinstance(one, Notification):
            account = _number(one.account)
            yield Head(one.message_id or one.id, one.created_at, one.parties)
        elif isinstance(one, Entry):
            entry, details = one, 0
            yield Summed(one.amount, one.currency, _way(one.credit), one.status)
        elif isinstance(one, Balance):
            yield one
        elif isinstance(one, Discrepancy):
            text = f"{one.kind}: {one.declared} is told, {one.found} is found."
            yield Remark(one.kind, text, one.place)
        elif isinstance(one, Deviation):
            yield Remark(one.code, one.text, one.place)
    if entry is not None and not details:
        yield _booked(account, entry, None)


def _way(credit: bool) -> str:
    return CREDIT if credit else DEBIT


def _booked(account: str, entry: Entry, detail: EntryDetail | None) -> Row:
    credit = detail.credit if detail else entry.credit
    other = _number(detail.counterparty_account) if detail else ""
    status = f"{entry.status} reversal" if entry.reversal else entry.status
    return Row(
        "transaction",
        detail.place if detail else entry.place,
        number=detail.payment_number if detail else entry.batch_payment_number,
        instruction_id=detail.instruction_id if detail else "",
        end_to_end_id=detail.end_to_end_id if detail else "",
        reference=(detail.bank_reference if detail else "") or entry.bank_reference,
        date=entry.booking_date or entry.value_date,
        amount=detail.amount if detail else entry.amount,
        currency=detail.currency if detail else entry.currency,
        direction=_way(credit),
        debit_account=other if credit else account,
        credit_account=account if credit else other,
        name=detail.counterparty_name if detail else "",
        kid=detail.kid if detail else None,
        creditor_reference=detail.creditor_reference if detail else "",
        text=(detail.message if detail else entry.text).replace("\n", " "),
        status=status,
        reasons=(detail.return_reason,) if detail and detail.return_reason else (),
    )


def cancellation_items(source: BinaryIO) -> Iterator[Item]:
    """A request to cancel; a payment asked about in whole is a row of its own."""
    payment: CancelledPayment | None = None
    for one in camt055.read(source):
        if isinstance(one, CancellationRequest):
            asked = Party(identifiers=(("BIC", one.asked_bic),) if one.asked_bic else ())
            yield Head(one.id, one.created_at, (("Assgnr", one.asker), ("Assgne", asked)))
        elif isinstance(one, CancelledPayment):
            payment = one
            if one.whole:
                yield Row(
                    "payment",
                    NOWHERE,
                    number=one.number,
                    reference=one.message_id,
                    amount=one.total,
                    reasons=(one.reason,) if one.reason else (),
                )
        elif isinstance(one, CancelledTransfer) and payment is not None:
            if one.amount is not None:
                yield Summed(one.amount, one.currency, DEBIT, "")
            yield Row(
                "transaction",
                NOWHERE,
                number=payment.number,
                instruction_id=one.instruction_id,
                end_to_end_id=one.end_to_end_id,
                reference=payment.message_id,
                date=one.execution_date,
                amount=one.amount,
                currency=one.currency,
                direction=DEBIT,
                reasons=(one.reason,) if one.reason else (),
            )


def resolution_items(source: BinaryIO) -> Iterator[Item]:
    """The answer to a request to cancel."""
    for one in camt029.read(source):
        if isinstance(one, Resolution):
            yield Head(one.id, one.created_at)
            yield Row(
                "group",
                NOWHERE,
                reference=one.case_id,
                status=one.confirmation,
                reasons=one.reasons,
            )
        elif isinstance(one, CancellationStatus):
            yield Row(
                "transaction" if one.level == "transfer" else one.level,
                NOWHERE,
                number=one.number,
                instruction_id=one.instruction_id,
                end_to_end_id=one.end_to_end_id,
                reference=one.message_id or one.request_id,
                amount=one.amount,
                currency=one.currency,
                status=one.status,
                reasons=one.reasons,
            )


# --- Nets ----------------------------------------------------------------------------------------


def nets_items(source: BinaryIO) -> Iterator[Item]:
    """OCR giro, Direkte remittering and AvtaleGiro: all in kroner."""
    account = ""
    skipped: dict[str, tuple[int, Place]] = {}
    for one in nets.read(source):
        if isinstance(one, Transmission):
            parties = (("sender", one.sender), ("recipient", one.recipient))
            told = tuple((role, Party(identifiers=(("NETS", who),))) for role, who in parties)
            yield Head(f"{one.sender}-{one.number}", None, told)
        elif isinstance(one, Assignment):
            account = one.account
            if one.agreement:
                agreement = Party(identifiers=(("AGREEMENT", one.agreement),))
                yield Head("", None, ((f"assignment {one.number}", agreement),))
        elif isinstance(one, Receipt):
            yield Summed(one.amount, HOME, _way(not one.reversal), "")
            yield _receipt(account, one)
        elif isinstance(one, Order):
            yield Summed(one.amount, HOME, DEBIT, "")
            yield _order(account, one)
        elif isinstance(one, Mandate):
            notice = "written notice" if one.notice else "no written notice"
            yield Row(
                "transaction",
                one.place,
                one.number,
                credit_account=account,
                kid=one.kid,
                text=notice,
                status=one.change,
            )
        elif isinstance(one, Skipped):
            count, place = skipped.get(one.service, (0, one.place))
            skipped[one.service] = (count + 1, place)
    for service, (count, place) in skipped.items():
        text = f"{count} records of service {service} are not read here."
        yield Remark("service", text, place)


def _receipt(account: str, one: Receipt) -> Row:
    return Row(
        "transaction",
        one.place,
        number=one.number,
        reference=one.bank_reference,
        date=one.date,
        amount=one.amount,
        currency=HOME,
        direction=_way(not one.reversal),
        debit_account=account if one.reversal else one.debit_account,
        credit_account=one.debit_account if one.reversal else account,
        kid=one.kid,
        text=one.text,
        status=one.type,
    )


def _order(account: str, one: Order) -> Row:
    return Row(
        "transaction",
        one.place,
        number=one.number,
        end_to_end_id=one.own_reference,
        date=one.date,
        amount=one.amount,
        currency=HOME,
        direction=DEBIT,
        debit_account=account,
        credit_account=one.account,
        name=one.name or one.short_name,
        kid=one.kid,
        text=" ".join(one.message),
        status=one.type,
    )


_READERS: dict[str, Callable[[BinaryIO], Iterator[Item]]] = {
    "pain.001": pain001_items,
    "pain.002": pain002_items,
    "camt.052": statement_items,
    "camt.053": statement_items,
    "camt.054": advice_items,
    "camt.055": cancellation_items,
    "camt.029": resolution_items,
}
