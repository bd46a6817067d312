"""Holds the verdict on what was read: accepted, parked or rejected, and the day it is booked on."""

import datetime
import sqlite3
from dataclasses import dataclass

from .clock import BankDays


@dataclass(frozen=True, slots=True)
class Rules:
    """How the bank treats dates that it cannot keep; cut-offs are "HH:MM" per kind of payment."""

    closed_day: str
    after_cut_off: str
    cut_offs: dict[str, str]


def settle(
    books: sqlite3.Connection,
    file_id: int,
    days: BankDays,
    now: datetime.datetime,
    rules: Rules,
    later: str,
) -> None:
    """Accepts, parks or rejects each row of a read file and fixes booking dates.

    `later` is the status of a DT06 that moves every payment one bank day on, or nothing.
    """
    books.execute(
        "UPDATE transfers SET status = 'rejected', code = payments.code, text = payments.text"
        " FROM payments WHERE payments.id = transfers.payment_id AND payments.file_id = ?"
        " AND payments.status = 'rejected'",
        (file_id,),
    )
    books.execute(
        "UPDATE transfers SET status = CASE code WHEN '' THEN 'accepted' ELSE 'rejected' END"
        " WHERE file_id = ? AND status = 'received'",
        (file_id,),
    )
    waiting = books.execute(
        "SELECT *, EXISTS (SELECT 1 FROM transfers WHERE payment_id ="
        " payments.id AND status = 'accepted') AS alive"
        " FROM payments WHERE file_id = ? AND status = 'received' ORDER BY id",
        (file_id,),
    ).fetchall()
    for payment in waiting:
        if not payment["alive"]:
            books.execute("UPDATE payments SET status = 'rejected' WHERE id = ?", (payment["id"],))
        elif payment["park"]:
            _park(books, payment["id"])
        else:
            accept(books, payment, days, now, rules, later)
    books.execute("UPDATE files SET status = 'answered' WHERE id = ?", (file_id,))


def _park(books: sqlite3.Connection, payment_id: int) -> None:
    books.execute("UPDATE payments SET status = 'parked' WHERE id = ?", (payment_id,))
    books.execute(
        "UPDATE transfers SET status = 'parked' WHERE payment_id = ? AND status = 'accepted'",
        (payment_id,),
    )


def accept(
    books: sqlite3.Connection,
    payment: sqlite3.Row,
    days: BankDays,
    now: datetime.datetime,
    rules: Rules,
    later: str,
) -> None:
    """Fixes a payment's booking date, or rejects it where the rules say so."""
    requested = datetime.date.fromisoformat(payment["requested_date"])
    today = now.date()
    earliest = today
    is_late = requested <= today and _is_past_cut_off(books, payment, now, rules)
    if is_late and days.is_open(today):
        earliest = days.following(today)
    day = days.rolled(max(requested, earliest))
    is_closed = not days.is_open(requested)
    if is_late and rules.after_cut_off == "reject":
        _reject(books, payment["id"], "DT05", f"Received after the cut-off for {requested}")
        return
    if is_closed and rules.closed_day == "reject":
        _reject(books, payment["id"], "DT01", f"The bank is closed on {requested}")
        return
    told = (is_late and day != requested) or (is_closed and rules.closed_day == "tell")
    if later:
        day = days.following(day)
    books.execute(
        "UPDATE payments SET status = 'accepted', booking_date = ?, moved = ? WHERE id = ?",
        (day.isoformat(), later or ("ACWC" if told else ""), payment["id"]),
    )
    books.execute(
        "UPDATE transfers SET status = 'accepted' WHERE payment_id = ? AND status = 'parked'",
        (payment["id"],),
    )


def _is_past_cut_off(
    books: sqlite3.Connection, payment: sqlite3.Row, now: datetime.datetime, rules: Rules
) -> bool:
    if not rules.cut_offs:
        return False
    abroad = books.execute(
        "SELECT EXISTS (SELECT 1 FROM transfers WHERE payment_id = ? AND"
        " creditor_account GLOB '[A-Z]*' AND creditor_account NOT GLOB 'NO*')",
        (payment["id"],),
    ).fetchone()[0]
    kind = "foreign" if abroad else "urgent" if payment["urgent"] else "domestic"
    last = rules.cut_offs.get(kind)
    return last is not None and now.strftime("%H:%M") > last


def _reject(books: sqlite3.Connection, payment_id: int, code: str, text: str) -> None:
    books.execute(
        "UPDATE payments SET status = 'rejected', code = ?, text = ? WHERE id = ?",
        (code, text, payment_id),
    )
    books.execute(
        "UPDATE transfers SET status = 'rejected', code = ?, text = ?"
        " WHERE payment_id = ? AND status IN ('accepted', 'parked')",
        (code, text, payment_id),
    )


def decide_parked(
    books: sqlite3.Connection,
    payment: sqlite3.Row,
    days: BankDays,
    now: datetime.datetime,
    rules: Rules,
    *,
    approve: bool,
) -> None:
    """What the customer's own people did with a parked payment in the net bank."""
    if approve:
        accept(books, payment, days, now, rules, "")
    else:
        _reject(books, payment["id"], "DS02", "Refused in the net bank")
