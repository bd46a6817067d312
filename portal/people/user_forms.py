"""Forms about people: an invitation, its acceptance, roles, groups."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.access.models import User
from portal.access.roles import CUSTOMER_ROLES, ROLES, Role, Section
from portal.people import passwords, phones

SECTIONS: dict[Section, Any] = {
    Section.CUSTOMER: gettext_lazy("The customer"),
    Section.AUTOPAY: gettext_lazy("AutoPay"),
    Section.AUTOCOLLECT: gettext_lazy("AutoCollect"),
    Section.AGENCY: gettext_lazy("Collection agency"),
}
LANGUAGES = [("nb", gettext_lazy("Bokmål")), ("en", gettext_lazy("English"))]


def one_line_name(text: str) -> str:
    """A name on one line, with single spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


class PhoneField(forms.CharField):
    """A telephone number, kept as +47…; empty when it is not needed."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", gettext_lazy("Mobile phone"))
        kwargs.setdefault("max_length", 30)
        widget = forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel"})
        super().__init__(widget=widget, **kwargs)

    def clean(self, value: Any) -> str:
        text = str(super().clean(value))
        if not text:
            return ""
        try:
            return phones.number(text)
        except phones.NotANumber as error:
            raise forms.ValidationError(
                _("Write the number with all its digits; with + and country code outside Norway.")
            ) from error


class InviteForm(forms.Form):
    """Whom to invite."""

    email = forms.EmailField(
        label=gettext_lazy("E-mail"),
        max_length=254,
        help_text=gettext_lazy("It is the user name. The invitation is sent here."),
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=140,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    phone = PhoneField(required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=LANGUAGES)

    def clean_name(self) -> str:
        return one_line_name(self.cleaned_data["name"])


class AcceptForm(forms.Form):
    """What a person who has no account yet says of themselves, and the password."""

    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=140,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    phone = PhoneField(required=False)
    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=LANGUAGES)
    password = forms.CharField(
        label=gettext_lazy("Choose a password"),
        max_length=passwords.LONGEST,
        strip=False,
        help_text=gettext_lazy(
            "At least 15 characters. Four or five words that have nothing to do with each other"
            " are good; no signs or digits are needed."
        ),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_name(self) -> str:
        return one_line_name(self.cleaned_data["name"])

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])
        faults = passwords.check(password, user=self.user, alone=True)
        if faults:
            raise forms.ValidationError(faults)
        return password


class RolesForm(forms.Form):
    """Roles as boxes, each explained in place; those of a customer only where `at_customer`."""

    def __init__(self, *args: Any, offered: Collection[Role], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offered = [role for role in Role if role in offered]
        for role in self.offered:
            self.fields[role.value] = forms.BooleanField(
                label=ROLES[role].name, help_text=ROLES[role].explained, required=False
            )

    def sections(self) -> list[tuple[Any, list[Any]]]:
        """The boxes by what they are for, in order."""
        found = []
        for section, label in SECTIONS.items():
            boxes = [self[role.value] for role in self.offered if ROLES[role].section is section]
            if boxes:
                found.append((label, boxes))
        return found

    def chosen(self) -> set[Role]:
        return {role for role in self.offered if self.cleaned_data.get(role.value)}


COMPANY_ROLES = [role for role in Role if role not in CUSTOMER_ROLES]


TAKEN = gettext_lazy("There is a group with this name. Choose another.")


class GroupForm(forms.Form):
    """The name of a group."""

    name = forms.CharField(
        label=gettext_lazy("Name of the group"),
        max_length=140,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, taken: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.taken = {name.casefold() for name in taken}

    def clean_name(self) -> str:
        name = one_line_name(self.cleaned_data["name"])
        if name.casefold() in self.taken:
            raise forms.ValidationError(TAKEN)
        return name
