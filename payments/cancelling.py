"""Asking a bank not to pay what it has got: the request (camt.055), and what the bank answers.

The bank decides: a line stays as it is until the bank has answered, and one that has been paid is
never cancelled. What has not been sent is cancelled by payments.approval.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, BinaryIO

import structlog
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet

from banking import filestore, inbox, outbox, profiles
from banking.iso20022 import camt029, camt055, queries
from banking.iso20022.values import (
    CancellationRequest,
    CancellationStatus,
    CancelledPayment,
    CancelledTransfer,
    Party,
    Reason,
    Resolution,
)
from banking.models import BankAgreement, BankFile
from payments import checks, lifecycle, policy, reports, staging
from payments.models import CancellationAsk, Payment, PaymentLine
from payments.telling import tell
from portal import clock, faults
from portal.access import tenancy
from portal.access.actors import Actor
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.events import moves

log = structlog.get_logger(__name__)
ACCEPTED, REFUSED, WAITS = "ACCR", "RJCR", "PDCR"
# What the confirmation of a whole answer says of lines that it does not name.
CONFIRMED = {"CNCL": ACCEPTED, "RJCR": REFUSED, "PDCR": WAITS}
ASKED, NOT_CANCELLED = "cancel_asked", "cancel_refused"
REASON = "CUST"  # the customer has asked for it
KEPT_MAX = 105  # a bank carries no longer text


class NotYours(Exception):
    """The user's roles do not reach these payments."""


class NothingToAsk(Exception):
    """No line lies at the bank that it has not been asked about already."""


@moves.retrying
def ask(
    *,
    company: Company,
    by: Actor,
    user: User | None,
    permissions: frozenset[Permission] | None,
    payment_ids: Sequence[int],
    reason: str,
    at: dt.datetime,
    references: Sequence[str] = (),
) -> int:
    """Asks the banks to cancel the lines of these payments that lie there, or only those named;
    answers how many. One request for each file that they were sent in.

    `permissions` None: an ERP, whose door has checked. Raises NotYours, NothingToAsk: then nothing
    is asked.
    """
    with transaction.atomic():
        ids = moves.lock_groups(Payment, payment_ids)
        payments = list(
            Payment.objects.of(company)
            .filter(pk__in=ids)
            .select_related(
                "agreement__account", "agreement__channel", "agreement__company", "bank_file"
            )
            .order_by("pk")
        )
        refusals = [policy.asking_bank(payment, permissions=permissions) for payment in payments]
        if any(refusal and refusal.code == policy.NOT_YOURS for refusal in refusals):
            raise NotYours
        if not payments or len(payments) != len(set(payment_ids)) or any(refusals):
            raise NothingToAsk
        by_file: dict[int, list[Payment]] = {}
        for payment in payments:
            by_file.setdefault(payment.bank_file_id or 0, []).append(payment)
        asked = 0
        for together in by_file.values():
            asked += _ask_one(together, by, user, reason, at, references)
        if not asked or (references and asked != len(set(references))):
            raise NothingToAsk  # of lines that are named, all or none
    return asked


def askable(payments: Sequence[Payment]) -> QuerySet[PaymentLine]:
    """The lines that lie at the bank and that it is not being asked about."""
    open_asks = CancellationAsk.objects.filter(line=OuterRef("pk"), answered_at=None)
    return PaymentLine.objects.filter(
        payment__in=list(payments), status__in=policy.AT_BANK
    ).exclude(Exists(open_asks))


def waiting(payment: Payment) -> int:
    """How many of the payment's lines the bank has been asked to cancel without having answered."""
    return CancellationAsk.objects.filter(line__payment=payment, answered_at=None).count()


@dataclass(slots=True)
class _Part:
    """What is asked of one payment."""

    payment: Payment
    lines: QuerySet[PaymentLine]
    count: int
    total: Decimal


