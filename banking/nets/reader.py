"""Reads files of Nets: OCR giro, Direkte remittering out and settled, AvtaleGiro's mandates.

The frame is the same for all: a transmission (10–89) holds assignments (20–88), these hold
transactions. Every total is counted again; a file without its end, or whose totals do not agree,
is refused. It decides nothing about whose money it is.
"""

import dataclasses
import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import BinaryIO

from banking.located import Place, Unreadable
from banking.nets import records
from banking.nets.records import AGAIN, Record
from banking.nets.values import (
    AVTALEGIRO,
    OCR_GIRO,
    REMITTANCE,
    Assignment,
    AssignmentEnd,
    Mandate,
    Order,
    Receipt,
    Skipped,
    Specified,
    Totals,
    Transmission,
    TransmissionEnd,
)

Transaction = Receipt | Order | Mandate
Value = Transmission | Assignment | Transaction | Skipped | AssignmentEnd | TransmissionEnd
REVERSALS = ("18", "20")
CREDIT_NOTE = "17"
NOTICE_LINES_MAX = 42
KINDS = {OCR_GIRO: "ocr-giro", REMITTANCE: "direkte-remittering", AVTALEGIRO: "avtalegiro"}


def kind_of(service: str) -> str:
    """What a file of that service is called; "nets-04" for one that is not read."""
    return KINDS.get(service, f"nets-{service}")


def read(source: BinaryIO) -> Iterator[Value]:
    """The values of a file in its order, in memory bounded by one transaction.

    Nothing may be kept before the iterator ends: that the file is whole is told at the end.
    Raises Unreadable: empty, wrong-message, record-length, truncated (no record 89), order
    (params: record), value, totals (params: level, number, total, declared, found).
    """
    return _Reader().values(records.read(source))


class _Sums:
    """What has been counted of an assignment or of the whole file."""

    def __init__(self) -> None:
        self.transactions = 0
        self.records = 0
        self.total = Decimal(0)

    def add(self, amount: Decimal) -> None:
        self.transactions += 1
        self.total += amount  # a reversal too: the format adds them up as they stand


