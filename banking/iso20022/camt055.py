"""The request to cancel what was sent (camt.055): written for the bank, and read back.

It decides nothing about what may be cancelled. No package carries its schema: what is written is
read back before it leaves, and held to the XSD in tests.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import BinaryIO

from lxml import etree

from banking.iso20022 import elements, xmlio
from banking.iso20022.markup import Markup
from banking.iso20022.values import (
    CancellationRequest,
    CancelledPayment,
    CancelledTransfer,
    Party,
    Reason,
)
from banking.iso20022.xmlio import text
from banking.located import InvalidOutput, Place

VERSIONS = ("01", "08", "09")
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.055.001."
MESSAGE = "CstmrPmtCxlReq"
Value = CancellationRequest | CancelledPayment | CancelledTransfer
Asked = Sequence[tuple[CancelledPayment, Iterable[CancelledTransfer]]]
PIECES_PER_WRITE = 500


def write(target: BinaryIO, *, request: CancellationRequest, asked: Asked, version: str) -> None:
    """Writes a camt.055.001.<version>, UTF-8; one Undrlyg for each pain.001 that is asked about.

    The payments of one message stand together. Counts and sums are compared with what is written.
    Raises InvalidOutput, after which target holds half a file.
    """
    if version not in VERSIONS:
        raise ValueError(f"camt.055.001.{version} is not written here")
    writer = _Writer(version)
    pieces = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f'<Document xmlns="{NAMESPACE}{version}"><{MESSAGE}>\n',
    ]
    for piece in writer.pieces(request, asked):
        pieces.append(piece)
        if len(pieces) >= PIECES_PER_WRITE:
            target.write("".join(pieces).encode())
            pieces.clear()
    pieces.append(f"</{MESSAGE}></Document>\n")
    target.write("".join(pieces).encode())


class _Writer(Markup):
    """Turns a request into pieces of text."""

    def __init__(self, version: str) -> None:
        super().__init__(old=version == "01")
        self._path = "Assgnmt"

    def place(self) -> Place:
        return Place(0, self._path)

    def pieces(self, request: CancellationRequest, asked: Asked) -> Iterator[str]:
        """The message in pieces: its head, then payment by payment."""
        yield self._head(request)
        message_id, count, total = "", 0, Decimal(0)
        for payment, transfers in asked:
            self._path = f"Undrlyg/{payment.number}"
            if payment.message_id != message_id:
                yield "</Undrlyg>\n" if message_id else ""
                message_id = payment.message_id
                yield self._group(payment)
            written, summed = 0, Decimal(0)
            yield self._payment(payment)
            for written, one in enumerate(transfers, start=1):  # noqa: B007
                summed += one.amount or 0
                yield self._transfer(one)
            yield "</OrgnlPmtInfAndCxl>\n"
            if payment.whole:
                written, summed = payment.count or 0, payment.total or Decimal(0)
            elif not written or payment.count not in (None, written):
                raise self._totals(payment.count, written)
            count, total = count + written, total + summed
        yield "</Undrlyg>\n" if message_id else ""
        self._path = "CtrlData"
        if not message_id or request.declared_count not in (None, count):
            raise self._totals(request.declared_count, count)
        if request.declared_sum not in (None, total):
            raise self._totals(request.declared_sum, total)

    def _totals(self, declared: object, found: object) -> InvalidOutput:
        return InvalidOutput(
            code="totals",
            problem=f"{declared} were announced, {found} written.",
            place=self.place(),
            params={"declared": str(declared), "found": str(found)},
        )

    def _head(self, request: CancellationRequest) -> str:
        if request.created_at is None:
            raise InvalidOutput(
                code="value", problem="A request needs its time.", place=self.place()
            )
        agent = f"<FinInstnId>{self.element(self.bic, request.asked_bic)}</FinInstnId>"
        control = ""
        if request.declared_count is not None:
            total = request.declared_sum
            summed = f"<CtrlSum>{self.decimal(total)}</CtrlSum>" if total is not None else ""
            control = f"<CtrlData><NbOfTxs>{request.declared_count}</NbOfTxs>{summed}</CtrlData>"
        return (
            f"<Assgnmt>{self.identifier('Id', request.id)}"
            f"<Assgnr>{self.party('Pty', request.asker)}</Assgnr>"
            f"<Assgne><Agt>{agent}</Agt></Assgne>"
            f"<CreDtTm>{request.created_at.isoformat(timespec='seconds')}</CreDtTm></Assgnmt>"
            f"{control}\n"
        )

    def _group(self, payment: CancelledPayment) -> str:
        return (
            f"<Undrlyg><OrgnlGrpInfAndCxl>{self.identifier('OrgnlMsgId', payment.message_id)}"
            f"{self.identifier('OrgnlMsgNmId', payment.message_name)}</OrgnlGrpInfAndCxl>\n"
        )

    def _payment(self, payment: CancelledPayment) -> str:
        count = f"<NbOfTxs>{payment.count}</NbOfTxs>" if payment.count is not None else ""
        total = payment.total
        summed = f"<CtrlSum>{self.decimal(total)}</CtrlSum>" if total is not None else ""
        whole = f"<PmtInfCxl>{str(payment.whole).lower()}</PmtInfCxl>"
        return (
            f"<OrgnlPmtInfAndCxl>{self.identifier('OrgnlPmtInfId', payment.number)}{count}{summed}"
            f"{whole}{self._reason(payment.reason)}\n"
        )

    def _transfer(self, one: CancelledTransfer) -> str:
        amount = day = ""
        if one.amount is not None:
            ccy = one.currency
            if not (ccy.isascii() and ccy.isalpha()):
                raise InvalidOutput(
                    code="value", problem=f"{ccy!r} is no currency.", place=self.place()
                )
            amount = f'<OrgnlInstdAmt Ccy="{ccy}">{self.decimal(one.amount)}</OrgnlInstdAmt>'
        if one.execution_date is not None:
            day = one.execution_date.isoformat()
            day = day if self.old else f"<Dt>{day}</Dt>"
            day = f"<OrgnlReqdExctnDt>{day}</OrgnlReqdExctnDt>"
        return (
            f"<TxInf>{self.identifier('OrgnlInstrId', one.instruction_id)}"
            f"{self.identifier('OrgnlEndToEndId', one.end_to_end_id)}{amount}{day}"
            f"{self._reason(one.reason)}</TxInf>\n"
        )

    def _reason(self, reason: Reason | None) -> str:
        if reason is None:
            return ""
        code = self.element("Prtry" if reason.proprietary else "Cd", reason.code)
        inside = f"<Rsn>{code}</Rsn>" if code else ""
        return f"<CxlRsnInf>{inside}{self.element('AddtlInf', reason.text)}</CxlRsnInf>"


def read(source: BinaryIO) -> Iterator[Value]:
    """The values of a camt.055 of any version in file order, in memory bounded by one transfer.

    Raises Unreadable as xmlio.open_kind does, and truncated, not-xml, value.
    """
    return _Reader(xmlio.open_kind(source, kinds=("camt.055",))).values()


class _Reader:
    """One file's reading: its head, and the payment that it is in."""

    def __init__(self, guarded: xmlio.Guarded) -> None:
        self._guarded = guarded
        self._names = xmlio.LocalNames(namespace="", anything=True)
        self._offset = guarded.line_offset
        self._assigned: etree._Element | None = None
        self._has_head = self._in_payment = False

    def values(self) -> Iterator[Value]:
        """The values in file order."""
        names = self._names
        parts = ("Assgnmt", "CtrlData", "TxInf", "OrgnlPmtInfAndCxl", MESSAGE)
        for _event, element in xmlio.parse(self._guarded, tags=[f"{{*}}{name}" for name in parts]):
            name = names[element.tag]
            if name == "Assgnmt":
                self._assigned = element
                continue
            if not self._has_head:
                self._has_head = True
                control = element if name == "CtrlData" else None
                version = self._guarded.root.version
                yield _read_head(self._assigned, control, names, version, self._offset)
            if name == "TxInf":
                payment = element.getparent()
                if payment is not None and not self._in_payment:
                    self._in_payment = True
                    yield _read_payment(payment, names, self._offset)
                place = Place(xmlio.line(element, self._offset), "OrgnlPmtInfAndCxl/TxInf")
                yield _read_transfer(element, names, place)
                xmlio.empty(element)
                xmlio.drop_emptied(element)
            elif name == "OrgnlPmtInfAndCxl":
                if not self._in_payment:
                    yield _read_payment(element, names, self._offset)
                self._in_payment = False
                xmlio.empty(element)


