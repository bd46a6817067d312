"""Approve, refuse, hold, release, cancel: what people do to payments before they are sent.

Each act is all or nothing. Locks go payment, then line; a signature is bound to the payment's
digest as it stands under the lock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from banking.models import Authority
from payments import checks, digest, lifecycle, limits, policy, signable
from payments.models import Ceremony, Payment, PaymentLine, Signature
from portal.access import actors, grants
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.access.secondfactor import SIGNING, Proof
from portal.events import moves
from portal.people import services

SUBJECT = "payment"


class NotYours(Exception):
    """The user's roles do not reach these payments (supplier and salary are separate)."""


class ServiceOff(Exception):
    """AutoPay is not on for the company: nothing may be approved."""


class WeakProof(Exception):
    """What was shown opens a session, but may sign no payment."""


class OverLimit(Exception):
    """The payments are beyond what this person may approve; `numbers` are the payments'."""

    def __init__(self, numbers: list[str]) -> None:
        super().__init__(", ".join(numbers))
        self.numbers = numbers


class AlreadySigned(Exception):
    """The same person cannot be both approvers of a payment."""

    def __init__(self, numbers: list[str]) -> None:
        super().__init__(", ".join(numbers))
        self.numbers = numbers


class EnteredByThemselves(Exception):
    """Nobody but those who entered the payments would have approved them."""

    def __init__(self, numbers: list[str]) -> None:
        super().__init__(", ".join(numbers))
        self.numbers = numbers


class NoAgreement(Exception):
    """The agreement of the payments is not active, so they would never be sent."""

    def __init__(self, numbers: list[str]) -> None:
        super().__init__(", ".join(numbers))
        self.numbers = numbers


class StoppedByCheck(Exception):
    """A check stops the payments, and no administrator has let them pass."""

    def __init__(self, numbers: list[str]) -> None:
        super().__init__(", ".join(numbers))
        self.numbers = numbers


class Changed(Exception):
    """The payments are no longer as they were shown: somebody was quicker."""

    def __init__(self, numbers: list[str]) -> None:
        super().__init__(", ".join(numbers))
        self.numbers = numbers


class PartlySent(Exception):
    """The rest of the payment has gone to the bank, which takes a payment number only once."""


@moves.retrying
def sign(
    *,
    company: Company,
    user: User,
    permissions: frozenset[Permission],
    fingerprints: dict[int, str],
    proof: Proof,
    at: dt.datetime,
    evidence: dict[str, Any] | None = None,
) -> Ceremony:
    """Signs payments, all or none; `fingerprints` are what the page showed, by payment id, and
    `evidence` what a passkey said to just that.

    Raises WeakProof, NotYours, ServiceOff, NoAgreement, StoppedByCheck, OverLimit, AlreadySigned,
    EnteredByThemselves, Changed, moves.Conflict.
    """
    if proof.factor not in SIGNING:
        raise WeakProof
    if proof.device is not None and proof.device.user_id != user.pk:
        raise NotYours
    with transaction.atomic():
        payments = _locked(company, fingerprints)
        rows = signable.shown(payments)
        _must_be_lawful(company, rows, user, permissions)
        told = signable.judged(limits.of(company=company, user=user, at=at, lock=True), rows)
        if any(why.code == policy.NOT_YOURS for why in told.refusals.values()):
            raise NotYours
        if told.refusals:
            raise OverLimit([row.payment.number for row in rows if row.payment.pk in told.refusals])
        _must_be_as_shown(rows, fingerprints)
        ceremony = _ceremony(company, user, rows, proof, at, evidence)
        _sign_all(ceremony, rows, told.in_place_of)
        _move_on(user, rows, at)
    return ceremony


def _locked(company: Company, wanted: Iterable[int]) -> list[Payment]:
    ids = moves.lock_groups(Payment, wanted)
    payments = list(
        Payment.objects.of(company)
        .filter(pk__in=ids)
        .select_related("agreement__account")
        .order_by("pk")
    )
    if len(payments) != len(set(wanted)):
        raise Changed([])
    return payments


def _must_be_lawful(
    company: Company, rows: list[signable.Shown], user: User, permissions: frozenset[Permission]
) -> None:
    """The policy's refusals as exceptions; the gravest first."""
    in_use, hands = services.in_use(company), signable.hands(company, user)
    refused: dict[str, list[str]] = {}
    for row in rows:
        refusal = policy.approving(
            row.payment,
            signers=[signature.user_id for signature in row.signed_by],
            user_id=user.pk,
            permissions=permissions,
            in_use=in_use,
            stops=row.stops,
            hand=hands[policy.approve_permission(row.payment)],
        )
        if refusal is not None:
            refused.setdefault(refusal.code, []).append(row.payment.number)
    if policy.NOT_YOURS in refused:
        raise NotYours
    if policy.SERVICE_OFF in refused:
        raise ServiceOff
    if policy.NOT_WAITING in refused:
        raise Changed(refused[policy.NOT_WAITING])
    if policy.NO_AGREEMENT in refused:
        raise NoAgreement(refused[policy.NO_AGREEMENT])
    if policy.STOPPED in refused:
        raise StoppedByCheck(refused[policy.STOPPED])
    if policy.ALREADY_SIGNED in refused:
        raise AlreadySigned(refused[policy.ALREADY_SIGNED])
    if policy.OWN in refused:
        raise EnteredByThemselves(refused[policy.OWN])


