"""Reads entries and details of a shape met before without walking their trees again.

What holds anything unusual (returns, documents, exchange, ultimate parties) is left to camt and
camt_detail, which every value here must equal.
"""

from decimal import Decimal

from lxml import etree

from banking.iso20022 import camt_detail, elements, xmlio
from banking.iso20022.elements import Names
from banking.iso20022.shapes import Shapes
from banking.iso20022.values import Account, Entry, EntryDetail, Place

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
)
_ENTRY_SAME = {"Sts/Cd": "Sts", "Sts/Prtry": "Sts"}
_ENTRY_NEEDED = ("Amt", "CdtDbtInd", "Sts")
_DETAIL_SLOTS = (
    "Refs/AcctSvcrRef",
    "Refs/TxId",
    "Refs/MsgId",
    "Refs/PmtInfId",
    "Refs/InstrId",
    "Refs/EndToEndId",
    "Amt",
    "AmtDtls/TxAmt/Amt",
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
_LINES = "RmtInf/Ustrd"


class EntryShapes:
    """Reads one file's entries, and their details, as far as their shapes allow."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._entries = Shapes(names=names, slots=_ENTRY_SLOTS, same=_ENTRY_SAME)
        self._details = Shapes(
            names=names,
            slots=_DETAIL_SLOTS,
            several=(_LINES,),
            ignored=_DETAIL_IGNORED,
            same=_DETAIL_SAME,
        )

    def entry(self, element: etree._Element, place: Place) -> Entry | None:
        """The Entry as read up to its NtryDtls; None where it must be walked."""
        details = next(element.iterchildren("{*}NtryDtls"), None)
        batch = camt_detail.NO_BATCH
        found = list(element.iter())
        if details is not None:
            batch = camt_detail.batch(details, self._names, place)
            del found[found.index(details) :]
        plan = self._entries.plan(element, found)
        if plan is None or not all(slot in plan.places for slot in _ENTRY_NEEDED):
            return None
        texts: list[str | None] = [one.text for one in found]
        texts.append("")
        picked = plan.pick(texts)
        if None in picked:
            return None
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
        ) = map(str.strip, picked)
        booking, value = elements.day_or_none(booked), elements.day_or_none(valued)
        undated = (booked and booking is None) or (valued and value is None)
        if not direction or undated:
            return None
        codes = [code for code in (domain, family, sub_family) if code]
        return Entry(
            xmlio.amount(amount, place),
            found[plan.places["Amt"][0]].get("Ccy", ""),
            direction == "CRDT",
            status,
            reversal in ("true", "1"),
            booking,
            value,
            servicer or reference,
            batch.transactions,
            batch.total,
            batch.message_id,
            batch.payment_number,
            "/".join(codes),
            "",
            place,
        )

    def detail(self, element: etree._Element, *, entry: Entry, place: Place) -> EntryDetail | None:
        """One TxDtls of entry; None where it must be walked."""
        found = list(element.iter())
        plan = self._details.plan(element, found)
        if plan is None:
            return None
        texts: list[str | None] = [one.text for one in found]
        texts.append("")
        picked = plan.pick(texts)
        if None in picked:
            return None
        (
            servicer,
            transaction,
            message_id,
            payment_number,
            instruction_id,
            end_to_end_id,
            own,
            booked,
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
        ) = map(str.strip, picked)
        if kid_type not in ("SCOR", ""):
            return None
        amount: Decimal | None = None
        currency = entry.currency
        if own or booked:
            where = plan.places["Amt" if own else "AmtDtls/TxAmt/Amt"][0]
            amount = xmlio.amount(own or booked, place)
            currency = found[where].get("Ccy", "")
        credit = direction == "CRDT" if direction else entry.credit
        if credit == (not entry.reversal):
            who, account = payer, _account(payer_iban, payer_number, payer_scheme)
        else:
            who, account = payee, _account(payee_iban, payee_number, payee_scheme)
        message = "\n".join(plan.texts(0, texts)) if plan.several[0] else note
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
            message,
            None,
            place,
        )


def _account(iban: str, number: str, scheme: str) -> Account | None:
    if iban:
        return Account("IBAN", iban)
    if not number:
        return None
    return Account("BBAN", number) if scheme == "BBAN" else Account("OTHER", number, scheme)
