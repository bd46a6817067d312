"""Accounting batches of balanced vouchers; holds the accounts, decides nothing about payments."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from portal.simerp import books

BANK = "1920"
SUPPLIERS = "2400"
GOODS = "4300"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One amount moved from the credit account to the debit account, in øre."""

    debit_account: str
    credit_account: str
    ore: int
    text: str
    supplier: str
    line: int | None = None


def book(
    db: sqlite3.Connection, *, company: str, kind: str, date: str, entries: Iterable[Entry]
) -> str:
    """Book all entries as one sealed batch and return its number; inside a transaction."""
    number = f"BU{date[:4]}-{books.next_number(db, name='batch'):06d}"
    batch = db.execute(
        "INSERT INTO batch (company, number, date, kind) VALUES (?, ?, ?, ?)",
        (company, number, date, kind),
    ).lastrowid
    db.executemany(
        "INSERT INTO voucher (batch, account, debit_ore, credit_ore, text, supplier, line)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(batch, *side) for entry in entries for side in _sides(entry)],
    )
    # The sums are read back from what was written; the seal refuses anything out of balance.
    db.execute(
        "INSERT INTO batch_seal (batch, debit_ore, credit_ore)"
        " SELECT batch, sum(debit_ore), sum(credit_ore) FROM voucher WHERE batch = ?"
        " GROUP BY batch",
        (batch,),
    )
    return number


Side = tuple[str, int, int, str, str | None, int | None]


def _sides(entry: Entry) -> tuple[Side, Side]:
    def side(account: str, debit: int, credit: int) -> Side:
        # Only the supplier ledger carries the supplier; the bank does not know him.
        supplier = entry.supplier if account == SUPPLIERS else None
        return account, debit, credit, entry.text, supplier, entry.line

    return side(entry.debit_account, entry.ore, 0), side(entry.credit_account, 0, entry.ore)
