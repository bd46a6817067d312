"""Holds the control door (JSON over HTTP on loopback) for tests and demo; no rule of its own."""

import datetime
import json
import os
import sqlite3
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from . import page, reports
from .bank import Bank
from .clock import BackwardsError
from .faults import UnknownFaultError
from .register import SetupRefusedError

LARGEST_BODY = 20 * 1024 * 1024
PAGE_ROWS = 200
SHOWN = (
    "payment",
    "end_to_end_id",
    "amount",
    "currency",
    "debit_account",
    "creditor_account",
    "creditor_name",
    "status",
    "reason_code",
    "booked_date",
)


class ControlServer(ThreadingHTTPServer):
    daemon_threads = True
    # A burst of test workers must not meet a refused connection.
    request_queue_size = 64

    def __init__(self, port: int, bank: Bank, trouble: Callable[[], str]) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.bank = bank
        self.trouble = trouble


class Handler(BaseHTTPRequestHandler):
    server: ControlServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve(GETS)

    def do_POST(self) -> None:
        self._serve(POSTS)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the books are the record, and a line per poll would drown any error."""

    def _serve(self, routes: dict[str, Callable[[Bank, dict[str, Any]], Any]]) -> None:
        address = urlsplit(self.path)
        # The body is read first even for a wrong address: a connection is used again.
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY:
            self.close_connection = True
            self._send(413, {"error": "body too large"})
            return
        body = self.rfile.read(length)
        try:
            if address.path == "/" and routes is GETS:
                self._send_page(_page(self.server.bank))
                return
            if address.path == "/health" and routes is GETS:
                self._send(200, _health(self.server))
                return
            if address.path not in routes:
                self._send(404, {"error": f"no {self.command} {address.path}"})
                return
            asked = dict(parse_qsl(address.query)) if routes is GETS else json.loads(body or b"{}")
            if not isinstance(asked, dict):
                raise TypeError("the body must be a JSON object")
            self._send(200, routes[address.path](self.server.bank, asked))
        except BackwardsError as fault:
            self._send(409, {"error": str(fault)})
        except (SetupRefusedError, UnknownFaultError) as fault:
            self._send(400, {"error": str(fault)})
        except (ValueError, TypeError, AttributeError, OverflowError) as fault:
            # Nearly always a body of the wrong shape; printed, in case it is the bank's own.
            traceback.print_exc()
            self._send(400, {"error": str(fault)})
        except (sqlite3.Error, OSError) as fault:
            traceback.print_exc()
            self._send(500, {"error": str(fault)})

    def _send(self, status: int, answer: Any) -> None:
        self._send_bytes(status, "application/json", json.dumps(answer).encode())

    def _send_page(self, text: str) -> None:
        self._send_bytes(200, "text/html; charset=utf-8", text.encode())

    def _send_bytes(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _health(server: ControlServer) -> dict[str, Any]:
    trouble = server.trouble()
    return {
        "status": "trouble" if trouble else "ok",
        "error": trouble or None,
        "pid": os.getpid(),
        "now": server.bank.clock.now().isoformat(),
    }


def _clock(bank: Bank, asked: dict[str, Any]) -> dict[str, str]:
    return {"now": bank.clock.now().isoformat()}


def _move_clock(bank: Bank, asked: dict[str, Any]) -> dict[str, str]:
    if set(asked) == {"to"}:
        moment = datetime.datetime.fromisoformat(asked["to"])
    elif set(asked) == {"advance_seconds"}:
        # Added in UTC: in Oslo time an hour may be missing or come twice.
        now = bank.clock.now().astimezone(datetime.UTC)
        moment = now + datetime.timedelta(seconds=asked["advance_seconds"])
    elif set(asked) == {"advance_days"}:
        # Added in Oslo time: the same time of day, also across a change of summer time.
        moment = bank.clock.now() + datetime.timedelta(days=asked["advance_days"])
    else:
        raise ValueError("give one of to, advance_seconds, advance_days")
    bank.move_clock(moment)
    return _clock(bank, {})


def _set_up(bank: Bank, asked: dict[str, Any]) -> dict[str, str]:
    bank.set_up(asked)
    return {"status": "ok"}


def _faults(bank: Bank, asked: dict[str, Any]) -> dict[str, int | bool]:
    return bank.faults.all()


def _switch_faults(bank: Bank, asked: dict[str, Any]) -> dict[str, int | bool]:
    bank.faults.switch(asked)
    return bank.faults.all()


def _work(bank: Bank, asked: dict[str, Any]) -> dict[str, int]:
    return bank.work()


def _report(
    ask: Callable[[sqlite3.Connection], Any], name: str
) -> Callable[[Bank, dict[str, Any]], Any]:
    def answer(bank: Bank, asked: dict[str, Any]) -> dict[str, Any]:
        books = reports.connect(bank.path)
        try:
            found = ask(books)
        finally:
            books.close()
        return {name: found} if name else found

    return answer


def _transfers(bank: Bank, asked: dict[str, Any]) -> dict[str, Any]:
    books = reports.connect(bank.path)
    try:
        return reports.transfers(books, asked)
    finally:
        books.close()


def _page(bank: Bank) -> str:
    books = reports.connect(bank.path)
    try:
        rows = books.execute("SELECT MAX(id) FROM transfers").fetchone()[0] or 0
        latest = reports.transfers(
            books, {"after": str(max(0, rows - PAGE_ROWS)), "limit": str(PAGE_ROWS)}
        )["transfers"]
        tables = {
            "Customers": reports.customers(books),
            "Accounts": reports.accounts(books),
            "Files": reports.files(books)[-PAGE_ROWS:][::-1],
            "Messages": reports.messages(books)[-PAGE_ROWS:][::-1],
            f"Transfers (the last {PAGE_ROWS})": [
                {name: row[name] for name in SHOWN} for row in reversed(latest)
            ],
        }
    finally:
        books.close()
    return page.render(bank.clock.now().strftime("%Y-%m-%d %H:%M:%S"), tables)


GETS: dict[str, Callable[[Bank, dict[str, Any]], Any]] = {
    "/clock": _clock,
    "/faults": _faults,
    "/books/transfers": _transfers,
    "/books/summary": _report(reports.summary, ""),
    "/books/files": _report(reports.files, "files"),
    "/books/messages": _report(reports.messages, "messages"),
    "/books/accounts": _report(reports.accounts, "accounts"),
    "/books/duplicates": _report(reports.duplicates, "duplicates"),
}
POSTS: dict[str, Callable[[Bank, dict[str, Any]], Any]] = {
    "/clock": _move_clock,
    "/setup": _set_up,
    "/work": _work,
    "/faults": _switch_faults,
}
