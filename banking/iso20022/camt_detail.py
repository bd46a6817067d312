"""Reads the inside of one account entry: its batch, its codes and one transaction's details.

It takes elements and gives values; order, sums and files are camt's.
"""

from decimal import Decimal
from typing import NamedTuple

from lxml import etree

from banking.iso20022 import elements, xmlio
from banking.iso20022.elements import NO_REMITTANCE, Names
from banking.iso20022.values import Account, Entry, EntryDetail, Reason
from banking.iso20022.xmlio import text
from banking.located import Place


class Batch(NamedTuple):
    """What Btch declares; None and "" for what it does not."""

    transactions: int | None
    total: Decimal | None
    message_id: str
    payment_number: str


NO_BATCH = Batch(None, None, "", "")


class _Money(NamedTuple):
    """The amounts of a transaction: booked, ordered, and the rate between them."""

    amount: Decimal | None
    currency: str
    ordered: Decimal | None
    ordered_currency: str
    rate: Decimal | None


def batch(element: etree._Element, names: Names, place: Place) -> Batch:
    """The Btch that element is or holds. Raises Unreadable value for a total that is no number."""
    if names[element.tag] != "Btch":
        for child in element:
            if names[child.tag] == "Btch":
                return batch(child, names, place)
        return NO_BATCH
    count: int | None = None
    total: Decimal | None = None
    message_id = payment_number = ""
    for child in element:
        name = names[child.tag]
        if name == "NbOfTxs":
            count = xmlio.count(text(child), place)
        elif name == "TtlAmt":
            total = xmlio.amount(text(child), place)
        elif name == "MsgId":
            message_id = text(child)
        elif name == "PmtInfId":
            payment_number = text(child)
    return Batch(count, total, message_id, payment_number)


def transaction_code(element: etree._Element, names: Names) -> str:
    """BkTxCd as "PMNT/RCDT/DMCT", or the bank's own code where there is no other."""
    own = ""
    for child in element:
        name = names[child.tag]
        if name == "Prtry":
            own = elements.choice(child, names)
        elif name == "Domn":
            codes: list[str] = []
            for part in child:
                if names[part.tag] == "Cd":
                    codes.append(text(part))
                for inner in part:
                    codes.append(text(inner))
            return "/".join(codes)
    return own


def detail(element: etree._Element, names: Names, *, entry: Entry, place: Place) -> EntryDetail:
    """One TxDtls of entry. Raises Unreadable value for an amount that is no number."""
    references: dict[str, str] = {}
    own: tuple[Decimal, str] | None = None
    money: _Money | None = None
    credit = entry.credit
    parties: etree._Element | None = None
    remittance = NO_REMITTANCE
    returned: Reason | None = None
    note = ""
    for child in element:
        name = names[child.tag]
        if name == "Refs":
            for one in child:
                references[names[one.tag]] = text(one)
        elif name == "Amt":
            own = xmlio.money(text(child), place), child.get("Ccy", "")
        elif name == "AmtDtls":
            money = _money(child, names, place)
        elif name == "CdtDbtInd":
            credit = xmlio.is_credit(text(child), place)
        elif name == "RltdPties":
            parties = child
        elif name == "RmtInf":
            remittance = _remittance(child, names, place)
        elif name == "RtrInf":
            returned = elements.reason(child, names)
        elif name == "AddtlTxInf":
            note = text(child)
    # A return books the original payment backwards: the other party is where we were.
    payer_is_other = credit == (returned is None and not entry.reversal)
    who, account = ("", None) if parties is None else _other(parties, names, payer_is_other)
    amount, currency = own or _booked(money, entry)
    kid = remittance.kid
    if kid is None:
        kid = next((paper.kid for paper in remittance.documents if paper.kid), None)
    lines = remittance.message + remittance.additional
    get = references.get
    return EntryDetail(
        get("AcctSvcrRef", "") or get("TxId", ""),
        get("MsgId", ""),
        get("PmtInfId", ""),
        get("InstrId", ""),
        get("EndToEndId", ""),
        amount,
        currency,
        credit,
        who,
        account,
        kid,
        "\n".join(lines) if lines else note,
        returned,
        place,
        remittance.documents,
        money.ordered if money else None,
        money.ordered_currency if money else "",
        money.rate if money else None,
        remittance.reference,
    )


def with_amount(one: EntryDetail, entry: Entry) -> EntryDetail:
    """The only detail of an entry, which says no amount of its own: the entry's is its."""
    return one._replace(amount=entry.amount, currency=entry.currency)


def _remittance(element: etree._Element, names: Names, place: Place) -> elements.Remittance:
    try:
        return elements.remittance(element, names)
    except ValueError as error:
        raise xmlio.bad_value(what="amount", value=str(error), place=place) from error


def _booked(money: _Money | None, entry: Entry) -> tuple[Decimal | None, str]:
    """The transaction's amount in the account's currency, from AmtDtls."""
    if money is None:
        return None, entry.currency
    if money.amount is not None:
        return money.amount, money.currency
    if money.ordered is not None and money.ordered_currency == entry.currency:
        return money.ordered, money.ordered_currency
    return None, entry.currency


def _money(element: etree._Element, names: Names, place: Place) -> _Money:
    amount: Decimal | None = None
    ordered: Decimal | None = None
    rate: Decimal | None = None
    currency = ordered_currency = ""
    for kind in element:
        word = names[kind.tag]
        if word not in ("InstdAmt", "TxAmt", "CntrValAmt"):
            continue
        for child in kind:
            name = names[child.tag]
            if name == "Amt" and word == "TxAmt":
                amount, currency = xmlio.money(text(child), place), child.get("Ccy", "")
            elif name == "Amt" and word == "InstdAmt":
                ordered = xmlio.amount(text(child), place)
                ordered_currency = child.get("Ccy", "")
            elif name == "CcyXchg":
                for part in child:
                    if names[part.tag] == "XchgRate":
                        rate = xmlio.amount(text(part), place)
    return _Money(amount, currency, ordered, ordered_currency, rate)


def _other(element: etree._Element, names: Names, payer: bool) -> tuple[str, Account | None]:
    """(name, account) of the payer, or of the payee."""
    side, side_account, beyond = (
        ("Dbtr", "DbtrAcct", "UltmtDbtr") if payer else ("Cdtr", "CdtrAcct", "UltmtCdtr")
    )
    who = ultimate = ""
    account: Account | None = None
    for child in element:
        name = names[child.tag]
        if name == side:
            who = _name(child, names)
        elif name == side_account:
            account = elements.account(child, names)[0]
        elif name == beyond:
            ultimate = _name(child, names)
    return who or ultimate, account


def _name(party: etree._Element, names: Names) -> str:
    """Nm, which newer versions put inside Pty, and banks inside Agt/FinInstnId."""
    for child in party:
        name = names[child.tag]
        if name == "Nm":
            return text(child)
        if name in ("Pty", "Agt", "FinInstnId"):
            return _name(child, names)
    return ""
