"""The plain values of Nets files; no parsing and no rules here.

Amounts are Decimal kroner with two decimals, always positive; a reversal says so beside it. Text
that a record does not carry is the empty string, except a KID, which is None.
"""

import datetime
from dataclasses import dataclass
from decimal import Decimal

from banking.located import NOWHERE, Place

OCR_GIRO, REMITTANCE, AVTALEGIRO = "09", "04", "21"


@dataclass(frozen=True, slots=True)
class Transmission:
    """Record 10: who sent the file, its number, and for whom it is."""

    sender: str
    number: str
    recipient: str
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Assignment:
    """Record 20: one service and account; account is "" where the service has none."""

    service: str
    type: str
    agreement: str
    number: str
    account: str
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Receipt:
    """An OCR giro transaction: money that came in (or, as a reversal, went out again).

    type is "10" giro, "11" standing order, "12" direct remittance, "13" terminal giro, "14" giro
    over the counter, "15" AvtaleGiro, "16" telegiro, "17" giro paid in cash, "18" and "20"
    reversals, "19" and "21" purchases. date is the day at Nets, bank_date at the payer's bank.
    """

    type: str
    number: str
    date: datetime.date | None
    amount: Decimal
    reversal: bool
    kid: str | None
    centre: str
    day_code: str
    part: str
    serial: str
    form_number: str
    archive_reference: str
    bank_date: datetime.date | None
    debit_account: str
    text: str
    place: Place

    @property
    def bank_reference(self) -> str:
        """What tells this transaction from all others of its day, the number in its file included:
        the rest is one and the same for what was settled together."""
        return f"{self.centre}{self.day_code}{self.part}{self.serial}-{self.number}"


@dataclass(frozen=True, slots=True)
class Specified:
    """Record 50: one KID paid by an order; credit is a credit note taken off."""

    kid: str
    amount: Decimal
    credit: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """A transaction of Direkte remittering, on its way out or settled.

    type is "03" with a notice, "16" with KIDs, "17" with KIDs and credit notes. own_reference
    comes back in the settlement and is what it is known by. message holds lines of at most 40
    characters. number is "" for one that is still to be numbered.
    """

    type: str
    date: datetime.date | None
    account: str
    amount: Decimal
    own_reference: str
    short_name: str = ""
    kid: str | None = None
    name: str = ""
    post_code: str = ""
    town: str = ""
    address: tuple[str, ...] = ()
    country: str = ""
    message: tuple[str, ...] = ()
    specified: tuple[Specified, ...] = ()
    number: str = ""
    place: Place = NOWHERE


@dataclass(frozen=True, slots=True)
class Mandate:
    """An AvtaleGiro registration: change is "0" for all that live, "1" new or changed, "2" gone.

    notice is whether the payer wants a written notice.
    """

    number: str
    change: str
    kid: str | None
    notice: bool
    place: Place


@dataclass(frozen=True, slots=True)
class Totals:
    """Record 88 or 89; records counts those of its own beginning and end too."""

    transactions: int
    records: int
    total: Decimal
    date: datetime.date | None
    first_date: datetime.date | None
    last_date: datetime.date | None
    place: Place


@dataclass(frozen=True, slots=True)
class AssignmentEnd:
    """The end of an assignment, whose totals have been found right."""

    assignment: Assignment
    totals: Totals


@dataclass(frozen=True, slots=True)
class TransmissionEnd:
    """The end of the file, whose totals have been found right."""

    totals: Totals


@dataclass(frozen=True, slots=True)
class Skipped:
    """A transaction of a service that is not read, or a record beside those that are known."""

    service: str
    type: str
    record: str
    place: Place
