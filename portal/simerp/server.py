"""The control address on loopback: JSON for programs, forms for people; acts are in `acts`."""

import json
import sys
import urllib.parse
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any

from portal.simerp import acts, books, companies, page

LARGEST_BODY_BYTES = 64 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"
IDLE_SECONDS = 30
PUSH = "/push/"  # and the company's public id: where the portal pushes events to

Told = tuple[int, dict[str, Any]]


class Control(ThreadingHTTPServer):
    """The server; its threads die with the process, which the books survive at any moment."""

    daemon_threads = True

    def __init__(self, *, port: int, erp: acts.Erp) -> None:
        self.erp = erp
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        """The address it listens on."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Control
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        parts = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        if parts.path == "/health":
            self._json(200, {"status": "ok"})
        elif parts.path == "/books":
            self._try(lambda: self.server.erp.show(company=query.get("company")))
        elif parts.path == "/":
            self._page(200)
        elif parts.path == "/style.css":
            style = resources.files("portal.simerp").joinpath("style.css").read_bytes()
            self._answer(200, "text/css; charset=utf-8", style)
        else:
            self._json(404, {"error": "Ukjent adresse."})

    def do_POST(self) -> None:
        # Another site's page in the same browser may post here too: it is refused by its Origin.
        origin = self.headers.get("Origin")
        if origin is not None and urllib.parse.urlsplit(origin).netloc != self.headers.get("Host"):
            self.close_connection = True
            self._json(403, {"error": "Forespørselen kommer fra en annen side."})
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > LARGEST_BODY_BYTES:
            self.close_connection = True
            self._json(413, {"error": "Innholdet mangler lengde eller er for stort."})
            return
        body = self.rfile.read(int(length))
        if self.path.startswith(PUSH):
            company = urllib.parse.unquote(self.path.removeprefix(PUSH))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._try(lambda: self.server.erp.pushed(company=company, headers=headers, body=body))
            return
        if self.headers.get_content_type() == FORM:
            fields = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace")))
            self._form(fields)
        else:
            self._try(lambda: self._act(_document(body)))

    def _act(self, document: dict[str, Any]) -> Told:
        """Do the act the path names with the fields of the document."""
        erp = self.server.erp
        known: dict[str, Callable[[], Told]] = {
            "/setup": lambda: erp.setup(document),
            "/propose": lambda: erp.propose(
                company=_field(document, "company"),
                due_date=_optional(document, "due_date"),
                pay_date=_optional(document, "pay_date"),
            ),
            "/upload": lambda: erp.upload(
                company=_field(document, "company"), code=_optional(document, "code") or ""
            ),
            "/sync": lambda: erp.sync(company=_optional(document, "company")),
            "/ping": lambda: erp.ping(company=_field(document, "company")),
            "/cancel": lambda: erp.cancel(
                company=_field(document, "company"),
                number=_field(document, "payment"),
                reason=_field(document, "reason"),
                references=document.get("references"),
            ),
        }
        act = known.get(self.path)
        return act() if act else (404, {"error": "Ukjent adresse."})

    def _try(self, act: Callable[[], Told]) -> None:
        try:
            status, told = act()
        except books.Impossible as error:
            status, told = error.status, {"error": str(error)}
        self._json(status, told)

    def _form(self, fields: dict[str, str]) -> None:
        try:
            status, told = self._act(fields)
        except books.Impossible as error:
            self._page(error.status, notice=str(error))
            return
        if status == 404:
            self._json(status, told)
            return
        # What went wrong with the portal stands on the page as the company's last error.
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _page(self, status: int, *, notice: str = "") -> None:
        _, told = self.server.erp.show(company=None)
        text = page.page(companies=told["companies"], notice=notice)
        self._answer(status, "text/html; charset=utf-8", text.encode())

    def _json(self, status: int, told: dict[str, Any]) -> None:
        body = json.dumps(told, ensure_ascii=False).encode()
        self._answer(status, "application/json", body)

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        sys.stderr.write(f"simerp {self.log_date_time_string()} {format % args}\n")


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise companies.Unusable(f"Innholdet er ikke JSON: {error}.") from error
    if not isinstance(document, dict):
        raise companies.Unusable("Innholdet må være et JSON-objekt.")
    return document


def _field(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value:
        raise companies.Unusable(f"{name} mangler.")
    return value


def _optional(document: dict[str, Any], name: str) -> str | None:
    return _field(document, name) if document.get(name) else None
