"""From approved to lying with the bank: the file is made and stored in one transaction, then
delivered outside any; what was signed is recomputed, and what differs is not sent.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import structlog
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Count, F, Sum

from banking import filestore, outbox, profiles, stops
from banking import lifecycle as banking_lifecycle
from banking.iso20022 import pain001
from banking.iso20022.values import Account, Document, Initiation, Instruction, Party, Transfer
from banking.located import InvalidOutput, Place
from banking.models import Authority, BankAgreement, BankFile
from payments import approval, digest, lifecycle
from payments.models import Payment, PaymentLine, Signature
from portal import clock, faults
from portal.access import actors
from portal.access.models import Company
from portal.events import moves

log = structlog.get_logger(__name__)
NOWHERE = Place(0, "")
Key = tuple[int, str, tuple[int, ...]]
BATCH = 5000
FIELDS = (
    "position",
    "reference",
    "instruction_id",
    "amount",
    "currency",
    "payee_name",
    "payee_address",
    "payee_account",
    "payee_account_kind",
    "payee_bic",
    "kid",
    "message",
    "documents",
    "extra",
)


class NotAsSigned(Exception):
    """These payments are not what was approved; none of their lines may be sent."""

    def __init__(self, broken: dict[int, str]) -> None:
        super().__init__(str(broken))
        self.broken = broken


@dataclass(slots=True)
class _Check:
    """Recomputes, while a payment's lines stream by, what its signatures must have said."""

    payment: Payment
    signatures: list[Signature]
    tree: digest.Tree
    left_out: dict[int, tuple[int, ...]]
    lines: int = 0
    totals: dict[str, Decimal] = field(default_factory=dict)
    apart: dict[int, tuple[str, Decimal]] = field(default_factory=dict)
    unsigned: list[int] = field(default_factory=list)

    def add(self, row: dict[str, Any], *, sent: bool) -> None:
        self.tree.add(digest.canonical(**row))
        self.lines += 1
        currency, amount, position = row["currency"], row["amount"], row["position"]
        self.totals[currency] = self.totals.get(currency, Decimal(0)) + amount
        for excluded in self.left_out.values():
            if position in excluded:
                self.apart[position] = (currency, amount)
                if sent:
                    self.unsigned.append(position)

    def fault(self) -> str:
        """Why the payment may not be sent; empty when all holds."""
        if self.unsigned:
            return "a line that was left out of a signature"
        root = self.tree.root()
        for signature in self.signatures:
            text = digest.statement(
                head=approval.head(self.payment),
                root=root,
                covered=self._covered(self.left_out[signature.pk]),
                signer_id=signature.user_id,
                signer=signature.user.email,
                at=signature.signed_at,
            )
            if text != signature.statement:
                return "the payment differs from the signed statement"
            if not digest.mac_holds(text, bytes(signature.mac), key=settings.SIGNATURE_KEY):
                return "the signature's MAC does not hold"
        needed = self.payment.agreement.approvers_required
        if len({signature.user_id for signature in self.signatures}) < needed:
            return "too few different people have signed"
        return ""

    def _covered(self, excluded: tuple[int, ...]) -> digest.Covered:
        totals = dict(self.totals)
        for position in excluded:
            if position in self.apart:
                currency, amount = self.apart[position]
                totals[currency] -= amount
        used = {currency: amount for currency, amount in totals.items() if amount}
        return digest.Covered(self.lines - len(excluded), used, excluded)


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
    rows = rows.exclude(agreement__cut_over_date__lt=F("due_date"))
    groups: dict[Key, list[int]] = defaultdict(list)
    for pk, key in _keys(list(rows)).items():
        groups[key].append(pk)
    return list(groups.values())


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
        except NotAsSigned as found:
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
        if agreement.status != banking_lifecycle.ACTIVE:
            log.warning("sending.agreement_not_active", agreement=agreement.pk)
            return None
        at = clock.now()
        file_id = filestore.draw_id()
        writing = _Writing(company, agreement, payments)
        writing.write(content, message_id=outbox.message_id(file_id), at=at)
        faults.point("sending.written")
        file = outbox.store(
            file_id=file_id,
            agreement=agreement,
            kind=agreement.pain_version,
            salary=payments[0].kind == Payment.Kind.SALARY,
            content=content,
            transactions=writing.count,
            totals={currency: f"{amount:.2f}" for currency, amount in writing.sums.items()},
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
            expected=writing.count,
            detail={"file": file.name, "message_id": file.message_id},
        )
        faults.point("sending.before_commit")
    faults.point("sending.stored")
    return file_id


