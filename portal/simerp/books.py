"""Opening the books, transactions and running numbers; holds no rule of the trade."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portal.simerp import schema

FILE_NAME = "books.sqlite"
BUSY_SECONDS = 30


class Impossible(Exception):
    """An act that cannot be done; `status` is what the control address answers with."""

    status = 400


class OtherVersion(Impossible):
    """The books were made by another edition of this program, and nothing converts them."""

    status = 409


class UnknownCompany(Impossible):
    """No company with that public id stands in the books."""

    status = 404


@contextmanager
def opened(*, data: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection of its own to the books under `data`, made there when missing."""
    path = data / FILE_NAME
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        # The books hold signing keys: nobody else on the machine reads them.
        path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA foreign_keys = ON")
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version == 0:
            _make(db)
        elif version != schema.VERSION:
            raise OtherVersion(f"Bøkene i {path} er av en annen utgave; begynn i en ny mappe.")
        db.execute("PRAGMA synchronous = FULL")
        yield db
    finally:
        db.close()


def _make(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode = WAL")
    # Everything is IF NOT EXISTS, so that two processes may both find the books new.
    db.executescript(
        f"BEGIN IMMEDIATE; {schema.TABLES} {schema.GUARDS}"
        f" PRAGMA user_version = {schema.VERSION}; COMMIT;"
    )


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Do all of it or nothing; takes the write lock at once, so what is read first stays true."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        # A deferred constraint that fails leaves the transaction open: hence inside the try.
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def next_number(db: sqlite3.Connection, *, name: str) -> int:
    """Return the next value of a counter that never gives the same number twice."""
    row = db.execute(
        "INSERT INTO counter (name, value) VALUES (?, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        (name,),
    ).fetchone()
    return int(row["value"])


def company_row(db: sqlite3.Connection, *, company: str) -> sqlite3.Row:
    """Return the company's row or raise UnknownCompany."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM company WHERE public_id = ?", (company,)
    ).fetchone()
    if row is None:
        raise UnknownCompany(f"Selskapet «{company}» er ikke satt opp her.")
    return row


def keep_upload_error(db: sqlite3.Connection, *, company: str, text: str) -> None:
    """Keep what was wrong with the last upload, or clear it with an empty text."""
    db.execute("UPDATE company SET upload_error = ? WHERE public_id = ?", (text, company))


def keep_sync_error(db: sqlite3.Connection, *, company: str, text: str) -> None:
    """Keep what was wrong with the last reading of events, or clear it with an empty text."""
    # Apart from the upload's, which the next quiet poll would wipe out; unchanged is not written.
    db.execute(
        "UPDATE company SET sync_error = ? WHERE public_id = ? AND sync_error <> ?",
        (text, company, text),
    )


def keep_setting(db: sqlite3.Connection, *, name: str, value: str) -> None:
    """Keep a setting of the whole ERP, such as where the portal is."""
    db.execute(
        "INSERT INTO setting (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def setting(db: sqlite3.Connection, *, name: str) -> str | None:
    """Return a setting or None."""
    row = db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row["value"])
