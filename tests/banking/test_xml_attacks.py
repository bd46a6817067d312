"""Files made to hurt whoever reads them: each is refused in bounded time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MIB = 5.0, 100.0
MEGABYTE = 1 << 20
NS = b'xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"'
CAMT = b'xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.02"'
HEAD = b'<?xml version="1.0" encoding="UTF-8"?>'
OPEN = b"<Document " + NS + b"><CstmrCdtTrfInitn>"
CLOSE = b"</CstmrCdtTrfInitn></Document>"
OPEN_CAMT = b"<Document " + CAMT + b"><BkToCstmrDbtCdtNtfctn><Ntfctn><Id>1</Id>"
CLOSE_CAMT = b"</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"


def much(piece: bytes, megabytes: int) -> Iterator[bytes]:
    """That piece again and again, so many megabytes of it, never all in memory here."""
    block = piece * (MEGABYTE // len(piece) + 1)
    for _n in range(megabytes):
        yield block[:MEGABYTE] if len(piece) == 1 else block


def laughs() -> bytes:
    """Ten entities, each ten times the one before."""
    entities = b"".join(
        b'<!ENTITY e%d "%s">' % (n, b"&e%d;" % (n - 1) * 10 if n else b"ha" * 1000)
        for n in range(10)
    )
    return b"<!DOCTYPE x [" + entities + b"]>" + OPEN + b"&e9;" + CLOSE


def entity(declared: bytes) -> bytes:
    return HEAD + b"<!DOCTYPE Document [" + declared + b"]>" + OPEN + b"&x;" + CLOSE


def hidden(encoding: str) -> bytes:
    """A DOCTYPE in an encoding in which a search for its bytes does not find it."""
    text = entity(b'<!ENTITY x SYSTEM "file:///etc/passwd">').decode()
    return text.replace("UTF-8", encoding).encode(encoding)


# What it is, its pieces, the code of its refusal.
ATTACKS: list[tuple[str, list[Any], str]] = [
    ("billion laughs", [laughs()], "doctype-forbidden"),
    (
        "quadratic blow-up",
        [entity(b'<!ENTITY x "' + b"a" * 50_000 + b'">').replace(b"&x;", b"&x;" * 50_000)],
        "doctype-forbidden",
    ),
    ("a file of the machine", [entity(b'<!ENTITY x SYSTEM "file:///etc/passwd">')],
     "doctype-forbidden"),
    ("a device without end", [entity(b'<!ENTITY x SYSTEM "file:///dev/zero">')],
     "doctype-forbidden"),
    ("an address inside", [entity(b'<!ENTITY x SYSTEM "http://127.0.0.1:1/">')],
     "doctype-forbidden"),
    ("a parameter entity", [entity(b'<!ENTITY % p SYSTEM "http://127.0.0.1:1/a.dtd"> %p;')],
     "doctype-forbidden"),
    ("a DTD from outside",
     [HEAD, b'<!DOCTYPE Document SYSTEM "http://127.0.0.1:1/a.dtd">', OPEN, CLOSE],
     "doctype-forbidden"),
    ("default attributes by DTD",
     [HEAD, b'<!DOCTYPE Document [<!ATTLIST InstdAmt Ccy CDATA "XXX">]>', OPEN, CLOSE],
     "doctype-forbidden"),
    ("a DOCTYPE behind a long comment",
     [HEAD, b"<!--", *much(b"x", 1), b"-->", entity(b'<!ENTITY x "y">')[len(HEAD):]], "not-xml"),
    ("inclusion by XInclude",
     [HEAD, OPEN, b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude"'
      b' href="file:///etc/passwd" parse="text"/>', CLOSE], "schema"),
    ("a million elements deep", [HEAD, OPEN, *much(b"<a>", 3)], "not-xml"),
    ("three thousand elements deep", [HEAD, OPEN, b"<a>" * 3000, b"</a>" * 3000, CLOSE],
     "not-xml"),
    ("a huge attribute", [HEAD, OPEN, b'<GrpHdr a="', *much(b"x", 60), b'"/>', CLOSE], "bounds"),
    ("too many attributes",
     [HEAD, OPEN, b"<GrpHdr ", b" ".join(b'a%d="1"' % n for n in range(500_000)), b"/>", CLOSE],
     "bounds"),
    ("too many namespaces",
     [HEAD, OPEN, b"<GrpHdr ", b" ".join(b'xmlns:a%d="u%d"' % (n, n) for n in range(200_000)),
      b"/>", CLOSE], "bounds"),
    ("a huge name", [HEAD, OPEN, b"<", *much(b"x", 60), b"/>", CLOSE], "bounds"),
    ("a huge text", [HEAD, OPEN, b"<GrpHdr><MsgId>", *much(b"x", 60), b"</MsgId></GrpHdr>", CLOSE],
     "bounds"),
    ("a huge comment", [HEAD, OPEN, b"<!--", *much(b"<", 60), b"-->", CLOSE], "bounds"),
    ("a huge CDATA section",
     [HEAD, OPEN, b"<GrpHdr><![CDATA[", *much(b"<", 60), b"]]></GrpHdr>", CLOSE], "bounds"),
    ("ten million empty elements in an entry",
     [HEAD, OPEN_CAMT, b"<Ntry>", *much(b"<a/>", 40), b"</Ntry>", CLOSE_CAMT], "bounds"),
    ("UTF-16 that hides a DOCTYPE", [hidden("UTF-16")], "encoding"),
    ("UTF-7", [hidden("UTF-7")], "encoding"),
    ("EBCDIC", [hidden("cp037")], "not-xml"),
    ("UTF-8 that is none", [HEAD, OPEN, b"<GrpHdr><MsgId>\xc0\xaf\xff</MsgId></GrpHdr>", CLOSE],
     "not-xml"),
    ("a zero byte", [HEAD, OPEN, b"<GrpHdr><MsgId>a\0b</MsgId></GrpHdr>", CLOSE], "not-xml"),
    ("an amount of a million digits",
     [HEAD, OPEN_CAMT, b'<Ntry><Amt Ccy="NOK">', *much(b"9", 1),
      b"</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts></Ntry>", CLOSE_CAMT], "value"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pieces", "code"),
    [(pieces, code) for _name, pieces, code in ATTACKS],
    ids=[name for name, _pieces, _code in ATTACKS],
)
def test_an_attack_is_refused_within_bounds(pieces: list[bytes], code: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.banking.attacked"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as reading:
        assert reading.stdin is not None
        assert reading.stdout is not None
        for piece in pieces:
            reading.stdin.write(piece)
        reading.stdin.close()
        told = json.loads(reading.stdout.read())
    assert told["code"] == code, told
    assert told["seconds"] < SECONDS
    assert told["mib"] < MIB
    assert "root:" not in told["problem"]
