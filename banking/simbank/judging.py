"""Holds the bank's rules on an uploaded file and enters it; must not debit or write messages."""

import datetime
import itertools
import json
import re
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from . import books as ledger
from . import numbers, orders, remittance
from .scripts import Scripts

ROWS_PER_INSERT = 2000
OLDEST_DAYS = 5
FURTHEST_DAYS = 366
MOST_DOCUMENTS = 25
HIGHEST_AMOUNT = 10**15


BIC_SHAPE = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
REFUSALS = ("refuse_file", "refuse_payment", "refuse_line")
SCRIPTED = "Refused as scripted"


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
    kind: str
    upload_name: str
    today: datetime.date
    scripts: Scripts
    is_scripted: bool
    payees: dict[str, sqlite3.Row]
    currencies: frozenset[str]
    header: orders.Header | None = None
    customer: sqlite3.Row | None = None
    payment: orders.Payment | None = None
    payment_id: int = 0
    references: set[str] = field(default_factory=set)
    count: int = 0
    total: Decimal = Decimal(0)
    waiting: list[tuple[Any, ...]] = field(default_factory=list)


def enter(
    books: sqlite3.Connection,
    file: sqlite3.Row,
    path: Path,
    today: datetime.date,
    scripts: Scripts,
) -> None:
    """Reads a taken file into the books inside the caller's transaction; all rows or none."""
    reading = Reading(
        file_id=file["id"],
        channel=file["channel"],
        kind=file["kind"],
        upload_name=file["upload_name"],
        today=today,
        scripts=scripts,
        is_scripted=scripts.has(*REFUSALS, "park"),
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
    source = remittance.read(path) if reading.kind == "nets" else orders.read(path)
    for item in source:
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
        "SELECT name FROM files WHERE channel = ? AND msg_id = ? AND id <> ? AND code <> 'FF01'"
        " AND kind = ?",
        (reading.channel, header.msg_id, reading.file_id, reading.kind),
    ).fetchone()
    if seen is not None:
        raise RefusedError("DU01", f"MsgId {header.msg_id} was received before")
    customer, code, text = identified(
        books, reading.channel, header.customer_number, header.agreement_id, reading.kind
    )
    if customer is None:
        raise RefusedError(code, text)
    reading.customer = customer
    header = reading.header = replace(header, customer_number=customer["customer_number"])
    scripted = _scripted(reading, "refuse_file")
    if scripted:
        raise RefusedError(*scripted)
    if reading.kind == "nets":
        return  # the old format names no approvers; the channel's key stands for them
    for person in header.approvers:
        known = books.execute(
            "SELECT 1 FROM people WHERE customer_number = ? AND person_id = ?",
            (header.customer_number, person),
        ).fetchone()
        if known is None:
            raise RefusedError("DS0G", f"Unknown signer {person}")
    required = customer["approvers_required"]
    if len(set(header.approvers)) < required:
        raise RefusedError(
            "DS0A",
            f"{required} approvers are registered at the bank,"
            f" the file names {len(set(header.approvers))}",
        )


def identified(
    books: sqlite3.Connection, channel: str, customer_number: str, agreement_id: str, kind: str
) -> tuple[sqlite3.Row | None, str, str]:
    """The customer whom a message names and whose agreement is open; else why there is none.

    The old format names the agreement alone.
    """
    if kind == "nets":
        where, values = "agreement_id = ? AND format = 'nets'", (agreement_id,)
    else:
        where, values = "customer_number = ?", (customer_number,)
    row: sqlite3.Row | None = books.execute(
        f"SELECT * FROM customers WHERE channel = ? AND {where}", (channel, *values)
    ).fetchone()
    if row is None:
        return None, "BE06", f"Unknown customer {customer_number or agreement_id!r}"
    if row["agreement_id"] != agreement_id:
        return None, "BE06", f"Unknown agreement {agreement_id!r}"
    if not row["active"]:
        return None, "BE06", f"Agreement {agreement_id} is not active"
    if kind == "pain001" and row["format"] == "nets":
        return None, "AG01", f"Agreement {agreement_id} is for the old format"
    return row, "", ""


def _scripted(
    reading: Reading, what: str, **where: str | Collection[str]
) -> tuple[str, str] | None:
    """The code and sentence of a scripted refusal; a value is a code, or "CODE sentence"."""
    if not reading.is_scripted:
        return None
    assert reading.header is not None
    value = reading.scripts.value(
        what,
        channel=reading.channel,
        customer=reading.header.customer_number,
        account=reading.payment.debit_account if reading.payment else "",
        file={reading.header.msg_id, reading.upload_name},
        **where,
    )
    if value is None:
        return None
    code, _, text = str(value).partition(" ")
    return code, text or SCRIPTED


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
    reading.payment = item
    code, text, park = _payment_fault(books, reading, item)
    assert reading.header is not None
    reading.payment_id = books.execute(
        "INSERT INTO payments (file_id, payment, customer_number, debit_account,"
        " requested_date, batch_booked, salary, urgent, park, status, code, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            reading.file_id,
            item.payment,
            reading.header.customer_number,
            item.debit_account,
            item.requested_date,
            int(item.batch_booked),
            int(item.salary),
            int(item.urgent),
            int(park),
            "rejected" if code else "received",
            code,
            text,
        ),
    ).fetchone()[0]


