"""An ERP that events are pushed to: a server of its own that looks at each signature and remembers
what it took, in the order in which it came."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook

Judge = Callable[[dict[str, Any]], int]


@dataclass
class Erp:
    """`taken` holds the messages answered with 200, `seen` all; `judge` gives each its status."""

    secret: str = ""
    judge: Judge = lambda message: 200
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0
    taken: list[dict[str, Any]] = field(default_factory=list)
    seen: list[dict[str, Any]] = field(default_factory=list)
    forged: int = 0
    most: int = 0
    port: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def of(self, number: str) -> list[int]:
        """The numbers in the feed of what was taken of a payment, in the order in which it came."""
        found = [one["data"] for one in self.taken if one["data"].get("number") == number]
        return [data["sequence"] for data in found]

    def ids(self) -> list[str]:
        return [one["id"] for one in self.taken]

    def take(self, headers: dict[str, str], body: bytes) -> int:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            if self.secret:
                try:
                    Webhook(self.secret).verify(body, headers)
                except Exception:
                    self.forged += 1
                    return 401
            message = json.loads(body) | {"id": headers["webhook-id"]}
            status = self.judge(message)
            with self._lock:
                self.seen.append(message)
                if status == 200:
                    self.taken.append(message)
            return status
        finally:
            with self._lock:
                self._now -= 1


@contextlib.contextmanager
def listening(erp: Erp, *, port: int = 0) -> Iterator[Erp]:
    """The ERP stands at its address as long as this lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = erp.take({k.lower(): v for k, v in self.headers.items()}, body)
            if erp.drip:
                with contextlib.suppress(OSError):
                    for sign in f"HTTP/1.1 {status} OK\r\nX-Slow: " + "x" * 10_000:
                        self.wfile.write(sign.encode())
                        self.wfile.flush()
                        time.sleep(erp.drip)
                return
            self.send_response(status)
            for name, value in erp.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

    server = Server(("127.0.0.1", port), Handler)
    erp.port = server.server_address[1]
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
    )
    thread.start()
    try:
        yield erp
    finally:
        server.shutdown()
        server.server_close()