def _ask_one(
    payments: list[Payment],
    by: Actor,
    user: User | None,
    reason: str,
    at: dt.datetime,
    references: Sequence[str],
) -> int:
    """One request about payments that were sent in one file; answers how many lines."""
    parts = []
    for payment in payments:
        lines = askable([payment])
        if references:
            lines = lines.filter(reference__in=list(references))
        amounts = list(lines.values_list("amount", flat=True))
        if amounts:
            parts.append(_Part(payment, lines, len(amounts), sum(amounts, Decimal(0))))
    if not parts:
        return 0
    agreement, sent = payments[0].agreement, payments[0].bank_file
    assert sent is not None
    count = sum(part.count for part in parts)
    with filestore.spool() as content:
        file_id = filestore.draw_id()
        version = profiles.of(agreement.channel.bank).cancel
        request = CancellationRequest(
            id=outbox.message_id(file_id),
            created_at=at.astimezone(clock.OSLO).replace(microsecond=0),
            asker=_asker(agreement),
            asked_bic=agreement.account.bic,
            declared_count=count,
            declared_sum=sum((part.total for part in parts), Decimal(0)),
        )
        why = Reason(REASON, False, checks.as_sent(reason)[:KEPT_MAX])
        camt055.write(
            content,
            request=request,
            asked=[(_head(part, sent, why), _transfers(part)) for part in parts],
            version=version.rsplit(".", 1)[-1],
        )
        _must_read_back(content, count)
        file = outbox.store(
            file_id=file_id,
            agreement=agreement,
            kind=version,
            salary=sent.salary,
            content=content,
            transactions=count,
            totals=_totals(parts),
            at=at,
        )
    for part in parts:
        rows = part.lines.values_list("pk", flat=True)
        CancellationAsk.objects.bulk_create(
            [
                CancellationAsk(
                    company_id=part.payment.company_id,
                    line_id=pk,
                    file=file,
                    asked_at=at,
                    asked_by=user,
                    reason=reason,
                )
                for pk in list(rows)
            ],
            batch_size=1000,
        )
        detail = {"reason": reason, "file": file.name}
        tell(ASKED, part.payment, by=by, at=at, rows=part.count, detail=detail)
    return count


def _asker(agreement: BankAgreement) -> Party:
    """The customer, by the identifiers that the pain.001 was sent under."""
    profile = profiles.of(agreement.channel.bank)
    known = [*profile.placed("InitgPty", agreement.identifiers)]
    known += [one for one in profile.placed("Dbtr", agreement.identifiers) if one not in known]
    return Party(name=agreement.company.name, identifiers=tuple(known))


def _head(part: _Part, sent: BankFile, why: Reason) -> CancelledPayment:
    return CancelledPayment(
        message_id=sent.message_id,
        message_name=sent.kind,
        number=part.payment.number,
        count=part.count,
        total=part.total,
        whole=False,  # each line is named: what is asked for is what was chosen, and no more
        reason=why,
    )


def _transfers(part: _Part) -> Iterator[CancelledTransfer]:
    rows = part.lines.order_by("position").values_list(
        "instruction_id", "reference", "amount", "currency"
    )
    for instruction_id, reference, amount, currency in rows.iterator(2000):
        yield CancelledTransfer(instruction_id, reference, amount, currency, part.payment.due_date)


def _totals(parts: list[_Part]) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    for part in parts:
        for amount, currency in part.lines.values_list("amount", "currency"):
            sums[currency] = sums.get(currency, Decimal(0)) + amount
    return {currency: f"{total:.2f}" for currency, total in sums.items()}


def _must_read_back(content: BinaryIO, count: int) -> None:
    content.seek(0)
    found = sum(isinstance(one, CancelledTransfer) for one in camt055.read(content))
    if found != count:
        raise AssertionError(
            f"{count} transfers were to be cancelled, and {found} stand in the file"
        )
    content.seek(0)


# --- the bank's answer ---------------------------------------------------------------------------


ANSWERED = {
    "level": "text",
    "message_id": "text",
    "number": "text",
    "reference": "text",
    "instruction_id": "text",
    "status": "text",
    "reasons": "jsonb",
}
ANSWER = "cancel_answer"


@dataclass(slots=True)
class _Answer:
    """What a camt.029 says above its levels, gathered while it streams."""

    message_id: str = ""
    requests: list[str] = field(default_factory=list)
    confirmation: str = ""
    reasons: tuple[Reason, ...] = ()


