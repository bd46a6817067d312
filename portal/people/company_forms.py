"""Forms about companies: the fields of one, and the file with a list of them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portal.access.models import Customer
from portal.people import companies


class _Faulted(forms.Form):
    """A form whose rules are asked elsewhere."""

    def add_faults(self, faults: list[companies.Fault]) -> None:
        """Shows what was found wrong, each beside its field."""
        for fault in faults:
            self.add_error(fault.field if fault.field in self.fields else None, fault.text)


class CustomerForm(_Faulted):
    """A customer; its rules are those of `customers.checked`."""

    name = forms.CharField(
        label=companies.NAMES["name"],
        required=False,
        widget=forms.TextInput(attrs={"required": True, "autocomplete": "off"}),
    )
    kind = forms.ChoiceField(label=_("Kind"), choices=Customer.Kind.choices)


class CompanyForm(_Faulted):
    """One company; its rules are those of `companies.checked`."""

    name = forms.CharField(label=companies.NAMES["name"], required=False)
    organisation_number = forms.CharField(
        label=companies.NAMES["organisation_number"],
        required=False,
        help_text=_("Nine digits; spaces, dots, NO and MVA are removed."),
    )
    address = forms.CharField(label=companies.NAMES["address"], required=False)
    postal_code = forms.CharField(
        label=companies.NAMES["postal_code"],
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "class": "short"}),
    )
    city = forms.CharField(label=companies.NAMES["city"], required=False)

    def __init__(self, *args: Any, fixed_number: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if fixed_number:
            del self.fields["organisation_number"]
        for name in ("name", "organisation_number"):
            if name in self.fields:
                self.fields[name].widget.attrs["required"] = True
        for field in self.fields.values():
            field.widget.attrs.setdefault("autocomplete", "off")


class ListForm(forms.Form):
    """A file with a list of companies."""

    file = forms.FileField(
        label=_("File with the companies"),
        help_text=_("CSV or Excel (.xlsx), with the names of the columns in the first row."),
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.xlsx"}),
        error_messages={
            "required": _("Choose a file first."),
            "empty": _("The file is empty. Choose the file with the list of companies."),
        },
    )
