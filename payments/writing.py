"""One bank file while it is written: its payments' lines stream by, and what was signed is
recomputed on the way. It stores nothing.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Sum

from banking import profiles
from banking.iso20022 import pain001
from banking.iso20022.values import Account, Document, Initiation, Instruction, Party, Transfer
from banking.located import NOWHERE, InvalidOutput
from banking.models import Authority, BankAgreement
from banking.nets import reader as nets_reader
from banking.nets import remittance as nets_remittance
from banking.nets import values as nets
from payments import approval, digest, lifecycle, policy, remittance, timing
from payments.models import Payment, PaymentLine, Signature
from portal import clock
from portal.access.models import Company

BATCH = 5000
CENTRE = "00008080"  # Nets, to whom the old format is addressed
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
        if policy.alone(self.payment, {signature.user_id for signature in self.signatures}):
            return "only those who entered it have signed"
        return ""

    def _covered(self, excluded: tuple[int, ...]) -> digest.Covered:
        totals = dict(self.totals)
        for position in excluded:
            if position in self.apart:
                currency, amount = self.apart[position]
                totals[currency] -= amount
        used = {currency: amount for currency, amount in totals.items() if amount}
        return digest.Covered(self.lines - len(excluded), used, excluded)


class Writing:
    """One file while it is written: its payments, their checks, counts and sums."""

    def __init__(
        self,
        company: Company,
        agreement: BankAgreement,
        payments: list[Payment],
        *,
        today: dt.date,
    ) -> None:
        self.today = today
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
        self._raise_if_broken()
        content.seek(0)
        pain001.check_schema(content, version=version)

    def _raise_if_broken(self) -> None:
        broken = {pk: fault for pk, check in self.checks.items() if (fault := check.fault())}
        if broken:
            raise NotAsSigned(broken)

    def write_old(self, content: Any, *, number: int) -> None:
        """Writes Direkte remittering and reads it back, as no schema holds it; NotAsSigned."""
        nets_remittance.write(
            content,
            transmission=nets.Transmission(
                sender=self.agreement.customer_number,
                number=f"{number % 10**7:07d}",
                recipient=CENTRE,
            ),
            assignments=(
                (
                    nets.Assignment(
                        service=nets.REMITTANCE,
                        type="00",
                        agreement=self.agreement.agreement_id,
                        number=f"{payment.pk % 10**7:07d}",
                        account=payment.account.number,
                    ),
                    (
                        remittance.order(
                            row,
                            payment_id=payment.pk,
                            due_date=timing.asked(payment.due_date, today=self.today),
                        )
                        for row in self._rows(payment)
                    ),
                )
                for payment in self.payments
            ),
        )
        self._raise_if_broken()
        content.seek(0)
        read = sum(isinstance(value, nets.Order) for value in nets_reader.read(content))
        if read != self.count:
            raise InvalidOutput(
                code="totals",
                problem=f"{self.count} orders were to be written, {read} were.",
                place=NOWHERE,
            )

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
            execution_date=timing.asked(payment.due_date, today=self.today),
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
        return map(transfer_of, self._rows(payment))

    def _rows(self, payment: Payment) -> Iterator[dict[str, Any]]:
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
                yield row


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
