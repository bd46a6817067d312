"""What is checked of each payment line before anybody signs, and what each fault means; pure.

A fault stops its line only. Amounts, decimals, totals and accounts to debit are not here: those
refuse the whole upload (payments.intake).
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from banking import numbers, profiles
from banking.iso20022 import characters
from banking.iso20022.values import Account, Instruction, Party, Transfer
from payments import digest, remittance, timing

if TYPE_CHECKING:
    from banking.models import BankAgreement

PAYEES_REMEMBERED = 4096  # the same payees come again and again; bounded, so memory is too
MESSAGE_MAX = 140
NAME_MAX = 140
KID_MAX = 35
# As the schema of pain.001 has it: what comes as JSON is held to the same.
BIC = re.compile(r"[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?")
DAYS_AHEAD_MAX = 365
OLD_FORMAT = "nets"
ZERO_DECIMALS = frozenset({"JPY", "ISK", "KRW"})
CURRENCIES = frozenset(
    [
        "NOK",
        "SEK",
        "DKK",
        "EUR",
        "USD",
        "GBP",
        "CHF",
        "JPY",
        "ISK",
        "PLN",
        "CZK",
        "HUF",
        "RON",
        "BGN",
        "CAD",
        "AUD",
        "NZD",
        "SGD",
        "HKD",
        "ZAR",
        "THB",
        "TRY",
        "ILS",
        "MXN",
        "CNY",
        "INR",
        "PHP",
        "MYR",
        "IDR",
        "KRW",
        "AED",
        "SAR",
    ]
)


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a line is stopped: a code of EXPLANATIONS, the field, and what stood there."""

    code: str
    field: str
    value: str = ""

    def stored(self) -> dict[str, str]:
        """As kept on the line and its Event."""
        return {"code": self.code, "field": self.field, "value": self.value[:140]}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A fault in words: what it is, what it means, and the cure."""

    title: Any
    meaning: Any
    cure: Any


EXPLANATIONS = {
    "payee-account-missing": Explanation(
        _("The payee has no account"),
        _("The line names no account to pay to."),
        _("Register the payee's account in the ERP and send a new payment."),
    ),
    "payee-account": Explanation(
        _("The payee's account number is wrong"),
        _("The account number fails its check digit, so the bank would reject it."),
        _("Ask the payee for the right account, correct it in the ERP and send a new payment."),
    ),
    "payee-name": Explanation(
        _("The payee has no name"),
        _("The bank needs the name of the payee."),
        _("Register the payee's name in the ERP and send a new payment."),
    ),
    "payee-name-too-long": Explanation(
        _("The payee's name is too long"),
        _("The bank carries at most 140 characters of a name, and the rest would be lost."),
        _("Shorten the payee's name in the ERP and send a new payment."),
    ),
    "kid": Explanation(
        _("The KID is wrong"),
        _("The KID fails its check digit, so the payee could not recognise the payment."),
        _(
            "Check the KID against the invoice. If the payee's account has no KID agreement, pay"
            " with a message instead. Correct it in the ERP and send a new payment."
        ),
    ),
    "kid-and-message": Explanation(
        _("Both KID and message"),
        _("A payment carries either a KID or a message, never both."),
        _("Remove the message in the ERP and send a new payment."),
    ),
    "message-too-long": Explanation(
        _("The message is too long"),
        _("The bank carries at most 140 characters, and the rest would be lost."),
        _("Shorten the message in the ERP and send a new payment."),
    ),
    "too-many-documents": Explanation(
        _("Too many invoices in one line"),
        _("The bank takes only so many invoices and credit notes to one payee in one line."),
        _("Split the line in the ERP and send a new payment."),
    ),
    "documents-sum": Explanation(
        _("The invoices do not add up"),
        _("Invoices less credit notes are not the amount of the line."),
        _("Correct the amounts in the ERP and send a new payment."),
    ),
    "payee-address": Explanation(
        _("The payee's address is missing"),
        _("The bank pays nobody abroad whose town and country it does not know."),
        _("Register the payee's town and country in the ERP and send a new payment."),
    ),
    "bic": Explanation(
        _("The BIC of the payee's bank is wrong"),
        _("A BIC has 8 or 11 letters and digits, with the country in the middle."),
        _("Ask the payee for the right BIC, correct it in the ERP and send a new payment."),
    ),
    "currency": Explanation(
        _("The currency cannot be paid"),
        _("The bank, or the portal, does not carry payments in this currency."),
        _("Pay in another currency, or in the net bank."),
    ),
    "due-date": Explanation(
        _("The due date cannot be used"),
        _("The date has passed, or lies more than a year ahead."),
        _("Choose another date in the ERP and send a new payment."),
    ),
    "cut-over": Explanation(
        _("Another agreement takes over before the due date"),
        _("The agreement of this account pays nothing that is due after its last day."),
        _(
            "Activate the agreement that takes over and send a new payment, choose an earlier date"
            " in the ERP, or move the last day under Agreements."
        ),
    ),
    "old-format": Explanation(
        _("The old format cannot carry the line"),
        _(
            "The agreement uses Direkte remittering, which carries Norwegian kroner to Norwegian"
            " accounts only, without salary, and invoices only with their KID."
        ),
        _("Convert the agreement to ISO 20022 and send a new payment, or pay in the net bank."),
    ),
    "salary-in-line": Explanation(
        _("Salary in a line of its own"),
        _("Salary is marked on the whole payment, so that only those who may see it do."),
        _("Mark the payment as salary (SALA) in the ERP, with salary lines only."),
    ),
    "not-carried": Explanation(
        _("The line says more than the bank would get"),
        _("It holds fields that the portal does not pass on, so the payment would be changed."),
        _("Leave the named fields out in the ERP, or pay this line in the net bank."),
    ),
    "on-word": Explanation(
        _("Settled on the bank's word"),
        _(
            "The bank says that the payment is carried out. No word of the booked debit comes on"
            " this agreement."
        ),
        _("Compare with the net bank where it matters."),
    ),
    "by-hand": Explanation(
        _("Set by hand"),
        _("In the old format the bank tells of settled payments only; a person has set the rest."),
        _("Compare with the net bank where it matters."),
    ),
    "file-not-made": Explanation(
        _("The bank file could not be made"),
        _("Something in the payment or the agreement does not fit the bank's format."),
        _("Correct what the text names, then approve the payment again."),
    ),
    "signature-broken": Explanation(
        _("Not what was signed"),
        _("The payment is no longer what was approved, so it was not sent."),
        _("Contact support at once; do not approve it again before they have looked."),
    ),
}


def explain(code: str) -> Explanation | None:
    """The words for a fault found here; None for a bank's code."""
    return EXPLANATIONS.get(code)


