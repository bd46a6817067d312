"""Approve, refuse, hold, release, cancel: what people do to payments before they are sent.

Each act is all or nothing. Locks go payment, then line; a signature is bound to the payment's
digest as it stands under the lock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from payments import checks, digest, lifecycle, limits, policy, signable
from payments.models import Ceremony, Payment, PaymentLine, Signature
from payments.unsigned import (
    AlreadySigned,
    Changed,
    EnteredByThemselves,
    NoAgreement,
    NotSigned,
    NotYours,
    OverLimit,
    ServiceOff,
    StoppedByCheck,
)
from portal.access import actors
from portal.access.acting import Acting
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.access.secondfactor import SIGNING, Proof
from portal.events import moves

SUBJECT = "payment"
IN_ADVANCE = "in-advance"  # what a ceremony was proved with whose proof was given before


class WeakProof(Exception):
    """What was shown opens a session, but may sign no payment."""


class PartlySent(Exception):
    """The rest of the payment has gone to the bank, which takes a payment number only once."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is to be signed in one company: payment id → fingerprint, as the page showed it, and
    what a passkey said to just that."""

    acting: Acting
    fingerprints: Mapping[int, str]
    evidence: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """What came of signing in several companies: the ceremonies, each of one company and all of
    one `act`, and by company id why nothing was signed in the others."""

    act: str
    ceremonies: list[Ceremony]
    faults: dict[int, NotSigned]


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
    """Signs payments of one company, all or none. Raises WeakProof, a NotSigned, moves.Conflict."""
    part = Part(Acting(company, frozenset(), permissions), fingerprints, evidence)
    signed = sign_in_each(user=user, parts=[part], proof=proof, at=at)
    for fault in signed.faults.values():
        raise fault
    return signed.ceremonies[0]


@moves.retrying
def sign_in_each(
    *, user: User, parts: Sequence[Part], proof: Proof, at: dt.datetime, act: str = ""
) -> Signed:
    """Signs payments of several companies with one proof: of each all or none, and what stands in
    the way in one stops only that. A constant number of queries; run it while acting for them.

    Raises WeakProof, NotYours where the proof is another's, AlreadySigned and moves.Conflict.
    """
    if proof.factor not in SIGNING:
        raise WeakProof
    if proof.device is not None and proof.device.user_id != user.pk:
        raise NotYours
    with transaction.atomic():
        wanted = [pk for part in parts for pk in part.fingerprints]
        payments = found([part.acting.company for part in parts], wanted)
        shown = signable.by_company(signable.shown(payments))
        places = [part.acting for part in parts]
        rights = signable.rights(user=user, places=places, at=at, lock=True)
        ready: list[tuple[Part, list[signable.Shown]]] = []
        in_place_of: dict[int, int | None] = {}
        faults: dict[int, NotSigned] = {}
        for part in parts:
            pk = part.acting.company.pk
            try:
                in_place_of |= _lawful(part, shown.get(pk, []), rights[pk])
            except NotSigned as fault:
                faults[pk] = fault
            else:
                ready.append((part, shown[pk]))
        ceremonies = Ceremony.objects.bulk_create(
            [
                _ceremony(
                    part.acting.company,
                    user,
                    rows,
                    at=at,
                    act=act,
                    factor=proof.factor,
                    device_id=proof.device_id,
                    evidence=part.evidence,
                )
                for part, rows in ready
            ]
        )
        everything = [rows for _part, rows in ready]
        _sign_all(list(zip(ceremonies, everything, strict=True)), in_place_of)
        _move_on(user, [row for rows in everything for row in rows], at)
    return Signed(act, ceremonies, faults)


def sign_in_advance(
    *,
    company: Company,
    user: User,
    rows: list[signable.Shown],
    in_place_of: Mapping[int, int | None],
    evidence: dict[str, Any],
    at: dt.datetime,
) -> None:
    """Gives the approvals that the user has given before the payments came; `evidence` says where.
    In the caller's transaction, with the payments locked and the user's right to it seen to."""
    ceremony = _ceremony(
        company, user, rows, at=at, factor=IN_ADVANCE, device_id=0, evidence=evidence
    )
    ceremony.save()
    _sign_all([(ceremony, rows)], in_place_of)
    _move_on(user, rows, at, detail={"in_advance": True})


def _locked(company: Company, wanted: Iterable[int]) -> list[Payment]:
    payments = found([company], wanted)
    if len(payments) != len(set(wanted)):
        raise Changed
    return payments


def found(companies: Sequence[Company], wanted: Iterable[int]) -> list[Payment]:
    """Those of the payments that are the companies' own, locked."""
    ids = moves.lock_groups(Payment, wanted)
    rows = Payment.objects.filter(pk__in=ids, company__in=[company.pk for company in companies])
    return list(rows.select_related("agreement__account").order_by("pk"))


