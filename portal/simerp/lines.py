"""The moves of payment lines and the items they carry; books no money and reads no event."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

TRANSFERRED, CANCELLED, SETTLED, REJECTED = 2, 4, 5, 7
FINAL = (CANCELLED, SETTLED, REJECTED)
SOME_STOPPED, ALL_STOPPED = 3, 10


def transfer(db: sqlite3.Connection, *, line: int) -> bool:
    """Move a proposed line to 2; False when a message has moved it already."""
    moved = db.execute(
        "UPDATE line SET erp_code = 2, status = 'transferred', status_text = 'Overført'"
        " WHERE id = ? AND erp_code = 1",
        (line,),
    ).rowcount
    if moved:
        _items(db, line=line, status="transferred", live=True)
    return bool(moved)


def stop(db: sqlite3.Connection, *, line: int, reasons: Sequence[Any]) -> None:
    """Show that intake stopped the line; its items stay bound until a message makes it final."""
    # A message may have overtaken a lost answer, and then knows more than the answer does.
    if transfer(db, line=line):
        tell(
            db,
            line=line,
            status="stopped",
            status_text="Stoppet av kontroll",
            reasons=reasons,
        )


def tell(
    db: sqlite3.Connection, *, line: int, status: str, status_text: str, reasons: Sequence[Any]
) -> None:
    """Show what the portal says about a line that is not final."""
    transfer(db, line=line)
    db.execute(
        "UPDATE line SET status = ?, status_text = ?, reasons = ? WHERE id = ?",
        (status, status_text, json.dumps(reasons, ensure_ascii=False), line),
    )


def finish(db: sqlite3.Connection, *, line: int, code: int) -> None:
    """Make a line final: settled closes its items, cancelled and rejected free them."""
    db.execute("UPDATE line SET erp_code = ? WHERE id = ?", (code, line))
    if code == SETTLED:
        _items(db, line=line, status="settled", live=True)
    else:
        _items(db, line=line, status="open", live=False)


def give_back(db: sqlite3.Connection, *, line: int) -> None:
    """Open the items of a settled line whose money came back; the line's code stays 5."""
    db.execute("UPDATE line SET returned = 1 WHERE id = ?", (line,))
    _items(db, line=line, status="open", live=False)


def refresh(db: sqlite3.Connection, *, payment: int) -> None:
    """Let the payment's code follow from its lines and from what intake answered."""
    codes = {
        int(row["erp_code"])
        for row in db.execute("SELECT erp_code FROM line WHERE payment = ?", (payment,))
    }
    row = db.execute("SELECT intake_code FROM payment WHERE id = ?", (payment,)).fetchone()
    db.execute(
        "UPDATE payment SET erp_code = ? WHERE id = ?",
        (_payment_code(codes, row["intake_code"]), payment),
    )


def _payment_code(codes: set[int], intake_code: int | None) -> int:
    if codes <= set(FINAL):
        return next(code for code in (SETTLED, REJECTED, CANCELLED) if code in codes)
    # Until the upload is answered the payment is a proposal, whatever messages said meanwhile.
    return 1 if intake_code is None else intake_code


def _items(db: sqlite3.Connection, *, line: int, status: str, live: bool) -> None:
    db.execute(
        "UPDATE invoice SET status = ? WHERE id IN"
        " (SELECT invoice FROM line_item WHERE line = ? AND live = 1)",
        (status, line),
    )
    if not live:
        db.execute("UPDATE line_item SET live = 0 WHERE line = ?", (line,))
