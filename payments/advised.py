"""What a debit advice (camt.054) or a statement (camt.053) says, gathered while it streams: lines
into a staging table, and what is for a whole payment beside it. Knows no line of ours.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from banking.iso20022 import camt053, camt054
from banking.iso20022.values import Discrepancy, Entry, EntryDetail, Notification
from payments import reports, staging

NOT_PROVIDED = "NOTPROVIDED"
TABLE = "advice_line"
# `entry` and what begins so are of the entry that the line stands in. `what` is "settled",
# "returned", or "odd" for a returned sum that is taken back.
COLUMNS = {
    "number": "text",
    "reference": "text",
    "instruction_id": "text",
    "message_id": "text",
    "account": "text",
    "entry": "integer",
    "entry_amount": "numeric",
    "entry_currency": "text",
    "amount": "numeric",
    "currency": "text",
    "booked_date": "date",
    "bank_reference": "text",
    "what": "text",
    "reasons": "jsonb",
}


class Batch(NamedTuple):
    """A booked entry that is for a whole payment, by its number; `message_id` is that of the file
    it was sent with, where the bank tells it."""

    number: str
    message_id: str
    account: str
    entry: Entry


@dataclass(slots=True)
class Advice:
    """What the file says beside its lines. `unnamed` counts details that are for a payment, by its
    number, and name none of its lines; `nameless` debits that name nothing at all."""

    statement: bool
    message_id: str = ""
    account: str = ""
    accounts: set[str] = field(default_factory=set)
    addressed: set[tuple[str, str]] = field(default_factory=set)
    batches: list[Batch] = field(default_factory=list)
    discrepancies: list[Discrepancy] = field(default_factory=list)
    unnamed: Counter[str] = field(default_factory=Counter)
    nameless: int = 0
    # Entries by their place in the file, of other sums than their details.
    not_adding_up: list[int] = field(default_factory=list)
    has_debits: bool = False
    not_money: int = 0
    incoming: int = 0
    staged: int = 0
    transactions: int = 0


@dataclass(slots=True)
class _Open:
    """An entry while its details pass: how many name a line or are no debit, and the payments that
    are named by those that do and by those that do not."""

    entry: Entry
    details: int = 0
    named: int = 0
    nameless: int = 0
    of_lines: set[str] = field(default_factory=set)
    payments: Counter[str] = field(default_factory=Counter)


def read(content: Any, *, statement: bool) -> Advice:
    """Streams the file into the staging table, in the caller's transaction."""
    advice = Advice(statement=statement)
    advice.staged = staging.fill(TABLE, COLUMNS, _rows(advice, content))
    return advice


def _rows(advice: Advice, content: Any) -> Iterator[tuple[Any, ...]]:
    now: _Open | None = None
    entries = 0
    for value in (camt053 if advice.statement else camt054).read(content):
        if isinstance(value, EntryDetail):
            advice.transactions += 1
            if now is None:
                continue
            now.details += 1
            if now.entry.status == "BOOK":
                row = _detail(advice, now, value, entries)
                if row is not None:
                    yield row
        elif isinstance(value, Entry):
            _close(advice, now)
            now = _Open(value)
            entries += 1
            advice.has_debits = advice.has_debits or not value.credit
            advice.not_money += value.status != "BOOK"
        elif isinstance(value, Notification):
            _close(advice, now)
            now = None
            advice.message_id = advice.message_id or value.message_id
            advice.addressed.update(value.addressed)
            advice.account = value.account.number if value.account is not None else ""
            if advice.account:
                advice.accounts.add(advice.account)
        elif isinstance(value, Discrepancy):
            advice.discrepancies.append(value)
            if value.kind == "entry-sum":
                advice.not_adding_up.append(entries)
    _close(advice, now)


def _detail(advice: Advice, now: _Open, detail: EntryDetail, entry: int) -> tuple[Any, ...] | None:
    """The row of a detail that names a line; what others say is kept with their entry."""
    number = detail.payment_number or now.entry.batch_payment_number
    if detail.credit and detail.return_reason is None and not now.entry.reversal:
        advice.incoming += 1
        now.named += 1
    elif detail.end_to_end_id not in ("", NOT_PROVIDED) or detail.instruction_id:
        now.named += 1
        now.of_lines.add(number)
        return _row(advice, now.entry, detail, number, entry)
    elif number:
        now.payments[number] += 1
    else:
        now.nameless += 1
    return None


def _row(
    advice: Advice, entry: Entry, detail: EntryDetail, number: str, place: int
) -> tuple[Any, ...]:
    # What was ordered counts where the account has another currency, or nothing else is told.
    amount, currency = detail.amount, detail.currency
    ordered = detail.instructed_amount
    if ordered is not None and (amount is None or currency != detail.instructed_currency):
        amount, currency = ordered, detail.instructed_currency
    reason = detail.return_reason
    # A credit that is marked as a reversal undoes a debit; a debit so marked undoes a credit.
    what = "returned" if detail.credit else ("odd" if entry.reversal else "settled")
    return (
        number,
        detail.end_to_end_id,
        detail.instruction_id,
        detail.message_id or entry.batch_message_id,
        advice.account,
        place,
        entry.amount,
        entry.currency,
        amount,
        currency,
        entry.booking_date,
        (detail.bank_reference or entry.bank_reference)[:35],
        what,
        json.dumps(reports.stored((reason,))) if reason else None,
    )


def _close(advice: Advice, now: _Open | None) -> None:
    """An entry none of whose details names a line is for the one payment that it names, whole."""
    if now is None:
        return
    entry = now.entry
    if advice.statement and not now.details:
        advice.transactions += 1
    if entry.status != "BOOK":
        return
    told = now.payments or Counter({entry.batch_payment_number: now.details})
    (number, count), *others = told.items()
    if number and not now.named and not others and count == now.details:
        advice.batches.append(Batch(number, entry.batch_message_id, advice.account, entry))
        return
    advice.unnamed.update(now.payments)
    if now.nameless and len(now.of_lines) == 1 and "" not in now.of_lines:
        advice.unnamed[next(iter(now.of_lines))] += now.nameless
    elif not entry.credit:
        advice.nameless += now.nameless or not now.details
