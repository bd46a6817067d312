"""What stops a line: each check alone, on values, without a database."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banking import numbers
from banking.iso20022 import characters
from banking.iso20022.values import Account, Document, Instruction, Party, Transfer
from banking.located import Place
from payments import checks
from tests import kit

TODAY = dt.date(2027, 1, 4)
GOOD = numbers.make_kid("100042", modulus="MOD11")


def line(**changes: Any) -> Transfer:
    facts: dict[str, Any] = {
        "position": 1,
        "instruction_id": "1",
        "end_to_end_id": "L1",
        "amount": Decimal("100.00"),
        "currency": "NOK",
        "payee": Party(name="Leverandør AS"),
        "payee_account": Account("BBAN", kit.account(70)),
        "payee_bic": "",
        "clearing_id": "",
        "kid": None,
        "message": ("Faktura 7",),
        "documents": (),
        "purpose": "",
        "place": Place(0, ""),
    }
    return Transfer(**(facts | changes))


def head(**changes: Any) -> Instruction:
    facts: dict[str, Any] = {
        "number": "B1",
        "execution_date": TODAY,
        "debtor": Party(),
        "debit_account": Account("BBAN", kit.account(1)),
        "debit_currency": "",
        "debtor_bic": "",
        "category": "SUPP",
        "service_level": "NURG",
        "priority": "NORM",
        "batch_booking": None,
        "charge_bearer": "",
        "declared_count": None,
        "declared_sum": None,
        "place": Place(0, ""),
    }
    return Instruction(**(facts | changes))


def found(transfer: Transfer) -> list[tuple[str, str]]:
    return [(fault.code, fault.field) for fault in checks.faults_of_line(transfer)]


def paper(kind: Any = "CINV", amount: str | None = "100.00", kid: str | None = None) -> Document:
    return Document(kind, "7", None if amount is None else Decimal(amount), "NOK", kid)


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"kid": GOOD, "message": ()},
        {"message": ()},
        {"message": ("x" * 70, "y" * 70)},
        {"payee_account": Account("BBAN", " ".join(kit.account(70)))},
        {"payee_account": Account("IBAN", "SE45 5000 0000 0583 9825 7466")},
        {"payee_account": Account("OTHER", "12-3456")},
        {"documents": (paper(), paper("CREN", "20.00"), paper(amount="20.00"))},
        {"documents": (paper(amount=None), paper("CREN", "20.00"))},
        {"documents": tuple(paper(amount="4.00") for _ in range(25))},
        {"payee": Party(name="x" * 140)},
    ],
)
def test_a_good_line_has_no_fault(good: dict[str, Any]) -> None:
    assert found(line(**good)) == []


@pytest.mark.parametrize(
    ("bad", "code", "field"),
    [
        ({"payee_account": None}, "payee-account-missing", "CdtrAcct"),
        ({"payee_account": Account("BBAN", "")}, "payee-account-missing", "CdtrAcct"),
        ({"payee_account": Account("BBAN", "15030000709")}, "payee-account", "CdtrAcct"),
        ({"payee_account": Account("IBAN", "NO9386011117948")}, "payee-account", "CdtrAcct"),
        ({"payee": Party()}, "payee-name", "Cdtr/Nm"),
        ({"payee": Party(name="\u200b")}, "payee-name", "Cdtr/Nm"),
        ({"payee": Party(name="x" * 141)}, "payee-name-too-long", "Cdtr/Nm"),
        ({"kid": "1234567", "message": ()}, "kid", "CdtrRefInf/Ref"),
        ({"kid": GOOD}, "kid-and-message", "RmtInf/Ustrd"),
        ({"message": ("x" * 70, "y" * 71)}, "message-too-long", "RmtInf/Ustrd"),
        ({"message": ("€" * 47,)}, "message-too-long", "RmtInf/Ustrd"),
        ({"documents": (paper(amount="4.00"),) * 26}, "too-many-documents", "RmtInf/Strd"),
        ({"documents": (paper(kid="1234567"),)}, "kid", "Strd/CdtrRefInf/Ref"),
        ({"documents": (paper(amount="99.99"),)}, "documents-sum", "RmtInf/Strd"),
        ({"currency": "XAU"}, "currency", "InstdAmt/@Ccy"),
        ({"category": "SALA"}, "salary-in-line", "PmtTpInf/CtgyPurp"),
        ({"transfer_currency": "EUR"}, "not-carried", "EqvtAmt"),
        ({"unread": ("UltmtCdtr",)}, "not-carried", "CdtTrfTxInf"),
    ],
)
def test_a_bad_line_has_its_fault(bad: dict[str, Any], code: str, field: str) -> None:
    assert (code, field) in found(line(**bad))


@pytest.mark.parametrize(
    ("days", "good"), [(-1, False), (0, True), (365, True), (366, False), (-4000, False)]
)
def test_a_due_date_is_good_from_today_to_a_year_ahead(days: int, good: bool) -> None:
    payment = head(execution_date=TODAY + dt.timedelta(days=days))
    faults = checks.faults_of_payment(payment, today=TODAY)
    assert [fault.code for fault in faults] == ([] if good else ["due-date"])


def test_what_a_payment_says_and_the_bank_would_not_get_stops_it() -> None:
    payment = head(method="CHK", unread=("UltmtDbtr", "PoolgAdjstmntDt"))
    faults = checks.faults_of_payment(payment, today=TODAY)
    assert [fault.code for fault in faults] == ["not-carried", "not-carried"]
    assert faults[1].value == "UltmtDbtr, PoolgAdjstmntDt"


def test_every_code_that_a_check_uses_is_explained_with_a_cure() -> None:
    for code, words in checks.EXPLANATIONS.items():
        assert checks.explain(code) is words
        assert str(words.title)
        assert str(words.meaning)
        assert str(words.cure)
    assert checks.explain("AM04") is None


def test_a_stored_value_is_bounded() -> None:
    assert checks.Fault("kid", "x", "1" * 1000).stored()["value"] == "1" * 140


@pytest.mark.parametrize(
    ("currency", "places"), [("NOK", 2), ("EUR", 2), ("JPY", 0), ("ISK", 0), ("KRW", 0)]
)
def test_decimals_are_those_of_the_currency(currency: str, places: int) -> None:
    assert checks.decimals_of(currency) == places


@given(st.text(min_size=1, max_size=200), st.lists(st.text(max_size=150), max_size=3))
def test_what_passes_fits_its_columns_and_the_banks_letters(name: str, texts: list[str]) -> None:
    transfer = line(payee=Party(name=name), message=tuple(filter(None, texts)))
    kept = checks.kept(transfer, head())
    assert len(kept["payee_name"]) <= 140
    if not found(transfer):
        assert kept["payee_name"] == checks.as_sent(name)
        assert kept["payee_name"].strip()
        assert len(kept["message"].replace("\n", "")) <= 140
        assert characters.faults(kept["payee_name"]) == ()
        assert characters.faults(kept["message"].replace("\n", "")) == ()


# --- by the bank's own rules ---------------------------------------------------------------------


class Channel:
    """What the checks look at of an agreement's channel: its bank's data file."""

    def __init__(self, bank: str) -> None:
        self.bank = bank


class Agreement:
    file_format = "iso20022"

    def __init__(self, bank: str) -> None:
        self.channel = Channel(bank)


def at(bank: str, **changes: Any) -> list[str]:
    agreement: Any = Agreement(bank)
    return [fault.code for fault in checks.faults_of_line(line(**changes), agreement)]


GERMAN = Account("IBAN", "DE89370400440532013000")


def test_what_a_bank_needs_of_payees_abroad_is_asked_for_by_its_own_file() -> None:
    nowhere, somewhere = Party(name="Bel NV"), Party(name="Bel NV", town="BERLIN", country="DE")
    in_lines = Party(name="Bel NV", address_lines=("Strasse 1", "Berlin"))
    assert at("simbank", payee=nowhere, payee_account=GERMAN) == ["payee-address"]
    assert at("simbank", payee=somewhere, payee_account=GERMAN) == []
    assert at("simbank", payee=in_lines, payee_account=GERMAN) == []
    assert at("simbank", payee=nowhere) == [], "a Norwegian account needs none"
    assert at("dnb", payee=nowhere, payee_account=GERMAN) == [], "nothing is known of this bank"


def test_a_currency_is_one_that_the_bank_pays_in() -> None:
    assert at("simbank", currency="JPY") == ["currency"]
    assert at("simbank", currency="EUR") == []
    assert at("dnb", currency="JPY") == []
    assert at("dnb", currency="XXX") == ["currency"]


@pytest.mark.parametrize(
    ("bic", "codes"),
    [("NDEASESS", []), ("NDEASESSXXX", []), ("NDEASES", ["bic"]), ("1DEA5ESS", ["bic"])],
)
def test_a_bic_is_held_to_its_form(bic: str, codes: list[str]) -> None:
    payee = Party(name="Svea AB", town="LUND", country="SE")
    assert at("simbank", payee_bic=bic, payee=payee) == codes
