"""Holds the debiting of accounts on the execution date; must not read or write any message."""

import datetime
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from .clock import BankDays
from .scripts import Scripts

PENDING_HOURS = 2


@dataclass(slots=True)
class Result:
    """One booking run: postings per customer, refusals per file, all by row id."""

    booked: dict[str, list[tuple[int, int, str, int, str, str, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    refused: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    pending: int = 0


@dataclass(slots=True)
class _Account:
    number: str
    currency: str
    balance: int


def book_due(
    books: sqlite3.Connection, now: datetime.datetime, days: BankDays, scripts: Scripts
) -> Result:
    """Works out what to book, in order of date and position; the caller keeps the result.

    Balances and statuses are written here, postings by `post`, in the caller's one transaction.
    Where `late_am04` is scripted, lines without cover wait for some hours before they are refused.
    """
    result = Result()
    accounts: dict[str, _Account] = {}
    rates = {row[0]: Decimal(row[1]) for row in books.execute("SELECT currency, nok FROM rates")}
    due = books.execute(
        "SELECT p.*, f.channel, f.msg_id, f.upload_name FROM payments p"
        " JOIN files f ON f.id = p.file_id WHERE p.status = 'accepted' AND p.booking_date <= ?"
        " ORDER BY p.booking_date, p.id",
        (now.date().isoformat(),),
    ).fetchall()
    for payment in due:
        number = payment["debit_account"]
        if number not in accounts:
            row = books.execute("SELECT * FROM accounts WHERE number = ?", (number,)).fetchone()
            accounts[number] = _Account(number, row["currency"], row["balance"])
        _book_payment(books, payment, accounts[number], rates, now, days, scripts, result)
    books.executemany(
        "UPDATE accounts SET balance = ? WHERE number = ?",
        [(account.balance, account.number) for account in accounts.values()],
    )
    return result


def _book_payment(
    books: sqlite3.Connection,
    payment: sqlite3.Row,
    account: _Account,
    rates: dict[str, Decimal],
    now: datetime.datetime,
    days: BankDays,
    scripts: Scripts,
    result: Result,
) -> None:
    booked, refused, waiting = [], [], []
    open_lines = books.execute(
        "SELECT id, amount, currency, status, pending_since FROM transfers WHERE payment_id = ?"
        " AND status IN ('accepted', 'pending') ORDER BY id",
        (payment["id"],),
    ).fetchall()
    left = len(open_lines)
    patient: bool | None = None
    for line in open_lines:
        pending = line["status"] == "pending"
        amount, rate = _debit(line["amount"], line["currency"], account.currency, rates)
        covered = amount <= account.balance
        if covered and (not pending or days.is_open(now.date())):
            account.balance -= amount
            day = now.date().isoformat() if pending else payment["booking_date"]
            booked.append((line["id"],))
            result.booked[payment["customer_number"]].append(
                (line["id"], payment["id"], account.number, amount, account.currency, rate, day)
            )
        elif pending and (covered or _is_fresh(line["pending_since"], now)):
            continue
        elif not pending and (patient := _is_patient(payment, scripts, patient)):
            waiting.append((now.isoformat(), line["id"]))
        else:
            refused.append((line["id"],))
            result.refused[payment["file_id"]].append(line["id"])
    result.pending += len(waiting)
    books.executemany("UPDATE transfers SET status = 'booked' WHERE id = ?", booked)
    books.executemany(
        "UPDATE transfers SET status = 'pending', pending_since = ? WHERE id = ?", waiting
    )
    books.executemany(
        "UPDATE transfers SET status = 'rejected', code = 'AM04',"
        " text = 'No cover on the debit account' WHERE id = ?",
        refused,
    )
    if left == len(booked) + len(refused):
        books.execute("UPDATE payments SET status = 'done' WHERE id = ?", (payment["id"],))


def _is_patient(payment: sqlite3.Row, scripts: Scripts, known: bool | None) -> bool:
    """Asked once for a payment, and only where cover is lacking, since scripts may be used up."""
    if known is not None:
        return known
    value = scripts.value(
        "late_am04",
        channel=payment["channel"],
        customer=payment["customer_number"],
        account=payment["debit_account"],
        file={payment["msg_id"], payment["upload_name"]},
    )
    return value is not None


def _is_fresh(pending_since: str, now: datetime.datetime) -> bool:
    waited = now - datetime.datetime.fromisoformat(pending_since)
    return waited < datetime.timedelta(hours=PENDING_HOURS)


def _debit(
    amount: int, currency: str, account_currency: str, rates: dict[str, Decimal]
) -> tuple[int, str]:
    """The amount in the account's currency, and the rate used ("" when none was needed)."""
    if currency == account_currency:
        return amount, ""
    rate = (rates[currency] / rates[account_currency]).quantize(Decimal("0.000001"))
    return max(1, int((amount * rate).to_integral_value(ROUND_HALF_UP))), str(rate)


def post(
    books: sqlite3.Connection,
    rows: list[tuple[int, int, str, int, str, str, str]],
    advice_id: int,
) -> None:
    """Writes the ledger rows; a transfer that was posted before breaks the whole run."""
    last = books.execute("SELECT COALESCE(MAX(id), 0) FROM postings").fetchone()[0]
    books.executemany(
        "INSERT INTO postings (transfer_id, payment_id, account, amount, currency, rate,"
        " booked_date, bank_reference, advised_in) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*row, f"KB{place:012d}", advice_id) for place, row in enumerate(rows, start=last + 1)],
    )
