"""Holds the bank's rules on an uploaded file and enters it; must not debit or write messages."""

import datetime
import itertools
import json
import sqlite3
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from . import books as ledger
from . import numbers, orders
from .clock import BankDays

ROWS_PER_INSERT = 2000
OLDEST_DAYS = 5
FURTHEST_DAYS = 366
MOST_DOCUMENTS = 25
HIGHEST_AMOUNT = 10**15


class RefusedError(Exception):
    """The file as a whole is refused: a code and a sentence."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text


@dataclass(slots=True)
class Reading:
    """What one pass over a file has found so far."""

    file_id: int
    channel: str
    today: datetime.date
    payees: dict[str, sqlite3.Row]
    currencies: frozenset[str]
    header: orders.Header | None = None
    approvers_required: int = 1
    payment_id: int = 0
    references: set[str] = field(default_factory=set)
    count: int = 0
    total: Decimal = Decimal(0)
    waiting: list[tuple[Any, ...]] = field(default_factory=list)


def enter(books: sqlite3.Connection, file: sqlite3.Row, path: Path, today: datetime.date) -> None:
    """Reads a taken file into the books inside the caller's transaction; all rows or none."""
    reading = Reading(
        file_id=file["id"],
        channel=file["channel"],
        today=today,
        payees={row["account"]: row for row in books.execute("SELECT * FROM payees")},
        currencies=frozenset(row[0] for row in books.execute("SELECT currency FROM rates")),
    )
    books.execute("SAVEPOINT reading")
    try:
        _enter_all(books, reading, path)
    except orders.UnreadableError as fault:
        refusal = RefusedError("FF01", fault.text)
        _refuse(books, reading, refusal, fault.msg_id)
    except RefusedError as refusal:
        msg_id = reading.header.msg_id if reading.header else ""
        _refuse(books, reading, refusal, msg_id)
    else:
        _keep_header(books, reading, "read", "", "")
    books.execute("RELEASE reading")


def _refuse(
    books: sqlite3.Connection, reading: Reading, refusal: RefusedError, msg_id: str
) -> None:
    books.execute("ROLLBACK TO reading")
    _keep_header(books, reading, "refused", refusal.code, refusal.text)
    books.execute("UPDATE files SET msg_id = ? WHERE id = ?", (msg_id, reading.file_id))


def _keep_header(
    books: sqlite3.Connection, reading: Reading, status: str, code: str, text: str
) -> None:
    header = reading.header
    books.execute(
        "UPDATE files SET status = ?, code = ?, text = ?, msg_id = ?, message_name = ?,"
        " customer_number = ?, approvers = ?, transactions = ?, control_sum = ? WHERE id = ?",
        (
            status,
            code,
            text,
            header.msg_id if header else "",
            header.message_name if header else "",
            header.customer_number if header else "",
            json.dumps(header.approvers if header else []),
            reading.count,
            str(reading.total),
            reading.file_id,
        ),
    )


def _enter_all(books: sqlite3.Connection, reading: Reading, path: Path) -> None:
    for item in orders.read(path):
        if isinstance(item, orders.Transfer):
            reading.waiting.append(_transfer_row(reading, item))
            if len(reading.waiting) >= ROWS_PER_INSERT:
                _flush(books, reading)
        elif isinstance(item, orders.Payment):
            _enter_payment(books, reading, item)
        elif reading.header is not None:
            raise orders.UnreadableError("Two group headers", reading.header.msg_id)
        else:
            reading.header = item
            _check_header(books, reading, item)
    _flush(books, reading)
    _check_totals(reading)


def _flush(books: sqlite3.Connection, reading: Reading) -> None:
    books.executemany(
        "INSERT INTO transfers (file_id, payment_id, instruction_id, end_to_end_id, amount,"
        " currency, creditor_account, creditor_name, kid, message, status, code, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'received', ?, ?)",
        reading.waiting,
    )
    reading.waiting.clear()


# --- the file as a whole ---------------------------------------------------------------------


