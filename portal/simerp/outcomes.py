"""What events mean in the ERP: settled, rejected, cancelled, returned; asks the portal nothing."""

import datetime
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from portal.simerp import books, lines, vouchers

OSLO = ZoneInfo("Europe/Oslo")
RETURNED = "returned"
# Such a line waits apart from its payment: what the payment goes through is not said of it.
STANDS_APART = ("stopped", "held", "on_hold")


@dataclass(kw_only=True)
class _Postings:
    """What the events of one run give to book, and the latest day among them."""

    company: str
    date: str = ""
    entries: list[vouchers.Entry] = field(default_factory=list)

    def add(self, line: sqlite3.Row, *, at: object, returned: bool) -> None:
        accounts = (vouchers.SUPPLIERS, vouchers.BANK)
        debit, credit = reversed(accounts) if returned else accounts
        text = f"{'Betaling i retur' if returned else 'Betaling'} {line['reference']}"
        self.date = max(self.date, _day(at))
        self.entries.append(
            vouchers.Entry(
                debit_account=debit,
                credit_account=credit,
                ore=line["amount_ore"],
                text=text,
                supplier=line["supplier"],
                line=line["id"],
            )
        )


def apply(db: sqlite3.Connection, *, company: str) -> str | None:
    """Apply all kept events in order; return the number of the one batch, if any was booked."""
    with books.transaction(db):
        waiting = db.execute(
            "SELECT sequence, body FROM event WHERE company = ? AND effect IS NULL"
            " ORDER BY sequence",
            (company,),
        ).fetchall()
        postings = _Postings(company=company)
        for row in waiting:
            effect = _apply(db, event=json.loads(row["body"]), postings=postings)
            db.execute(
                "UPDATE event SET effect = ? WHERE company = ? AND sequence = ?",
                (effect, company, row["sequence"]),
            )
        if not postings.entries:
            return None
        return vouchers.book(
            db,
            company=company,
            kind="payments",
            date=postings.date,
            entries=postings.entries,
        )


def _apply(db: sqlite3.Connection, *, event: dict[str, Any], postings: _Postings) -> str:
    """Apply one event and return, in words, what it changed."""
    if event.get("number") is None and event.get("reference") is None:
        return "til opplysning"
    found = _lines(db, company=postings.company, event=event)
    if not found:
        return "ukjent betaling eller linje"
    if event.get("event") == RETURNED:
        return _returned(db, found=found, event=event, postings=postings)
    code = event.get("erp_code")
    if code is None:
        return "til opplysning"
    if code != lines.TRANSFERRED and code not in lines.FINAL:
        return f"ukjent kode {code!r}"
    going = [line for line in found if line["erp_code"] not in lines.FINAL]
    if code == lines.TRANSFERRED and event.get("reference") is None:
        going = [line for line in going if line["status"] not in STANDS_APART]
    for line in going:
        _tell(db, line=line["id"], event=event)
        if code in lines.FINAL:
            lines.finish(db, line=line["id"], code=code)
        if code == lines.SETTLED:
            postings.add(line, at=event.get("at"), returned=False)
    if not going:
        return "uendret"
    lines.refresh(db, payment=going[0]["payment"])
    return f"{len(going)} {'linje' if len(going) == 1 else 'linjer'} til {code}"


def _returned(
    db: sqlite3.Connection,
    *,
    found: Sequence[sqlite3.Row],
    event: dict[str, Any],
    postings: _Postings,
) -> str:
    going = [line for line in found if line["erp_code"] == lines.SETTLED and not line["returned"]]
    for line in going:
        _tell(db, line=line["id"], event=event)
        lines.give_back(db, line=line["id"])
        postings.add(line, at=event.get("at"), returned=True)
    return f"{len(going)} i retur" if going else "uendret"


def _lines(db: sqlite3.Connection, *, company: str, event: dict[str, Any]) -> Sequence[sqlite3.Row]:
    """Return the line the event names, or with no reference all lines of the payment."""
    where, values = ["payment.company = ?"], [company]
    for column, name in (("payment.number", "number"), ("line.reference", "reference")):
        if event.get(name) is not None:
            where.append(f"{column} = ?")
            values.append(str(event[name]))
    return db.execute(
        "SELECT line.* FROM line JOIN payment ON payment.id = line.payment"
        f" WHERE {' AND '.join(where)} ORDER BY line.id",
        values,
    ).fetchall()


def _tell(db: sqlite3.Connection, *, line: int, event: dict[str, Any]) -> None:
    status = str(event.get("status") or event.get("event") or "")
    reasons = event.get("reasons")
    lines.tell(
        db,
        line=line,
        status=status,
        status_text=str(event.get("status_text") or status),
        reasons=reasons if isinstance(reasons, list) else [],
    )


def _day(at: object) -> str:
    """Return the Norwegian day of an event's time; today when the event does not say."""
    try:
        moment = datetime.datetime.fromisoformat(str(at))
    except ValueError:
        # An event without a readable time is still money that moved: it must be booked.
        moment = datetime.datetime.now(OSLO)
    # A time without zone is taken as Norwegian already.
    return (moment.astimezone(OSLO) if moment.tzinfo else moment).date().isoformat()
