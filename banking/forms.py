"""The first form of an agreement: bank, account, identifiers, approvers and their authority."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from stdnum import bic

from banking import lifecycle, numbers
from banking.iso20022 import characters
from banking.models import Authority, BankAccount, BankAgreement, BankChannel
from portal.access import grants
from portal.access.models import Company
from portal.access.roles import Permission
from portal.people import changes, companies


def _carried(text: str) -> str:
    """A text as banks carry it; raises ValidationError naming the letters they do not."""
    text = " ".join(text.split())
    odd = sorted({fault.character for fault in characters.faults(text)})
    if odd:
        raise forms.ValidationError(
            _("Banks do not carry these characters: %(odd)s") % {"odd": " ".join(odd)}
        )
    return text


class AgreementForm(forms.Form):
    """Makes an account when it is new, an agreement in draft, and the approvers' authorities."""

    channel = forms.ModelChoiceField(
        label=gettext_lazy("Bank"), queryset=BankChannel.objects.none(), empty_label=None
    )
    account_number = forms.CharField(
        label=gettext_lazy("Account number"),
        max_length=20,
        help_text=gettext_lazy("Eleven digits; spaces and dots are removed."),
    )
    account_name = forms.CharField(label=gettext_lazy("Name of the account"), max_length=80)
    bic = forms.CharField(label=gettext_lazy("BIC"), max_length=11, required=False)
    customer_number = forms.CharField(label=gettext_lazy("Customer number in bank"), max_length=35)
    agreement_id = forms.CharField(label=gettext_lazy("Agreement id from the bank"), max_length=35)
    description = forms.CharField(label=gettext_lazy("Description"), max_length=140, required=False)
    pain_version = forms.ChoiceField(
        label=gettext_lazy("Format"), choices=BankAgreement.PainVersion.choices
    )
    approvers_required = forms.TypedChoiceField(
        label=gettext_lazy("Approvers in the portal"),
        choices=BankAgreement.Approvers.choices,
        coerce=int,
        initial=2,
    )
    bank_approvers_required = forms.TypedChoiceField(
        label=gettext_lazy("Approvers at the bank"),
        choices=BankAgreement.Approvers.choices,
        coerce=int,
        initial=1,
    )

    def __init__(self, *args: Any, company: Company, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.company = company
        self.fields["channel"].queryset = BankChannel.objects.filter(is_active=True)  # type: ignore[attr-defined]
        supplier = grants.holders(company=company, permission=Permission.APPROVE_SUPPLIER)
        salary = grants.holders(company=company, permission=Permission.APPROVE_SALARY)
        self.approvers = list({user.pk: user for user in [*supplier, *salary]}.values())
        for user in self.approvers:
            self.fields[f"identity_{user.pk}"] = forms.CharField(
                label=_("%(name)s: identity at the bank") % {"name": user.name},
                max_length=35,
                required=False,
            )
            self.fields[f"authority_{user.pk}"] = forms.BooleanField(
                label=_("%(name)s holds authority on the account at the bank")
                % {"name": user.name},
                required=False,
            )

    def clean_account_number(self) -> str:
        try:
            return numbers.account(self.cleaned_data["account_number"])
        except numbers.InvalidNumber as error:
            raise forms.ValidationError(
                _("The account number must have 11 digits and a right check digit.")
            ) from error

    def clean_bic(self) -> str:
        text = str(self.cleaned_data["bic"]).replace(" ", "").upper()
        if text and not bic.is_valid(text):
            raise forms.ValidationError(_("A BIC has 8 or 11 letters and digits."))
        return text

    def clean_customer_number(self) -> str:
        return _carried(self.cleaned_data["customer_number"])

    def clean_agreement_id(self) -> str:
        return _carried(self.cleaned_data["agreement_id"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("approvers_required") == 1 and cleaned.get("bank_approvers_required") == 2:
            self.add_error(
                "approvers_required",
                _("Two approvers are registered at the bank, so two must approve here as well."),
            )
        number = cleaned.get("account_number")
        if number and self._is_live(number):
            self.add_error(
                "account_number",
                _(
                    "The account has an active agreement. Deactivate that first: a draft must not"
                    " change who may approve on it now."
                ),
            )
        for user in self.approvers:
            if cleaned.get(f"identity_{user.pk}"):
                try:
                    _carried(cleaned[f"identity_{user.pk}"])
                except forms.ValidationError as error:
                    self.add_error(f"identity_{user.pk}", error)
            if cleaned.get(f"authority_{user.pk}") and not cleaned.get(f"identity_{user.pk}"):
                self.add_error(
                    f"identity_{user.pk}",
                    _("Write who the person is at the bank; the bank checks it against authority."),
                )
        return cleaned

    def _is_live(self, number: str) -> bool:
        return (
            BankAgreement.objects.of(self.company)
            .filter(account__number=number, status=lifecycle.ACTIVE)
            .exists()
        )

    def save(self, *, by: changes.By) -> BankAgreement:
        """The agreement, in draft. The company's first one makes its pages ask for two factors."""
        data = self.cleaned_data
        with transaction.atomic():
            if not BankAgreement.objects.of(self.company).exists():
                companies.set_two_factor(company=self.company, asked_for="sign-in", on=True, by=by)
            account, _made = BankAccount.objects.update_or_create(
                company=self.company,
                number=data["account_number"],
                defaults={
                    "name": data["account_name"],
                    "bic": data["bic"],
                    "iban": numbers.iban_of(data["account_number"]),
                },
            )
            for user in self.approvers:
                identity = data.get(f"identity_{user.pk}")
                if identity:
                    Authority.objects.update_or_create(
                        company=self.company,
                        account=account,
                        user=user,
                        defaults={
                            "bank_identity": identity,
                            "holds_authority": data[f"authority_{user.pk}"],
                        },
                    )
            return BankAgreement.objects.create(
                company=self.company,
                channel=data["channel"],
                account=account,
                description=data["description"],
                customer_number=data["customer_number"],
                agreement_id=data["agreement_id"],
                pain_version=data["pain_version"],
                approvers_required=data["approvers_required"],
                bank_approvers_required=data["bank_approvers_required"],
            )