def _check_header(books: sqlite3.Connection, reading: Reading, header: orders.Header) -> None:
    if not header.msg_id or len(header.msg_id) > 35:
        raise RefusedError("FF01", "MsgId must have 1 to 35 characters")
    seen = books.execute(
        # A file that nobody could read never counted as that message.
        "SELECT name FROM files WHERE channel = ? AND msg_id = ? AND id <> ? AND code <> 'FF01'",
        (reading.channel, header.msg_id, reading.file_id),
    ).fetchone()
    if seen is not None:
        raise RefusedError("DU01", f"MsgId {header.msg_id} was received before")
    customer = books.execute(
        "SELECT * FROM customers WHERE customer_number = ? AND channel = ?",
        (header.customer_number, reading.channel),
    ).fetchone()
    if customer is None:
        raise RefusedError("BE06", f"Unknown customer {header.customer_number!r}")
    if customer["agreement_id"] != header.agreement_id:
        raise RefusedError("BE06", f"Unknown agreement {header.agreement_id!r}")
    if not customer["active"]:
        raise RefusedError("BE06", f"Agreement {header.agreement_id} is not active")
    for person in header.approvers:
        known = books.execute(
            "SELECT 1 FROM people WHERE customer_number = ? AND person_id = ?",
            (header.customer_number, person),
        ).fetchone()
        if known is None:
            raise RefusedError("DS0G", f"Unknown signer {person}")
    reading.approvers_required = customer["approvers_required"]
    if len(set(header.approvers)) < reading.approvers_required:
        raise RefusedError(
            "DS0A",
            f"{reading.approvers_required} approvers are registered at the bank,"
            f" the file names {len(set(header.approvers))}",
        )


def _check_totals(reading: Reading) -> None:
    header = reading.header
    assert header is not None
    if not header.transactions.isdecimal() or int(header.transactions) != reading.count:
        raise RefusedError("AM18", f"NbOfTxs {header.transactions}, counted {reading.count}")
    if header.control_sum:
        try:
            matches = Decimal(header.control_sum) == reading.total
        except InvalidOperation:
            matches = False
        if not matches:
            raise RefusedError("AM10", f"CtrlSum {header.control_sum}, summed {reading.total}")


# --- a payment -------------------------------------------------------------------------------


def _enter_payment(books: sqlite3.Connection, reading: Reading, item: orders.Payment) -> None:
    _flush(books, reading)
    reading.references.clear()
    code, text = _payment_fault(books, reading, item)
    assert reading.header is not None
    reading.payment_id = books.execute(
        "INSERT INTO payments (file_id, payment, customer_number, debit_account,"
        " requested_date, batch_booked, salary, status, code, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            reading.file_id,
            item.payment,
            reading.header.customer_number,
            item.debit_account,
            item.requested_date,
            int(item.batch_booked),
            int(item.salary),
            "rejected" if code else "received",
            code,
            text,
        ),
    ).fetchone()[0]


def _payment_fault(
    books: sqlite3.Connection, reading: Reading, item: orders.Payment
) -> tuple[str, str]:
    header = reading.header
    assert header is not None
    if not item.payment or len(item.payment) > 35:
        raise orders.UnreadableError("PmtInfId must have 1 to 35 characters", header.msg_id)
    account = books.execute(
        "SELECT 1 FROM accounts WHERE number = ? AND customer_number = ?",
        (item.debit_account, header.customer_number),
    ).fetchone()
    if account is None:
        return "AC02", f"Debit account {item.debit_account} is not tied to the customer"
    held = books.execute(
        "SELECT person_id FROM authorities WHERE account = ?", (item.debit_account,)
    )
    signers = set(header.approvers) & {row[0] for row in held}
    if len(signers) < reading.approvers_required:
        return "DS0H", f"The approver has no authority on account {item.debit_account}"
    used = books.execute(
        "SELECT 1 FROM payments WHERE customer_number = ? AND payment = ? AND status <> 'rejected'",
        (header.customer_number, item.payment),
    ).fetchone()
    if used is not None:
        return "DU02", f"PmtInfId {item.payment} was used before"
    try:
        requested = datetime.date.fromisoformat(item.requested_date)
    except ValueError:
        return "DT01", f"Execution date {item.requested_date!r} is not a date"
    if not -OLDEST_DAYS <= (requested - reading.today).days <= FURTHEST_DAYS:
        return "DT01", f"Execution date {item.requested_date} is out of range"
    return "", ""


# --- a transfer ------------------------------------------------------------------------------


