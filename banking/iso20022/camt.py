"""Reads account entries of camt.054, camt.053 and camt.052, any version, as values.

Names are matched without their namespace. A total that its content does not add up to is a
Discrepancy among the values and a departure from the standard a Deviation; only broken XML and
an amount that is no number stop the reading. It decides nothing about whose money it is.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal

from lxml import etree

from banking.iso20022 import camt_detail, camt_shapes, elements, xmlio
from banking.iso20022.values import (
    Account,
    Balance,
    Deviation,
    Discrepancy,
    Entry,
    EntryDetail,
    Notification,
    Place,
)
from banking.iso20022.xmlio import text

Value = Notification | Balance | Entry | EntryDetail | Discrepancy | Deviation
ACCOUNT_PARTS = ("Ntfctn", "Stmt", "Rpt")
_TAGS = tuple(f"{{*}}{name}" for name in ("GrpHdr", *ACCOUNT_PARTS, "Ntry", "NtryDtls", "TxDtls"))
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt."
_SUMMARIES = {"TtlNtries": "entries", "TtlCdtNtries": "credits", "TtlDbtNtries": "debits"}


class _Sums:
    """Counts and sums of one account part's entries, by the names of its summary."""

    def __init__(self) -> None:
        self.count = {"entries": 0, "credits": 0, "debits": 0}
        self.sum = {name: Decimal(0) for name in self.count}

    def add(self, entry: Entry) -> None:
        for name in ("entries", "credits" if entry.credit else "debits"):
            self.count[name] += 1
            self.sum[name] += entry.amount


