"""The portal's address: signed requests and answers as they came; keeps and decides nothing."""

import datetime
import http.client
import json
import secrets
import urllib.parse
from dataclasses import dataclass
from typing import Any

from http_message_signatures import (
    ContentDigest,
    HTTPMessageSigner,
    MappingKeyResolver,
    algorithms,
)

BASE_PATH = "/api/erp/v1/"
LABEL = "sig1"
NONCE_BYTES = 24
ASK_SECONDS = 20
# The portal validates and stores up to 100,000 lines before it answers.
SEND_SECONDS = 120
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
COVERED_WHEN_PRESENT = (
    "Content-Digest",
    "Content-Type",
    "Kvitt-User",
    "Kvitt-Code",
    "Idempotency-Key",
)
DEFAULT_PORTS = {"http": 80, "https": 443}


class NoAnswer(Exception):
    """No answer came that can be understood: whether the portal acted is not known."""


@dataclass(frozen=True)
class Answer:
    """The portal's answer: HTTP status, media type and body."""

    status: int
    media_type: str
    body: bytes

    def document(self) -> dict[str, Any]:
        """Return the body as a JSON object or raise NoAnswer."""
        try:
            document = json.loads(self.body)
        except ValueError as error:
            raise NoAnswer(f"Kvitt svarte {self.status} uten lesbar JSON.") from error
        if not isinstance(document, dict):
            raise NoAnswer(f"Kvitt svarte {self.status} uten et JSON-objekt.")
        return document

    def problem(self) -> str | None:
        """Return a problem+json as readable text; None when the answer is something else."""
        if self.media_type != "application/problem+json":
            return None
        document = self.document()
        told = [document.get("title"), document.get("detail")]
        problems = document.get("problems")
        for entry in problems if isinstance(problems, list) else []:
            if isinstance(entry, dict):
                told += [entry.get("place"), entry.get("problem"), entry.get("cure")]
        text = " – ".join(str(part) for part in told if part)
        return f"{self.status}: {text}" if text else str(self.status)


@dataclass(kw_only=True)
class _Message:
    """What the signer reads: method, address and headers."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the portal listens."""

    scheme: str
    host: str
    port: int

    @property
    def base(self) -> str:
        """The address as the Host header shows it, where a default port is left unsaid."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")


def address(portal: str) -> Address:
    """Read "http://localhost:8000"; raises ValueError for anything that is no such address."""
    parts = urllib.parse.urlsplit(portal)
    if parts.scheme not in DEFAULT_PORTS or parts.hostname is None:
        raise ValueError(f"the portal's address must be http(s)://host[:port], not {portal!r}")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Address(scheme=parts.scheme, host=parts.hostname, port=port)


class Door:
    """Sends signed requests for one company with its key and, where asked for, its user."""

    def __init__(self, *, portal: str, company: str, signing_key: str, user: str) -> None:
        self._portal = address(portal)
        self._company = company
        self._has_key = bool(signing_key)
        self._user = user
        self._signer = HTTPMessageSigner(
            signature_algorithm=algorithms.HMAC_SHA256,
            key_resolver=MappingKeyResolver(
                public_keys={}, private_keys={company: signing_key.encode()}
            ),
        )

    def ask(self, path: str) -> Answer:
        """GET a path under the API's base."""
        return self._send("GET", path, headers={}, body=None, timeout_seconds=ASK_SECONDS)

    def post(
        self,
        path: str,
        *,
        body: bytes,
        content_type: str,
        idempotency_key: str | None = None,
        code: str = "",
    ) -> Answer:
        """POST bytes in the user's name; the same key with the same bytes is done once."""
        headers = {
            "Content-Type": content_type,
            "Content-Digest": ContentDigest.create(body),
            "Kvitt-User": self._user,
        }
        if code:
            headers["Kvitt-Code"] = code
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        return self._send("POST", path, headers=headers, body=body, timeout_seconds=SEND_SECONDS)

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str],
        body: bytes | None,
        timeout_seconds: float,
    ) -> Answer:
        if not self._has_key:
            raise NoAnswer("Selskapet har ingen signeringsnøkkel i økonomisystemet.")
        target = BASE_PATH + path
        message = _Message(method=method, url=self._portal.base + target, headers=headers)
        self._signer.sign(
            message,
            key_id=self._company,
            created=datetime.datetime.now(datetime.UTC),
            nonce=secrets.token_urlsafe(NONCE_BYTES),
            label=LABEL,
            covered_component_ids=(
                "@method",
                "@target-uri",
                *(name.lower() for name in COVERED_WHEN_PRESENT if name in headers),
            ),
            use_existing_digest=body is not None,
        )
        secure = self._portal.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(self._portal.host, self._portal.port, timeout=timeout_seconds)
        try:
            connection.request(method, target, body=body, headers=message.headers)
            return _read(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"Kvitt svarte ikke ({type(error).__name__}: {error}).") from error
        finally:
            connection.close()


def _read(response: http.client.HTTPResponse) -> Answer:
    if response.length is not None and response.length > LARGEST_ANSWER_BYTES:
        raise NoAnswer(f"Svaret fra Kvitt er for stort ({response.length} byte).")
    # Without a length to read(), http.client raises when the body is cut off half way.
    body = response.read()
    return Answer(response.status, response.headers.get_content_type(), body)
