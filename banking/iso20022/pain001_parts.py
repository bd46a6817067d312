"""Cuts a pain.001 into its parts while streaming and holds each to the official schema.

Each part is validated on its own; the order of the parts, which no part shows, is checked here.
It makes no values: the reader does, and a check of a written file needs none.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, BinaryIO, Literal

from lxml import etree

from banking.iso20022 import pain001_schema, xmlio
from banking.located import Place, Unreadable

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"

PartName = Literal["GrpHdr", "PmtInf", "CdtTrfTxInf", "end of PmtInf", "end"]


@dataclass(slots=True)
class Part:
    """One part as it passes; the same object is filled again for the next one.

    element is valid until the next part is asked for. For "PmtInf" it is the payment's element
    with its head: the children before stop. payment and transfer count from 1.
    """

    name: PartName
    element: etree._Element
    payment: int = 0
    transfer: int = 0
    stop: int = 0

    def path(self) -> str:
        """The ISO path of the part, counted as people count."""
        if self.name == "GrpHdr":
            return "GrpHdr"
        path = f"PmtInf[{self.payment}]"
        return f"{path}/CdtTrfTxInf[{self.transfer}]" if self.name == "CdtTrfTxInf" else path


def open_pain001(source: BinaryIO, *, any_version: bool = False) -> xmlio.Guarded:
    """The checked opening of a pain.001 .03 or .09, or with any_version of whatever namespace.

    Raises Unreadable as xmlio.open_kind does, and wrong-namespace (params: namespace, expected).
    """
    guarded = xmlio.open_kind(source, kinds=("pain.001",))
    root = guarded.root
    if any_version:
        return guarded
    known = [pain001_schema.namespace_of(version) for version in pain001_schema.VERSIONS]
    if root.namespace not in known:
        stated = f"is {root.namespace}" if root.namespace else "is missing"
        raise Unreadable(
            code="wrong-namespace",
            problem=f"The file's namespace {stated}, which is no pain.001 that is read here.",
            cure=f"Use {known[-1]} (or {known[0]}) as the namespace of Document.",
            place=Place(1 + guarded.line_offset, ""),
            params={"namespace": root.namespace, "expected": known[-1]},
        )
    return guarded


class Cutter:
    """Walks one file; parts() yields each part once, checked where a schema is given."""

    def __init__(self, *, guarded: xmlio.Guarded, schema: etree.XMLSchema | None) -> None:
        self._guarded = guarded
        self._schema = schema
        self._offset = guarded.line_offset
        prefix = f"{{{guarded.root.namespace}}}" if guarded.root.namespace else ""
        self._document = prefix + "Document"
        self._message = prefix + "CstmrCdtTrfInitn"
        self._header = prefix + "GrpHdr"
        self._payment = prefix + "PmtInf"
        self._transfer = prefix + "CdtTrfTxInf"
        self._extra = prefix + "SplmtryData"

    def parts(self) -> Iterator[Part]:
        """Parts in file order. Raises Unreadable: truncated, not-xml, schema."""
        schema, transfer_tag = self._schema, self._transfer
        tags = (self._header, self._payment, transfer_tag, self._message, self._document)
        part: Part | None = None
        payment: etree._Element | None = None
        last_part: etree._Element | None = None
        last_transfer: etree._Element | None = None
        for _event, element in xmlio.parse(self._guarded, tags=tags):
            if part is None:
                part = Part("GrpHdr", element)
            if element.tag == transfer_tag:
                if last_transfer is None:
                    payment = self._inside(element, self._payment)
                    self._follows(last_part, payment)
                    yield self._head(part, payment, payment.index(element))
                    del payment[: part.stop]
                else:
                    self._follows(last_transfer, element)
                last_transfer = part.element = element
                part.name = "CdtTrfTxInf"
                part.transfer += 1
                if schema is not None and not schema.validate(element):
                    raise self._fault(element, part.path())
                yield part
            elif element.tag == self._payment:
                if last_transfer is None:
                    raise self._missing(element, "CdtTrfTxInf")
                self._end_of_payment(element)
                part.name, part.element = "end of PmtInf", element
                yield part
                xmlio.empty(element)
                last_part, last_transfer = element, None
                part.transfer = 0
            elif element.tag == self._header:
                self._check_header(element, last_part)
                part.name, part.element = "GrpHdr", element
                yield part
                xmlio.empty(element)
                last_part = element
            elif element.tag == self._message:
                self._end_of_message(element, last_part)
                part.name, part.element = "end", element
                yield part
            else:
                self._end_of_document(element)

    def _inside(self, element: etree._Element, tag: str) -> etree._Element:
        """The parent, which must be that element."""
        parent = element.getparent()
        if parent is None or parent.tag != tag:
            raise self._stray(element)
        return parent

    def _follows(self, last: etree._Element | None, element: etree._Element) -> None:
        """Frees last, which must stand just before element with nothing but blanks between."""
        if last is None:
            raise self._missing(self._inside(element, self._message), "GrpHdr")
        previous = element.getprevious()
        if previous is last:
            if last.tail and not last.tail.isspace():
                raise self._text(last)
            parent = last.getparent()
            if parent is not None:
                parent.remove(last)
        else:
            raise self._stray(element if previous is None else previous)

    def _head(self, part: Part, payment: etree._Element, stop: int) -> Part:
        """The part of a payment's head, whose first transfer has just ended."""
        part.name, part.element, part.stop = "PmtInf", payment, stop
        part.payment += 1
        if self._schema is not None:
            like: Any = payment
            shell = etree.Element(payment.tag, dict(like.attrib), nsmap=like.nsmap)
            shell.text = payment.text
            shell.extend([copy.deepcopy(child) for child in islice(payment, stop)])
            if not self._schema.validate(shell):
                fault = self._fault(shell, part.path())
                if fault.place.line <= self._offset:
                    fault.place = Place(xmlio.line(payment, self._offset), fault.place.path)
                raise fault
        return part

    def _check_header(self, header: etree._Element, last: etree._Element | None) -> None:
        self._inside(header, self._message)
        if last is not None:
            raise self._stray(header)
        previous = header.getprevious()
        if previous is not None:
            raise self._stray(previous)
        if self._schema is not None and not self._schema.validate(header):
            raise self._fault(header, "GrpHdr")

    def _end_of_payment(self, payment: etree._Element) -> None:
        """After the first transfer only transfers and blanks may come."""
        for child in payment:
            if child.tag != self._transfer:
                raise self._stray(child)
            if child.tail and not child.tail.isspace():
                raise self._text(child)

    def _end_of_message(self, message: etree._Element, last: etree._Element | None) -> None:
        """At least one payment, then at most supplementary data; nothing strange around it."""
        if last is None or last.tag != self._payment:
            raise self._missing(message, "GrpHdr" if last is None else "PmtInf")
        document = self._inside(message, self._document)
        if document.getparent() is not None:
            raise self._stray(document)
        for child in message:
            if child is not last and child.tag != self._extra:
                raise self._stray(child)
            if child.tail and not child.tail.isspace():
                raise self._text(child)
            if child is not last and self._schema is not None and not self._schema.validate(child):
                raise self._fault(child, "SplmtryData")
        for outer in (message, document):
            if any(not str(key).startswith(_XSI) for key in outer.attrib):
                raise self._stray(outer)
            if outer.text and not outer.text.isspace():
                raise self._text(outer[0])

    def _end_of_document(self, document: etree._Element) -> None:
        """One message and nothing else."""
        if [child.tag for child in document] != [self._message]:
            raise self._stray(document[-1] if len(document) else document)
        if document[0].tail and not document[0].tail.isspace():
            raise self._text(document[0])

    def _fault(self, element: etree._Element, path: str) -> Unreadable:
        """The first thing the schema says against element, as a located fault."""
        assert self._schema is not None
        log: Any = self._schema.error_log
        error = log[0]
        inside = xmlio.inner_path(element, error.path or "")
        place = Place(error.line + self._offset, path + inside)
        return pain001_schema.schema_fault(message=error.message, place=place)

    def _place(self, element: etree._Element, names: list[str]) -> Place:
        outer = [xmlio.local(above.tag) for above in element.iterancestors()]
        path = [name for name in reversed(outer) if name not in ("Document", "CstmrCdtTrfInitn")]
        return Place(xmlio.line(element, self._offset), "/".join(path + names))

    def _missing(self, element: etree._Element, missing: str) -> Unreadable:
        name = xmlio.local(element.tag)
        return pain001_schema.missing_fault(
            element=name, missing=missing, place=self._place(element, [name])
        )

    def _stray(self, element: etree._Element) -> Unreadable:
        name = xmlio.local(element.tag)
        return pain001_schema.schema_fault(
            message=f"Element '{name}': This element is not expected.",
            place=self._place(element, [name]),
        )

    def _text(self, element: etree._Element) -> Unreadable:
        """Text beside element, inside its parent."""
        parent = element.getparent()
        name = xmlio.local(element.tag if parent is None else parent.tag)
        return pain001_schema.schema_fault(
            message=f"Element '{name}': Character content is not allowed.",
            place=self._place(element, []),
        )
