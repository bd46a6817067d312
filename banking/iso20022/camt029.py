"""Reads the bank's answer to a request to cancel (camt.029, any version); it concludes nothing.

Names are matched without their namespace, and any level may be missing, as in pain.002.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import BinaryIO

from lxml import etree

from banking.iso20022 import elements, xmlio
from banking.iso20022.values import CancellationStatus, Reason, Resolution
from banking.iso20022.xmlio import text
from banking.located import Place

Value = Resolution | CancellationStatus
_STATUSES = {
    "OrgnlGrpInfAndSts": ("group", "GrpCxlSts", "OrgnlGrpCxlId"),
    "OrgnlPmtInfAndSts": ("payment", "PmtInfCxlSts", "OrgnlPmtInfCxlId"),
    "TxInfAndSts": ("transfer", "TxCxlSts", "CxlStsId"),
}


def read(source: BinaryIO) -> Iterator[Value]:
    """The values of a camt.029 in file order: its head, then group, payment, its transfers.

    Raises Unreadable as xmlio.open_kind does, and truncated, not-xml, value.
    """
    return _values(xmlio.open_kind(source, kinds=("camt.029",)))


def _values(guarded: xmlio.Guarded) -> Iterator[Value]:
    names = xmlio.LocalNames(namespace="", anything=True)
    offset = guarded.line_offset
    head: Resolution | None = None
    message_id, number, in_payment = "", "", False
    tags = [f"{{*}}{name}" for name in ("Sts", *_STATUSES, "RsltnOfInvstgtn")]
    for _event, element in xmlio.parse(guarded, tags=tags):
        name = names[element.tag]
        above = element.getparent()
        inside = "" if above is None else names[above.tag]
        if name == "Sts" and inside == "RsltnOfInvstgtn":
            head = _head(above, element, names, guarded.root.version)
            yield head
        elif name == "OrgnlGrpInfAndSts":
            one = _status(element, names, offset, message_id="")
            message_id = one.message_id
            yield one
        elif name == "TxInfAndSts":
            if above is not None and inside == "OrgnlPmtInfAndSts" and not in_payment:
                in_payment = True
                payment = _status(above, names, offset, message_id=message_id)
                number = payment.number
                yield payment
            told = number if in_payment else ""
            yield _status(element, names, offset, message_id=message_id, number=told)
            xmlio.empty(element)
            xmlio.drop_emptied(element)
        elif name == "OrgnlPmtInfAndSts":
            if not in_payment:
                yield _status(element, names, offset, message_id=message_id)
            in_payment = False
            xmlio.empty(element)
        elif name == "RsltnOfInvstgtn" and head is None:
            yield _head(element, None, names, guarded.root.version)


def _child(element: etree._Element, names: elements.Names, name: str) -> str:
    return next((text(child) for child in element if names[child.tag] == name), "")


def _head(
    message: etree._Element | None,
    status: etree._Element | None,
    names: elements.Names,
    version: str,
) -> Resolution:
    found = {"Id": "", "CreDtTm": ""}
    case_id = ""
    for child in message if message is not None else ():
        if names[child.tag] == "Assgnmt":
            found |= {names[one.tag]: text(one) for one in child if names[one.tag] in found}
        elif names[child.tag] == "RslvdCase":
            case_id = _child(child, names, "Id")
    confirmation = ""
    reasons: tuple[Reason, ...] = ()
    for child in status if status is not None else ():
        if names[child.tag] == "Conf":
            confirmation = text(child)
        elif names[child.tag] == "RjctdMod":
            code = elements.choice(child, names) or text(child)
            reasons += (Reason(code, False, ""),)
    created = elements.moment_or_none(found["CreDtTm"])
    return Resolution(found["Id"], created, case_id, confirmation, reasons, version)


def _status(
    element: etree._Element,
    names: elements.Names,
    offset: int,
    *,
    message_id: str,
    number: str = "",
) -> CancellationStatus:
    level, status_name, id_name = _STATUSES[names[element.tag]]
    found = {
        "OrgnlMsgId": message_id,
        "OrgnlPmtInfId": number,
        "OrgnlInstrId": "",
        "OrgnlEndToEndId": "",
        status_name: "",
        id_name: "",
    }
    reasons: tuple[Reason, ...] = ()
    amount: Decimal | None = None
    currency = ""
    for child in element:
        name = names[child.tag]
        if name in found:
            found[name] = text(child)
        elif name == "OrgnlGrpInf":
            found["OrgnlMsgId"] = _child(child, names, "OrgnlMsgId")
        elif name == "CxlStsRsnInf":
            reasons += (elements.reason(child, names),)
        elif name in ("OrgnlInstdAmt", "OrgnlIntrBkSttlmAmt"):
            place = Place(xmlio.line(child, offset), name)
            amount, currency = xmlio.amount(text(child), place), child.get("Ccy", "")
    return CancellationStatus(
        level,  # type: ignore[arg-type]
        found[id_name],
        found["OrgnlMsgId"],
        found["OrgnlPmtInfId"],
        found["OrgnlInstrId"],
        found["OrgnlEndToEndId"],
        found[status_name],
        reasons,
        amount,
        currency,
    )