class Reader:
    """One file's reading; values() yields in file order, each Entry before its details."""

    def __init__(self, guarded: xmlio.Guarded) -> None:
        self._guarded = guarded
        self._offset = guarded.line_offset
        self._names = xmlio.LocalNames(namespace="", anything=True)
        self._shapes = camt_shapes.EntryShapes(self._names)
        self._message_id = ""
        self._marks = ""
        self._noted: list[Deviation] = []
        self._parts = 0
        self._part_path = ""
        self._open = False
        self._entries = 0
        self._sums = _Sums()
        self._reset_entry()

    def _reset_entry(self) -> None:
        self._entry: Entry | None = None
        self._details = 0
        self._waiting: EntryDetail | None = None
        self._entry_sum: Decimal | None = Decimal(0)
        self._reset_batch()

    def _reset_batch(self) -> None:
        self._batch_count = 0
        self._batch_sum: Decimal | None = Decimal(0)

    def values(self) -> Iterator[Value]:
        """The values. Raises Unreadable: truncated, not-xml, value."""
        names = self._names
        root = self._guarded.root
        if not root.namespace.startswith(_NAMESPACE):
            words = f"The namespace is {root.namespace or 'none'}."
            yield Deviation("namespace", words, Place(1, ""))
        for _event, element in xmlio.parse(self._guarded, tags=_TAGS):
            name = names[element.tag]
            if name == "TxDtls":
                yield from self._detail(element)
            elif name == "Ntry":
                yield from self._end_of_entry(element)
            elif name == "NtryDtls":
                yield from self._end_of_batch(element)
            elif name == "GrpHdr":
                self._header(element)
            else:
                yield from self._open_part(element)
                yield from self._end_of_part(element)
            if self._noted:
                yield from self._noted
                self._noted.clear()

    def _place(self, element: etree._Element, path: str) -> Place:
        return Place(xmlio.line(element, self._offset), path)

    def _header(self, element: etree._Element) -> None:
        for child in element:
            name = self._names[child.tag]
            if name == "MsgId":
                self._message_id = text(child)
            elif name == "AddtlInf":
                self._marks = text(child)

    def _open_part(self, part: etree._Element) -> Iterator[Notification | Balance]:
        """The head of an account part, once, as far as it has been read."""
        if self._open:
            return
        self._open = True
        self._parts += 1
        names = self._names
        path = self._part_path = f"{names[part.tag]}[{self._parts}]"
        number, currency = "", ""
        account: Account | None = None
        created: datetime.datetime | None = None
        balances: list[Balance] = []
        for child in part:
            name = names[child.tag]
            if name == "Id":
                number = text(child)
            elif name == "CreDtTm":
                created = self._moment(child, path)
            elif name == "Acct":
                account, currency = elements.account(child, names)
            elif name == "Bal":
                balances.append(self._balance(child, path))
        yield Notification(
            self._message_id,
            number,
            account,
            currency,
            created,
            self._marks,
            self._place(part, path),
        )
        yield from balances

    def _balance(self, element: etree._Element, path: str) -> Balance:
        names = self._names
        kind, amount, currency, credit = "", Decimal(0), "", True
        date: datetime.date | None = None
        for child in element:
            name = names[child.tag]
            if name == "Tp":
                for inner in child:
                    kind = elements.choice(inner, names) or text(inner)
            elif name == "Amt":
                amount = xmlio.amount(text(child), self._place(child, f"{path}/Bal/Amt"))
                currency = child.get("Ccy", "")
            elif name == "CdtDbtInd":
                credit = text(child) == "CRDT"
            elif name == "Dt":
                date = self._day(child, path)
        return Balance(kind, amount, currency, credit, date)

    def _moment(self, element: etree._Element, path: str) -> datetime.datetime | None:
        found = elements.moment_or_none(text(element))
        if found is None:
            self._note("time", element, path)
        return found

    def _day(self, element: etree._Element, path: str) -> datetime.date | None:
        """The day in a DateAndDateTime choice."""
        inner = element[0] if len(element) else element
        found = elements.day_or_none(text(inner))
        if found is None:
            self._note("date", inner, path)
        return found

    def _note(self, code: str, element: etree._Element, path: str) -> None:
        name = self._names[element.tag]
        words = f"The {code} {text(element)!r} cannot be read."
        self._noted.append(Deviation(code, words, self._place(element, f"{path}/{name}")))

    def _entry_path(self) -> str:
        return f"{self._part_path}/Ntry[{self._entries + 1}]"

    def _make_entry(self, element: etree._Element) -> Entry | None:
        """The entry as far as it has been read; None while amount or direction are missing."""
        names, path = self._names, self._entry_path()
        place = self._place(element, path)
        known = self._shapes.entry(element, place)
        if known is not None:
            return known
        amount: Decimal | None = None
        currency = direction = status = reference = servicer = code = words = ""
        reversal = False
        booking: datetime.date | None = None
        value: datetime.date | None = None
        batch = camt_detail.NO_BATCH
        for child in element:
            name = names[child.tag]
            if name == "Amt":
                amount = xmlio.amount(text(child), self._place(child, f"{path}/Amt"))
                currency = child.get("Ccy", "")
            elif name == "CdtDbtInd":
                direction = text(child)
            elif name == "Sts":
                status = elements.choice(child, names) or text(child)
            elif name == "BookgDt":
                booking = self._day(child, path)
            elif name == "ValDt":
                value = self._day(child, path)
            elif name == "RvslInd":
                reversal = text(child) in ("true", "1")
            elif name == "AcctSvcrRef":
                servicer = text(child)
            elif name == "NtryRef":
                reference = text(child)
            elif name == "BkTxCd":
                code = camt_detail.transaction_code(child, names)
            elif name in ("NtryDtls", "Btch") and batch == camt_detail.NO_BATCH:
                batch = camt_detail.batch(child, names, self._place(child, f"{path}/Btch"))
            elif name == "AddtlNtryInf":
                words = text(child)
        if amount is None or not direction:
            return None
        return Entry(
            amount,
            currency,
            direction == "CRDT",
            status,
            reversal,
            booking,
            value,
            servicer or reference,
            batch.transactions,
            batch.total,
            batch.message_id,
            batch.payment_number,
            code,
            words,
            place,
        )

    def _begin_entry(self, element: etree._Element) -> Iterator[Value]:
        """The entry, and before the first its account part's head."""
        part = element.getparent()
        if part is not None and not self._open:
            yield from self._open_part(part)
        entry = self._make_entry(element)
        if entry is None:
            return
        self._entry = entry
        self._sums.add(entry)
        yield entry

    def _detail(self, element: etree._Element) -> Iterator[Value]:
        if self._entry is None:
            above = element.getparent()
            while above is not None and self._names[above.tag] != "Ntry":
                above = above.getparent()
            if above is None:
                return
            yield from self._begin_entry(above)
        # An entry whose amount comes after its details is read whole at its end.
        if self._entry is not None:
            yield from self._count(element, self._entry)
            xmlio.empty(element)
            xmlio.drop_emptied(element)

    def _count(self, element: etree._Element, entry: Entry) -> Iterator[EntryDetail]:
        """The detail, unless it has no amount and may be alone: then it waits for the end."""
        self._details += 1
        self._batch_count += 1
        place = self._place(element, f"{entry.place.path}/TxDtls[{self._details}]")
        detail = self._shapes.detail(element, entry=entry, place=place)
        if detail is None:
            detail = camt_detail.detail(element, self._names, entry=entry, place=place)
        if self._waiting is not None:
            yield self._waiting
            self._waiting = None
        if detail.amount is None or detail.currency != entry.currency:
            self._entry_sum = self._batch_sum = None
        else:
            signed = detail.amount if detail.credit == entry.credit else -detail.amount
            if self._entry_sum is not None:
                self._entry_sum += signed
            if self._batch_sum is not None:
                self._batch_sum += detail.amount
        if detail.amount is None and self._details == 1:
            self._waiting = detail
        else:
            yield detail

    def _end_of_batch(self, element: etree._Element) -> Iterator[Discrepancy]:
        """Compares one NtryDtls with the batch it declares, if it names its transactions."""
        if self._entry is None:
            return
        place = self._place(element, f"{self._entry.place.path}/NtryDtls")
        declared = camt_detail.batch(element, self._names, place)
        if self._batch_count and declared.transactions not in (None, self._batch_count):
            yield _differs("batch-count", declared.transactions, self._batch_count, place)
        known = self._batch_count > 0 and self._batch_sum is not None
        if known and declared.total not in (None, self._batch_sum):
            yield _differs("batch-sum", declared.total, self._batch_sum, place)
        self._reset_batch()

    def _end_of_entry(self, element: etree._Element) -> Iterator[Value]:
        if self._entry is None:
            yield from self._begin_entry(element)
            entry = self._entry
            if entry is None:
                raise xmlio.Unreadable(
                    code="missing",
                    problem="An entry has no amount or no direction.",
                    cure="Ask the bank for the file again.",
                    place=self._place(element, self._entry_path()),
                    params={"element": "Ntry", "expected": "Amt, CdtDbtInd"},
                )
            for late in element.iter("{*}TxDtls"):
                yield from self._count(late, entry)
        entry = self._entry
        if self._waiting is not None and entry is not None:
            yield camt_detail.with_amount(self._waiting, entry)
            self._entry_sum = entry.amount
        known = self._details > 0 and self._entry_sum is not None
        if entry is not None and known and self._entry_sum != entry.amount:
            yield _differs("entry-sum", entry.amount, self._entry_sum, entry.place)
        self._entries += 1
        self._reset_entry()
        xmlio.empty(element)
        xmlio.drop_emptied(element)

    def _end_of_part(self, part: etree._Element) -> Iterator[Discrepancy]:
        names = self._names
        for child in part:
            if names[child.tag] != "TxsSummry":
                continue
            for summary in child:
                name = _SUMMARIES.get(names[summary.tag])
                if name is not None:
                    yield from self._compare(summary, name)
        self._open = False
        self._entries = 0
        self._sums = _Sums()
        xmlio.empty(part)

    def _compare(self, summary: etree._Element, name: str) -> Iterator[Discrepancy]:
        place = self._place(summary, f"{self._part_path}/TxsSummry/{self._names[summary.tag]}")
        for child in summary:
            word = self._names[child.tag]
            if word == "NbOfNtries" and text(child):
                declared = xmlio.amount(text(child), place)
                if declared != self._sums.count[name]:
                    yield _differs(f"{name}-count", declared, self._sums.count[name], place)
            elif word == "Sum" and text(child):
                declared = xmlio.amount(text(child), place)
                if declared != self._sums.sum[name]:
                    yield _differs(f"{name}-sum", declared, self._sums.sum[name], place)


def _differs(
    kind: str, declared: Decimal | int | None, found: Decimal | int | None, place: Place
) -> Discrepancy:
    return Discrepancy(kind, Decimal(declared or 0), Decimal(found or 0), place)
