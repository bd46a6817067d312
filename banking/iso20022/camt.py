"""Reads account entries of camt.054, camt.053 and camt.052, any version, as values.

Names are matched without their namespace. A total that its content does not add up to is a
Discrepancy among the values and a departure from the standard a Deviation; only broken XML and
an amount that is no number stop the reading. It decides nothing about whose money it is.
"""

import datetime
from collections.abc import Iterator
from decimal import Decimal

from lxml import etree

from banking.iso20022 import camt_detail, camt_entry, camt_shapes, elements, xmlio
from banking.iso20022.values import (
    Account,
    Balance,
    Deviation,
    Discrepancy,
    Entry,
    EntryDetail,
    Notification,
    Party,
)
from banking.iso20022.xmlio import text
from banking.located import Place, Unreadable

Value = Notification | Balance | Entry | EntryDetail | Discrepancy | Deviation
ACCOUNT_PARTS = ("Ntfctn", "Stmt", "Rpt")
_TAGS = tuple(f"{{*}}{name}" for name in ("GrpHdr", *ACCOUNT_PARTS, "Ntry", "TxDtls"))
_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt."
_SUMMARIES = {"TtlNtries": "entries", "TtlCdtNtries": "credits", "TtlDbtNtries": "debits"}


class _Sums:
    """Counts and sums of one account part's entries, by the names of its summary."""

    def __init__(self) -> None:
        self.count = {"entries": 0, "credits": 0, "debits": 0}
        self.sum = {name: Decimal(0) for name in self.count}

    def add(self, entry: Entry) -> None:
        """Counts one entry, whatever its status."""
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
        self._created: datetime.datetime | None = None
        self._recipient: tuple[tuple[str, Party], ...] = ()
        self._noted: list[Deviation] = []
        self._parts = 0
        self._part_path = ""
        self._open = False
        self._entries = 0
        self._sums = _Sums()
        self._tally: camt_entry.Tally | None = None
        self._first: etree._Element | None = None
        self._held = 0

    def values(self) -> Iterator[Value]:
        """The values. Raises Unreadable: truncated, not-xml, value, missing (no account part)."""
        names = self._names
        root = self._guarded.root
        if not root.namespace.startswith(_NAMESPACE):
            words = f"The namespace is {root.namespace or 'none'}."
            yield Deviation("namespace", words, Place(1, ""))
        for _event, element in xmlio.parse(self._guarded, tags=_TAGS):
            name = names[element.tag]
            if name == "TxDtls":
                if not self._may_be_alone(element):
                    yield from self._detail(element)
            elif name == "Ntry":
                yield from self._end_of_entry(element)
            elif name == "GrpHdr":
                self._header(element)
            else:
                yield from self._open_part(element)
                yield from self._end_of_part(element)
            if self._noted:
                yield from self._noted
                self._noted.clear()
        if not self._parts:
            raise Unreadable(
                code="missing",
                problem="The file is about no account.",
                cure="Ask the bank for the file again.",
                place=Place(1 + self._offset, ""),
                params={"element": self._guarded.top, "expected": " or ".join(ACCOUNT_PARTS)},
            )

    def _place(self, element: etree._Element, path: str) -> Place:
        return Place(xmlio.line(element, self._offset), path)

    def _header(self, element: etree._Element) -> None:
        for child in element:
            name = self._names[child.tag]
            if name == "MsgId":
                self._message_id = text(child)
            elif name == "AddtlInf":
                self._marks = text(child)
            elif name == "CreDtTm":
                self._created = elements.moment_or_none(text(child))
            elif name == "MsgRcpt":
                self._recipient = ((name, elements.party(child, self._names)[0]),)

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
        parties = self._recipient
        for child in part:
            name = names[child.tag]
            if name == "Id":
                number = text(child)
            elif name == "CreDtTm":
                created = self._moment(child, path)
            elif name == "Acct":
                account, currency = elements.account(child, names)
                parties += _holders(child, names)
            elif name == "Bal":
                balances.append(self._balance(child, path))
        yield Notification(
            self._message_id,
            number,
            account,
            currency,
            created or self._created,
            self._marks,
            self._place(part, path),
            parties,
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
                currency = xmlio.currency(
                    child.get("Ccy", ""), self._place(child, f"{path}/Bal/Amt")
                )
            elif name == "CdtDbtInd":
                credit = xmlio.is_credit(text(child), self._place(child, f"{path}/Bal/CdtDbtInd"))
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

    def _entry_place(self, element: etree._Element) -> Place:
        return self._place(element, f"{self._part_path}/Ntry[{self._entries + 1}]")

    def _begin_part(self, element: etree._Element) -> Iterator[Value]:
        """The head of the account part, before its first entry."""
        part = element.getparent()
        if part is not None and not self._open:
            yield from self._open_part(part)

    def _begin_entry(self, element: etree._Element, *, whole: bool) -> Iterator[Value]:
        """The entry, walked, and before the first its account part's head."""
        yield from self._begin_part(element)
        place = self._entry_place(element)

        def note(code: str, inner: etree._Element) -> None:
            self._note(code, inner, place.path)

        entry = camt_entry.read(element, self._names, place=place, whole=whole, note=note)
        if entry is not None:
            self._tally = camt_entry.Tally(entry)
            self._sums.add(entry)
            yield entry

    def _may_be_alone(self, element: etree._Element) -> bool:
        """A first detail waits: if it stays alone, its entry is read whole with it at the end."""
        if self._held or self._tally is not None or self._entry_around(element) is None:
            return False
        self._held = 1
        self._first = element
        return True

    def _detail(self, element: etree._Element) -> Iterator[Value]:
        """A detail after the first, or one that stands in no entry."""
        if self._tally is None:
            if self._entry_around(element) is None:
                words = "A transaction stands outside any entry and is left out."
                yield Deviation("order", words, self._place(element, "TxDtls"))
                return
            self._held += 1
            if self._held == 2:
                yield from self._begin_batch()
        # An entry that names its amount after its details is read whole at its end.
        if self._tally is not None:
            yield from self._count(element, self._tally)
            xmlio.empty(element)
            xmlio.drop_emptied(element)

    def _begin_batch(self) -> Iterator[Value]:
        """The entry that now has a second detail, and its first."""
        first = self._first
        entry = None if first is None else self._entry_around(first)
        if entry is not None and first is not None:
            yield from self._begin_entry(entry, whole=False)
            if self._tally is not None:
                yield from self._count(first, self._tally)

    def _entry_around(self, element: etree._Element) -> etree._Element | None:
        """The Ntry that a detail stands in, itself or in its NtryDtls."""
        above = element.getparent()
        if above is not None and self._names[above.tag] == "NtryDtls":
            above = above.getparent()
        return above if above is not None and self._names[above.tag] == "Ntry" else None

    def _count(self, element: etree._Element, tally: camt_entry.Tally) -> Iterator[Value]:
        """The detail in its batch."""
        holder = element.getparent()
        if holder is not tally.holder:
            yield from tally.open_batch(holder, self._names, self._offset)
        place = self._place(element, f"{tally.entry.place.path}/TxDtls[{tally.details + 1}]")
        detail = self._shapes.detail(element, entry=tally.entry, place=place)
        if detail is None:
            detail = camt_detail.detail(element, self._names, entry=tally.entry, place=place)
        yield from tally.add(detail)

    def _end_of_entry(self, element: etree._Element) -> Iterator[Value]:
        """What is still to be told of an entry."""
        if self._tally is None:
            if not self._open:
                yield from self._begin_part(element)
            place = self._entry_place(element)
            known = self._known_entry(element, place) if self._held < 2 else None
            if known is None:
                yield from self._walked_entry(element, place)
            else:
                yield known[0]
                if known[1] is not None:
                    yield known[1]
        if self._tally is not None:
            yield from self._tally.end()
        self._entries += 1
        self._tally = self._first = None
        self._held = 0
        xmlio.empty(element)
        xmlio.drop_emptied(element)

    def _known_entry(
        self, element: etree._Element, place: Place
    ) -> tuple[Entry, EntryDetail | None] | None:
        """An entry of a shape met before, and its only detail; None where it must be walked."""
        inner = None
        if self._first is not None:
            inner = self._place(self._first, f"{place.path}/TxDtls[1]")
        known = self._shapes.entry(element, place=place, inner=inner)
        if known is None:
            return None
        entry, detail = known
        self._sums.add(entry)
        self._tally = camt_entry.Tally(entry)
        if detail is None:
            return known
        # A detail without an amount of its own waits for the tally's end.
        told = self._tally.add(detail)
        return entry, told[0] if told else None

    def _walked_entry(self, element: etree._Element, place: Place) -> Iterator[Value]:
        """An entry with one detail or none, or one that could not be read before its end."""
        yield from self._begin_entry(element, whole=True)
        if self._tally is None:
            raise Unreadable(
                code="missing",
                problem="An entry has no amount or no direction.",
                cure="Ask the bank for the file again.",
                place=place,
                params={"element": "Ntry", "expected": "Amt, CdtDbtInd"},
            )
        for late in element.iter("{*}TxDtls"):
            yield from self._count(late, self._tally)

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
                    yield camt_entry.differs(
                        f"{name}-count", declared, self._sums.count[name], place
                    )
            elif word == "Sum" and text(child):
                declared = xmlio.amount(text(child), place)
                if declared != self._sums.sum[name]:
                    yield camt_entry.differs(f"{name}-sum", declared, self._sums.sum[name], place)


def _holders(account: etree._Element, names: elements.Names) -> tuple[tuple[str, Party], ...]:
    """The account's owner and bank, as far as they are told."""
    found: tuple[tuple[str, Party], ...] = ()
    for child in account:
        name = names[child.tag]
        if name == "Ownr":
            found += ((name, elements.party(child, names)[0]),)
        elif name == "Svcr":
            found += ((name, elements.agent_party(child, names)),)
    return found
