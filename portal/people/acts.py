"""The acts that the change log knows, and its fields and values, in words; asks no database."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.access.models import Customer
from portal.access.roles import NAMES, Role

ACTS: dict[str, Any] = {
    "terms.accepted": _("Terms of service accepted"),
    "customer.created": _("Customer created"),
    "customer.changed": _("Customer changed"),
    "company.created": _("Company created"),
    "company.changed": _("Company changed"),
    "service.on": _("Service switched on"),
    "service.off": _("Service switched off"),
    "key.made": _("Signing key made"),
    "key.replaced": _("Signing key replaced"),
    "customer_key.made": _("Customer's key for making companies made"),
    "customer_key.replaced": _("Customer's key for making companies replaced"),
    "user.invited": _("User invited"),
    "user.invited_again": _("Invitation sent again"),
    "user.accepted": _("Invitation accepted"),
    "user.changed": _("User changed"),
    "user.ended": _("User deactivated"),
    "user.resumed": _("User activated again"),
    "role.granted": _("Role given"),
    "role.revoked": _("Role taken away"),
    "group.created": _("User group created"),
    "group.changed": _("User group changed"),
    "group.deleted": _("User group deleted"),
    "group.joined": _("Added to a user group"),
    "group.left": _("Removed from a user group"),
    "limit.changed": _("Amount limit changed"),
    "checks.changed": _("Checks before approval changed"),
    "deputy.named": _("Deputy named"),
    "deputy.ended": _("Deputy ended"),
    "support.code": _("One-time code issued by support"),
    "factor.app": _("Authenticator app set up"),
    "factor.app_removed": _("Authenticator app removed"),
    "factor.lost": _("Authenticator app lost"),
    "factor.passkey": _("Passkey added"),
    "factor.passkey_removed": _("Passkey removed"),
    "factor.recovery": _("Recovery codes made"),
    "factor.recovery_used": _("Recovery code used"),
    "factor.phone": _("Mobile number for codes registered"),
    "factor.phone_removed": _("Mobile number for codes removed"),
    "factor.support_used": _("Code from support used"),
    "password.changed": _("Password changed"),
    "email.changed": _("E-mail changed"),
}

FIELDS: dict[str, Any] = {
    "name": _("Name"),
    "email": _("E-mail"),
    "phone": _("Phone"),
    "language": _("Language"),
    "organisation_number": _("Organisation number"),
    "address": _("Address"),
    "postal_code": _("Postal code"),
    "city": _("City"),
    "kind": _("Kind"),
    "service": _("Service"),
    "role": _("Role"),
    "group": _("User group"),
    "version": _("Version"),
    "reason": _("Reason"),
    "issued_at": _("Issued at"),
    "per_payment": _("At most per payment"),
    "per_day": _("At most per day"),
    "deputy": _("Deputy"),
    "from": _("First day"),
    "to": _("Last day"),
    "two_factor_to_sign_in": _("Two-factor to sign in"),
    "two_factor_to_upload": _("Two-factor to upload"),
    "pre_approval": _("Approval in advance"),
}

# field → {text as it is kept: words}; apps add theirs when they are ready.
VALUES: dict[str, dict[str, Any]] = {}
AMOUNTS = ("per_payment", "per_day")
_YES_NO = {"yes": _("Yes"), "no": _("No")}


def field(name: str) -> str:
    """What a field is called on the page."""
    return str(FIELDS.get(name, name))


def place(name: str) -> int:
    """Where a field stands among the others."""
    return list(FIELDS).index(name) if name in FIELDS else len(FIELDS)


def kroner(amount: Decimal) -> str:
    """An amount as it is written in Norway, «84 300,00 kr»."""
    return f"{amount:,.2f}\u00a0kr".replace(",", "\u00a0").replace(".", ",")


def value(name: str, text: str) -> str:
    """A value as it is shown: roles and yes or no in words, anything else as it was."""
    if name == "role":
        return ", ".join(str(NAMES[Role(code)]) for code in text.split(",") if code)
    if name in AMOUNTS and text:
        return kroner(Decimal(text))
    if name == "kind" and text in Customer.Kind.values:
        return str(Customer.Kind(text).label)
    return str(VALUES.get(name, _YES_NO).get(text, text))
