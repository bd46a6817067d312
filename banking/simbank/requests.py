"""Holds the reading of camt.055 and camt.060; must not judge what they ask for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lxml import etree

from .orders import UnreadableError

LARGEST = 20 * 1024 * 1024
ROOTS = {
    "CstmrCdtTrfInitn": "pain001",
    "CstmrPmtCxlReq": "camt055",
    "AcctRptgReq": "camt060",
}


@dataclass(frozen=True, slots=True)
class CancelledPayment:
    """What is to be cancelled of one payment: the lines named, or all of it where none is."""

    payment: str
    lines: tuple[tuple[str, str], ...]  # InstrId, EndToEndId


@dataclass(frozen=True, slots=True)
class CancelledGroup:
    msg_id: str
    message_name: str
    payments: tuple[CancelledPayment, ...]


@dataclass(frozen=True, slots=True)
class Cancellation:
    version: str
    request: str
    customer_number: str
    agreement_id: str
    groups: tuple[CancelledGroup, ...]


@dataclass(frozen=True, slots=True)
class ReportRequest:
    msg_id: str
    customer_number: str
    agreement_id: str
    account: str


def kind_of(path: Path) -> str:
    """Which kind of upload it is by its first element, or by NY; "pain001" for what is neither."""
    with path.open("rb") as raw:
        if raw.read(16).lstrip(b"\xef\xbb\xbf\r\n\t ").startswith(b"NY"):
            return "nets"
        raw.seek(0)
        try:
            for _, element in etree.iterparse(raw, events=("start",), **_SAFE):
                local = etree.QName(element).localname
                if local != "Document":
                    return ROOTS.get(local, "pain001")
        except etree.XMLSyntaxError:
            return "pain001"
    return "pain001"


_SAFE: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": True,
    "remove_comments": True,
    "remove_pis": True,
}


def _tree(path: Path) -> Any:
    if path.stat().st_size > LARGEST:
        raise UnreadableError("The file is larger than such a request can be")
    try:
        tree: Any = etree.parse(str(path), etree.XMLParser(**_SAFE))
    except etree.XMLSyntaxError as fault:
        raise UnreadableError(f"Not well-formed XML: {fault}") from fault
    if tree.docinfo.doctype:
        raise UnreadableError("A document type declaration is not accepted")
    return tree.getroot()


def _all(element: Any, path: str) -> list[Any]:
    found: list[Any] = element.findall("/".join("{*}" + step for step in path.split("/")))
    return found


def _text(element: Any, path: str) -> str:
    found = _all(element, path)
    return (found[0].text or "").strip() if found else ""


def _identifiers(element: Any, path: str) -> dict[str, str]:
    ids = {"CUST": "", "BANK": ""}
    for other in _all(element, f"{path}/Id/OrgId/Othr"):
        scheme = _text(other, "SchmeNm/Cd")
        if scheme in ids:
            ids[scheme] = ids[scheme] or _text(other, "Id")
    return ids


def read_cancellation(path: Path) -> Cancellation:
    """A camt.055 of any version; raises UnreadableError."""
    root = _tree(path)
    request = root[0] if len(root) else root
    namespace = etree.QName(root).namespace or ""
    ids = _identifiers(request, "Assgnmt/Assgnr/Pty")
    groups = []
    for under in _all(request, "Undrlyg"):
        payments = []
        for block in _all(under, "OrgnlPmtInfAndCxl"):
            lines = [] if _text(block, "PmtInfCxl") == "true" else _all(block, "TxInf")
            named = tuple((_text(x, "OrgnlInstrId"), _text(x, "OrgnlEndToEndId")) for x in lines)
            payments.append(CancelledPayment(_text(block, "OrgnlPmtInfId"), named))
        head = "OrgnlGrpInfAndCxl"
        groups.append(
            CancelledGroup(
                _text(under, f"{head}/OrgnlMsgId"),
                _text(under, f"{head}/OrgnlMsgNmId"),
                tuple(payments),
            )
        )
    if not groups:
        raise UnreadableError("The request names nothing to cancel")
    return Cancellation(
        version=namespace.rpartition(".")[2] or "09",
        request=_text(request, "Assgnmt/Id"),
        customer_number=ids["CUST"],
        agreement_id=ids["BANK"],
        groups=tuple(groups),
    )


def read_report_request(path: Path) -> ReportRequest:
    """A camt.060 for one account; raises UnreadableError."""
    root = _tree(path)
    request = root[0] if len(root) else root
    ids = _identifiers(request, "GrpHdr/MsgSndr/Pty")
    iban = _text(request, "RptgReq/Acct/Id/IBAN").replace(" ", "")
    other = _text(request, "RptgReq/Acct/Id/Othr/Id")
    msg_id = _text(request, "GrpHdr/MsgId")
    if not msg_id:
        raise UnreadableError("MsgId must have 1 to 35 characters")
    return ReportRequest(
        msg_id=msg_id,
        customer_number=ids["CUST"],
        agreement_id=ids["BANK"],
        account=iban[4:] if iban.startswith("NO") else other,
    )
