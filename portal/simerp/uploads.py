"""Uploading proposals: fixed bytes and key first, then sending, then the answer; no file format."""

import datetime
import hashlib
import json
import sqlite3
import uuid
from dataclasses import dataclass
from typing import Any

from portal.simerp import books, door, jsonfile, lines, orders, pain001

# With these the portal has judged the content itself: nothing of it was stored.
CONTENT_REFUSED = (400, 413, 415, 422)
# With these it did not look at the content; an earlier sending may still have been stored.
SENDER_REFUSED = (401, 403)
DONE = (200, 201)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one sending went: "answered", "refused", or "open" when the answer is not known."""

    state: str
    key: str
    numbers: list[str]
    http_status: int | None
    problem: str
    payments: list[dict[str, Any]]


def upload(
    db: sqlite3.Connection, *, company: str, portal: door.Door, code: str = ""
) -> list[Outcome]:
    """Send again what has no answer yet, then all new proposals in one upload."""
    row = books.company_row(db, company=company)
    outcomes: list[Outcome] = []
    waiting = _open_upload(db, company=company)
    if waiting is not None:
        outcomes.append(_send(db, company=company, upload=waiting, portal=portal, code=code))
        # Nothing new goes out while an older sending is in doubt.
        if outcomes[-1].state != "answered":
            return outcomes
    new = _compose(db, company=row)
    if new is not None:
        outcomes.append(_send(db, company=company, upload=new, portal=portal, code=code))
    return outcomes


def _open_upload(db: sqlite3.Connection, *, company: str) -> int | None:
    row = db.execute(
        "SELECT id FROM upload WHERE company = ? AND state = 'open'", (company,)
    ).fetchone()
    return None if row is None else int(row["id"])


def _compose(db: sqlite3.Connection, *, company: sqlite3.Row) -> int | None:
    """Fix bytes and key for all waiting proposals in one transaction, before anything is sent."""
    with books.transaction(db):
        payments = orders.waiting(db, company=company)
        if not payments:
            return None
        key = uuid.uuid4()
        if company["format"] == "json":
            content_type, body = jsonfile.CONTENT_TYPE, jsonfile.write(payments=payments)
        else:
            content_type = pain001.CONTENT_TYPE
            body = pain001.write(
                version=company["format"],
                message_id=key.hex,
                made_at=datetime.datetime.now(datetime.UTC),
                initiator=company["name"],
                payments=payments,
            )
        upload = db.execute(
            "INSERT INTO upload (company, key, content_type, body, sha256) VALUES (?, ?, ?, ?, ?)",
            (company["public_id"], str(key), content_type, body, hashlib.sha256(body).hexdigest()),
        ).lastrowid
        db.executemany(
            "UPDATE payment SET upload = ? WHERE number = ?",
            [(upload, payment.number) for payment in payments],
        )
    return upload


def _send(
    db: sqlite3.Connection, *, company: str, upload: int, portal: door.Door, code: str
) -> Outcome:
    with books.transaction(db):
        row = db.execute(
            "UPDATE upload SET sends = sends + 1, unanswered = unanswered + 1 WHERE id = ?"
            " RETURNING *",
            (upload,),
        ).fetchone()
        numbers = _numbers(db, upload=upload)
    reply = _ask(portal, upload=row, numbers=numbers, code=code)
    with books.transaction(db):
        state = _keep(db, upload=upload, reply=reply)
        problem = "" if state == "answered" else reply.problem
        books.keep_upload_error(db, company=company, text=problem)
    return Outcome(
        state=state,
        key=row["key"],
        numbers=numbers,
        http_status=reply.status,
        problem=problem,
        payments=[] if reply.document is None else reply.document["payments"],
    )


@dataclass(frozen=True, kw_only=True)
class _Reply:
    """What one sending brought: a document when it went well, `refused` with a problem+json."""

    status: int | None = None
    document: dict[str, Any] | None = None
    refused: bool = False
    problem: str = ""


def _ask(portal: door.Door, *, upload: sqlite3.Row, numbers: list[str], code: str) -> _Reply:
    status = None
    try:
        answer = portal.post(
            "payments",
            body=upload["body"],
            content_type=upload["content_type"],
            idempotency_key=upload["key"],
            code=code,
        )
        status = answer.status
        if status in DONE:
            return _Reply(status=status, document=_understood(answer.document(), numbers=numbers))
        problem = answer.problem()
    except door.NoAnswer as error:
        return _Reply(status=status, problem=str(error))
    return _Reply(
        status=status,
        refused=problem is not None,
        problem=problem or f"Kvitt svarte {status} uten forklaring.",
    )


def _numbers(db: sqlite3.Connection, *, upload: int) -> list[str]:
    rows = db.execute("SELECT number FROM payment WHERE upload = ? ORDER BY id", (upload,))
    return [str(row["number"]) for row in rows]


def _understood(document: dict[str, Any], *, numbers: list[str]) -> dict[str, Any]:
    """Return the answer when it speaks of every payment sent, else raise NoAnswer."""
    payments = document.get("payments")
    if not isinstance(payments, list) or not all(isinstance(entry, dict) for entry in payments):
        raise door.NoAnswer("Svaret fra Kvitt har ingen liste over betalinger.")
    codes = {entry.get("number"): entry.get("erp_code") for entry in payments}
    known = (lines.TRANSFERRED, lines.SOME_STOPPED, lines.ALL_STOPPED)
    missing = [number for number in numbers if codes.get(number) not in known]
    faults = [fault for entry in payments for fault in entry.get("stopped") or []]
    if not all(isinstance(fault, dict) for fault in faults):
        raise door.NoAnswer("Svaret fra Kvitt har stoppede linjer som ikke kan leses.")
    if missing:
        raise door.NoAnswer(f"Svaret fra Kvitt mangler betaling {', '.join(missing)}.")
    return document


def _keep(db: sqlite3.Connection, *, upload: int, reply: _Reply) -> str:
    """Keep how the sending went and return the upload's state."""
    row = db.execute("SELECT state, unanswered FROM upload WHERE id = ?", (upload,)).fetchone()
    if row["state"] != "open":
        # Another process sent the same bytes and was told first; the portal did it once.
        return str(row["state"])
    state, unanswered = "open", int(row["unanswered"])
    if reply.document is not None:
        state = "answered"
        for entry in reply.document["payments"]:
            _take_in(db, upload=upload, entry=entry)
    elif reply.refused and reply.status in SENDER_REFUSED:
        unanswered -= 1
        state = "open" if unanswered else "refused"
    elif reply.refused and reply.status in CONTENT_REFUSED:
        state = "refused"
    told = reply.problem or json.dumps(reply.document, ensure_ascii=False)
    db.execute(
        "UPDATE upload SET state = ?, unanswered = ?, http_status = ?, answer = ? WHERE id = ?",
        (state, unanswered, reply.status, told, upload),
    )
    db.execute("UPDATE payment SET problem = ? WHERE upload = ?", (reply.problem, upload))
    if state == "refused":
        # Nothing was stored, so the proposals may go in a new upload, with a new key.
        db.execute("UPDATE payment SET upload = NULL WHERE upload = ?", (upload,))
    return state


def _take_in(db: sqlite3.Connection, *, upload: int, entry: dict[str, Any]) -> None:
    payment = db.execute(
        "UPDATE payment SET intake_code = ? WHERE upload = ? AND number = ? RETURNING id",
        (entry["erp_code"], upload, entry["number"]),
    ).fetchone()
    if payment is None:
        return
    stopped: dict[str, list[Any]] = {}
    for fault in entry.get("stopped") or []:
        stopped.setdefault(str(fault.get("reference")), []).append(
            {**fault, "text": fault.get("problem")}
        )
    all_stopped = entry["erp_code"] == lines.ALL_STOPPED
    for line in db.execute(
        "SELECT id, reference FROM line WHERE payment = ?", (payment["id"],)
    ).fetchall():
        reasons = stopped.get(line["reference"])
        if reasons is not None or all_stopped:
            lines.stop(db, line=line["id"], reasons=reasons or [])
        else:
            lines.transfer(db, line=line["id"])
    lines.refresh(db, payment=payment["id"])
