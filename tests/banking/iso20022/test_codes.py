"""The explanations of reason codes: complete, in both languages, with sources."""

import csv
from pathlib import Path

import pytest

from banking.iso20022 import codes

DOMAIN = (
    "AC01 AC02 AC03 AC04 AC06 AG01 AM02 AM03 AM04 AM05 AM09 AM10 AM11 AM18 BE04 BE06 BE22 CH03 "
    "DS0A DS0G DS0H DT01 DT05 DT06 DU01 DU02 DU03 DU04 FF01 MS02 MS03 NARR RC01 RC07 RC10 RR03 "
    "RR04 RR07 RR09 TM01"
)
# Why a bank has not stopped what it was asked to stop; codes that mean one thing in every set.
CANCELLING = "ADAC ARDT ARPL INDM LEGL NOAS NOOR PTNA RQDA"
EVERY = sorted([*DOMAIN.split(), *CANCELLING.split()])
LANGUAGES: tuple[codes.Language, ...] = ("nb", "en")


def test_every_code_that_users_meet_is_explained_and_no_other() -> None:
    assert codes.known() == tuple(EVERY)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", EVERY)
def test_an_explanation_is_a_title_and_two_sentences(code: str, language: codes.Language) -> None:
    found = codes.explain(code, language)
    assert found is not None
    assert found.code == code
    assert 5 < len(found.title) <= 60
    assert not found.title.endswith(".")
    for sentence in (found.meaning, found.cure):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert found.source
    assert isinstance(found.verified, bool)


def test_the_languages_differ() -> None:
    for code in codes.known():
        nb, en = (codes.explain(code, language) for language in LANGUAGES)
        assert nb is not None
        assert en is not None
        assert nb.cure != en.cure
        assert nb.about_kid == en.about_kid


def test_an_unknown_code_is_not_explained() -> None:
    assert codes.explain("ZZ99", "nb") is None
    assert codes.explain("", "en") is None


def test_kid_advice_begins_with_the_account() -> None:
    for language in LANGUAGES:
        advice = codes.kid_advice(language)
        assert len(advice) == 3
        assert "KID" in advice[0]
    assert "kontonummer" in codes.kid_advice("nb")[0]
    found = codes.explain("RR09", "nb")
    assert found is not None
    assert found.about_kid


def test_every_code_is_in_the_official_list() -> None:
    path = Path(__file__).resolve().parents[4] / "shared/reference/codes"
    file = path / "external_codes_selected.csv"
    if not file.is_file():
        pytest.skip(f"the official code list is not at {file}")
    with file.open(encoding="utf-8", newline="") as rows:
        official = {row["code"] for row in csv.DictReader(rows)}
    assert set(codes.known()) <= official
