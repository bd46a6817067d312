"""Money between text, Decimal and whole øre; holds no float and knows no account."""

import re
from decimal import Decimal

ORE_PER_KRONE = 100
# Thirteen digits leave room for sums of 100,000 lines in a 64-bit integer of øre.
AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,2})?")


class NotAnAmount(ValueError):
    """The text is not a positive amount with at most two decimals."""


def from_text(text: object) -> int:
    """Return øre for text such as "1234.50"; refuses zero, signs, floats and a third decimal."""
    if not isinstance(text, str) or not AMOUNT.fullmatch(text):
        raise NotAnAmount(f"beløpet må være tekst som «1234.50», ikke {text!r}")
    ore = int(Decimal(text) * ORE_PER_KRONE)
    if ore == 0:
        raise NotAnAmount("beløpet må være over null")
    return ore


def to_text(ore: int) -> str:
    """Return øre as text with a point and two decimals, as the portal and ISO 20022 write it."""
    return str((Decimal(ore) / ORE_PER_KRONE).quantize(Decimal("0.01")))


def to_norwegian(ore: int) -> str:
    """Return øre as people read it in Norway: "1 234,50" with hard spaces."""
    text = f"{Decimal(ore) / ORE_PER_KRONE:,.2f}"
    return text.replace(",", "\N{NO-BREAK SPACE}").replace(".", ",")
