"""What a signature binds: the tree by vectors of its own, and that no field can change unseen."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments import digest
from payments.digest import Covered, Head

HEAD = Head("7 AGR1", "15030000708", "B1", "supplier", dt.date(2027, 1, 4))
TEXT = st.text(alphabet=st.characters(exclude_characters="\x1f", exclude_categories=("Cs",)))
WORDS = dict.fromkeys(
    (
        "reference",
        "instruction_id",
        "currency",
        "payee_name",
        "payee_account",
        "payee_account_kind",
        "payee_bic",
        "kid",
        "message",
    ),
    TEXT,
)
LINES = st.fixed_dictionaries(
    WORDS
    | {
        "position": st.integers(1, 100_000),
        "amount": st.decimals("0.01", "999999999999.99", places=2),
        "payee_address": st.none() | st.dictionaries(TEXT, TEXT, min_size=1, max_size=3),
        "documents": st.none()
        | st.lists(st.dictionaries(TEXT, st.none() | TEXT, max_size=3), min_size=1, max_size=3),
        "extra": st.none() | st.dictionaries(TEXT, TEXT, min_size=1, max_size=3),
    }
)
FIELDS = sorted(WORDS) + ["position", "amount", "payee_address", "documents", "extra"]


def leaf(text: str) -> bytes:
    told = "\x1f".join(["7 AGR1", "15030000708", "B1", "supplier", "2027-01-04", "normal", text])
    return hashlib.sha256(b"\x00" + told.encode()).digest()


def tree(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, written as it is defined there: by halves, not from a stack."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + tree(leaves[:half]) + tree(leaves[half:])).digest()


def root(lines: list[dict[str, Any]], head: Head = HEAD) -> bytes:
    return digest.root_of(head, [digest.canonical(**line) for line in lines])


@pytest.mark.parametrize("count", [*range(18), 31, 32, 33, 100])
def test_the_root_is_the_tree_of_rfc_6962(count: int) -> None:
    texts = [f"line {n}" for n in range(count)]
    assert digest.root_of(HEAD, texts) == tree([leaf(text) for text in texts])


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert digest.Tree(HEAD).root().hex() == empty


def test_a_root_may_be_asked_for_between_lines() -> None:
    growing = digest.Tree(HEAD)
    for count in range(9):
        assert growing.root() == digest.root_of(HEAD, [f"{n}" for n in range(count)])
        growing.add(str(count))


@given(LINES, st.sampled_from(FIELDS), st.data())
def test_another_value_in_any_field_is_another_root(
    line: dict[str, Any], field: str, data: st.DataObject
) -> None:
    other = data.draw(LINES, label="other")[field]
    changed = line | {field: other}
    assert (root([line]) == root([changed])) == (line == changed)


@given(
    LINES, st.sampled_from(["agreement", "account", "number", "kind", "due_date"]), st.integers()
)
def test_another_head_is_another_root(line: dict[str, Any], field: str, _: int) -> None:
    other: Any = dt.date(2027, 1, 5) if field == "due_date" else getattr(HEAD, field) + "1"
    assert root([line]) != root([line], dataclasses.replace(HEAD, **{field: other}))


@given(st.lists(LINES, min_size=1, max_size=9), st.data())
def test_lines_added_left_out_doubled_or_in_another_order_are_another_root(
    lines: list[dict[str, Any]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(lines) - 1))
    assert root(lines) != root([*lines, lines[at]])
    assert root(lines) != root(lines[:at] + lines[at + 1 :])
    shuffled = data.draw(st.permutations(lines))
    assert (root(lines) == root(shuffled)) == (lines == shuffled)


@given(LINES, st.sampled_from(sorted(WORDS)), TEXT)
def test_text_cannot_wander_from_one_field_to_the_next(
    line: dict[str, Any], field: str, more: str
) -> None:
    names = [
        "reference",
        "instruction_id",
        "currency",
        "payee_name",
        "payee_account_kind",
        "payee_account",
        "payee_bic",
        "kid",
        "message",
    ]
    after = names[(names.index(field) + 1) % len(names)]
    longer = line | {field: line[field] + more}
    wandered = line | {after: more + line[after]}
    assert (root([longer]) == root([wandered])) == (longer == wandered)


def test_equal_amounts_and_addresses_are_one_however_they_are_written() -> None:
    line = dict.fromkeys(WORDS, "x") | {
        "position": 1,
        "amount": Decimal(100),
        "payee_address": {"town": "OSLO", "country": "NO"},
        "documents": None,
        "extra": None,
    }
    same = line | {
        "amount": Decimal("1E+2"),
        "payee_address": {"country": "NO", "town": "OSLO"},
        "documents": [],
        "extra": {},
    }
    assert root([line]) == root([same])


AT = dt.datetime(2027, 1, 4, 10, 0, tzinfo=dt.timezone(dt.timedelta(hours=1)))


def statement(**changes: Any) -> str:
    covered = Covered(3, {"SEK": Decimal(5), "NOK": Decimal("10.50")}, (2, 7))
    facts = {
        "head": HEAD,
        "root": b"\x11" * 32,
        "covered": covered,
        "signer_id": 4,
        "signer": "Anne",
        "at": AT,
    }
    return digest.statement(**(facts | changes))


def test_a_statement_says_each_fact_on_a_line_of_its_own() -> None:
    assert statement().split("\n") == [
        "Kvitt payment approval 1",
        "agreement: 7 AGR1",
        "account: 15030000708",
        "payment: B1",
        "kind: supplier",
        "due: 2027-01-04",
        "urgent: no",
        "lines: 3",
        "left out: 2,7",
        "sums: 10.50 NOK, 5.00 SEK",
        f"root: {'11' * 32}",
        "signer: 4 Anne",
        "at: 2027-01-04T09:00:00+00:00",
    ]


@given(st.lists(st.integers(1, 100_000), unique=True).map(sorted))
def test_what_was_left_out_is_read_back_from_the_statement(excluded: list[int]) -> None:
    text = statement(covered=Covered(3, {"NOK": Decimal(1)}, tuple(excluded)))
    assert digest.left_out(text) == tuple(excluded)


@pytest.mark.parametrize(
    "text",
    ["", "left out: 2", "Kvitt payment approval 1", "Kvitt payment approval 2\nleft out: 2"],
)
def test_a_text_that_is_no_statement_tells_nothing_left_out(text: str) -> None:
    with pytest.raises(ValueError, match="not a statement"):
        digest.left_out(text)


def test_names_cannot_add_a_line_to_a_statement() -> None:
    text = statement(signer="Anne\nleft out: -")
    assert digest.left_out(text) == (2, 7)
    assert len(text.split("\n")) == len(statement().split("\n"))


def test_the_mac_holds_for_its_text_and_key_alone() -> None:
    text, key = statement(), b"k" * 32
    given_mac = digest.mac(text, key=key)
    assert digest.mac_holds(text, given_mac, key=key)
    assert digest.mac_holds(text, memoryview(given_mac), key=key)  # type: ignore[arg-type]
    assert not digest.mac_holds(text + " ", given_mac, key=key)
    assert not digest.mac_holds(text, given_mac, key=b"j" * 32)
    assert not digest.mac_holds(text, given_mac[:-1], key=key)
