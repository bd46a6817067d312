"""Holds what a status report says, and when one is sent; must not write any XML."""

import datetime
import sqlite3
from collections.abc import Iterable

from . import outgoing, register
from .scripts import Scripts

FINAL_STATUSES = (
    "CASE WHEN t.status = 'rejected' THEN 'RJCT' WHEN t.status = 'parked' THEN 'PDNG'"
    " WHEN p.moved <> '' THEN p.moved ELSE 'ACCP' END"
)
FINAL_CODES = (
    "CASE WHEN t.status = 'rejected' THEN t.code WHEN p.moved <> '' AND t.status = 'accepted'"
    " THEN 'DT06' ELSE '' END"
)
FINAL_TEXTS = (
    "CASE WHEN t.status = 'rejected' THEN t.text WHEN p.moved <> '' AND t.status = 'accepted'"
    " THEN 'Execution date changed to ' || p.booking_date ELSE '' END"
)


class Answers:
    """Queues status reports, inside the caller's transaction, as scripts want them written."""

    def __init__(self, books: sqlite3.Connection, scripts: Scripts) -> None:
        self._books = books
        self._scripts = scripts

    def value(self, what: str, file: sqlite3.Row) -> str | int | None:
        """What is scripted for a file, by its channel, customer, debit accounts and names."""
        if not self._scripts.has(what):
            return None
        accounts = self._books.execute(
            "SELECT DISTINCT debit_account FROM payments WHERE file_id = ?", (file["id"],)
        )
        return self._scripts.value(
            what,
            channel=file["channel"],
            customer=file["customer_number"],
            account={row[0] for row in accounts},
            file={file["msg_id"], file["upload_name"]},
        )

    # --- when ------------------------------------------------------------------------------

    def receipt(self, file: sqlite3.Row, now: datetime.datetime) -> None:
        if self.value("no_receipt", file) is None:
            self._queue(file, now, "ACTC")

    def refusal(self, file: sqlite3.Row, now: datetime.datetime) -> None:
        self._queue(file, now, "RJCT", code=file["code"], text=file["text"])

    def settled(self, file: sqlite3.Row, now: datetime.datetime) -> None:
        """The answer to all that a file asks for, at the levels that are scripted."""
        if self.value("no_answer", file) is not None:
            return
        payments = self._books.execute(
            "SELECT p.*, SUM(t.status = 'rejected') AS refused FROM payments p"
            " JOIN transfers t ON t.payment_id = p.id"
            " WHERE p.file_id = ? GROUP BY p.id ORDER BY p.id",
            (file["id"],),
        ).fetchall()
        statuses = {payment["id"]: _status(payment) for payment in payments}
        levels = self.value("levels", file) or ""
        # GrpSts RJCT always means a file refused as a whole, so it is left out when each
        # payment was refused by itself.
        kinds = set(statuses.values())
        group = "" if kinds == {"RJCT"} else kinds.pop() if len(kinds) == 1 else "PART"
        only_group = levels == "group" and group not in ("", "PART")
        tells_group = levels in ("", "group", "all")
        answer = self._queue(file, now, group if tells_group else "", held=True)
        if not only_group:
            for payment in payments:
                self._tell_payment(answer, payment, statuses[payment["id"]], levels)
            listed = (
                ""
                if self._lists_all(file, levels)
                else (
                    " AND ((t.status = 'rejected' AND p.code = '')"
                    " OR (p.moved <> '' AND t.status = 'accepted'))"
                )
            )
            self._tell_transfers(answer, f"p.file_id = ?{listed}", (file["id"],))
        unknown = self.value("unknown_status", file)
        if unknown is not None:
            odd = self._queue(file, now, "")
            for payment in payments:
                if statuses[payment["id"]] != "RJCT":
                    self._insert_payment(odd, payment["id"], str(unknown))

    def _lists_all(self, file: sqlite3.Row, levels: str | int) -> bool:
        everything = levels in ("transaction", "payment+transaction", "all")
        return everything or self.value("list_all", file) is not None

    def _tell_payment(
        self, answer: int, payment: sqlite3.Row, status: str, levels: str | int
    ) -> None:
        if levels == "transaction":
            self._insert_payment(answer, payment["id"], "")
        else:
            self._insert_payment(answer, payment["id"], status, payment["code"], payment["text"])

    def decided(self, file: sqlite3.Row, payment: sqlite3.Row, now: datetime.datetime) -> None:
        """What became of one parked payment."""
        answer = self._queue(file, now, "")
        status = _status(payment)
        self._insert_payment(answer, payment["id"], status, payment["code"], payment["text"])
        if payment["moved"]:
            self._tell_transfers(answer, "p.id = ? AND t.status = 'accepted'", (payment["id"],))

    def uncovered(self, file: sqlite3.Row, lines: list[int], now: datetime.datetime) -> None:
        """Lines that had no cover on the day."""
        answer = self._queue(file, now, "")
        self._books.executemany(
            "INSERT INTO outgoing_transfers SELECT ?, id, 'RJCT', code, text FROM transfers"
            " WHERE id = ?",
            [(answer, line) for line in lines],
        )
        self._books.execute(
            "INSERT INTO outgoing_payments (outgoing_id, payment_id, status)"
            " SELECT ?, t.payment_id, CASE WHEN EXISTS (SELECT 1 FROM transfers o WHERE"
            " o.payment_id = t.payment_id AND o.status <> 'rejected') THEN 'PART' ELSE 'RJCT' END"
            " FROM outgoing_transfers told JOIN transfers t ON t.id = told.transfer_id"
            " WHERE told.outgoing_id = ? GROUP BY t.payment_id",
            (answer, answer),
        )

    def booked(self, file: sqlite3.Row, advice_id: int, now: datetime.datetime) -> None:
        """ACSC for the lines of a file that one round has booked, where that is scripted."""
        if self.value("acsc", file) is None:
            return
        answer = self._queue(file, now, "")
        self._books.execute(
            "INSERT INTO outgoing_transfers SELECT ?, t.id, 'ACSC', '', '' FROM transfers t"
            " JOIN postings s ON s.transfer_id = t.id WHERE t.file_id = ? AND s.advised_in = ?",
            (answer, file["id"], advice_id),
        )
        self._books.execute(
            "INSERT INTO outgoing_payments (outgoing_id, payment_id, status)"
            " SELECT DISTINCT ?, t.payment_id, '' FROM outgoing_transfers o"
            " JOIN transfers t ON t.id = o.transfer_id WHERE o.outgoing_id = ?",
            (answer, answer),
        )

    # --- the rows --------------------------------------------------------------------------

    def _queue(
        self,
        file: sqlite3.Row,
        now: datetime.datetime,
        group_status: str,
        *,
        code: str = "",
        text: str = "",
        held: bool = False,
    ) -> int:
        told: dict[str, object] = {
            name: True for name in ("bom", "not_provided") if self.value(name, file) is not None
        }
        message_name = self.value("message_name", file)
        if message_name is not None:
            told["message_name"] = message_name
        return outgoing.queue(
            self._books,
            kind="pain002",
            channel=file["channel"],
            customer_number=file["customer_number"],
            version=self._version(file),
            now=now,
            file=file,
            group_status=group_status,
            code=code,
            text=text,
            held=held and self.value("camt_first", file) is not None,
            copies=1 if self.value("answer_twice", file) is None else 2,
            told=told,
        )

    def _version(self, file: sqlite3.Row) -> str:
        """The customer's version; for an unknown customer that of any on the same channel."""
        row = self._books.execute(
            "SELECT pain002_version FROM customers WHERE channel = ?"
            " ORDER BY customer_number = ? DESC, customer_number LIMIT 1",
            (file["channel"], file["customer_number"]),
        ).fetchone()
        return row[0] if row else register.PAIN002_VERSIONS[1]

    def _insert_payment(
        self, answer: int, payment_id: int, status: str, code: str = "", text: str = ""
    ) -> None:
        self._books.execute(
            "INSERT INTO outgoing_payments VALUES (?, ?, ?, ?, ?)",
            (answer, payment_id, status, code, text),
        )

    def _tell_transfers(self, answer: int, where: str, values: Iterable[object]) -> None:
        self._books.execute(
            f"INSERT INTO outgoing_transfers SELECT ?, t.id, {FINAL_STATUSES}, {FINAL_CODES},"
            f" {FINAL_TEXTS} FROM transfers t JOIN payments p ON p.id = t.payment_id WHERE {where}",
            (answer, *values),
        )


def _status(payment: sqlite3.Row) -> str:
    """A payment's own status; `refused` counts the lines that were."""
    if payment["status"] == "rejected":
        return "RJCT"
    if payment["status"] == "parked":
        return "PDNG"
    if payment["refused"]:
        return "PART"
    return payment["moved"] or "ACCP"