# What policy may refuse → what is raised, the gravest first.
REFUSED: dict[str, type[NotSigned]] = {
    policy.NOT_YOURS: NotYours,
    policy.SERVICE_OFF: ServiceOff,
    policy.NOT_WAITING: Changed,
    policy.NO_AGREEMENT: NoAgreement,
    policy.STOPPED: StoppedByCheck,
    policy.ALREADY_SIGNED: AlreadySigned,
    policy.OWN: EnteredByThemselves,
}


def _lawful(
    part: Part, rows: list[signable.Shown], rights: signable.Rights
) -> dict[int, int | None]:
    """In whose place each payment of one company is approved, by its id. Raises NotSigned where
    not all of it may be signed just as it was shown."""
    if {row.payment.pk for row in rows} != set(part.fingerprints):
        raise Changed
    refused: dict[str, list[str]] = {}
    for row in rows:
        refusal = rights.refusal(row)
        if refusal is not None:
            refused.setdefault(refusal.code, []).append(row.payment.number)
    for code, fault in REFUSED.items():
        if code in refused:
            raise fault(refused[code])
    told = signable.judged(rights.authority, rows)
    if any(why.code == policy.NOT_YOURS for why in told.refusals.values()):
        raise NotYours
    if told.refusals:
        raise OverLimit([row.payment.number for row in rows if row.payment.pk in told.refusals])
    _must_be_as_shown(rows, part.fingerprints)
    return told.in_place_of


def _must_hold(permissions: frozenset[Permission], payments: list[Payment]) -> None:
    if any(policy.cancel_permission(payment) not in permissions for payment in payments):
        raise NotYours


def _must_be_as_shown(rows: list[signable.Shown], fingerprints: Mapping[int, str]) -> None:
    changed = [
        row.payment.number
        for row in rows
        if row.fingerprint() != fingerprints[row.payment.pk] or not row.lines
    ]
    if changed:
        raise Changed(changed)


def _ceremony(
    company: Company, user: User, rows: list[signable.Shown], *, at: dt.datetime, **proved: Any
) -> Ceremony:
    """The act of signing these in one company; `proved` is with what."""
    totals: dict[str, Decimal] = {}
    for row in rows:
        for currency, amount in row.totals.items():
            totals[currency] = totals.get(currency, Decimal(0)) + amount
    return Ceremony(
        company=company,
        user=user,
        at=at,
        totals={currency: f"{amount:.2f}" for currency, amount in totals.items()},
        payment_count=len(rows),
        line_count=sum(row.lines for row in rows),
        **proved,
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
    signed: list[tuple[Ceremony, list[signable.Shown]]], in_place_of: Mapping[int, int | None]
) -> None:
    made = []
    pairs = [(ceremony, row) for ceremony, rows in signed for row in rows]
    for ceremony, row in pairs:
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
    except IntegrityError as error:  # what _lawful saw has changed under it
        raise AlreadySigned([row.payment.number for _ceremony, row in pairs]) from error


def _move_on(
    user: User,
    rows: list[signable.Shown],
    at: dt.datetime,
    detail: dict[str, Any] | None = None,
) -> None:
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
            moves.move(
                open_lines, change, by=actor, at=at, within=ids, expected=expected, detail=detail
            )


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
