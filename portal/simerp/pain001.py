"""Writing pain.001.001.03 and .09 with lxml; our own writer, which reads and validates nothing."""

import datetime
import io
from collections.abc import Sequence
from typing import Any

from lxml import etree

from portal.simerp import amounts, orders

CONTENT_TYPE = "application/xml"
NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:"
NEWER = "pain.001.001.09"
UNKNOWN_AGENT = "NOTPROVIDED"


def write(
    *,
    version: str,
    message_id: str,
    made_at: datetime.datetime,
    initiator: str,
    payments: Sequence[orders.Payment],
) -> bytes:
    """Return the file as UTF-8 bytes: one PmtInf per payment, totals on both; `made_at` in UTC."""
    namespace = NAMESPACE + version
    buffer = io.BytesIO()
    with etree.xmlfile(buffer, encoding="UTF-8") as file:
        file.write_declaration()
        with (
            file.element(f"{{{namespace}}}Document", nsmap={None: namespace}),
            file.element(f"{{{namespace}}}CstmrCdtTrfInitn"),
        ):
            writer = _Writer(namespace=namespace, newer=version == NEWER, debtor=initiator)
            file.write(writer.header(message_id=message_id, made_at=made_at, payments=payments))
            for payment in payments:
                file.write(writer.payment(payment))
    return buffer.getvalue()


class _Writer:
    """Makes the parts of one file; the two versions differ in the few places that ask `newer`."""

    def __init__(self, *, namespace: str, newer: bool, debtor: str) -> None:
        self.namespace = namespace
        self.newer = newer
        self.debtor = debtor

    def header(
        self, *, message_id: str, made_at: datetime.datetime, payments: Sequence[orders.Payment]
    ) -> etree._Element:
        header = self._element("GrpHdr")
        self._add(header, "MsgId", message_id)
        self._add(header, "CreDtTm", made_at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        lines = sum(len(payment.lines) for payment in payments)
        self._totals(header, lines=lines, ore=sum(payment.ore for payment in payments))
        self._add(header, "InitgPty/Nm", self.debtor)
        return header

    def payment(self, payment: orders.Payment) -> etree._Element:
        part = self._element("PmtInf")
        self._add(part, "PmtInfId", payment.number)
        self._add(part, "PmtMtd", "TRF")
        self._totals(part, lines=len(payment.lines), ore=payment.ore)
        self._add(part, "ReqdExctnDt/Dt" if self.newer else "ReqdExctnDt", payment.due_date)
        self._add(part, "Dbtr/Nm", self.debtor)
        self._account(part, "DbtrAcct", payment.debit_account)
        self._add(part, "DbtrAgt/FinInstnId/Othr/Id", UNKNOWN_AGENT)
        for position, line in enumerate(payment.lines, start=1):
            self._line(part, position=position, line=line)
        return part

    def _line(self, payment: etree._Element, *, position: int, line: orders.Line) -> None:
        part = self._add(payment, "CdtTrfTxInf")
        identity = self._add(part, "PmtId")
        self._add(identity, "InstrId", str(position))
        self._add(identity, "EndToEndId", line.reference)
        amount = self._add(part, "Amt/InstdAmt", amounts.to_text(line.ore))
        amount.set("Ccy", orders.CURRENCY)
        payee = self._add(part, "Cdtr")
        self._add(payee, "Nm", line.payee)
        address = self._add(payee, "PstlAdr")
        if line.town:
            self._add(address, "TwnNm", line.town)
        self._add(address, "Ctry", line.country)
        self._account(part, "CdtrAcct", line.account)
        remittance = self._add(part, "RmtInf")
        if line.documents:
            for document in line.documents:
                self._document(self._add(remittance, "Strd"), document)
        elif line.kid:
            self._kid(self._add(remittance, "Strd"), line.kid)
        else:
            self._add(remittance, "Ustrd", line.message or line.reference)

    def _document(self, part: etree._Element, document: orders.Document) -> None:
        about = self._add(part, "RfrdDocInf")
        self._add(about, "Tp/CdOrPrtry/Cd", document.kind)
        self._add(about, "Nb", document.number)
        name = "CdtNoteAmt" if document.kind == "CREN" else "RmtdAmt"
        amount = self._add(part, f"RfrdDocAmt/{name}", amounts.to_text(document.ore))
        amount.set("Ccy", orders.CURRENCY)
        if document.kid:
            self._kid(part, document.kid)

    def _kid(self, part: etree._Element, kid: str) -> None:
        reference = self._add(part, "CdtrRefInf")
        self._add(reference, "Tp/CdOrPrtry/Cd", "SCOR")
        self._add(reference, "Ref", kid)

    def _account(self, part: etree._Element, name: str, account: str) -> None:
        identity = self._add(part, f"{name}/Id")
        if account[:2].isalpha():
            self._add(identity, "IBAN", account)
            return
        other = self._add(identity, "Othr")
        self._add(other, "Id", account)
        self._add(other, "SchmeNm/Cd", "BBAN")

    def _totals(self, part: etree._Element, *, lines: int, ore: int) -> None:
        self._add(part, "NbOfTxs", str(lines))
        self._add(part, "CtrlSum", amounts.to_text(ore))

    def _element(self, name: str) -> etree._Element:
        # The key None is lxml's word for "no prefix", which its stubs do not know.
        no_prefix: Any = {None: self.namespace}
        return etree.Element(f"{{{self.namespace}}}{name}", nsmap=no_prefix)

    def _add(self, parent: etree._Element, path: str, text: str | None = None) -> etree._Element:
        """Add a chain of new elements and return the innermost, which gets the text."""
        for name in path.split("/"):
            parent = etree.SubElement(parent, f"{{{self.namespace}}}{name}")
        parent.text = text
        return parent
