"""Holds the bank's round of work: take, read, answer, book, advise; must not know any network."""

import datetime
import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

from . import booking, judging, outgoing, register
from . import books as ledger
from .clock import BankDays, Clock
from .faults import Faults


class Bank:
    """Everything that changes the books goes through here, one at a time."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.channels = data / "channels"
        self.channels.mkdir(exist_ok=True)
        self.path = data / "books.sqlite3"
        self._books = ledger.connect(self.path)
        ledger.prepare(self._books)
        self._lock = threading.Lock()
        self._days = BankDays()
        self.faults = Faults(data / "faults.json")
        self.clock = Clock(register.setting(self._books, "clock_offset_seconds", 0.0))
        self._releaser = outgoing.Releaser(self._books, data)
        self._is_suspect = True

    def set_up(self, wanted: dict[str, Any]) -> None:
        with self._lock:
            register.set_up(self._books, self.channels, wanted)

    def move_clock(self, moment: datetime.datetime) -> None:
        with self._lock:
            self.clock.move_to(moment)
            register.set_setting(self._books, "clock_offset_seconds", self.clock.offset_seconds)

    def work(self) -> dict[str, int]:
        """Does all that is due by the bank's own clock; returns how much of each was done."""
        with self._lock:
            if self._is_suspect:
                self._recover_taken()
            # Stays so if this round breaks off between an archived file and its row.
            self._is_suspect = True
            self._releaser.unhold()
            done = {"taken": self._take_uploads()}
            done["read"], done["refused"] = self._read_taken()
            done["released"] = self._release()
            done["answered"] = self._answer_read()
            done["released"] += self._release()
            done.update(self._book())
            done["released"] += self._release()
            self._is_suspect = False
            return done

    def _users(self) -> list[str]:
        return [row[0] for row in self._books.execute("SELECT user FROM channels ORDER BY user")]

    # --- taking --------------------------------------------------------------------------

    def _take_uploads(self) -> int:
        taken = 0
        for user in self._users():
            root = self.channels / user
            with os.scandir(root / "pain001") as entries:
                arrived = [
                    (entry.stat().st_mtime, entry.name)
                    for entry in entries
                    if entry.is_file(follow_symlinks=False) and not entry.name.endswith(".part")
                ]
            if not arrived:
                continue
            names = self._archived(user)
            rows = []
            for _, name in sorted(arrived):
                final = judging.first_free_name(name, names)
                (root / "pain001" / name).rename(root / "archive" / final)
                names.add(final)
                rows.append((final, name))
            self._enter_taken(user, rows)
            taken += len(rows)
        return taken

    def _archived(self, user: str) -> set[str]:
        entered = self._books.execute("SELECT name FROM files WHERE channel = ?", (user,))
        return {row[0] for row in entered} | set(os.listdir(self.channels / user / "archive"))

    def _enter_taken(self, user: str, names: list[tuple[str, str]]) -> None:
        now = self.clock.now().isoformat(timespec="seconds")
        archive = self.channels / user / "archive"
        with ledger.transaction(self._books):
            self._books.executemany(
                "INSERT INTO files (channel, name, upload_name, size, taken_at, status)"
                " VALUES (?, ?, ?, ?, ?, 'taken')",
                [
                    (user, name, upload, (archive / name).stat().st_size, now)
                    for name, upload in names
                ],
            )

    def _recover_taken(self) -> None:
        """Enters files that a crash left archived without a row."""
        for user in self._users():
            register.make_folders(self.channels / user)
            archive = self.channels / user / "archive"
            entered = {
                row[0]
                for row in self._books.execute("SELECT name FROM files WHERE channel = ?", (user,))
            }
            lost = [path for path in archive.iterdir() if path.name not in entered]
            lost.sort(key=lambda path: (path.stat().st_mtime, path.name))
            self._enter_taken(user, [(path.name, path.name) for path in lost])

    # --- reading and answering -----------------------------------------------------------

    def _files(self, status: str) -> list[sqlite3.Row]:
        return self._books.execute(
            "SELECT * FROM files WHERE status = ? ORDER BY id", (status,)
        ).fetchall()

    def _read_taken(self) -> tuple[int, int]:
        read = refused = 0
        for file in self._files("taken"):
            path = self.channels / file["channel"] / "archive" / file["name"]
            with ledger.transaction(self._books):
                judging.enter(self._books, file, path, self.clock.now().date())
                entered = self._file(file["id"])
                if entered["status"] == "refused":
                    refused += 1
                    self._answer(entered, "RJCT", code=entered["code"], text=entered["text"])
                else:
                    read += 1
                    self._answer(entered, "ACTC")
        return read, refused

    def _file(self, file_id: int) -> sqlite3.Row:
        row: sqlite3.Row = self._books.execute(
            "SELECT * FROM files WHERE id = ?", (file_id,)
        ).fetchone()
        return row

    def _answer(
        self, file: sqlite3.Row, group_status: str, *, code: str = "", text: str = ""
    ) -> int:
        final = group_status != "ACTC"
        return outgoing.queue(
            self._books,
            kind="pain002",
            channel=file["channel"],
            customer_number=file["customer_number"],
            version=self._answer_version(file),
            now=self.clock.now(),
            file=file,
            group_status=group_status,
            code=code,
            text=text,
            held=final and self.faults.is_on("camt_first"),
            copies=2 if self.faults.is_on("answer_twice") else 1,
        )

    def _answer_version(self, file: sqlite3.Row) -> str:
        """The customer's version; for an unknown customer that of any on the same channel."""
        row = self._books.execute(
            "SELECT pain002_version FROM customers WHERE channel = ?"
            " ORDER BY customer_number = ? DESC, customer_number LIMIT 1",
            (file["channel"], file["customer_number"]),
        ).fetchone()
        return row[0] if row else register.PAIN002_VERSIONS[1]

    def _answer_read(self) -> int:
        files = self._files("read")
        for file in files:
            with ledger.transaction(self._books):
                moved = self.faults.is_on("dt06")
                judging.settle(self._books, file["id"], self._days, self.clock.now().date(), moved)
                self._answer_settled(file, moved)
        return len(files)

    def _answer_settled(self, file: sqlite3.Row, moved: bool) -> None:
        payments = self._books.execute(
            "SELECT p.*, COUNT(CASE t.status WHEN 'rejected' THEN 1 END) AS refused"
            " FROM payments p JOIN transfers t ON t.payment_id = p.id"
            " WHERE p.file_id = ? GROUP BY p.id ORDER BY p.id",
            (file["id"],),
        ).fetchall()
        accepted = "ACWC" if moved else "ACCP"
        statuses = {}
        for payment in payments:
            if payment["status"] == "rejected":
                statuses[payment["id"]] = "RJCT"
            else:
                statuses[payment["id"]] = "PART" if payment["refused"] else accepted
        # GrpSts RJCT always means a file refused as a whole, so it is left out when each
        # payment was refused by itself.
        kinds = set(statuses.values())
        group_status = "" if kinds == {"RJCT"} else accepted if kinds == {accepted} else "PART"
        answer = self._answer(file, group_status)
        for payment in payments:
            alive = moved and payment["status"] != "rejected"
            self._books.execute(
                "INSERT INTO outgoing_payments VALUES (?, ?, ?, ?, ?, ?)",
                (
                    answer,
                    payment["id"],
                    statuses[payment["id"]],
                    payment["code"],
                    payment["text"],
                    payment["booking_date"] if alive else "",
                ),
            )
        # A payment refused as one lists no transfers, so theirs are not told one by one.
        self._books.execute(
            "UPDATE transfers SET told_in = ? FROM payments WHERE payments.id ="
            " transfers.payment_id AND payments.file_id = ? AND payments.code = ''"
            " AND transfers.status = 'rejected'",
            (answer, file["id"]),
        )

    # --- booking -------------------------------------------------------------------------

    def _book(self) -> dict[str, int]:
        """All debits of a round, their ledger rows and their messages: one transaction."""
        with ledger.transaction(self._books):
            result = booking.book_due(
                self._books, self.clock.now(), self._days, self.faults.is_on("late_am04")
            )
            for file_id, refused in result.refused.items():
                self._refuse_uncovered(self._file(file_id), refused)
            for customer_number, rows in result.booked.items():
                customer = self._books.execute(
                    "SELECT * FROM customers WHERE customer_number = ?", (customer_number,)
                ).fetchone()
                advice = outgoing.queue(
                    self._books,
                    kind="camt054",
                    channel=customer["channel"],
                    customer_number=customer_number,
                    version=customer["camt054_version"],
                    now=self.clock.now(),
                )
                booking.post(self._books, rows, advice)
        return {
            "booked": sum(len(rows) for rows in result.booked.values()),
            "no_cover": sum(len(lines) for lines in result.refused.values()),
            "pending": result.pending,
        }

    def _refuse_uncovered(self, file: sqlite3.Row, refused: list[int]) -> None:
        answer = self._answer(file, "")
        self._books.executemany(
            "UPDATE transfers SET told_in = ? WHERE id = ?", [(answer, line) for line in refused]
        )
        self._books.execute(
            "INSERT INTO outgoing_payments (outgoing_id, payment_id, status)"
            " SELECT ?, t.payment_id, CASE WHEN EXISTS (SELECT 1 FROM transfers o WHERE"
            " o.payment_id = t.payment_id AND o.status <> 'rejected') THEN 'PART' ELSE 'RJCT' END"
            " FROM transfers t WHERE t.told_in = ? GROUP BY t.payment_id",
            (answer, answer),
        )

    def _release(self) -> int:
        return 0 if self.faults.is_on("silent") else self._releaser.release_all()

    def close(self) -> None:
        self._books.close()