def _read_head(
    assigned: etree._Element | None,
    control: etree._Element | None,
    names: elements.Names,
    version: str,
    offset: int,
) -> CancellationRequest:
    found = {"Id": "", "CreDtTm": ""}
    asker, bic = Party(), ""
    for child in assigned if assigned is not None else ():
        name = names[child.tag]
        if name in found:
            found[name] = text(child)
        elif name == "Assgnr" and len(child):
            asker = elements.party(child[0], names)[0]
        elif name == "Assgne" and len(child):
            bic = elements.agent(child[0], names)[0]
    count: int | None = None
    total: Decimal | None = None
    for child in control if control is not None else ():
        place = Place(xmlio.line(child, offset), f"CtrlData/{names[child.tag]}")
        if names[child.tag] == "NbOfTxs":
            count = xmlio.count(text(child), place)
        elif names[child.tag] == "CtrlSum":
            total = xmlio.amount(text(child), place)
    created = elements.moment_or_none(found["CreDtTm"])
    return CancellationRequest(found["Id"], created, asker, bic, count, total, version)


def _read_payment(element: etree._Element, names: elements.Names, offset: int) -> CancelledPayment:
    """The head of a payment, which stands before its transfers."""
    found = {"OrgnlPmtInfId": "", "PmtInfCxl": ""}
    message = {"OrgnlMsgId": "", "OrgnlMsgNmId": ""}
    count: int | None = None
    total: Decimal | None = None
    reason: Reason | None = None
    above = element.getparent()
    for group in above if above is not None else ():
        if names[group.tag] == "OrgnlGrpInfAndCxl":
            message |= {names[one.tag]: text(one) for one in group if names[one.tag] in message}
    for child in element:
        name = names[child.tag]
        place = Place(xmlio.line(child, offset), f"OrgnlPmtInfAndCxl/{name}")
        if name in found:
            found[name] = text(child)
        elif name == "OrgnlGrpInf":
            message |= {names[one.tag]: text(one) for one in child if names[one.tag] in message}
        elif name == "NbOfTxs":
            count = xmlio.count(text(child), place)
        elif name == "CtrlSum":
            total = xmlio.amount(text(child), place)
        elif name == "CxlRsnInf":
            reason = elements.reason(child, names)
    return CancelledPayment(
        message["OrgnlMsgId"],
        message["OrgnlMsgNmId"],
        found["OrgnlPmtInfId"],
        count,
        total,
        found["PmtInfCxl"] in ("true", "1"),
        reason,
    )


def _read_transfer(
    element: etree._Element, names: elements.Names, place: Place
) -> CancelledTransfer:
    found = {"OrgnlInstrId": "", "OrgnlEndToEndId": ""}
    amount: Decimal | None = None
    currency = ""
    day = None
    reason: Reason | None = None
    for child in element:
        name = names[child.tag]
        if name in found:
            found[name] = text(child)
        elif name == "OrgnlInstdAmt":
            amount, currency = xmlio.amount(text(child), place), child.get("Ccy", "")
        elif name == "OrgnlReqdExctnDt":
            day = elements.day_or_none(text(child[0] if len(child) else child))
        elif name == "CxlRsnInf":
            reason = elements.reason(child, names)
    return CancelledTransfer(
        found["OrgnlInstrId"], found["OrgnlEndToEndId"], amount, currency, day, reason
    )