class _Writing:
    """One file while it is written: its payments, their checks, counts and sums."""

    def __init__(self, company: Company, agreement: BankAgreement, payments: list[Payment]) -> None:
        self.company, self.agreement, self.payments = company, agreement, payments
        self.profile = profiles.of(self.agreement.channel.bank)
        self.sums: dict[str, Decimal] = {}
        self.count = 0
        self._per_payment: dict[int, tuple[int, Decimal]] = {}
        self._count_lines()
        signatures: dict[int, list[Signature]] = defaultdict(list)
        for signature in (
            Signature.objects.filter(payment__in=payments, voided_at=None)
            .select_related("user")
            .order_by("pk")
        ):
            signatures[signature.payment_id].append(signature)
        self.signers = [s.user_id for s in signatures[payments[0].pk]]
        self.checks = {
            payment.pk: _Check(
                payment,
                signatures[payment.pk],
                digest.Tree(approval.head(payment)),
                {s.pk: digest.left_out(s.statement) for s in signatures[payment.pk]},
            )
            for payment in payments
        }

    def _count_lines(self) -> None:
        rows = (
            PaymentLine.objects.filter(payment__in=self.payments, status=lifecycle.APPROVED)
            .values("payment_id", "currency")
            .annotate(sum=Sum("amount"), n=Count("pk"))
            .order_by()
        )
        for row in rows:
            count, total = self._per_payment.get(row["payment_id"], (0, Decimal(0)))
            self._per_payment[row["payment_id"]] = (count + row["n"], total + row["sum"])
            self.sums[row["currency"]] = self.sums.get(row["currency"], Decimal(0)) + row["sum"]
            self.count += row["n"]

    def write(self, content: Any, *, message_id: str, at: dt.datetime) -> None:
        """Writes the file and holds it to the schema; raises NotAsSigned."""
        version = self.agreement.pain_version[-2:]
        initiation = Initiation(
            message_id=message_id,
            created_at=at.astimezone(clock.OSLO).replace(microsecond=0),
            declared_count=self.count,
            declared_sum=sum(self.sums.values(), Decimal(0)),
            initiator=Party(
                name=self.company.name,
                identifiers=self.profile.placed("InitgPty", self.agreement.identifiers),
            ),
            authorisations=self._identities(),
            version=version,
        )
        pain001.write(
            content,
            initiation=initiation,
            payments=self._payments(),
            version=version,
            profile=self.profile.switches,
        )
        broken = {pk: fault for pk, check in self.checks.items() if (fault := check.fault())}
        if broken:
            raise NotAsSigned(broken)
        content.seek(0)
        pain001.check_schema(content, version=version)

    def _identities(self) -> tuple[str, ...]:
        """The signers as the bank knows them, in the order in which they signed."""
        known = dict(
            Authority.objects.filter(
                account_id=self.agreement.account_id, user_id__in=self.signers
            ).values_list("user_id", "bank_identity")
        )
        return tuple(known[user] for user in self.signers if user in known)[:2]

    def _payments(self) -> Iterator[tuple[Instruction, Iterator[Transfer]]]:
        for payment in self.payments:
            yield self._instruction(payment), self._transfers(payment)

    def _instruction(self, payment: Payment) -> Instruction:
        count, total = self._per_payment[payment.pk]
        salary = payment.kind == Payment.Kind.SALARY
        return Instruction(
            number=payment.number,
            execution_date=payment.due_date,
            debtor=Party(
                name=self.company.name,
                post_code=self.company.postal_code,
                town=self.company.city,
                country="NO",
                identifiers=self.profile.placed("Dbtr", self.agreement.identifiers),
            ),
            debit_account=Account("BBAN", payment.account.number),
            debit_currency=payment.account.currency,
            debtor_bic=payment.account.bic,
            category="SALA" if salary else "SUPP",
            service_level="URGP" if payment.urgent else "NURG",
            priority="NORM",
            batch_booking=salary,
            charge_bearer="",
            declared_count=count,
            declared_sum=total,
            place=NOWHERE,
        )

    def _transfers(self, payment: Payment) -> Iterator[Transfer]:
        """Every line is recomputed; those that are approved are sent."""
        check = self.checks[payment.pk]
        rows = (
            PaymentLine.objects.filter(payment=payment)
            .order_by("position")
            .values_list("status", *FIELDS)
            .iterator(chunk_size=BATCH)
        )
        for status, *values in rows:
            row = dict(zip(FIELDS, values, strict=True))
            sent = status == lifecycle.APPROVED
            check.add(row, sent=sent)
            if sent:
                yield transfer_of(row)


def transfer_of(row: dict[str, Any]) -> Transfer:
    """A stored line as the codec writes it; `row` holds FIELDS."""
    address, extra = row["payee_address"] or {}, row["extra"] or {}
    account = Account(row["payee_account_kind"], row["payee_account"])
    return Transfer(
        position=row["position"],
        instruction_id=row["instruction_id"] or str(row["position"]),
        end_to_end_id=row["reference"],
        amount=row["amount"],
        currency=row["currency"],
        payee=Party(
            name=row["payee_name"],
            street=address.get("street", ""),
            building=address.get("building", ""),
            post_code=address.get("post_code", ""),
            town=address.get("town", ""),
            country=address.get("country", ""),
            address_lines=tuple(address.get("address_lines", ())),
        ),
        payee_account=account,
        payee_bic=row["payee_bic"],
        clearing_id=extra.get("clearing_id", ""),
        clearing_system=extra.get("clearing_system", ""),
        kid=row["kid"] or None,
        message=tuple(row["message"].split("\n")) if row["message"] else (),
        documents=tuple(_document(document) for document in row["documents"] or ()),
        purpose=extra.get("purpose", ""),
        place=NOWHERE,
        additional=tuple(extra.get("additional", ())),
        charge_bearer=extra.get("charge_bearer", ""),
        regulatory=tuple((code, text) for code, text in extra.get("regulatory", ())),
    )


def _document(row: dict[str, Any]) -> Document:
    amount = row["amount"]
    return Document(
        kind=row["kind"],
        number=row["number"],
        amount=None if amount is None else Decimal(amount),
        currency=row["currency"],
        kid=row["kid"],
    )


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
            moves.record(
                company_id=company.pk,
                event=event,
                subject="payment",
                subject_id=payment.pk,
                group_id=payment.pk,
                number=payment.number,
                salary=payment.kind == Payment.Kind.SALARY,
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
    faults.point("upload.recorded")


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
