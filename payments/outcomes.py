"""What the bank answers: status reports (pain.002) and debit advices (camt.054), set-based.

A message never reopens a final line; rows that are already further on are skipped and counted
on the file. An unreadable file is set aside whole: nothing of it has been carried out.
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
from django.db.models.expressions import RawSQL

from banking import filestore, inbox, outbox
from banking.iso20022 import camt054, pain002, xmlio
from banking.iso20022.values import (
    Account,
    Discrepancy,
    Entry,
    EntryDetail,
    GroupStatus,
    Notification,
    PaymentStatus,
    Reason,
    ReportHead,
    TransactionStatus,
)
from banking.models import BankFile
from payments import approval, lifecycle
from payments.models import Payment, PaymentLine
from portal import clock, faults
from portal.access import actors, tenancy
from portal.events import moves
from portal.events.lifecycle import Move

log = structlog.get_logger(__name__)

MOVES: dict[str, Move] = {
    "ACTC": lifecycle.RECEIVE,
    "RCVD": lifecycle.RECEIVE,
    "ACCP": lifecycle.ACCEPT,
    "ACSP": lifecycle.ACCEPT,
    "ACWC": lifecycle.ACCEPT,
    "ACSC": lifecycle.ACCEPT,
    "PDNG": lifecycle.PEND,
    "RJCT": lifecycle.REJECT,
    "CANC": lifecycle.CANCEL_AT_BANK,
}
PART = "PART"
REMARKS_MAX = 50


class NotOurs(Exception):
    """The file speaks of a message or an account that is not known here."""

    def __init__(self, code: str, problem: str) -> None:
        super().__init__(problem)
        self.code, self.problem = code, problem


def take_answers() -> int:
    """Carries out every fetched file, oldest first; answers how many were read."""
    read = 0
    for file_id in inbox.waiting():
        read += take_one(file_id)
    return read


def take_one(file_id: int) -> bool:
    """Carries out one fetched file in one transaction, or sets it aside with the reason."""
    with tenancy.acting_for((), unclaimed=True):
        file = BankFile.objects.select_related("channel").get(pk=file_id)
    readers = {"pain.002": _read_report, "camt.054": _read_notification}
    reader = readers.get(file.kind)
    if reader is None:
        inbox.set_aside(
            file_id,
            code="unknown-kind",
            problem=f"The file is no message that is read here ({file.kind or 'not XML'}).",
            cure="Look at the file; if it is meant for another use, leave it here.",
        )
        return False
    try:
        with tenancy.acting_for((), unclaimed=True), inbox.opened(file) as content:
            reader(file, content)
    except xmlio.Unreadable as fault:
        place = f"line {fault.place.line} {fault.place.path}".strip()
        inbox.set_aside(
            file_id, code=fault.code, problem=fault.problem, cure=fault.cure, place=place
        )
        return False
    except NotOurs as fault:
        inbox.set_aside(
            file_id,
            code=fault.code,
            problem=fault.problem,
            cure="Check the agreement's identifiers; then read the file again.",
        )
        return False
    except filestore.Damaged:
        inbox.set_aside(
            file_id,
            code="damaged",
            problem="The stored bytes do not have the hash they came with.",
            cure="Ask the bank to send the file again.",
        )
        return False
    return True


def _stored(reasons: tuple[Reason, ...]) -> list[dict[str, str]]:
    return [{"code": reason.code, "text": reason.text} for reason in reasons]


@dataclass(slots=True)
class _Report:
    """A status report's upper levels; its transactions go to the staging table as they stream."""

    message_id: str = ""
    groups: list[GroupStatus] = field(default_factory=list)
    payments: list[PaymentStatus] = field(default_factory=list)
    staged: int = 0


def _read_report(file: BankFile, content: Any) -> None:
    with transaction.atomic():
        report = _Report()
        staging = _stage_report(report, content)
        sent = _the_file_meant(file, report)
        with tenancy.acting_for([sent.company_id], unclaimed=True):
            _carry_out_report(file, sent, report, staging)
    faults.point("outcomes.report_read")


def _the_file_meant(file: BankFile, report: _Report) -> BankFile:
    for group in report.groups:
        sent = inbox.company_of_message(file.channel_id, group.original_message_id)
        if sent is not None:
            return sent
    names = ", ".join(group.original_message_id for group in report.groups) or "none"
    raise NotOurs("unknown-message", f"It answers a message that was not sent from here ({names}).")


