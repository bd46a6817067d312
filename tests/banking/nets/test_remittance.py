"""Writing Direkte remittering: as the sample stands, and read back the same whatever is paid."""

from __future__ import annotations

import dataclasses
import datetime as dt
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from banking.located import NOWHERE, InvalidOutput
from banking.nets import reader, remittance
from banking.nets.values import Assignment, Order, Specified, Transmission

Sample = Callable[[str], io.BytesIO]
SENDER = Transmission("00123456", "0000042", "00008080")
ACCOUNT = Assignment("04", "00", "1008566", "0000007", "86011117947")
NOTICE = Order(
    type="03",
    date=dt.date(2026, 11, 24),
    account="99990000316",
    amount=Decimal("750.50"),
    own_reference="BILAG-10002",
    name="Blomster & ærlighet",
    message=("Faktura 778",),
)


def written(*orders: Order, assignment: Assignment = ACCOUNT) -> bytes:
    target = io.BytesIO()
    remittance.write(target, transmission=SENDER, assignments=[(assignment, orders)])
    return target.getvalue()


def back(content: bytes) -> list[Order]:
    values = reader.read(io.BytesIO(content))
    return [
        dataclasses.replace(one, place=NOWHERE, number="")
        for one in values
        if isinstance(one, Order)
    ]


def test_the_sample_is_written_as_it_stands(sample: Sample) -> None:
    content = sample("synthetic/ndr_outgoing.txt").read()
    values = list(reader.read(io.BytesIO(content)))
    orders = [one for one in values if isinstance(one, Order)]
    head = values[0]
    assert isinstance(head, Transmission)
    target = io.BytesIO()
    remittance.write(target, transmission=head, assignments=[(ACCOUNT, orders)])
    assert target.getvalue().splitlines() == content.splitlines()


# Latin-1 as it is printed: letters of the Nordic countries and others, digits, signs, a blank.
LETTERS = "abcxyzABCXYZ0189æøåäöüéßÆØÅÄÖÜÉþð&-./()+:,'%§½« "


def words(longest: int, *, shortest: int = 0) -> st.SearchStrategy[str]:
    some = st.text(LETTERS, min_size=shortest, max_size=longest).map(str.strip)
    return some.filter(bool) if shortest else some


amounts = st.decimals("0.01", "999999999999.99", places=2, allow_nan=False)
kids = st.from_regex("[0-9]{1,24}[0-9-]", fullmatch=True)
specified = st.lists(st.builds(Specified, kids, amounts), min_size=1, max_size=5).map(tuple)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    common: dict[str, Any] = {
        "date": draw(st.dates(dt.date(2000, 1, 1), dt.date(2069, 12, 31))),
        "account": draw(st.from_regex("[1-9][0-9]{10}", fullmatch=True)),
        "own_reference": draw(words(25, shortest=1)),
        "short_name": draw(words(10)),
        "name": draw(words(30)),
    }
    if common["name"]:
        common |= {"post_code": draw(words(4)), "town": draw(words(25))}
    if draw(st.booleans()):
        lines = draw(st.lists(words(40, shortest=1), max_size=42)) or [""]
        message = tuple(line for line in lines if line)
        return Order("03", amount=draw(amounts), message=message, **common)
    paid = draw(specified)
    total = sum((one.amount for one in paid), Decimal(0))
    kid = paid[0].kid if len(paid) == 1 else None
    return Order("16", amount=total, kid=kid, specified=paid, **common)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(orders(), min_size=1, max_size=4))
def test_what_is_written_is_read_back_the_same(some: list[Order]) -> None:
    content = written(*some)
    assert {len(line) for line in content.splitlines()} == {80}
    assert back(content) == some


def test_a_kid_may_stand_in_the_first_record() -> None:
    one = dataclasses.replace(NOTICE, type="16", kid="0000000000000000000000001", message=())
    assert back(written(one)) == [one]


def test_credit_notes_are_taken_off_what_is_paid() -> None:
    paid = (Specified("123", Decimal("100.00")), Specified("45-", Decimal("40.00"), True))
    one = dataclasses.replace(
        NOTICE, type="17", amount=Decimal("60.00"), specified=paid, message=()
    )
    assert back(written(one)) == [one]
    with pytest.raises(InvalidOutput) as caught:
        written(dataclasses.replace(one, amount=Decimal("140.00")))
    assert caught.value.code == "totals"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"own_reference": ""}, "value"),
        ({"own_reference": "x" * 26}, "too-long"),
        ({"name": "x" * 31}, "too-long"),
        ({"name": "Łódź"}, "illegal-character"),
        ({"message": ("one\ntwo",)}, "illegal-character"),
        ({"message": ("x" * 41,)}, "too-long"),
        ({"message": ("x",) * 43}, "too-long"),
        ({"amount": Decimal("0.00")}, "value"),
        ({"amount": Decimal("0.001")}, "value"),
        ({"amount": Decimal(-1)}, "value"),
        ({"date": None}, "value"),
        ({"account": "1234"}, "value"),
        ({"account": "NO9386011117947"}, "value"),
        ({"type": "99"}, "value"),
        ({"kid": "123"}, "value"),
        ({"type": "16"}, "value"),
    ],
)
def test_what_does_not_fit_is_refused_and_never_cut(change: dict[str, Any], code: str) -> None:
    one = dataclasses.replace(NOTICE, **change)
    with pytest.raises(InvalidOutput) as caught:
        written(NOTICE, one)
    assert caught.value.code == code
    assert caught.value.place.path == "20 0000007/30 2"


def test_nothing_to_write_is_no_file() -> None:
    with pytest.raises(InvalidOutput) as caught:
        written()
    assert caught.value.code == "totals"
