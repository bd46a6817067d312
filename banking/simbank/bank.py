"""Holds the bank's round of work: take, read, answer, book, advise; must not know any network."""

import datetime
import os
import sqlite3
import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

from . import (
    booking,
    inquiries,
    judging,
    outgoing,
    receiving,
    register,
    requests,
    statements,
    verdicts,
)
from . import books as ledger
from .answering import Answers
from .clock import BankDays, Clock
from .scripts import Scripts

MONEY_STYLES = ("bom", "decimals", "kid_as_text", "no_details", "not_provided", "totals")
EARLY = {"pending_first": "PDNG", "info_first": "INFO"}


class Bank:
    """Everything that changes the books goes through here, one at a time."""

    def __init__(self, data: Path, stands_at: datetime.datetime | None = None) -> None:
        self.data = data
        self.channels = data / "channels"
        self.channels.mkdir(exist_ok=True)
        self.path = data / "books.sqlite3"
        self.aside = ledger.put_aside(self.path)
        self._books = ledger.connect(self.path)
        ledger.prepare(self._books)
        self._lock = threading.Lock()
        self._days = BankDays()
        self.scripts = Scripts(data / "scripts.json")
        self.clock = self._kept_clock(stands_at)
        self._answers = Answers(self._books, self.scripts)
        self._releaser = outgoing.Releaser(self._books, data)
        self._is_suspect = True

    # --- the clock -------------------------------------------------------------------------

    def _kept_clock(self, stands_at: datetime.datetime | None) -> Clock:
        kept = register.setting(self._books, "clock_stands_at", None)
        moment = datetime.datetime.fromisoformat(kept) if kept else stands_at
        clock = Clock(register.setting(self._books, "clock_offset_seconds", 0.0), moment)
        if moment is not None and not kept:
            self._keep_clock(clock)
        return clock

    def _keep_clock(self, clock: Clock) -> None:
        at = clock.stands_at
        register.set_setting(self._books, "clock_offset_seconds", clock.offset_seconds)
        register.set_setting(self._books, "clock_stands_at", at and at.isoformat())

    def move_clock(self, moment: datetime.datetime) -> None:
        with self._lock:
            self.clock.move_to(moment)
            self._keep_clock(self.clock)

    def stand(self, still: bool) -> None:
        """Lets the clock stand where it is, or go on."""
        with self._lock:
            self.clock.stand(still)
            self._keep_clock(self.clock)

    # --- what people tell the bank -----------------------------------------------------------

    def set_up(self, wanted: dict[str, Any]) -> None:
        with self._lock:
            register.set_up(self._books, self.channels, wanted, self.clock.now().date())

    def activate(self, customer_number: str, *, active: bool) -> None:
        """Opens or closes a customer's agreement and says so in a message."""
        with self._lock, ledger.transaction(self._books):
            customer = register.activate(self._books, customer_number, active=active)
            outgoing.queue(
                self._books,
                kind="agreement",
                channel=customer["channel"],
                customer_number=customer_number,
                version="1",
                now=self.clock.now(),
                told={"status": "ACTIVE" if active else "CLOSED"},
            )

    def receive(self, wanted: list[dict[str, Any]]) -> list[int]:
        """Enters incoming payments; they are booked in the next round that is due."""
        with self._lock, ledger.transaction(self._books):
            return receiving.enter(self._books, wanted, self.clock.now().date(), self._days)

    def give_back(self, asked: dict[str, str]) -> int:
        """Lets a paid line's money come back today, by customer, payment and line."""
        with self._lock, ledger.transaction(self._books):
            posting = receiving.posting_of(self._books, asked)
            day = self._days.rolled(self.clock.now().date())
            how = asked.get("how", "credit")
            reason = asked.get("reason", receiving.RETURN_REASON)
            if how not in ("credit", "reversal"):
                raise receiving.IncomingRefusedError("how is credit or reversal")
            try:
                return receiving.give_back(self._books, posting, how, reason, day)
            except sqlite3.IntegrityError as fault:
                raise receiving.IncomingRefusedError("it has come back before") from fault

    def decide(self, customer_number: str, payment: str, *, approve: bool) -> None:
        """Approves or refuses a parked payment, as the customer's people do in the net bank."""
        with self._lock, ledger.transaction(self._books):
            row = self._books.execute(
                "SELECT * FROM payments WHERE customer_number = ? AND payment = ?"
                " AND status = 'parked'",
                (customer_number, payment),
            ).fetchone()
            if row is None:
                raise register.SetupRefusedError(f"no parked payment {payment!r}")
            now = self.clock.now()
            verdicts.decide_parked(
                self._books, row, self._days, now, self._rules(), approve=approve
            )
            decided = self._books.execute(
                "SELECT p.*, SUM(t.status = 'rejected') AS refused FROM payments p"
                " JOIN transfers t ON t.payment_id = p.id WHERE p.id = ? GROUP BY p.id",
                (row["id"],),
            ).fetchone()
            self._answers.decided(self._file(row["file_id"]), decided, now)

    def _rules(self) -> verdicts.Rules:
        kept = register.rules(self._books)
        return verdicts.Rules(kept["closed_day"], kept["after_cut_off"], kept["cut_offs"])

    # --- a round -----------------------------------------------------------------------------

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
            done.update(self._receive())
            done["statements"] = self._close_days()
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
                    (entry.stat().st_mtime_ns, entry.name)
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
                "INSERT INTO files (channel, name, upload_name, size, taken_at, kind, status)"
                " VALUES (?, ?, ?, ?, ?, ?, 'taken')",
                [
                    (
                        user,
                        name,
                        upload,
                        (archive / name).stat().st_size,
                        now,
                        requests.kind_of(archive / name),
                    )
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
            lost.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
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
                self._read(file, path)
                entered = self._file(file["id"])
                if entered["status"] == "refused":
                    refused += 1
                else:
                    read += 1
        return read, refused

    def _read(self, file: sqlite3.Row, path: Path) -> None:
        now = self.clock.now()
        if file["kind"] == "camt055":
            inquiries.cancel(self._books, file, path, now)
        elif file["kind"] == "camt060":
            inquiries.report(self._books, file, path, now)
        else:
            judging.enter(self._books, file, path, now.date(), self.scripts)
            entered = self._file(file["id"])
            if file["kind"] == "nets":
                return  # the old format has no answers
            if entered["status"] == "refused":
                self._answers.refusal(entered, now)
            else:
                self._answers.receipt(entered, now)

    def _file(self, file_id: int) -> sqlite3.Row:
        row: sqlite3.Row = self._books.execute(
            "SELECT * FROM files WHERE id = ?", (file_id,)
        ).fetchone()
        return row

    def _answer_read(self) -> int:
        files = self._files("read")
        for file in files:
            now = self.clock.now()
            with ledger.transaction(self._books):
                later = str(self._answers.value("dt06", file) or "")
                verdicts.settle(self._books, file["id"], self._days, now, self._rules(), later)
                if file["kind"] != "nets":
                    self._answers.settled(file, now)
        return len(files)

    # --- booking -------------------------------------------------------------------------

    def _book(self) -> dict[str, int]:
        """All debits of a round, their ledger rows and their messages: one transaction."""
        now = self.clock.now()
        with ledger.transaction(self._books):
            result = booking.book_due(self._books, now, self._days, self.scripts)
            for file_id, refused in result.refused.items():
                file = self._file(file_id)
                if file["kind"] != "nets":
                    self._answers.uncovered(file, refused, now)
            for customer_number, rows in result.booked.items():
                self._advise_debits(self._customer(customer_number), rows, now)
        return {
            "booked": sum(len(rows) for rows in result.booked.values()),
            "no_cover": sum(len(lines) for lines in result.refused.values()),
            "pending": result.pending,
        }

    def _customer(self, customer_number: str) -> sqlite3.Row:
        row: sqlite3.Row = self._books.execute(
            "SELECT * FROM customers WHERE customer_number = ?", (customer_number,)
        ).fetchone()
        return row

    def _advise_debits(
        self,
        customer: sqlite3.Row,
        rows: list[tuple[int, int, str, int, str, str, str]],
        now: datetime.datetime,
    ) -> None:
        accounts = {row[2] for row in rows}
        is_iso = customer["format"] == "iso"
        early = [
            self._queue(customer, "camt054", now, accounts, status=status)
            for what, status in EARLY.items()
            if is_iso and self._scripted(what, customer, accounts)
        ]
        kind = "camt054" if is_iso else "settlement"
        advice = self._queue(customer, kind, now, accounts, names=MONEY_STYLES if is_iso else ())
        self._books.executemany(
            "UPDATE outgoing SET like_id = ? WHERE id = ?", [(advice, one) for one in early]
        )
        booking.post(self._books, rows, advice)
        if is_iso and self._scripted("advise_twice", customer, accounts):
            self._queue(customer, "camt054", now, accounts, like_id=advice)
        files = self._books.execute(
            "SELECT DISTINCT f.* FROM files f JOIN payments p ON p.file_id = f.id"
            " JOIN postings s ON s.payment_id = p.id WHERE s.advised_in = ? ORDER BY f.id",
            (advice,),
        ).fetchall()
        for file in files if is_iso else ():
            self._answers.booked(file, advice, now)
        receiving.scripted_returns(self._books, advice, self.scripts, now, self._days)

    def _scripted(self, what: str, customer: sqlite3.Row, accounts: set[str]) -> str | int | None:
        return self.scripts.value(
            what,
            channel=customer["channel"],
            customer=customer["customer_number"],
            account=accounts,
        )

    def _queue(
        self,
        customer: sqlite3.Row,
        kind: str,
        now: datetime.datetime,
        accounts: set[str],
        *,
        like_id: int | None = None,
        names: tuple[str, ...] = MONEY_STYLES,
        **told: object,
    ) -> int:
        """A message about money, written as scripts want it."""
        for name in names:
            value = self._scripted(name, customer, accounts)
            if value is not None:
                told[name] = value if isinstance(value, int) else True
        version = {
            "camt054": customer["camt054_version"],
            "camt053": customer["camt053_version"],
        }.get(kind, kind)
        return outgoing.queue(
            self._books,
            kind=kind,
            channel=customer["channel"],
            customer_number=customer["customer_number"],
            version=version,
            now=now,
            told=told,
            like_id=like_id,
        )

    def _receive(self) -> dict[str, int]:
        """All that comes in, its booking and its messages: one transaction."""
        now = self.clock.now()
        with ledger.transaction(self._books):
            seed = register.rules(self._books)["seed"]
            receiving.draw_traffic(self._books, seed, now.date(), self._days)
            booked = receiving.book_due(self._books, now.date())
            by_customer: dict[str, list[str]] = defaultdict(list)
            for account in booked:
                owner = self._books.execute(
                    "SELECT customer_number FROM accounts WHERE number = ?", (account,)
                ).fetchone()
                by_customer[owner[0]].append(account)
            for customer_number, accounts in sorted(by_customer.items()):
                ids = [one for account in accounts for one in booked[account]]
                self._advise_credits(self._customer(customer_number), set(accounts), ids, now)
        return {"received": sum(map(len, booked.values()))}

    def _advise_credits(
        self, customer: sqlite3.Row, accounts: set[str], ids: list[int], now: datetime.datetime
    ) -> None:
        for kind, column, wanted in (
            ("ocr", "ocr_in", receiving.IN_OCR),
            ("camt054", "advised_in", receiving.IN_ADVICE),
        ):
            mine = receiving.told_in(self._books, ids, wanted)
            if not mine:
                continue
            if kind == "ocr":
                names: tuple[str, ...] = ("ocr_no_end", "ocr_totals")
                message = self._queue(customer, kind, now, accounts, names=names)
            else:
                message = self._queue(customer, kind, now, accounts, direction="CRED")
            self._books.executemany(
                f"UPDATE credits SET {column} = ? WHERE id = ?", [(message, one) for one in mine]
            )

    def _close_days(self) -> int:
        """A statement for each account and bank day that is over: one transaction."""
        now = self.clock.now()
        with ledger.transaction(self._books):
            due = statements.due(self._books, now.date(), self._days)
            for account, day in due:
                customer = self._customer(account["customer_number"])
                message = self._queue(customer, "camt053", now, {account["number"]})
                statements.close(self._books, account, day, message)
        return len(due)

    def _release(self) -> int:
        return self._releaser.release_all(self._is_silent)

    def _is_silent(self, message: sqlite3.Row) -> bool:
        value = self.scripts.value(
            "silent", channel=message["channel"], customer=message["customer_number"]
        )
        return value is not None

    def close(self) -> None:
        self._books.close()
