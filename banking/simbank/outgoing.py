"""Holds the queue of messages to customers and its exactly-once release; must not fill them."""

import datetime
import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import books as ledger
from . import messages
from .register import OUT

UNSAFE = re.compile(r"[^A-Za-z0-9-]")


def queue(
    books: sqlite3.Connection,
    *,
    kind: str,
    channel: str,
    customer_number: str,
    version: str,
    now: datetime.datetime,
    file: sqlite3.Row | None = None,
    group_status: str = "",
    code: str = "",
    text: str = "",
    held: bool = False,
    copies: int = 1,
    told: dict[str, Any] | None = None,
    like_id: int | None = None,
) -> int:
    """Adds one message to the books, inside the caller's transaction; returns its row id.

    `told` is what only this message says and how it is written, see `words.Style`; `like_id` is
    the advice whose rows it tells again.
    """
    first = 0
    for _ in range(copies):
        row_id = books.execute(
            "INSERT INTO outgoing (source_id, kind, channel, customer_number, version, file_id,"
            " group_status, code, text, created_at, held, told, like_id)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            (
                first or None,
                kind,
                channel,
                customer_number,
                version,
                file["id"] if file else None,
                group_status,
                code,
                text,
                now.isoformat(timespec="seconds"),
                int(held),
                json.dumps(told or {}),
                like_id,
            ),
        ).fetchone()[0]
        about = "_" + UNSAFE.sub("-", file["msg_id"] or "NOTPROVIDED")[:35] if file else ""
        name = f"{kind}_{row_id}{about}.{messages.suffix(kind)}"
        books.execute("UPDATE outgoing SET name = ? WHERE id = ?", (name, row_id))
        first = first or row_id
    return first


class Releaser:
    """Puts queued messages where the customer fetches them, each exactly once.

    A message is written aside and its row says "staged" before one rename hands it over. After a
    crash a staged row whose file is gone was therefore handed over, even if already fetched.
    """

    def __init__(self, books: sqlite3.Connection, data: Path) -> None:
        self._books = books
        self._sent = data / "sent"
        self._staged = data / "staged"
        self._channels = data / "channels"
        self._staged.mkdir(exist_ok=True)

    def unhold(self) -> None:
        with ledger.transaction(self._books):
            self._books.execute("UPDATE outgoing SET held = 0 WHERE state <> 'out' AND held = 1")

    def release_all(self, is_silent: Callable[[sqlite3.Row], bool]) -> int:
        """Hands over all that may go; returns how many. The silent ones wait."""
        released = 0
        waiting = self._books.execute(
            "SELECT * FROM outgoing WHERE state <> 'out' AND held = 0 ORDER BY id"
        ).fetchall()
        for message in waiting:
            if not is_silent(message):
                self._release(message)
                released += 1
        return released

    def _release(self, message: sqlite3.Row) -> None:
        staged = self._staged / message["name"]
        if message["state"] == "new":
            kept = self._sent / message["channel"] / message["name"]
            kept.parent.mkdir(parents=True, exist_ok=True)
            fresh = kept.with_name(kept.name + ".new")
            with fresh.open("wb") as out:
                out.writelines(messages.render(self._books, message))
            fresh.replace(kept)
            # A copy, not a link: what the customer does to its file must not reach the bank's.
            shutil.copyfile(kept, staged)
            self._mark(message["id"], "staged")
        if staged.exists():
            folder = self._channels / message["channel"] / OUT[message["kind"]]
            staged.rename(folder / message["name"])
        self._mark(message["id"], "out")

    def _mark(self, row_id: int, state: str) -> None:
        with ledger.transaction(self._books):
            self._books.execute("UPDATE outgoing SET state = ? WHERE id = ?", (state, row_id))
