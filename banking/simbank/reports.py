"""Holds what the books say when asked: pages, sums and the search for doubles; changes nothing."""

import json
import sqlite3
from pathlib import Path
from typing import Any

from .books import amount_text

MOST_ROWS = 10_000
TRANSFERS = """
SELECT t.id, f.name AS file, f.msg_id, p.customer_number AS customer, p.payment,
  t.instruction_id, t.end_to_end_id, t.amount, t.currency, p.debit_account, t.creditor_account,
  t.creditor_name, t.kid, t.message, p.requested_date AS execution_date, p.booking_date,
  p.batch_booked, p.salary, t.status, t.code AS reason_code, t.text AS reason_text,
  s.amount AS debited_amount, s.currency AS debited_currency, s.booked_date, s.bank_reference
FROM transfers t JOIN payments p ON p.id = t.payment_id JOIN files f ON f.id = t.file_id
LEFT JOIN postings s ON s.transfer_id = t.id
WHERE t.id > ?"""
FILTERS = {
    "msg_id": "f.msg_id",
    "payment": "p.payment",
    "status": "t.status",
    "end_to_end_id": "t.end_to_end_id",
    "account": "p.debit_account",
    "customer": "p.customer_number",
}


def connect(path: Path) -> sqlite3.Connection:
    """A read-only view of the books; writers never wait for it."""
    books = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
    books.row_factory = sqlite3.Row
    return books


def transfers(books: sqlite3.Connection, asked: dict[str, str]) -> dict[str, Any]:
    """One page of transfers; raises ValueError on a bad limit, cursor or filter."""
    limit = int(asked.pop("limit", "1000"))
    after = int(asked.pop("after", "0"))
    if not 1 <= limit <= MOST_ROWS:
        raise ValueError(f"limit must be 1 to {MOST_ROWS}")
    unknown = set(asked) - set(FILTERS)
    if unknown:
        raise ValueError(f"unknown filter {', '.join(sorted(unknown))}")
    where = "".join(f" AND {FILTERS[name]} = ?" for name in asked)
    rows = books.execute(
        f"{TRANSFERS}{where} ORDER BY t.id LIMIT ?", (after, *asked.values(), limit)
    ).fetchall()
    return {
        "transfers": [_transfer(row) for row in rows],
        "next": rows[-1]["id"] if len(rows) == limit else None,
    }


def _transfer(row: sqlite3.Row) -> dict[str, Any]:
    transfer = dict(row)
    transfer["amount"] = amount_text(transfer["amount"])
    if transfer["debited_amount"] is not None:
        transfer["debited_amount"] = amount_text(transfer["debited_amount"])
    transfer["batch_booked"] = bool(transfer["batch_booked"])
    transfer["salary"] = bool(transfer["salary"])
    return transfer


def latest(books: sqlite3.Connection, most: int) -> list[dict[str, Any]]:
    """The last transfers, newest first."""
    last = books.execute("SELECT MAX(id) FROM transfers").fetchone()[0] or 0
    asked = {"after": str(max(0, last - most)), "limit": str(most)}
    return transfers(books, asked)["transfers"][::-1]


def credits(books: sqlite3.Connection) -> list[dict[str, Any]]:
    """Everything that has come in or come back, and what is still to be booked."""
    rows = [dict(row) for row in books.execute("SELECT * FROM credits ORDER BY id")]
    for row in rows:
        row["amount"] = amount_text(row["amount"])
    return rows


def parked(books: sqlite3.Connection) -> list[dict[str, Any]]:
    """Payments that wait for approval in the net bank."""
    rows = books.execute(
        "SELECT p.customer_number AS customer, p.payment, p.debit_account, p.requested_date,"
        " COUNT(*) AS lines, SUM(t.amount) AS amount FROM payments p"
        " JOIN transfers t ON t.payment_id = p.id WHERE p.status = 'parked' GROUP BY p.id"
    ).fetchall()
    return [dict(row) | {"amount": amount_text(row["amount"])} for row in rows]


