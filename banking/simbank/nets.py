"""Holds the writing of OCR giro and of settled Direkte remittering; must not change any row."""

import datetime
import sqlite3
from collections.abc import Iterator
from itertools import groupby

from .words import Style

CENTRE = "00008080"
WITH_TEXT = ("20", "21")
FALSE_BY = 100


def _record(text: str) -> str:
    return text.ljust(80, "0")


def _day(text: str) -> str:
    return datetime.date.fromisoformat(text).strftime("%d%m%y")


class _Frame:
    """Counts what is written, for the totals of records 88 and 89."""

    def __init__(self, source: sqlite3.Row, service: str, wrong: int) -> None:
        self._source, self._service, self._wrong = source, service, wrong
        self._all = [0, 1, 0]
        self._here = [0, 0, 0]
        self._days: list[str] = []
        self._every_day: list[str] = []
        self._assignments = 0

    def start(self) -> str:
        number = f"{self._source['id'] % 10**7:07d}"
        return _record(f"NY000010{CENTRE}{number}{CENTRE}")

    def open(self, agreement: str, account: str) -> str:
        self._here, self._days = [0, 1, 0], []
        self._assignments += 1
        place = f"{(self._source['id'] * 10 + self._assignments) % 10**7:07d}"
        return _record(f"NY{self._service}0020{agreement:0>9.9}{place}{account:0>11.11}")

    def transaction(self, minor: int, day: str, records: list[str]) -> Iterator[str]:
        self._here[0] += 1
        self._here[1] += len(records)
        self._here[2] += minor
        self._days.append(day)
        yield from map(_record, records)

    def number(self) -> str:
        """Of the transaction that comes next."""
        return f"{self._here[0] + 1:07d}"

    def close(self) -> str:
        self._here[1] += 1
        self._all = [one + two for one, two in zip(self._all, self._here, strict=True)]
        self._every_day += self._days
        first, last = _day(min(self._days)), _day(max(self._days))
        # Direkte remittering tells the days one field earlier: it has no date of Nets' own.
        days = f"{last}{first}{last}" if self._service == "09" else f"{first}{last}"
        return _record(f"NY{self._service}0088{self._counts(self._here)}{days}")

    def end(self) -> str:
        self._all[1] += 1
        counted = [self._all[0], self._all[1], self._all[2] + self._wrong]
        return _record(f"NY000089{self._counts(counted)}{_day(max(self._every_day))}")

    @staticmethod
    def _counts(counted: list[int]) -> str:
        return f"{counted[0]:08d}{counted[1]:08d}{counted[2]:017d}"


def ocr_giro(books: sqlite3.Connection, source: sqlite3.Row, style: Style) -> Iterator[str]:
    """KID payments of one round, an assignment for each account."""
    frame = _Frame(source, "09", FALSE_BY if style.ocr_totals else 0)
    rows = books.execute(
        "SELECT c.*, a.ocr_agreement FROM credits c JOIN accounts a ON a.number = c.account"
        " WHERE c.ocr_in = ? ORDER BY c.account, c.booked_date, c.id",
        (source["id"],),
    )
    yield frame.start()
    for account, members in groupby(rows, key=lambda row: row["account"]):
        for place, row in enumerate(members):
            if not place:
                yield frame.open(row["ocr_agreement"], account)
            yield from frame.transaction(
                row["amount"], row["booked_date"], _receipt(row, frame.number())
            )
        yield frame.close()
    if not style.ocr_no_end:
        yield frame.end()


def _receipt(row: sqlite3.Row, number: str) -> list[str]:
    day, kind = _day(row["booked_date"]), row["type"]
    sign = "-" if row["direction"] == "out" else "0"
    payer = row["payer_account"] if row["payer_account"].isdigit() else ""
    records = [
        f"NY09{kind}30{number}{day}01{day[:2]}1{row['id'] % 10**5:05d}{sign}"
        f"{row['amount']:017d}{row['kid']:>25.25}",
        f"NY09{kind}31{number}{row['id'] % 10**10:010d}{row['id'] % 10**9:09d}0000000"
        f"{day}{payer:0>11.11}",
    ]
    if kind in WITH_TEXT:
        records.append(f"NY09{kind}32{number}{row['message']:<40.40}")
    return records


def settlement(books: sqlite3.Connection, source: sqlite3.Row, style: Style) -> Iterator[str]:
    """What was paid of an old-format agreement's orders in one round; what was not, is not told."""
    frame = _Frame(source, "04", 0)
    rows = books.execute(
        "SELECT s.amount, s.booked_date, s.account, t.end_to_end_id, t.creditor_account,"
        " t.creditor_name, t.kid, c.agreement_id FROM postings s"
        " JOIN transfers t ON t.id = s.transfer_id JOIN accounts a ON a.number = s.account"
        " JOIN customers c ON c.customer_number = a.customer_number"
        " WHERE s.advised_in = ? ORDER BY s.account, s.id",
        (source["id"],),
    )
    yield frame.start()
    for account, members in groupby(rows, key=lambda row: row["account"]):
        for place, row in enumerate(members):
            if not place:
                yield frame.open(row["agreement_id"], account)
            yield from frame.transaction(
                row["amount"], row["booked_date"], _settled(row, frame.number())
            )
        yield frame.close()
    yield frame.end()


def _settled(row: sqlite3.Row, number: str) -> list[str]:
    kid = row["kid"].partition(",")[0]
    opening = f"NY04{'16' if kid else '03'}"
    return [
        f"{opening}30{number}{_day(row['booked_date'])}{row['creditor_account']:0>11.11}"
        f"{row['amount']:017d}{kid:>25.25}",
        f"{opening}31{number}{row['creditor_name']:<10.10}{row['end_to_end_id']:<25.25}{'':25}",
    ]
