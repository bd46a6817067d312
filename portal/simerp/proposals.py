"""Payment proposals: grouping open invoices, netting credit notes; sends nothing."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from portal.simerp import amounts, books, companies

# More structured documents to one payee in one line are refused by banks (RR07).
MOST_DOCUMENTS = 25


@dataclass(frozen=True, kw_only=True)
class Item:
    """An open invoice or credit note."""

    id: int
    supplier: str
    number: str
    kind: str
    ore: int
    due_date: str
    kid: str | None
    message: str | None
    hint: str | None

    @property
    def credit(self) -> bool:
        """Whether the supplier owes us."""
        return self.kind == "credit_note"

    @property
    def signed_ore(self) -> int:
        """What it adds to a payment, in øre."""
        return -self.ore if self.credit else self.ore


def propose(
    db: sqlite3.Connection, *, company: str, due_date: str | None, pay_date: str | None
) -> dict[str, Any]:
    """Propose payments of all open items due on or before `due_date` (None: all).

    Each payment is dated `pay_date`, else the earliest due date among its invoices. Items
    of suppliers who owe us, and credit notes that found no room, stay open and are in "left".
    """
    until = None if due_date is None else companies.date_text(due_date, "due_date")
    fixed_date = None if pay_date is None else companies.date_text(pay_date, "pay_date")
    with books.transaction(db):
        books.company_row(db, company=company)
        made: list[dict[str, Any]] = []
        left: list[Item] = []
        for group in grouped(_open_items(db, company=company), until=until):
            lines, unused = lines_of(group)
            left += unused
            if lines:
                date = fixed_date or min(item.due_date for line in lines for item in line)
                made.append(_insert(db, company=company, date=date, lines=lines))
    return {"company": company, "payments": made, "left": [item.number for item in left]}


def grouped(items: Sequence[Item], *, until: str | None) -> list[list[Item]]:
    """Group by hint, else by due date; a hint's group is taken whole once an invoice is due."""
    groups: dict[tuple[bool, str], list[Item]] = {}
    for item in items:
        groups.setdefault((item.hint is not None, item.hint or item.due_date), []).append(item)
    return [
        group
        for group in groups.values()
        if until is None or any(item.due_date <= until and not item.credit for item in group)
    ]


def lines_of(group: Sequence[Item]) -> tuple[list[list[Item]], list[Item]]:
    """Split one payment's items into lines, and what is left open.

    A supplier who owes us as much as we owe him is paid nothing: all his items stay open.
    """
    suppliers: dict[str, list[Item]] = {}
    for item in group:
        suppliers.setdefault(item.supplier, []).append(item)
    lines: list[list[Item]] = []
    left: list[Item] = []
    for items in suppliers.values():
        if sum(item.signed_ore for item in items) <= 0:
            left += items
            continue
        net = _net(items)
        taken = {item.id for item in net}
        if net:
            lines.append(net)
        lines += [[item] for item in items if not item.credit and item.id not in taken]
        left += [item for item in items if item.credit and item.id not in taken]
    return lines, left


def _net(items: Sequence[Item]) -> list[Item]:
    """Return the items of one supplier that go into one netted line; empty without credit notes."""
    largest_first = sorted(items, key=lambda item: -item.ore)
    credits = [item for item in largest_first if item.credit][: MOST_DOCUMENTS - 1]
    invoices = [item for item in largest_first if not item.credit]
    while credits:
        chosen = credits + invoices[: MOST_DOCUMENTS - len(credits)]
        if sum(item.signed_ore for item in chosen) > 0:
            return sorted(chosen, key=lambda item: (item.credit, item.id))
        # 25 documents can be too few to carry the largest credit note: it waits for next time.
        del credits[0]
    return []


def _open_items(db: sqlite3.Connection, *, company: str) -> list[Item]:
    rows = db.execute(
        "SELECT id, supplier, number, kind, amount_ore AS ore, due_date, kid, message, hint"
        " FROM invoice WHERE company = ? AND status = 'open' ORDER BY due_date, id",
        (company,),
    )
    return [Item(**dict(row)) for row in rows]


def _insert(
    db: sqlite3.Connection, *, company: str, date: str, lines: Sequence[Sequence[Item]]
) -> dict[str, Any]:
    number = f"B{date[:4]}-{books.next_number(db, name='payment'):06d}"
    payment = db.execute(
        "INSERT INTO payment (company, number, due_date) VALUES (?, ?, ?)", (company, number, date)
    ).lastrowid
    told = []
    for position, items in enumerate(lines, start=1):
        reference = f"{number}-{position:05d}"
        ore = sum(item.signed_ore for item in items)
        kid, message = _remittance(items)
        line = db.execute(
            "INSERT INTO line (payment, position, reference, supplier, amount_ore, kid, message)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (payment, position, reference, items[0].supplier, ore, kid, message),
        ).lastrowid
        db.executemany(
            "INSERT INTO line_item (line, invoice) VALUES (?, ?)",
            [(line, item.id) for item in items],
        )
        db.executemany(
            "UPDATE invoice SET status = 'proposed' WHERE id = ?", [(item.id,) for item in items]
        )
        told.append(
            {
                "reference": reference,
                "supplier": items[0].supplier,
                "amount": amounts.to_text(ore),
                "invoices": [item.number for item in items],
            }
        )
    return {"number": number, "due_date": date, "erp_code": 1, "lines": told}


def _remittance(items: Sequence[Item]) -> tuple[str | None, str | None]:
    """Return KID and message; never both, and neither for a net, which its documents explain."""
    if len(items) > 1:
        return None, None
    if items[0].kid:
        return items[0].kid, None
    return None, items[0].message or f"Faktura {items[0].number}"
