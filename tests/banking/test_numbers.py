"""Identifiers: the check values of domain.md 13, and that a mistyped digit is caught."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banking import numbers
from banking.numbers import InvalidNumber

digits = st.text("0123456789", min_size=3, max_size=24)
moduli: st.SearchStrategy[numbers.Modulus] = st.sampled_from(["MOD10", "MOD11"])


def fault(call: Callable[[str], str], text: str) -> str:
    with pytest.raises(InvalidNumber) as caught:
        call(text)
    return caught.value.code


def test_the_check_values_of_the_domain() -> None:
    assert numbers.make_kid("12345678", modulus="MOD10") == "123456782"
    assert numbers.make_kid("12345678", modulus="MOD11") == "123456785"
    assert fault(numbers.organisation_number, "999888777") == "check-digit"
    assert fault(numbers.account, "12340567890") == "check-digit"


def test_a_remainder_of_one_gives_a_hyphen() -> None:
    assert numbers.make_kid("10000", modulus="MOD11")[-1] in "0123456789-"
    assert numbers.check_kid("100008-") == ("MOD11",)
    assert any(numbers.make_kid(f"{body:04}", modulus="MOD11").endswith("-") for body in range(50))


@given(digits, moduli)
def test_a_kid_that_was_made_is_right(body: str, modulus: numbers.Modulus) -> None:
    kid = numbers.make_kid(body, modulus=modulus)
    assert kid.startswith(body)
    assert modulus in numbers.check_kid(kid)
    assert numbers.require_kid(kid) == kid


@given(digits, moduli, st.data())
def test_a_mistyped_digit_in_a_kid_is_caught(
    body: str, modulus: numbers.Modulus, data: st.DataObject
) -> None:
    kid = numbers.make_kid(body, modulus=modulus)
    at = data.draw(st.integers(0, len(kid) - 1))
    last = at == len(kid) - 1
    other = data.draw(st.sampled_from("0123456789-" if last else "0123456789"))
    if other != kid[at]:
        assert modulus not in numbers.check_kid(kid[:at] + other + kid[at + 1 :])


def test_leading_zeros_count() -> None:
    assert numbers.check_kid("00123455") == numbers.check_kid("123455")
    assert numbers.require_kid("00123455") == "00123455"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("1", "length"),
        ("1" * 26, "length"),
        ("12 34", "characters"),
        ("-123", "characters"),
        ("12-4", "characters"),
        ("١٢٣", "characters"),
        ("123456781", "check-digit"),
    ],
)
def test_a_kid_that_cannot_be_is_refused_with_its_reason(text: str, code: str) -> None:
    assert fault(numbers.require_kid, text) == code


@pytest.mark.parametrize("body", ["1", "12", "1" * 25, "12a", ""])
def test_no_kid_is_issued_of_a_wrong_length_or_of_letters(body: str) -> None:
    with pytest.raises(InvalidNumber):
        numbers.make_kid(body, modulus="MOD10")


@pytest.mark.parametrize(
    "text", ["15034040505", "1503 40 40505", "1503.40.40505", " 1503\N{NO-BREAK SPACE}4040505\t"]
)
def test_an_account_is_normalised(text: str) -> None:
    assert numbers.account(text) == "15034040505"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" . ", "empty"),
        ("4040505", "length"),
        ("150340405050", "length"),
        ("1503404050a", "characters"),
        ("15034040506", "check-digit"),
    ],
)
def test_a_wrong_account_is_refused_with_its_reason(text: str, code: str) -> None:
    assert fault(numbers.account, text) == code


@given(st.sampled_from(["86011117947", "15034040505", "99990000316"]), st.data())
def test_a_mistyped_digit_in_an_account_is_caught(number: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, 10))
    other = data.draw(st.sampled_from("0123456789"))
    if other != number[at]:
        wrong = number[:at] + other + number[at + 1 :]
        assert fault(numbers.account, wrong) == "check-digit"


@pytest.mark.parametrize(
    "text", ["923609016", "923 609 016", "NO 923 609 016 MVA", "no923609016mva"]
)
def test_an_organisation_number_is_normalised(text: str) -> None:
    assert numbers.organisation_number(text) == "923609016"


@given(st.data())
def test_a_mistyped_digit_in_an_organisation_number_is_caught(data: st.DataObject) -> None:
    number = "923609016"
    at = data.draw(st.integers(0, 8))
    other = data.draw(st.sampled_from("0123456789"))
    if other != number[at]:
        wrong = number[:at] + other + number[at + 1 :]
        assert fault(numbers.organisation_number, wrong) == "check-digit"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("NO93 8601 1117 947", "NO9386011117947"),
        ("no9386011117947", "NO9386011117947"),
        ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432"),
    ],
)
def test_an_iban_is_normalised(text: str, expected: str) -> None:
    assert numbers.iban(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        ("NO93-8601", "characters"),
        ("NO938601111794", "length"),
        ("NO9386011117948", "check-digit"),
        ("DE89370400440532013001", "check-digit"),
        ("XX82WEST12345698765432", "check-digit"),
    ],
)
def test_a_wrong_iban_is_refused_with_its_reason(text: str, code: str) -> None:
    assert fault(numbers.iban, text) == code


def test_a_norwegian_iban_around_a_wrong_account_is_refused() -> None:
    wrong = "15034040506"
    check = 98 - int(wrong + "232400") % 97
    assert fault(numbers.iban, f"NO{check:02d}{wrong}") == "check-digit"


def test_account_and_iban_lead_to_each_other() -> None:
    assert numbers.iban_of("86011117947") == "NO9386011117947"
    assert numbers.account_of("NO9386011117947") == "86011117947"
    assert numbers.account_of("DE89370400440532013000") is None


@given(st.integers(0, 10**10 - 1))
def test_every_right_account_has_a_right_iban(body: int) -> None:
    for digit in "0123456789":
        number = f"{body:010d}{digit}"
        try:
            numbers.account(number)
        except InvalidNumber:
            continue
        assert numbers.account_of(numbers.iban_of(number)) == number


def test_numbers_are_formatted_for_people() -> None:
    assert numbers.format_account("15034012345") == "1503 40 12345"
    assert numbers.format_organisation_number("999888777") == "999 888 777"
    assert numbers.format_iban("NO9386011117947") == "NO93 8601 1117 947"
    assert numbers.format_account("123") == "123"
    assert numbers.format_organisation_number("") == ""


def test_a_fault_is_a_sentence() -> None:
    with pytest.raises(InvalidNumber, match="account number 12340567890 fails its check digits"):
        numbers.account("12340567890")
