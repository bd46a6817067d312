"""Reads bank status reports (pain.002, any version) as values; it draws no conclusions from them.

Names are matched without their namespace, because banks write national ones and none at all. A
departure from the standard is a Deviation among the values, never an error.
"""

from collections.abc import Iterator
from typing import BinaryIO

from lxml import etree

from banking.iso20022 import elements, xmlio
from banking.iso20022.values import (
    Deviation,
    GroupStatus,
    Party,
    PaymentStatus,
    Reason,
    ReportHead,
    TransactionStatus,
)
from banking.iso20022.xmlio import text
from banking.located import Place

_PARTS = ("GrpHdr", "OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts", "TxInfAndSts")
Value = ReportHead | GroupStatus | PaymentStatus | TransactionStatus | Deviation
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.002.001."


def read(source: BinaryIO) -> Iterator[Value]:
    """The statuses of a pain.002 in file order, in memory bounded by one transaction.

    A payment's own status comes before its transactions; where a bank writes it after them, a
    first PaymentStatus without status comes before and the full one after. Transactions whose
    payment is named after them wait for its name. Statuses are the bank's words, known or not.
    Raises Unreadable: empty, encoding, doctype-forbidden, not-xml, truncated, unknown-message,
    wrong-message (params: kind).
    """
    return _Reader(xmlio.open_kind(source, kinds=("pain.002",))).values()


class _Reader:
    """One file's reading: where in the report it is, and what still waits."""

    def __init__(self, guarded: xmlio.Guarded) -> None:
        self._guarded = guarded
        self._names = xmlio.LocalNames(namespace="", anything=True)
        self._message_id = ""
        self._block: tuple[str, str, tuple[Reason, ...]] | None = None
        self._waiting: list[TransactionStatus] = []
        self._has_header = False

    def values(self) -> Iterator[Value]:
        """The values in file order."""
        names = self._names
        root = self._guarded.root
        if not root.namespace.startswith(_NAMESPACE):
            stated = root.namespace or "none"
            yield Deviation("namespace", f"The namespace is {stated}.", Place(1, ""))
        tags = [f"{{*}}{name}" for name in _PARTS]
        for _event, element in xmlio.parse(self._guarded, tags=tags):
            name = names[element.tag]
            if name == "TxInfAndSts":
                yield from self._transaction(element)
            elif name == "OrgnlPmtInfAndSts":
                yield from self._end_of_block(element)
                xmlio.empty(element)
                xmlio.drop_emptied(element)
            elif name == "OrgnlGrpInfAndSts":
                yield self._group(element)
            else:
                yield from self._header(element)
        if not self._has_header:
            yield Deviation("no-header", "The report has no header (GrpHdr).", Place(1, ""))

    def _place(self, element: etree._Element, path: str) -> Place:
        return Place(xmlio.line(element, self._guarded.line_offset), path)

    def _header(self, element: etree._Element) -> Iterator[ReportHead | Deviation]:
        self._has_header = True
        message_id, created = "", None
        parties: tuple[tuple[str, Party], ...] = ()
        for child in element:
            name = self._names[child.tag]
            if name == "MsgId":
                message_id = text(child)
            elif name == "CreDtTm":
                created = elements.moment_or_none(text(child))
                if created is None:
                    words = f"The time {text(child)!r} cannot be read."
                    yield Deviation("time", words, self._place(child, "GrpHdr/CreDtTm"))
            elif name == "InitgPty":
                parties += ((name, elements.party(child, self._names)[0]),)
            elif name in ("FwdgAgt", "DbtrAgt", "CdtrAgt"):
                parties += ((name, elements.agent_party(child, self._names)),)
        yield ReportHead(message_id, created, self._guarded.root.version, parties)

    def _group(self, element: etree._Element) -> GroupStatus:
        names = self._names
        original = name = status = ""
        reasons: tuple[Reason, ...] = ()
        for child in element:
            word = names[child.tag]
            if word == "OrgnlMsgId":
                original = text(child)
            elif word == "OrgnlMsgNmId":
                name = text(child)
            elif word == "GrpSts":
                status = text(child)
            elif word == "StsRsnInf":
                reasons += (elements.reason(child, names),)
        self._message_id = original
        return GroupStatus(original, name, status, reasons)

    def _head(
        self, block: etree._Element, until: etree._Element | None
    ) -> tuple[str, str, tuple[Reason, ...]]:
        """(payment number, status, reasons) of a block, up to a transaction or of the whole."""
        names = self._names
        number = status = ""
        reasons: tuple[Reason, ...] = ()
        for child in block:
            word = names[child.tag]
            # The parser may be further on than the events: what follows is left to the end.
            if child is until:
                break
            if word == "OrgnlPmtInfId":
                number = text(child)
            elif word == "PmtInfSts":
                status = text(child)
            elif word == "StsRsnInf":
                reasons += (elements.reason(child, names),)
        return number, status, reasons

    def _transaction(self, element: etree._Element) -> Iterator[Value]:
        parent = element.getparent()
        inside = parent is not None and self._names[parent.tag] == "OrgnlPmtInfAndSts"
        if inside and parent is not None and self._block is None:
            head = self._head(parent, element)
            if head[0]:
                self._block = head
                yield PaymentStatus(self._message_id, *head)
        one = self._status(element, self._block[0] if self._block else "")
        if not one.instruction_id and not one.end_to_end_id:
            words = "A transaction is named by neither InstrId nor EndToEndId."
            yield Deviation("no-reference", words, self._place(element, "TxInfAndSts"))
        if inside and self._block is None:
            self._waiting.append(one)
        else:
            yield one
        xmlio.empty(element)
        xmlio.drop_emptied(element)

    def _status(self, element: etree._Element, number: str) -> TransactionStatus:
        names = self._names
        instruction_id = end_to_end_id = status = ""
        reasons: tuple[Reason, ...] = ()
        for child in element:
            word = names[child.tag]
            if word == "OrgnlEndToEndId":
                end_to_end_id = text(child)
            elif word == "OrgnlInstrId":
                instruction_id = text(child)
            elif word == "TxSts":
                status = text(child)
            elif word == "StsRsnInf":
                reasons += (elements.reason(child, names),)
            elif word == "OrgnlPmtInfId":
                number = text(child)
        return TransactionStatus(number, instruction_id, end_to_end_id, status, reasons)

    def _end_of_block(self, element: etree._Element) -> Iterator[Value]:
        head = self._head(element, None)
        if self._block is None:
            yield PaymentStatus(self._message_id, *head)
            if self._waiting:
                words = "The payment is named after its transactions."
                yield Deviation("order", words, self._place(element, "OrgnlPmtInfAndSts"))
        elif head != self._block:
            words = "The payment's status is told after its transactions."
            yield Deviation("order", words, self._place(element, "OrgnlPmtInfAndSts"))
            yield PaymentStatus(self._message_id, *head)
        for one in self._waiting:
            yield TransactionStatus(
                one.number or head[0],
                one.instruction_id,
                one.end_to_end_id,
                one.status,
                one.reasons,
            )
        self._waiting.clear()
        self._block = None
