"""The steps of an agreement's form: bank, account, payer and approvers, services.

What is asked for is told by the bank's data file (banking/banks). The forms judge; what is made of
them is banking.setups' to say.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django import forms
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from stdnum import bic

from banking import numbers, profiles
from banking.iso20022 import characters
from banking.models import BankAgreement, BankChannel
from banking.nets import remittance
from banking.profiles import BankProfile
from portal.access.models import User
from portal.lists import widgets

CURRENCIES = ("NOK", "EUR", "USD", "SEK", "DKK", "GBP", "CHF")
MAILS_MAX = 20
# What each identifier is called, and where people find it.
CALLED: dict[str, tuple[Any, Any]] = {
    "customer_number": (
        gettext_lazy("Customer number in bank"),
        gettext_lazy("Also called customer id. It stands in the bank's confirmation."),
    ),
    "agreement_id": (
        gettext_lazy("Agreement id from the bank"),
        gettext_lazy("At some banks the CCM agreement's id."),
    ),
    "division": (
        gettext_lazy("Division"),
        gettext_lazy("Only where the agreement with the bank has divisions."),
    ),
    "signer_id": (
        gettext_lazy("Signer id"),
        gettext_lazy("The id that the bank lets sign payments by file."),
    ),
}


OLD_FORMAT_IDENTIFIERS = gettext_lazy(
    "The old format carries a customer number of at most 8 digits and an agreement id of at most 9,"
    " and nothing but digits. Correct them under Payer and approvers, or choose ISO 20022."
)


def carried(text: str) -> str:
    """A text as banks carry it; raises ValidationError naming the letters they do not."""
    text = " ".join(text.split())
    odd = sorted({fault.character for fault in characters.faults(text)})
    if odd:
        raise forms.ValidationError(
            _("Banks do not carry these characters: %(odd)s") % {"odd": " ".join(odd)}
        )
    return text


def identifier(text: str, field: str = "") -> str:
    """A number or id at the bank as it is sent: letters from banks write them in groups. A division
    (`field`) is a name, and keeps the spaces between its words."""
    return (
        " ".join(carried(text).split()) if field == "division" else carried(text).replace(" ", "")
    )


def mark_of(values: Mapping[str, Any]) -> str:
    """A mark of facts as a page shows them, by which it is seen whether they have changed since."""
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def twice(cleaned: Mapping[str, Any], people: Iterable[User]) -> dict[str, str]:
    """Field → what is wrong, of those that give a person an identity that another has."""
    taken: dict[str, str] = {}
    found = {}
    for user in people:
        name = f"identity_{user.pk}"
        text = str(cleaned.get(name) or "").casefold()
        if text and text in taken:
            told = _("%(name)s has this identity already; two people are never one at the bank.")
            found[name] = told % {"name": taken[text]}
        elif text:
            taken[text] = user.name
    return found


class MailsField(forms.CharField):
    """E-mail addresses, each on a line of its own or with commas between."""

    widget = forms.Textarea(attrs={"rows": 3, "autocomplete": "off", "spellcheck": "false"})

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=4000, **kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        found = list(dict.fromkeys(part.lower() for part in re.split(r"[\s,;]+", text) if part))
        if len(found) > MAILS_MAX:
            raise forms.ValidationError(_("At most %(n)s addresses.") % {"n": MAILS_MAX})
        for address in found:
            try:
                validate_email(address)
            except forms.ValidationError as error:
                told = _("%(text)s is no e-mail address. Correct it.") % {"text": address[:80]}
                raise forms.ValidationError(told) from error
        return found


class BankStep(forms.Form):
    """Which bank: a connection that Kvitt has."""

    channel = forms.ModelChoiceField(
        label=gettext_lazy("Bank"), queryset=BankChannel.objects.none(), empty_label=None
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        banks = BankChannel.objects.filter(is_active=True).order_by("name")
        cast("Any", self.fields["channel"]).queryset = banks
        if banks.count() > 1:  # a bank is chosen, and not left as it happens to stand first
            cast("Any", self.fields["channel"]).empty_label = _("Choose a bank")
        connected = set(banks.values_list("bank", flat=True))
        known = [
            one.name
            for one in profiles.every().values()
            if not one.demo and one.code not in {*connected, profiles.GENERAL}
        ]
        if known:
            told = _(
                "Kvitt is not connected to these yet: %(banks)s. Write to support if you want one."
            )
            self.fields["channel"].help_text = told % {"banks": ", ".join(known)}


class AccountStep(forms.Form):
    """The account that is paid from."""

    account_number = forms.CharField(
        label=gettext_lazy("Account number"),
        max_length=20,
        required=False,
        help_text=gettext_lazy(
            "Eleven digits; spaces and dots are removed. Or write the IBAN alone."
        ),
    )
    iban = forms.CharField(
        label=gettext_lazy("IBAN"),
        max_length=42,
        required=False,
        help_text=gettext_lazy("A Norwegian IBAN is made from the account number."),
    )
    account_name = forms.CharField(label=gettext_lazy("Name of the account"), max_length=80)
    bic = forms.CharField(label=gettext_lazy("BIC"), max_length=11, required=False)
    currency = forms.ChoiceField(
        label=gettext_lazy("Currency"),
        choices=[(code, code) for code in CURRENCIES],
        widget=widgets.Select,
    )
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=BankAgreement.DESCRIPTION_LENGTH,
        required=False,
        help_text=gettext_lazy("What the agreement is called in lists. Empty: bank and account."),
    )
    tax_withholding = forms.BooleanField(
        label=gettext_lazy("It is a tax-withholding account"), required=False
    )

    def __init__(self, *args: Any, profile: BankProfile, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.profile = profile

    def clean_account_number(self) -> str:
        if not self.cleaned_data["account_number"].strip():
            return ""
        try:
            return numbers.account(self.cleaned_data["account_number"])
        except numbers.InvalidNumber as error:
            raise forms.ValidationError(
                _("The account number must have 11 digits and a right check digit.")
            ) from error

    def clean_iban(self) -> str:
        if not self.cleaned_data["iban"].strip():
            return ""
        try:
            return numbers.iban(self.cleaned_data["iban"])
        except numbers.InvalidNumber as error:
            raise forms.ValidationError(
                _("The IBAN is wrong: a character is missing, or a digit does not fit.")
            ) from error

    def _norwegian(self, number: str, iban: str) -> str:
        """Why the two cannot be of one Norwegian account; "" where they can."""
        if not iban.startswith("NO"):
            return _("Only a Norwegian account is paid from here; its IBAN begins with NO.")
        if iban[4:] != number:
            return _("The IBAN is of another account than the account number.")
        return ""

    def clean_bic(self) -> str:
        text = str(self.cleaned_data["bic"]).replace(" ", "").upper()
        if text and not bic.is_valid(text):
            raise forms.ValidationError(_("A BIC has 8 or 11 letters and digits."))
        if text and self.profile.bics and text[:8] not in self.profile.bics:
            told = _("This is not a BIC of %(bank)s, which has %(bics)s.")
            words = {"bank": self.profile.name, "bics": ", ".join(self.profile.bics)}
            raise forms.ValidationError(told % words)
        return text

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        number, iban = cleaned.get("account_number"), cleaned.get("iban")
        if number is None or iban is None:
            return cleaned
        if not number and iban.startswith("NO"):
            cleaned["account_number"] = number = iban[4:]
        if not number and iban:
            self.add_error("iban", self._norwegian(number, iban))
        elif not number:
            self.add_error("account_number", _("Write the account number, 11 digits."))
        elif not iban:
            cleaned["iban"] = numbers.iban_of(number)
        elif told := self._norwegian(number, iban):
            self.add_error("iban", told)
        return cleaned


class PayerStep(forms.Form):
    """What the bank knows the customer by, who approves, and who is told by e-mail."""

    approvers_required = forms.TypedChoiceField(
        label=gettext_lazy("Approvers in the portal"),
        choices=BankAgreement.Approvers.choices,
        coerce=int,
        initial=2,
        widget=widgets.Select,
    )
    bank_approvers_required = forms.TypedChoiceField(
        label=gettext_lazy("Approvers at the bank"),
        choices=BankAgreement.Approvers.choices,
        coerce=int,
        initial=1,
        widget=widgets.Select,
    )
    bank_approval = forms.ChoiceField(
        label=gettext_lazy("Is it approved at the bank as well?"),
        choices=BankAgreement.BankApproval.choices,
        widget=widgets.Select,
    )
    two_factor_to_upload = forms.BooleanField(
        label=gettext_lazy("Uploads on this agreement need a code"),
        required=False,
        help_text=gettext_lazy(
            "Signing always needs a second factor. With this, the user whom the ERP names also"
            " shows a code from the authenticator app for each upload of the company."
        ),
    )
    reject_mails = MailsField(
        label=gettext_lazy("Mail about rejected payments to"),
        help_text=gettext_lazy("One address on each line. Being on the list gives no rights."),
    )
    approve_mails = MailsField(
        label=gettext_lazy("Mail about payments to approve to"),
        help_text=gettext_lazy("Approvers get these mails anyway, if they wish."),
    )

    def __init__(
        self, *args: Any, profile: BankProfile, approvers: list[User], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.profile, self.approvers = profile, approvers
        for one in profile.identifiers:
            label, help_text = CALLED[one.field]
            self.fields[one.field] = forms.CharField(
                label=label, help_text=help_text, max_length=35, required=one.required
            )
        for user in approvers:
            words = {"name": user.name}
            self.fields[f"identity_{user.pk}"] = forms.CharField(
                label=_("%(name)s: identity at the bank") % words, max_length=35, required=False
            )
            self.fields[f"authority_{user.pk}"] = forms.BooleanField(
                label=_("%(name)s holds authority on the account at the bank") % words,
                required=False,
            )

    @property
    def asked(self) -> list[Any]:
        """The bound fields of the bank's own identifiers."""
        return [self[one.field] for one in self.profile.identifiers]

    @property
    def people(self) -> list[tuple[User, Any, Any]]:
        """(person, identity, authority) of everybody who may approve."""
        return [
            (user, self[f"identity_{user.pk}"], self[f"authority_{user.pk}"])
            for user in self.approvers
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("approvers_required") == 1 and cleaned.get("bank_approvers_required") == 2:
            self.add_error(
                "approvers_required",
                _("Two approvers are registered at the bank, so two must approve here as well."),
            )
        for name in [one.field for one in self.profile.identifiers] + [
            f"identity_{user.pk}" for user in self.approvers
        ]:
            if cleaned.get(name):
                try:
                    cleaned[name] = identifier(cleaned[name], name)
                except forms.ValidationError as error:
                    self.add_error(name, error)
        for name, told in twice(cleaned, self.approvers).items():
            if name not in self.errors:
                self.add_error(name, told)
        for user in self.approvers:
            name = f"identity_{user.pk}"
            lacks = cleaned.get(f"authority_{user.pk}") and not cleaned.get(name)
            if lacks and name not in self.errors:
                self.add_error(
                    name,
                    _("Write who the person is at the bank; the bank checks it against authority."),
                )
        return cleaned


class ServicesStep(forms.Form):
    """What the bank does on the agreement, in which format, and the ERP that it is used from."""

    erp_name = forms.CharField(
        label=gettext_lazy("Name of the ERP's connection"),
        max_length=80,
        required=False,
        help_text=gettext_lazy("An account is paid from one ERP: this one."),
    )
    erp_system = forms.CharField(label=gettext_lazy("ERP system"), max_length=80, required=False)
    file_format = forms.ChoiceField(
        label=gettext_lazy("Format"),
        choices=BankAgreement.Format.choices,
        widget=widgets.Select,
        help_text=gettext_lazy(
            "Norwegian banks withdrew Direkte remittering for sending on 1 October 2024: choose it"
            " only where your bank still takes it. It sends back settled payments only; rejections"
            " are set by hand."
        ),
    )
    pain_version = forms.ChoiceField(label=gettext_lazy("Version"), widget=widgets.Select)
    remittance = forms.BooleanField(
        label=gettext_lazy("Payments out (remittance)"), required=False, initial=True
    )
    settlement_return = forms.BooleanField(
        label=gettext_lazy("Word of what is settled"), required=False, initial=True
    )
    incoming = forms.BooleanField(
        label=gettext_lazy("Incoming payments (OCR giro or camt.054)"), required=False
    )
    split_incoming = forms.BooleanField(
        label=gettext_lazy("Split incoming payments by KID, message and others"), required=False
    )
    card_transactions = forms.BooleanField(
        label=gettext_lazy("Take in card transactions as well"), required=False
    )
    statements = forms.BooleanField(
        label=gettext_lazy("Account statements (camt.053)"), required=False
    )
    cut_over_date = forms.DateField(
        label=gettext_lazy("Last day of this agreement"),
        required=False,
        input_formats=["%d.%m.%Y", "%Y-%m-%d"],
        widget=widgets.Date,
        help_text=gettext_lazy(
            "Where another agreement takes over: nothing is paid on this one after that day."
        ),
    )

    def __init__(
        self,
        *args: Any,
        profile: BankProfile,
        identifiers: Mapping[str, str],
        today: dt.date,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.identifiers, self.today = identifiers, today
        versions: Any = [(name, name) for name in profile.messages]
        cast("Any", self.fields["pain_version"]).choices = versions
        if not profile.direkte_remittering:
            kept: Any = [
                choice
                for choice in BankAgreement.Format.choices
                if choice[0] != BankAgreement.Format.NETS
            ]
            cast("Any", self.fields["file_format"]).choices = kept

    def clean_cut_over_date(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["cut_over_date"]
        if day is not None and day < self.today:
            raise forms.ValidationError(_("The day has passed. Choose today or later."))
        return day

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("file_format") == BankAgreement.Format.NETS and not remittance.carries(
            sender=self.identifiers.get("customer_number", ""),
            agreement=self.identifiers.get("agreement_id", ""),
        ):
            self.add_error("file_format", OLD_FORMAT_IDENTIFIERS)
        services = ("remittance", "incoming", "statements")
        if not any(cleaned.get(name) for name in services):
            self.add_error(
                "remittance", _("Choose at least one of payments, incoming, statements.")
            )
        if not cleaned.get("incoming"):
            for name in ("split_incoming", "card_transactions"):
                if cleaned.get(name):
                    self.add_error(name, _("This is of incoming payments: choose those too."))
        return cleaned
