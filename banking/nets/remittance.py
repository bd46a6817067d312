"""Writes Direkte remittering, the format before ISO 20022, as a stream of records.

It decides nothing about what is paid: an order that does not fit its positions is an error, never
cut. Counts and sums are those of what was written.
"""

import datetime
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import BinaryIO

from banking.located import InvalidOutput, Place
from banking.nets import records
from banking.nets.values import REMITTANCE, Assignment, Order, Transmission

NOTICE, KIDS, CREDIT_NOTES = "03", "16", "17"
MESSAGE_LINES, MESSAGE_LENGTH = 42, 40
PIECES_PER_WRITE = 500
AMOUNT_DIGITS, ACCOUNT_DIGITS = 17, 11
SENDER_DIGITS, AGREEMENT_DIGITS = 8, 9


def write(
    target: BinaryIO,
    *,
    transmission: Transmission,
    assignments: Iterable[tuple[Assignment, Iterable[Order]]],
) -> None:
    """Writes one file (ISO-8859-1, CR LF) in constant memory; numbers orders from 1.

    Raises InvalidOutput: value, too-long, illegal-character, totals (nothing to write); after it
    the target holds half a file.
    """
    pieces: list[bytes] = []
    for record in _Writer(transmission).records(assignments):
        pieces.append(record)
        if len(pieces) >= PIECES_PER_WRITE:
            target.write(b"".join(pieces))
            pieces.clear()
    target.write(b"".join(pieces))


def carries(*, sender: str, agreement: str) -> bool:
    """Whether a customer's number and an agreement's can stand in a file: only digits, that fit."""
    return all(
        text.isascii() and text.isdigit() and len(text) <= most
        for text, most in ((sender, SENDER_DIGITS), (agreement, AGREEMENT_DIGITS))
    )


