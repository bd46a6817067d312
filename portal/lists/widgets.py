"""The controls of filters, in Python: a template for each option costs more than the page."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _


def _attributes(attrs: dict[str, Any]) -> SafeString:
    """Attributes as HTML; those that are False or None are left out, True stands alone."""
    parts = []
    for name, value in attrs.items():
        if value is True:
            parts.append(f" {name}")
        elif value not in (None, False):
            parts.append(format_html(' {}="{}"', name, value))
    return SafeString("".join(parts))


class Select(forms.Select):
    """A select without groups."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        chosen = "" if value is None else str(value)
        options = []
        for code, label in self.choices:
            code_text = "" if code is None else str(code)
            mark = " selected" if code_text == chosen else ""
            options.append(
                f'<option value="{conditional_escape(code_text)}"{mark}>'
                f"{conditional_escape(str(label))}</option>"
            )
        given = _attributes({"name": name, **self.build_attrs(self.attrs, attrs)})
        return SafeString(f"<select{given}>{''.join(options)}</select>")


class _Input(forms.TextInput):
    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        shown = self.format_value(value)
        words = {"type": self.input_type, "name": name, "value": shown}
        given = _attributes({**words, **self.build_attrs(self.attrs, attrs)})
        return SafeString(f"<input{given}>")


class Text(_Input):
    """A line of text."""


class Date(_Input):
    """A date as it is written in Norway.

    The browser's own control would write it as the browser's language does, not the page's.
    """

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"placeholder": _("dd.mm.yyyy"), "inputmode": "numeric", **(attrs or {})})

    def format_value(self, value: Any) -> str | None:
        if isinstance(value, str):
            try:
                value = dt.date.fromisoformat(value)  # as an address may say it
            except ValueError:
                return value or None
        return f"{value:%d.%m.%Y}" if value is not None else None