class _Reader:
    """One file's reading: the frame that it is in, and the transaction that is being read."""

    def __init__(self) -> None:
        self._file = _Sums()
        self._here = _Sums()
        self._assignment: Assignment | None = None
        self._begun = self._ended = False
        self._waiting: list[Record] = []
        self._last = 0

    def values(self, lines: Iterator[Record]) -> Iterator[Value]:
        """The values of the records."""
        for record in lines:
            self._last = record.line
            if self._ended:
                raise self._out_of_order(record, "a record stands after the end of the file (89)")
            self._file.records += 1
            yield from self._step(record)
        if not self._ended:
            raise Unreadable(
                code="truncated",
                problem="The file has no end (record 89).",
                cure="Send the whole file again; the transfer was probably cut off.",
                place=Place(self._last, ""),
            )

    def _step(self, record: Record) -> Iterator[Value]:
        frame: dict[str, Callable[[Record], Iterator[Value]]] = {
            "10": self._begin,
            "20": self._open,
            "88": self._close,
            "89": self._end,
        }
        step = frame.get(record.kind)
        if not self._begun and record.kind != "10":
            raise self._out_of_order(record, "the file does not begin with record 10")
        if step is not None:
            yield from step(record)
            return
        if self._assignment is None:
            raise self._out_of_order(record, "a transaction stands outside any assignment (20)")
        self._here.records += 1
        if record.service != self._assignment.service:
            raise self._out_of_order(record, f"service {record.service} in another's assignment")
        if self._waiting and record.kind in _CONTINUES.get(record.service, ()):
            self._waiting.append(record)
            return
        yield from self._transaction()
        if record.kind in _BEGINS.get(record.service, ()):
            self._waiting = [record]
            return
        yield Skipped(record.service, record.type, record.kind, Place(record.line, ""))

    def _begin(self, record: Record) -> Iterator[Value]:
        if self._begun:
            raise self._out_of_order(record, "the file has two beginnings (10)")
        self._begun = True
        yield Transmission(
            record.words(9, 16), record.words(17, 23), record.words(24, 31), Place(record.line, "")
        )

    def _open(self, record: Record) -> Iterator[Value]:
        if self._assignment is not None:
            raise self._out_of_order(record, "an assignment (20) begins inside another")
        self._here = _Sums()
        self._here.records = 1
        # AvtaleGiro's registrations have neither agreement nor account of the payee's in time.
        account = record.words(25, 35)
        self._assignment = Assignment(
            record.service,
            record.type,
            record.words(9, 17).lstrip("0"),
            record.words(18, 24),
            account if account.strip("0") else "",
            Place(record.line, ""),
        )
        yield self._assignment

    def _close(self, record: Record) -> Iterator[Value]:
        if self._assignment is None:
            raise self._out_of_order(record, "an assignment ends (88) that has not begun")
        yield from self._transaction()
        self._here.records += 1
        service, number = self._assignment.service, self._assignment.number
        totals = _totals(record, service)
        if service not in KINDS:  # what is not read is counted as it says
            self._here.transactions, self._here.total = totals.transactions, totals.total
        self._compare("assignment", number, totals, self._here)
        self._file.transactions += self._here.transactions
        self._file.total += self._here.total
        yield AssignmentEnd(self._assignment, totals)
        self._assignment = None

    def _end(self, record: Record) -> Iterator[Value]:
        if self._assignment is not None:
            raise self._out_of_order(record, "the file ends (89) inside an assignment")
        self._ended = True
        totals = _totals(record, "")
        self._compare("file", "", totals, self._file)
        yield TransmissionEnd(totals)

    def _transaction(self) -> Iterator[Value]:
        """The transaction whose records have all come."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        first = waiting[0]
        for other in waiting[1:]:
            if other.raw(9, 15) != first.raw(9, 15):
                raise self._out_of_order(other, "a record belongs to another transaction")
        one = _READERS[first.service](waiting)
        self._here.add(Decimal(0) if isinstance(one, Mandate) else one.amount)
        yield one

    def _compare(self, level: str, number: str, declared: Totals, found: _Sums) -> None:
        for total, told, counted in (
            ("transactions", declared.transactions, found.transactions),
            ("records", declared.records, found.records),
            ("sum", declared.total, found.total),
        ):
            if told != counted:
                where = f"The {level} {number}".rstrip()
                raise Unreadable(
                    code="totals",
                    problem=f"{where} says {total} {told}, but its content gives {counted}.",
                    cure=AGAIN,
                    place=declared.place,
                    params={
                        "level": level,
                        "number": number,
                        "total": total,
                        "declared": str(told),
                        "found": str(counted),
                    },
                )

    def _out_of_order(self, record: Record, why: str) -> Unreadable:
        return Unreadable(
            code="order",
            problem=f"The records are not in order: {why}.",
            cure=AGAIN,
            place=record.place(7, 8),
            params={"record": record.kind},
        )


def _totals(record: Record, service: str) -> Totals:
    """Records 88 and 89. Direkte remittering tells the first and last day a field earlier."""
    earlier = service == REMITTANCE
    return Totals(
        transactions=record.whole(9, 16),
        records=record.whole(17, 24),
        total=record.kroner(25, 41),
        date=None if earlier else record.date(42, 47),
        first_date=record.date(42, 47) if earlier else record.date(48, 53),
        last_date=record.date(48, 53) if earlier else record.date(54, 59),
        place=Place(record.line, ""),
    )


def _receipt(parts: list[Record]) -> Receipt:
    head = parts[0]
    second = next((one for one in parts if one.kind == "31"), None)
    if second is None:
        raise Unreadable(
            code="missing",
            problem="A transaction has no second amount record (31).",
            cure=AGAIN,
            place=Place(head.line, ""),
            params={"element": "30", "expected": "31"},
        )
    bank_date: datetime.date | None = second.date(42, 47)
    return Receipt(
        type=head.type,
        number=head.words(9, 15),
        date=head.date(16, 21),
        amount=head.kroner(33, 49),
        reversal=head.raw(32, 32) == "-" or head.type in REVERSALS,
        kid=head.words(50, 74) or None,
        centre=head.words(22, 23),
        day_code=head.words(24, 25),
        part=head.words(26, 26),
        serial=head.words(27, 31),
        form_number=second.words(16, 25),
        archive_reference=second.words(26, 34),
        bank_date=bank_date,
        debit_account=_account(second.words(48, 58)),
        text=" ".join(one.words(16, 55) for one in parts if one.kind == "32").strip(),
        place=Place(head.line, ""),
    )


def _account(digits: str) -> str:
    """An account; zeros stand for one that is not told."""
    return digits if digits.strip("0") else ""


def _order(parts: list[Record]) -> Order:
    head = parts[0]
    order = Order(
        type=head.type,
        date=head.date(16, 21),
        account=_account(head.words(22, 32)),
        amount=head.kroner(33, 49),
        own_reference="",
        kid=head.words(50, 74) or None,
        number=head.words(9, 15),
        place=Place(head.line, ""),
    )
    message: dict[tuple[int, int], str] = {}
    for one in parts[1:]:
        if one.kind == "31":
            order = dataclasses.replace(
                order, short_name=one.words(16, 25), own_reference=one.words(26, 50)
            )
        elif one.kind == "40":
            order = dataclasses.replace(
                order, name=one.words(16, 45), post_code=one.words(46, 49), town=one.words(53, 77)
            )
        elif one.kind == "41":
            lines = tuple(part for part in (one.words(16, 45), one.words(46, 75)) if part)
            order = dataclasses.replace(order, address=lines, country=one.words(76, 78))
        elif one.kind == "49":
            message[one.whole(16, 18), one.whole(19, 19)] = one.raw(20, 59).rstrip()
        elif one.kind == "50":
            paid = Specified(one.words(16, 40), one.kroner(41, 57), one.type == CREDIT_NOTE)
            order = dataclasses.replace(order, specified=(*order.specified, paid))
    if order.kid is None and len(order.specified) == 1:
        order = dataclasses.replace(order, kid=order.specified[0].kid)
    return dataclasses.replace(order, message=tuple(message[key] for key in sorted(message)))


def _mandate(parts: list[Record]) -> Mandate:
    head = parts[0]
    return Mandate(
        number=head.words(9, 15),
        change=head.raw(16, 16),
        kid=head.words(17, 41) or None,
        notice=head.raw(42, 42) == "J",
        place=Place(head.line, ""),
    )


_BEGINS = {OCR_GIRO: ("30",), REMITTANCE: ("30",), AVTALEGIRO: ("70",)}
_CONTINUES = {OCR_GIRO: ("31", "32"), REMITTANCE: ("31", "40", "41", "49", "50")}
_READERS: dict[str, Callable[[list[Record]], Transaction]] = {
    OCR_GIRO: _receipt,
    REMITTANCE: _order,
    AVTALEGIRO: _mandate,
}
