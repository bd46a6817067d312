"""A stand-in portal that really verifies signatures, and the ERP as a process; no test in here."""

import contextlib
import datetime
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    MappingKeyResolver,
    algorithms,
)
from lxml import etree

ROOT = Path(__file__).resolve().parents[3]
KEY = "nøkkel-til-fjellvann-0001"
COMPANY = "c-fjellvann"
USER = "erp@fjellvann.example"
PATIENCE_SECONDS = 10


class Dropped(Exception):
    """The stand-in is to cut the connection instead of answering."""


class Portal:
    """What the contract says, in the smallest form, with switches for what may go wrong."""

    def __init__(self) -> None:
        self.keys = {COMPANY: KEY}
        self.received: list[SimpleNamespace] = []
        self.asked: list[str] = []
        self.cancelled: list[dict[str, Any]] = []
        self.uploads: dict[str, tuple[str, dict[str, Any]]] = {}
        self.payments: dict[str, list[str]] = {}
        self.events: list[dict[str, Any]] = []
        self.signature_faults: list[str] = []
        self.stopped: set[str] = set()
        self.refusal: tuple[int, dict[str, Any]] | None = None
        self.before_answer: Callable[[], None] | None = None
        self.page_limit = 1000
        self._nonces: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://localhost:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def tell(self, event: str, number: str | None, code: int | None, **more: Any) -> dict[str, Any]:
        """Add an event to the feed."""
        told = {
            "sequence": len(self.events) + 1,
            "at": "2026-11-24T23:30:00+00:00",
            "event": event,
            "number": number,
            "reference": None,
            "status": event,
            "status_text": event.capitalize(),
            "erp_code": code,
            "reasons": [],
            **more,
        }
        self.events.append(told)
        return told

    def verify(self, request: SimpleNamespace) -> str | None:
        """Return the company that signed, or None after noting what was wrong."""
        verifier = HTTPMessageVerifier(
            signature_algorithm=algorithms.HMAC_SHA256,
            key_resolver=MappingKeyResolver(
                public_keys={name: key.encode() for name, key in self.keys.items()},
                private_keys={},
            ),
        )
        try:
            (result,) = verifier.verify(
                request, max_age=datetime.timedelta(minutes=5), body=request.body
            )
        except (HTTPMessageSignaturesException, ValueError) as error:
            self.signature_faults.append(str(error))
            return None
        names = {name.lower() for name in request.headers}
        expected = ["@method", "@target-uri"]
        expected += ["content-digest", "content-type"] if request.body else []
        expected += [name for name in ("kvitt-user", "idempotency-key") if name in names]
        covered = [name.strip('"') for name in result.covered_components][:-1]
        nonce = str(result.nonce)
        faults = [
            text
            for text, wrong in (
                (f"covers {covered}", covered != expected),
                (f"label {result.label}", result.label != "sig1"),
                ("alg", result.parameters.get("alg") != "hmac-sha256"),
                ("nonce", len(nonce) < 16 or nonce in self._nonces),
            )
            if wrong
        ]
        self._nonces.add(nonce)
        self.signature_faults += faults
        return None if faults else str(result.parameters["keyid"])

    def take(self, request: SimpleNamespace, company: str) -> tuple[int, dict[str, Any]]:
        """Take payments in, once per key and body."""
        key, digest = request.headers["Idempotency-Key"], hashlib.sha256(request.body).hexdigest()
        self.received.append(
            SimpleNamespace(
                key=key,
                digest=digest,
                body=request.body,
                user=request.headers["Kvitt-User"],
                content_type=request.headers["Content-Type"],
            )
        )
        if self.refusal is not None:
            return self.refusal
        if key in self.uploads:
            known, answer = self.uploads[key]
            return (200, answer) if known == digest else (422, problem(422, "samme nøkkel"))
        payments = _payments(request.headers["Content-Type"], request.body)
        if any(number in self.payments for number in payments):
            return 422, problem(422, "betalingsnummeret finnes")
        answer = {"upload": f"u{len(self.uploads)}", "erp_code": 2, "payments": []}
        for number, references in payments.items():
            stopped = [reference for reference in references if reference in self.stopped]
            code = 2 if not stopped else 10 if len(stopped) == len(references) else 3
            answer["payments"].append(
                {
                    "number": number,
                    "erp_code": code,
                    "lines": len(references),
                    "stopped": [_fault(reference) for reference in stopped],
                }
            )
        self.payments.update(payments)
        self.uploads[key] = digest, answer
        return 201, answer

    def feed(self, after: int, limit: int) -> dict[str, Any]:
        """Return one page of the feed."""
        rest = [event for event in self.events if event["sequence"] > after]
        page = rest[: min(limit, self.page_limit)]
        upto = page[-1]["sequence"] if page else after
        return {"events": page, "next_after": upto, "more": len(rest) > len(page)}


def problem(status: int, detail: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": "Avvist",
        "status": status,
        "detail": detail,
        "problems": [
            {"code": "X1", "place": "PmtInf 1", "problem": "Feil konto", "cure": "Rett kontoen"}
        ],
    }


def _fault(reference: str) -> dict[str, Any]:
    return {
        "reference": reference,
        "code": "AC03",
        "field": "account",
        "place": reference,
        "problem": "Kontonummeret er ugyldig",
        "cure": "Rett kontonummeret hos leverandøren",
    }


