"""The form of a payment that is written by hand: its head, and a form for each of its lines."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from banking import lifecycle as banking_lifecycle
from banking.iso20022.values import Account
from banking.models import BankAgreement
from payments import checks, fixes, jsonfile
from payments.models import Payment
from portal.access.models import Company
from portal.lists import widgets
from portal.people.forms import AmountField
from portal.people.templatetags import kvitt

MOST = Decimal(10) ** 12
BEARERS = [
    ("", gettext_lazy("As the bank does it")),
    ("SHAR", gettext_lazy("Each pays their own bank")),
    ("DEBT", gettext_lazy("We pay both banks")),
    ("CRED", gettext_lazy("The payee pays both banks")),
    ("SLEV", gettext_lazy("As the scheme has it (SEPA)")),
]


def _short(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", **attrs})


class HeadForm(forms.Form):
    """What all lines of the payment share."""

    account = forms.ChoiceField(label=gettext_lazy("Debit account"), widget=widgets.Select)
    due_date = forms.DateField(
        label=gettext_lazy("Due date"),
        input_formats=["%d.%m.%Y", "%Y-%m-%d"],
        widget=widgets.Date,
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=[
            (Payment.Kind.SUPPLIER.value, gettext_lazy("Supplier")),
            (Payment.Kind.SALARY.value, gettext_lazy("Salary")),
        ],
        help_text=gettext_lazy("Salary is seen and approved only by those with a role for it."),
        widget=widgets.Select,
    )
    urgent = forms.BooleanField(label=gettext_lazy("Urgent"), required=False)

    def __init__(self, *args: Any, company: Company, refused: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["account"]
        field.choices = accounts(company)
        self.refused = refused

    def clean_due_date(self) -> dt.date:
        day: dt.date = self.cleaned_data["due_date"]
        if day.strftime("%d.%m.%Y") == self.refused:
            raise forms.ValidationError(_("The bank refused this date. Choose another."))
        return day


def accounts(company: Company) -> list[tuple[str, str]]:
    """The accounts that payments can be debited now: number and label."""
    rows = BankAgreement.objects.of(company).filter(
        status=banking_lifecycle.ACTIVE, remittance=True
    )
    return [
        (row.account.number, f"{kvitt.account(row.account.number)} {row.account.name}".strip())
        for row in rows.select_related("account").order_by("account__name", "account__number")
    ]


class LineForm(forms.Form):
    """One line: who is paid, how much, and what for. `row` is the line as the draft holds it."""

    payee = forms.CharField(
        label=gettext_lazy("Payee"), max_length=checks.NAME_MAX, widget=_short()
    )
    account = forms.CharField(
        label=gettext_lazy("Account"),
        max_length=45,
        help_text=gettext_lazy("Account number or IBAN"),
        widget=_short(),
    )
    amount = AmountField(
        label=gettext_lazy("Amount"), required=True, least=Decimal("0.01"), most=MOST
    )
    currency = forms.ChoiceField(
        label=gettext_lazy("Currency"),
        choices=[(one, one) for one in ("NOK", *sorted(checks.CURRENCIES - {"NOK"}))],
        initial="NOK",
        widget=widgets.Select,
    )
    kid = forms.CharField(
        label=gettext_lazy("KID"),
        max_length=checks.KID_MAX,
        required=False,
        widget=_short(inputmode="numeric"),
    )
    message = forms.CharField(
        label=gettext_lazy("Message to the payee"),
        max_length=checks.MESSAGE_MAX,
        required=False,
        help_text=gettext_lazy("Where there is no KID: what the payment is for."),
        widget=forms.TextInput,
    )
    street = forms.CharField(label=gettext_lazy("Street"), max_length=70, required=False)
    building = forms.CharField(
        label=gettext_lazy("Number in the street"), max_length=16, required=False
    )
    post_code = forms.CharField(label=gettext_lazy("Postal code"), max_length=16, required=False)
    town = forms.CharField(label=gettext_lazy("Town"), max_length=35, required=False)
    country = forms.RegexField(
        r"^[A-Za-z]{2}$",
        label=gettext_lazy("Country"),
        required=False,
        help_text=gettext_lazy("Two letters, such as NO or SE"),
        error_messages={"invalid": gettext_lazy("Write the two letters of the country.")},
        widget=_short(),
    )
    bic = forms.RegexField(
        r"^[A-Za-z0-9]{4}[A-Za-z]{2}[A-Za-z0-9]{2}([A-Za-z0-9]{3})?$",
        label=gettext_lazy("BIC of the payee's bank"),
        required=False,
        error_messages={"invalid": gettext_lazy("A BIC has 8 or 11 letters and digits.")},
        widget=_short(),
    )
    clearing_id = forms.CharField(
        label=gettext_lazy("Clearing code, where the bank has no BIC"),
        max_length=28,
        required=False,
        widget=_short(),
    )
    clearing_system = forms.RegexField(
        r"^[A-Za-z]{5}$",
        label=gettext_lazy("Kind of clearing code"),
        required=False,
        help_text=gettext_lazy("Five letters: USABA, GBDSC …"),
        error_messages={"invalid": gettext_lazy("Write its five letters.")},
        widget=_short(),
    )
    charge_bearer = forms.ChoiceField(
        label=gettext_lazy("Who pays what the banks charge"),
        choices=BEARERS,
        required=False,
        widget=widgets.Select,
    )
    purpose = forms.RegexField(
        r"^[A-Za-z0-9]{1,4}$",
        label=gettext_lazy("Purpose code"),
        required=False,
        error_messages={"invalid": gettext_lazy("A purpose code has at most four letters.")},
        widget=_short(),
    )
    right = forms.BooleanField(
        label=gettext_lazy("What was refused is right as it stands; send it as it was"),
        required=False,
    )
    without_documents = forms.BooleanField(
        label=gettext_lazy("Leave the invoices out, and write a message or KID instead"),
        required=False,
    )

    def __init__(self, *args: Any, row: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        if not row.get("asked"):
            del self.fields["right"]
        if not row.get("documents"):
            del self.fields["without_documents"]

    @property
    def main(self) -> list[Any]:
        """The fields of every payment."""
        names = ("payee", "account", "amount", "currency", "kid", "message", "without_documents")
        return [self[name] for name in names if name in self.fields]

    @property
    def others(self) -> list[Any]:
        """The fields that payments abroad, and few others, take."""
        return [self[name] for name in (*fixes.ADDRESS, "bic", *fixes.EXTRAS[1:], "purpose")]

    @property
    def opened(self) -> bool:
        """Whether there is something to look at among the others: a fault, what is asked for, or
        a payee abroad."""
        names = {one.name for one in self.others}
        told = {*self.row.get("asked", ()), *(note["field"] for note in self.row.get("notes", ()))}
        abroad = self.row.get("country", "").upper() not in ("", "NO")
        unusual = abroad or any(self.row.get(name) for name in names - set(fixes.ADDRESS))
        return bool(names & (told | set(self.errors))) or unusual

    @property
    def notes(self) -> list[str]:
        """What a corrected draft tells of the line."""
        return [text for note in self.row.get("notes", ()) if (text := fixes.note_text(note))]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        keeps = self.row.get("documents") and not found.get("without_documents")
        if keeps and (found.get("kid") or found.get("message")):
            name = "kid" if found.get("kid") else "message"
            self.add_error(name, _("The line has invoices, so leave this empty."))
        elif found.get("kid") and found.get("message"):
            self.add_error("message", _("A line has a KID or a message, not both."))
        if not found.get("right"):
            for name in self.row.get("asked", ()):
                self._must_differ(name, found)
        return found

    def _must_differ(self, name: str, found: dict[str, Any]) -> None:
        """A field that was refused is to be another, or somebody says that it is right."""
        if name in self.errors:
            return
        was, told = self.row.get("was", {}).get(name, ""), self.data.get(self.add_prefix(name), "")
        # A KID that is taken out, or an account that it goes to, is a correction of the two.
        others = {"kid": ("account",)}.get(name, ())
        changed = any(
            _plain(self.row.get("was", {}).get(one, "")) != _plain(str(found.get(one) or ""))
            for one in others
        )
        if _plain(was) == _plain(told) and not changed:
            text = _("Change this, or tick that what was refused is right.")
            self.add_error(name, text)


class InvoiceForm(forms.Form):
    """An invoice that is to be approved before its payment comes."""

    payee = LineForm.base_fields["payee"]
    account = LineForm.base_fields["account"]
    amount = LineForm.base_fields["amount"]
    currency = LineForm.base_fields["currency"]
    kid = LineForm.base_fields["kid"]
    reference = forms.CharField(
        label=gettext_lazy("Message or invoice number"),
        max_length=checks.MESSAGE_MAX,
        required=False,
        help_text=gettext_lazy("Where there is no KID: just as the ERP will write it."),
    )
    valid_until = forms.DateField(
        label=gettext_lazy("Valid until"),
        input_formats=["%d.%m.%Y", "%Y-%m-%d"],
        help_text=gettext_lazy("A payment that comes later must be approved as always."),
        widget=widgets.Date,
    )

    def __init__(self, *args: Any, today: dt.date, days_max: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today, self.days_max = today, days_max

    def clean_payee(self) -> str:
        name = " ".join(self.cleaned_data["payee"].split())
        if len(checks.as_sent(name)) > checks.NAME_MAX:
            raise forms.ValidationError(_("The name is too long for the bank. Shorten it."))
        return name

    def clean_account(self) -> Account:
        read = jsonfile.account_of(self.cleaned_data["account"])
        normal = checks.normal_account(read)
        if normal is None or read.kind == "OTHER":
            text = _("A digit is wrong: the account fails its check. Look at the invoice again.")
            raise forms.ValidationError(text)
        return Account(read.kind, normal)

    def clean_kid(self) -> str:
        kid = "".join(self.cleaned_data["kid"].split())
        if kid and not checks.fits_kid(kid):
            text = _("A digit is wrong: the KID fails its check. Look at the invoice again.")
            raise forms.ValidationError(text)
        return kid

    def clean_reference(self) -> str:
        return " ".join(self.cleaned_data["reference"].split())

    def clean_valid_until(self) -> dt.date:
        day: dt.date = self.cleaned_data["valid_until"]
        if day < self.today:
            raise forms.ValidationError(_("The day has passed. Choose today or later."))
        if day > self.today + dt.timedelta(days=self.days_max):
            raise forms.ValidationError(_("The day lies more than a year ahead."))
        return day

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if not {"kid", "reference"} & set(self.errors):
            if found.get("kid") and found.get("reference"):
                self.add_error("reference", _("An invoice has a KID or a message, not both."))
            elif not found.get("kid") and not found.get("reference"):
                self.add_error("kid", _("Write the KID, or else the message or invoice number."))
        amount, currency = found.get("amount"), found.get("currency", "")
        if amount is not None and amount % 1 and not checks.decimals_of(currency):
            text = _("Amounts in %(currency)s have no decimals.") % {"currency": currency}
            self.add_error("amount", text)
        return found


def _plain(text: str) -> str:
    return "".join(text.split()).casefold()
