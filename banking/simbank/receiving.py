"""Holds money that comes in: on command, at random from a seed, and payments that come back."""

import datetime
import json
import random
import re
import sqlite3
from collections import defaultdict
from decimal import Decimal, InvalidOperation
from typing import Any

from . import books as ledger
from . import numbers
from .clock import BankDays
from .scripts import Scripts

# Of OCR giro: 10 giro … 17, 18–19 reversals, 20 and 21 purchases with a text.
TYPES = tuple(str(kind) for kind in range(10, 22))
KID_SHAPE = re.compile(r"[0-9]{2,25}|[0-9]{1,24}-")
PAYERS = (
    "Åse Nygård",
    "Bjørn Moen",
    "Fjord og Fjell AS",
    "Grønt Regnskap AS",
    "Ida Øverland",
    "Kystlaget Sør SA",
    "Lars Ødegård",
    "Nordlys Kaffe AS",
)
RETURN_REASON = "AC04"
IN_OCR = "c.kind = 'incoming' AND c.kid <> '' AND a.incoming IN ('ocr', 'both')"
IN_ADVICE = (
    "(c.kind <> 'incoming' OR a.incoming IN ('camt054', 'both')"
    " OR (a.incoming = 'ocr' AND c.kid = ''))"
)
FIELDS = (
    "account",
    "kind",
    "direction",
    "amount",
    "currency",
    "booked_date",
    "type",
    "kid",
    "message",
    "payer_name",
    "payer_account",
    "end_to_end_id",
)


class IncomingRefusedError(Exception):
    """An incoming payment that the bank cannot enter; says what is wrong with it."""


def enter(
    books: sqlite3.Connection, wanted: list[dict[str, Any]], today: datetime.date, days: BankDays
) -> list[int]:
    """Enters incoming payments in the caller's transaction; returns their ids.

    Each is {"account", "amount"} and maybe "kid", "message", "payer_name", "payer_account",
    "end_to_end_id", "type" (10–21), "date", and "correction": money that goes out again.
    """
    rows = [_row(books, one, today, days) for one in wanted]
    return [_insert(books, row) for row in rows]


def _row(
    books: sqlite3.Connection, one: dict[str, Any], day: datetime.date, days: BankDays
) -> tuple[Any, ...]:
    known = {"account", "amount", "kid", "message", "payer_name", "payer_account"}
    known |= {"end_to_end_id", "type", "date", "correction"}
    if set(one) - known:
        raise IncomingRefusedError(f"unknown: {', '.join(sorted(set(one) - known))}")
    number = str(one.get("account", ""))
    account = books.execute("SELECT * FROM accounts WHERE number = ?", (number,)).fetchone()
    if account is None:
        raise IncomingRefusedError(f"account {number!r} is not kept here")
    try:
        amount = ledger.minor_units(Decimal(str(one["amount"])))
    except (KeyError, InvalidOperation, ValueError) as fault:
        told = f"amount: {one.get('amount')!r} is no amount as 1500.00"
        raise IncomingRefusedError(told) from fault
    if not 0 < amount < 10**17:
        raise IncomingRefusedError(f"amount: {one['amount']!r}")
    kind = str(one.get("type", "10"))
    if kind not in TYPES:
        raise IncomingRefusedError(f"type: {kind!r} is not one of {TYPES[0]} to {TYPES[-1]}")
    kid = str(one.get("kid", ""))
    if kid and not KID_SHAPE.fullmatch(kid):
        raise IncomingRefusedError(f"kid: {kid!r} is not 2 to 25 digits, the last maybe '-'")
    try:
        booked = datetime.date.fromisoformat(str(one["date"])) if one.get("date") else day
    except ValueError as fault:
        raise IncomingRefusedError(f"date: {one['date']!r} is no day as 2026-12-01") from fault
    if booked < day:
        raise IncomingRefusedError(f"date: {booked} is before the bank's own day")
    booked = days.rolled(booked)  # what comes on a closed day is booked on the next
    return (
        number,
        "incoming",
        "out" if one.get("correction") else "in",
        amount,
        account["currency"],
        booked.isoformat(),
        kind,
        kid,
        _text(one, "message", 140),
        _text(one, "payer_name", 70),
        _text(one, "payer_account", 34),
        _text(one, "end_to_end_id", 35),
    )


def _text(one: dict[str, Any], name: str, most: int) -> str:
    """A text that a message can carry: no control characters, and not longer than its element."""
    text = str(one.get(name, ""))
    if len(text) > most or not text.isprintable():
        raise IncomingRefusedError(f"{name}: at most {most} characters that can be printed")
    return text


def _insert(books: sqlite3.Connection, row: tuple[Any, ...]) -> int:
    marks = ", ".join("?" for _ in FIELDS)
    found: int = books.execute(
        f"INSERT INTO credits ({', '.join(FIELDS)}, status) VALUES ({marks}, 'waiting')"
        " RETURNING id",
        row,
    ).fetchone()[0]
    return found


# --- random traffic ----------------------------------------------------------------------------


def draw_traffic(books: sqlite3.Connection, seed: int, today: datetime.date, days: BankDays) -> int:
    """Enters each account's random payments of every bank day up to today; returns how many.

    A day's payments follow from the seed, the account and the day alone.
    """
    drawn = 0
    accounts = books.execute(
        "SELECT * FROM accounts WHERE traffic > 0 AND traffic_until < ? ORDER BY number",
        (today.isoformat(),),
    ).fetchall()
    for account in accounts:
        day = datetime.date.fromisoformat(account["traffic_until"])
        while day < today:
            day += datetime.timedelta(days=1)
            if days.is_open(day):
                for row in _day(account, seed, day):
                    _insert(books, row)
                    drawn += 1
        books.execute(
            "UPDATE accounts SET traffic_until = ? WHERE number = ?",
            (today.isoformat(), account["number"]),
        )
    return drawn


