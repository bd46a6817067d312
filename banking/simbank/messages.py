"""Holds who writes which kind of message; the same row always gives the same bytes."""

import sqlite3
from collections.abc import Callable, Iterator

from . import cash, nets, replies, status_report, words

URN = "urn:iso:std:iso:20022:tech:xsd:"
BOM = b"\xef\xbb\xbf"
Writer = Callable[[sqlite3.Connection, sqlite3.Row, words.Style], Iterator[str]]
DOCUMENTS: dict[str, Writer] = {
    "pain002": status_report.render,
    "camt029": replies.resolution,
    "camt052": cash.report,
    "camt053": cash.statement,
    "camt054": cash.advice,
    "admi002": replies.rejection,
}
RECORDS: dict[str, Writer] = {"ocr": nets.ocr_giro, "settlement": nets.settlement}


def suffix(kind: str) -> str:
    """What a file's name ends in."""
    return "txt" if kind in RECORDS else "xml"


def render(books: sqlite3.Connection, message: sqlite3.Row) -> Iterator[bytes]:
    """The bytes of one outgoing message in pieces."""
    source: sqlite3.Row = books.execute(
        "SELECT * FROM outgoing WHERE id = ?", (message["source_id"] or message["id"],)
    ).fetchone()
    style = words.style(source)
    kind = source["kind"]
    if kind in RECORDS:
        for record in RECORDS[kind](books, source, style):
            yield f"{record:<80.80}\r\n".encode("iso-8859-1", "replace")
        return
    if style.bom:
        yield BOM
    yield b'<?xml version="1.0" encoding="UTF-8"?>\n'
    if kind == "agreement":
        yield replies.agreement_status(books, source).encode()
        return
    yield f'<Document xmlns="{URN}{source["version"]}">'.encode()
    for piece in DOCUMENTS[kind](books, source, style):
        yield piece.encode()
    yield b"</Document>\n"
