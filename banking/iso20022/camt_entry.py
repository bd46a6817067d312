"""Reads the head of one account entry (Ntry) and keeps the sums of its details while they pass.

It takes elements and gives values; files and account parts are camt's, details camt_detail's.
"""

from collections.abc import Callable, Iterator
from decimal import Decimal

from lxml import etree

from banking.iso20022 import camt_detail, elements, xmlio
from banking.iso20022.camt_detail import NO_BATCH
from banking.iso20022.elements import Names
from banking.iso20022.values import Discrepancy, Entry, EntryDetail
from banking.iso20022.xmlio import text
from banking.located import Place

Note = Callable[[str, etree._Element], None]
_TEXTS = ("CdtDbtInd", "AcctSvcrRef", "NtryRef", "RvslInd", "AddtlNtryInf")


def read(
    element: etree._Element, names: Names, *, place: Place, whole: bool, note: Note
) -> Entry | None:
    """The entry, read whole or up to its details; None while the needful is missing.

    The parser may be further on than the events, so what follows the details is left alone unless
    the whole has been read: the answer must not hang on where a buffer ends. note is told
    ("date", element) of a date that is none. Raises Unreadable value for an amount.
    """
    amount: Decimal | None = None
    currency = status = code = ""
    found: dict[str, str] = {}
    dates: dict[str, etree._Element] = {}
    batch = NO_BATCH
    for child in element:
        name = names[child.tag]
        if name in _TEXTS:
            found[name] = text(child)
        elif name == "Amt":
            amount = xmlio.money(text(child), place)
            currency = xmlio.currency(child.get("Ccy", ""), place)
        elif name == "Sts":
            status = (elements.choice(child, names) if len(child) else "") or text(child)
        elif name in ("BookgDt", "ValDt"):
            dates[name] = child[0] if len(child) else child
        elif name == "BkTxCd":
            code = camt_detail.transaction_code(child, names)
        elif name in ("NtryDtls", "Btch", "TxDtls"):
            if batch is NO_BATCH and name != "TxDtls":
                batch = camt_detail.batch(child, names, place)
            if not whole:
                break
    direction = found.get("CdtDbtInd")
    if amount is None or not direction or not (whole or status):
        return None
    days = {name: elements.day_or_none(text(inner)) for name, inner in dates.items()}
    for name, day in days.items():
        if day is None:
            note("date", dates[name])
    return Entry(
        amount,
        currency,
        xmlio.is_credit(direction, place),
        status,
        xmlio.is_true(found.get("RvslInd", ""), "RvslInd", place),
        days.get("BookgDt"),
        days.get("ValDt"),
        found.get("AcctSvcrRef") or found.get("NtryRef", ""),
        batch.transactions,
        batch.total,
        batch.message_id,
        batch.payment_number,
        code,
        found.get("AddtlNtryInf", "") if whole else "",
        place,
    )


class Tally:
    """One entry's details as they pass: how many, their sums, and the batch they stand in."""

    __slots__ = (
        "_batch_count",
        "_batch_place",
        "_batch_sum",
        "_declared",
        "_sum",
        "_waiting",
        "details",
        "entry",
        "holder",
    )

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.details = 0
        self.holder: etree._Element | None = None
        self._waiting: EntryDetail | None = None
        self._sum: Decimal | None = Decimal(0)
        self._declared = NO_BATCH
        self._batch_place = entry.place
        self._batch_count = 0
        self._batch_sum: Decimal | None = Decimal(0)

    def open_batch(
        self, holder: etree._Element | None, names: Names, offset: int
    ) -> Iterator[Discrepancy]:
        """Ends the batch before, if any, and begins that of the NtryDtls called holder."""
        yield from self._close_batch()
        self.holder = holder
        self._batch_count, self._batch_sum = 0, Decimal(0)
        self._declared = NO_BATCH
        if holder is not None:
            line = xmlio.line(holder, offset)
            self._batch_place = Place(line, f"{self.entry.place.path}/NtryDtls")
            self._declared = camt_detail.batch(holder, names, self._batch_place)

    def _close_batch(self) -> Iterator[Discrepancy]:
        declared, place = self._declared, self._batch_place
        if declared is NO_BATCH or not self._batch_count:
            return
        if declared.transactions not in (None, self._batch_count):
            yield differs("batch-count", declared.transactions, self._batch_count, place)
        if self._batch_sum is not None and declared.total not in (None, self._batch_sum):
            yield differs("batch-sum", declared.total, self._batch_sum, place)

    def add(self, detail: EntryDetail) -> tuple[EntryDetail, ...]:
        """What can be told now: a first detail without amount waits, for it may be alone."""
        entry = self.entry
        self.details += 1
        self._batch_count += 1
        before = self._waiting
        self._waiting = None
        if detail.amount is None or detail.currency != entry.currency:
            self._sum = self._batch_sum = None
        else:
            signed = detail.amount if detail.credit == entry.credit else -detail.amount
            if self._sum is not None:
                self._sum += signed
            if self._batch_sum is not None:
                self._batch_sum += detail.amount
        if detail.amount is None and self.details == 1:
            self._waiting = detail
            return ()
        return (detail,) if before is None else (before, detail)

    def end(self) -> Iterator[EntryDetail | Discrepancy]:
        """The detail that was alone, and the totals that differ."""
        entry = self.entry
        if self._waiting is not None:
            yield camt_detail.with_amount(self._waiting, entry)
        yield from self._close_batch()
        if self.details and self._sum is not None and self._sum != entry.amount:
            yield differs("entry-sum", entry.amount, self._sum, entry.place)


def differs(
    kind: str, declared: Decimal | int | None, found: Decimal | int | None, place: Place
) -> Discrepancy:
    """The difference between a declared total and what was found."""
    return Discrepancy(kind, Decimal(declared or 0), Decimal(found or 0), place)