def stored(books: sqlite3.Connection, data: Path, direction: str, row_id: int) -> bytes | None:
    """The bytes of a file that came in or was made for a customer; None where there is none."""
    table = "files" if direction == "in" else "outgoing"
    row = books.execute(f"SELECT channel, name FROM {table} WHERE id = ?", (row_id,)).fetchone()
    if row is None:
        return None
    if direction == "in":
        path = data / "channels" / row["channel"] / "archive" / row["name"]
    else:
        path = data / "sent" / row["channel"] / row["name"]
    return path.read_bytes() if path.is_file() else None


def summary(books: sqlite3.Connection) -> dict[str, Any]:
    """Sums mix currencies as control sums do; postings are in the accounts' currencies."""
    by_status = books.execute(
        "SELECT status, COUNT(*), SUM(amount) FROM transfers GROUP BY status"
    ).fetchall()
    count, total = books.execute(
        "SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM postings"
    ).fetchone()
    files = {
        row[0]: row[1]
        for row in books.execute("SELECT status, COUNT(*) FROM files GROUP BY status")
    }
    refused = books.execute("SELECT COUNT(*) FROM files WHERE code = 'DU01'").fetchone()[0]
    messages = books.execute(
        "SELECT kind, state, COUNT(*) AS count FROM outgoing GROUP BY kind, state"
    ).fetchall()
    return {
        "transfers": {row[0]: {"count": row[1], "sum": amount_text(row[2])} for row in by_status},
        "postings": {"count": count, "sum": amount_text(total)},
        "files": sum(files.values()),
        "files_by_status": files,
        "duplicates_refused": refused,
        "messages": [dict(row) for row in messages],
    }


def files(books: sqlite3.Connection) -> list[dict[str, Any]]:
    rows = [dict(row) for row in books.execute("SELECT * FROM files ORDER BY id")]
    for row in rows:
        row["approvers"] = json.loads(row["approvers"])
    return rows


def messages(books: sqlite3.Connection) -> list[dict[str, Any]]:
    rows = books.execute(
        "SELECT id, kind, channel, customer_number, version, name, file_id, group_status, code,"
        " text, created_at, state, told FROM outgoing ORDER BY id"
    )
    return [dict(row) for row in rows]


def customers(books: sqlite3.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in books.execute("SELECT * FROM customers ORDER BY customer_number")]


def accounts(books: sqlite3.Connection) -> list[dict[str, Any]]:
    """Balances as kept, beside what the ledger rows add up to: the two must agree."""
    rows = books.execute(
        "SELECT a.*, COALESCE((SELECT SUM(amount) FROM postings WHERE account = a.number), 0)"
        " AS debited, COALESCE((SELECT SUM(CASE direction WHEN 'in' THEN amount ELSE -amount END)"
        " FROM credits WHERE account = a.number AND status = 'booked'), 0) AS credited"
        " FROM accounts a ORDER BY a.number"
    ).fetchall()
    return [
        {
            "number": row["number"],
            "customer_number": row["customer_number"],
            "currency": row["currency"],
            "opening": amount_text(row["opening"]),
            "balance": amount_text(row["balance"]),
            "debited": amount_text(row["debited"]),
            "credited": amount_text(row["credited"]),
            "agrees": row["opening"] - row["debited"] + row["credited"] == row["balance"],
            "incoming": row["incoming"],
            "statements": bool(row["statements"]),
            "traffic": row["traffic"],
        }
        for row in rows
    ]


def duplicates(books: sqlite3.Connection) -> list[dict[str, Any]]:
    """Whatever the ledger rows say was debited more than once, by the customer's own references."""
    rows = books.execute(
        "SELECT p.customer_number AS customer, p.payment, t.end_to_end_id, COUNT(*) AS times,"
        " GROUP_CONCAT(s.bank_reference) AS bank_references"
        " FROM postings s JOIN transfers t ON t.id = s.transfer_id"
        " JOIN payments p ON p.id = t.payment_id"
        " GROUP BY p.customer_number, p.payment, t.end_to_end_id HAVING COUNT(*) > 1"
    )
    return [dict(row) for row in rows]
