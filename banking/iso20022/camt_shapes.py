"""Reads entries of a shape met before, with their only detail, without walking their trees.

What holds anything unusual (batches, returns, documents, exchange, ultimate parties) is left to
camt_entry and camt_detail, which every value here must equal.
"""

from decimal import Decimal

from lxml import etree

from banking.iso20022 import elements, xmlio
from banking.iso20022.elements import Names
from banking.iso20022.shapes import Plan, Shapes
from banking.iso20022.values import Account, Entry, EntryDetail
from banking.located import Place

_ENTRY_SLOTS = (
    "Amt",
    "CdtDbtInd",
    "Sts",
    "RvslInd",
    "BookgDt/Dt",
    "ValDt/Dt",
    "AcctSvcrRef",
    "NtryRef",
    "BkTxCd/Domn/Cd",
    "BkTxCd/Domn/Fmly/Cd",
    "BkTxCd/Domn/Fmly/SubFmlyCd",
    "AddtlNtryInf",
)
_DETAIL_SLOTS = (
    "Refs/AcctSvcrRef",
    "Refs/TxId",
    "Refs/MsgId",
    "Refs/PmtInfId",
    "Refs/InstrId",
    "Refs/EndToEndId",
    "Amt",
    "AmtDtls/TxAmt/Amt",
    "AmtDtls/InstdAmt/Amt",
    "CdtDbtInd",
    "RltdPties/Dbtr/Nm",
    "RltdPties/DbtrAcct/Id/IBAN",
    "RltdPties/DbtrAcct/Id/Othr/Id",
    "RltdPties/DbtrAcct/Id/Othr/SchmeNm/Cd",
    "RltdPties/Cdtr/Nm",
    "RltdPties/CdtrAcct/Id/IBAN",
    "RltdPties/CdtrAcct/Id/Othr/Id",
    "RltdPties/CdtrAcct/Id/Othr/SchmeNm/Cd",
    "RmtInf/Strd/CdtrRefInf/Tp/CdOrPrtry/Cd",
    "RmtInf/Strd/CdtrRefInf/Ref",
    "AddtlTxInf",
)
_DETAIL_SAME = {
    "RltdPties/Dbtr/Pty/Nm": "RltdPties/Dbtr/Nm",
    "RltdPties/Cdtr/Pty/Nm": "RltdPties/Cdtr/Nm",
    "RltdPties/DbtrAcct/Id/Othr/SchmeNm/Prtry": "RltdPties/DbtrAcct/Id/Othr/SchmeNm/Cd",
    "RltdPties/CdtrAcct/Id/Othr/SchmeNm/Prtry": "RltdPties/CdtrAcct/Id/Othr/SchmeNm/Cd",
}
_DETAIL_IGNORED = (
    "BkTxCd",
    "RltdAgts",
    "RltdDts",
    "Purp",
    "RltdPties/Dbtr/PstlAdr",
    "RltdPties/Cdtr/PstlAdr",
    "RltdPties/Dbtr/Pty/PstlAdr",
    "RltdPties/Cdtr/Pty/PstlAdr",
)
_ORDERED = "AmtDtls/InstdAmt/Amt"
_INSIDE = "NtryDtls/TxDtls/"
_SLOTS = _ENTRY_SLOTS + tuple(_INSIDE + slot for slot in _DETAIL_SLOTS)
_SAME = {"Sts/Cd": "Sts", "Sts/Prtry": "Sts"} | {
    _INSIDE + path: _INSIDE + slot for path, slot in _DETAIL_SAME.items()
}
_IGNORED = tuple(_INSIDE + path for path in _DETAIL_IGNORED)
_LINES = "RmtInf/Ustrd"
_ENTRY_TEXTS = len(_ENTRY_SLOTS)


