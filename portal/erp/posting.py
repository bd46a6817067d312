"""Posts messages to an address that somebody outside has named, signed as Standard Webhooks says.

The address is looked up anew each time and only then connected to, as just the number that was
looked up: a name that leads into our own network is refused, whatever it answered before. No
redirect is followed. Nothing here asks the database, so that many may post at once.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import urllib3
from standardwebhooks import Webhook
from urllib3.util import Retry, Timeout

SECONDS = 15  # for one message: to be connected to, and again to be answered
ANSWER_MAX = 4096  # bytes of an answer that are looked at
LENGTH_MAX = 500  # characters of an address
HEADER_MAX = 64  # characters of a Retry-After that are looked at

# What an answer means for the one message: the ERP has it; it will not have this one; nothing came
# through, and nothing else will now.
TAKEN, REFUSED, DOWN = "taken", "refused", "down"
_REFUSES = {400, 405, 406, 409, 411, 413, 415, 422}
GONE = "status-410"


class BadAddress(ValueError):
    """The address is none that can be posted to; the code says why: `shape`, `scheme`, `user`,
    `unknown-host` or `private`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one message. `code` is `status-<three digits>`, or what kept it from coming
    through: `unknown-host`, `private`, `no-connection`, `tls`, `timeout`."""

    outcome: str
    code: str
    wait: int = 0  # seconds that the ERP asks us to wait


def split(address: str, *, private: bool) -> SplitResult:
    """The parts of an address; raises BadAddress. `private` allows http and our own network."""
    if len(address) > LENGTH_MAX or any(not 32 < ord(sign) < 127 for sign in address):
        raise BadAddress("shape")
    try:
        parts = urlsplit(address)
        named = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        named = None
    if not named:
        raise BadAddress("shape")
    if parts.scheme != "https" and not (private and parts.scheme == "http"):
        raise BadAddress("scheme")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("user")
    return parts


def look_up(parts: SplitResult, *, private: bool) -> str:
    """The number to connect to; raises BadAddress where there is none, or one of them is ours."""
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, _port(parts), type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BadAddress("unknown-host") from error
    numbers = [str(address[0]) for *_rest, address in found]
    if not private and not all(_public(number) for number in numbers):
        raise BadAddress("private")
    return numbers[0]


# Numbers that lead inwards although they count as of the whole world; and those that stand for an
# IPv4 number, their last four bytes.
_INNER = [
    ipaddress.ip_network(net)
    for net in ("192.0.0.0/24", "::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fec0::/10")
]
_STANDS_FOR_IPV4 = ipaddress.ip_network("64:ff9b::/96")


def _public(number: str) -> bool:
    address = ipaddress.ip_address(number.partition("%")[0])
    inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    if inner is None and address in _STANDS_FOR_IPV4:
        inner = ipaddress.IPv4Address(address.packed[-4:])
    outside = address.is_global and not address.is_multicast
    return (
        outside
        and not any(address in net for net in _INNER)
        and (inner is None or _public(str(inner)))
    )


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


class Poster:
    """Connections to one address, kept open between messages; may be used by many threads.

    Raises BadAddress when made, where the address cannot be posted to.
    """

    def __init__(self, address: str, secrets: list[str], *, private: bool, most: int) -> None:
        parts = split(address, private=private)
        number = look_up(parts, private=private)
        self._signers = [Webhook(secret) for secret in secrets]
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._host = parts.netloc
        self._made: list[Any] = []
        self._aborted = False
        timeout = Timeout(connect=SECONDS, read=SECONDS)
        if parts.scheme == "https":
            self._pool: urllib3.HTTPConnectionPool = urllib3.HTTPSConnectionPool(
                number,
                _port(parts),
                maxsize=most,
                timeout=timeout,
                server_hostname=parts.hostname,
                assert_hostname=parts.hostname,
                cert_reqs="CERT_REQUIRED",
            )
        else:
            self._pool = urllib3.HTTPConnectionPool(
                number, _port(parts), maxsize=most, timeout=timeout
            )
        self._pool.ConnectionCls = _noted(self._pool.ConnectionCls, self._made)

    def abort(self) -> None:
        """Ends what is still under way: whoever waits for an answer has none, at once."""
        self._aborted = True
        for connection in list(self._made):
            sock = connection.sock
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close()

    def post(self, message_id: str, body: str, *, at: dt.datetime) -> Answer:
        """Posts one message, signed at machine time `at` with each secret that holds now."""
        signatures = " ".join(
            signer.sign(msg_id=message_id, timestamp=at, data=body) for signer in self._signers
        )
        headers = {
            "Host": self._host,
            "Content-Type": "application/json",
            "User-Agent": "Kvitt",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signatures,
        }
        try:
            answer = self._pool.request(
                "POST",
                self._path,
                body=body.encode(),
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
            )
        except urllib3.exceptions.SSLError:
            return Answer(DOWN, "tls")
        except urllib3.exceptions.TimeoutError as error:
            late = not isinstance(error, urllib3.exceptions.ConnectTimeoutError)
            return Answer(DOWN, "timeout" if late else "no-connection")
        except (urllib3.exceptions.HTTPError, OSError):
            return Answer(DOWN, "no-connection")
        # Who is hung up on in the middle of an answer may have said yes: it is asked once more.
        return Answer(DOWN, "timeout") if self._aborted else _read(answer)


def _noted(kind: Any, made: list[Any]) -> Any:
    """The kind of connection, which writes itself down before it connects."""

    class Noted(kind):
        def connect(self) -> None:
            made.append(self)
            super().connect()

    return Noted


def _read(answer: urllib3.BaseHTTPResponse) -> Answer:
    """Reads no more than it must; a connection with more to say is not used again."""
    try:
        if len(answer.read(ANSWER_MAX + 1, decode_content=False)) > ANSWER_MAX:
            answer.close()
        answer.release_conn()
    except (urllib3.exceptions.HTTPError, OSError):
        answer.close()
    code = f"status-{answer.status}"
    if 200 <= answer.status < 300:
        return Answer(TAKEN, code)
    if answer.status in _REFUSES:
        return Answer(REFUSED, code)
    return Answer(DOWN, code, _asked(answer.headers.get("Retry-After", "")))


def _asked(header: str) -> int:
    """Seconds that a Retry-After asks for, as a number or a date; 0 where it is neither."""
    try:
        return int(Retry().parse_retry_after(header[:HEADER_MAX])) if header else 0
    except (ValueError, OverflowError, urllib3.exceptions.InvalidHeader):
        return 0
