"""Norwegian organisation numbers as people write them; pure. Source: domain.md 5 and 13."""

from __future__ import annotations

from typing import Literal

from stdnum import exceptions
from stdnum.no import orgnr

LENGTH = 9
_SPACES = str.maketrans("", "", " .\u00a0\u2009\u202f\t")
Code = Literal["empty", "characters", "length", "check-digit"]


class NotANumber(ValueError):
    """The text is no organisation number; `code` says why."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(f"{code}: {text!r}")
        self.code: Code = code


def plain(text: str) -> str:
    """«923609016» from «NO 923.609.016 MVA»; whatever is no part of a number stays."""
    return text.translate(_SPACES).upper().removeprefix("NO").removesuffix("MVA")


def number(text: str) -> str:
    """Nine digits from «NO 923 609 016 MVA» and the like. Raises NotANumber."""
    digits = plain(text)
    if not digits:
        raise NotANumber("empty", text)
    if not (digits.isascii() and digits.isdigit()):
        raise NotANumber("characters", text)
    if len(digits) != LENGTH:
        raise NotANumber("length", text)
    try:
        return str(orgnr.validate(digits))
    except exceptions.ValidationError as error:
        raise NotANumber("check-digit", text) from error
