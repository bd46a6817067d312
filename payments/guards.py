"""What looks like a mistake or a fraud among payments that have come in, before anybody signs.

A guard compares new lines with what the company has paid before, with each other, and with what
other companies of the same customer have paid. It tells, beside what it compared with, and people
decide. A company chooses whether a guard informs, warns
or stops: then an administrator must let the line pass before it is signed (payments.deciding). A
salary payment is never stopped, since no administrator may see it. Each guard is one statement for
all lines of an upload, and so is the choice; what was found stays as it was found. What was paid
as salary is compared with salary alone, and so shown to nobody else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Min, QuerySet
from django.utils.translation import gettext_lazy as _

from payments import lifecycle
from payments.guard_statements import (
    ACCOUNT_CHANGED,
    AS_CHOSEN,
    DUPLICATE,
    FIRST_PAYMENT,
    GUARDS,
    IN_A_SISTER,
    INFORM,
    NEAR_KID,
    REFUSED_BEFORE,
    SAME_AMOUNT,
    SAME_AMOUNT_DAYS,
    SAME_REFERENCE_DAYS,
    SISTER,
    SPLIT,
    STOP,
    UNUSUAL,
    WARN,
)
from payments.models import Finding, Payment, PaymentLine
from portal.access import tenancy
from portal.access.models import Company, Customer
from portal.events.lifecycle import Status

SEVERITIES = {str(INFORM): _("Inform"), str(WARN): _("Warn"), str(STOP): _("Stop")}
# Lines that were never paid prove nothing of a payee, and are no payment that could be repeated.
NEVER_PAID = [
    lifecycle.STOPPED,
    lifecycle.REJECTED,
    lifecycle.CANCELLED,
    lifecycle.CANCELLED_AT_BANK,
    lifecycle.REFUSED,
]


@dataclass(frozen=True, slots=True)
class Words:
    """A finding in words: what it is, what to do before signing, and what the guard does where a
    company has chosen nothing else."""

    title: Any
    cure: Any
    severity: str = WARN


WORDS = {
    DUPLICATE: Words(
        _("It may have been paid already"),
        _("The same payee, amount and reference stand in another payment. Compare them."),
    ),
    NEAR_KID: Words(
        _("Almost the same KID and the same amount"),
        _("One of the two may be typed wrong. Compare both with the invoices."),
    ),
    SAME_AMOUNT: Words(
        _("The same amount to the same account within days"),
        _("Check that these are two different invoices."),
        INFORM,
    ),
    ACCOUNT_CHANGED: Words(
        _("The payee's account has changed"),
        _(
            "Call the payee on a number that you know from before, and not on one that stands in"
            " the invoice or in an e-mail: a changed account is a common way of fraud."
        ),
    ),
    FIRST_PAYMENT: Words(
        _("First payment to this account"),
        _("Check the account with the payee where the amount matters."),
        INFORM,
    ),
    UNUSUAL: Words(
        _("The amount is unusual for this payee"),
        _("Compare with the invoice: a digit or a decimal point may be wrong."),
    ),
    SISTER: Words(
        _("Another of your companies may have paid it"),
        _(
            "The same payee, amount and reference stand in its payment. Find out whose invoice"
            " it is."
        ),
    ),
    REFUSED_BEFORE: Words(
        _("The bank refused the last payment to this account"),
        _(
            "See why it was refused, and whether that is mended: the bank will probably refuse"
            " this one too."
        ),
    ),
    SPLIT: Words(
        _("Several payments to one account are together beyond an approver's limit"),
        _("Ask why it is not one payment: a sum can be divided to stay within a limit."),
    ),
}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A payment behind another company's wall, as it was when a line was compared with it."""

    company: str
    number: str
    due_date: dt.date
    state: Status


@dataclass(frozen=True, slots=True)
class Told:
    """A finding with its words."""

    row: Finding
    words: Words

    @property
    def field(self) -> str:
        """What the field for a reason to let it pass is called in a page with several."""
        return f"reason-{self.row.pk}"

    @property
    def elsewhere(self) -> Elsewhere | None:
        """The payment of a sister company that the line was compared with."""
        facts = self.row.facts
        if "company" not in facts:
            return None
        return Elsewhere(
            facts["company"],
            facts["number"],
            dt.date.fromisoformat(facts["due"]),
            lifecycle.LINE.statuses[facts["status"]],
        )


def look(payment_ids: Sequence[int], *, company_id: int, at: dt.datetime) -> int:
    """Compares the lines of these payments, which have just been stored, with what was paid before;
    answers how many findings were kept. In the caller's transaction, acting for their company."""
    first = PaymentLine.objects.filter(payment__in=payment_ids).aggregate(first=Min("pk"))["first"]
    words: dict[str, Any] = {
        "ids": list(payment_ids),
        "company": company_id,
        "first": first or 0,
        "never": NEVER_PAID,
        "at": at,
        "far": SAME_REFERENCE_DAYS,
        "near": SAME_AMOUNT_DAYS,
    }
    sisters = list(_sisters(company_id))
    found = 0
    with connection.cursor() as cursor:
        for guard in GUARDS:
            cursor.execute(guard, words)
            found += cursor.rowcount
        if sisters:
            with tenancy.acting_for([company_id, *sisters]):
                cursor.execute(IN_A_SISTER, words | {"sisters": sisters})
                found += cursor.rowcount
        if found:
            cursor.execute(AS_CHOSEN, words)
    return found


def _sisters(company_id: int) -> QuerySet[Any, int]:
    """The other companies of the same customer; those of a bureau have nothing with each other."""
    return (
        Company.objects.filter(
            customer__companies=company_id, customer__kind=Customer.Kind.ORDINARY
        )
        .exclude(pk=company_id)
        .values_list("pk", flat=True)
    )


def stopping() -> QuerySet[Finding]:
    """What keeps lines from being signed: it stops, nobody has let it pass, and the line waits."""
    return Finding.objects.filter(
        severity=STOP, passed_at=None, line__status__in=lifecycle.PHASES[lifecycle.OPEN]
    )


def telling() -> QuerySet[Finding]:
    """What an approver is to look at: it warns or stops, and its line waits."""
    return Finding.objects.filter(
        severity__in=[STOP, WARN], line__status__in=lifecycle.PHASES[lifecycle.OPEN]
    )


def stops(payment_ids: Iterable[int]) -> dict[int, int]:
    """Payment id → how many findings keep it from being signed; in one query."""
    rows = stopping().filter(payment__in=tenancy.ids(payment_ids)).order_by()
    return dict(rows.values_list("payment_id").annotate(n=Count("id")))


def of(payments: Sequence[Payment], *, severities: Sequence[str] = (), size: int) -> list[Told]:
    """What was found on lines of these payments that may still be stopped, the largest amounts
    first, with what each was compared with; in one query."""
    rows = Finding.objects.filter(
        payment__in=tenancy.ids(payment.pk for payment in payments),
        line__status__in=[*lifecycle.AT_HOME],
    ).exclude(line__status__in=[lifecycle.CANCELLED, lifecycle.REFUSED, lifecycle.STOPPED])
    if severities:
        rows = rows.filter(severity__in=severities)
    return told(rows.order_by("-line__amount", "line_id", "code")[:size])


def told(rows: QuerySet[Finding]) -> list[Told]:
    """Findings with their words, and all that is told of them at hand."""
    loaded = rows.select_related("line", "payment", "other__payment", "passed_by")
    return [Told(row, WORDS[row.code]) for row in loaded]
