"""Every fault of a file has words in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.utils import translation

from banking.located import Place, Unreadable
from payments import unreadable

CODEC = Path(__file__).resolve().parents[2] / "banking" / "iso20022"


def codes_raised() -> set[str]:
    """The codes that the readers of pain.001 raise, read from their source."""
    found: set[str] = set()
    for name in ("xmlio.py", "elements.py", *[p.name for p in CODEC.glob("pain001*.py")]):
        found |= set(re.findall(r'Unreadable\(\s*code="([a-z-]+)"', (CODEC / name).read_text()))
    return found


def test_every_code_has_words() -> None:
    assert codes_raised()
    assert codes_raised() <= set(unreadable.WORDS)


@pytest.mark.parametrize(
    ("language", "words"), [("nb", "Filen slutter midt"), ("en", "The file ends in the middle")]
)
def test_a_fault_is_told_in_the_language_of_the_reader(language: str, words: str) -> None:
    fault = Unreadable(code="truncated", problem="p", cure="c", place=Place(7, "/PmtInf"))
    with translation.override(language):
        told = unreadable.problem_of(fault)
    assert told.problem.startswith(words)
    assert told.place == "line 7, /PmtInf"


def test_a_param_that_is_missing_breaks_nothing() -> None:
    fault = Unreadable(code="not-xml", problem="p", cure="c", place=Place(0, ""))
    assert unreadable.problem_of(fault).place == "body"
    odd = Unreadable(code="new-code", problem="Something new.", cure="Ask.", place=Place(0, ""))
    assert unreadable.problem_of(odd).problem == "Something new."
