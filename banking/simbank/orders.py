"""Holds the reading of pain.001 files as a stream of values; must not judge what they ask for.

A file of Direkte remittering is read as the same values, see `remittance`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

MESSAGES = {
    "urn:iso:std:iso:20022:tech:xsd:pain.001.001.03": "pain.001.001.03",
    "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09": "pain.001.001.09",
}


class UnreadableError(Exception):
    """The file is not a pain.001 that this bank reads; holds what little is known of it."""

    def __init__(self, text: str, msg_id: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.msg_id = msg_id


@dataclass(frozen=True, slots=True)
class Header:
    message_name: str
    msg_id: str
    transactions: str
    control_sum: str
    customer_number: str
    agreement_id: str
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Payment:
    payment: str
    debit_account: str
    requested_date: str
    batch_booked: bool
    salary: bool
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Transfer:
    instruction_id: str
    end_to_end_id: str
    amount: str
    currency: str
    creditor_account: str
    is_iban: bool
    creditor_bank: str
    creditor_name: str
    kids: tuple[str, ...]
    message: str
    documents: int
    town: str = ""
    has_address: bool = False


def read(path: Path) -> Iterator[Header | Payment | Transfer]:
    """Yields the header, then each payment followed by its transfers; memory stays bounded."""
    msg_id = ""
    try:
        for item in _stream(path):
            if isinstance(item, Header):
                msg_id = item.msg_id
            yield item
    except etree.XMLSyntaxError as fault:
        raise UnreadableError(f"Not well-formed XML: {fault}", msg_id) from fault


def _stream(path: Path) -> Iterator[Header | Payment | Transfer]:
    with path.open("rb") as raw:
        events = etree.iterparse(
            raw,
            tag=("{*}GrpHdr", "{*}PmtInf", "{*}CdtTrfTxInf"),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=True,
            remove_comments=True,
            remove_pis=True,
        )
        header: Header | None = None
        payment: Payment | None = None
        skip = 0
        for _, element in events:
            local = element.tag.rpartition("}")[2]
            if local == "GrpHdr":
                message_name, skip = _message(element)
                header = _header(element, message_name)
                yield header
                continue
            if header is None:
                raise UnreadableError("The group header must come first")
            if local == "CdtTrfTxInf":
                if payment is None:
                    payment = _payment(element.getparent(), skip, header.msg_id)
                    yield payment
                yield _transfer(element, skip)
            elif payment is None:
                raise UnreadableError("A payment without transactions", header.msg_id)
            else:
                payment = None
            _forget(element)
    if header is None:
        raise UnreadableError("No group header: this is not a pain.001 of version 03 or 09")


def _message(header: Any) -> tuple[str, int]:
    """The message name, and how many characters of a tag are namespace."""
    document = header.getroottree()
    if document.docinfo.doctype:
        raise UnreadableError("A document type declaration is not accepted")
    namespace = etree.QName(document.getroot()).namespace or ""
    if namespace not in MESSAGES or etree.QName(header).namespace != namespace:
        raise UnreadableError(f"Unknown namespace {namespace!r}")
    if etree.QName(header.getparent()).localname != "CstmrCdtTrfInitn":
        raise UnreadableError("Not a customer credit transfer initiation")
    return MESSAGES[namespace], len(namespace) + 2


def _forget(element: Any) -> None:
    element.clear()
    while element.getprevious() is not None:
        del element.getparent()[0]


def _text(element: Any, path: str) -> str:
    """The stripped text at a path of local names, or an empty string."""
    found = element.find("/".join("{*}" + step for step in path.split("/")))
    return "" if found is None or found.text is None else str(found.text).strip()


def _header(element: Any, message_name: str) -> Header:
    ids = {"CUST": "", "BANK": ""}
    for other in element.findall("{*}InitgPty/{*}Id/{*}OrgId/{*}Othr"):
        scheme = _text(other, "SchmeNm/Cd")
        if scheme in ids and not ids[scheme]:
            ids[scheme] = _text(other, "Id")
    signers = [_text(signer, "Prtry") for signer in element.findall("{*}Authstn")]
    return Header(
        message_name=message_name,
        msg_id=_text(element, "MsgId"),
        transactions=_text(element, "NbOfTxs"),
        control_sum=_text(element, "CtrlSum"),
        customer_number=ids["CUST"],
        agreement_id=ids["BANK"],
        approvers=tuple(signer for signer in signers if signer),
    )


def _payment(element: Any, skip: int, msg_id: str) -> Payment:
    if element.tag[skip:] != "PmtInf":
        raise UnreadableError("A transaction outside a payment", msg_id)
    iban = _text(element, "DbtrAcct/Id/IBAN").replace(" ", "")
    return Payment(
        payment=_text(element, "PmtInfId"),
        # A Norwegian IBAN ends in the 11 digits that the bank's own books go by.
        debit_account=iban[4:] if iban.startswith("NO") else _text(element, "DbtrAcct/Id/Othr/Id"),
        requested_date=_text(element, "ReqdExctnDt/Dt")
        or _text(element, "ReqdExctnDt/DtTm")[:10]
        or _text(element, "ReqdExctnDt")[:10],
        batch_booked=_text(element, "BtchBookg") in ("true", "1"),
        salary=_text(element, "PmtTpInf/CtgyPurp/Cd") == "SALA",
        urgent=_text(element, "PmtTpInf/SvcLvl/Cd") == "URGP",
    )


def _transfer(element: Any, skip: int) -> Transfer:
    """Walks the children once: a path search per field would take three times as long."""
    parts = {child.tag[skip:]: child for child in element}
    identity = {child.tag[skip:]: child.text for child in parts.get("PmtId", ())}
    amount = next(iter(parts["Amt"]), None) if "Amt" in parts else None
    if amount is not None and amount.tag[skip:] != "InstdAmt":
        amount = None
    account, is_iban = _account(parts.get("CdtrAcct"), skip)
    agent = parts.get("CdtrAgt")
    bank = "" if agent is None else _text(agent, "FinInstnId/BICFI")
    if agent is not None and not bank:
        bank = _text(agent, "FinInstnId/BIC")
    creditor = {child.tag[skip:]: child for child in parts.get("Cdtr", ())}
    name = creditor["Nm"].text if "Nm" in creditor else None
    address = creditor.get("PstlAdr")
    kids, message, documents = _remittance(parts.get("RmtInf", ()), skip)
    return Transfer(
        instruction_id=(identity.get("InstrId") or "").strip(),
        end_to_end_id=(identity.get("EndToEndId") or "").strip(),
        amount="" if amount is None else (amount.text or "").strip(),
        currency="" if amount is None else amount.get("Ccy", ""),
        creditor_account=account,
        is_iban=is_iban,
        creditor_bank=bank,
        creditor_name=(name or "").strip(),
        kids=kids,
        message=message,
        documents=documents,
        town="" if address is None else _text(address, "TwnNm"),
        has_address=address is not None and _is_whole(address),
    )


def _is_whole(address: Any) -> bool:
    """Whether it names town and country, or is written in free lines."""
    named = _text(address, "TwnNm") and _text(address, "Ctry")
    return bool(named or _text(address, "AdrLine"))


def _account(element: Any, skip: int) -> tuple[str, bool]:
    for identity in () if element is None else element:
        if identity.tag[skip:] != "Id":
            continue
        for choice in identity:
            if choice.tag[skip:] == "IBAN":
                return (choice.text or "").replace(" ", ""), True
            return _text(choice, "Id"), False
    return "", False


def _remittance(element: Any, skip: int) -> tuple[tuple[str, ...], str, int]:
    kids: list[str] = []
    messages: list[str] = []
    documents = 0
    for part in element:
        if part.tag[skip:] == "Ustrd":
            messages.append((part.text or "").strip())
            continue
        documents += 1
        for reference in part:
            is_reference = reference.tag[skip:] == "CdtrRefInf"
            if is_reference and _text(reference, "Tp/CdOrPrtry/Cd") == "SCOR":
                kids.append(_text(reference, "Ref"))
    return tuple(kids), " ".join(messages), documents
