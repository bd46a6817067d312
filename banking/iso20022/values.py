"""The plain values that the ISO 20022 readers and writers share; no parsing and no rules here.

Text that a message does not carry is the empty string, except a KID, which is None. Amounts are
Decimal exactly as written (trailing zeros kept). Times are always aware: a message that states no
offset is taken to mean Europe/Oslo. `unread` names ISO elements that were there and are not
carried, so that nothing a sender said is lost without a trace. Entries and their details are named
tuples because there is one of each for every line of a bank's day, and they are made many times
faster.
"""

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, NamedTuple

from banking.located import NOWHERE, Place

AccountKind = Literal["BBAN", "IBAN", "OTHER"]
DocumentKind = Literal["CINV", "CREN"]


@dataclass(frozen=True, slots=True)
class Account:
    """A bank account as written; scheme is the proprietary scheme of an OTHER account, if any."""

    kind: AccountKind
    number: str
    scheme: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """A person or organisation; identifiers are (scheme code, value), "BIC" and "LEI" included."""

    name: str = ""
    street: str = ""
    building: str = ""
    post_code: str = ""
    town: str = ""
    country: str = ""
    address_lines: tuple[str, ...] = ()
    identifiers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """An invoice (CINV) or credit note (CREN) paid by a transfer, each with its own KID."""

    kind: DocumentKind
    number: str
    amount: Decimal | None
    currency: str
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """One CdtTrfTxInf. position counts from 1 within its payment.

    payee_account is None where the message has none (money order, cheque). additional holds
    AddtlRmtInf. transfer_currency is set only where the amount was given as EqvtAmt: then amount
    and currency are what is debited. regulatory holds (code, text) of each RgltryRptg detail.
    """

    position: int
    instruction_id: str
    end_to_end_id: str
    amount: Decimal
    currency: str
    payee: Party
    payee_account: Account | None
    payee_bic: str
    clearing_id: str
    kid: str | None
    message: tuple[str, ...]
    documents: tuple[Document, ...]
    purpose: str
    place: Place
    clearing_system: str = ""
    additional: tuple[str, ...] = ()
    charge_bearer: str = ""
    service_level: str = ""
    category: str = ""
    transfer_currency: str = ""
    regulatory: tuple[tuple[str, str], ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Instruction:
    """The head of one PmtInf; number is PmtInfId, the payment number."""

    number: str
    execution_date: datetime.date
    debtor: Party
    debit_account: Account
    debit_currency: str
    debtor_bic: str
    category: str
    service_level: str
    priority: str
    batch_booking: bool | None
    charge_bearer: str
    declared_count: int | None
    declared_sum: Decimal | None
    place: Place
    method: str = "TRF"
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Initiation:
    """The GrpHdr of a pain.001; version is the two digits of the schema, as "09"."""

    message_id: str
    created_at: datetime.datetime
    declared_count: int
    declared_sum: Decimal | None
    initiator: Party
    authorisations: tuple[str, ...]
    version: str
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a status is what it is; code is "" where the bank gave text alone."""

    code: str
    proprietary: bool
    text: str


@dataclass(frozen=True, slots=True)
class ReportHead:
    """The GrpHdr of a pain.002; version is "" where the namespace names none.

    parties are (element, party) for those who are told of: InitgPty, DbtrAgt and the like.
    """

    message_id: str
    created_at: datetime.datetime | None
    version: str
    parties: tuple[tuple[str, Party], ...] = ()


@dataclass(frozen=True, slots=True)
class GroupStatus:
    """What a bank says of a whole pain.001; status is "" where it says nothing at this level."""

    original_message_id: str
    original_name: str
    status: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class PaymentStatus:
    """What a bank says of one PmtInf; status is "" where the block only holds transactions."""

    original_message_id: str
    number: str
    status: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class TransactionStatus:
    """What a bank says of one transfer; number is the payment it stands in, "" if not told."""

    number: str
    instruction_id: str
    end_to_end_id: str
    status: str
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Notification:
    """One Ntfctn (camt.054) or Stmt (camt.053) of an account; marks is the header's AddtlInf.

    created_at is the header's time where the part tells none. parties are (element, party) for
    the recipient (MsgRcpt) and the account's owner (Ownr) and bank (Svcr), where told.
    """

    message_id: str
    id: str
    account: Account | None
    currency: str
    created_at: datetime.datetime | None
    marks: str
    place: Place = NOWHERE
    parties: tuple[tuple[str, Party], ...] = ()

    @property
    def addressed(self) -> tuple[tuple[str, str], ...]:
        """(scheme, identifier) of the recipient."""
        found = [party.identifiers for role, party in self.parties if role == "MsgRcpt"]
        return found[0] if found else ()


@dataclass(frozen=True, slots=True)
class Balance:
    """One Bal of a statement; kind is its code, as OPBD, CLBD or ITBD."""

    kind: str
    amount: Decimal
    currency: str
    credit: bool
    date: datetime.date | None


class Entry(NamedTuple):
    """One Ntry; only status BOOK is money, and reversal undoes an earlier entry.

    status is the bank's code (BOOK, PDNG, INFO, or what else it wrote). batch_count and batch_sum
    are what the first Btch declares; batch_message_id and batch_payment_number name the payment
    that a batch without details settles. transaction_code is "PMNT/RCDT/DMCT" or the bank's own.
    text is AddtlNtryInf, told only where the entry has one detail at most.
    """

    amount: Decimal
    currency: str
    credit: bool
    status: str
    reversal: bool
    booking_date: datetime.date | None
    value_date: datetime.date | None
    bank_reference: str
    batch_count: int | None
    batch_sum: Decimal | None
    batch_message_id: str
    batch_payment_number: str
    transaction_code: str
    text: str
    place: Place


class EntryDetail(NamedTuple):
    """One TxDtls of the Entry before it.

    amount is in the account's currency where told; None where the bank tells none and the entry
    has other details too. instructed_amount and instructed_currency are what was ordered,
    exchange_rate what turned it into the booked amount. message holds the lines of free text,
    parted by line feeds. creditor_reference is a structured one of another type
    than the KID's, with its type before it.
    """

    bank_reference: str
    message_id: str
    payment_number: str
    instruction_id: str
    end_to_end_id: str
    amount: Decimal | None
    currency: str
    credit: bool
    counterparty_name: str
    counterparty_account: Account | None
    kid: str | None
    message: str
    return_reason: Reason | None
    place: Place
    documents: tuple[Document, ...] = ()
    instructed_amount: Decimal | None = None
    instructed_currency: str = ""
    exchange_rate: Decimal | None = None
    creditor_reference: str = ""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A declared total that the content does not add up to.

    kind is "batch-count", "batch-sum", "entry-sum", or for TxsSummry "entries-count",
    "entries-sum", "credits-count", "credits-sum", "debits-count", "debits-sum".
    """

    kind: str
    declared: Decimal
    found: Decimal
    place: Place


@dataclass(frozen=True, slots=True)
class Deviation:
    """A departure from the standard that did not stop the reading; code is a stable slug.

    Codes: namespace, no-header, no-reference, date, time, order.
    """

    code: str
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class CancelledTransfer:
    """One transfer that is asked to be cancelled; amount and date are those of the pain.001."""

    instruction_id: str
    end_to_end_id: str
    amount: Decimal | None = None
    currency: str = ""
    execution_date: datetime.date | None = None
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class CancelledPayment:
    """A payment of a pain.001, in whole (no transfers named) or some of its transfers.

    count and total are what is asked to be cancelled of it, None where not told.
    """

    message_id: str
    message_name: str
    number: str
    count: int | None
    total: Decimal | None
    whole: bool
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class CancellationRequest:
    """The head of a camt.055: who asks whom, and how much is asked about."""

    id: str
    created_at: datetime.datetime | None
    asker: Party
    asked_bic: str
    declared_count: int | None = None
    declared_sum: Decimal | None = None
    version: str = ""


@dataclass(frozen=True, slots=True)
class Resolution:
    """The head of a camt.029; case_id is the request's that it answers, confirmation its code.

    Codes of confirmation: CNCL cancelled, RJCR refused, PDCR waits, PECR in part, and others.
    """

    id: str
    created_at: datetime.datetime | None
    case_id: str
    confirmation: str
    reasons: tuple[Reason, ...] = ()
    version: str = ""


@dataclass(frozen=True, slots=True)
class CancellationStatus:
    """What became of a request, at one level.

    level is "group", "payment" or "transfer"; status ACCR, RJCR, PDCR or PACR, "" where it says
    nothing at this level.
    """

    level: Literal["group", "payment", "transfer"]
    request_id: str
    message_id: str
    number: str
    instruction_id: str
    end_to_end_id: str
    status: str
    reasons: tuple[Reason, ...]
    amount: Decimal | None = None
    currency: str = ""
