"""Debit advices (camt.054) and statements (camt.053) carried out, set-based: money that left the
account settles its line, whichever of the two tells it first.

A returned payment is told by a credit with a return reason, or by a reversal. Of a statement,
which tells of all that the account moves, only what names a payment from here is looked at.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import QuerySet

from banking import inbox
from banking.models import BankAgreement, BankFile
from payments import advised, debited, lifecycle, notices, reports
from payments.advised import Advice, Batch
from payments.models import Payment, PaymentLine
from portal import clock, faults
from portal.access import tenancy
from portal.access.actors import Actor
from portal.access.models import Company
from portal.events import moves

log = structlog.get_logger(__name__)
PAID = (lifecycle.SETTLED, lifecycle.RETURNED)
AT_BANK = (*lifecycle.SETTLE.sources, *PAID)
# A line that is named without its payment is looked for among those that were due so long before.
DAYS_BACK = dt.timedelta(days=60)

INTO = "(row_id, code, reasons, booked_date, bank_reference)"
ON_ACCOUNT = "a.id = p.account_id AND s.account IN (a.number, a.iban, '')"
# What a line comes to: money of another account, or another amount, is never taken for its.
FOUND = (
    "CASE WHEN a.id IS NULL THEN 'elsewhere'"
    " WHEN l.amount IS DISTINCT FROM s.amount OR l.currency <> s.currency THEN 'differs'"
    # An account is debited in its own currency.
    " WHEN l.currency = a.currency AND l.currency <> s.entry_currency THEN 'differs'"
    " ELSE s.what END"
)
ONE_OF_IT = (
    f"SELECT min(l.id), min({FOUND}), (array_agg(s.reasons))[1], min(s.booked_date),"
    f" min(s.bank_reference) FROM {advised.TABLE} s"
)


def read(file: BankFile, content: Any) -> None:
    with transaction.atomic():
        advice = advised.read(content, statement=file.kind.startswith("camt.053"))
        senders = _senders(file, advice)
        company_id = inbox.owner_of_accounts(
            file.channel_id, advice.accounts, advice.addressed, answers=senders.values()
        )
        remarks: list[dict[str, Any]] = []
        others = _leave_to_others(company_id, senders, advice, remarks)
        with tenancy.acting_for([company_id], unclaimed=True):
            _carry_out_advice(file, company_id, advice, remarks, others=others)
    faults.point("outcomes.advice_read")


def _senders(file: BankFile, advice: Advice) -> dict[str, int]:
    """MsgId → company, of the files of ours that the bank says it has paid from."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT message_id FROM {advised.TABLE} WHERE message_id <> ''")
        names = {row[0] for row in cursor.fetchall()}
    names |= {batch.message_id for batch in advice.batches if batch.message_id}
    return inbox.companies_of_messages(file.channel_id, names)


def _leave_to_others(
    company_id: int, owners: dict[str, int], advice: Advice, remarks: list[dict[str, Any]]
) -> bool:
    """Takes out what is debited for companies that this one shares its account with: that their
    payments are paid they hear otherwise. Answers whether there was any.

    The id of the file that it was sent with tells whose it is; without one, the payment's number
    and line, where no two companies have the same.
    """
    foreign = [name for name, owner in owners.items() if owner != company_id]
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        shared = BankAgreement.objects.filter(share__company_id=company_id)
        sharers = set(shared.values_list("company_id", flat=True))
    # For one that it is not shared with, the account should not have been debited.
    strange = [name for name in foreign if owners[name] not in sharers]
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH taken AS (DELETE FROM {advised.TABLE} WHERE message_id = ANY(%s)"
            " RETURNING message_id = ANY(%s) AS odd)"
            " SELECT count(*), count(*) FILTER (WHERE odd) FROM taken",
            [foreign, strange],
        )
        taken, unclear = cursor.fetchone()
    batches = [one for one in advice.batches if one.message_id not in foreign]
    unclear += sum(one.message_id in strange for one in advice.batches)
    if sharers:
        own = [name for name, owner in owners.items() if owner == company_id]
        with tenancy.acting_for([company_id, *sharers]):
            out, both = _by_number(company_id, own)
            kept, doubtful = _batches_by_number(company_id, own, batches)
        taken += out
        unclear += both + doubtful
        batches = kept
    left = len(advice.batches) - len(batches)
    advice.batches, advice.staged = batches, advice.staged - taken
    if unclear:
        remarks.append({"code": "which-company", "count": unclear})
        log.critical("outcomes.which_company", company=company_id, count=unclear)
    return bool(taken or left)