def faults_of_payment(
    instruction: Instruction, *, today: dt.date, last_day: dt.date | None = None
) -> list[Fault]:
    """Faults that stop every line of a payment; `last_day` is its agreement's, if it has one."""
    faults = []
    if not today <= instruction.execution_date <= today + dt.timedelta(days=DAYS_AHEAD_MAX):
        faults.append(Fault("due-date", "ReqdExctnDt", instruction.execution_date.isoformat()))
    elif timing.after_last_day(instruction.execution_date, last_day, today=today):
        faults.append(Fault("cut-over", "ReqdExctnDt", instruction.execution_date.isoformat()))
    if instruction.method != "TRF":
        faults.append(Fault("not-carried", "PmtMtd", instruction.method))
    if instruction.unread:
        faults.append(Fault("not-carried", "PmtInf", ", ".join(instruction.unread)))
    return faults


def faults_of_line(
    line: Transfer, agreement: BankAgreement | None = None, *, salary: bool = False
) -> list[Fault]:
    """Faults that stop this line, by the rules of the agreement's bank as its data file tells them;
    `salary` when its payment is marked as salary. The agreement's channel must be loaded."""
    faults: list[Fault] = []
    bank = profiles.of(agreement.channel.bank if agreement is not None else profiles.GENERAL)
    if agreement is not None and agreement.file_format == OLD_FORMAT:
        lacking = remittance.not_carried(line, salary=salary)
        faults.extend(Fault("old-format", name, value) for name, value in lacking)
    account = line.payee_account
    if account is None or not account.number:
        faults.append(Fault("payee-account-missing", "CdtrAcct"))
    elif normal_account(account) is None:
        faults.append(Fault("payee-account", "CdtrAcct", account.number))
    name = as_sent(line.payee.name)
    if not name.strip():
        faults.append(Fault("payee-name", "Cdtr/Nm"))
    elif len(name) > NAME_MAX:
        faults.append(Fault("payee-name-too-long", "Cdtr/Nm", line.payee.name))
    if line.kid is not None and not fits_kid(line.kid):
        faults.append(Fault("kid", "CdtrRefInf/Ref", line.kid))
    if line.message:
        if line.kid is not None:
            faults.append(Fault("kid-and-message", "RmtInf/Ustrd", line.message[0]))
        if sum(len(as_sent(text)) for text in line.message) > MESSAGE_MAX:
            faults.append(Fault("message-too-long", "RmtInf/Ustrd", line.message[0]))
    if line.documents:
        faults.extend(_faults_of_documents(line, bank.documents_max))
    faults.extend(_faults_abroad(line, bank))
    if line.currency not in (bank.currencies & CURRENCIES or CURRENCIES):
        faults.append(Fault("currency", "InstdAmt/@Ccy", line.currency))
    if line.category == "SALA" and not salary:
        faults.append(Fault("salary-in-line", "PmtTpInf/CtgyPurp", line.category))
    if line.transfer_currency:
        faults.append(Fault("not-carried", "EqvtAmt", line.transfer_currency))
    if line.unread:
        faults.append(Fault("not-carried", "CdtTrfTxInf", ", ".join(line.unread)))
    return faults


