"""The table of outgoing payments: what its cells show and its exports hold, of rows as `loaded`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from payments import lifecycle
from payments.models import Payment
from portal.lists.keyset import Order
from portal.lists.tables import Column, Table
from portal.people.templatetags import kvitt

PLACEHOLDER = 987654321
NUMBER_ON_ONE_LINE = 18
_APART = frozenset(lifecycle.PHASES[lifecycle.DEVIATING])


def source_of(payment: Payment) -> str:
    """How it came in, in words."""
    return {
        Payment.Source.ERP: _("ERP"),
        Payment.Source.HAND: _("Written in the portal"),
        Payment.Source.FILE: _("File brought in by hand"),
    }[Payment.Source(payment.source)]


class PaymentTable(Table):
    """Payments by due date, latest first, or by number or when they were received."""

    orders: ClassVar[dict[str, Order]] = {
        "due_date": Order("due_date", "date", descending=True),
        "number": Order("number", "text"),
        "received": Order("created_at", "moment", descending=True),
    }
    standard = "due_date"
    choice = "payment"
    may_choose = True

    number = Column(gettext_lazy("Payment"), lead=True, sort="number")
    status = Column(gettext_lazy("Status"), long=True)
    lines = Column(gettext_lazy("Lines"), right=True)
    amount = Column(gettext_lazy("Amount"), right=True, wide=True)
    currency = Column(gettext_lazy("Currency"), shown=False)
    due_date = Column(gettext_lazy("Due date"), sort="due_date")
    account = Column(gettext_lazy("Debit account"))
    account_name = Column(gettext_lazy("Name of the account"), shown=False)
    agreement = Column(gettext_lazy("Agreement"), shown=False)
    kind = Column(gettext_lazy("Kind"), shown=False)
    source = Column(gettext_lazy("Source"), shown=False)
    received = Column(gettext_lazy("Received"), sort="received")
    approvals = Column(gettext_lazy("Approvals"), long=True)
    approvers = Column(gettext_lazy("Approved by"), shown=False)

    def __init__(self, rows: Any = (), *, acting: Any = None, **given: Any) -> None:
        super().__init__(rows, acting=acting, **given)
        words = {"company": acting.company.public_id, "payment": PLACEHOLDER}
        self._detail = reverse("payments:detail", kwargs=words).split(str(PLACEHOLDER))

    def choosable(self, row: Payment) -> bool:
        return self.may_choose and not row.state.final

    @classmethod
    def choosable_rows(cls, rows: Any) -> Any:
        final = [code for code, status in lifecycle.PAYMENT_STATUSES.items() if status.final]
        return rows.exclude(status__in=final)

    def choose_label(self, row: Payment) -> str:
        return _("Choose payment %(number)s") % {"number": row.number}

    def sums_of(self, row: Payment) -> str:
        return " ".join(
            f"{currency} {int(Decimal(amount) * 100)}" for currency, amount in row.totals.items()
        )

    # --- cells ----------------------------------------------------------------------------

    def render_number(self, row: Payment) -> str:
        before, after = self._detail
        return format_html(
            '<a class="ds-link{}" href="{}{}{}">{}</a> <small>{}</small>',
            " nowrap" if len(row.number) <= NUMBER_ON_ONE_LINE else "",
            before,
            row.pk,
            after,
            row.number,
            row.kind_label,
        )

    def render_status(self, row: Payment) -> str:
        apart = [
            (lifecycle.LINE.statuses[status].label, count)
            for status, count in row.line_counts.items()
            if count and status != row.status and status in _APART
        ]
        told = format_html_join("", " <small>{}: {}</small>", apart)
        checked = self._checked(row)
        if checked:
            told = format_html("{} <small>{}</small>", told, checked)
        return format_html("{}{}", kvitt.tag(row.state), told)

    @staticmethod
    def _checked(row: Payment) -> str:
        """What the checks say of a payment that waits."""
        if row.stopped:  # type: ignore[attr-defined]
            return _("Stopped by a check")
        return _("Look at the warnings") if row.warned else ""  # type: ignore[attr-defined]

    def render_lines(self, row: Payment) -> str:
        return kvitt.number(row.line_count)

    def render_amount(self, row: Payment) -> str:
        return kvitt.amounts(row.totals)

    def render_due_date(self, row: Payment) -> str:
        return kvitt.day(row.due_date)

    def render_account(self, row: Payment) -> str:
        return format_html(
            '<span class="figure nowrap">{}</span> <small>{}</small>',
            kvitt.account(row.account.number),
            row.account.name,
        )

    def render_received(self, row: Payment) -> str:
        time = kvitt.clock(row.created_at)
        day = kvitt.day(timezone.localdate(row.created_at))
        return format_html("{} <small>{}</small>", day, time)

    def render_approvals(self, row: Payment) -> str:
        # By whom, while another is still needed; afterwards the payment's own page tells.
        alive = row.alive if row.status == lifecycle.PARTLY else []  # type: ignore[attr-defined]
        names = [str(signature.user) for signature in alive]
        return format_html(
            '<span class="nowrap">{}</span>{}',
            self._approvals(row),
            format_html_join("", " <small>{}</small>", ((name,) for name in names)),
        )

    @staticmethod
    def _approvals(row: Payment) -> str:
        """In words: a spreadsheet would take «1/2» for a date."""
        given, needed = len(row.alive), row.agreement.approvers_required  # type: ignore[attr-defined]
        return _("%(given)s of %(needed)s") % {"given": given, "needed": needed}

    # --- exports --------------------------------------------------------------------------

    def value_number(self, row: Payment) -> str:
        return row.number

    def value_status(self, row: Payment) -> str:
        return str(row.state.label)

    def value_lines(self, row: Payment) -> int:
        return row.line_count

    def value_amount(self, row: Payment) -> Any:
        """A number where there is one currency; else text, since a sum would be of nothing."""
        if len(row.totals) == 1:
            return Decimal(next(iter(row.totals.values())))
        return kvitt.totals(row.totals)

    def value_currency(self, row: Payment) -> str:
        return " + ".join(sorted(row.totals))

    def value_due_date(self, row: Payment) -> Any:
        return row.due_date

    def value_account(self, row: Payment) -> str:
        return row.account.number

    def value_account_name(self, row: Payment) -> str:
        return row.account.name

    def value_agreement(self, row: Payment) -> str:
        return str(row.agreement)

    def value_kind(self, row: Payment) -> str:
        return row.kind_label

    def value_source(self, row: Payment) -> str:
        return source_of(row)

    def value_received(self, row: Payment) -> Any:
        return row.created_at

    def value_approvals(self, row: Payment) -> str:
        return self._approvals(row)

    def value_approvers(self, row: Payment) -> str:
        return ", ".join(str(signature.user) for signature in row.alive)  # type: ignore[attr-defined]


class ApprovalTable(PaymentTable):
    """What waits for one's own signature, that which is due first on top."""

    orders: ClassVar[dict[str, Order]] = {
        "due_date": Order("due_date", "date"),
        "number": Order("number", "text"),
        "received": Order("created_at", "moment", descending=True),
    }

    shown: ClassVar[tuple[str, ...]] = (
        "number",
        "due_date",
        "amount",
        "lines",
        "account",
        "received",
        "approvals",
    )

    def render_number(self, row: Payment) -> str:
        checked = self._checked(row)  # the status is the same for all, and not shown
        told = format_html(" <small>{}</small>", checked) if checked else ""
        return format_html("{}{}", super().render_number(row), told)
