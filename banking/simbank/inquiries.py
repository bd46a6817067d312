"""Holds the bank's answers to requests: cancelling payments, and telling an account's balance."""

import datetime
import sqlite3
from pathlib import Path
from typing import Any

from . import judging, outgoing, requests
from .orders import UnreadableError

ACCEPTED, REFUSED, PARTLY = "ACCR", "RJCR", "PACR"
UNKNOWN = ("NOOR", "No such payment was received, or it was refused")
TOO_LATE = ("PTNA", "The payment has been carried out")
ALREADY = ("ARDT", "The payment was cancelled before")
ANSWERS = {"01": "camt.029.001.03"}
ADMI = "admi.002.001.01"
REPORT = "camt.052.001.08"


def cancel(
    books: sqlite3.Connection, file: sqlite3.Row, path: Path, now: datetime.datetime
) -> None:
    """Carries out a camt.055 in the caller's transaction and queues its camt.029.

    What is not booked is cancelled: whole payments, or single lines of them.
    """
    try:
        asked = requests.read_cancellation(path)
    except UnreadableError as fault:
        _refuse(books, file, now, "", "FF01", fault.text)
        return
    customer, code, text = _asker(books, file, asked, asked.request)
    if customer is None:
        _refuse(books, file, now, asked.request, code, text)
        return
    groups = [_group(books, customer["customer_number"], group) for group in asked.groups]
    statuses = {payment["status"] for group in groups for payment in group["payments"]}
    statuses |= {group["status"] for group in groups if not group["payments"]}
    confirmation = {frozenset({ACCEPTED}): "CNCL", frozenset({REFUSED}): "RJCR"}
    _keep(books, file, "answered", asked.request, customer["customer_number"])
    outgoing.queue(
        books,
        kind="camt029",
        channel=file["channel"],
        customer_number=customer["customer_number"],
        version=ANSWERS.get(asked.version, "camt.029.001.09"),
        now=now,
        told={
            "request": asked.request,
            "confirmation": confirmation.get(frozenset(statuses), "PECR"),
            "groups": groups,
        },
    )


def _group(
    books: sqlite3.Connection, customer_number: str, asked: requests.CancelledGroup
) -> dict[str, Any]:
    found: dict[str, Any] = {"msg_id": asked.msg_id, "message_name": asked.message_name}
    file = books.execute(
        "SELECT * FROM files WHERE msg_id = ? AND customer_number = ? AND kind = 'pain001'"
        " AND status = 'answered'",
        (asked.msg_id, customer_number),
    ).fetchone()
    if file is None:
        return found | {"status": REFUSED, "code": UNKNOWN[0], "text": UNKNOWN[1], "payments": []}
    payments = asked.payments or tuple(
        requests.CancelledPayment(row[0], ())
        for row in books.execute(
            "SELECT payment FROM payments WHERE file_id = ? ORDER BY id", (file["id"],)
        )
    )
    return found | {"payments": [_payment(books, file["id"], payment) for payment in payments]}


def _payment(
    books: sqlite3.Connection, file_id: int, asked: requests.CancelledPayment
) -> dict[str, Any]:
    row = books.execute(
        "SELECT * FROM payments WHERE file_id = ? AND payment = ?", (file_id, asked.payment)
    ).fetchone()
    if row is None:
        return _said(asked.payment, REFUSED, *UNKNOWN)
    if asked.lines:
        lines = [_line(books, row["id"], *line) for line in asked.lines]
    else:
        every = books.execute(
            "SELECT instruction_id, end_to_end_id FROM transfers WHERE payment_id = ? ORDER BY id",
            (row["id"],),
        ).fetchall()
        lines = [_line(books, row["id"], *line) for line in every]
    left = books.execute(
        "SELECT COUNT(*) FROM transfers WHERE payment_id = ?"
        " AND status IN ('accepted', 'parked', 'pending')",
        (row["id"],),
    ).fetchone()[0]
    statuses = {line["status"] for line in lines}
    if not left and ACCEPTED in statuses:
        books.execute("UPDATE payments SET status = 'cancelled' WHERE id = ?", (row["id"],))
    if statuses == {ACCEPTED}:
        status = ACCEPTED if not left else PARTLY
    else:
        status = REFUSED if statuses == {REFUSED} else PARTLY
    return _said(asked.payment, status, "", "") | {"lines": lines}


