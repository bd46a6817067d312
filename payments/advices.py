"""Debit advices (camt.054) and statements (camt.053) carried out, set-based: money that left the
account settles its line, whichever of the two tells it first.

A returned payment is told by a credit with a return reason, or by a reversal. Of a statement,
which tells of all that the account moves, only what names a payment from here is looked at.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import QuerySet

from banking import inbox
from banking.iso20022 import camt053, camt054
from banking.iso20022.values import Discrepancy, Entry, EntryDetail, Notification
from banking.models import BankFile
from payments import lifecycle, notices, reports, staging
from payments.models import Payment, PaymentLine
from portal import clock, faults
from portal.access import actors, tenancy
from portal.access.models import Company
from portal.events import moves

log = structlog.get_logger(__name__)
NOT_PROVIDED = "NOTPROVIDED"
PAID = (lifecycle.SETTLED, lifecycle.RETURNED)


@dataclass(slots=True)
class _Advice:
    """What the file says of one company's accounts, gathered while it streams. `batches` are booked
    entries that are for a whole payment, by its number."""

    statement: bool
    message_id: str = ""
    accounts: set[str] = field(default_factory=set)
    addressed: set[tuple[str, str]] = field(default_factory=set)
    batches: list[tuple[str, Entry]] = field(default_factory=list)
    discrepancies: list[Discrepancy] = field(default_factory=list)
    unnamed: dict[str, int] = field(default_factory=dict)
    has_debits: bool = False
    not_money: int = 0
    incoming: int = 0
    staged: int = 0
    transactions: int = 0


@dataclass(slots=True)
class _Open:
    """An entry while its details pass: how many of them name a line or are no debit, and which
    payments are named by those that name none."""

    entry: Entry
    details: int = 0
    named: int = 0
    payments: dict[str, int] = field(default_factory=dict)


ADVISED = {
    "number": "text",
    "reference": "text",
    "instruction_id": "text",
    "amount": "numeric",
    "currency": "text",
    "booked_date": "date",
    "bank_reference": "text",
    "returned": "boolean",
    "reasons": "jsonb",
}

FOUND = (
    "CASE WHEN l.amount IS DISTINCT FROM s.amount OR l.currency <> s.currency THEN 'differs'"
    " WHEN s.returned THEN 'returned' ELSE 'settled' END"
)


def read(file: BankFile, content: Any) -> None:
    with transaction.atomic():
        advice = _Advice(statement=file.kind.startswith("camt.053"))
        advice.staged = staging.fill("advice_line", ADVISED, _advice_rows(advice, content))
        company_id = inbox.owner_of_accounts(file.channel_id, advice.accounts, advice.addressed)
        with tenancy.acting_for([company_id], unclaimed=True):
            _carry_out_advice(file, company_id, advice)
    faults.point("outcomes.advice_read")


def _advice_rows(advice: _Advice, content: Any) -> Iterator[tuple[Any, ...]]:
    now: _Open | None = None
    for value in (camt053 if advice.statement else camt054).read(content):
        if isinstance(value, EntryDetail):
            advice.transactions += 1
            if now is None:
                continue
            now.details += 1
            if now.entry.status != "BOOK":
                continue
            row = _advice_row(now.entry, value)
            if row is not None:
                now.named += 1
                yield row
            elif value.credit:
                advice.incoming += 1
                now.named += 1
            elif value.payment_number:
                before = now.payments.get(value.payment_number, 0)
                now.payments[value.payment_number] = before + 1
        elif isinstance(value, Entry):
            _close(advice, now)
            now = _Open(value)
            advice.has_debits = advice.has_debits or not value.credit
            advice.not_money += value.status != "BOOK"
        elif isinstance(value, Notification):
            advice.message_id = advice.message_id or value.message_id
            advice.addressed.update(value.addressed)
            if value.account is not None:
                advice.accounts.add(value.account.number)
        elif isinstance(value, Discrepancy):
            advice.discrepancies.append(value)
    _close(advice, now)


def _close(advice: _Advice, now: _Open | None) -> None:
    """An entry none of whose details names a line is for the one payment that it names, whole."""
    if now is None:
        return
    if advice.statement and not now.details:
        advice.transactions += 1
    if now.entry.status != "BOOK":
        return
    told = now.payments or {now.entry.batch_payment_number: now.details}
    (number, count), *others = told.items()
    if number and not now.named and not others and count == now.details:
        advice.batches.append((number, now.entry))
    else:
        for number, count in now.payments.items():
            advice.unnamed[number] = advice.unnamed.get(number, 0) + count


def _advice_row(entry: Entry, detail: EntryDetail) -> tuple[Any, ...] | None:
    """A debit settles a line; a credit with a return reason, or a reversed debit, returns it."""
    returned = detail.credit if not entry.reversal else True
    is_ours = detail.end_to_end_id not in ("", NOT_PROVIDED) or detail.instruction_id
    if not is_ours or (detail.credit and detail.return_reason is None and not entry.reversal):
        return None
    amount, currency = detail.amount, detail.currency
    if detail.instructed_amount is not None:
        amount, currency = detail.instructed_amount, detail.instructed_currency
    reason = detail.return_reason
    return (
        detail.payment_number,
        detail.end_to_end_id,
        detail.instruction_id,
        amount,
        currency,
        entry.booking_date,
        (detail.bank_reference or entry.bank_reference)[:35],
        returned,
        json.dumps(reports.stored((reason,))) if reason else None,
    )


def _carry_out_advice(file: BankFile, company_id: int, advice: _Advice) -> None:
    at, by = clock.now(), actors.bank(file.channel.name)
    remarks: list[dict[str, Any]] = [
        {"code": "discrepancy", "kind": d.kind, "declared": str(d.declared), "found": str(d.found)}
        for d in advice.discrepancies[: reports.REMARKS_MAX]
    ]
    ids, salary = _match(company_id, advice, remarks)
    # A statement's debits may be of salary, whatever they name.
    salary = advice.has_debits if advice.statement else salary
    inbox.claim(file, company_id=company_id, answers_to=None, salary=salary)
    booked = ("booked_date", "bank_reference")
    for code, change, columns in (
        ("settled", lifecycle.SETTLE, booked),
        # What comes back has been paid: the word of that may still be on its way.
        ("returned", lifecycle.SETTLE, booked),
        ("returned", lifecycle.RETURN, (*booked, "reasons")),
    ):
        staged = moves.Staged(PaymentLine, moves.STAGED, "code = %s", [code], columns=columns)
        told = {"file": file.name}
        moved = moves.move(staged, change, by=by, at=at, within=ids, detail=told)
        if change is lifecycle.RETURN and moved.rows:
            company = Company.objects.get(pk=company_id)
            notices.returned(company=company, payment_ids=ids, at=at)
    alarm_unexpected(company_id, remarks)
    for number, entry in advice.batches:
        _settle_batch(company_id, number, entry, by, remarks, file=file)
    _remark_unnamed(company_id, advice, remarks)
    if advice.incoming and not advice.statement:
        remarks.append({"code": "incoming", "count": advice.incoming})
    if advice.not_money:
        remarks.append({"code": "not-booked", "count": advice.not_money})
    inbox.finish(
        file, message_id=advice.message_id, transactions=advice.transactions, remarks=remarks
    )


def _match(
    company_id: int, advice: _Advice, remarks: list[dict[str, Any]]
) -> tuple[list[int], bool]:
    """Stages the lines that the advice means; what fits no line, or not the amount, is remarked."""
    table = moves.stage()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (row_id, code, reasons, booked_date, bank_reference)"
            f" SELECT l.id, {FOUND}, s.reasons, s.booked_date, s.bank_reference FROM advice_line s"
            " JOIN payments_payment p ON p.company_id = %s AND p.number = s.number"
            " JOIN payments_paymentline l ON l.payment_id = p.id AND l.reference = s.reference",
            [company_id],
        )
        matched = cursor.rowcount
        cursor.execute(
            f"INSERT INTO {table} (row_id, code, reasons, booked_date, bank_reference)"
            f" SELECT min(l.id), min({FOUND}), (array_agg(s.reasons))[1], min(s.booked_date),"
            " min(s.bank_reference) FROM advice_line s"
            " JOIN payments_payment p ON p.company_id = %s AND p.number = s.number"
            f" JOIN payments_paymentline l ON l.payment_id = p.id AND {reports.BY_INSTRUCTION}"
            " GROUP BY s.ctid HAVING count(*) = 1",
            [company_id],
        )
        matched += cursor.rowcount
        cursor.execute(f"SELECT count(*) FROM {table} WHERE code = 'differs'")
        differs = cursor.fetchone()[0]
        cursor.execute(
            f"SELECT count(*) - count(DISTINCT row_id) FROM {table} WHERE code = 'settled'"
        )
        again = cursor.fetchone()[0]
        cursor.execute(
            "SELECT p.id, p.number, p.kind FROM payments_payment p WHERE p.company_id = %s"
            " AND (p.number IN (SELECT DISTINCT number FROM advice_line) OR p.number = ANY(%s))",
            [company_id, [number for number, _entry in advice.batches]],
        )
        rows = cursor.fetchall()
        known = [number for _pk, number, kind in rows if kind != Payment.Kind.SALARY]
        cursor.execute(
            "SELECT EXISTS (SELECT FROM advice_line WHERE number IS NULL OR number <> ALL(%s))",
            [known],
        )
        strange = cursor.fetchone()[0]
    # What fits no payment of ours may be salary: it is seen by those alone who see salary.
    salary = strange or any(number not in known for number, _entry in advice.batches)
    if matched < advice.staged and not advice.statement:
        remarks.append({"code": "unmatched", "count": advice.staged - matched})
    if differs:
        remarks.append({"code": "amount-differs", "count": differs})
        log.error("outcomes.amount_differs", company=company_id, count=differs)
    if again:
        remarks.append({"code": "named-twice", "count": again})
        log.critical("outcomes.named_twice", company=company_id, count=again)
    return [pk for pk, _number, _kind in rows], salary


def alarm_unexpected(company_id: int, remarks: list[dict[str, Any]]) -> None:
    """Money that left the account for a line that is not at the bank is never silent."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT l.reference, l.status FROM {moves.STAGED} s"
            " JOIN payments_paymentline l ON l.id = s.row_id"
            " WHERE s.code = 'settled' AND l.status <> ALL(%s)",
            [list(PAID)],
        )
        odd = cursor.fetchall()
    if odd:
        references = [reference for reference, _status in odd[:10]]
        remarks.append({"code": "debit-not-expected", "count": len(odd), "references": references})
        log.critical("outcomes.debit_not_expected", company=company_id, lines=odd[:10])


