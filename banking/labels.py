"""What acts, fields and services of agreements are called."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

ACTS: dict[str, Any] = {
    "agreement.made": _("Agreement made"),
    "agreement.changed": _("Agreement changed"),
    "agreement.authority": _("Authority at the bank changed"),
    "agreement.mails": _("Mail addresses of an agreement changed"),
    "agreement.shared": _("Agreement shared"),
    "agreement.unshared": _("Agreement shared no more"),
    "agreement.ordered": _("Agreement ordered"),
    "agreement.activated": _("Agreement activated"),
    "agreement.deactivated": _("Agreement deactivated"),
    "sending.stopped": _("All sending stopped"),
    "sending.started": _("Sending started again"),
}
FIELDS: dict[str, Any] = {
    "bank": _("Bank"),
    "account": _("Account"),
    "account_name": _("Name of the account"),
    "iban": _("IBAN"),
    "bic": _("BIC"),
    "currency": _("Currency"),
    "tax_withholding": _("Tax-withholding account"),
    "customer_number": _("Customer number in bank"),
    "agreement_id": _("Agreement id from the bank"),
    "division": _("Division"),
    "signer_id": _("Signer id"),
    "description": _("Description"),
    "approvers_required": _("Approvers in the portal"),
    "bank_approvers_required": _("Approvers at the bank"),
    "bank_approval": _("Is it approved at the bank as well?"),
    "two_factor_to_upload": _("Uploads on this agreement need a code"),
    "reject_mails": _("Mail about rejected payments to"),
    "approve_mails": _("Mail about payments to approve to"),
    "erp_name": _("Name of the ERP's connection"),
    "erp_system": _("ERP system"),
    "file_format": _("Format"),
    "pain_version": _("Version"),
    "remittance": _("Payments out (remittance)"),
    "settlement_return": _("Word of what is settled"),
    "incoming": _("Incoming payments (OCR giro or camt.054)"),
    "split_incoming": _("Split incoming payments by KID, message and others"),
    "card_transactions": _("Take in card transactions as well"),
    "statements": _("Account statements (camt.053)"),
    "cut_over_date": _("Last day of this agreement"),
    "identity": _("Identity at the bank"),
    "authority": _("Holds authority"),
    "organisation_number": _("Organisation number"),
    "shared_by": _("Shared by"),
}
# What happens to an agreement without changing its status.
EVENTS: dict[str, Any] = {
    "agreement_made": _("Made as a draft"),
    "agreement_converted": _("Converted to ISO 20022"),
    "agreement_closed": _("Closed, says the bank"),
    "agreement_confirmed": _("Confirmed by the bank"),
    "agreement_open": _("Open again at the bank"),
}
# What the bank does on an agreement, by field, in the order that it is told.
SERVICES: dict[str, Any] = {
    "remittance": _("Payments out"),
    "settlement_return": _("word of what is settled"),
    "incoming": _("incoming payments"),
    "split_incoming": _("split by KID and message"),
    "card_transactions": _("card transactions"),
    "statements": _("statements"),
}
