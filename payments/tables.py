"""The table of outgoing payments: what its cells show and its exports hold, of rows as `loaded`."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from payments import lifecycle
from payments.models import Payment, PaymentLine
from payments.signable import Shown
from payments.templatetags import lines
from portal.access.models import Company
from portal.lists.keyset import Order
from portal.lists.tables import Column, Table
from portal.people.templatetags import kvitt

COMPANY, PLACEHOLDER = "company-of-the-row", 987654321
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
        words = {"company": COMPANY, "payment": PLACEHOLDER}
        self._detail = reverse("payments:detail", kwargs=words)

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
        company = self.acting.places[row.company_id].company.public_id
        return format_html(
            '<a class="ds-link{}" href="{}">{}</a> <small>{}</small>',
            " nowrap" if len(row.number) <= NUMBER_ON_ONE_LINE else "",
            self._detail.replace(COMPANY, company).replace(str(PLACEHOLDER), str(row.pk)),
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
        return _account(row)

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


class _Everywhere:
    """What tables of payments of several companies have besides."""

    exported_first: ClassVar[tuple[str, ...]] = ("company", "organisation_number")
    acting: Any

    def render_company(self, row: Payment) -> str:
        return _company(self._company(row))

    def value_company(self, row: Payment) -> str:
        return str(self._company(row).name)

    def value_organisation_number(self, row: Payment) -> str:
        return str(self._company(row).organisation_number)

    def choose_label(self, row: Payment) -> str:
        words = {"number": row.number, "company": self._company(row).name}
        return _("Choose payment %(number)s of %(company)s") % words

    def _company(self, row: Payment) -> Any:
        return self.acting.places[row.company_id].company


class PaymentEverywhereTable(_Everywhere, PaymentTable):
    """Payments of several companies."""

    company = Column(gettext_lazy("Company"), long=True)
    organisation_number = Column(gettext_lazy("Organisation number"), shown=False)

    shown: ClassVar[tuple[str, ...]] = (
        "number",
        "company",
        "status",
        "amount",
        "due_date",
        "account",
        "approvals",
    )


class ApprovalEverywhereTable(_Everywhere, ApprovalTable):
    """What waits for one's own signature in several companies."""

    company = Column(gettext_lazy("Company"), long=True)
    organisation_number = Column(gettext_lazy("Organisation number"), shown=False)

    shown: ClassVar[tuple[str, ...]] = (
        "number",
        "company",
        "due_date",
        "amount",
        "lines",
        "account",
        "approvals",
    )


class SigningTable(Table):
    """The payments that are about to be approved (signable.Shown), as the page of signing has them;
    `everywhere` with their companies."""

    everywhere = False

    number = Column(gettext_lazy("Payment"), lead=True)
    company = Column(gettext_lazy("Company"), long=True)
    lines = Column(gettext_lazy("Lines"), right=True)
    amount = Column(gettext_lazy("Amount"), right=True, money=True)
    due_date = Column(gettext_lazy("Due date"))
    account = Column(gettext_lazy("Debit account"))
    agreement = Column(gettext_lazy("Agreement"))
    approvals = Column(gettext_lazy("Approvals"))

    def columns_shown(self) -> list[tuple[str, Column]]:
        shown = super().columns_shown()
        return [one for one in shown if one[0] != "company" or self.everywhere]

    def render_number(self, row: Shown) -> str:
        words = {"company": row.payment.company.public_id, "payment": row.payment.pk}
        address = reverse("payments:detail", kwargs=words)
        kind = row.payment.kind_label
        return format_html(
            '<a href="{}">{}</a> <small>{}</small>', address, row.payment.number, kind
        )

    def render_company(self, row: Shown) -> str:
        return _company(row.payment.company)

    def render_lines(self, row: Shown) -> str:
        if not row.excluded:
            return kvitt.number(row.lines)
        count = len(row.excluded)
        text = ngettext(
            "%(shown)s line is not included", "%(shown)s lines are not included", count
        ) % {"shown": kvitt.number(count)}
        return format_html("{} <small>{}</small>", kvitt.number(row.lines), text)

    def render_amount(self, row: Shown) -> str:
        return kvitt.totals(row.totals)

    def render_due_date(self, row: Shown) -> str:
        return kvitt.day(row.payment.due_date)

    def render_account(self, row: Shown) -> str:
        return _account(row.payment)

    def render_agreement(self, row: Shown) -> str:
        agreement = row.payment.agreement
        return format_html("{} <small>{}</small>", agreement, agreement.channel)

    def render_approvals(self, row: Shown) -> str:
        words = {
            "given": len(row.signed_by),
            "needed": row.payment.agreement.approvers_required,
        }
        by = format_html_join(
            "",
            " <small>{} {}</small>",
            ((one.user, kvitt.moment(one.signed_at)) for one in row.signed_by),
        )
        after = _("Yours is the last.")
        if row.needed_after > 0:
            after = ngettext(
                "After you, %(n)s other must approve.",
                "After you, %(n)s others must approve.",
                row.needed_after,
            ) % {"n": row.needed_after}
        return format_html(
            '<span class="nowrap">{}</span>{} <small>{}</small>',
            _("%(given)s of %(needed)s") % words,
            by,
            after,
        )


class PayeesTable(Table):
    """Lines that are about to be approved, as the bank will get them."""

    payee = Column(gettext_lazy("Payee"), lead=True)
    account = Column(gettext_lazy("Account"))
    amount = Column(gettext_lazy("Amount"), right=True, money=True)
    remittance = Column(gettext_lazy("KID or message"), long=True)
    payment = Column(gettext_lazy("Payment"))

    def render_payee(self, row: PaymentLine) -> str:
        return lines.payee(row)

    def render_account(self, row: PaymentLine) -> str:
        return lines.payee_account(row)

    def render_amount(self, row: PaymentLine) -> str:
        return kvitt.money(row.amount, row.currency)

    def render_remittance(self, row: PaymentLine) -> str:
        return lines.remittance(row)

    def render_payment(self, row: PaymentLine) -> str:
        return format_html("{} <small>{}</small>", row.payment.called, row.reference)


def _company(company: Company) -> str:
    number = kvitt.organisation(company.organisation_number)
    return format_html('{} <small class="figure">{}</small>', company.name, number)


def _account(payment: Payment) -> str:
    return format_html(
        '<span class="figure nowrap">{}</span> <small>{}</small>',
        kvitt.account(payment.account.number),
        payment.account.name,
    )
