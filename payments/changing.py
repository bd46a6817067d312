"""What people change on a payment before it is sent: their own approval, its date, a note.

Whatever changes what is paid makes the approvals void. Nothing that has been sent is changed here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

from django.db import transaction

from banking import lifecycle as banking_lifecycle
from banking.models import BankAgreement
from payments import approval, digest, lifecycle, notices, policy, writing
from payments.models import Payment, PaymentLine, Signature
from payments.telling import tell
from portal.access import actors
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.events import moves

NOTE_MAX = 500
BATCH = 5000
NOTE, DATE_MOVED, AGREEMENT_MOVED = "note", "due_date_moved", "agreement_moved"


class NotYours(Exception):
    """The user's roles do not reach the payment, or there is no approval of theirs on it."""


class MovedOn(Exception):
    """It has been sent or ended since the page was shown."""


class UnfitDate(Exception):
    """The date cannot be the payment's; the text says why."""


@moves.retrying
def withdraw(*, company: Company, user: User, payment_ids: Sequence[int], at: dt.datetime) -> int:
    """Takes the user's own approvals back, all or none; answers of how many payments. Another
    person's approval of the same payment stands. Raises NotYours, MovedOn."""
    with transaction.atomic():
        payments = _locked(company, payment_ids)
        ids = [payment.pk for payment in payments]
        own = Signature.objects.filter(payment__in=ids, user=user, voided_at=None)
        if own.count() != len(ids):
            raise NotYours
        if any(
            policy.withdrawing(payment, signers=[user.pk], user_id=user.pk) for payment in payments
        ):
            raise MovedOn
        own.update(voided_at=at, void_reason=lifecycle.WITHDRAWN)
        left = set(
            Signature.objects.filter(payment__in=ids, voided_at=None).values_list(
                "payment_id", flat=True
            )
        )
        for change, chosen in (
            (lifecycle.WITHDRAW, [pk for pk in ids if pk in left]),
            (lifecycle.WITHDRAW_LAST, [pk for pk in ids if pk not in left]),
        ):
            if chosen:
                signed = PaymentLine.objects.filter(
                    payment__in=chosen, status__in=[lifecycle.PARTLY, lifecycle.APPROVED]
                )
                moves.move(signed, change, by=actors.person(user), at=at, within=chosen)
    return len(ids)


@moves.retrying
def move_date(
    *,
    company: Company,
    user: User,
    permissions: frozenset[Permission],
    payment_id: int,
    to: dt.date,
    reason: str,
    today: dt.date,
    at: dt.datetime,
) -> None:
    """Gives a payment another due date; its approvals are void, and it waits for approval again.

    Raises NotYours, MovedOn, UnfitDate.
    """
    with transaction.atomic():
        (payment,) = _locked(company, [payment_id])
        refusal = policy.moving_date(payment, permissions=permissions)
        if refusal is not None:
            raise NotYours if refusal.code == policy.NOT_YOURS else MovedOn
        fault = policy.unfit_date(payment, to, today=today)
        if fault:
            raise UnfitDate(fault)
        before, payment.due_date = payment.due_date, to
        payment.digest = _root(payment)
        payment.save(update_fields=["due_date", "digest"])
        by = actors.person(user)
        tell(
            DATE_MOVED,
            payment,
            by=by,
            at=at,
            detail={"due_from": before.isoformat(), "due_to": to.isoformat(), "reason": reason},
            standing=lifecycle.PAYMENT_STATUSES[lifecycle.AWAITING],
        )
        approval.void(payment_ids=[payment.pk], by=by, at=at, reason=lifecycle.DATE_MOVED)
        notices.to_approve(company=company, payment_ids=[payment.pk])


def successor(agreement: BankAgreement) -> BankAgreement | None:
    """The agreement that is active on the same account, where this one is deactivated."""
    if agreement.status != banking_lifecycle.DEACTIVATED:
        return None
    rows = BankAgreement.objects.filter(
        company=agreement.company_id,
        account=agreement.account_id,
        status=banking_lifecycle.ACTIVE,
        remittance=True,
    )
    return rows.select_related("account", "channel").first()