REPORT_STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS report_line (
  number text, reference text, instruction_id text, status text, reasons jsonb
) ON COMMIT DELETE ROWS; TRUNCATE report_line
"""


def _stage_report(report: _Report, content: Any) -> str:
    with connection.cursor() as cursor:
        cursor.execute(REPORT_STAGING)
        with cursor.copy(
            "COPY report_line (number, reference, instruction_id, status, reasons) FROM STDIN"
        ) as copy:
            for row in _report_rows(report, content):
                copy.write_row(row)
                report.staged += 1
    return "report_line"


def _report_rows(report: _Report, content: Any) -> Iterator[tuple[Any, ...]]:
    for value in pain002.read(content):
        if isinstance(value, TransactionStatus):
            reasons = json.dumps(_stored(value.reasons)) if value.reasons else None
            yield (
                value.number,
                value.end_to_end_id,
                value.instruction_id,
                value.status,
                reasons,
            )
        elif isinstance(value, GroupStatus):
            report.groups.append(value)
        elif isinstance(value, PaymentStatus):
            report.payments.append(value)
        elif isinstance(value, ReportHead):
            report.message_id = value.message_id


def _carry_out_report(file: BankFile, sent: BankFile, report: _Report, staging: str) -> None:
    inbox.claim(file, company_id=sent.company_id, answers_to=sent, salary=sent.salary)  # type: ignore[arg-type]
    carried = _Carried(sent)
    group = report.groups[0]
    whole = not report.payments and not report.staged
    if whole and group.status == "RJCT":
        carried.send_back(group)
    else:
        if group.status and group.status != "RJCT":
            outbox.answered(sent.pk, refused=False, by=carried.by, at=carried.at)
        if report.staged:
            carried.transactions(staging)
        for payment in report.payments:
            carried.payment(payment, staging if report.staged else "")
        if whole and group.status:
            carried.every_line(group.status, group.reasons, list(carried.ids.values()), "")
    inbox.finish(
        file,
        message_id=report.message_id,
        transactions=report.staged,
        remarks=carried.remarks,
    )


class _Carried:
    """Carries a report out on the lines of the file that it answers."""

    def __init__(self, sent: BankFile) -> None:
        self.sent = sent
        self.by = actors.bank(sent.channel.name)
        self.at = clock.now()
        self.ids: dict[str, int] = dict(
            Payment.objects.filter(bank_file=sent).values_list("number", "pk")
        )
        self.remarks: list[dict[str, Any]] = []

    def remark(self, code: str, **more: Any) -> None:
        if len(self.remarks) < REMARKS_MAX:
            self.remarks.append({"code": code, **more})

    def send_back(self, group: GroupStatus) -> None:
        """The bank took nothing: signatures void, payments await approval again."""
        outbox.answered(self.sent.pk, refused=True, by=self.by, at=self.at)
        ids = moves.lock_groups(Payment, self.ids.values())
        moved = moves.move(
            PaymentLine.objects.filter(payment_id__in=ids),
            lifecycle.SEND_BACK,
            by=self.by,
            at=self.at,
            within=ids,
            reasons=_stored(group.reasons),
        )
        if moved.rows:
            approval.void(payment_ids=ids, by=self.by, at=self.at, reason="refused by the bank")
            Payment.objects.filter(pk__in=ids).update(bank_file=None)

    def transactions(self, staging: str) -> None:
        """Each transaction that the report names, by what the bank says of it."""
        ids = list(self.ids.values())
        table = moves.stage()
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (row_id, code, reasons) SELECT l.id, s.status, s.reasons"
                f" FROM {staging} s JOIN payments_payment p ON p.id = ANY(%s)"
                " AND (p.number = s.number OR s.number = '')"
                " JOIN payments_paymentline l ON l.payment_id = p.id"
                " AND l.reference = s.reference",
                [ids],
            )
            matched = cursor.rowcount
            cursor.execute(f"SELECT count(*), array_agg(DISTINCT status) FROM {staging}")
            total, codes = cursor.fetchone()
        if matched < total:
            self.remark("unmatched", count=total - matched)
        for code in codes or []:
            change = MOVES.get(code, lifecycle.PUZZLE)
            staged = moves.Staged(PaymentLine, table, "code = %s", [code], columns=("reasons",))
            moved = moves.move(staged, change, by=self.by, at=self.at, within=ids)
            self._skipped(table, code, moved.rows)

    def _skipped(self, table: str, code: str, moved: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE code = %s", [code])
            named = cursor.fetchone()[0]
        if moved < named:
            self.remark("already-further-on", status=code, count=named - moved)

    def payment(self, said: PaymentStatus, staging: str) -> None:
        """A whole payment, less the transactions that the report names one by one."""
        payment_id = self.ids.get(said.number)
        if payment_id is None:
            self.remark("unknown-payment", number=said.number)
            return
        if not said.status:
            return
        status = "ACCP" if said.status == PART else said.status
        self.every_line(status, said.reasons, [payment_id], staging)

    def every_line(
        self, status: str, reasons: tuple[Reason, ...], ids: list[int], staging: str
    ) -> None:
        if status == PART:
            return
        change = MOVES.get(status, lifecycle.PUZZLE)
        lines: QuerySet[PaymentLine] = PaymentLine.objects.filter(payment_id__in=ids)
        if staging:
            lines = lines.exclude(pk__in=RawSQL(f"SELECT row_id FROM {moves.STAGED}", []))  # noqa: S611 - a constant
        told = _stored(reasons)
        if status not in MOVES:
            told = [*told, {"code": status, "text": ""}]
        sets = {"reasons": json.dumps(told)} if told and change.apart else None
        moves.move(
            lines,
            change,
            by=self.by,
            at=self.at,
            within=ids,
            reasons=told or None,
            sets=sets,
        )


@dataclass(slots=True)
class _Advice:
    """What a camt.054 says of one company's accounts, gathered while it streams."""

    message_id: str = ""
    accounts: dict[str, Account] = field(default_factory=dict)
    batches: list[Entry] = field(default_factory=list)
    discrepancies: list[Discrepancy] = field(default_factory=list)
    not_money: int = 0
    staged: int = 0


