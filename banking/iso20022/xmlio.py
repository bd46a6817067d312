"""Safe, streaming XML input for every bank format; it knows ISO paths and no message's content.

A file is looked at before it is parsed: a DOCTYPE, an encoding other than the few that banks use,
or a root that is no known message is refused while nothing has been expanded or fetched. Size
limits are the caller's; memory here is bounded by one part, and a part has a limit of its own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO
from xml.parsers import expat

from lxml import etree

from banking.located import Place, Unreadable

CHUNK_BYTES = 64 * 1024
# What may lie between two parts that a reader uses: no bank's transaction comes near it.
PART_BYTES, PART_MARKS = 4 * 1024 * 1024, 100_000
COUNT_DIGITS, AMOUNT_LENGTH = 15, 40
PARSER_OPTIONS: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": True,
    "remove_comments": True,
    "remove_pis": True,
}
KINDS = {
    "CstmrCdtTrfInitn": "pain.001",
    "CstmrPmtStsRpt": "pain.002",
    "pain.002.001.02": "pain.002",
    "BkToCstmrAcctRpt": "camt.052",
    "BkToCstmrStmt": "camt.053",
    "BkToCstmrDbtCdtNtfctn": "camt.054",
    "CstmrPmtCxlReq": "camt.055",
    "RsltnOfInvstgtn": "camt.029",
    "AcctRptgReq": "camt.060",
    "admi.002.001.01": "admi.002",
    "AgreementStatus": "agreement-status",
}
ENCODINGS = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15", "windows-1252"})
BLANKS = b" \t\r\n"
BOM = b"\xef\xbb\xbf"
ARCHIVES = {b"PK\x03\x04": "ZIP", b"\x1f\x8b": "gzip", b"7z\xbc\xaf": "7z", b"Rar!": "RAR"}
NAME_SHOWN = 120
NAMES_SHOWN = 3  # elements by which an unknown message is told
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\Z")
_UNSIGNED = re.compile(r"\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\Z")
_CURRENCY = re.compile(r"[A-Z]{3}\Z")
_VERSION = re.compile(r"(?:pain|camt|admi)\.\d{3}\.\d{3}\.(\d{2})")
_OLD_SUFFIX = re.compile(r"V\d{2}$")
_PATH_STEP = re.compile(r"/(?:([^/\[:]+):)?([^/\[]+)(?:\[(\d+)\])?")


@dataclass(frozen=True, slots=True)
class Root:
    """What a file says it is: kind as "pain.002", version as "03" or "", namespace as written."""

    kind: str
    version: str
    namespace: str


class _Found(Exception):
    """Ends the look at a file's opening once its message element has been met."""


class _Opening:
    """Looks at the first bytes of a document and refuses what must not reach the parser."""

    def __init__(self, line_offset: int) -> None:
        self.root: Root | None = None
        self.top = self.called = ""
        self._offset = line_offset
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start

    def look(self, data: bytes) -> None:
        """Sets root and top from the first bytes; raises what forbids reading on."""
        try:
            self._parser.Parse(data, False)
        except _Found:
            return
        except expat.ExpatError as error:
            raise not_xml(
                place=Place(error.lineno + self._offset, ""),
                detail=f"{expat.ErrorString(error.code)}, column {error.offset + 1}",
            ) from error

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ENCODINGS:
            raise _encoding(encoding)

    def _doctype(self, *_words: object) -> None:
        raise _doctype(self._parser.CurrentLineNumber + self._offset)

    def _start(self, name: str, _attributes: Mapping[str, str]) -> None:
        namespace, _, local = name.rpartition(" ")
        self.top = self.top or local
        if len(self.called) < NAME_SHOWN and self.called.count(",") < NAMES_SHOWN - 1:
            told = f"{local} ({namespace})" if namespace and not self.called else local
            self.called = ", ".join(filter(None, (self.called, told)))[:NAME_SHOWN]
        kind = KINDS.get(local) or KINDS.get(_OLD_SUFFIX.sub("", local))
        if kind is None:
            return
        version = _VERSION.search(namespace) or _VERSION.search(local)
        self.root = Root(kind, version[1] if version else "", namespace)
        raise _Found