def read(file: BankFile, content: BinaryIO) -> None:
    """Carries out the answer to a request; raises Unreadable, NotOurs."""
    with transaction.atomic():
        found = _Answer()
        staging.fill(ANSWER, ANSWERED, _rows(found, content))
        sent = _request(file, found.requests)
        with tenancy.acting_for([sent.company_id], unclaimed=True):
            assert sent.company_id is not None
            inbox.claim(file, company_id=sent.company_id, answers_to=sent, salary=sent.salary)
            remarks = _carry_out(file, sent, found)
            by = inbox.speaker(file)
            outbox.answered(sent.pk, refused=False, by=by, at=clock.now())
            inbox.finish(
                file, message_id=found.message_id, transactions=_answered(sent), remarks=remarks
            )
    faults.point("cancelling.read")


def read_rejection(file: BankFile, answer: queries.Answer) -> bool:
    """Carries out that the bank takes a request not at all (admi.002); False when it is not about
    a request to cancel."""
    sent = inbox.company_of_message(file.channel_id, answer.request) if answer.request else None
    if sent is None or not sent.kind.startswith("camt.055"):
        return False
    with transaction.atomic(), tenancy.acting_for([sent.company_id], unclaimed=True):
        assert sent.company_id is not None
        inbox.claim(file, company_id=sent.company_id, answers_to=sent, salary=sent.salary)
        if answer.code == outbox.SENT_BEFORE:  # of a second copy; it answers the first
            outbox.answered(sent.pk, refused=False, by=inbox.speaker(file), at=clock.now())
            remarks = [{"code": "sent-before"}]
            inbox.finish(file, message_id=answer.message_id, transactions=0, remarks=remarks)
            return True
        reasons = (Reason(answer.code, False, answer.reason),)
        staging.fill(ANSWER, ANSWERED, ())
        found = _Answer(answer.message_id, [answer.request], REFUSED, reasons)
        remarks = _carry_out(file, sent, found)
        by = inbox.speaker(file)
        told = [{"code": reason.code, "text": reason.text} for reason in reasons]
        outbox.answered(sent.pk, refused=True, by=by, at=clock.now(), reasons=told)
        inbox.finish(
            file, message_id=found.message_id, transactions=_answered(sent), remarks=remarks
        )
    return True


def _rows(found: _Answer, content: BinaryIO) -> Iterator[tuple[Any, ...]]:
    for one in camt029.read(content):
        if isinstance(one, Resolution):
            found.message_id = one.id
            found.requests.append(one.case_id)
            found.confirmation, found.reasons = one.confirmation, one.reasons
        elif isinstance(one, CancellationStatus):
            if one.request_id:
                found.requests.append(one.request_id)
            reasons = json.dumps(reports.stored(one.reasons)) if one.reasons else None
            yield (
                one.level,
                one.message_id,
                one.number,
                one.end_to_end_id,
                one.instruction_id,
                one.status,
                reasons,
            )


def _request(file: BankFile, names: Sequence[str]) -> BankFile:
    for name in dict.fromkeys(filter(None, names)):
        sent = inbox.company_of_message(file.channel_id, name)
        if sent is not None and sent.kind.startswith("camt.055"):
            return sent
    told = ", ".join(filter(None, names)) or "none"
    raise inbox.NotOurs(
        "unknown-message", f"It answers a request that was not sent from here ({told})."
    )


def _answered(sent: BankFile) -> int:
    return CancellationAsk.objects.filter(file=sent, answered_at__isnull=False).count()


# What the bank says of a line: of itself, else of its payment, else of all.
SAID = """
INSERT INTO {table} (row_id, code, reasons)
SELECT l.id, coalesce(nullif(t.status, ''), nullif(nullif(p2.status, 'PACR'), ''),
                      nullif(nullif(g.status, 'PACR'), ''), %s),
       coalesce(t.reasons, p2.reasons, g.reasons, %s::jsonb)
FROM payments_cancellationask a
JOIN payments_paymentline l ON l.id = a.line_id
JOIN payments_payment p ON p.id = l.payment_id
LEFT JOIN LATERAL (
  SELECT s.status, s.reasons FROM cancel_answer s
  WHERE s.level = 'transfer' AND s.number IN ('', p.number)
    AND (s.reference = l.reference
         OR (s.reference IN ('', 'NOTPROVIDED') AND s.instruction_id = l.instruction_id
             AND l.instruction_id <> ''))
  LIMIT 1) t ON true
LEFT JOIN LATERAL (
  SELECT s.status, s.reasons FROM cancel_answer s
  WHERE s.level = 'payment' AND s.number = p.number LIMIT 1) p2 ON true
LEFT JOIN LATERAL (
  SELECT s.status, s.reasons FROM cancel_answer s
  WHERE s.level = 'group' AND s.message_id = %s LIMIT 1) g ON true
WHERE a.file_id = %s AND a.answered_at IS NULL
"""


