"""The code field and its check, shared by sign-in and signing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.access import secondfactor
from portal.access.secondfactor import Factor, Proof
from portal.people import phones


def one_line(text: str, most: int) -> str:
    """A remark from a form: control characters are spaces, and it is cut at `most`."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:most]


class AmountField(forms.CharField):
    """An amount as it is written in Norway, «84 300,00», between `least` and `most`, with at most
    two decimals; None when it is empty."""

    def __init__(
        self,
        *,
        most: Decimal,
        least: Decimal = Decimal(0),
        required: bool = False,
        too_much: Any = "",
        **kwargs: Any,
    ) -> None:
        attrs = {"inputmode": "decimal", "autocomplete": "off", "class": "short"}
        super().__init__(required=required, widget=forms.TextInput(attrs=attrs), **kwargs)
        self.least, self.most, self.too_much = least, most, too_much

    def clean(self, value: Any) -> Any:
        text = "".join(str(super().clean(value)).split())
        if not text:
            return None
        if "," in text:
            text = text.replace(".", "").replace(",", ".")
        try:
            amount = Decimal(text)
        except InvalidOperation as error:
            raise forms.ValidationError(_("Write an amount, such as 84\u00a0300,00.")) from error
        exponent = amount.as_tuple().exponent
        if amount.is_finite() and amount > self.most:
            told = self.too_much or _("The amount is larger than any that can be paid.")
            raise forms.ValidationError(told)
        fits = isinstance(exponent, int) and exponent >= -2
        if not (amount.is_finite() and fits and amount >= self.least):
            least = f"{self.least:.2f}".replace(".", ",")
            text = _("Write an amount of at least %(least)s, with at most two decimals.")
            raise forms.ValidationError(text % {"least": least})
        return amount


class _OneTime(forms.TextInput):
    """A field that comes back empty: what stood there works no second time."""

    def format_value(self, value: Any) -> str | None:
        return None


def told(error: Exception) -> str:
    """Why a code was not taken, in a sentence."""
    if isinstance(error, secondfactor.TooSoon):
        return _too_soon(error)
    if isinstance(error, secondfactor.TooManyTries):
        seconds = max(1, round((error.until - timezone.now()).total_seconds()))
        if seconds > MINUTE:
            minutes = -(-seconds // MINUTE)
            text = ngettext(
                "Too many wrong codes. Wait %(n)s minute and try again.",
                "Too many wrong codes. Wait %(n)s minutes and try again.",
                minutes,
            )
            return text % {"n": minutes}
        text = ngettext(
            "Too many wrong codes. Wait %(seconds)s second and try again.",
            "Too many wrong codes. Wait %(seconds)s seconds and try again.",
            seconds,
        )
        return text % {"seconds": seconds}
    if isinstance(error, secondfactor.NotEnrolled):
        return _("There is no code of this kind for you. Try another way.")
    return _("The code is wrong, too old or already used.")


def _too_soon(error: secondfactor.TooSoon) -> str:
    seconds = max(1, round((error.until - timezone.now()).total_seconds()))
    if seconds > settings.SMS_PAUSE_SECONDS:
        return _("No more codes are sent to you today. Sign in another way, or ask support.")
    text = ngettext(
        "A code was sent just now. Wait %(seconds)s second before you ask for another.",
        "A code was sent just now. Wait %(seconds)s seconds before you ask for another.",
        seconds,
    )
    return text % {"seconds": seconds}


MINUTE = 60


class WayForm(forms.Form):
    """A code that signs in and signs nothing: from the sheet, a text message or support."""

    code = forms.CharField(label=gettext_lazy("Code"), max_length=40)

    def __init__(self, *args: Any, factor: Factor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sent = factor is Factor.SMS
        self.fields["code"].widget = _OneTime(
            attrs={
                "autocomplete": "one-time-code" if sent else "off",
                "inputmode": "numeric" if sent else "text",
                "autocapitalize": "none",
                "spellcheck": "false",
                "class": "code",
                "autofocus": True,
            }
        )

    def verify(self, user: Any, verify: Callable[..., Proof]) -> Proof | None:
        """The proof, or None with the reason as an error of the form."""
        try:
            return verify(user=user, code=self.cleaned_data["code"])
        except (secondfactor.NotEnrolled, secondfactor.WrongCode) as error:
            self.add_error("code", told(error))
        except secondfactor.TooManyTries as error:
            self.add_error("code", told(error))
        return None


class PasswordOnlyForm(forms.Form):
    """The password, from whoever has no factor yet."""

    password = forms.CharField(
        label=gettext_lazy("Password"),
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_password(self) -> str:
        password = str(self.cleaned_data["password"])

        def check() -> bool | None:
            return self.user.check_password(password) or None

        try:
            secondfactor.bounded(self.user, check)
        except secondfactor.WrongCode as error:
            raise forms.ValidationError(_("The password is wrong.")) from error
        except secondfactor.TooManyTries as error:
            raise forms.ValidationError(told(error)) from error
        return password


def _code_field(help_text: Any) -> forms.CharField:
    return forms.CharField(
        label=gettext_lazy("Code from your authenticator app"),
        help_text=help_text,
        max_length=12,
        widget=_OneTime(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": "code"}
        ),
    )


class CodeForm(forms.Form):
    """A six-digit code; spaces are allowed, pasting works."""

    code = _code_field(
        gettext_lazy("A code works once. If you have just used one, wait for the next.")
    )

    signs = False  # whether payments are signed with it

    def verify(self, user: Any) -> Proof | None:
        """The proof, or None with the reason as an error of the form."""
        try:
            return secondfactor.verify(user=user, code=self.cleaned_data["code"])
        except secondfactor.NotEnrolled:
            self.add_error("code", _("You have no authenticator app yet. Set one up first."))
        except secondfactor.WrongCode:
            self.add_error(
                "code",
                _("The code is wrong, too old or already used. Wait for the next code and try it."),
            )
        except secondfactor.TooManyTries as error:
            self.add_error("code", told(error))
        return None

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        if self.signs and any(letter.isalpha() for letter in code):
            raise forms.ValidationError(
                _(
                    "This looks like a recovery code or a code from support. They sign in, but"
                    " sign no payments: use the authenticator app."
                )
            )
        return code


class SigningForm(CodeForm):
    """A code from the app, or what a passkey said: nothing else signs payments."""

    signs = True
    code = _code_field(
        gettext_lazy(
            "A code works once. Codes by text message, recovery codes and codes from support sign"
            " no payments."
        )
    )
    passkey = forms.CharField(required=False, max_length=20_000, widget=forms.HiddenInput)
    field_order = ("passkey", "code")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.data.get("passkey"):
            self.fields["code"].required = False


class PhoneForm(forms.Form):
    """The number of a mobile phone."""

    number = forms.CharField(
        label=gettext_lazy("Mobile phone"),
        max_length=30,
        widget=forms.TextInput(attrs={"autocomplete": "tel", "inputmode": "tel"}),
    )

    def clean_number(self) -> str:
        try:
            return phones.number(self.cleaned_data["number"])
        except phones.NotANumber as error:
            raise forms.ValidationError(
                _("Write the number with all its digits; with + and country code outside Norway.")
            ) from error
