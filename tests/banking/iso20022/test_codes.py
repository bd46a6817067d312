"""The explanations of reason codes: complete, in both languages, with sources."""

import json
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
LISTS = (
    "ExternalStatusReason1Code",
    "ExternalReturnReason1Code",
    "ExternalPaymentCancellationRejection1Code",
)
LANGUAGES: tuple[codes.Language, ...] = ("nb", "en")


WHO = {"erp", "administrator", "approver", "bank", "support", "nobody"}
# What banks write beside a code that says little by itself → what is understood.
WRITTEN = {
    ("NARR", "KID required"): "kid-required",
    ("NARR", "Mangler KID"): "kid-required",
    ("RR09", "KID er påkrevd for denne kontoen"): "kid-required",
    ("RR07", "Ugyldig KID: mottaker har ikke KID-avtale"): "no-kid-agreement",
    ("NARR", "Creditor has no OCR agreement"): "no-kid-agreement",
    ("RR07", "Ugyldig KID"): "kid-invalid",
    ("NARR", "KID fails its modulus"): "kid-invalid",
    ("RR07", "KID not according to agreement"): "kid-invalid",
    ("NARR", "Feil kontrollsiffer"): None,
    ("NARR", "Invalid agreement id"): "agreement-id",
    ("BE06", "Ukjent avtale-ID"): "agreement-id",
    ("NARR", "Beløpet er null"): "amount-zero",
    ("NARR", "Amount zero"): "amount-zero",
    ("NARR", "Amount 100.00 is not 10.00"): None,
    ("NARR", "IBAN needed"): "iban-needed",
    ("AC03", "Account must be IBAN for this country"): "iban-needed",
    ("NARR", "Invalid combination of codes"): "code-combination",
    ("RR07", "More than 25 structured documents"): "too-many-invoices",
    ("RR07", "Single structured remittance must be present"): "one-structured",
    ("NARR", "Something quite different"): None,
    ("AM04", "KID required"): None,
    ("ZZ99", "KID required"): "kid-required",
    ("ZZ99", "Something new"): None,
    ("NARR", "x" * 10_000 + " KID required"): None,
}


def test_the_codes_that_users_meet_have_words_of_their_own() -> None:
    assert set(EVERY) <= set(codes.known())
    for code in EVERY:
        found = codes.explain(code, "nb")
        assert found is not None
        assert found.meaning


@pytest.mark.parametrize(("code", "text"), WRITTEN)
def test_what_a_bank_writes_is_understood(code: str, text: str) -> None:
    assert codes.recognised(code, text) == WRITTEN[code, text]
    name = WRITTEN[code, text]
    for language in LANGUAGES:
        wanted = codes.of_text(name, language, code=code) if name else codes.explain(code, language)
        assert codes.explain(code, language, text) == wanted


@pytest.mark.parametrize("name", codes.texts())
def test_a_text_is_explained_as_well_as_a_code(name: str) -> None:
    assert name in WRITTEN.values()
    for language in LANGUAGES:
        judge(codes.of_text(name, language), meaning=True)


def judge(found: codes.Explanation, *, meaning: bool) -> None:
    """A title, sentences, and who must act."""
    assert 5 < len(found.title) <= 75
    assert not found.title.endswith(".")
    for sentence in (found.cure, *found.advice, *([found.meaning] if meaning else [])):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert found.who in WHO
    assert found.actor
    assert found.source
    assert isinstance(found.verified, bool)


@pytest.mark.parametrize("code", codes.known())
def test_an_explanation_is_a_title_a_cure_and_who_must_act_in_both_languages(code: str) -> None:
    nb, en = (codes.explain(code, language) for language in LANGUAGES)
    assert nb is not None
    assert en is not None
    for found in (nb, en):
        assert found.code == code
        judge(found, meaning=code in EVERY)
    assert nb.title != en.title
    assert nb.cure != en.cure
    assert nb.who == en.who
    assert len(nb.advice) == len(en.advice)


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
    assert found.advice == codes.kid_advice("nb")


def test_the_catalogue_is_the_official_lists() -> None:
    """All codes of a status, a return and a refused cancellation, and no other."""
    path = Path(__file__).resolve().parents[4] / "shared/reference/codes"
    file = path / "external_codes_selected.json"
    if not file.is_file():
        pytest.skip(f"the official code lists are not at {file}")
    lists = json.loads(file.read_text("utf-8"))
    assert set(codes.known()) == {code for name in LISTS for code in lists[name]}