def _must_hold(permissions: frozenset[Permission], payments: list[Payment]) -> None:
    if any(policy.cancel_permission(payment) not in permissions for payment in payments):
        raise NotYours


def _must_be_as_shown(rows: list[signable.Shown], fingerprints: dict[int, str]) -> None:
    changed = [
        row.payment.number
        for row in rows
        if row.fingerprint() != fingerprints[row.payment.pk] or not row.lines
    ]
    if changed:
        raise Changed(changed)


def _ceremony(
    company: Company,
    user: User,
    rows: list[signable.Shown],
    proof: Proof,
    at: dt.datetime,
    evidence: dict[str, Any] | None,
) -> Ceremony:
    totals: dict[str, Decimal] = {}
    for row in rows:
        for currency, amount in row.totals.items():
            totals[currency] = totals.get(currency, Decimal(0)) + amount
    return Ceremony.objects.create(
        company=company,
        user=user,
        at=at,
        factor=proof.factor,
        device_id=proof.device_id,
        evidence=evidence,
        totals={currency: f"{amount:.2f}" for currency, amount in totals.items()},
        payment_count=len(rows),
        line_count=sum(row.lines for row in rows),
    )


def head(payment: Payment) -> digest.Head:
    """The payment's head as its digests bind it; the agreement and account must be loaded."""
    return checks.head_of(
        payment.agreement,
        payment.number,
        payment.kind,
        payment.due_date,
        urgent=payment.urgent,
    )


def _sign_all(
    ceremony: Ceremony, rows: list[signable.Shown], in_place_of: Mapping[int, int | None]
) -> None:
    made = []
    for row in rows:
        text = digest.statement(
            head=head(row.payment),
            root=bytes(row.payment.digest),
            covered=digest.Covered(row.lines, row.totals, row.excluded),
            signer_id=ceremony.user_id,
            signer=ceremony.user.email,
            at=ceremony.at,
        )
        made.append(
            Signature(
                company_id=row.payment.company_id,
                payment=row.payment,
                ceremony=ceremony,
                user_id=ceremony.user_id,
                signed_at=ceremony.at,
                statement=text,
                mac=digest.mac(text, key=settings.SIGNATURE_KEY),
                amount=row.totals.get(limits.HOME, Decimal(0)),
                in_place_of_id=in_place_of[row.payment.pk],
            )
        )
    try:
        with transaction.atomic():
            Signature.objects.bulk_create(made, batch_size=500)
    except IntegrityError as error:  # what _must_be_lawful saw has changed under it
        raise AlreadySigned([row.payment.number for row in rows]) from error


def _move_on(user: User, rows: list[signable.Shown], at: dt.datetime) -> None:
    """First of two signatures: partly approved. Enough of them: approved."""
    actor = actors.person(user)
    done: list[signable.Shown] = []
    first: list[signable.Shown] = []
    for row in rows:
        enough = len(row.signed_by) + 1 >= row.payment.agreement.approvers_required
        (done if enough else first).append(row)
    for chosen, change in ((first, lifecycle.SIGN_FIRST), (done, lifecycle.APPROVE)):
        ids = [row.payment.pk for row in chosen]
        if ids:
            open_lines = PaymentLine.objects.filter(
                payment_id__in=ids, status__in=[lifecycle.AWAITING, lifecycle.PARTLY]
            )
            expected = sum(row.lines for row in chosen)
            moves.move(open_lines, change, by=actor, at=at, within=ids, expected=expected)


def others(
    *, company: Company, payments: Sequence[Payment], but: Iterable[int], most: int
) -> list[str]:
    """Names of active users, but not these ids, who may approve every one of the payments: none
    whose limit at a time is below one of them, and none who entered one of them that others among
    its writers have approved, or that one approval is enough for."""
    able: list[User] | None = None
    for permission in {policy.approve_permission(payment) for payment in payments}:
        holders = grants.holders(company=company, permission=permission).exclude(pk__in=set(but))
        able = [user for user in holders if able is None or user in able]
    small = limits.too_small(company=company, users=able or [], payments=payments)
    signed = set(but)
    return [
        str(user)
        for user in able or []
        if user.pk not in small
        and not any(
            policy.alone(payment, {user.pk, *(signed & set(payment.entered_by))})
            for payment in payments
        )
    ][:most]


def authority_warnings(*, user: User, payments: Sequence[Payment]) -> list[Payment]:
    """Payments whose account the user holds no authority on at the bank, as we know it."""
    held = set(
        Authority.objects.filter(
            user=user, holds_authority=True, account_id__in={p.account_id for p in payments}
        ).values_list("account_id", flat=True)
    )
    return [payment for payment in payments if payment.account_id not in held]