def _faults_abroad(line: Transfer, bank: profiles.BankProfile) -> list[Fault]:
    """What a bank that sends the money on needs to know of the payee and of its bank."""
    faults = []
    if line.payee_bic and not BIC.fullmatch(line.payee_bic):
        faults.append(Fault("bic", "CdtrAgt/BICFI", line.payee_bic))
    account, payee = line.payee_account, line.payee
    country = account.number[:2] if account is not None and account.kind == "IBAN" else ""
    country = country or line.payee_bic[4:6] or payee.country
    known = (payee.town and payee.country) or payee.address_lines
    if bank.address_abroad and country not in ("", "NO") and not known:
        faults.append(Fault("payee-address", "Cdtr/PstlAdr"))
    return faults


def _faults_of_documents(line: Transfer, most: int) -> list[Fault]:
    faults = []
    if len(line.documents) > most:
        faults.append(Fault("too-many-documents", "RmtInf/Strd", str(len(line.documents))))
    for document in line.documents:
        if document.kid is not None and not fits_kid(document.kid):
            faults.append(Fault("kid", "Strd/CdtrRefInf/Ref", document.kid))
    amounts = [
        document.amount if document.kind == "CINV" else -document.amount
        for document in line.documents
        if document.amount is not None
    ]
    if len(amounts) == len(line.documents) and sum(amounts) != line.amount:
        faults.append(Fault("documents-sum", "RmtInf/Strd", str(sum(amounts))))
    return faults


@functools.lru_cache(maxsize=PAYEES_REMEMBERED)
def normal_account(account: Account) -> str | None:
    """The account number without separators, or None when its check digits fail."""
    try:
        if account.kind == "BBAN":
            return numbers.account(account.number)
        if account.kind == "IBAN":
            return numbers.iban(account.number)
    except numbers.InvalidNumber:
        return None
    return account.number


def fits_kid(kid: str) -> bool:
    """Whether the KID fits a modulus; which one its payee uses is the bank's to know."""
    try:
        return bool(numbers.check_kid(kid))
    except numbers.InvalidNumber:
        return False


def decimals_of(currency: str) -> int:
    """How many decimals an amount in this currency may have."""
    return 0 if currency in ZERO_DECIMALS else 2


@functools.lru_cache(maxsize=PAYEES_REMEMBERED)
def as_sent(text: str) -> str:
    """A text as the bank will get it: other letters than banks carry are transliterated."""
    return characters.transliterate(text)


@functools.lru_cache(maxsize=PAYEES_REMEMBERED)
def address(payee: Party) -> dict[str, Any] | None:
    """The payee's address as it is stored and sent; None for none. Not to be changed."""
    found = {
        name: as_sent(text) if isinstance(text, str) else list(map(as_sent, text))
        for name in ("street", "building", "post_code", "town", "country", "address_lines")
        if (text := getattr(payee, name))
    }
    return found or None


def kept(line: Transfer, head: Instruction) -> dict[str, Any]:
    """The line's fields as they are stored, signed and sent.

    What is cut to its column here has a fault for being too long, and is never sent.
    """
    payee, account = line.payee, line.payee_account
    extra = {
        name: list(value) if isinstance(value, tuple) else value
        for name in ("purpose", "clearing_id", "clearing_system", "additional", "regulatory")
        if (value := getattr(line, name))
    }
    bearer = line.charge_bearer or head.charge_bearer
    if bearer:
        extra["charge_bearer"] = bearer
    documents = [
        {
            "kind": document.kind,
            "number": document.number,
            "amount": None if document.amount is None else str(document.amount),
            "currency": document.currency,
            "kid": document.kid,
        }
        for document in line.documents
    ]
    return {
        "position": line.position,
        "reference": line.end_to_end_id,
        "instruction_id": line.instruction_id,
        "amount": line.amount,
        "currency": line.currency,
        "payee_name": as_sent(payee.name)[:NAME_MAX],
        "payee_address": address(payee),
        "payee_account": (normal_account(account) or account.number) if account else "",
        "payee_account_kind": account.kind if account else "OTHER",
        "payee_bic": line.payee_bic,
        "kid": (line.kid or "")[:KID_MAX],
        "message": "\n".join(map(as_sent, line.message)),
        "documents": documents or None,
        "extra": extra or None,
    }


def head_of(
    agreement: BankAgreement, number: str, kind: str, due_date: dt.date, *, urgent: bool
) -> digest.Head:
    """What all lines of a payment share, as their digests bind it."""
    return digest.Head(
        agreement=f"{agreement.pk} {agreement.agreement_id}",
        account=agreement.account.number,
        number=number,
        kind=kind,
        due_date=due_date,
        urgent=urgent,
    )