@moves.retrying
def move_agreement(
    *,
    company: Company,
    user: User,
    permissions: frozenset[Permission],
    payment_id: int,
    at: dt.datetime,
) -> tuple[BankAgreement, int]:
    """Moves a payment to the agreement that has taken over from its own, and with it all others of
    that agreement which this user may move; approvals are void. Answers the agreement and how many.

    Raises NotYours, MovedOn.
    """
    with transaction.atomic():
        old = Payment.objects.of(company).values_list("agreement", flat=True).get(pk=payment_id)
        waiting = Payment.objects.of(company).filter(agreement=old)
        waiting = waiting.exclude(status__in=lifecycle.OVER)
        payments = _locked(company, list(waiting.values_list("pk", flat=True)))
        able = [
            payment
            for payment in payments
            if policy.moving_agreement(payment, permissions=permissions) is None
        ]
        new = successor(payments[0].agreement) if payments else None
        if new is None or payment_id not in {payment.pk for payment in able}:
            raise MovedOn
        by = actors.person(user)
        for payment in able:
            before, payment.agreement = payment.agreement, new
            payment.digest = _root(payment)
            payment.save(update_fields=["agreement", "digest"])
            detail = {"agreement_from": str(before), "agreement_to": str(new)}
            standing = lifecycle.PAYMENT_STATUSES[lifecycle.AWAITING]
            tell(AGREEMENT_MOVED, payment, by=by, at=at, detail=detail, standing=standing)
        ids = [payment.pk for payment in able]
        approval.void(payment_ids=ids, by=by, at=at, reason=lifecycle.AGREEMENT_MOVED)
        notices.to_approve(company=company, payment_ids=ids)
    return new, len(ids)


def _root(payment: Payment) -> bytes:
    """The Merkle root over all lines of the payment as it stands now."""
    rows = PaymentLine.objects.filter(payment=payment).order_by("position")
    found = rows.values(*writing.FIELDS).iterator(BATCH)
    return digest.root_of(approval.head(payment), (digest.canonical(**row) for row in found))


@moves.retrying
def set_by_hand(
    *,
    company: Company,
    user: User,
    permissions: frozenset[Permission],
    payment_id: int,
    line_ids: Sequence[int],
    outcome: str,
    reason: str,
    at: dt.datetime,
) -> int:
    """Sets what the bank did with lines of an agreement in the old format, all or none; `outcome`
    is a name of lifecycle.BY_HAND. Answers how many. Raises NotYours, MovedOn."""
    change = lifecycle.BY_HAND[outcome]
    with transaction.atomic():
        (payment,) = _locked(company, [payment_id])
        refusal = policy.setting_by_hand(payment, permissions=permissions)
        if refusal is not None:
            raise NotYours if refusal.code == policy.NOT_YOURS else MovedOn
        told = [{"code": "by-hand", "text": reason}]
        try:
            moved = moves.move(
                PaymentLine.objects.filter(payment=payment, pk__in=list(line_ids)),
                change,
                by=actors.person(user),
                at=at,
                within=[payment.pk],
                expected=len(set(line_ids)),
                reasons=told,
                sets={"reasons": json.dumps(told)},
            )
        except moves.Conflict as error:
            raise MovedOn from error
    return moved.rows


def note(*, payment: Payment, user: User, text: str, at: dt.datetime) -> None:
    """Writes a note beside the payment; everybody who may open it reads it."""
    tell(NOTE, payment, by=actors.person(user), at=at, detail={"note": text[:NOTE_MAX]})


def _locked(company: Company, wanted: Sequence[int]) -> list[Payment]:
    ids = moves.lock_groups(Payment, wanted)
    rows = Payment.objects.of(company).filter(pk__in=ids).select_related("agreement__account")
    payments = list(rows.order_by("pk"))
    if len(payments) != len(set(wanted)):
        raise MovedOn
    return payments