class _Writer:
    """Turns orders into records and counts them."""

    def __init__(self, transmission: Transmission) -> None:
        self._transmission = transmission
        self._place = Place(0, "10")

    def records(self, assignments: Iterable[tuple[Assignment, Iterable[Order]]]) -> Iterator[bytes]:
        """The records of the file, each with its line end."""
        told = self._transmission
        transactions, lines, total = 0, 2, Decimal(0)
        first: datetime.date | None = None
        yield self._record(
            "NY000010",
            self._digits(told.sender, SENDER_DIGITS),
            self._digits(told.number, 7),
            self._digits(told.recipient, 8),
        )
        for assignment, orders in assignments:
            self._place = Place(0, f"20 {assignment.number}")
            yield self._record(
                f"NY{REMITTANCE}0020",
                self._digits(assignment.agreement, AGREEMENT_DIGITS),
                self._digits(assignment.number, 7),
                self._digits(assignment.account, ACCOUNT_DIGITS),
            )
            count, here, amount = 0, 2, Decimal(0)
            days: list[datetime.date] = []
            for order in orders:
                count += 1
                self._place = Place(0, f"20 {assignment.number}/30 {count}")
                amount += order.amount
                if order.date is not None:
                    days = [min([*days, order.date]), max([*days, order.date])]
                for record in self._order(order, count):
                    here += 1
                    yield record
            yield self._end("88", REMITTANCE, count, here, amount, days)
            transactions, lines, total = transactions + count, lines + here, total + amount
            if days:
                first = min(first or days[0], days[0])
        if not transactions:
            raise InvalidOutput(
                code="totals", problem="There is nothing to write.", place=self._place
            )
        yield self._end("89", "00", transactions, lines, total, [first] if first else [])

    def _end(
        self,
        kind: str,
        service: str,
        transactions: int,
        lines: int,
        total: Decimal,
        days: list[datetime.date],
    ) -> bytes:
        dates = [days[0], days[-1]] if days and kind == "88" else days
        return self._record(
            f"NY{service}00{kind}",
            self._digits(str(transactions), 8),
            self._digits(str(lines), 8),
            self._amount(total),
            *(_day(day) for day in dates),
        )

    def _order(self, order: Order, number: int) -> Iterator[bytes]:
        self._check(order)
        digits = f"{number:07d}"
        opening = f"NY{REMITTANCE}{order.type}"
        inside = order.kid if not order.specified else ""
        yield self._record(
            f"{opening}30{digits}",
            _day(order.date),
            self._digits(order.account, ACCOUNT_DIGITS),
            self._amount(order.amount),
            self._text(inside or "", 25, right=True),
        )
        yield self._record(
            f"{opening}31{digits}",
            self._text(order.short_name[:10], 10),
            self._text(order.own_reference, 25),
            " " * 25,
        )
        if order.name:
            yield self._record(
                f"{opening}40{digits}",
                self._text(order.name, 30),
                self._text(order.post_code, 4),
                " " * 3,
                self._text(order.town, 25),
            )
        if order.address or order.country:
            lines = [*order.address, "", ""][:2]
            yield self._record(
                f"{opening}41{digits}",
                *(self._text(line, 30) for line in lines),
                self._text(order.country, 3),
            )
        for position, line in enumerate(order.message, start=1):
            yield self._record(
                f"{opening}49{digits}", f"{position:03d}", "1", self._text(line, MESSAGE_LENGTH)
            )
        for one in order.specified:
            kind = CREDIT_NOTES if one.credit else KIDS
            yield self._record(
                f"NY{REMITTANCE}{kind}50{digits}",
                self._text(one.kid, 25, right=True),
                self._amount(one.amount),
            )

    def _check(self, order: Order) -> None:
        if order.type not in (NOTICE, KIDS, CREDIT_NOTES):
            raise self._fault("value", f"{order.type!r} is no kind of order.")
        if order.date is None or not order.amount > 0:
            raise self._fault("value", "An order needs a date and an amount.")
        if not order.own_reference:
            raise self._fault("value", "An order needs its own reference, to be known by.")
        if len(order.message) > MESSAGE_LINES or len(order.address) > 2:
            raise self._fault("too-long", f"A message has {MESSAGE_LINES} lines at most.")
        if len(order.account) != ACCOUNT_DIGITS:
            raise self._fault("value", f"{order.account!r} is no account of 11 digits.")
        if (order.type == NOTICE) == bool(order.kid or order.specified):
            raise self._fault("value", f"An order of type {order.type} with and without a KID.")
        if order.specified:
            paid = sum((-o.amount if o.credit else o.amount for o in order.specified), Decimal(0))
            if paid != order.amount:
                raise self._fault("totals", f"KIDs for {paid} in an order of {order.amount}.")

    def _record(self, *parts: str) -> bytes:
        text = "".join(parts)
        return (text.ljust(records.LENGTH, "0") + "\r\n").encode(records.ENCODING)

    def _text(self, value: str, length: int, *, right: bool = False) -> str:
        if len(value) > length:
            raise self._fault("too-long", f"{value!r} is longer than {length} characters.")
        odd = next((c for c in value if not c.isprintable() or ord(c) > 0xFF), "")
        if odd:
            raise self._fault("illegal-character", f"A text holds the character U+{ord(odd):04X}.")
        return value.rjust(length) if right else value.ljust(length)

    def _digits(self, value: str, length: int) -> str:
        if not (value.isascii() and value.isdigit() and len(value) <= length):
            raise self._fault("value", f"{value!r} is no number of at most {length} digits.")
        return value.rjust(length, "0")

    def _amount(self, value: Decimal) -> str:
        cents = value.scaleb(2)
        if not value.is_finite() or value < 0 or cents != cents.to_integral_value():
            raise self._fault("value", f"{value} is no amount.")
        return self._digits(str(int(cents)), AMOUNT_DIGITS)

    def _fault(self, code: str, problem: str) -> InvalidOutput:
        return InvalidOutput(code=code, problem=problem, place=self._place)


def _day(day: datetime.date | None) -> str:
    return day.strftime("%d%m%y") if day else "000000"
