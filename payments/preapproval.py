"""Pre-approval: an invoice is approved before its payment comes, and the payment that matches it
exactly needs no further approval.

What people sign is the payee, the account, the amount and the KID or reference. It is used once: by
the first supplier payment all of whose lines are approved in advance. Those who have signed every
line of it have then approved the payment, as far as their roles and limits still let them; whatever
differs, and whatever a check takes for a payment made twice, waits for people as always.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import CharField, Exists, F, Func, OuterRef, QuerySet, Value
from django.db.models.functions import Lower

from banking import numbers
from banking.iso20022.values import Account
from payments import approval, checks, digest, guards, lifecycle, limits, policy, signable
from payments.models import Finding, Payment, PaymentLine, PreApproval, PreApprovalSignature
from portal import clock
from portal.access import grants, tenancy
from portal.access.acting import Acting
from portal.access.models import Company, User
from portal.access.roles import Permission, permissions_of
from portal.access.secondfactor import SIGNING, Proof
from portal.events import moves
from portal.people import changes, companies

log = logging.getLogger(__name__)

DAYS, DAYS_MAX = 90, 366
# What may mean that an invoice is paid twice: then a person looks, whatever was signed before.
TWICE = (guards.DUPLICATE, guards.NEAR_KID, guards.SISTER, guards.SPLIT)
# Of what else a line may say, that which changes neither who is paid nor what it costs.
HARMLESS = {"purpose"}


class Off(Exception):
    """The company has not chosen to approve before payments come."""


class Already(Exception):
    """Just this is approved in advance already, by `row`."""

    def __init__(self, row: PreApproval) -> None:
        super().__init__(str(row))
        self.row = row


class Waits(Exception):
    """The payment has come, and waits for approval: it is approved, and nothing in advance."""

    def __init__(self, payment: Payment) -> None:
        super().__init__(payment.number)
        self.payment = payment


class Gone(Exception):
    """It is used, ended or too old."""


@dataclass(frozen=True, slots=True)
class Invoice:
    """What is approved: `account` as normal_account has it, `kid` or `reference`, never both."""

    payee: str
    account: Account
    amount: Decimal
    currency: str
    kid: str
    reference: str
    valid_until: dt.date


def set_on(*, company: Company, on: bool, by: changes.By) -> bool:
    """Whether the company approves before payments come; answers whether that differs."""
    return companies.set_choice(company=company, field="pre_approval", on=on, by=by)


def make(*, company: Company, user: User, invoice: Invoice, at: dt.datetime) -> PreApproval:
    """A pre-approval that nobody has signed yet. Raises Off, Already and Waits."""
    if not company.pre_approval:
        raise Off
    row = PreApproval(
        company=company,
        payee_name=checks.as_sent(invoice.payee),
        payee_account=_domestic(invoice.account.kind, invoice.account.number),
        payee_account_kind=invoice.account.kind,
        amount=invoice.amount,
        currency=invoice.currency,
        kid=invoice.kid,
        reference=checks.as_sent(invoice.reference),
        valid_until=invoice.valid_until,
        made_by=user,
        made_at=at,
    )
    if row.payee_account != invoice.account.number:
        row.payee_account_kind = PaymentLine.AccountKind.BBAN
    payment = _waiting(row)
    if payment is not None:
        raise Waits(payment)
    # What is too old stands in nobody's way.
    standing(company=company).filter(valid_until__lt=_day(at)).update(ended_at=at)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        same = standing(company=company).filter(
            payee_account=row.payee_account,
            kid=row.kid,
            reference=row.reference,
            amount=row.amount,
            currency=row.currency,
        )
        found = same.first()
        if found is None:
            raise
        raise Already(found) from error
    return row


def standing(*, company: Company) -> QuerySet[PreApproval]:
    """Those that are neither used nor ended; some may be too old."""
    return PreApproval.objects.of(company).filter(line=None, ended_at=None)


def still_holds(row: PreApproval, *, at: dt.datetime) -> bool:
    """Whether a payment that comes now may use it, once it is signed."""
    return row.line_id is None and row.ended_at is None and row.valid_until >= _day(at)


def fingerprint(row: PreApproval) -> str:
    """What a page showed of it, in hex: changes with whatever is signed."""
    return hashlib.sha256(_words(row).encode()).hexdigest()


@moves.retrying
def sign(
    *,
    acting: Acting,
    user: User,
    pre_approval_id: int,
    shown: str,
    proof: Proof,
    at: dt.datetime,
    evidence: dict[str, Any] | None = None,
) -> PreApprovalSignature:
    """Approves an invoice in advance, just as it was `shown`. Raises Off, Gone, and as approving a
    payment does WeakProof, NotYours, ServiceOff, OverLimit, AlreadySigned and Changed."""
    if proof.factor not in SIGNING:
        raise approval.WeakProof
    if proof.device is not None and proof.device.user_id != user.pk:
        raise approval.NotYours
    if not acting.company.pre_approval:
        raise Off
    with transaction.atomic():
        rows = PreApproval.objects.of(acting.company).select_for_update()
        row = rows.filter(pk=pre_approval_id).first()
        if row is None or not still_holds(row, at=at):
            raise Gone
        _may_sign(acting, user, row, at)
        if fingerprint(row) != shown:
            raise approval.Changed
        if row.signatures.filter(user=user).exists():
            raise approval.AlreadySigned
        text = statement(row, user, at)
        return PreApprovalSignature.objects.create(
            company=acting.company,
            pre_approval=row,
            user=user,
            signed_at=at,
            factor=proof.factor,
            device_id=proof.device_id,
            evidence=evidence,
            statement=text,
            mac=digest.mac(text, key=settings.SIGNATURE_KEY),
        )


def _may_sign(acting: Acting, user: User, row: PreApproval, at: dt.datetime) -> None:
    """Raises what keeps the user from it; all of it is asked again when the payment comes."""
    rights = signable.rights(user=user, places=[acting], at=at, lock=True)[acting.company.pk]
    if not rights.in_use:
        raise approval.ServiceOff
    asked = limits.Asked(row.pk, Permission.APPROVE_SUPPLIER, {row.currency: row.amount})
    refusal = limits.judge(rights.authority, [asked]).refusals.get(row.pk)
    if refusal is not None and refusal.code == policy.NOT_YOURS:
        raise approval.NotYours
    if refusal is not None:
        raise approval.OverLimit([str(row)])


@moves.retrying
def end(*, company: Company, user: User, pre_approval_id: int, at: dt.datetime) -> None:
    """Ends it unused. Raises Gone."""
    with transaction.atomic():
        row = standing(company=company).select_for_update().filter(pk=pre_approval_id).first()
        if row is None:
            raise Gone
        row.ended_at, row.ended_by = at, user
        row.save(update_fields=["ended_at", "ended_by"])


def statement(row: PreApproval, user: User, at: dt.datetime) -> str:
    """The exact text that is signed."""
    signer = f"signer: {user.pk} {' '.join(user.email.split())}"
    return f"{_words(row)}\n{signer}\nat: {at.astimezone(dt.UTC).isoformat()}"


def _words(row: PreApproval) -> str:
    return digest.invoice(
        company=row.company_id,
        number=row.pk,
        payee=row.payee_name,
        account=f"{row.payee_account_kind} {row.payee_account}",
        amount=row.amount,
        currency=row.currency,
        kid=row.kid,
        reference=row.reference,
        valid_until=row.valid_until,
    )


@moves.retrying
def use(*, company: Company, payment_ids: Sequence[int], at: dt.datetime) -> int:
    """Approves those of the payments whose every line was approved in advance; answers how many
    got an approval by it. What holds one of them up leaves it waiting, and is no error."""
    if not company.pre_approval or not payment_ids:
        return 0
    with transaction.atomic():
        matched = _matched(company, payment_ids, at)
        if not matched:
            return 0
        signers = _signers(matched)
        done: set[int] = set()
        for user in _people(signers):
            wanted = [pk for pk, who in signers.items() if user.pk in who]
            done |= _signed_by(company, user, wanted, matched, at)
        used = [
            (line_id, row)
            for pk, pairs in matched.items()
            if pk in done
            for line_id, row in pairs.items()
        ]
        for line_id, row in used:
            row.line_id, row.used_at = line_id, at
        PreApproval.objects.bulk_update([row for _line, row in used], ["line", "used_at"])
    return len(done)


Matched = dict[int, dict[int, PreApproval]]  # payment id → line id → what it was approved by


def _matched(company: Company, payment_ids: Sequence[int], at: dt.datetime) -> Matched:
    """The payments that all of their lines match, locked with what they match."""
    signed = PreApprovalSignature.objects.filter(pre_approval=OuterRef("pk"))
    rows = standing(company=company).filter(Exists(signed), valid_until__gte=_day(at))
    accounts = set(rows.values_list("payee_account", flat=True))
    if not accounts:
        return {}
    found = _lines(company, payment_ids, accounts)
    if not found:
        return {}
    moves.lock_groups(Payment, list(found))
    rows = rows.filter(payee_account__in=list(accounts)).select_for_update(of=("self",))
    open_now: dict[tuple[Any, ...], PreApproval] = {}
    for row in rows.annotate(key=_payee_key()).order_by("pk"):
        what = (row.payee_account, row.amount, row.currency, row.kid, row.reference, row.key)
        open_now[what] = row
    matched: Matched = {}
    for pk, lines in found.items():
        pairs = {line: open_now[key] for line, key in lines.items() if key in open_now}
        if len(pairs) == len(lines) == len(set(lines.values())):
            matched[pk] = pairs
            for key in lines.values():
                del open_now[key]
    return matched


def _lines(
    company: Company, payment_ids: Sequence[int], accounts: set[str]
) -> dict[int, dict[int, tuple[Any, ...]]]:
    """Payment id → line id → what a pre-approval must say of it; of waiting payments to suppliers
    whose every line pays one of the accounts, and that look like nothing paid before."""
    twice = Finding.objects.filter(
        payment=OuterRef("pk"),
        code__in=TWICE,
        severity__in=[guards.STOP, guards.WARN],
        passed_at=None,
    )
    payments = dict(
        Payment.objects.of(company)
        .filter(
            pk__in=tenancy.ids(payment_ids),
            kind=Payment.Kind.SUPPLIER,
            urgent=False,
            status=lifecycle.AWAITING,
            account__tax_withholding=False,
        )
        .exclude(Exists(twice))
        .values_list("pk", "line_count")
    )
    known = [*accounts, *filter(None, map(_iban, accounts))]
    rows = PaymentLine.objects.filter(
        payment_id__in=tenancy.ids(payments), payee_account__in=known, status=lifecycle.AWAITING
    )
    found: dict[int, dict[int, tuple[Any, ...]]] = {}
    for line in rows.order_by("payment_id", "position"):
        key = _asked(line)
        if key is not None:
            found.setdefault(line.payment_id, {})[line.pk] = key
    return {pk: lines for pk, lines in found.items() if len(lines) == payments[pk]}


def _asked(line: PaymentLine) -> tuple[Any, ...] | None:
    """What a pre-approval must say to be this line's; None for one that says more than it can."""
    bank = line.payee_bic[4:6]
    abroad = bank not in ("", "NO") and line.payee_account_kind != PaymentLine.AccountKind.IBAN
    if abroad or set(line.extra or ()) - HARMLESS:
        return None
    kid, reference = line.kid, " ".join(line.message.split())
    if line.documents:
        if len(line.documents) > 1 or line.documents[0]["kind"] != "CINV" or reference:
            return None
        kid = kid or line.documents[0].get("kid") or ""
        reference = "" if kid else line.documents[0].get("number") or ""
    if not kid and not reference:
        return None
    account = _domestic(line.payee_account_kind, line.payee_account)
    return account, line.amount, line.currency, kid, reference, line.payee_key


