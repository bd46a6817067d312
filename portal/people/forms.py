"""The code field and its check, shared by sign-in and signing."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.access import secondfactor


def one_line(text: str, most: int) -> str:
    """A remark from a form: control characters are spaces, and it is cut at `most`."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:most]


class _OneTime(forms.TextInput):
    """A field that comes back empty: what stood there works no second time."""

    def format_value(self, value: Any) -> str | None:
        return None


class CodeForm(forms.Form):
    """A six-digit code; spaces are allowed, pasting works."""

    code = forms.CharField(
        label=gettext_lazy("Code from your authenticator app"),
        help_text=gettext_lazy("A code works once. If you have just used one, wait for the next."),
        max_length=12,
        widget=_OneTime(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "class": "code"}
        ),
    )

    def verify(self, user: Any) -> secondfactor.Proof | None:
        """The proof, or None with the reason as an error of the form."""
        try:
            return secondfactor.verify(user=user, code=self.cleaned_data["code"])
        except secondfactor.NotEnrolled:
            self.add_error("code", _("You have no authenticator app yet. Ask an administrator."))
        except secondfactor.WrongCode:
            self.add_error(
                "code",
                _("The code is wrong, too old or already used. Wait for the next code and try it."),
            )
        except secondfactor.TooManyTries as error:
            seconds = max(1, round((error.until - timezone.now()).total_seconds()))
            self.add_error(
                "code",
                ngettext(
                    "Too many wrong codes. Wait %(seconds)s second and try again.",
                    "Too many wrong codes. Wait %(seconds)s seconds and try again.",
                    seconds,
                )
                % {"seconds": seconds},
            )
        return None