# What the bank says of payments that it was not asked to stop in this request.
STRANGE = """
SELECT count(*) FROM cancel_answer s
WHERE CASE s.level
  WHEN 'group' THEN s.message_id NOT IN ('', %s)
  ELSE (s.number <> '' OR s.reference NOT IN ('', 'NOTPROVIDED') OR s.instruction_id <> '')
    AND NOT EXISTS (
      SELECT FROM payments_cancellationask a
      JOIN payments_paymentline l ON l.id = a.line_id
      JOIN payments_payment p ON p.id = l.payment_id
      WHERE a.file_id = %s AND s.number IN ('', p.number)
        AND (s.level = 'payment' OR s.reference = l.reference
             OR (s.reference IN ('', 'NOTPROVIDED')
                 AND s.instruction_id IN ('', l.instruction_id))))
  END
"""


def _carry_out(file: BankFile, sent: BankFile, found: _Answer) -> list[dict[str, Any]]:
    """Cancels what the bank has cancelled, and tells what it has not; answers remarks."""
    at, by = clock.now(), inbox.speaker(file)
    own = json.dumps(reports.stored(found.reasons)) if found.reasons else None
    asks = CancellationAsk.objects.filter(file=sent, answered_at=None)
    first = asks.select_related("line__payment__bank_file").first()
    original = first.line.payment.bank_file if first else None
    table = moves.stage()
    with connection.cursor() as cursor:
        cursor.execute(STRANGE, [original.message_id if original else "", sent.pk])
        strange = cursor.fetchone()[0]
        cursor.execute(
            SAID.format(table=table),
            [
                # What speaks of others than were asked for is no word of all that were.
                "" if strange else CONFIRMED.get(found.confirmation, ""),
                own,
                original.message_id if original else "",
                sent.pk,
            ],
        )
        cursor.execute(f"SELECT count(*) FROM {table} WHERE code = %s", [ACCEPTED])
        accepted = cursor.fetchone()[0]
        cursor.execute(
            f"SELECT l.payment_id, s.reasons, count(*) FROM {table} s"
            " JOIN payments_paymentline l ON l.id = s.row_id WHERE s.code = %s"
            " GROUP BY l.payment_id, s.reasons ORDER BY l.payment_id",
            [REFUSED],
        )
        refused = cursor.fetchall()
        cursor.execute(
            f"UPDATE payments_cancellationask a SET answer = s.code,"
            f" answered_at = CASE WHEN s.code IN (%s, %s) THEN %s::timestamptz END"
            f" FROM {table} s WHERE a.line_id = s.row_id AND a.file_id = %s"
            " AND a.answered_at IS NULL AND s.code <> ''",
            [ACCEPTED, REFUSED, at, sent.pk],
        )
    ids = list(
        Payment.objects.filter(lines__cancellation_asks__file=sent)
        .distinct()
        .order_by("pk")
        .values_list("pk", flat=True)
    )
    remarks: list[dict[str, Any]] = [{"code": "unmatched", "count": strange}] if strange else []
    staged = moves.Staged(PaymentLine, table, "code = %s", [ACCEPTED])
    named = PaymentLine.objects.filter(pk__in=staged.ids())
    # What the bank has paid, and says that it has cancelled, may be paid once more by people.
    paid = named.filter(status=lifecycle.SETTLED).count()
    if paid:
        remarks.append({"code": "refused-after-paid", "status": "CANC", "count": paid})
        log.critical("cancelling.cancelled_after_paid", file=sent.name, count=paid)
    moved = moves.move(
        staged, lifecycle.CANCEL_AT_BANK, by=by, at=at, within=ids, detail=inbox.named(file)
    )
    payments = Payment.objects.in_bulk([payment_id for payment_id, _why, _n in refused])
    for payment_id, why, count in refused:
        reasons = json.loads(why) if isinstance(why, str) else why
        payment = payments[payment_id]
        tell(NOT_CANCELLED, payment, by=by, at=at, rows=count, reasons=reasons)
    if moved.rows < accepted - paid:
        left = accepted - paid - moved.rows
        remarks.append({"code": "already-further-on", "status": "CANC", "count": left})
    return remarks