def _said(payment: str, status: str, code: str, text: str) -> dict[str, Any]:
    return {"payment": payment, "status": status, "code": code, "text": text, "lines": []}


def _line(
    books: sqlite3.Connection, payment_id: int, instruction_id: str, end_to_end_id: str
) -> dict[str, str]:
    row = books.execute(
        "SELECT id, status, instruction_id, end_to_end_id FROM transfers WHERE payment_id = ?"
        " AND end_to_end_id = ? AND (instruction_id = ? OR ? = '')",
        (payment_id, end_to_end_id, instruction_id, instruction_id),
    ).fetchone()
    said = {"instruction_id": instruction_id, "end_to_end_id": end_to_end_id}
    if row is None or row["status"] == "rejected":
        return said | {"status": REFUSED, "code": UNKNOWN[0], "text": UNKNOWN[1]}
    if row["status"] in ("booked", "cancelled"):
        code, text = TOO_LATE if row["status"] == "booked" else ALREADY
        return said | {"status": REFUSED, "code": code, "text": text}
    books.execute("UPDATE transfers SET status = 'cancelled' WHERE id = ?", (row["id"],))
    return said | {"status": ACCEPTED, "code": "", "text": ""}


# --- the account's balance -----------------------------------------------------------------------


def report(
    books: sqlite3.Connection, file: sqlite3.Row, path: Path, now: datetime.datetime
) -> None:
    """Answers a camt.060 in the caller's transaction: a camt.052, or an admi.002 with a code.

    BE06 customer or agreement unknown, AG01 agreement not active, AC02 account not the customer's.
    """
    try:
        asked = requests.read_report_request(path)
    except UnreadableError as fault:
        _refuse(books, file, now, "", "FF01", fault.text)
        return
    customer, code, text = _asker(books, file, asked, asked.msg_id)
    if customer is None:
        _refuse(books, file, now, asked.msg_id, "AG01" if "not active" in text else code, text)
        return
    account = books.execute(
        "SELECT * FROM accounts WHERE number = ? AND customer_number = ?",
        (asked.account, customer["customer_number"]),
    ).fetchone()
    if account is None:
        text = f"Account {asked.account} is not tied to the customer"
        _refuse(books, file, now, asked.msg_id, "AC02", text)
        return
    _keep(books, file, "answered", asked.msg_id, customer["customer_number"])
    outgoing.queue(
        books,
        kind="camt052",
        channel=file["channel"],
        customer_number=customer["customer_number"],
        version=REPORT,
        now=now,
        told={
            "msg_id": asked.msg_id,
            "account": account["number"],
            "currency": account["currency"],
            "balance": account["balance"],
        },
    )


def _asker(
    books: sqlite3.Connection,
    file: sqlite3.Row,
    asked: requests.Cancellation | requests.ReportRequest,
    msg_id: str,
) -> tuple[sqlite3.Row | None, str, str]:
    """The customer who asks, for the first time under this id; else why nothing is answered."""
    seen = books.execute(
        "SELECT 1 FROM files WHERE channel = ? AND kind = ? AND msg_id = ? AND id <> ?",
        (file["channel"], file["kind"], msg_id, file["id"]),
    ).fetchone()
    if seen is not None:
        return None, "DU01", f"{msg_id} was received before"
    return judging.identified(
        books, file["channel"], asked.customer_number, asked.agreement_id, file["kind"]
    )


def _refuse(
    books: sqlite3.Connection,
    file: sqlite3.Row,
    now: datetime.datetime,
    msg_id: str,
    code: str,
    text: str,
) -> None:
    _keep(books, file, "refused", msg_id, "", code, text)
    outgoing.queue(
        books,
        kind="admi002",
        channel=file["channel"],
        customer_number="",
        version=ADMI,
        now=now,
        code=code,
        text=text,
        told={"msg_id": msg_id},
    )


def _keep(
    books: sqlite3.Connection,
    file: sqlite3.Row,
    status: str,
    msg_id: str,
    customer_number: str,
    code: str = "",
    text: str = "",
) -> None:
    books.execute(
        "UPDATE files SET status = ?, msg_id = ?, customer_number = ?, code = ?, text = ?"
        " WHERE id = ?",
        (status, msg_id, customer_number, code, text, file["id"]),
    )
