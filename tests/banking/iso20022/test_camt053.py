"""Reading statements: every sample's entries and balances, by the code that reads advices."""

import datetime
import io
from collections.abc import Callable
from decimal import Decimal

import pytest

from banking.iso20022 import camt053
from banking.iso20022.values import Balance, Entry, EntryDetail, Notification
from banking.located import Unreadable

Sample = Callable[[str], io.BytesIO]

# Name, entries, details, sum of credits, sum of debits: counted once with ElementTree.
COUNTED = [
    ("abnamro_camt053.xml", 13, 26, "28.00", "928.00"),
    ("genkgo_camt053.v2.all-balance-types.xml", 1, 1, "8.850", "0"),
    ("genkgo_camt053.v2.minimal.ultimate.xml", 1, 1, "8.85", "0"),
    ("genkgo_camt053.v2.with-party-ids.xml", 1, 1, "8.85", "0"),
    ("german_dk_camt053.xml", 5, 6, "1151.12", "48.42"),
    ("ing_camt053.xml", 9, 7, "990.00", "385.00"),
    ("kedder_camt053_davider80.xml", 16, 0, "368", "4047.85"),
    ("nordea_fi_camt053.xml", 6, 6, "10100.50", "1500.50"),
    ("oca_camt053.xml", 3, 4, "1405.31", "1418.30"),
    ("oca_camt053_no_ntry.xml", 0, 0, "0", "0"),
    ("postfinance_camt053_2016_large.xml", 13, 32, "1810.56", "1272.95"),
    ("siauliu_lt_camt053.xml", 4, 4, "0", "2768.08"),
    ("viafintech_camt053_batch.xml", 3, 2, "7688.00", "4753.74"),
    ("viafintech_camt053_v8.xml", 3, 3, "563.25", "20.97"),
]


@pytest.mark.parametrize(("name", "count", "inner", "credits", "debits"), COUNTED)
def test_a_sample_gives_the_entries_and_sums_that_were_counted(
    sample: Sample, name: str, count: int, inner: int, credits: str, debits: str
) -> None:
    values = list(camt053.read(sample(name)))
    found = [one for one in values if isinstance(one, Entry)]
    assert len(found) == count
    assert sum(isinstance(one, EntryDetail) for one in values) == inner
    assert sum(one.amount for one in found if one.credit) == Decimal(credits)
    assert sum(one.amount for one in found if not one.credit) == Decimal(debits)


def test_balances_follow_the_statements_head(sample: Sample) -> None:
    values = list(camt053.read(sample("nordea_fi_camt053.xml")))
    assert [type(one) for one in values[:3]] == [Notification, Balance, Balance]
    balances = [one for one in values if isinstance(one, Balance)]
    assert [one.kind for one in balances] == ["OPBD", "CLBD"]
    assert all(isinstance(one.date, datetime.date) for one in balances)
    opening, closing = balances
    moved = sum(
        (one.amount if one.credit else -one.amount for one in values if isinstance(one, Entry)),
        Decimal(0),
    )
    assert opening.amount + moved == closing.amount


def test_an_advice_is_no_statement(sample: Sample) -> None:
    with pytest.raises(Unreadable) as caught:
        camt053.read(sample("nordea_no_camt054_debit_eur.xml"))
    assert caught.value.code == "wrong-message"


def test_a_statement_about_no_account_is_refused(sample: Sample) -> None:
    with pytest.raises(Unreadable) as caught:
        list(camt053.read(sample("genkgo_camt053.v2.wrong.xml")))
    assert caught.value.code == "missing"
