"""Status reports (pain.002) carried out, set-based: what the bank says of a file, its payments
and its transactions. Reads values, writes moves; knows no XML.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import QuerySet

from banking import agreement_events, inbox, outbox
from banking.iso20022 import pain002
from banking.iso20022.values import (
    GroupStatus,
    PaymentStatus,
    Reason,
    ReportHead,
    TransactionStatus,
)
from banking.located import Unreadable
from banking.models import BankFile
from payments import approval, lifecycle, notices, staging
from payments.models import Payment, PaymentLine
from portal import clock, faults
from portal.access import tenancy
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
ACCEPTED_REST = "ACCP"  # of a file that is refused in part
HAS_IT = "ACTC"
NOT_TAKEN = ("RJCT", "CANC")
# How a line stands of which the bank has said more than that it has the file.
CARRIED_OUT = (
    lifecycle.PENDING,
    lifecycle.ACCEPTED,
    lifecycle.SETTLED,
    lifecycle.RETURNED,
    lifecycle.REJECTED,
    lifecycle.UNKNOWN,
    lifecycle.CANCELLED_AT_BANK,
)
# A bank that gives no EndToEndId may still give the InstrId, which is the line's own or its place.
BY_INSTRUCTION = (
    "s.reference IN ('', 'NOTPROVIDED') AND s.instruction_id <> ''"
    " AND coalesce(nullif(l.instruction_id, ''), l.position::text) = s.instruction_id"
)
BOOKED_BY_WORD = "ACSC"
ON_WORD = {"code": "on-word", "text": ""}
REMARKS_MAX = 50


def stored(reasons: tuple[Reason, ...]) -> list[dict[str, str]]:
    """Reasons as they are kept on a line and its Event."""
    return [{"code": reason.code, "text": reason.text} for reason in reasons]


@dataclass(slots=True)
class _Report:
    """A status report's upper levels; its transactions go to the staging table as they stream."""

    message_id: str = ""
    groups: list[GroupStatus] = field(default_factory=list)
    payments: list[PaymentStatus] = field(default_factory=list)
    staged: int = 0


def read(file: BankFile, content: Any) -> None:
    with transaction.atomic():
        report = _Report()
        report.staged = staging.fill(REPORT, REPORTED, _report_rows(report, content))
        sent = _the_file_meant(file, report)
        with tenancy.acting_for([sent.company_id], unclaimed=True):
            _carry_out_report(file, sent, report)
    faults.point("outcomes.report_read")


def answered(file: BankFile, content: Any) -> BankFile | None:
    """The one file of ours that a report answers, from as much of it as can be read."""
    names = set()
    with contextlib.suppress(Unreadable):  # why it cannot be read is told already
        for value in pain002.read(content):
            if isinstance(value, GroupStatus):
                names.add(value.original_message_id)
    return inbox.company_of_message(file.channel_id, names.pop()) if len(names) == 1 else None


def _the_file_meant(file: BankFile, report: _Report) -> BankFile:
    for group in report.groups:
        sent = inbox.company_of_message(file.channel_id, group.original_message_id)
        if sent is not None:
            return sent
    names = ", ".join(group.original_message_id for group in report.groups) or "none"
    raise inbox.NotOurs(
        "unknown-message", f"It answers a message that was not sent from here ({names})."
    )


REPORT = "report_line"
REPORTED = {
    "number": "text",
    "reference": "text",
    "instruction_id": "text",
    "status": "text",
    "reasons": "jsonb",
}


def _report_rows(report: _Report, content: Any) -> Iterator[tuple[Any, ...]]:
    for value in pain002.read(content):
        if isinstance(value, TransactionStatus):
            reasons = json.dumps(stored(value.reasons)) if value.reasons else None
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


def _carry_out_report(file: BankFile, sent: BankFile, report: _Report) -> None:
    assert sent.company_id is not None
    inbox.claim(file, company_id=sent.company_id, answers_to=sent, salary=sent.salary)
    carried = _Carried(sent, file)
    group = report.groups[0]
    whole = not report.staged and not any(payment.status for payment in report.payments)
    if group.status == "RJCT" and any(
        reason.code == outbox.SENT_BEFORE for reason in group.reasons
    ):
        carried.had_before()
    elif group.status == "RJCT" and _refuses_all(report):
        carried.send_back(group)
    else:
        if not carried.ids:
            carried.remark("sent-again-since")
            log.critical("outcomes.sent_again_since", file=sent.name)
        if _has_it(report):
            carried.received()
        if report.staged:
            carried.transactions()
        rest, why = (ACCEPTED_REST, ()) if group.status == PART else (group.status, group.reasons)
        if whole and group.status == PART:
            rest = ""  # some of it is refused, and nothing says what
        for payment in report.payments:
            told = payment if payment.status else replace(payment, status=rest, reasons=why)
            carried.payment(told, some_named=bool(report.staged))
        if rest and not (
            rest == "RJCT" and any(p.status not in ("", rest) for p in report.payments)
        ):
            carried.every_line(
                rest, why, carried.but(report.payments), some_named=bool(report.staged)
            )
    notices.rejected(company=carried.company, payment_ids=list(carried.ids.values()), at=carried.at)
    inbox.finish(
        file,
        message_id=report.message_id,
        transactions=report.staged,
        remarks=carried.remarks,
    )