ADVICE_STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS advice_line (
  number text, reference text, amount numeric, currency text, booked_date date,
  bank_reference text, returned boolean, reasons jsonb
) ON COMMIT DELETE ROWS; TRUNCATE advice_line
"""


def _read_notification(file: BankFile, content: Any) -> None:
    with transaction.atomic():
        advice = _Advice()
        with connection.cursor() as cursor:
            cursor.execute(ADVICE_STAGING)
            with cursor.copy(
                "COPY advice_line (number, reference, amount, currency, booked_date,"
                " bank_reference, returned, reasons) FROM STDIN"
            ) as copy:
                for row in _advice_rows(advice, content):
                    copy.write_row(row)
                    advice.staged += 1
        company_id = _company_meant(advice)
        with tenancy.acting_for([company_id], unclaimed=True):
            _carry_out_advice(file, company_id, advice)
    faults.point("outcomes.advice_read")


def _advice_rows(advice: _Advice, content: Any) -> Iterator[tuple[Any, ...]]:
    entry: Entry | None = None
    for value in camt054.read(content):
        if isinstance(value, EntryDetail):
            if advice.batches and advice.batches[-1] is entry:
                advice.batches.pop()  # a batch with details is settled by them
            if entry is not None and entry.status == "BOOK":
                row = _advice_row(entry, value)
                if row is not None:
                    yield row
        elif isinstance(value, Entry):
            entry = value
            if entry.status != "BOOK":
                advice.not_money += 1
            elif entry.batch_payment_number:
                advice.batches.append(entry)
        elif isinstance(value, Notification):
            advice.message_id = value.message_id
            if value.account is not None:
                advice.accounts[value.account.number] = value.account
        elif isinstance(value, Discrepancy):
            advice.discrepancies.append(value)


def _advice_row(entry: Entry, detail: EntryDetail) -> tuple[Any, ...] | None:
    """A debit settles a line; a credit with a return reason, or a reversed debit, returns it."""
    returned = detail.credit if not entry.reversal else True
    if not detail.end_to_end_id or (
        detail.credit and detail.return_reason is None and not entry.reversal
    ):
        return None
    amount, currency = detail.amount, detail.currency
    if detail.instructed_amount is not None:
        amount, currency = detail.instructed_amount, detail.instructed_currency
    reason = detail.return_reason
    return (
        detail.payment_number,
        detail.end_to_end_id,
        amount,
        currency,
        entry.booking_date,
        (detail.bank_reference or entry.bank_reference)[:35],
        returned,
        json.dumps(_stored((reason,))) if reason else None,
    )


def _company_meant(advice: _Advice) -> int:
    owners = {}
    for number in advice.accounts:
        account = inbox.company_of_account(number)
        if account is None:
            raise NotOurs("unknown-account", f"The account {number} is not registered here.")
        owners[account.company_id] = account
    if len(owners) != 1:
        raise NotOurs("several-owners", "It speaks of no account, or of several companies'.")
    return next(iter(owners))


def _carry_out_advice(file: BankFile, company_id: int, advice: _Advice) -> None:
    at, by = clock.now(), actors.bank(file.channel.name)
    remarks: list[dict[str, Any]] = [
        {"code": "discrepancy", "kind": d.kind, "declared": str(d.declared), "found": str(d.found)}
        for d in advice.discrepancies[:REMARKS_MAX]
    ]
    ids, salary = _match(company_id, advice, remarks)
    inbox.claim(file, company_id=company_id, answers_to=None, salary=salary)
    for code, change in (("settled", lifecycle.SETTLE), ("returned", lifecycle.RETURN)):
        staged = moves.Staged(
            PaymentLine,
            moves.STAGED,
            "code = %s",
            [code],
            columns=("booked_date", "bank_reference"),
        )
        moves.move(staged, change, by=by, at=at, within=ids)
    for entry in advice.batches:
        _settle_batch(company_id, entry, by, remarks)
    if advice.not_money:
        remarks.append({"code": "not-booked", "count": advice.not_money})
    inbox.finish(file, message_id=advice.message_id, transactions=advice.staged, remarks=remarks)


def _match(
    company_id: int, advice: _Advice, remarks: list[dict[str, Any]]
) -> tuple[list[int], bool]:
    """Stages the lines that the advice means; what fits no line, or not the amount, is remarked."""
    table = moves.stage()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (row_id, code, reasons, booked_date, bank_reference)"
            " SELECT l.id, CASE WHEN l.amount IS DISTINCT FROM s.amount"
            " OR l.currency <> s.currency THEN 'differs' WHEN s.returned THEN 'returned'"
            " ELSE 'settled' END,"
            " s.reasons, s.booked_date, s.bank_reference FROM advice_line s"
            " JOIN payments_payment p ON p.company_id = %s AND p.number = s.number"
            " JOIN payments_paymentline l ON l.payment_id = p.id AND l.reference = s.reference",
            [company_id],
        )
        matched = cursor.rowcount
        cursor.execute(f"SELECT count(*) FROM {table} WHERE code = 'differs'")
        differs = cursor.fetchone()[0]
        cursor.execute(
            "SELECT p.id, p.kind FROM payments_payment p WHERE p.company_id = %s"
            " AND p.number IN (SELECT DISTINCT number FROM advice_line)",
            [company_id],
        )
        rows = cursor.fetchall()
    if matched < advice.staged:
        remarks.append({"code": "unmatched", "count": advice.staged - matched})
    if differs:
        remarks.append({"code": "amount-differs", "count": differs})
        log.error("outcomes.amount_differs", company=company_id, count=differs)
    salary = any(kind == Payment.Kind.SALARY for _pk, kind in rows)
    return [pk for pk, _kind in rows], salary


def _settle_batch(
    company_id: int, entry: Entry, by: actors.Actor, remarks: list[dict[str, Any]]
) -> None:
    """A booked batch without details settles a whole payment when the sums agree."""
    payment = Payment.objects.of(company_id).filter(number=entry.batch_payment_number).first()
    if payment is None:
        remarks.append({"code": "unknown-payment", "number": entry.batch_payment_number})
        return
    final = [code for code, status in lifecycle.LINE.statuses.items() if status.final]
    lines = PaymentLine.objects.filter(payment=payment, currency=entry.currency).exclude(
        status__in=final
    )
    total = sum(lines.values_list("amount", flat=True), Decimal(0))
    if entry.credit or total != entry.amount:
        remarks.append({"code": "batch-differs", "number": payment.number, "sum": str(total)})
        return
    moves.move(
        lines,
        lifecycle.SETTLE,
        by=by,
        at=clock.now(),
        within=[payment.pk],
        sets={"booked_date": entry.booking_date, "bank_reference": entry.bank_reference[:35]},
    )
