"""From an ERP's upload to stored payments: all of it or nothing, and every fault named.

Lines stream: they are validated one by one, COPYed to a temporary table (COPY into a table with
row-level security is refused by PostgreSQL) and moved over in one statement at the end.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO, ParamSpec, TypeVar

from django.db import IntegrityError, connection, transaction
from django.utils.translation import gettext as _

from banking.iso20022 import pain001
from banking.located import Unreadable
from payments import guards, jsonfile, lifecycle, notices, preapproval, unreadable
from payments.models import Payment, PaymentLine, Upload
from payments.reading import LINE_COLUMNS, Reading, ReadPayment, kind, urgent
from portal.access import actors
from portal.access.actors import Actor
from portal.access.models import Company, User
from portal.erp.problems import Refused
from portal.events import moves

P = ParamSpec("P")
R = TypeVar("R")
XML, JSON = "application/xml", "application/json"


class KeyReused(Exception):
    """The idempotency key was used before, with another body."""


class Stopped(Exception):
    """Lines have faults, and whoever sends them mends them first: nothing is stored. `faults` are
    as an ERP is told of lines that are stopped."""

    def __init__(self, faults: list[dict[str, Any]]) -> None:
        super().__init__(str(len(faults)))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Origin:
    """How payments came: which way, the Event that tells it, whether one fault keeps all of it
    out, and the ids of those who entered it by hand."""

    source: str = Payment.Source.ERP
    event: str = "received_from_erp"
    whole: bool = False
    entered_by: tuple[int, ...] = ()


FROM_ERP = Origin()


def _once_more_for_numbers(work: Callable[P, R]) -> Callable[P, R]:
    """Reads again when another upload took a number meanwhile: now the reading refuses it."""

    @functools.wraps(work)
    def again(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return work(*args, **kwargs)
        except IntegrityError as error:
            if "payment_number_once" not in str(error):
                raise
            return work(*args, **kwargs)

    return again


@_once_more_for_numbers
@moves.retrying
def take(
    *,
    company: Company,
    user: User,
    by: Actor,
    key: str,
    media_type: str,
    body: BinaryIO,
    body_sha256: bytes,
    at: dt.datetime,
    today: dt.date,
    origin: Origin = FROM_ERP,
) -> tuple[dict[str, Any], bool]:
    """Stores an upload; answers what the ERP is told, and whether it had been told before.

    Raises Refused and Stopped (nothing is stored) and KeyReused. Runs acting for the company.
    """
    with transaction.atomic():
        upload, told = _open(company, user, key, media_type, body_sha256, at)
        if told is not None:
            return told, True
        body.seek(0)
        reading = Reading(company=company, today=today)
        try:
            if media_type == JSON:
                reading.read(jsonfile.read(body, at=at))
            else:
                reading.read(pain001.read(body, schema=True))
        except Unreadable as fault:
            raise _unreadable(fault) from fault
        reading.refuse_if_faulty()
        faults = [fault for payment in reading.payments for fault in payment.stopped]
        if origin.whole and faults:
            raise Stopped(faults)
        ids = _store(upload, reading, origin, by=by, at=at)
        answer = _answer(upload, reading)
        upload.answer, upload.lines = answer, sum(p.lines for p in reading.payments)
        upload.message_id = reading.message_id[:70]
        upload.save(update_fields=["answer", "lines", "message_id"])
        assert len(ids) == len(reading.payments)
    return answer, False


def known(*, company: Company, key: str) -> bool:
    """Whether an upload with this key was stored and answered before."""
    return Upload.objects.of(company).filter(key=key, answer__isnull=False).exists()


def _open(
    company: Company, user: User, key: str, media_type: str, sha256: bytes, at: dt.datetime
) -> tuple[Upload, dict[str, Any] | None]:
    """The upload's row. Of several at once with one key, one goes on and the others wait here."""
    try:
        with transaction.atomic():
            upload = Upload.objects.create(
                company=company,
                key=key,
                body_sha256=sha256,
                media_type=media_type,
                user=user,
                created_at=at,
            )
            return upload, None
    except IntegrityError:
        upload = Upload.objects.of(company).get(key=key)
    if bytes(upload.body_sha256) != sha256:
        raise KeyReused(key)
    return upload, upload.answer


def _unreadable(fault: Unreadable) -> Refused:
    problem = unreadable.problem_of(fault)
    return Refused(status=422, title=_("The file cannot be taken"), problems=[problem])


def _store(
    upload: Upload, reading: Reading, origin: Origin, *, by: Actor, at: dt.datetime
) -> list[int]:
    """Payments, lines and first Events; then the faulty lines are stopped."""
    payments = Payment.objects.bulk_create(
        [_row(upload, payment, origin, at) for payment in reading.payments], batch_size=1000
    )
    ids = [payment.pk for payment in payments]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_paymentline"
            f" (company_id, payment_id, {LINE_COLUMNS}, bank_reference)"
            f" SELECT %s, (%s::bigint[])[payment_index + 1], {LINE_COLUMNS}, '' FROM intake_line",
            [upload.company_id, ids],
        )
        stopped = sum(1 for payment in reading.payments if payment.stopped)
        table = moves.stage()
        if stopped:
            cursor.execute(
                f"INSERT INTO {table} (row_id, reasons) SELECT l.id, s.reasons FROM intake_line s"
                " JOIN payments_paymentline l ON l.payment_id = (%s::bigint[])[s.payment_index + 1]"
                " AND l.position = s.position WHERE s.reasons IS NOT NULL",
                [ids],
            )
    moves.begin(PaymentLine, groups=ids, event=origin.event, by=by, at=at)
    if stopped:
        rows = moves.Staged(PaymentLine, table, columns=("reasons",))
        moves.move(rows, lifecycle.STOP, by=actors.CLOCK, at=at, within=ids)
    guards.look(ids, company_id=upload.company_id, at=at)
    preapproval.use(company=upload.company, payment_ids=ids, at=at)
    notices.to_approve(company=upload.company, payment_ids=ids)
    notices.stopped(company=upload.company, payment_ids=ids)
    return ids


def _row(upload: Upload, payment: ReadPayment, origin: Origin, at: dt.datetime) -> Payment:
    agreement, head = payment.agreement, payment.instruction
    assert agreement is not None
    assert payment.tree is not None
    return Payment(
        company_id=upload.company_id,
        number=head.number,
        agreement=agreement,
        account=agreement.account,
        due_date=head.execution_date,
        kind=kind(head),
        urgent=urgent(head),
        upload=upload,
        source=origin.source,
        entered_by=list(origin.entered_by),
        created_at=at,
        line_count=payment.lines,
        totals={currency: f"{amount:.2f}" for currency, amount in payment.sums.items()},
        digest=payment.tree.root(),
        line_counts={lifecycle.AWAITING: payment.lines},
    )


def _answer(upload: Upload, reading: Reading) -> dict[str, Any]:
    rows = []
    for payment in reading.payments:
        stopped = len({row["reference"] for row in payment.stopped})
        code = 2 if not stopped else 10 if stopped == payment.lines else 3
        rows.append(
            {
                "number": payment.instruction.number,
                "erp_code": code,
                "lines": payment.lines,
                "stopped": payment.stopped,
            }
        )
    codes = {row["erp_code"] for row in rows}
    whole = codes.pop() if len(codes) == 1 else 3
    return {"upload": str(upload.pk), "erp_code": whole, "payments": rows}
