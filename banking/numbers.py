"""Norwegian payment identifiers: KID, bank account, IBAN and organisation number.

It checks, makes, normalises and formats them as text; it knows no agreements and no invoices.
"""

from typing import Literal

from stdnum import exceptions as stdnum_errors
from stdnum import iban as stdnum_iban

Modulus = Literal["MOD10", "MOD11"]
Kind = Literal["kid", "account", "iban", "orgnr"]
FaultCode = Literal["empty", "characters", "length", "check-digit", "country", "structure"]

KID_LENGTHS = range(2, 26)
KID_LENGTHS_ISSUED = range(4, 26)
ACCOUNT_LENGTH = 11
ORGNR_LENGTH = 9
NORWEGIAN_IBAN_LENGTH = 15
_ACCOUNT_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
_ORGNR_WEIGHTS = (3, 2, 7, 6, 5, 4, 3, 2)
# People type, and systems paste, spaces of three kinds and dots between the groups.
_SEPARATORS = str.maketrans("", "", " .\N{NO-BREAK SPACE}\N{THIN SPACE}\N{NARROW NO-BREAK SPACE}\t")

_NAMES: dict[Kind, str] = {
    "kid": "KID",
    "account": "account number",
    "iban": "IBAN",
    "orgnr": "organisation number",
}
_PROBLEMS: dict[FaultCode, str] = {
    "empty": "The {name} is missing.",
    "characters": "The {name} {text} holds characters that do not belong in it.",
    "length": "The {name} {text} has the wrong length.",
    "check-digit": "The {name} {text} fails its check digits: a digit is mistyped.",
    "country": "The {name} {text} begins with a country that has no IBAN.",
    "structure": "The {name} {text} is not built as that country's accounts are.",
}


