"""Reading the portal's events: page by page into the books with the cursor; applies nothing."""

import json
import sqlite3
from typing import Any

from portal.simerp import books, door

PAGE_SIZE = 1000
MOST_PAGES = 10_000


def read(db: sqlite3.Connection, *, company: str, portal: door.Door) -> int:
    """Keep every event after the cursor and return how many were new.

    Each page is kept with its cursor in one transaction, still unapplied; what a crash leaves so
    is applied by the next `outcomes.apply`. Raises door.NoAnswer when a page does not come.
    """
    new = 0
    for _ in range(MOST_PAGES):
        cursor = int(books.company_row(db, company=company)["cursor"])
        answer = portal.ask(f"events?after={cursor}&limit={PAGE_SIZE}")
        if answer.status != 200:
            raise door.NoAnswer(answer.problem() or f"Kvitt svarte {answer.status} på meldinger.")
        page = answer.document()
        events, upto = _checked(page, cursor=cursor)
        new += _keep(db, company=company, events=events, upto=upto)
        if not page.get("more"):
            return new
    raise door.NoAnswer(f"Kvitt har fremdeles flere meldinger etter {MOST_PAGES} sider.")


def _checked(page: dict[str, Any], *, cursor: int) -> tuple[list[dict[str, Any]], int]:
    """Return the page's events and its new cursor, or raise NoAnswer."""
    events, upto = page.get("events"), page.get("next_after")
    if not isinstance(events, list) or not isinstance(upto, int) or upto < cursor:
        raise door.NoAnswer("Meldingene fra Kvitt mangler events eller next_after.")
    if any(
        not isinstance(event, dict) or not isinstance(event.get("sequence"), int)
        for event in events
    ):
        raise door.NoAnswer("En melding fra Kvitt mangler løpenummer.")
    if page.get("more") and upto == cursor:
        raise door.NoAnswer("Kvitt sier at det er flere meldinger, men kommer ikke videre.")
    return events, upto


def keep_one(db: sqlite3.Connection, *, company: str, event: dict[str, Any]) -> int:
    """Keep an event that was pushed, and return 1 when it is new. The cursor stays: what was not
    pushed before it is still to be asked for."""
    return _keep(db, company=company, events=[event], upto=0)


def _keep(db: sqlite3.Connection, *, company: str, events: list[dict[str, Any]], upto: int) -> int:
    with books.transaction(db):
        before = db.total_changes
        db.executemany(
            "INSERT INTO event (company, sequence, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [
                (company, event["sequence"], json.dumps(event, ensure_ascii=False))
                for event in events
            ],
        )
        new = db.total_changes - before
        # Another process may have read further meanwhile: the cursor follows the furthest.
        db.execute(
            "UPDATE company SET cursor = ? WHERE public_id = ? AND cursor < ?",
            (upto, company, upto),
        )
    return new