def _payee_key() -> Func:
    """A pre-approval's payee as lines have it in `payee_key`."""
    return Func(
        Lower(F("payee_name")),
        Value("[^[:alnum:]]+"),
        Value(""),
        Value("g"),
        function="regexp_replace",
        output_field=CharField(),
    )


def _domestic(kind: str, number: str) -> str:
    """A Norwegian account the one way, whether it was written as IBAN or not."""
    return number[4:] if kind == "IBAN" and number.startswith("NO") else number


def _iban(number: str) -> str:
    """The IBAN of a Norwegian account; empty for all others."""
    try:
        return numbers.iban_of(number)
    except numbers.InvalidNumber:
        return ""


def _waiting(row: PreApproval) -> Payment | None:
    """A payment with a line that is just this, and that waits for approval."""
    both = [row.payee_account, _iban(row.payee_account) or row.payee_account]
    lines = PaymentLine.objects.of(row.company).filter(
        payee_account__in=both,
        amount=row.amount,
        currency=row.currency,
        status__in=[lifecycle.AWAITING, lifecycle.PARTLY],
        payment__kind=Payment.Kind.SUPPLIER,
    )
    for line in lines.select_related("payment").order_by("-pk")[:20]:
        asked = _asked(line)
        if asked is not None and asked[3:5] == (row.kid, row.reference):
            return line.payment
    return None