def _encoding(name: str) -> Unreadable:
    return Unreadable(
        code="encoding",
        problem=f"The file is written in the encoding {name}.",
        cure="Save it as UTF-8 and send it again.",
        place=Place(1, ""),
        params={"encoding": name},
    )


def _doctype(line: int) -> Unreadable:
    return Unreadable(
        code="doctype-forbidden",
        problem="The file holds a document type declaration (DOCTYPE), which bank files never do.",
        cure="Remove the DOCTYPE and every entity it declares.",
        place=Place(line, ""),
    )


def not_xml(*, place: Place, detail: str) -> Unreadable:
    """The fault of a file whose XML is broken; params: detail, the parser's English words."""
    return Unreadable(
        code="not-xml",
        problem=f"The file is not well-formed XML: {detail}.",
        cure="Export the file again from the system that made it; do not edit it by hand.",
        place=place,
        params={"detail": detail},
    )


def _begins(start: bytes) -> str:
    """What a file is that does not begin as XML does, as far as its first bytes say."""
    for magic, name in ARCHIVES.items():
        if start.startswith(magic):
            return f"it is an archive ({name}), which must be unpacked first"
    line = start[:NAME_SHOWN].splitlines()[0].decode("utf-8", "replace")
    shown = "".join(one if one.isprintable() else "?" for one in line)
    return f"it begins with «{shown}», and not with «<»"


class Guarded:
    """A source whose opening has been checked; reads on from its first real byte.

    root is what the file says it is; line_offset is the number of lines of leading blanks that
    the parser never sees. Raises Unreadable: empty, encoding, doctype-forbidden, not-xml,
    unknown-message (params: element).
    """

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        head = source.read(CHUNK_BYTES)
        start = head.lstrip(BLANKS).removeprefix(BOM).lstrip(BLANKS)
        self.line_offset = head[: len(head) - len(start)].count(b"\n")
        if not start:
            raise Unreadable(
                code="empty",
                problem="The file is empty.",
                cure="Export it again and send the new file.",
                place=Place(1, ""),
            )
        if start.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise _encoding("UTF-16")
        if b"\0" in start[:64] and not start.startswith(tuple(ARCHIVES)):
            raise _encoding("UTF-16" if start[1:2] == b"\0" or start[:1] == b"\0" else "binary")
        if not start.startswith(b"<"):
            raise not_xml(place=Place(1 + self.line_offset, ""), detail=_begins(start))
        opening = _Opening(self.line_offset)
        opening.look(start)
        if opening.root is None:
            raise self._unknown(opening, ended=len(head) < CHUNK_BYTES)
        self.root = opening.root
        self.top = opening.top
        self.exhausted = False
        self._pending = start
        self._tail = b""
        self._bytes = self._marks = 0

    def _unknown(self, opening: _Opening, *, ended: bool) -> Unreadable:
        place = Place(1 + self.line_offset, "")
        if not opening.top:
            detail = "it has no first element" if ended else "its first element comes too late"
            return not_xml(place=place, detail=detail)
        return Unreadable(
            code="unknown-message",
            problem=f"The file begins with {opening.called}, which is no bank message known here.",
            cure="Send one of the messages that are read here, as a pain.001 with payments.",
            place=place,
            params={"element": opening.called},
        )

    def read(self, size: int = CHUNK_BYTES) -> bytes:
        """At most size bytes; b"" at the end."""
        if self._pending:
            data, self._pending = self._pending[:size], self._pending[size:]
        else:
            data = self._source.read(size)
        if data:
            self._tail = (self._tail + data)[-200:]
            self._bytes += len(data)
            self._marks += data.count(b"<")
            if self._bytes > PART_BYTES or self._marks > PART_MARKS:
                raise self._too_large()
        else:
            self.exhausted = True
        return data

    def went_on(self) -> None:
        """A part has been used: its bytes and elements count no more."""
        self._bytes = self._marks = 0

    def _too_large(self) -> Unreadable:
        return Unreadable(
            code="bounds",
            problem="A single part of the file is larger than any transaction can be: more than"
            f" {PART_BYTES // 2**20} MiB, or {PART_MARKS:,} elements.",
            cure="Ask for the file again. If it is like this again, tell support.",
            place=Place(0, ""),
        )

    def cut_short(self) -> bool:
        """Whether the source ended without the end tag of its root element."""
        ending = rb"</(?:[\w.-]+:)?" + re.escape(self.top.encode()) + rb"\s*>"
        return self.exhausted and re.search(ending, self._tail) is None