def _remark_unnamed(company_id: int, advice: _Advice, remarks: list[dict[str, Any]]) -> None:
    """Money that left for a payment from here, and nobody can say for which of its lines."""
    rows = Payment.objects.of(company_id).filter(number__in=list(advice.unnamed))
    for number in rows.order_by("number").values_list("number", flat=True)[: reports.REMARKS_MAX]:
        count = advice.unnamed[number]
        remarks.append({"code": "line-not-named", "number": number, "count": count})
        log.error("outcomes.line_not_named", company=company_id, number=number)


def _settle_batch(
    company_id: int,
    number: str,
    entry: Entry,
    by: actors.Actor,
    remarks: list[dict[str, Any]],
    *,
    file: BankFile,
) -> None:
    """A booked entry that names no line settles a whole payment when the sums agree."""
    payment = Payment.objects.of(company_id).filter(number=number).first()
    if payment is None:
        if not file.kind.startswith("camt.053"):
            remarks.append({"code": "unknown-payment", "number": number})
        return
    every = PaymentLine.objects.filter(payment=payment, currency=entry.currency)
    lines = every.filter(status__in=lifecycle.SETTLE.sources)
    total = _sum(lines)
    if not total and not entry.credit and _sum(every.filter(status__in=PAID)) == entry.amount:
        return  # told before, by another file
    if entry.credit or total != entry.amount:
        remarks.append({"code": "batch-differs", "number": payment.number, "sum": str(total)})
        return
    moves.move(
        lines,
        lifecycle.SETTLE,
        by=by,
        at=clock.now(),
        within=[payment.pk],
        detail={"file": file.name},
        sets={"booked_date": entry.booking_date, "bank_reference": entry.bank_reference[:35]},
    )


def _sum(lines: QuerySet[PaymentLine]) -> Decimal:
    return sum(lines.values_list("amount", flat=True), Decimal(0))