def _signers(matched: Matched) -> dict[int, dict[int, dt.datetime]]:
    """Payment id → the users who have signed every line of it in advance → when the last of these.

    A signature whose text is not what stands there now, or that was not made here, counts nothing.
    """
    rows = {row.pk: row for pairs in matched.values() for row in pairs.values()}
    signed: dict[int, dict[int, dt.datetime]] = {pk: {} for pk in rows}
    found = PreApprovalSignature.objects.filter(pre_approval__in=tenancy.ids(rows))
    for one in found.select_related("user"):
        row = rows[one.pre_approval_id]
        text = statement(row, one.user, one.signed_at)
        if text != one.statement or not digest.mac_holds(
            text, bytes(one.mac), key=settings.SIGNATURE_KEY
        ):
            log.error("pre_approval.broken", extra={"pre_approval": row.pk, "signature": one.pk})
            continue
        signed[row.pk][one.user_id] = one.signed_at
    return {
        pk: _in_all([signed[row.pk] for row in pairs.values()]) for pk, pairs in matched.items()
    }


def _in_all(parts: Sequence[Mapping[int, dt.datetime]]) -> dict[int, dt.datetime]:
    common = set(parts[0]).intersection(*parts[1:])
    return {user: max(part[user] for part in parts) for user in common}