def open_kind(source: BinaryIO, *, kinds: Sequence[str]) -> Guarded:
    """The checked opening of a message of one of those kinds.

    Raises Unreadable as Guarded does, and wrong-message (params: kind, expected).
    """
    guarded = Guarded(source)
    if guarded.root.kind not in kinds:
        expected = " or ".join(kinds)
        raise Unreadable(
            code="wrong-message",
            problem=f"The file is a {guarded.root.kind}, not a {expected}.",
            cure=f"Send a {expected}.",
            place=Place(1 + guarded.line_offset, ""),
            params={"kind": guarded.root.kind, "expected": expected},
        )
    return guarded


def sniff(source: BinaryIO) -> Root:
    """What the file says it is; the source must be seekable and is left where it stood."""
    before = source.tell()
    try:
        return Guarded(source).root
    finally:
        source.seek(before)


def parse(
    guarded: Guarded, *, tags: Sequence[str], starts: bool = False
) -> Iterator[tuple[str, etree._Element]]:
    """(event, element) at the end (and, with starts, the start) of each element among tags.

    tags are in lxml's form, "{namespace}Name" or "{*}Name". The caller removes what it has used.
    Raises Unreadable: truncated, not-xml, bounds.
    """
    events = ("start", "end") if starts else ("end",)
    context = etree.iterparse(guarded, events=events, tag=list(tags), **PARSER_OPTIONS)
    try:
        for event, element in context:
            guarded.went_on()
            yield event, element
    except etree.XMLSyntaxError as error:
        place = Place((error.lineno or 0) + guarded.line_offset, "")
        if guarded.cut_short():
            raise Unreadable(
                code="truncated",
                problem="The file ends in the middle.",
                cure="Send the whole file again; the transfer was probably cut off.",
                place=place,
            ) from error
        detail = (error.msg or "unknown fault").rstrip(".")
        if "excessive depth" in detail.lower():
            detail = "its elements stand deeper inside each other than in any bank's file"
        raise not_xml(place=place, detail=detail) from error


def local(tag: object) -> str:
    """The name of a tag without its namespace; "" for a comment or processing instruction."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def text(element: etree._Element) -> str:
    """The element's text without outer blanks."""
    value = element.text
    return value.strip() if value else ""


def decimal(value: str) -> Decimal:
    """An xs:decimal exactly as written; ValueError for anything else (exponents, NaN, "")."""
    if len(value) > AMOUNT_LENGTH or _DECIMAL.match(value) is None:
        raise ValueError(value[: AMOUNT_LENGTH + 1])
    return Decimal(value)


def is_credit(direction: str, place: Place) -> bool:
    """Whether a CdtDbtInd says that money came in. Raises Unreadable for what is neither way."""
    if direction == "CRDT":
        return True
    if direction == "DBIT":
        return False
    raise bad_value(what="CdtDbtInd", value=direction, place=place)