@moves.retrying
def refuse(
    *,
    company: Company,
    user: User,
    permissions: frozenset[Permission],
    payment_ids: Sequence[int],
    reason: str,
    at: dt.datetime,
) -> int:
    """Refuses whole payments for good; answers how many lines. Raises NotYours, Changed."""
    with transaction.atomic():
        payments = _locked(company, payment_ids)
        return _depart(payments, lifecycle.REFUSE, actors.person(user), permissions, reason, at)


@moves.retrying
def cancel(
    *,
    company: Company,
    by: actors.Actor,
    permissions: frozenset[Permission] | None,
    payment_ids: Sequence[int],
    reason: str,
    at: dt.datetime,
    references: Sequence[str] = (),
) -> int:
    """Cancels payments, or only the lines named, before they are sent; answers how many lines.

    `permissions` None: an ERP, whose door has checked. Raises NotYours, Changed, and
    moves.Conflict when a line has been sent already.
    """
    with transaction.atomic():
        payments = _locked(company, payment_ids)
        return _depart(
            payments, lifecycle.CANCEL, by, permissions, reason, at, references=references
        )


def _depart(
    payments: list[Payment],
    change: Any,
    by: actors.Actor,
    permissions: frozenset[Permission] | None,
    reason: str,
    at: dt.datetime,
    *,
    references: Sequence[str] = (),
) -> int:
    """Ends lines that are not yet sent. Lines already final are left; sent ones are a conflict."""
    ids = [payment.pk for payment in payments]
    refusals = [policy.ending(payment, change, permissions=permissions) for payment in payments]
    if any(refusal and refusal.code == policy.NOT_YOURS for refusal in refusals):
        raise NotYours
    over = policy.over_for(change)
    wanted = PaymentLine.objects.filter(payment_id__in=ids).exclude(status__in=over)
    if references:
        wanted = wanted.filter(reference__in=list(references))
    expected = wanted.count()
    if not expected:
        raise Changed([payment.number for payment in payments])
    moved = moves.move(
        wanted,
        change,
        by=by,
        at=at,
        within=ids,
        expected=expected,
        detail={"reason": reason} if reason else None,
    )
    return moved.rows


@moves.retrying
def hold(
    *,
    company: Company,
    user: User,
    permissions: frozenset[Permission],
    payment_id: int,
    line_ids: Sequence[int],
    reason: str,
    at: dt.datetime,
) -> int:
    """Holds lines back; what remains keeps its signatures. Raises NotYours, moves.Conflict."""
    with transaction.atomic():
        payments = _locked(company, [payment_id])
        _must_hold(permissions, payments)
        return _one_by_one(lifecycle.HOLD, payment_id, line_ids, user, reason, at)


def _one_by_one(
    change: Any,
    payment_id: int,
    line_ids: Sequence[int],
    user: User,
    reason: str,
    at: dt.datetime,
) -> int:
    moved = moves.move(
        PaymentLine.objects.filter(payment_id=payment_id, pk__in=list(line_ids)),
        change,
        by=actors.person(user),
        at=at,
        within=[payment_id],
        expected=len(set(line_ids)),
        detail={"reason": reason} if reason else None,
    )
    return moved.rows


@moves.retrying
def cancel_lines(
    *,
    company: Company,
    user: User,
    permissions: frozenset[Permission],
    payment_id: int,
    line_ids: Sequence[int],
    reason: str,
    at: dt.datetime,
) -> int:
    """Cancels single lines before they are sent; the rest keeps its signatures."""
    with transaction.atomic():
        payments = _locked(company, [payment_id])
        _must_hold(permissions, payments)
        return _one_by_one(lifecycle.CANCEL, payment_id, line_ids, user, reason, at)


@moves.retrying
def release(
    *,
    company: Company,
    user: User,
    permissions: frozenset[Permission],
    payment_id: int,
    line_ids: Sequence[int],
    at: dt.datetime,
) -> int:
    """Lets held lines go on. Signatures that do not cover them are void; approve again.

    Raises PartlySent: then the line can only be cancelled, and paid by a new payment.
    """
    with transaction.atomic():
        payments = _locked(company, [payment_id])
        _must_hold(permissions, payments)
        rows = PaymentLine.objects.filter(payment_id=payment_id)
        if rows.exclude(status__in=lifecycle.AT_HOME).exists():
            raise PartlySent
        count = _one_by_one(lifecycle.RELEASE, payment_id, line_ids, user, "", at)
        void(payment_ids=[payment_id], by=actors.person(user), at=at, reason="released")
    return count


def void(*, payment_ids: Sequence[int], by: actors.Actor, at: dt.datetime, reason: str) -> int:
    """Voids the signatures on payments and sends approved lines back to awaiting approval.

    In the caller's transaction, with the payments locked.
    """
    voided = Signature.objects.filter(payment_id__in=list(payment_ids), voided_at=None).update(
        voided_at=at, void_reason=reason
    )
    signed = PaymentLine.objects.filter(
        payment_id__in=list(payment_ids), status__in=[lifecycle.PARTLY, lifecycle.APPROVED]
    )
    if signed.exists():
        moves.move(
            signed,
            lifecycle.UNSIGN,
            by=by,
            at=at,
            within=payment_ids,
            detail={"reason": reason},
        )
    return voided
