"""The banks' data files: each is whole and sourced, and a bank is added by a file alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from banking import profiles
from banking.iso20022.pain001 import WriterProfile
from banking.setup_forms import CALLED

NEW = """
name = "Fjordbanken"
bics = ["FJORNO22"]
ask.nb = "Spør banken."
ask.en = "Ask the bank."
[sources.guide]
title = "Fjordbanken, guide for filer"
read = 2026-11-26
[[identifiers]]
field = "signer_id"
place = "Dbtr"
scheme = "CUST"
required = true
source = "guide"
verified = true
[switches]
payment_totals = false
source = "guide"
verified = true
[rules]
unauthorised = "parks"
source = "guide"
verified = true
[[cut_offs]]
payment = "foreign"
time = "11:30"
source = "guide"
verified = false
"""


MESSAGES = '[messages]\n{}\nsource = "guide"\nverified = true\n[rules]'
SECOND = """[[cut_offs]]
payment = "foreign"
time = "10:00"
source = "guide"
verified = true
"""


def test_the_banks_that_are_known_are_whole_and_sourced() -> None:
    known = profiles.every()
    assert {"dnb", "nordea", "danske", "general", "simbank"} <= set(known)
    for code, bank in known.items():
        assert bank.name, code
        assert bank.sources, code
        assert bank.messages[0].startswith("pain.001"), code
        assert {one.field for one in bank.identifiers} <= set(CALLED), code
        # The simulated bank has the cut-offs that it is told to have.
        assert bank.cut_off("domestic") == (None if bank.demo else dt.time(14)), code
        assert set(bank.ask) == {"nb", "en"}


def test_identifiers_stand_where_each_bank_wants_them() -> None:
    values = {"customer_number": "C", "agreement_id": "A", "division": "", "signer_id": "S"}
    dnb, nordea = profiles.of("dnb"), profiles.of("nordea")
    assert dnb.placed("InitgPty", values) == (("CUST", "C"),)
    assert dnb.placed("InitgPty", values | {"division": "D"}) == (("CUST", "C"), ("BANK", "D"))
    assert nordea.placed("InitgPty", values) == (("CUST", "S"),)
    assert nordea.placed("Dbtr", values) == (("BANK", "A"),)


def test_a_bank_is_added_by_a_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "fjord.toml"
    path.write_text(NEW, "utf-8")
    bank = profiles.read(path)
    assert (bank.code, bank.name, bank.parks) == ("fjord", "Fjordbanken", True)
    assert bank.switches == WriterProfile(payment_totals=False)
    assert bank.cut_off("foreign") == dt.time(11, 30)
    assert bank.messages == profiles.of("general").messages
    assert bank.placed("Dbtr", {"signer_id": "S"}) == (("CUST", "S"),)
    assert "cut_offs[1]" in bank.unverified
    assert "switches" not in bank.unverified


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "Fjordbanken"', "", "name is missing"),
        ('ask.en = "Ask the bank."', "", "ask is needed in nb and en"),
        ("FJORNO22", "FJORD", "no BIC"),
        ('place = "Dbtr"', 'place = "Cdtr"', "identifiers.place is 'Cdtr'"),
        ('field = "signer_id"', 'field = "pin"', "identifiers.field is 'pin'"),
        ("required = true", 'required = "yes"', "needs a scheme of 1 to 4 letters, and required"),
        ('source = "guide"', 'source = "hearsay"', "names no source"),
        ("verified = true", "", "does not say whether it is verified"),
        ("payment_totals = false", "totals = false", "switches holds totals"),
        ("payment_totals = false", 'payment_totals = "no"', "switches.payment_totals is 'no'"),
        ('scheme = "CUST"', 'scheme = "TOOLONG"', "needs a scheme of 1 to 4 letters"),
        ('unauthorised = "parks"', 'unauthorized = "parks"', "rules holds unauthorized"),
        ('unauthorised = "parks"', 'documents_max = "many"', "rules.documents_max is 'many'"),
        ('unauthorised = "parks"', "documents_max = -3", "rules.documents_max is -3"),
        ('ask.nb = "Spør banken."\nask.en = "Ask the bank."', 'ask = "nb"', "ask is needed in"),
        ("[rules]", "[[rules]]", "rules is no table"),
        ("[[cut_offs]]", "[cut_offs]", "cut_offs is no list of tables"),
        ('bics = ["FJORNO22"]', 'bics = "FJORNO22"', "bics is 'FJORNO22', not a list"),
        ('name = "Fjordbanken"', 'name = "Fjordbanken"\ndemo = "no"', "demo is 'no'"),
        ("[rules]", MESSAGES.format('cancel = "camt.999"'), "messages.cancel is 'camt.999'"),
        ("[rules]", MESSAGES.format('direkte_remittering = "no"'), "direkte_remittering is 'no'"),
        ("[rules]", MESSAGES.format('payment = ["x"]'), "messages holds payment"),
        ("[[cut_offs]]", SECOND + "[[cut_offs]]", "cut_offs tells twice of foreign"),
        ('"parks"', '"hides"', "not one of rejects, parks"),
        ('"11:30"', '"25:00"', "no time as 14:00"),
        ("read = 2026-11-26", "", "needs a title and the day"),
        ("[rules]", MESSAGES.format('cancel = "camt.055.001.99"'), "'camt.055.001.99', not one of"),
        ("[rules]", MESSAGES.format('balance = "camt.060.001.01"'), "not one of camt.060.001.05"),
        ('name = "Fjordbanken"', 'name = "Fjordbanken"\ncountry = "SE"', "country is 'SE'"),
        ('name = "Fjordbanken"', 'name = "Fjordbanken"\ncountry = 5', "country is 5"),
        ('ask.en = "Ask the bank."', "ask.en = 7", "ask is needed in nb and en"),
        ("read = 2026-11-26", "read = 2999-01-01", "which is still to come"),
        ('title = "', 'title = " " # "', "needs a title and the day"),
        ("[rules]", '[messages]\ncancel = "camt.055.001.01"\n[rules]', "messages names no source"),
        ("payment_totals = false", 'default_category = "<x>"', "no code of 4 letters"),
        ("[rules]", "[manners]", "manners is not known here"),
        ('name = "Fjordbanken"', 'name = "  "', "name"),
        (
            '[sources.guide]\ntitle = "Fjordbanken, guide for filer"\nread = 2026-11-26',
            "",
            "sources",
        ),
        ("[rules]", "[rules", "Expected"),
    ],
)
def test_a_file_with_a_fault_says_where_it_is(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "fjord.toml"
    path.write_text(NEW.replace(old, new, 1), "utf-8")
    with pytest.raises(profiles.Unfit, match="fjord.toml") as caught:
        profiles.read(path)
    assert said in str(caught.value)


def test_sources_that_are_no_table_are_told_so(tmp_path: Path) -> None:
    path = tmp_path / "fjord.toml"
    start = NEW.index("[sources.guide]")
    path.write_text(f"{NEW[:start]}sources = 1\n{NEW[NEW.index('[[identifiers]]') :]}", "utf-8")
    with pytest.raises(profiles.Unfit, match=r"fjord.toml: sources is no table"):
        profiles.read(path)


@pytest.mark.parametrize("name", ["Fjord banken.toml", "FJORD.toml", "fjørd.toml"])
def test_a_file_is_named_by_plain_letters(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(NEW, "utf-8")
    with pytest.raises(profiles.Unfit, match="name the file by small letters"):
        profiles.read(tmp_path / name)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "Fjordbanken"', 'name = "Dnb"', "dnb is of dnb.toml already"),
        ('bics = ["FJORNO22"]', 'bics = ["DNBANOKK"]', "DNBANOKK is of dnb.toml already"),
    ],
)
def test_two_files_are_never_of_one_bank(
    old: str, new: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in profiles.FOLDER.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "fjord.toml").write_text(NEW.replace(old, new), "utf-8")
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    profiles.every.cache_clear()
    try:
        with pytest.raises(profiles.Unfit, match=said):
            profiles.every()
    finally:
        monkeypatch.undo()
        profiles.every.cache_clear()


def test_a_file_that_is_not_utf_8_is_told_by_name(tmp_path: Path) -> None:
    path = tmp_path / "fjord.toml"
    path.write_bytes(NEW.replace("Spør", "Sp\xf8r").encode("latin-1"))
    with pytest.raises(profiles.Unfit, match="fjord.toml"):
        profiles.read(path)


def test_a_bank_that_is_laid_there_while_the_program_runs_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in profiles.FOLDER.glob("*.toml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(profiles, "FOLDER", tmp_path)
    profiles.every.cache_clear()
    try:
        with pytest.raises(KeyError):
            profiles.of("fjord")
        (tmp_path / "fjord.toml").write_text(NEW, "utf-8")
        assert profiles.of("fjord").name == "Fjordbanken"
    finally:
        monkeypatch.undo()
        profiles.every.cache_clear()
