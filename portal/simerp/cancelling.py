"""Cancelling a payment: in the books alone before upload, else by asking the portal."""

import json
import sqlite3
from typing import Any

from portal.simerp import books, companies, door, lines

CONTENT_TYPE = "application/json"


class UnknownPayment(books.Impossible):
    """The company has no payment with that number."""

    status = 404


class OutcomeUnknown(books.Impossible):
    """The payment lies in an upload whose answer is not known; send again first."""

    status = 409


class NotCancelled(books.Impossible):
    """The portal refused or could not be reached; the text says which."""

    status = 409


def cancel(
    db: sqlite3.Connection,
    *,
    company: str,
    number: str,
    reason: str,
    references: list[str] | None,
    portal: door.Door,
) -> dict[str, Any]:
    """Cancel; after upload the lines are freed by the portal's events, never by its answer."""
    if not reason:
        raise companies.Unusable("reason mangler: en oppheving må begrunnes.")
    with books.transaction(db):
        books.company_row(db, company=company)
        payment = db.execute(
            "SELECT payment.id, upload.state FROM payment LEFT JOIN upload"
            " ON upload.id = payment.upload WHERE payment.company = ? AND payment.number = ?",
            (company, number),
        ).fetchone()
        if payment is None:
            raise UnknownPayment(f"Betaling {number} finnes ikke.")
        if payment["state"] == "open":
            raise OutcomeUnknown(
                f"Sendingen av {number} er ubesvart; send til Kvitt på nytt først."
            )
        if payment["state"] is None:
            return _drop(db, payment=payment["id"], number=number, reason=reason)
    body: dict[str, Any] = {"reason": reason}
    if references:
        body["references"] = references
    try:
        answer = portal.post(
            f"payments/{number}/cancel",
            body=json.dumps(body, ensure_ascii=False).encode(),
            content_type=CONTENT_TYPE,
        )
        if answer.status not in (200, 202):  # 202: the bank is asked, and an event tells what came
            raise NotCancelled(answer.problem() or f"Kvitt svarte {answer.status}.")
        told = answer.document()
        return {
            "number": number,
            "cancelled": told.get("cancelled"),
            "asked": told.get("asked", 0),
            "local": False,
        }
    except door.NoAnswer as error:
        raise NotCancelled(str(error)) from error


def _drop(db: sqlite3.Connection, *, payment: int, number: str, reason: str) -> dict[str, Any]:
    """Cancel a proposal that the portal has never seen; whole, since nothing was sent."""
    dropped = db.execute(
        "SELECT id FROM line WHERE payment = ? AND erp_code = 1", (payment,)
    ).fetchall()
    for line in dropped:
        lines.tell(
            db,
            line=line["id"],
            status="cancelled",
            status_text="Opphevet",
            reasons=[{"text": reason}],
        )
        lines.finish(db, line=line["id"], code=lines.CANCELLED)
    lines.refresh(db, payment=payment)
    return {"number": number, "cancelled": len(dropped), "local": True}
