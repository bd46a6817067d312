"""Reads an upload into a staging table, line by line, and says what is wrong with it.

It stores no payment, and holds one line in memory at a time.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from banking import lifecycle as banking_lifecycle
from banking.iso20022.values import Initiation, Instruction, Transfer
from banking.located import Place
from banking.models import BankAccount, BankAgreement
from payments import checks, digest, jsonfile, staging
from payments.models import Payment
from portal.access.models import Company
from portal.erp.problems import Problem, Refused

NOT_PROVIDED = "NOTPROVIDED"
LINE_COLUMNS = (
    "position, reference, instruction_id, amount, currency, payee_name, payee_address,"
    " payee_account, payee_account_kind, payee_bic, kid, message, documents, extra"
)
STAGED = {"payment_index": "int"} | dict.fromkeys(LINE_COLUMNS.split(", "), "text")
STAGED |= {"position": "int", "amount": "numeric(18, 2)", "reasons": "jsonb"}
STAGED |= dict.fromkeys(("payee_address", "documents", "extra"), "jsonb")


@dataclass(slots=True)
class ReadPayment:
    """A payment while its lines stream by."""

    instruction: Instruction
    agreement: BankAgreement | None
    tree: digest.Tree | None
    faults: list[checks.Fault]
    lines: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    references: set[str] = field(default_factory=set)
    stopped: list[dict[str, Any]] = field(default_factory=list)


class Reading:
    """Validates values as they stream by and writes good and stopped lines to the staging table."""

    def __init__(self, *, company: Company, today: dt.date) -> None:
        self.company = company
        self.today = today
        self.payments: list[ReadPayment] = []
        self.problems: list[Problem] = []
        self.more = 0
        self.message_id = ""
        self.numbers: dict[str, Place] = {}
        self.accounts = _accounts(company)
        # Nothing can be asked of the database while lines stream into it: what faults tell of is
        # known before.
        rows = BankAgreement.objects.of(company).order_by("pk")
        self.latest: dict[int, int] = dict(rows.values_list("account_id", "pk"))
        self.lines = 0

    def read(self, values: Iterable[Initiation | Instruction | Transfer]) -> None:
        staging.fill("intake_line", STAGED, self._rows(values))

    def _rows(
        self, values: Iterable[Initiation | Instruction | Transfer]
    ) -> Iterator[tuple[Any, ...]]:
        current: ReadPayment | None = None
        for value in values:
            if isinstance(value, Transfer):
                if current is None:
                    raise AssertionError("a transfer before its payment")
                self.lines += 1
                if self.lines > settings.UPLOAD_MAX_LINES:
                    self._too_many(value.place)
                row = self._line(current, value)
                if not self.problems:  # else nothing will be stored, and it may not fit the table
                    yield row
            elif isinstance(value, Instruction):
                current = self._payment(value)
            else:
                self.message_id = value.message_id

    def _too_many(self, place: Place) -> None:
        raise Refused(
            status=422,
            title=_("The file cannot be taken"),
            problems=[
                Problem(
                    "too-many-lines",
                    _at(place),
                    _("The file has more than %(limit)s lines.")
                    % {"limit": settings.UPLOAD_MAX_LINES},
                    _("Split the payments over several uploads."),
                )
            ],
        )

    def _refuse(self, code: str, place: str, problem: str, cure: str) -> None:
        if len(self.problems) < settings.UPLOAD_MAX_FAULTS_TOLD:
            self.problems.append(Problem(code, place, problem, cure))
        else:
            self.more += 1

    def _payment(self, head: Instruction) -> ReadPayment:
        agreement = self._agreement(head)
        if head.number in self.numbers:
            self._refuse(
                "duplicate-number",
                _at(head.place, "PmtInfId"),
                _("The payment number %(number)s stands twice in the file.")
                % {"number": head.number},
                _("Give each payment a number of its own."),
            )
        self._printable(head.number, _at(head.place, "PmtInfId"))
        self.numbers[head.number] = head.place
        tree = None
        if agreement is not None:
            tree = digest.Tree(
                checks.head_of(
                    agreement,
                    head.number,
                    kind(head),
                    head.execution_date,
                    urgent=urgent(head),
                )
            )
        last_day = agreement.cut_over_date if agreement is not None else None
        faults = checks.faults_of_payment(head, today=self.today, last_day=last_day)
        payment = ReadPayment(head, agreement, tree, faults)
        self.payments.append(payment)
        return payment

    def _printable(self, name: str, place: str) -> None:
        """A name with a line end in it could pass for another where one stands on each line."""
        if not name.isprintable():
            self._refuse(
                "characters",
                place,
                _("The name %(name)s holds characters that cannot be printed.")
                % {"name": repr(name)},
                _("Use letters, digits and signs on one line."),
            )

    def _agreement(self, head: Instruction) -> BankAgreement | None:
        account = head.debit_account.number.replace(" ", "").replace(".", "")
        known, agreement = self.accounts.get(account, (None, None))
        if known is None:
            self._refuse(
                "unknown-account",
                _at(head.place, "DbtrAcct"),
                _("The account %(account)s is not registered for %(company)s.")
                % {"account": head.debit_account.number, "company": self.company.name},
                _("Check the account in the ERP, or register an agreement for it."),
            )
        elif agreement is None:
            self._refuse(
                "agreement-not-active",
                _at(head.place, "DbtrAcct"),
                _("No agreement is active for the account %(account)s.")
                % {"account": head.debit_account.number},
                _("Activate the agreement under Agreements: %(address)s")
                % {"address": self._address_of_agreement(known)},
            )
        elif not agreement.remittance:
            self._refuse(
                "agreement-without-payments",
                _at(head.place, "DbtrAcct"),
                _("The agreement for the account %(account)s is not for payments.")
                % {"account": head.debit_account.number},
                _("Choose another account in the ERP, or order payments from the bank for it."),
            )
            return None
        return agreement

    def _address_of_agreement(self, account: BankAccount) -> str:
        """Where the latest agreement on the account can be activated; all, where it has none."""
        one = f"{self.latest[account.pk]}/" if account.pk in self.latest else ""
        return f"{settings.BASE_URL}/c/{self.company.public_id}/agreements/{one}"

    def _line(self, payment: ReadPayment, line: Transfer) -> tuple[Any, ...]:
        self._amount(line)
        reference = line.end_to_end_id
        if not reference or reference == NOT_PROVIDED or reference in payment.references:
            self._refuse(
                "reference",
                _at(line.place, "PmtId/EndToEndId"),
                _("The reference «%(reference)s» is missing or stands twice in the payment.")
                % {"reference": reference},
                _("Give each line a reference (EndToEndId) of its own."),
            )
        self._printable(reference, _at(line.place, "PmtId/EndToEndId"))
        payment.references.add(reference)
        payment.lines += 1
        payment.sums[line.currency] = payment.sums.get(line.currency, Decimal(0)) + line.amount
        kept = checks.kept(line, payment.instruction)
        if payment.tree is not None:
            payment.tree.add(digest.canonical(**kept))
        faults = payment.faults + checks.faults_of_line(
            line, payment.agreement, salary=kind(payment.instruction) == Payment.Kind.SALARY
        )
        reasons = None
        if faults:
            reasons = json.dumps([fault.stored() for fault in faults])
            payment.stopped.extend(_stopped(line, fault) for fault in faults)
        return (
            len(self.payments) - 1,
            kept["position"],
            reference,
            kept["instruction_id"],
            line.amount,
            line.currency,
            kept["payee_name"],
            _json(kept["payee_address"]),
            kept["payee_account"],
            kept["payee_account_kind"],
            kept["payee_bic"],
            kept["kid"],
            kept["message"],
            _json(kept["documents"]),
            _json(kept["extra"]),
            reasons,
        )

    def _amount(self, line: Transfer) -> None:
        places = -int(line.amount.as_tuple().exponent)
        allowed = checks.decimals_of(line.currency)
        if line.amount <= 0:
            self._refuse(
                "amount",
                _at(line.place, "Amt/InstdAmt"),
                _("The amount %(amount)s is not above zero.") % {"amount": line.amount},
                _("Leave the line out, or net credit notes so that the line is positive."),
            )
        elif places > allowed and line.amount != round(line.amount, allowed):
            self._refuse(
                "decimals",
                _at(line.place, "Amt/InstdAmt"),
                _("The amount %(amount)s has more decimals than %(currency)s has.")
                % {"amount": line.amount, "currency": line.currency},
                _("Round the amount in the ERP."),
            )
        elif line.amount >= Decimal(10) ** 15:
            self._refuse(
                "amount",
                _at(line.place, "Amt/InstdAmt"),
                _("The amount %(amount)s is larger than any bank carries.")
                % {"amount": line.amount},
                _("Correct the amount in the ERP."),
            )

    def refuse_if_faulty(self) -> None:
        """Raises Refused when anything was found that refuses the whole upload."""
        if not self.payments and not self.problems:
            self._refuse(
                "empty",
                "payments",
                _("The file holds no payments."),
                _("Choose payments in the ERP."),
            )
        taken = (
            Payment.objects.of(self.company)
            .filter(number__in=list(self.numbers))
            .order_by("number")
            .values_list("number", flat=True)[: settings.UPLOAD_MAX_FAULTS_TOLD]
        )
        for number in taken:
            self._refuse(
                "duplicate-number",
                _at(self.numbers[number], "PmtInfId"),
                _("The payment %(number)s was uploaded before.") % {"number": number},
                _("Ask for its status; to pay again, make a new payment with a new number."),
            )
        if self.problems:
            raise Refused(
                status=422,
                title=_("The file cannot be taken"),
                problems=self.problems,
                more=self.more,
            )


def _accounts(company: Company) -> dict[str, tuple[BankAccount, BankAgreement | None]]:
    """The company's accounts by BBAN and IBAN, each with its active agreement."""
    active = {
        agreement.account_id: agreement
        for agreement in BankAgreement.objects.of(company)
        .filter(status=banking_lifecycle.ACTIVE)
        .select_related("account", "channel")
    }
    known: dict[str, tuple[BankAccount, BankAgreement | None]] = {}
    for account in BankAccount.objects.of(company):
        for name in filter(None, (account.number, account.iban)):
            known[name] = (account, active.get(account.pk))
    return known


def urgent(head: Instruction) -> bool:
    return head.service_level == "URGP"


def kind(head: Instruction) -> str:
    return Payment.Kind.SALARY if head.category == "SALA" else Payment.Kind.SUPPLIER


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value)


def _at(place: Place, field: str = "") -> str:
    """A place in words of the format that was sent; `field` is an ISO path inside it."""
    if jsonfile.is_path(place.path):
        return ".".join(filter(None, (place.path, jsonfile.name_of(field))))
    path = "/".join(filter(None, (place.path, field)))
    return f"line {place.line}, {path}" if place.line else path


def _stopped(line: Transfer, fault: checks.Fault) -> dict[str, Any]:
    words = checks.EXPLANATIONS[fault.code]
    return {
        "reference": line.end_to_end_id,
        "code": fault.code,
        "field": jsonfile.name_of(fault.field)
        if jsonfile.is_path(line.place.path)
        else fault.field,
        "place": _at(line.place),
        "problem": f"{words.title}: {fault.value}" if fault.value else str(words.title),
        "cure": str(words.cure),
    }