def _payments(content_type: str, body: bytes) -> dict[str, list[str]]:
    """Read references per payment number, checking the totals on the way."""
    if content_type == "application/json":
        document = json.loads(body)
        lines = [line for payment in document["payments"] for line in payment["lines"]]
        assert document["totals"]["lines"] == len(lines)
        assert Decimal(document["totals"]["sum"]) == sum(Decimal(line["amount"]) for line in lines)
        return {
            payment["number"]: [line["reference"] for line in payment["lines"]]
            for payment in document["payments"]
        }
    root = etree.fromstring(body)
    return {
        part.findtext("{*}PmtInfId"): [ref.text for ref in part.iterfind(".//{*}EndToEndId")]
        for part in root.iterfind(".//{*}PmtInf")
    }


def _handler(portal: Portal) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            request = SimpleNamespace(
                method=method,
                url=f"http://{self.headers['Host']}{self.path}",
                headers=self.headers,
                body=body,
            )
            portal.asked.append(f"{method} {self.path}")
            company = portal.verify(request)
            status, told = (
                (401, problem(401, "signatur")) if company is None else self._do(request, company)
            )
            try:
                if portal.before_answer is not None:
                    portal.before_answer()
            except Dropped:
                self.close_connection = True
                return
            self._answer(status, told)

        def _do(self, request: SimpleNamespace, company: str) -> tuple[int, dict[str, Any]]:
            parts = urlsplit(self.path)
            path = parts.path.removeprefix("/api/erp/v1/")
            if path == "ping":
                return 200, {"company": {"public_id": company}, "time": "2026-11-24T12:00:00Z"}
            if path == "events":
                query = dict(parse_qsl(parts.query))
                return 200, portal.feed(int(query["after"]), int(query["limit"]))
            if path == "payments":
                return portal.take(request, company)
            if path.endswith("/cancel"):
                number = path.split("/")[1]
                portal.cancelled.append({"number": number, **json.loads(request.body)})
                if portal.refusal is not None:
                    return portal.refusal
                return 200, {"number": number, "cancelled": len(portal.payments[number])}
            return 404, problem(404, "ukjent")

        def _answer(self, status: int, told: dict[str, Any]) -> None:
            kind = "application/json" if status < 300 else "application/problem+json"
            body = json.dumps(told).encode()
            # The ERP may have been killed by the test while it waited.
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep the test output clean."""

    return Handler


class Process:
    """The ERP as its users have it: a process, its control address and its folder."""

    def __init__(self, *, data: Path, portal: str) -> None:
        self.data, self.portal = data, portal
        self.running: subprocess.Popen[bytes] | None = None
        self.url = ""

    def start(self, *, interval: str = "0") -> None:
        ready = self.data / "ready.json"
        ready.unlink(missing_ok=True)
        self.running = subprocess.Popen(
            [
                *(sys.executable, "-m", "portal.simerp", "serve"),
                *("--data", str(self.data), "--portal", self.portal),
                *("--port", "0", "--interval", interval),
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stderr=subprocess.DEVNULL,
        )
        wait_for(ready.exists)
        told = json.loads(ready.read_text())
        assert told["pid"] == self.running.pid
        self.url = told["url"]

    def kill(self) -> None:
        assert self.running is not None
        os.kill(self.running.pid, signal.SIGKILL)
        self.running.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        assert self.running is not None
        self.running.terminate()
        return self.running.wait(PATIENCE_SECONDS)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Begin one command of the command line beside the server."""
        return subprocess.Popen(
            [sys.executable, "-m", "portal.simerp", *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> SimpleNamespace:
        """Run one command to its end."""
        process = self.begin(*arguments)
        stdout, _ = process.communicate(timeout=PATIENCE_SECONDS)
        return SimpleNamespace(returncode=process.returncode, stdout=stdout)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_SECONDS)
        with contextlib.closing(connection):
            names = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers=names)
            response = connection.getresponse()
            return response.status, response.read()

    def post(self, path: str, **document: Any) -> tuple[int, dict[str, Any]]:
        status, body = self.ask("POST", path, json.dumps(document).encode())
        return status, json.loads(body)

    def books(self, company: str = COMPANY) -> dict[str, Any]:
        status, body = self.ask("GET", f"/books?company={company}")
        assert status == 200
        return json.loads(body)


def wait_for(done: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not done():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def invoice(number: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "supplier": "50001",
        "number": number,
        "kind": "invoice",
        "amount": amount,
        "due_date": "2026-11-24",
        "kid": None,
        "message": None,
        **more,
    }


def setup_document(*invoices: dict[str, Any], **more: Any) -> dict[str, Any]:
    company = {
        "public_id": COMPANY,
        "name": "Fjellvann AS",
        "signing_key": KEY,
        "erp_user": USER,
        "debit_account": "15032080119",
        "format": "pain.001.001.09",
        "suppliers": [
            supplier("50001", "Bergen Rør & Sønn AS"),
            supplier("50002", "Løten Kontor AS"),
        ],
        "invoices": list(invoices),
        **more,
    }
    return {"companies": [company]}


def supplier(number: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "name": name,
        "account": "86011117947",
        "town": "Bergen",
        "country": "NO",
        **more,
    }


@pytest.fixture
def cast() -> SimpleNamespace:
    """What tests need of this module; a fixture, so that no import mode of pytest matters."""
    return SimpleNamespace(
        COMPANY=COMPANY,
        KEY=KEY,
        USER=USER,
        ROOT=ROOT,
        Dropped=Dropped,
        invoice=invoice,
        supplier=supplier,
        setup=setup_document,
        problem=problem,
        wait_for=wait_for,
    )


@pytest.fixture
def portal() -> Iterator[Portal]:
    made = Portal()
    yield made
    made.close()
    assert made.signature_faults == []


@pytest.fixture
def erp(tmp_path: Path, portal: Portal) -> Iterator[Process]:
    data = tmp_path / "erp"
    data.mkdir()
    process = Process(data=data, portal=portal.url)
    process.start()
    yield process
    if process.running is not None and process.running.poll() is None:
        process.kill()
