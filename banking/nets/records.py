"""Records of 80 characters (ISO-8859-1): cut out of a file, and their fields by position.

It knows the length and where a field stands, and nothing of what services mean by it.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import BinaryIO

from banking.located import Place, Unreadable

LENGTH = 80
ENCODING = "iso-8859-1"
OPENING = b"NY"
BOM = b"\xef\xbb\xbf"
CHUNK_BYTES = 64 * 1024
BREAKS = b"\r\n"
END = b" \0\x1a"  # what some systems put after the last record
# Two digits of a year: those from here on belong to the last century.
CENTURY = 70
AGAIN = "Ask for the file again; do not edit it by hand."


@dataclass(frozen=True, slots=True)
class Record:
    """One record; line counts from 1. Positions are given as the format's pages give them."""

    line: int
    text: str

    @property
    def service(self) -> str:
        """Positions 3–4."""
        return self.text[2:4]

    @property
    def type(self) -> str:
        """Positions 5–6: the kind of transaction or assignment."""
        return self.text[4:6]

    @property
    def kind(self) -> str:
        """Positions 7–8: the kind of record."""
        return self.text[6:8]

    def place(self, first: int, last: int) -> Place:
        """Where a field stands."""
        return Place(self.line, f"positions {first}–{last}")

    def raw(self, first: int, last: int) -> str:
        """The characters from first to last, both included."""
        return self.text[first - 1 : last]

    def words(self, first: int, last: int) -> str:
        """A text without outer blanks."""
        return self.text[first - 1 : last].strip()

    def whole(self, first: int, last: int) -> int:
        """A whole number. Raises Unreadable value (params: element, value)."""
        digits = self.raw(first, last)
        if not (digits.isascii() and digits.isdigit()):
            raise self._bad("number", first, last)
        return int(digits)

    def kroner(self, first: int, last: int) -> Decimal:
        """An amount in øre, as kroner. Raises Unreadable value."""
        return Decimal(self.whole(first, last)).scaleb(-2)

    def date(self, first: int, last: int) -> datetime.date | None:
        """DDMMYY; None for zeros or blanks. Raises Unreadable value."""
        digits = self.raw(first, last)
        if not digits.strip("0 "):
            return None
        if not (digits.isascii() and digits.isdigit()):
            raise self._bad("date", first, last)
        day, month, year = int(digits[:2]), int(digits[2:4]), int(digits[4:])
        try:
            return datetime.date(year + (1900 if year >= CENTURY else 2000), month, day)
        except ValueError as error:
            raise self._bad("date", first, last) from error

    def _bad(self, what: str, first: int, last: int) -> Unreadable:
        value = self.raw(first, last)
        return Unreadable(
            code="value",
            problem=f"The {what} {value!r} cannot be read.",
            cure=AGAIN,
            place=self.place(first, last),
            params={"element": what, "value": value},
        )


def read(source: BinaryIO) -> Iterator[Record]:
    """The records of a file, with or without line breaks between them, in constant memory.

    Raises Unreadable: empty, wrong-message, record-length (params: found), truncated.
    """
    buffer = source.read(CHUNK_BYTES).removeprefix(BOM)
    if not buffer.strip(BREAKS + END):
        raise Unreadable(
            code="empty",
            problem="The file is empty.",
            cure="Export it again and send the new file.",
            place=Place(1, ""),
        )
    line, breaks, ended = 1, 0, False
    while True:
        if len(buffer) < 2 * LENGTH and not ended:
            more = source.read(CHUNK_BYTES)
            ended = not more
            buffer += more
            continue
        start = buffer.lstrip(BREAKS)
        breaks += buffer[: len(buffer) - len(start)].count(b"\n")
        buffer = start
        if not buffer.strip(BREAKS + END):
            return
        line = max(line, breaks + 1)
        yield Record(line, _cut(buffer, line).decode(ENCODING))
        buffer = buffer[LENGTH:]
        line += 1


def _cut(buffer: bytes, line: int) -> bytes:
    """The record that the buffer begins with."""
    if not buffer.startswith(OPENING):
        raise Unreadable(
            code="wrong-message",
            problem="A record does not begin with NY.",
            cure="Choose a file in the 80-character format of Nets.",
            place=Place(line, "positions 1–2"),
            params={"kind": "", "expected": "NY"},
        )
    piece, after = buffer[:LENGTH], buffer[LENGTH : LENGTH + 2]
    broken = min((at for at in map(piece.find, (b"\r", b"\n")) if at >= 0), default=-1)
    if broken >= 0:
        raise _length(line, broken)
    if len(piece) < LENGTH:
        raise Unreadable(
            code="truncated",
            problem="The file ends in the middle of a record.",
            cure="Send the whole file again; the transfer was probably cut off.",
            place=Place(line, ""),
        )
    if after and after[:1] not in (b"\r", b"\n") and after != OPENING and after.strip(END.strip()):
        rest = buffer[LENGTH:].splitlines()[0]
        raise _length(line, LENGTH + len(rest))
    return piece


def _length(line: int, found: int) -> Unreadable:
    """A line of another length; letters of two bytes are the usual cause of one that is longer."""
    hint = " Save it as ISO-8859-1, not UTF-8." if found > LENGTH else ""
    return Unreadable(
        code="record-length",
        problem=f"The record has {found} characters, and must have {LENGTH}.",
        cure=f"{AGAIN}{hint}",
        place=Place(line, ""),
        params={"found": str(found)},
    )