class InvalidNumber(ValueError):
    """An identifier that cannot be right; kind says which sort and code why."""

    def __init__(self, *, kind: Kind, code: FaultCode, text: str) -> None:
        self.kind = kind
        self.code = code
        self.text = text
        super().__init__(_PROBLEMS[code].format(name=_NAMES[kind], text=text))


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _mod10_digit(body: str) -> str:
    """The Luhn check digit: every second digit from the right doubled."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def _mod11_digit(body: str) -> str:
    """The check digit with weights 2 to 7 from the right; remainder 1 gives "-"."""
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(body)))
    digit = -total % 11
    return "-" if digit == 10 else str(digit)


def make_kid(body: str, *, modulus: Modulus) -> str:
    """The KID of those digits with its check digit; 4 to 25 positions in all.

    Source: domain.md 13. Raises InvalidNumber: characters, length.
    """
    if not _is_digits(body):
        raise InvalidNumber(kind="kid", code="characters", text=body)
    if len(body) + 1 not in KID_LENGTHS_ISSUED:
        raise InvalidNumber(kind="kid", code="length", text=body)
    return body + (_mod10_digit(body) if modulus == "MOD10" else _mod11_digit(body))


def check_kid(text: str) -> tuple[Modulus, ...]:
    """The moduli that the KID fits, both, one or none; exactly as written, zeros count.

    Raises InvalidNumber: empty, characters, length (2 to 25). Which modulus a payee has agreed
    with its bank is not to be seen from a KID, so one that fits either may be right.
    """
    if not text:
        raise InvalidNumber(kind="kid", code="empty", text=text)
    body, digit = text[:-1], text[-1]
    if not (_is_digits(digit) or digit == "-") or (body and not _is_digits(body)):
        raise InvalidNumber(kind="kid", code="characters", text=text)
    if len(text) not in KID_LENGTHS:
        raise InvalidNumber(kind="kid", code="length", text=text)
    fits: list[Modulus] = []
    if digit == _mod10_digit(body):
        fits.append("MOD10")
    if digit == _mod11_digit(body):
        fits.append("MOD11")
    return tuple(fits)


def require_kid(text: str) -> str:
    """The KID as written if it fits a modulus; raises InvalidNumber, check-digit among others."""
    if not check_kid(text):
        raise InvalidNumber(kind="kid", code="check-digit", text=text)
    return text


def _weighted_digit(body: str, weights: tuple[int, ...]) -> str:
    """The mod 11 check digit of a fixed-length number, "" where that number is never given out."""
    digit = -sum(int(one) * weight for one, weight in zip(body, weights, strict=True)) % 11
    return "" if digit == 10 else str(digit)


def account(text: str) -> str:
    """The Norwegian account number as 11 digits, spaces and dots removed.

    Raises InvalidNumber: empty, characters, length, check-digit.
    """
    number = text.translate(_SEPARATORS)
    _require_digits(kind="account", number=number, length=ACCOUNT_LENGTH, text=text)
    if number[-1] != _weighted_digit(number[:-1], _ACCOUNT_WEIGHTS):
        raise InvalidNumber(kind="account", code="check-digit", text=text)
    return number


def organisation_number(text: str) -> str:
    """The organisation number as 9 digits, from "NO 923 609 016 MVA" and the like.

    Raises InvalidNumber: empty, characters, length, check-digit.
    """
    number = text.translate(_SEPARATORS).upper().removeprefix("NO").removesuffix("MVA")
    _require_digits(kind="orgnr", number=number, length=ORGNR_LENGTH, text=text)
    if number[-1] != _weighted_digit(number[:-1], _ORGNR_WEIGHTS):
        raise InvalidNumber(kind="orgnr", code="check-digit", text=text)
    return number


def _require_digits(*, kind: Kind, number: str, length: int, text: str) -> None:
    if not number:
        raise InvalidNumber(kind=kind, code="empty", text=text)
    if not _is_digits(number):
        raise InvalidNumber(kind=kind, code="characters", text=text)
    if len(number) != length:
        raise InvalidNumber(kind=kind, code="length", text=text)


def iban(text: str) -> str:
    """The IBAN in capitals without separators, checked mod 97 and against its country's form.

    A Norwegian one must also hold a right account number. Raises InvalidNumber.
    """
    number = text.translate(_SEPARATORS).upper()
    if not number:
        raise InvalidNumber(kind="iban", code="empty", text=text)
    if not (number.isascii() and number.isalnum()):
        raise InvalidNumber(kind="iban", code="characters", text=text)
    if number.startswith("NO") and len(number) != NORWEGIAN_IBAN_LENGTH:
        raise InvalidNumber(kind="iban", code="length", text=text)
    try:
        stdnum_iban.validate(number, check_country=False)
    except stdnum_errors.InvalidLength as error:
        raise InvalidNumber(kind="iban", code="length", text=text) from error
    except stdnum_errors.InvalidChecksum as error:
        raise InvalidNumber(kind="iban", code="check-digit", text=text) from error
    except stdnum_errors.InvalidComponent as error:
        raise InvalidNumber(kind="iban", code="country", text=text) from error
    except stdnum_errors.ValidationError as error:
        raise InvalidNumber(kind="iban", code="structure", text=text) from error
    if number.startswith("NO"):
        try:
            account(number[4:])
        except InvalidNumber as error:
            raise InvalidNumber(kind="iban", code=error.code, text=text) from error
    return number


def iban_of(account_number: str) -> str:
    """The Norwegian IBAN of an account number. Raises InvalidNumber for a wrong account."""
    number = account(account_number)
    # "NO00" moved behind the account, letters as numbers (N 23, O 24), as ISO 13616 has it.
    return f"NO{98 - int(number + '232400') % 97:02d}{number}"


def account_of(iban_number: str) -> str | None:
    """The account number inside a Norwegian IBAN, None for another country's."""
    number = iban(iban_number)
    return number[4:] if number.startswith("NO") else None


def format_account(number: str) -> str:
    """An 11 digit account for people, "1503 40 12345"; any other text as it is."""
    if len(number) != ACCOUNT_LENGTH or not _is_digits(number):
        return number
    return f"{number[:4]} {number[4:6]} {number[6:]}"


def format_organisation_number(number: str) -> str:
    """A 9 digit organisation number for people, "999 888 777"; any other text as it is."""
    if len(number) != ORGNR_LENGTH or not _is_digits(number):
        return number
    return f"{number[:3]} {number[3:6]} {number[6:]}"


def format_iban(number: str) -> str:
    """An IBAN in groups of four."""
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))