def _day(account: sqlite3.Row, seed: int, day: datetime.date) -> list[tuple[Any, ...]]:
    chance = random.Random(f"{seed}/{account['number']}/{day}")  # noqa: S311 - play money
    rows = []
    for place in range(account["traffic"]):
        has_kid = chance.random() < 0.8
        digits = "".join(str(chance.randrange(10)) for _ in range(chance.randint(3, 12)))
        rows.append(
            (
                account["number"],
                "incoming",
                "in",
                chance.randint(1_00, 50_000_00),
                account["currency"],
                day.isoformat(),
                "10" if has_kid else "21",
                numbers.with_check_digit(digits) if has_kid else "",
                "" if has_kid else f"Takk for sist {digits}",
                chance.choice(PAYERS),
                _some_account(chance),
                f"IN-{day:%y%m%d}-{place}",
            )
        )
    return rows


def _some_account(chance: random.Random) -> str:
    while True:
        ten = f"9710{chance.randrange(10**6):06d}"
        found = next((f"{ten}{d}" for d in range(10) if numbers.account_fits(f"{ten}{d}")), "")
        if found:
            return found


# --- what comes back ---------------------------------------------------------------------------


def give_back(
    books: sqlite3.Connection, posting: sqlite3.Row, how: str, reason: str, day: datetime.date
) -> int:
    """Lets a paid transfer's money come back that day; once only, else sqlite3.IntegrityError."""
    found: int = books.execute(
        "INSERT INTO credits (account, kind, direction, amount, currency, booked_date, type, kid,"
        " message, payer_name, payer_account, end_to_end_id, posting_id, reason, status)"
        " VALUES (?, ?, 'in', ?, ?, ?, '10', '', '', ?, ?, ?, ?, ?, 'waiting') RETURNING id",
        (
            posting["account"],
            "return" if how == "credit" else "reversal",
            posting["amount"],
            posting["currency"],
            day.isoformat(),
            posting["creditor_name"],
            posting["creditor_account"],
            posting["end_to_end_id"],
            posting["id"],
            reason,
        ),
    ).fetchone()[0]
    return found


def scripted_returns(
    books: sqlite3.Connection,
    advice_id: int,
    scripts: Scripts,
    now: datetime.datetime,
    days: BankDays,
) -> None:
    """Enters what scripts let come back of the debits of one round."""
    if not scripts.has("give_back"):
        return
    rows = books.execute(
        "SELECT s.*, t.end_to_end_id, t.creditor_name, t.creditor_account, p.payment,"
        " p.customer_number FROM postings s JOIN transfers t ON t.id = s.transfer_id"
        " JOIN payments p ON p.id = s.payment_id WHERE s.advised_in = ? ORDER BY s.id",
        (advice_id,),
    ).fetchall()
    for row in rows:
        how = scripts.value(
            "give_back",
            customer=row["customer_number"],
            account=row["account"],
            payment=row["payment"],
            line=row["end_to_end_id"],
        )
        if how is not None:
            give_back(books, row, str(how), RETURN_REASON, days.following(now.date()))


def posting_of(books: sqlite3.Connection, asked: dict[str, str]) -> sqlite3.Row:
    """The posting of one paid line, by customer, payment and line (EndToEndId)."""
    row: sqlite3.Row | None = books.execute(
        "SELECT s.*, t.end_to_end_id, t.creditor_name, t.creditor_account"
        " FROM postings s JOIN transfers t ON t.id = s.transfer_id"
        " JOIN payments p ON p.id = s.payment_id"
        " WHERE p.customer_number = ? AND p.payment = ? AND t.end_to_end_id = ?",
        (asked.get("customer"), asked.get("payment"), asked.get("line")),
    ).fetchone()
    if row is None:
        raise IncomingRefusedError("no such line has been paid; give customer, payment and line")
    return row


# --- booking -----------------------------------------------------------------------------------


def book_due(books: sqlite3.Connection, today: datetime.date) -> dict[str, list[int]]:
    """Books what is due in the caller's transaction; returns the ids per account."""
    due = books.execute(
        "SELECT id, account, direction, amount FROM credits WHERE status = 'waiting'"
        " AND booked_date <= ? ORDER BY booked_date, id",
        (today.isoformat(),),
    ).fetchall()
    booked: dict[str, list[int]] = defaultdict(list)
    for row in due:
        sign = 1 if row["direction"] == "in" else -1
        books.execute(
            "UPDATE accounts SET balance = balance + ? WHERE number = ?",
            (sign * row["amount"], row["account"]),
        )
        books.execute(
            "UPDATE credits SET status = 'booked', bank_reference = ? WHERE id = ?",
            (f"KC{row['id']:012d}", row["id"]),
        )
        booked[row["account"]].append(row["id"])
    return booked


def told_in(books: sqlite3.Connection, ids: list[int], where: str) -> list[int]:
    """Of these credits, those that are told in an OCR giro file, or in an advice."""
    rows = books.execute(
        "SELECT c.id FROM credits c JOIN accounts a ON a.number = c.account"
        f" WHERE c.id IN (SELECT value FROM json_each(?)) AND {where} ORDER BY c.id",
        (json.dumps(ids),),
    )
    return [row[0] for row in rows]
