"""The tables of agreements and bank files: cells and export values of rows that are loaded."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from banking import lifecycle, stops, unreadable
from banking.models import BankAgreement, BankFile
from portal.lists.keyset import Order
from portal.lists.tables import Column, Table
from portal.people.templatetags import kvitt

KINDS = {
    "pain.001": gettext_lazy("Payments"),
    "pain.002": gettext_lazy("Status of payments"),
    "camt.052": gettext_lazy("Account report"),
    "camt.053": gettext_lazy("Statement"),
    "camt.054": gettext_lazy("Booked on the account"),
    "camt.055": gettext_lazy("Request to cancel payments"),
    "camt.029": gettext_lazy("Answer to a cancellation"),
    "camt.060": gettext_lazy("Request for a balance"),
    "admi.002": gettext_lazy("Refusal of a request"),
    "agreement-status": gettext_lazy("Word of an agreement"),
    "ocr-giro": gettext_lazy("Incoming payments with KID (OCR giro)"),
    "direkte-remittering": gettext_lazy("Settled payments (Direkte remittering)"),
    "avtalegiro": gettext_lazy("Mandates (AvtaleGiro)"),
}


def kind_of(file: BankFile) -> str:
    """What a file holds, in words."""
    if file.kind == "direkte-remittering" and file.direction == BankFile.Direction.OUT:
        return str(_("Payments (Direkte remittering)"))
    words = KINDS.get(file.kind) or KINDS.get(file.kind[: len("pain.001")])
    return str(words or _("Unknown"))


def _closed(row: BankAgreement) -> str:
    """That an agreement which is active here is closed at the bank, where it is."""
    closed = row.status == lifecycle.ACTIVE and row.closed_at is not None
    return _("closed, says the bank") if closed else ""


class AgreementTable(Table):
    """Agreements, the newest first."""

    orders: ClassVar[dict[str, Order]] = {"id": Order("id", "integer", descending=True)}
    standard = "id"

    agreement = Column(gettext_lazy("Agreement"), lead=True)
    status = Column(gettext_lazy("Status"), long=True)
    account = Column(gettext_lazy("Account"))
    bank = Column(gettext_lazy("Bank"))
    approvers = Column(gettext_lazy("Approvers in the portal"))
    bank_approvers = Column(gettext_lazy("Approvers at the bank"))

    def render_agreement(self, row: BankAgreement) -> str:
        words = {"company": self.acting.company.public_id, "agreement": row.pk}
        return format_html(
            '<a class="ds-link" href="{}">{}</a> <small>{}</small>',
            reverse("banking:agreement", kwargs=words),
            row,
            row.agreement_id,
        )

    @functools.cached_property
    def _stops(self) -> stops.Stops:
        return stops.now(self.acting.company.pk)

    def render_status(self, row: BankAgreement) -> str:
        told = [_closed(row)]
        if row.status == lifecycle.ACTIVE and self._stops.of(row.pk):
            told.append(_("all sending is stopped"))
        small = format_html_join("", " <small>{}</small>", ((text,) for text in told if text))
        return SafeString(kvitt.tag(row.state) + small)

    def render_account(self, row: BankAgreement) -> str:
        return format_html(
            '<span class="figure nowrap">{}</span> <small>{}</small>',
            kvitt.account(row.account.number),
            row.account.name,
        )

    def render_bank(self, row: BankAgreement) -> str:
        return str(row.channel)

    def render_approvers(self, row: BankAgreement) -> str:
        return row.get_approvers_required_display()

    def render_bank_approvers(self, row: BankAgreement) -> str:
        return row.get_bank_approvers_required_display()

    def value_agreement(self, row: BankAgreement) -> str:
        return f"{row} ({row.agreement_id})"

    def value_status(self, row: BankAgreement) -> str:
        return ", ".join(filter(None, (str(row.state.label), _closed(row))))

    def value_account(self, row: BankAgreement) -> str:
        return row.account.number

    def value_bank(self, row: BankAgreement) -> str:
        return str(row.channel)

    def value_approvers(self, row: BankAgreement) -> int:
        return row.approvers_required

    def value_bank_approvers(self, row: BankAgreement) -> int:
        return row.bank_approvers_required


class FileTable(Table):
    """Bank files, the latest first."""

    orders: ClassVar[dict[str, Order]] = {"id": Order("id", "integer", descending=True)}
    standard = "id"

    file = Column(gettext_lazy("File"), lead=True)
    direction = Column(gettext_lazy("Direction"))
    kind = Column(gettext_lazy("Content"))
    status = Column(gettext_lazy("Status"), long=True)
    transactions = Column(gettext_lazy("Transactions"), right=True)
    bank = Column(gettext_lazy("Bank"))
    time = Column(gettext_lazy("Time"))
    message = Column(gettext_lazy("Message id"), shown=False)
    agreement = Column(gettext_lazy("Agreement"), shown=False)
    account = Column(gettext_lazy("Account"), shown=False)
    size = Column(gettext_lazy("Size in bytes"), shown=False)
    fault = Column(gettext_lazy("Fault"), shown=False)
    brought_in_by = Column(gettext_lazy("Brought in by"), shown=False)
    sha256 = Column("SHA-256", shown=False)

    def render_file(self, row: BankFile) -> str:
        words = {"company": self.acting.company.public_id, "file": row.pk}
        address = reverse("banking:file", kwargs=words)
        return format_html('<a class="ds-link" href="{}">{}</a>', address, row.name)

    def render_direction(self, row: BankFile) -> str:
        out = row.direction == BankFile.Direction.OUT
        arrow = kvitt.icon("ArrowUp") if out else kvitt.icon("ArrowDown")
        return format_html('<span class="nowrap">{} {}</span>', arrow, row.get_direction_display())

    def render_kind(self, row: BankFile) -> str:
        return format_html("{} <small>{}</small>", kind_of(row), row.kind)

    def render_status(self, row: BankFile) -> str:
        remarks = format_html(" <small>{}</small>", _("with remarks")) if row.remarks else ""
        return SafeString(kvitt.tag(row.state) + remarks)

    def render_transactions(self, row: BankFile) -> str:
        return kvitt.number(row.transactions)

    def render_bank(self, row: BankFile) -> str:
        return str(row.channel)

    def render_time(self, row: BankFile) -> str:
        return kvitt.moment(row.created_at)

    def value_file(self, row: BankFile) -> str:
        return row.name

    def value_direction(self, row: BankFile) -> str:
        return row.get_direction_display()

    def value_kind(self, row: BankFile) -> str:
        return row.kind

    def value_status(self, row: BankFile) -> str:
        return str(row.state.label)

    def value_transactions(self, row: BankFile) -> Any:
        return row.transactions

    def value_bank(self, row: BankFile) -> str:
        return str(row.channel)

    def value_time(self, row: BankFile) -> Any:
        return row.created_at

    def value_message(self, row: BankFile) -> str:
        return row.message_id

    def value_agreement(self, row: BankFile) -> str:
        return row.agreement.agreement_id if row.agreement else ""

    def value_account(self, row: BankFile) -> str:
        return row.agreement.account_number if row.agreement else ""

    def value_size(self, row: BankFile) -> int:
        return row.size

    def value_fault(self, row: BankFile) -> str:
        if row.refusal:
            return "; ".join(f"{one['code']} {one['text']}".strip() for one in row.refusal)
        told = unreadable.told(row.error)
        return f"{told.problem} ({told.code})" if told else ""

    def value_brought_in_by(self, row: BankFile) -> str:
        return str(row.imported_by) if row.imported_by else ""

    def value_sha256(self, row: BankFile) -> str:
        return bytes(row.sha256).hex()
