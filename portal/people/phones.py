"""Telephone numbers as they are kept: +, country code and digits (ITU-T E.164); pure."""

from __future__ import annotations

NORWAY = "+47"
NORWEGIAN_DIGITS, MOST_DIGITS, LEAST_DIGITS = 8, 15, 7
_BETWEEN = str.maketrans("", "", " .-()/\u00a0")


class NotANumber(ValueError):
    """The text is no telephone number."""


def number(text: str) -> str:
    """«+4791234567» from «912 34 567», «0047 912 34 567» and the like. Raises NotANumber."""
    plain = text.translate(_BETWEEN)
    if plain.startswith("00"):
        plain = f"+{plain[2:]}"
    if not plain.startswith("+"):
        plain = f"{NORWAY}{plain}"
    digits = plain[1:]
    if not (digits.isascii() and digits.isdigit() and LEAST_DIGITS <= len(digits) <= MOST_DIGITS):
        raise NotANumber(text)
    own = digits[len(NORWAY) - 1 :]
    if plain.startswith(NORWAY) and (len(own) != NORWEGIAN_DIGITS or own[0] in "01"):
        raise NotANumber(text)
    return plain


def hidden(text: str) -> str:
    """All but the last two digits hidden, for pages that anybody may see."""
    return f"{'•' * max(0, len(text) - 2)}{text[-2:]}" if text else ""