def is_true(value: str, what: str, place: Place) -> bool:
    """An indicator such as RvslInd, absent as false. Raises Unreadable for what is neither."""
    if value not in ("", "true", "false", "1", "0"):
        raise bad_value(what=what, value=value, place=place)
    return value in ("true", "1")


def amount(value: str, place: Place) -> Decimal:
    """An amount or sum exactly as written; Unreadable value (params: element, value)."""
    if len(value) > AMOUNT_LENGTH or _DECIMAL.match(value) is None:
        raise bad_value(what="amount", value=value[: AMOUNT_LENGTH + 1], place=place)
    return Decimal(value)


def money(value: str, place: Place) -> Decimal:
    """As `amount`, of what has its direction beside it, and so has no sign."""
    if len(value) > AMOUNT_LENGTH or _UNSIGNED.match(value) is None:
        raise bad_value(what="amount", value=value[: AMOUNT_LENGTH + 1], place=place)
    return Decimal(value)


def currency(code: str, place: Place) -> str:
    """A currency as an amount of an entry must have it; Unreadable value for what is none."""
    if _CURRENCY.match(code) is None:
        raise bad_value(what="Ccy", value=code, place=place)
    return code


def count(value: str, place: Place) -> int:
    """A count of at most 15 digits; Unreadable value (params: element, value)."""
    if not (value.isascii() and value.isdigit() and len(value) <= COUNT_DIGITS):
        raise bad_value(what="count", value=value[: COUNT_DIGITS + 1], place=place)
    return int(value)


def bad_value(*, what: str, value: str, place: Place) -> Unreadable:
    """The fault of a text that is not what it must be; params: element, value."""
    return Unreadable(
        code="value",
        problem=f"The {what} {value!r} cannot be read.",
        cure="Correct it in the system that made the file.",
        place=place,
        params={"element": place.path.rpartition("/")[2], "value": value},
    )


def line(element: Any, offset: int = 0) -> int:
    """The line of an element, offset lines of leading blanks counted in; 0 where unknown."""
    number: int | None = element.sourceline
    return 0 if number is None else number + offset


def empty(element: Any) -> None:
    """Frees all that is inside an element; what follows it stays."""
    element.clear(keep_tail=True)


def drop_emptied(element: etree._Element) -> None:
    """Removes the elements of the same name, emptied before, that stand just before this one."""
    previous = element.getprevious()
    while previous is not None and previous.tag == element.tag and len(previous) == 0:
        parent = element.getparent()
        if parent is None:
            return
        parent.remove(previous)
        previous = element.getprevious()


class LocalNames(dict[str, str]):
    """Tag to local name, remembered; tags of foreign namespaces keep theirs unless any is True."""

    LIMIT = 2000

    def __init__(self, *, namespace: str, anything: bool = False) -> None:
        super().__init__()
        self._prefix = f"{{{namespace}}}" if namespace else ""
        self._anything = anything

    def __missing__(self, tag: str) -> str:
        if self._anything:
            name = tag.rpartition("}")[2]
        elif self._prefix:
            name = tag.removeprefix(self._prefix)
        else:
            name = tag
        if len(self) < self.LIMIT:
            self[tag] = name
        return name


def inner_path(element: etree._Element, node_path: str) -> str:
    """The names along a libxml2 node path below element, as "/Cdtr/PstlAdr/AdrLine[2]"."""
    steps = _PATH_STEP.findall(node_path)[1:]
    names = ""
    for prefix, name, index in steps:
        wanted = int(index or "1")
        found = None
        for child in element:
            if name not in ("*", local(child.tag)) or (prefix and child.prefix != prefix):
                continue
            wanted -= 1
            if wanted == 0:
                found = child
                break
        if found is None:
            return names
        same = [child for child in element if child.tag == found.tag]
        number = f"[{same.index(found) + 1}]" if len(same) > 1 else ""
        names += f"/{local(found.tag)}{number}"
        element = found
    return names
