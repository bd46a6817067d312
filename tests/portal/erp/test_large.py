"""Bodies as large as the door allows, and larger, also over a socket to the real server."""

from __future__ import annotations

import base64
import datetime as dt
import gc
import hashlib
import http.client
import io
import json
import secrets
import tracemalloc
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from http_message_signatures import HTTPMessageSigner, MappingKeyResolver, algorithms

from portal import clock
from tests import kit
from tests.kit import Erp, Line, Stage
from tests.portal.erp import servers

MB = 1024 * 1024
CHUNK = b" " * MB


class Blanks(io.RawIOBase):
    """So many blanks, made while they are read."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = self.left if size < 0 else min(size, self.left)
        self.left -= size
        return b" " * size


def digest_of_blanks(size: int) -> bytes:
    hasher = hashlib.sha256()
    for _ in range(size // MB):
        hasher.update(CHUNK)
    return hasher.digest()


def signed(erp: Erp, size: int, *, key: str = "") -> dict[str, str]:
    """Headers of an upload of blanks, made without ever holding them."""
    told = base64.b64encode(digest_of_blanks(size)).decode()
    headers = {
        "Content-Type": "application/xml",
        "Content-Digest": f"sha-256=:{told}:",
        "Kvitt-User": erp.made.users["erp"].email,
        "Idempotency-Key": secrets.token_hex(8),
    }
    company = erp.made.company.public_id
    secret = (key or erp.made.key).encode()
    HTTPMessageSigner(
        signature_algorithm=algorithms.HMAC_SHA256,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={company: secret}),
    ).sign(
        kit._Request("POST", erp.base + kit.API + "payments", headers),
        key_id=company,
        created=dt.datetime.now(dt.UTC),
        nonce=secrets.token_urlsafe(18),
        covered_component_ids=("@method", "@target-uri", *map(str.lower, headers)),
        use_existing_digest=True,
    )
    return headers


def test_a_body_of_200_mb_is_refused_without_being_held_in_memory(db: None) -> None:
    erp = Erp(kit.stage())
    before = kit.stored(erp.made)
    size = 200 * MB
    headers = signed(erp, size)
    environ = {
        "CONTENT_LENGTH": str(size),
        "wsgi.input": Blanks(size),
        "CONTENT_TYPE": headers.pop("Content-Type"),
        "REQUEST_METHOD": "POST",
    }
    gc.collect()
    tracemalloc.start()
    try:
        answer = erp.client.generic("POST", kit.API + "payments", headers=headers, **environ)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    problem = kit.refusal(answer, 413, "too-large", place="Content-Length")
    assert "128 MB" in problem["problem"]
    assert environ["wsgi.input"].left == 0  # type: ignore[union-attr]
    assert peak < 32 * MB
    assert kit.stored(erp.made) == before


def test_a_body_at_the_limit_is_read_to_its_end(db: None, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = MB
    erp = Erp(kit.stage())
    kit.refusal(erp.post("payments", b" " * MB), 422, "empty")
    kit.refusal(erp.post("payments", b" " * (MB + 1)), 413, "too-large")


@pytest.fixture
def server(own_database: str) -> Iterator[int]:
    with servers.running(own_database) as port:
        yield port


def ask(erp: Erp, method: str, path: str, headers: dict[str, str], size: int) -> tuple[int, Any]:
    """Sends blanks as any client does: all of the body first, then the answer is read."""
    connection = http.client.HTTPConnection(erp.base.removeprefix("http://"), timeout=60)
    try:
        connection.putrequest(method, kit.API + path)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        for _ in range(size // MB):
            connection.send(CHUNK)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def codes(told: Any) -> list[str]:
    return [problem["code"] for problem in told["problems"]]


@pytest.mark.stack
def test_over_a_socket_the_client_gets_its_answer_and_not_a_broken_pipe(server: int) -> None:
    erp = Erp(kit.stage(), base=f"http://127.0.0.1:{server}")
    before = kit.stored(erp.made)
    status, told = ask(erp, "POST", "payments", signed(erp, 200 * MB), 200 * MB)
    assert (status, codes(told)) == (413, ["too-large"])
    for size in (2 * MB, 100 * MB):
        headers = signed(erp, size, key="another key")
        status, told = ask(erp, "POST", "payments", headers, size)
        assert (status, codes(told)) == (401, ["signature"])
        headers = signed(erp, size) | {"Signature": ""}
        status, told = ask(erp, "POST", "payments", headers, size)
        assert (status, codes(told)) == (401, ["signature"])
    assert kit.stored(erp.made) == before


@pytest.mark.stack
def test_over_a_socket_a_number_may_hold_any_sign(server: int) -> None:
    made: Stage = kit.stage()
    erp = Erp(made, base=f"http://127.0.0.1:{server}")
    numbers = ["A/1", "A+1", "A 1", "A:1?", "A%1", "Å1"]
    payments = {number: [Line("L", "1.00", kit.account(70))] for number in numbers}
    body = kit.pain001(payments, account=made.agreement.account.number, due=clock.today())
    headers = {
        "Content-Type": "application/xml",
        "Kvitt-User": made.users["erp"].email,
        "Idempotency-Key": "k1",
    }
    connection = http.client.HTTPConnection("127.0.0.1", server, timeout=60)
    headers = erp.headers("POST", "payments", body, headers)
    connection.request("POST", kit.API + "payments", body, headers)
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:1]) == (201, b"{")
    for number in numbers:
        for safe in ("", "/", "/+:"):
            path = f"payments/{quote(number, safe=safe)}"
            connection.request("GET", kit.API + path, headers=erp.headers("GET", path, None, {}))
            answer = connection.getresponse()
            told = json.loads(answer.read())
            assert (answer.status, told.get("number")) == (200, number), told
    connection.close()
