"""Holds the check-digit rules of account numbers, IBANs and KIDs; must not know the books."""

import re

ACCOUNT_WEIGHTS = (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)
IBAN_SHAPE = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{8,30}")
KID_SHAPE = re.compile(r"[0-9]{1,24}[0-9-]")
ACCOUNT_SHAPE = re.compile(r"[0-9]{11}")


def account_fits(number: str) -> bool:
    """Exactly 11 digits, the last one by modulus 11."""
    if not ACCOUNT_SHAPE.fullmatch(number):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(ACCOUNT_WEIGHTS, number, strict=False))
    # Remainder 1 would need the check digit 10, so no such account is ever issued.
    return (11 - total % 11) % 11 == int(number[10])


def iban_fits(iban: str) -> bool:
    """Modulus 97 for all countries; a Norwegian IBAN must hold a valid account as well."""
    if not IBAN_SHAPE.fullmatch(iban):
        return False
    turned = iban[4:] + iban[:4]
    if int("".join(str(int(letter, 36)) for letter in turned)) % 97 != 1:
        return False
    return not iban.startswith("NO") or (len(iban) == 15 and account_fits(iban[4:]))


def kid_fits(kid: str, modulus: str) -> bool:
    """Says whether the KID passes MOD10, MOD11 or, for "either", one of the two."""
    if not KID_SHAPE.fullmatch(kid):
        return False
    if modulus == "MOD10":
        return _mod10_check(kid[:-1]) == kid[-1]
    if modulus == "MOD11":
        return _mod11_check(kid[:-1]) == kid[-1]
    return kid[-1] in (_mod10_check(kid[:-1]), _mod11_check(kid[:-1]))


def with_check_digit(digits: str) -> str:
    """A KID of these digits and their MOD10 check digit."""
    return digits + _mod10_check(digits)


def _mod10_check(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        doubled = int(digit) * (2 - place % 2)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10)


def _mod11_check(digits: str) -> str:
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(digits)))
    check = (11 - total % 11) % 11
    return "-" if check == 10 else str(check)