def _transfer_row(reading: Reading, item: orders.Transfer) -> tuple[Any, ...]:
    reading.count += 1
    try:
        amount = Decimal(item.amount)
    except InvalidOperation:
        amount = Decimal("NaN")
    if amount.is_finite():
        reading.total += amount
    code, text = _transfer_fault(reading, item, amount)
    reading.references.add(item.end_to_end_id)
    cents = 0
    if code != "AM09":
        cents = ledger.minor_units(amount)
    return (
        reading.file_id,
        reading.payment_id,
        item.instruction_id[:35],
        item.end_to_end_id[:35],
        cents,
        item.currency,
        item.creditor_account,
        item.creditor_name,
        ",".join(item.kids),
        item.message,
        code,
        text,
    )


def _transfer_fault(reading: Reading, item: orders.Transfer, amount: Decimal) -> tuple[str, str]:
    if not amount.is_finite() or not 0 < amount < HIGHEST_AMOUNT or amount * 100 % 1:
        return "AM09", f"Amount {item.amount[:30]!r} cannot be paid"
    if item.currency not in reading.currencies:
        return "AM11", f"Currency {item.currency[:10]!r} is not traded"
    if not item.end_to_end_id or len(item.end_to_end_id) > 35:
        return "CH16", "EndToEndId must have 1 to 35 characters"
    if item.end_to_end_id in reading.references:
        return "DU04", f"EndToEndId {item.end_to_end_id[:35]} is repeated in the payment"
    if item.is_iban:
        fits = numbers.iban_fits(item.creditor_account)
        domestic = item.creditor_account[4:] if item.creditor_account.startswith("NO") else ""
    else:
        abroad = item.creditor_bank[4:6] not in ("", "NO")
        fits = numbers.account_fits(item.creditor_account) or (
            abroad and 0 < len(item.creditor_account) <= 34
        )
        domestic = "" if abroad else item.creditor_account
    if not fits:
        return "AC03", f"Creditor account {item.creditor_account[:34]} is not valid"
    payee = reading.payees.get(domestic)
    if payee is not None and payee["closed"]:
        return "AC04", f"Creditor account {domestic} is closed"
    if item.documents > MOST_DOCUMENTS:
        return "RR07", f"More than {MOST_DOCUMENTS} structured documents"
    return _kid_fault(item.kids, payee) if domestic else ("", "")


def _kid_fault(kids: tuple[str, ...], payee: sqlite3.Row | None) -> tuple[str, str]:
    rule = "optional" if payee is None else payee["kid"]
    modulus = "either" if payee is None else payee["modulus"]
    if rule == "required" and not kids:
        return "NARR", "KID required"
    if rule == "none" and kids:
        return "RR07", "Ugyldig KID: mottaker har ikke KID-avtale"
    if not all(numbers.kid_fits(kid, modulus) for kid in kids):
        return "RR07", "Ugyldig KID"
    return "", ""


# --- the verdict -----------------------------------------------------------------------------


def settle(
    books: sqlite3.Connection, file_id: int, days: BankDays, today: datetime.date, later: bool
) -> None:
    """Accepts or rejects each row of a read file and fixes booking dates.

    `later` moves every payment one bank day on, as a bank does that answers DT06.
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
        "SELECT id, requested_date, EXISTS (SELECT 1 FROM transfers WHERE payment_id ="
        " payments.id AND status = 'accepted') AS alive"
        " FROM payments WHERE file_id = ? AND status = 'received'",
        (file_id,),
    ).fetchall()
    for payment in waiting:
        requested = datetime.date.fromisoformat(payment["requested_date"])
        day = days.rolled(max(requested, today))
        if later:
            day = days.following(day)
        books.execute(
            "UPDATE payments SET status = ?, booking_date = ? WHERE id = ?",
            ("accepted" if payment["alive"] else "rejected", day.isoformat(), payment["id"]),
        )
    books.execute("UPDATE files SET status = 'answered' WHERE id = ?", (file_id,))


def first_free_name(name: str, taken: set[str]) -> str:
    """X, else X.1, X.2 …: the bank never overwrites what it has archived."""
    tries = itertools.chain([name], (f"{name}.{count}" for count in itertools.count(1)))
    return next(candidate for candidate in tries if candidate not in taken)