def _has_it(report: _Report) -> bool:
    """Whether the bank says of anything in the file, at any level, that it has not refused it."""
    said = {report.groups[0].status, *(payment.status for payment in report.payments)}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT DISTINCT status FROM {REPORT}")
        said |= {row[0] for row in cursor.fetchall()}
    return bool(said - {"", *NOT_TAKEN})


def _refuses_all(report: _Report) -> bool:
    """Whether a refusal of the file is of the file as a whole: nothing is told line by line, and no
    payment has a status of its own, or reasons where the file has none."""
    if report.staged or any(said.status not in ("", "RJCT") for said in report.payments):
        return False
    return bool(report.groups[0].reasons) or not any(said.reasons for said in report.payments)


class _Carried:
    """Carries a report out on the lines of the file that it answers."""

    def __init__(self, sent: BankFile, file: BankFile) -> None:
        self.sent = sent
        assert sent.company is not None
        self.company = sent.company
        self.by = inbox.speaker(file)
        self.file = file
        self.detail = inbox.named(file) if file.imported_by_id is not None else None
        self.at = clock.now()
        # Where no word of booked money can come, the bank's last status is all there will be.
        agreement = sent.agreement
        self.on_word = agreement is not None and not (
            agreement.settlement_return or agreement.statements
        )
        self.ids: dict[str, int] = dict(
            Payment.objects.filter(bank_file=sent).values_list("number", "pk")
        )
        self.remarks: list[dict[str, Any]] = []

    def remark(self, code: str, **more: Any) -> None:
        if len(self.remarks) < REMARKS_MAX:
            self.remarks.append({"code": code, **more})

    def _alarm_waiting(self, lines: QuerySet[PaymentLine], status: str) -> None:
        """What the bank says it has in hand and what waits here to be sent could be paid twice."""
        if status in NOT_TAKEN:
            return
        waiting = lines.filter(status__in=lifecycle.WAITING_HERE).count()
        if waiting:
            self.remark("waits-here", status=status, count=waiting)
            log.critical("outcomes.waits_here", file=self.sent.name, count=waiting)

    def _alarm_paid(self, lines: QuerySet[PaymentLine], status: str) -> None:
        """What the bank has paid, and says now that it has not, may be paid once more by people."""
        if status not in NOT_TAKEN:
            return
        paid = lines.filter(status=lifecycle.SETTLED).count()
        if paid:
            self.remark("refused-after-paid", status=status, count=paid)
            log.critical("outcomes.refused_after_paid", file=self.sent.name, count=paid)

    def received(self) -> None:
        """The bank has the file, and knows the agreement: what it wrote of its account before that
        can be read now."""
        by, at = self.by, self.at
        new = outbox.answered(self.sent.pk, refused=False, by=by, at=at)
        if self.file.imported_by_id is not None:
            return
        agreement = self.sent.agreement
        if not new and agreement is not None:  # somebody has brought in a receipt before
            new = agreement_events.confirmed(agreement=agreement, by=by, at=at, file=self.file.name)
        if new:
            inbox.read_unknown_again(self.sent.channel_id, inbox.UNCONFIRMED)

    def had_before(self) -> None:
        """The bank refuses a second copy of a file, since it has the first: what it says of that is
        what counts, whichever comes first."""
        self.received()
        self.every_line(HAS_IT, (), list(self.ids.values()), some_named=False)
        self.remark("sent-before")

    def send_back(self, group: GroupStatus) -> None:
        """The bank took nothing: signatures void, payments await approval again. Where it has said
        more of a line before, one of the two is wrong: nothing is done, and people are told."""
        told = stored(group.reasons)
        moves.lock_groups(Payment, self.ids.values())
        beyond = PaymentLine.objects.filter(
            payment_id__in=list(self.ids.values()), status__in=CARRIED_OUT
        ).count()
        if beyond:
            self.remark("refused-after-all", count=beyond)
            log.critical("outcomes.refused_after_all", file=self.sent.name, count=beyond)
            return
        if not outbox.answered(self.sent.pk, refused=True, by=self.by, at=self.at, reasons=told):
            self.remark("already-further-on", status="RJCT", count=len(self.ids))
            return
        ids = moves.lock_groups(Payment, self.ids.values())
        moved = moves.move(
            PaymentLine.objects.filter(payment_id__in=ids),
            lifecycle.SEND_BACK,
            by=self.by,
            at=self.at,
            within=ids,
            reasons=stored(group.reasons),
            detail=self.detail,
        )
        if moved.rows:
            approval.void(payment_ids=ids, by=self.by, at=self.at, reason="refused by the bank")
            notices.sent_back(company=self.company, payment_ids=ids, reasons=stored(group.reasons))

    def transactions(self) -> None:
        """Each transaction that the report names, by what the bank says of it."""
        ids = list(self.ids.values())
        table = moves.stage()
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (row_id, code, reasons) SELECT l.id, s.status, s.reasons"
                f" FROM {REPORT} s JOIN payments_payment p ON p.id = ANY(%s)"
                " AND (p.number = s.number OR s.number = '')"
                " JOIN payments_paymentline l ON l.payment_id = p.id"
                " AND l.reference = s.reference",
                [ids],
            )
            matched = cursor.rowcount
            cursor.execute(
                f"INSERT INTO {table} (row_id, code, reasons) SELECT min(l.id), min(s.status),"
                f" (array_agg(s.reasons))[1] FROM {REPORT} s"
                " JOIN payments_payment p ON p.id = ANY(%s)"
                " AND (p.number = s.number OR s.number = '')"
                f" JOIN payments_paymentline l ON l.payment_id = p.id AND {BY_INSTRUCTION}"
                " GROUP BY s.ctid HAVING count(*) = 1",
                [ids],
            )
            matched += cursor.rowcount
            if self.on_word:
                cursor.execute(
                    f"UPDATE {table} SET reasons = coalesce(reasons, '[]') || %s WHERE code = %s",
                    [json.dumps([ON_WORD]), BOOKED_BY_WORD],
                )
            cursor.execute(f"SELECT count(*), array_agg(DISTINCT status) FROM {REPORT}")
            total, codes = cursor.fetchone()
        if matched < total:
            self.remark("unmatched", count=total - matched)
        for code in codes or []:
            change = self._move(code)
            staged = moves.Staged(PaymentLine, table, "code = %s", [code], columns=("reasons",))
            named = PaymentLine.objects.filter(pk__in=staged.ids())
            self._alarm_waiting(named, code)
            self._alarm_paid(named, code)
            moved = moves.move(
                staged, change, by=self.by, at=self.at, within=ids, detail=self.detail
            )
            self._skipped(table, code, moved.rows)

    def _move(self, status: str) -> Move:
        if self.on_word and status == BOOKED_BY_WORD:
            return lifecycle.SETTLE
        return MOVES.get(status, lifecycle.PUZZLE)

    def _skipped(self, table: str, code: str, moved: int) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {table} WHERE code = %s", [code])
            named = cursor.fetchone()[0]
        if moved < named:
            self.remark("already-further-on", status=code, count=named - moved)

    def but(self, named: Iterable[PaymentStatus]) -> list[int]:
        """Ids of the file's payments that are not among these."""
        numbers = {said.number for said in named}
        return [pk for number, pk in self.ids.items() if number not in numbers]

    def payment(self, said: PaymentStatus, *, some_named: bool) -> None:
        """A whole payment, less the transactions that the report names one by one."""
        payment_id = self.ids.get(said.number)
        if payment_id is None:
            self.remark("unknown-payment", number=said.number)
            return
        if not said.status:
            return
        status = ACCEPTED_REST if said.status == PART else said.status
        self.every_line(status, said.reasons, [payment_id], some_named=some_named)

    def every_line(
        self, status: str, reasons: tuple[Reason, ...], ids: list[int], *, some_named: bool
    ) -> None:
        if not ids:
            return
        change = self._move(status)
        lines: QuerySet[PaymentLine] = PaymentLine.objects.filter(payment_id__in=ids)
        if some_named:
            lines = lines.exclude(pk__in=moves.Staged(PaymentLine, moves.STAGED).ids())
        self._alarm_waiting(lines, status)
        self._alarm_paid(lines, status)
        told = stored(reasons)
        if self.on_word and status == BOOKED_BY_WORD:
            told = [*told, ON_WORD]
        if status not in MOVES:
            told = [*told, {"code": status, "text": ""}]
        sets = {"reasons": json.dumps(told)} if told and change.apart else None
        named = 0 if status in MOVES else lines.count()
        moved = moves.move(
            lines,
            change,
            by=self.by,
            at=self.at,
            within=ids,
            reasons=told or None,
            detail=self.detail,
            sets=sets,
        )
        if moved.rows < named:
            self.remark("already-further-on", status=status, count=named - moved.rows)
