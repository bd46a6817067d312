"""The characters that banks take, and what the others become."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banking.iso20022 import characters
from banking.iso20022.characters import Fault


@given(st.text(), st.booleans())
def test_what_was_transliterated_has_no_faults(text: str, nordic: bool) -> None:
    assert characters.faults(characters.transliterate(text, nordic=nordic), nordic=nordic) == ()


@given(st.text(st.sampled_from(sorted(characters.NORDIC))))
def test_text_that_is_right_is_left_alone(text: str) -> None:
    assert characters.transliterate(text) == text


@pytest.mark.parametrize(
    ("text", "nordic", "basic"),
    [
        ("Blåbær & Øl 50 %", "Blåbær & Øl 50 %", "Blaabaer + OEl 50 o/o"),
        ("Łódź", "Lódz", "Lodz"),
        ("“Café” – x_y", "'Café' - x-y", "'Cafe' - x-y"),
        ("a\r\n\tb\u200bc", "a   bc", "a   bc"),
        ("100 € til §5", "100 EUR til §5", "100 EUR til par.5"),
        ("Straße", "Straße", "Strasse"),
        ("Ǽ", "Æ", "AE"),
        ("A\u030a", "Å", "AA"),
        ("中文", "??", "??"),
        ("Kake 🎂 til jul", "Kake ? til jul", "Kake ? til jul"),
        ("<a@b.no>;", "(a@b.no),", "(a(at)b.no),"),
    ],
)
def test_text_becomes_what_a_bank_takes(text: str, nordic: str, basic: str) -> None:
    assert characters.transliterate(text) == nordic
    assert characters.transliterate(text, nordic=False) == basic


def test_faults_say_where_and_what() -> None:
    assert characters.faults("a_b€") == (Fault(1, "_"), Fault(3, "€"))
    assert characters.faults("Øl", nordic=False) == (Fault(0, "Ø"),)
    assert characters.faults("Øl") == ()