def _payment_fault(
    books: sqlite3.Connection, reading: Reading, item: orders.Payment
) -> tuple[str, str, bool]:
    """The code and sentence of what is wrong, and whether it must wait for the net bank."""
    header, customer = reading.header, reading.customer
    assert header is not None
    assert customer is not None
    if not item.payment or len(item.payment) > 35:
        raise orders.UnreadableError("PmtInfId must have 1 to 35 characters", header.msg_id)
    account = books.execute(
        "SELECT 1 FROM accounts WHERE number = ? AND customer_number = ?",
        (item.debit_account, header.customer_number),
    ).fetchone()
    if account is None:
        return "AC02", f"Debit account {item.debit_account} is not tied to the customer", False
    park = bool(customer["net_bank_approval"])
    if reading.kind != "nets" and not _may_debit(books, reading, item):
        if customer["unauthorised"] == "rejects":
            text = f"The approver has no authority on account {item.debit_account}"
            return "DS0H", text, False
        park = True
    used = books.execute(
        "SELECT 1 FROM payments WHERE customer_number = ? AND payment = ? AND status <> 'rejected'",
        (header.customer_number, item.payment),
    ).fetchone()
    if used is not None:
        return "DU02", f"PmtInfId {item.payment} was used before", False
    try:
        requested = datetime.date.fromisoformat(item.requested_date)
    except ValueError:
        return "DT01", f"Execution date {item.requested_date!r} is not a date", False
    if not -OLDEST_DAYS <= (requested - reading.today).days <= FURTHEST_DAYS:
        return "DT01", f"Execution date {item.requested_date} is out of range", False
    has = {f"date={item.requested_date}"}
    scripted = _scripted(reading, "refuse_payment", payment=item.payment, has=has)
    if scripted:
        return *scripted, False
    return "", "", park or _scripted(reading, "park", payment=item.payment) is not None


def _may_debit(books: sqlite3.Connection, reading: Reading, item: orders.Payment) -> bool:
    """Whether as many of the signers as the bank asks for hold authority on the account."""
    assert reading.header is not None
    assert reading.customer is not None
    held = books.execute(
        "SELECT person_id FROM authorities WHERE account = ?", (item.debit_account,)
    )
    signers = set(reading.header.approvers) & {row[0] for row in held}
    return len(signers) >= reading.customer["approvers_required"]


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
    if not item.creditor_name and reading.kind != "nets":
        return "BE22", "The creditor has no name"
    if item.creditor_bank and not BIC_SHAPE.fullmatch(item.creditor_bank):
        return "RC01", f"BIC {item.creditor_bank[:20]} is malformed"
    if not domestic and not item.has_address:
        return "BE04", "The town and country of a creditor abroad are needed"
    payee = reading.payees.get(domestic)
    if payee is not None and payee["closed"]:
        return "AC04", f"Creditor account {domestic} is closed"
    if item.documents > MOST_DOCUMENTS:
        return "RR07", f"More than {MOST_DOCUMENTS} structured documents"
    if domestic:
        code, text = _kid_fault(item.kids, payee)
        if code:
            return code, text
    if not reading.is_scripted:
        return "", ""
    assert reading.payment is not None
    where = {"payment": reading.payment.payment, "line": item.end_to_end_id}
    return _scripted(reading, "refuse_line", **where, has=_facts(item)) or ("", "")


def _facts(item: orders.Transfer) -> set[str]:
    """What a script may ask of a transaction, as name=value; what it does not have is empty."""
    kid = item.kids[0] if item.kids else ""
    return {
        f"payee={item.creditor_account}",
        f"name={item.creditor_name}",
        f"town={item.town}",
        f"kid={kid}",
        f"message={item.message}",
        f"amount={item.amount}",
        f"currency={item.currency}",
        f"bic={item.creditor_bank}",
        f"documents={item.documents}",
    }


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


def first_free_name(name: str, taken: set[str]) -> str:
    """X, else X.1, X.2 …: the bank never overwrites what it has archived."""
    tries = itertools.chain([name], (f"{name}.{count}" for count in itertools.count(1)))
    return next(candidate for candidate in tries if candidate not in taken)
