"""Holds the control door (JSON and a page, HTTP on loopback); no rule of its own."""

import datetime
import json
import os
import sqlite3
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from . import page, reports
from .bank import Bank
from .clock import BackwardsError
from .receiving import IncomingRefusedError
from .register import SetupRefusedError
from .scripts import ScriptRefusedError

LARGEST_BODY = 20 * 1024 * 1024
REFUSED = (SetupRefusedError, ScriptRefusedError, IncomingRefusedError)


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
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            self._send(403, {"error": "another site's page may not steer the bank"})
            return
        if address.path == "/" or address.path.startswith(("/do/", "/file/")):
            self._serve_page(address.path, dict(parse_qsl(address.query)), body, routes is GETS)
            return
        try:
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
        except REFUSED as fault:
            self._send(400, {"error": str(fault)})
        except (ValueError, TypeError, AttributeError, OverflowError) as fault:
            # Nearly always a body of the wrong shape; printed, in case it is the bank's own.
            traceback.print_exc()
            self._send(400, {"error": str(fault)})
        except (sqlite3.Error, OSError) as fault:
            traceback.print_exc()
            self._send(500, {"error": str(fault)})

    def _serve_page(self, path: str, asked: dict[str, str], body: bytes, is_get: bool) -> None:
        """The page, a stored file as text, or a form of the page, which comes back to the page."""
        bank = self.server.bank
        if path == "/" and is_get:
            self._send_bytes(200, "text/html; charset=utf-8", _page(bank, asked).encode())
            return
        if path.startswith("/file/") and is_get:
            found = _stored(bank, path)
            if found is None:
                self._send(404, {"error": "no such file"})
            else:
                self._send_bytes(200, "text/plain; charset=utf-8", found)
            return
        act = ACTS.get(path.removeprefix("/do/"))
        if act is None or is_get:
            self._send(404, {"error": f"no {self.command} {path}"})
            return
        form = {key: text.strip() for key, text in parse_qsl(body.decode()) if text.strip()}
        try:
            told = {"done": act(bank, form)}
        except KeyError as missing:
            told = {"fault": f"Fill in {str(missing).strip(chr(39)).replace('_', ' ')}."}
        except (*REFUSED, BackwardsError) as fault:
            told = {"fault": f"{fault}"}
        except ValueError as fault:
            told = {"fault": f"A field holds what cannot be read: {fault}"}
        ((key, text),) = told.items()
        self.send_response(303)
        self.send_header("Location", f"/?{key}={quote(text)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, status: int, answer: Any) -> None:
        self._send_bytes(status, "application/json", json.dumps(answer).encode())

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


def _clock(bank: Bank, asked: dict[str, Any]) -> dict[str, Any]:
    return {"now": bank.clock.now().isoformat(), "stands": bank.clock.stands_at is not None}


def _move_clock(bank: Bank, asked: dict[str, Any]) -> dict[str, Any]:
    if set(asked) == {"stand"}:
        bank.stand(bool(asked["stand"]))
        return _clock(bank, {})
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
        raise ValueError("give one of to, advance_seconds, advance_days, stand")
    bank.move_clock(moment)
    return _clock(bank, {})


def _set_up(bank: Bank, asked: dict[str, Any]) -> dict[str, str]:
    bank.set_up(asked)
    return {"status": "ok"}


def _scripts(bank: Bank, asked: dict[str, Any]) -> dict[str, Any]:
    return {"scripts": bank.scripts.all()}


def _script(bank: Bank, asked: dict[str, Any]) -> dict[str, Any]:
    return bank.scripts.add(asked)


def _unscript(bank: Bank, asked: dict[str, Any]) -> dict[str, int]:
    """Takes away the script with this id, or all when none is given."""
    return {"removed": bank.scripts.remove(int(asked["id"]) if "id" in asked else None)}


def _activate(bank: Bank, asked: dict[str, Any]) -> dict[str, str]:
    bank.activate(str(asked.get("customer", "")), active=bool(asked.get("active", True)))
    return {"status": "ok"}


def _incoming(bank: Bank, asked: dict[str, Any]) -> dict[str, list[int]]:
    return {"ids": bank.receive(asked.get("payments", [asked]))}


def _give_back(bank: Bank, asked: dict[str, Any]) -> dict[str, int]:
    return {"id": bank.give_back(asked)}


def _net_bank(bank: Bank, asked: dict[str, Any]) -> dict[str, str]:
    bank.decide(
        str(asked.get("customer", "")),
        str(asked.get("payment", "")),
        approve=bool(asked.get("approve", True)),
    )
    return {"status": "ok"}


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


def _page(bank: Bank, asked: dict[str, str]) -> str:
    books = reports.connect(bank.path)
    try:
        return page.render(
            books,
            now=bank.clock.now(),
            stands=bank.clock.stands_at is not None,
            scripts=bank.scripts.all(),
            done=asked.get("done", ""),
            fault=asked.get("fault", ""),
        )
    finally:
        books.close()


def _stored(bank: Bank, path: str) -> bytes | None:
    """The bytes of /file/in/ID or /file/out/ID, as far as they can be read as text."""
    _, _, direction, number = [*path.split("/"), "", ""][:4]
    if not number.isdigit() or direction not in ("in", "out"):
        return None
    books = reports.connect(bank.path)
    try:
        found = reports.stored(books, bank.data, direction, int(number))
    finally:
        books.close()
    return None if found is None else found.decode("utf-8", "replace").encode()


# What the page's forms do; each returns the sentence that the page then shows.


def _do_clock(bank: Bank, form: dict[str, str]) -> str:
    if "stand" in form:
        bank.stand(form["stand"] == "yes")
        return "The clock stands." if form["stand"] == "yes" else "The clock goes."
    asked: dict[str, Any] = {"advance_days": int(form["days"])} if "days" in form else {}
    asked = asked or {"to": form["to"]}
    return f"It is {_move_clock(bank, asked)['now'][:16].replace('T', ' ')} at the bank."


def _do_work(bank: Bank, form: dict[str, str]) -> str:
    done = ", ".join(f"{name} {count}" for name, count in bank.work().items() if count)
    return f"A round was done: {done or 'nothing was due'}."


def _do_script(bank: Bank, form: dict[str, str]) -> str:
    wanted: dict[str, Any] = dict(form)
    if "times" in wanted:
        wanted["times"] = int(wanted["times"])
    return f"Script {bank.scripts.add(wanted)['id']} holds."


def _do_unscript(bank: Bank, form: dict[str, str]) -> str:
    return f"{_unscript(bank, form)['removed']} taken away."


def _do_incoming(bank: Bank, form: dict[str, str]) -> str:
    bank.receive([form])
    return "Entered; it is booked in the next round that is due."


def _do_give_back(bank: Bank, form: dict[str, str]) -> str:
    bank.give_back(form)
    return "It comes back in the next round that is due."


def _do_net_bank(bank: Bank, form: dict[str, str]) -> str:
    bank.decide(form["customer"], form["payment"], approve=form["approve"] == "yes")
    return f"Payment {form['payment']} was {'approved' if form['approve'] == 'yes' else 'refused'}."


def _do_customer(bank: Bank, form: dict[str, str]) -> str:
    """A customer as the bank registers one from a signed agreement."""
    number = form["customer_number"]
    books = reports.connect(bank.path)
    try:
        if any(row["customer_number"] == number for row in reports.customers(books)):
            raise SetupRefusedError(
                f"customer {number} is registered already; change it by the command setup"
            )
    finally:
        books.close()
    account = {"number": form["account"], "balance": form.get("balance", "0"), "statements": 1}
    people = [word.strip() for word in form.get("people", "").split(",") if word.strip()]
    customer = {
        "customer_number": number,
        "name": form["name"],
        "organisation_number": form.get("organisation_number", ""),
        "channel": form["channel"],
        "agreement_id": form["agreement_id"],
        "active": False,
        "approvers_required": int(form.get("approvers_required", "1")),
        "people": [{"id": person} for person in people],
        "accounts": [account | {"authorities": people}],
    }
    bank.set_up({"customers": [customer]})
    return f"Customer {number} is registered; activate the agreement when it may be used."


def _do_activate(bank: Bank, form: dict[str, str]) -> str:
    active = form["active"] == "yes"
    bank.activate(form["customer"], active=active)
    state = "open" if active else "closed"
    return f"Customer {form['customer']} is told that the agreement is {state}."


ACTS: dict[str, Callable[[Bank, dict[str, str]], str]] = {
    "clock": _do_clock,
    "work": _do_work,
    "script": _do_script,
    "unscript": _do_unscript,
    "incoming": _do_incoming,
    "give-back": _do_give_back,
    "net-bank": _do_net_bank,
    "customer": _do_customer,
    "activate": _do_activate,
}
GETS: dict[str, Callable[[Bank, dict[str, Any]], Any]] = {
    "/clock": _clock,
    "/scripts": _scripts,
    "/books/transfers": _transfers,
    "/books/summary": _report(reports.summary, ""),
    "/books/files": _report(reports.files, "files"),
    "/books/messages": _report(reports.messages, "messages"),
    "/books/accounts": _report(reports.accounts, "accounts"),
    "/books/credits": _report(reports.credits, "credits"),
    "/books/customers": _report(reports.customers, "customers"),
    "/books/duplicates": _report(reports.duplicates, "duplicates"),
}
POSTS: dict[str, Callable[[Bank, dict[str, Any]], Any]] = {
    "/clock": _move_clock,
    "/setup": _set_up,
    "/work": _work,
    "/scripts": _script,
    "/scripts/remove": _unscript,
    "/incoming": _incoming,
    "/give-back": _give_back,
    "/net-bank": _net_bank,
    "/activate": _activate,
}
