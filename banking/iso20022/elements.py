"""Reads the pieces that all ISO 20022 messages share: accounts, parties, agents, remittance.

Every function takes an element and a table of local names, looks at its children by name, and
knows nothing of the message around it.
"""

import datetime
import functools
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from lxml import etree

from banking.iso20022.values import Account, Document, DocumentKind, Party, Reason
from banking.iso20022.xmlio import decimal, text

Names = Mapping[str, str]
OSLO = ZoneInfo("Europe/Oslo")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ADDRESS = {
    "StrtNm": "street",
    "BldgNb": "building",
    "PstCd": "post_code",
    "TwnNm": "town",
    "Ctry": "country",
}


class Remittance(NamedTuple):
    """RmtInf: the KID, free text, documents, AddtlRmtInf, and what of it is not carried; reference
    is a creditor's of another type than the KID's, as "ISR Reference 1500…"."""

    kid: str | None
    message: tuple[str, ...]
    documents: tuple[Document, ...]
    additional: tuple[str, ...]
    unread: tuple[str, ...]
    reference: str = ""


NO_REMITTANCE = Remittance(None, (), (), (), ())


def moment_or_none(value: str) -> datetime.datetime | None:
    """An xs:dateTime as moment reads it, None where it is none."""
    try:
        return moment(value)
    except ValueError:
        return None


def day_or_none(value: str) -> datetime.date | None:
    """A date as day reads it, None where it is none."""
    try:
        return day(value)
    except ValueError:
        return None


def moment(value: str) -> datetime.datetime:
    """An xs:dateTime, aware; without offset it is Europe/Oslo. ValueError where it is none."""
    read = datetime.datetime.fromisoformat(value)
    return read if read.tzinfo else read.replace(tzinfo=OSLO)


@functools.lru_cache(maxsize=1024)
def day(value: str) -> datetime.date:
    """The date that an xs:date or xs:dateTime begins with; ValueError where it is none."""
    if _DATE.match(value) is None:
        raise ValueError(f"not a date: {value!r}")
    return datetime.date.fromisoformat(value[:10])


def choice(element: etree._Element, names: Names) -> str:
    """The text of the last Cd or Prtry among the children, "" where there is neither."""
    found = ""
    for child in element:
        if names[child.tag] in ("Cd", "Prtry"):
            found = text(child)
    return found


def account(element: etree._Element, names: Names) -> tuple[Account | None, str]:
    """(account, currency) of a CashAccount; an account without a number is None."""
    found: Account | None = None
    currency = ""
    for child in element:
        name = names[child.tag]
        if name == "Id":
            for form in child:
                found = _account_id(form, names) or found
        elif name == "Ccy":
            currency = text(child)
    return found, currency


def _account_id(form: etree._Element, names: Names) -> Account | None:
    if names[form.tag] == "IBAN":
        number = text(form)
        return Account("IBAN", number) if number else None
    number = scheme = ""
    for child in form:
        name = names[child.tag]
        if name == "Id":
            number = text(child)
        elif name == "SchmeNm":
            scheme = choice(child, names)
    if not number:
        number = text(form) if names[form.tag] in ("BBAN", "UPIC") else ""
        scheme = scheme or names[form.tag]
    if not number:
        return None
    return Account("BBAN", number) if scheme == "BBAN" else Account("OTHER", number, scheme)


def party(element: etree._Element, names: Names) -> tuple[Party, tuple[str, ...]]:
    """(party, unread) of a PartyIdentification; unread names are relative to it."""
    name_text = ""
    address: dict[str, str] = {}
    lines: list[str] = []
    identifiers: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()
    for child in element:
        name = names[child.tag]
        if name == "Nm":
            name_text = text(child)
        elif name == "PstlAdr":
            for part in child:
                part_name = names[part.tag]
                if part_name in _ADDRESS:
                    address[_ADDRESS[part_name]] = text(part)
                elif part_name == "AdrLine":
                    lines.append(text(part))
                else:
                    unread += (f"PstlAdr/{part_name}",)
        elif name == "Id":
            identifiers, more = _identifiers(child, names)
            unread += more
        else:
            unread += (name,)
    found = Party(
        name_text,
        address.get("street", ""),
        address.get("building", ""),
        address.get("post_code", ""),
        address.get("town", ""),
        address.get("country", ""),
        tuple(lines),
        identifiers,
    )
    return found, unread


def _identifiers(
    element: etree._Element, names: Names
) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    """(scheme, value) of an organisation's identifiers; a private person's stay unread."""
    found: list[tuple[str, str]] = []
    unread: tuple[str, ...] = ()
    for kind in element:
        if names[kind.tag] != "OrgId":
            unread += (f"Id/{names[kind.tag]}",)
            continue
        for child in kind:
            name = names[child.tag]
            if name in ("AnyBIC", "BICOrBEI"):
                found.append(("BIC", text(child)))
            elif name == "LEI":
                found.append(("LEI", text(child)))
            elif name == "Othr":
                value = scheme = ""
                for part in child:
                    if names[part.tag] == "Id":
                        value = text(part)
                    elif names[part.tag] == "SchmeNm":
                        scheme = choice(part, names)
                found.append((scheme, value))
            else:
                unread += (f"Id/OrgId/{name}",)
    return tuple(found), unread