def _by_number(company_id: int, own: list[str]) -> tuple[int, int]:
    """Takes out the rows that fit a line of another company; how many, and how many of these fit
    one of this company as well."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.ctid::text, bool_or(p.company_id = %s)"
            f" FROM {advised.TABLE} s JOIN payments_payment p ON p.number = s.number"
            " JOIN payments_paymentline l ON l.payment_id = p.id AND l.amount = s.amount"
            " AND l.currency = s.currency"
            f" AND (l.reference = s.reference OR {reports.BY_INSTRUCTION})"
            " WHERE s.message_id <> ALL(%s) GROUP BY s.ctid HAVING bool_or(p.company_id <> %s)",
            [company_id, own, company_id],
        )
        rows = cursor.fetchall()
        places = [place for place, _own in rows]
        cursor.execute(f"DELETE FROM {advised.TABLE} WHERE ctid = ANY(%s::tid[])", [places])
    return len(rows), sum(both for _place, both in rows)


def _batches_by_number(
    company_id: int, own: list[str], batches: list[Batch]
) -> tuple[list[Batch], int]:
    numbers = [batch.number for batch in batches if batch.message_id not in own]
    rows = Payment.objects.filter(number__in=numbers).values_list("number", "company_id")
    has: dict[str, set[int]] = {}
    for number, company in rows:
        has.setdefault(number, set()).add(company)
    theirs = {number for number, companies in has.items() if companies - {company_id}}
    out = [one for one in batches if one.number in theirs and one.message_id not in own]
    doubtful = sum(company_id in has[batch.number] for batch in out)
    return [batch for batch in batches if batch not in out], doubtful


def _carry_out_advice(
    file: BankFile,
    company_id: int,
    advice: Advice,
    remarks: list[dict[str, Any]],
    *,
    others: bool,
) -> None:
    at, by = clock.now(), inbox.speaker(file)
    remarks += [
        {"code": "discrepancy", "kind": d.kind, "declared": str(d.declared), "found": str(d.found)}
        for d in advice.discrepancies[: reports.REMARKS_MAX]
    ]
    ids, salary = _match(company_id, advice, remarks)
    # A statement's debits may be of salary, whatever they name.
    salary = advice.has_debits if advice.statement else salary or others
    inbox.claim(file, company_id=company_id, answers_to=None, salary=salary)
    debited.alarm_again(company_id, remarks)
    told = inbox.named(file)
    debited.keep(told)
    booked = ("booked_date", "bank_reference")
    for code, change, columns in (
        ("settled", lifecycle.SETTLE, booked),
        # What comes back has been paid: the word of that may still be on its way.
        ("returned", lifecycle.SETTLE, booked),
        ("returned", lifecycle.RETURN, (*booked, "reasons")),
    ):
        staged = moves.Staged(PaymentLine, moves.STAGED, "code = %s", [code], columns=columns)
        moved = moves.move(staged, change, by=by, at=at, within=ids, detail=told)
        if change is lifecycle.RETURN and moved.rows:
            company = Company.objects.get(pk=company_id)
            notices.returned(company=company, payment_ids=ids, at=at)
    alarm_unexpected(company_id, remarks)
    _Whole(file, company_id, by, at, remarks).carry_out(advice)
    _remark_unnamed(company_id, advice, remarks)
    if advice.incoming and not advice.statement:
        remarks.append({"code": "incoming", "count": advice.incoming})
    if advice.not_money:
        remarks.append({"code": "not-booked", "count": advice.not_money})
    inbox.finish(
        file, message_id=advice.message_id, transactions=advice.transactions, remarks=remarks
    )


def _match(
    company_id: int, advice: Advice, remarks: list[dict[str, Any]]
) -> tuple[list[int], bool]:
    """Stages the lines that the advice means; what fits no line, or not the amount, is remarked."""
    table = moves.stage()
    numbers = [batch.number for batch in advice.batches]
    with connection.cursor() as cursor:
        _amounts_by_entry(cursor, company_id)
        # What left the account is the entry's amount: it proves no others.
        cursor.execute(
            f"UPDATE {advised.TABLE} SET what = 'differs' WHERE entry = ANY(%s)",
            [advice.not_adding_up],
        )
        matched = _stage_lines(cursor, table, company_id)
        cursor.execute(f"SELECT code, count(*), count(DISTINCT row_id) FROM {table} GROUP BY code")
        counts = {code: (rows, lines) for code, rows, lines in cursor.fetchall()}
        cursor.execute(
            "SELECT p.id, p.number, p.kind FROM payments_payment p WHERE p.company_id = %s"
            f" AND (p.number IN (SELECT DISTINCT number FROM {advised.TABLE})"
            " OR p.number = ANY(%s) OR p.id IN (SELECT l.payment_id FROM payments_paymentline l"
            f" JOIN {table} s ON s.row_id = l.id))",
            [company_id, numbers],
        )
        rows = cursor.fetchall()
        known = [number for _pk, number, kind in rows if kind != Payment.Kind.SALARY]
        cursor.execute(
            f"SELECT EXISTS (SELECT FROM {advised.TABLE} WHERE number <> ALL(%s))", [known]
        )
        strange = cursor.fetchone()[0]
        unmatched = advice.staged - matched + advice.nameless
        if advice.statement:
            unmatched = _unmatched_of_ours(cursor, company_id)
    # What fits no payment of ours may be salary: it is seen by those alone who see salary.
    salary = bool(strange or advice.nameless or any(number not in known for number in numbers))
    if unmatched:
        remarks.append({"code": "unmatched", "count": unmatched})
    settled, lines = counts.get("settled", (0, 0))
    for code, count in (
        ("amount-differs", counts.get("differs", (0, 0))[0]),
        ("another-account", counts.get("elsewhere", (0, 0))[0]),
        ("credit-taken-back", counts.get("odd", (0, 0))[0]),
        ("named-twice", settled - lines),
    ):
        if count:
            remarks.append({"code": code, "count": count})
            log.critical("outcomes.remarked", remark=code, company=company_id, count=count)
    return [pk for pk, _number, _kind in rows], salary


def _stage_lines(cursor: Any, table: str, company_id: int) -> int:
    """Stages the lines by payment and reference, by the instruction, and by reference alone where
    one line has it and the amount fits; answers how many rows of the file these are."""
    cursor.execute(
        f"INSERT INTO {table} {INTO}"
        f" SELECT l.id, {FOUND}, s.reasons, s.booked_date, s.bank_reference"
        f" FROM {advised.TABLE} s"
        " JOIN payments_payment p ON p.company_id = %s AND p.number = s.number"
        f" LEFT JOIN banking_bankaccount a ON {ON_ACCOUNT}"
        " JOIN payments_paymentline l ON l.payment_id = p.id AND l.reference = s.reference",
        [company_id],
    )
    matched = cursor.rowcount
    cursor.execute(
        f"INSERT INTO {table} {INTO} {ONE_OF_IT}"
        " JOIN payments_payment p ON p.company_id = %s AND p.number = s.number"
        f" LEFT JOIN banking_bankaccount a ON {ON_ACCOUNT}"
        f" JOIN payments_paymentline l ON l.payment_id = p.id AND {reports.BY_INSTRUCTION}"
        " GROUP BY s.ctid HAVING count(*) = 1",
        [company_id],
    )
    matched += cursor.rowcount
    cursor.execute(
        f"SELECT min(coalesce(booked_date, %s)) FROM {advised.TABLE}"
        " WHERE number = '' AND reference <> ''",
        [clock.today()],
    )
    (first,) = cursor.fetchone()
    if first is not None:
        cursor.execute(
            f"INSERT INTO {table} {INTO} {ONE_OF_IT}"
            " JOIN payments_payment p ON p.company_id = %s AND p.due_date >= %s"
            f" JOIN banking_bankaccount a ON {ON_ACCOUNT}"
            " JOIN payments_paymentline l ON l.payment_id = p.id AND l.reference = s.reference"
            " AND l.amount = s.amount AND l.currency = s.currency AND l.status = ANY(%s)"
            " WHERE s.number = '' GROUP BY s.ctid HAVING count(*) = 1",
            [company_id, first - DAYS_BACK, list(AT_BANK)],
        )
        matched += cursor.rowcount
    return matched


def _amounts_by_entry(cursor: Any, company_id: int) -> None:
    """Where an entry's details tell no amounts, and the lines that they name come to its own, each
    has the amount of its line."""
    cursor.execute(
        f"UPDATE {advised.TABLE} t SET amount = f.amount, currency = f.currency FROM ("
        " SELECT s.ctid AS row, l.amount, l.currency, s.entry_amount,"
        " sum(l.amount) OVER (PARTITION BY s.entry) AS together"
        f" FROM {advised.TABLE} s"
        " JOIN payments_payment p ON p.company_id = %s AND p.number = s.number"
        " JOIN payments_paymentline l ON l.payment_id = p.id AND l.reference = s.reference"
        " AND l.currency = s.currency"
        f" WHERE s.entry IN (SELECT entry FROM {advised.TABLE} GROUP BY entry"
        " HAVING bool_and(amount IS NULL))) f"
        " WHERE t.ctid = f.row AND f.together = f.entry_amount",
        [company_id],
    )


def _unmatched_of_ours(cursor: Any, company_id: int) -> int:
    """How many rows name a payment from here, and none of its lines."""
    cursor.execute(
        f"SELECT count(*) FROM {advised.TABLE} s"
        " JOIN payments_payment p ON p.company_id = %s AND p.number = s.number"
        " WHERE NOT EXISTS (SELECT FROM payments_paymentline l WHERE l.payment_id = p.id"
        f" AND (l.reference = s.reference OR {reports.BY_INSTRUCTION}))",
        [company_id],
    )
    count: int = cursor.fetchone()[0]
    return count


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


def _remark_unnamed(company_id: int, advice: Advice, remarks: list[dict[str, Any]]) -> None:
    """Money that left for a payment from here, and nobody can say for which of its lines."""
    rows = Payment.objects.of(company_id).filter(number__in=list(advice.unnamed))
    for number in rows.order_by("number").values_list("number", flat=True)[: reports.REMARKS_MAX]:
        count = advice.unnamed[number]
        remarks.append({"code": "line-not-named", "number": number, "count": count})
        log.error("outcomes.line_not_named", company=company_id, number=number)


class _Whole:
    """Carries out the booked entries that name no line: each is for a whole payment, where its sum
    is that of the payment's lines."""

    def __init__(
        self,
        file: BankFile,
        company_id: int,
        by: Actor,
        at: dt.datetime,
        remarks: list[dict[str, Any]],
    ) -> None:
        self.file, self.company_id, self.remarks = file, company_id, remarks
        self.by, self.at = by, at
        self.seen: set[int] = set()

    def carry_out(self, advice: Advice) -> None:
        if not advice.batches:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT DISTINCT l.payment_id FROM payments_paymentline l"
                f" JOIN {moves.STAGED} s ON s.row_id = l.id WHERE s.code = 'settled'"
            )
            self.seen = {row[0] for row in cursor.fetchall()}
        for batch in advice.batches:
            payment = Payment.objects.of(self.company_id).filter(number=batch.number).first()
            if payment is None:
                if not advice.statement:
                    self._remark("unknown-payment", number=batch.number)
                continue
            account = payment.account
            if batch.account not in (account.number, account.iban, ""):
                self._remark("another-account", count=1)
            elif batch.entry.credit:
                self._came_back(payment, batch)
            elif batch.entry.reversal:
                self._remark("credit-taken-back", count=1)
            else:
                self._left(payment, batch)

    def _remark(self, code: str, **more: Any) -> None:
        if len(self.remarks) < reports.REMARKS_MAX:
            self.remarks.append({"code": code, **more})
        log.error("outcomes.remarked", remark=code, company=self.company_id, **more)

    def _left(self, payment: Payment, batch: Batch) -> None:
        """Money that left for all the lines, or for all that are still open."""
        entry = batch.entry
        every = PaymentLine.objects.filter(payment=payment, currency=entry.currency)
        lines = every.filter(status__in=lifecycle.SETTLE.sources)
        total, paid = _sum(lines), _sum(every.filter(status__in=PAID))
        before = payment.pk in self.seen
        self.seen.add(payment.pk)
        if total == entry.amount:
            self._move(lines, lifecycle.SETTLE, batch, payment)
        elif total + paid == entry.amount:
            # Told before, of some or all of them: by another file, or twice by this one.
            if before:
                self._remark("named-twice", count=len(every.filter(status__in=PAID)))
            elif again := debited.before(payment, entry):
                self._remark("debited-again", count=len(again), references=again[:10])
            self._move(lines, lifecycle.SETTLE, batch, payment)
        else:
            self._remark("batch-differs", number=payment.number, sum=str(total))

    def _came_back(self, payment: Payment, batch: Batch) -> None:
        """Money that came back for all the lines: a debit that was reversed."""
        every = PaymentLine.objects.filter(payment=payment, currency=batch.entry.currency)
        lines = every.filter(status__in=[*lifecycle.SETTLE.sources, lifecycle.SETTLED])
        if batch.entry.reversal and _sum(lines) == batch.entry.amount:
            not_told = lines.filter(status__in=lifecycle.SETTLE.sources)
            told = None if not_told.exists() else debited.kept(lines)
            self._move(not_told, lifecycle.SETTLE, batch, payment)
            settled = every.filter(status=lifecycle.SETTLED)
            moved = self._move(settled, lifecycle.RETURN, batch, payment, told)
            if moved:
                company = Company.objects.get(pk=self.company_id)
                notices.returned(company=company, payment_ids=[payment.pk], at=self.at)
            return
        returned = every.filter(status=lifecycle.RETURNED)
        if batch.entry.reversal and _sum(returned) == batch.entry.amount:
            return  # told before
        self._remark("credit-for-payment", number=payment.number, sum=str(batch.entry.amount))

    def _move(
        self,
        lines: Any,
        change: Any,
        batch: Batch,
        payment: Payment,
        more: dict[str, Any] | None = None,
    ) -> int:
        entry, detail = batch.entry, inbox.named(self.file) | (more or {})
        moved = moves.move(
            lines,
            change,
            by=self.by,
            at=self.at,
            within=[payment.pk],
            detail=detail,
            sets={"booked_date": entry.booking_date, "bank_reference": entry.bank_reference[:35]},
        )
        return moved.rows


def _sum(lines: QuerySet[PaymentLine]) -> Decimal:
    return sum(lines.values_list("amount", flat=True), Decimal(0))
