"""A payment's line in a table, as the bank gets it: the payee, the account, and what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from payments.models import PaymentLine
from portal.people.templatetags import kvitt

register = template.Library()
BREAK = SafeString("<br>")


@register.filter
def payee(line: PaymentLine) -> SafeString:
    """Name and address."""
    address = line.payee_address
    if not address:
        return SafeString(escape(line.payee_name))
    street = f"{address.get('street') or ''} {address.get('building') or ''}".strip()
    town = " ".join(
        filter(None, (address.get("post_code"), address.get("town"), address.get("country")))
    )
    parts = [*address.get("address_lines", ()), street, town]
    return format_html("{}<small>{}</small>", line.payee_name, ", ".join(filter(None, parts)))


@register.filter
def payee_account(line: PaymentLine) -> SafeString:
    """Account, and for payments abroad bank and charges."""
    number = SafeString(escape(_("none")))
    if line.payee_account:
        account = kvitt.account(line.payee_account)
        number = format_html('<span class="figure nowrap">{}</span>', account)
    extra = line.extra or {}
    more = []
    if line.payee_bic:
        more.append(f"BIC {line.payee_bic}")
    if extra.get("clearing_id"):
        words = (_("Clearing code"), extra.get("clearing_system"), extra["clearing_id"])
        more.append(" ".join(filter(None, words)))
    if extra.get("charge_bearer"):
        more.append(f"{_('Charges:')} {extra['charge_bearer']}")
    return number + format_html_join("", " <small>{}</small>", ((text,) for text in more))


@register.filter
def remittance(line: PaymentLine) -> SafeString:
    """KID, message, or invoices and credit notes."""
    parts = list(_remittance(line))
    if not parts:
        parts = [format_html('<span class="muted">{}</span>', _("nothing"))]
    return SafeString("\n".join(parts))


def _remittance(line: PaymentLine) -> Iterator[str]:
    if line.kid:
        yield format_html('<span class="nowrap figure">{} {}</span>', _("KID"), line.kid)
    if line.message:
        rows = format_html_join(BREAK, "{}", ((row,) for row in line.message.splitlines()))
        yield format_html("<span>{}</span>", rows)
    for document in line.documents or []:
        yield _document(document)


def _document(document: dict[str, Any]) -> SafeString:
    is_credit = document["kind"] == "CREN"
    shown = format_html(
        "{} {}", _("Credit note") if is_credit else _("Invoice"), document.get("number") or ""
    )
    if document.get("amount"):
        amount = kvitt.money(document["amount"], document.get("currency") or "")
        sign = "−" if is_credit else ""
        shown += format_html(': <span class="amount">{}{}</span>', sign, amount)
    if document.get("kid"):
        shown += format_html(", {} {}", _("KID"), document["kid"])
    return format_html("<small>{}</small>", shown)
