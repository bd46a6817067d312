"""From approved to lying with the bank: the file is made and stored in one transaction, then
delivered outside any; what was signed is recomputed, and what differs is not sent.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import structlog
from django.db import OperationalError, transaction
from django.db.models import Count

from banking import filestore, outbox, sharing, stops
from banking import lifecycle as banking_lifecycle
from banking.located import InvalidOutput
from banking.models import BankAgreement, BankFile
from payments import approval, lifecycle, timing, writing
from payments.models import CancellationAsk, Payment, PaymentLine, Signature
from payments.telling import tell
from portal import clock, faults
from portal.access import actors
from portal.access.models import Company
from portal.events import moves

log = structlog.get_logger(__name__)
Key = tuple[int, str, tuple[int, ...]]
OLD_KIND = "direkte-remittering"


def make_files(*, company: Company) -> list[int]:
    """Makes bank files of all approved payments of a company; answers the files' ids.

    One file per agreement, set of approvers and kind. A payment that is not as signed is taken
    out, its signatures void, with an alarm; the others go on.
    """
    made = []
    for ids in _groups(company):
        try:
            file_id = _make_one(company, ids)
        except InvalidOutput as fault:
            _take_out(company, dict.fromkeys(ids, str(fault)), event="file_not_made")
            continue
        except OperationalError:
            raise
        except Exception:  # one group's fault must not hold up the others; the timetable retries
            log.exception("sending.group_failed", payments=list(ids))
            continue
        if file_id is not None:
            made.append(file_id)
    return made


def _groups(company: Company) -> list[list[int]]:
    rows = Payment.objects.of(company).filter(status=lifecycle.APPROVED).order_by("pk")
    stopped = stops.now(company.pk)
    if stopped.company is not None:
        return []
    rows = rows.exclude(agreement__in=list(stopped.agreements))
    groups: dict[Key, list[int]] = defaultdict(list)
    for pk, key in _keys(_before_last_day(company, list(rows))).items():
        groups[key].append(pk)
    return list(groups.values())


def _before_last_day(company: Company, payments: list[Payment]) -> list[Payment]:
    """Those that the bank is asked to pay while their agreement lasts."""
    ending = BankAgreement.objects.of(company).exclude(cut_over_date=None)
    last_days = dict(ending.values_list("pk", "cut_over_date"))
    if not last_days:
        return payments
    today = clock.today()
    return [
        row
        for row in payments
        if not timing.after_last_day(row.due_date, last_days.get(row.agreement_id), today=today)
    ]


def _keys(payments: Sequence[Payment]) -> dict[int, Key]:
    """What payments must share to stand in one file: agreement, kind, and who has signed."""
    signers: dict[int, set[int]] = defaultdict(set)
    for payment_id, user_id in Signature.objects.filter(
        payment__in=payments, voided_at=None
    ).values_list("payment_id", "user_id"):
        signers[payment_id].add(user_id)
    return {p.pk: (p.agreement_id, p.kind, tuple(sorted(signers[p.pk]))) for p in payments}


def _make_one(company: Company, ids: Sequence[int]) -> int | None:
    remaining = list(ids)
    while remaining:
        try:
            return _write_and_store(company=company, ids=remaining)
        except writing.NotAsSigned as found:
            _take_out(company, found.broken)
            remaining = [pk for pk in remaining if pk not in found.broken]
    return None


@moves.retrying
def _write_and_store(*, company: Company, ids: Sequence[int]) -> int | None:
    with transaction.atomic(), filestore.spool() as content:
        locked = moves.lock_groups(Payment, ids)
        payments = list(
            Payment.objects.of(company)
            .filter(pk__in=locked, status=lifecycle.APPROVED)
            .select_related("agreement__account", "agreement__channel", "account")
            .order_by("pk")
        )
        if not payments:
            return None
        keys = _keys(payments)  # again, under the lock: somebody may have signed meanwhile
        payments = [p for p in payments if keys[p.pk] == keys[payments[0].pk]]
        agreement = payments[0].agreement
        if stops.holds(company_id=company.pk, agreement_id=agreement.pk):
            return None
        if agreement.status != banking_lifecycle.ACTIVE or not sharing.holds(agreement):
            log.warning("sending.agreement_not_active", agreement=agreement.pk)
            return None
        at = clock.now()
        file_id = filestore.draw_id()
        today = at.astimezone(clock.OSLO).date()
        made = writing.Writing(company, agreement, payments, today=today)
        if agreement.file_format == BankAgreement.Format.NETS:
            made.write_old(content, number=file_id)
            kind, suffix = OLD_KIND, "txt"
        else:
            made.write(content, message_id=outbox.message_id(file_id), at=at)
            kind, suffix = agreement.pain_version, "xml"
        faults.point("sending.written")
        file = outbox.store(
            file_id=file_id,
            agreement=agreement,
            kind=kind,
            suffix=suffix,
            salary=payments[0].kind == Payment.Kind.SALARY,
            content=content,
            transactions=made.count,
            totals={currency: f"{amount:.2f}" for currency, amount in made.sums.items()},
            at=at,
        )
        used = [payment.pk for payment in payments]
        Payment.objects.filter(pk__in=used).update(bank_file=file)
        moves.move(
            PaymentLine.objects.filter(payment_id__in=used, status=lifecycle.APPROVED),
            lifecycle.SEND,
            by=actors.CLOCK,
            at=at,
            within=used,
            expected=made.count,
            detail={"file": file.name, "message_id": file.message_id},
        )
        faults.point("sending.before_commit")
    faults.point("sending.stored")
    return file_id


@moves.retrying
def _take_out(company: Company, broken: dict[int, str], *, event: str = "signature_broken") -> None:
    """What cannot be sent goes back to awaiting approval, with an alarm and an Event."""
    code = {"signature_broken": "signature-broken", "file_not_made": "file-not-made"}[event]
    at = clock.now()
    with transaction.atomic():
        ids = moves.lock_groups(Payment, broken)
        approval.void(
            payment_ids=ids,
            by=actors.CLOCK,
            at=at,
            reason="not as signed" if event == "signature_broken" else "file not made",
        )
        for payment in Payment.objects.of(company).filter(pk__in=ids):
            tell(
                event,
                payment,
                by=actors.CLOCK,
                at=at,
                reasons=[{"code": code, "text": broken[payment.pk]}],
            )
    log.critical("sending.taken_out", code=code, payments=broken)


def undelivered(*, company: Company) -> list[int]:
    """Ids of this company's files that are on their way to the bank, oldest first."""
    on_way = [banking_lifecycle.STORED, banking_lifecycle.UPLOADING]
    rows = BankFile.objects.of(company).filter(direction=BankFile.Direction.OUT, status__in=on_way)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def deliver(*, file_id: int) -> outbox.Outcome:
    """Brings a file to the bank and records what came of it. Outside any transaction."""
    outcome = outbox.deliver(file_id)
    if outcome == outbox.Outcome.DELIVERED:
        faults.point("upload.outcome_known")
        _record(file_id, delivered=True)
    elif outcome == outbox.Outcome.GIVEN_UP:
        _record(file_id, delivered=False)
        log.error("sending.given_up", file=file_id)
    return outcome