def _people(signers: Mapping[int, Mapping[int, dt.datetime]]) -> Iterable[User]:
    """Who has signed anything in advance, the first to sign first."""
    first: dict[int, dt.datetime] = {}
    for who in signers.values():
        for user, at in who.items():
            first[user] = min(at, first.get(user, at))
    people = User.objects.in_bulk(list(first))
    return [people[pk] for pk in sorted(first, key=lambda pk: (first[pk], pk))]


def _signed_by(
    company: Company, user: User, payment_ids: Sequence[int], matched: Matched, at: dt.datetime
) -> set[int]:
    """Approves those of the payments that the user may approve now, by what they signed before."""
    roles = grants.roles_in(user=user, company=company) if user.is_active else frozenset()
    acting = Acting(company, roles, permissions_of(roles))
    payments = approval.found([company], payment_ids)
    rights = signable.rights(user=user, places=[acting], at=at, lock=True)
    able = signable.by(rights=rights, payments=signable.shown(payments))
    if not able:
        return set()
    used = {one.pk for row in able for one in matched[row.payment.pk].values()}
    approval.sign_in_advance(
        company=company,
        user=user,
        rows=able,
        in_place_of=signable.judged(rights[company.pk].authority, able).in_place_of,
        evidence={"pre_approvals": sorted(used)},
        at=at,
    )
    return {row.payment.pk for row in able}


def _day(at: dt.datetime) -> dt.date:
    return at.astimezone(clock.OSLO).date()