def agent(element: etree._Element, names: Names) -> tuple[str, str, str]:
    """(BIC, clearing system, clearing member id) of a bank, "" for what is not told."""
    bic = system = member = ""
    for institution in element:
        if names[institution.tag] != "FinInstnId":
            continue
        for child in institution:
            name = names[child.tag]
            if name in ("BICFI", "BIC"):
                bic = text(child)
            elif name == "ClrSysMmbId":
                for part in child:
                    if names[part.tag] == "MmbId":
                        member = text(part)
                    elif names[part.tag] == "ClrSysId":
                        system = choice(part, names)
    return bic, system, member


def agent_party(element: etree._Element, names: Names) -> Party:
    """A bank as a party: its BIC, and its clearing member id under the clearing system's code."""
    bic, system, member = agent(element, names)
    identifiers = (("BIC", bic), (system or "MmbId", member))
    return Party(identifiers=tuple(pair for pair in identifiers if pair[1]))


def remittance(element: etree._Element, names: Names) -> Remittance:
    """RmtInf. ValueError for an amount that is no number."""
    kid: str | None = None
    message: list[str] = []
    documents: tuple[Document, ...] = ()
    additional: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    reference = ""
    for child in element:
        name = names[child.tag]
        if name == "Ustrd":
            message.append(text(child))
        elif name == "Strd":
            one = _structured(child, names)
            documents += one.documents
            additional += one.additional
            unread += one.unread
            reference = reference or one.reference
            if one.kid is not None and kid is not None:
                unread += ("Strd/CdtrRefInf",)
            elif one.kid is not None:
                kid = one.kid
        else:
            unread += (name,)
    return Remittance(kid, tuple(message), documents, additional, unread, reference)


def _structured(element: etree._Element, names: Names) -> Remittance:
    """One Strd. Its reference belongs to its documents if it has any, else to the transfer."""
    reference: str | None = None
    other = ""
    papers: list[tuple[str, str]] = []
    amount: tuple[str, Decimal, str] | None = None
    additional: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    for child in element:
        name = names[child.tag]
        if name == "CdtrRefInf":
            reference, standard = creditor_reference(child, names)
            if standard not in ("", "SCOR"):
                other = f"{standard} {reference or ''}".strip()
                reference, unread = None, (*unread, "Strd/CdtrRefInf")
        elif name == "RfrdDocInf":
            papers.append(_paper(child, names))
        elif name == "RfrdDocAmt":
            amount, more = _paper_amount(child, names)
            unread += more
        elif name == "AddtlRmtInf":
            additional += (text(child),)
        else:
            unread += (f"Strd/{name}",)
    if not papers and amount is None:
        return Remittance(reference, (), (), additional, unread, other)
    documents: list[Document] = []
    for position, (code, number) in enumerate(papers or [("", "")]):
        mine = amount if position == 0 else None
        default = mine[0] if mine else "CINV"
        kind: DocumentKind = "CREN" if (code or default) == "CREN" else "CINV"
        if code not in ("", "CINV", "CREN"):
            unread += (f"Strd/RfrdDocInf/Tp={code}",)
        value, currency = (mine[1], mine[2]) if mine else (None, "")
        documents.append(Document(kind, number, value, currency, reference))
    return Remittance(None, (), tuple(documents), additional, unread, other)


def creditor_reference(element: etree._Element, names: Names) -> tuple[str | None, str]:
    """(reference, type) of CdtrRefInf: a KID unless its type is another than SCOR or none."""
    reference = kind = ""
    for child in element:
        name = names[child.tag]
        if name in ("Ref", "CdtrRef"):
            reference = text(child)
        elif name in ("Tp", "CdtrRefTp"):
            for inner in child:
                if names[inner.tag] == "CdOrPrtry":
                    kind = choice(inner, names)
                elif names[inner.tag] in ("Cd", "Prtry"):
                    kind = text(inner)
    return reference or None, kind


def _paper(element: etree._Element, names: Names) -> tuple[str, str]:
    """(type code, number) of RfrdDocInf."""
    code = number = ""
    for child in element:
        name = names[child.tag]
        if name in ("Nb", "RfrdDocNb"):
            number = text(child)
        elif name in ("Tp", "RfrdDocTp"):
            for inner in child:
                if names[inner.tag] == "CdOrPrtry":
                    code = choice(inner, names)
                elif names[inner.tag] in ("Cd", "Prtry"):
                    code = text(inner)
    return code, number


def _paper_amount(
    element: etree._Element, names: Names
) -> tuple[tuple[str, Decimal, str] | None, tuple[str, ...]]:
    """((kind it implies, amount, currency), unread) of RfrdDocAmt."""
    found: tuple[str, Decimal, str] | None = None
    unread: tuple[str, ...] = ()
    for child in element:
        name = names[child.tag]
        if name == "RmtdAmt":
            found = ("CINV", decimal(text(child)), child.get("Ccy", ""))
        elif name == "CdtNoteAmt":
            found = ("CREN", decimal(text(child)), child.get("Ccy", ""))
        else:
            unread += (f"Strd/RfrdDocAmt/{name}",)
    return found, unread


def reason(element: etree._Element, names: Names) -> Reason:
    """One reason block (StsRsnInf, RtrInf), its pieces of text joined by spaces."""
    code, proprietary = "", False
    words: list[str] = []
    for child in element:
        name = names[child.tag]
        if name in ("Rsn", "StsRsn", "RtrRsn"):
            for inner in child:
                code = text(inner)
                proprietary = names[inner.tag] == "Prtry"
        elif name in ("AddtlInf", "AddtlStsRsnInf", "AddtlRtrRsnInf"):
            words.append(text(child))
    return Reason(code, proprietary, " ".join(words))