@moves.retrying
def _record(file_id: int, *, delivered: bool) -> None:
    at = clock.now()
    change = lifecycle.SENT_TO_BANK if delivered else lifecycle.NOT_DELIVERED
    with transaction.atomic():
        outbox.mark(file_id, delivered=delivered, at=at)
        ids = list(Payment.objects.filter(bank_file_id=file_id).values_list("pk", flat=True))
        lines = PaymentLine.objects.filter(payment_id__in=ids)
        moves.move(lines, change, by=actors.CLOCK, at=at, within=ids)
        if not delivered:
            _close_asks(file_id, at)
    faults.point("upload.recorded")


def _close_asks(file_id: int, at: dt.datetime) -> None:
    """A request to cancel that could not be delivered is told, and can be made again."""
    asks = CancellationAsk.objects.filter(file_id=file_id, answered_at=None)
    rows = dict(asks.values_list("line__payment_id").annotate(n=Count("pk")).order_by())
    asks.update(answered_at=at)
    for payment in Payment.objects.filter(pk__in=rows).order_by("pk"):
        tell("cancel_undelivered", payment, by=actors.CLOCK, at=at, rows=rows[payment.pk])


def approved(*, company: Company) -> bool:
    """Whether anything is approved and waits for a bank file."""
    return Payment.objects.of(company).filter(status=lifecycle.APPROVED).exists()


@moves.retrying
def try_again(*, file_id: int, user: Any, at: dt.datetime) -> bool:
    """Lets a file that could not be delivered be tried again; False when it is not one."""
    actor = actors.person(user)
    with transaction.atomic():
        moved = outbox.try_again(file_id, by=actor, at=at)
        ids = list(Payment.objects.filter(bank_file_id=file_id).values_list("pk", flat=True))
        lines = PaymentLine.objects.filter(payment_id__in=ids)
        moves.move(lines, lifecycle.TRY_AGAIN, by=actor, at=at, within=ids)
    return moved