class EntryShapes:
    """Reads one file's entries, and details of batches, as far as their shapes allow."""

    def __init__(self, names: Names) -> None:
        self._entries = Shapes(
            names=names, slots=_SLOTS, several=(_INSIDE + _LINES,), ignored=_IGNORED, same=_SAME
        )
        self._details = Shapes(
            names=names,
            slots=_DETAIL_SLOTS,
            several=(_LINES,),
            ignored=_DETAIL_IGNORED,
            same=_DETAIL_SAME,
        )

    def entry(
        self, element: etree._Element, *, place: Place, inner: Place | None
    ) -> tuple[Entry, EntryDetail | None] | None:
        """A whole entry and, at the place inner, its only detail; None where it must be walked.

        Raises Unreadable value for an amount that is no number.
        """
        shape = self._entries.read(element)
        if shape is None:
            return None
        plan, picked, texts = shape
        entry = _entry(plan, picked[:_ENTRY_TEXTS], place)
        if entry is None or inner is None:
            return None if entry is None else (entry, None)
        detail = _detail(plan, texts, picked[_ENTRY_TEXTS:], _INSIDE, entry, inner)
        return None if detail is None else (entry, detail)

    def detail(self, element: etree._Element, *, entry: Entry, place: Place) -> EntryDetail | None:
        """One TxDtls of entry; None where it must be walked. Raises Unreadable value."""
        shape = self._details.read(element)
        if shape is None:
            return None
        plan, picked, texts = shape
        return _detail(plan, texts, picked, "", entry, place)


def _entry(plan: Plan, picked: list[str], place: Place) -> Entry | None:
    (
        amount,
        direction,
        status,
        reversal,
        booked,
        valued,
        servicer,
        reference,
        domain,
        family,
        sub_family,
        words,
    ) = picked
    booking, value = elements.day_or_none(booked), elements.day_or_none(valued)
    undated = (booked and booking is None) or (valued and value is None)
    if not amount or not direction or undated:
        return None
    code = "/".join([domain, family, sub_family]) if domain and family and sub_family else ""
    if not code and (domain or family or sub_family):
        return None
    return Entry(
        xmlio.money(amount, place),
        xmlio.currency(plan.currencies["Amt"], place),
        xmlio.is_credit(direction, place),
        status,
        bool(reversal) and xmlio.is_true(reversal, "RvslInd", place),
        booking,
        value,
        servicer or reference,
        None,
        None,
        "",
        "",
        code,
        words,
        place,
    )


def _detail(
    plan: Plan, texts: list[str], picked: list[str], inside: str, entry: Entry, place: Place
) -> EntryDetail | None:
    """One detail; inside is the path that leads to it in the plan."""
    (
        servicer,
        transaction,
        message_id,
        payment_number,
        instruction_id,
        end_to_end_id,
        own,
        booked,
        ordered,
        direction,
        payer,
        payer_iban,
        payer_number,
        payer_scheme,
        payee,
        payee_iban,
        payee_number,
        payee_scheme,
        kid_type,
        kid,
        note,
    ) = picked
    if kid_type not in ("SCOR", ""):
        return None
    amount: Decimal | None = None
    currency = entry.currency
    if booked:
        amount = xmlio.money(booked, place)
    if own:
        amount = xmlio.money(own, place)
    if own or booked:
        currency = plan.currencies[inside + ("Amt" if own else "AmtDtls/TxAmt/Amt")]
    credit = xmlio.is_credit(direction, place) if direction else entry.credit
    if credit == (not entry.reversal):
        who, account = payer, _account(payer_iban, payer_number, payer_scheme)
    else:
        who, account = payee, _account(payee_iban, payee_number, payee_scheme)
    return EntryDetail(
        servicer or transaction,
        message_id,
        payment_number,
        instruction_id,
        end_to_end_id,
        amount,
        currency,
        credit,
        who,
        account,
        kid or None,
        "\n".join(plan.texts(0, texts)) if plan.several[0] else note,
        None,
        place,
        instructed_amount=xmlio.amount(ordered, place) if ordered else None,
        instructed_currency=plan.currencies[inside + _ORDERED] if ordered else "",
    )


def _account(iban: str, number: str, scheme: str) -> Account | None:
    if iban:
        return Account("IBAN", iban)
    if not number:
        return None
    return Account("BBAN", number) if scheme == "BBAN" else Account("OTHER", number, scheme)
