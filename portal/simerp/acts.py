"""The ERP's acts, the same for control address, page and command line; holds no rule of its own."""

import dataclasses
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.simerp import (
    books,
    cancelling,
    companies,
    door,
    feed,
    outcomes,
    proposals,
    pushed,
    report,
    uploads,
)

OK, CONFLICT, BAD_GATEWAY = 200, 409, 502
# Worst last: one upload in doubt outweighs what went well.
UPLOAD_STATUS = {"answered": OK, "refused": CONFLICT, "open": BAD_GATEWAY}


class NoPortal(books.Impossible):
    """Nobody has said where the portal is."""

    status = 409


class Erp:
    """The books under one folder and the portal they are exchanged with.

    Every act opens the books anew, so an act may run in any thread; each returns the status that
    the control address answers with, and what it has to tell.
    """

    def __init__(self, *, data: Path, portal: str | None) -> None:
        self._data = data
        # The books are safe without it; it keeps poller and page from asking for the same twice.
        self._exchange = threading.Lock()
        with books.opened(data=data) as db:
            if portal is not None:
                books.keep_setting(db, name="portal", value=portal.rstrip("/"))
            self._portal = books.setting(db, name="portal")

    def setup(self, document: object) -> tuple[int, dict[str, Any]]:
        """Take in companies, suppliers and invoices."""
        with books.opened(data=self._data) as db:
            return OK, companies.setup(db, document=document)

    def propose(
        self, *, company: str, due_date: str | None, pay_date: str | None
    ) -> tuple[int, dict[str, Any]]:
        """Make payment proposals."""
        with books.opened(data=self._data) as db:
            told = proposals.propose(db, company=company, due_date=due_date, pay_date=pay_date)
            return OK, told

    def upload(self, *, company: str, code: str = "") -> tuple[int, dict[str, Any]]:
        """Send what waits; 409 when the portal refused it, 502 when the answer is not known."""
        with self._exchange, books.opened(data=self._data) as db:
            portal = self._door(books.company_row(db, company=company))
            done = uploads.upload(db, company=company, portal=portal, code=code)
        status = max((UPLOAD_STATUS[outcome.state] for outcome in done), default=OK)
        return status, {
            "company": company,
            "uploads": [dataclasses.asdict(outcome) for outcome in done],
        }

    def sync(self, *, company: str | None) -> tuple[int, dict[str, Any]]:
        """Read and apply events of one company, or of all; no company's trouble stops another's."""
        told = []
        with self._exchange, books.opened(data=self._data) as db:
            if company is not None:
                rows = [books.company_row(db, company=company)]
            else:
                rows = db.execute("SELECT * FROM company ORDER BY public_id").fetchall()
            for row in rows:
                told.append(self._sync_one(db, row=row))
        failed = any(entry["error"] for entry in told)
        return BAD_GATEWAY if failed else OK, {"companies": told}

    def _sync_one(self, db: sqlite3.Connection, *, row: sqlite3.Row) -> dict[str, Any]:
        company, error, new = row["public_id"], "", 0
        try:
            new = feed.read(db, company=company, portal=self._door(row))
        except door.NoAnswer as trouble:
            error = str(trouble)
        # The pages that did come before the trouble are applied all the same.
        batch = outcomes.apply(db, company=company)
        books.keep_sync_error(db, company=company, text=error)
        return {"company": company, "events": new, "batch": batch, "error": error}

    def cancel(
        self, *, company: str, number: str, reason: str, references: list[str] | None
    ) -> tuple[int, dict[str, Any]]:
        """Cancel a payment."""
        with self._exchange, books.opened(data=self._data) as db:
            return OK, cancelling.cancel(
                db,
                company=company,
                number=number,
                reason=reason,
                references=references,
                portal=self._door(books.company_row(db, company=company)),
            )

    def pushed(
        self, *, company: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, dict[str, Any]]:
        """Take an event that the portal pushes."""
        with self._exchange, books.opened(data=self._data) as db:
            return OK, pushed.take(db, company=company, headers=headers, body=body)

    def ping(self, *, company: str) -> tuple[int, dict[str, Any]]:
        """Test the connection: the portal's own word on who we are."""
        with books.opened(data=self._data) as db:
            portal = self._door(books.company_row(db, company=company))
        try:
            answer = portal.ask("ping")
            problem = answer.problem()
            if answer.status != OK:
                return BAD_GATEWAY, {"error": problem or f"Kvitt svarte {answer.status}."}
            return OK, answer.document()
        except door.NoAnswer as error:
            return BAD_GATEWAY, {"error": str(error)}

    def show(self, *, company: str | None) -> tuple[int, dict[str, Any]]:
        """Return everything in the books, of one company or of all."""
        with books.opened(data=self._data) as db:
            return OK, report.everything(db, company=company)

    def _door(self, row: sqlite3.Row) -> door.Door:
        if self._portal is None:
            raise NoPortal("Adressen til Kvitt er ikke satt: bruk --portal.")
        return door.Door(
            portal=self._portal,
            company=row["public_id"],
            signing_key=row["signing_key"],
            user=row["erp_user"],
        )
