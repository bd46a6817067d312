"""Payments as JSON: the same rows as from XML, and the same refusals with places of its own."""

from __future__ import annotations

import copy
import datetime as dt
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banking import numbers
from banking.located import Unreadable
from payments import jsonfile
from payments.models import PaymentLine
from portal import clock
from tests import kit
from tests.kit import Erp, Stage

GOOD = numbers.make_kid("100042", modulus="MOD10")
PAYEE = {"name": "Leverandør AS", "town": "OSLO", "country": "NO"}


@pytest.fixture
def made(db: None, settings: Any) -> Stage:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return kit.stage()


@pytest.fixture
def erp(made: Stage) -> Erp:
    return Erp(made)


def document(account: str, due: dt.date) -> dict[str, Any]:
    head = {"due_date": str(due), "debit_account": account}
    one = {"reference": "L1", "amount": "100.00", "payee": PAYEE, "account": kit.account(70)}
    two = {"reference": "L2", "amount": "250.50", "payee": PAYEE, "account": kit.account(71)}
    three = {"reference": "L1", "amount": "12.00", "payee": PAYEE, "account": kit.account(72)}
    return {
        "totals": {"lines": 3, "sum": "362.50"},
        "payments": [
            {
                "number": "B1",
                **head,
                "lines": [one | {"kid": GOOD}, two | {"message": "Faktura 7"}],
            },
            {"number": "B2", **head, "lines": [three | {"message": "Faktura 8"}]},
        ],
    }


def good(made: Stage, due: dt.date | None = None) -> dict[str, Any]:
    when = due or clock.today() + dt.timedelta(days=3)
    return document(made.agreement.account.number, when)


def post(erp: Erp, value: Any, **spoil: Any) -> Any:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return erp.post("payments", body, media_type="application/json", **spoil)


Change = Callable[[dict[str, Any]], Any]


def put(value: Any, *path: str | int) -> Change:
    """Sets the value at a path of the document."""

    def change(body: dict[str, Any]) -> Any:
        where: Any = body
        for step in path[:-1]:
            where = where[step]
        where[path[-1]] = value
        return body

    return change


def line(value: Any, field: str) -> Change:
    return put(value, "payments", 0, "lines", 1, field)


def head(value: Any, field: str) -> Change:
    return put(value, "payments", 1, field)


def drop(*path: str | int) -> Change:
    def change(body: dict[str, Any]) -> Any:
        where: Any = body
        for step in path[:-1]:
            where = where[step]
        del where[path[-1]]
        return body

    return change


def text(change: Callable[[bytes], bytes]) -> Change:
    return lambda body: change(json.dumps(body).encode())


def lines_first(body: dict[str, Any]) -> Any:
    payment = body["payments"][0]
    body["payments"][0] = {"lines": payment["lines"]} | payment
    return body


def a_field_after_lines(body: dict[str, Any]) -> Any:
    payment = body["payments"][0]
    payment["kind"] = "salary"
    return body


LINE = "payments[0].lines[1]"
HEAD = "payments[1]"
BROKEN: dict[str, tuple[Change, str, str]] = {
    "not JSON": (lambda _: b"Betal 100 kroner", "not-json", "body"),
    "XML": (lambda _: b"<Document/>", "not-json", "body"),
    "only blanks": (lambda _: b"  \n ", "truncated", "body"),
    "a list": (lambda _: [], "shape", "body"),
    "a text": (lambda _: b'"hei"', "shape", "body"),
    "null": (lambda _: b"null", "shape", "body"),
    "cut off": (text(lambda b: b[: len(b) * 2 // 3]), "truncated", "payments[1]"),
    "cut off before the last brace": (text(lambda b: b[:-1]), "truncated", "payments[1]"),
    "two documents": (text(lambda b: b + b), "not-json", "payments[1]"),
    "bytes that are not UTF-8": (
        text(lambda b: b.replace(b"Leverand\\u00f8r", b"Leverand\xf8r")),
        "not-json",
        "payments[0].lines[0]",
    ),
    "a comma too many": (text(lambda b: b.replace(b"}]", b"},]", 1)), "not-json", LINE),
    "not a number": (text(lambda b: b.replace(b'"250.50"', b"NaN")), "not-json", LINE),
    "nested deep": (lambda _: b'{"payments":' + b"[" * 300_000, "shape", "payments[0]"),
    "nested deep in a line": (
        text(lambda b: b.replace(b'"Faktura 7"', b"[" * 300_000)),
        "value",
        LINE,
    ),
    "an unknown field": (put(1, "speed"), "shape", "speed"),
    "an unknown total": (put(1, "totals", "speed"), "shape", "totals.speed"),
    "an unknown field of a payment": (
        lambda b: put({"speed": 1} | b["payments"][1], "payments", 1)(b),
        "value",
        f"{HEAD}.speed",
    ),
    "an unknown field of a line": (line("x", "Speed"), "value", f"{LINE}.Speed"),
    "an unknown field of a payee": (
        line(PAYEE | {"iban": "x"}, "payee"),
        "value",
        f"{LINE}.payee.iban",
    ),
    "a field twice": (
        text(lambda b: b.replace(b'"amount": "250.50"', b'"amount": "250.50", "amount": "1.00"')),
        "value",
        f"{LINE}.amount",
    ),
    "a payment's field twice": (
        text(lambda b: b.replace(b'"number": "B2"', b'"number": "B2", "number": "B3"')),
        "value",
        f"{HEAD}.number",
    ),
    "totals twice": (
        text(lambda b: b[:-1] + b', "totals": {"lines": 3, "sum": "362.50"}}'),
        "value",
        "totals",
    ),
    "payments that are no list": (put({}, "payments"), "shape", "payments"),
    "a payment that is no object": (put("B1", "payments", 1), "shape", "payments[1]"),
    "lines that are no list": (head({}, "lines"), "shape", f"{HEAD}.lines"),
    "a line that is no object": (put("L1", "payments", 0, "lines", 1), "value", LINE),
    "no lines": (head([], "lines"), "value", f"{HEAD}.lines"),
    "lines left out": (drop("payments", 1, "lines"), "value", f"{HEAD}.lines"),
    "lines before the head": (lines_first, "value", "payments[0].number"),
    "a head field after the lines": (a_field_after_lines, "value", "payments[0].kind"),
    "no payments": (lambda b: b | {"payments": []}, "totals", "totals"),
    "nothing at all": (
        lambda _: {"payments": [], "totals": {"lines": 0, "sum": 0}},
        "empty",
        "payments",
    ),
    "no totals": (drop("totals"), "totals", "totals"),
    "no sum": (drop("totals", "sum"), "totals", "totals"),
    "a wrong count": (put(4, "totals", "lines"), "totals", "totals"),
    "a count that is no whole number": (put(3.7, "totals", "lines"), "totals", "totals"),
    "a wrong sum": (put("362.51", "totals", "sum"), "totals", "totals"),
    "a sum that is no number": (put("sNaN", "totals", "sum"), "totals", "totals"),
    "a count beyond measure": (
        text(lambda b: b.replace(b'"lines": 3', b'"lines": 1e999999999')),
        "totals",
        "totals",
    ),
    "a number that is no text": (head(17, "number"), "value", f"{HEAD}.number"),
    "a number too long": (head("B" * 36, "number"), "value", f"{HEAD}.number"),
    "an empty number": (head(" ", "number"), "value", f"{HEAD}.number"),
    "a date that is none": (head("2027-02-29", "due_date"), "value", f"{HEAD}.due_date"),
    "a date as a week": (head("2027-W05-1", "due_date"), "value", f"{HEAD}.due_date"),
    "a kind that is none": (head("wages", "kind"), "value", f"{HEAD}.kind"),
    "urgent in words": (head("yes", "urgent"), "value", f"{HEAD}.urgent"),
    "a KID as a number": (line(1000421, "kid"), "value", f"{LINE}.kid"),
    "no payee": (drop("payments", 0, "lines", 1, "payee"), "value", f"{LINE}.payee"),
    "no amount": (drop("payments", 0, "lines", 1, "amount"), "value", f"{LINE}.amount"),
    "an amount that is true": (line(True, "amount"), "value", f"{LINE}.amount"),
    "an amount with a comma": (line("250,50", "amount"), "value", f"{LINE}.amount"),
    "an amount with thousands marked": (line("1_250.50", "amount"), "value", f"{LINE}.amount"),
    "an amount in other digits": (line("٢٥٠", "amount"), "value", f"{LINE}.amount"),
    "an infinite amount": (line("Infinity", "amount"), "value", f"{LINE}.amount"),
    "an amount beyond measure": (
        text(lambda b: b.replace(b'"250.50"', b"1e999999999")),
        "value",
        f"{LINE}.amount",
    ),
    "amount zero": (
        lambda b: put("112.00", "totals", "sum")(line("0.00", "amount")(b)),
        "amount",
        f"{LINE}.amount",
    ),
    "a negative amount": (
        lambda b: put("111.00", "totals", "sum")(line("-1.00", "amount")(b)),
        "amount",
        f"{LINE}.amount",
    ),
    "three decimals": (
        lambda b: put("362.505", "totals", "sum")(line("250.505", "amount")(b)),
        "decimals",
        f"{LINE}.amount",
    ),
    "an amount no bank carries": (
        lambda b: put("100000000000000112", "totals", "sum")(line("1" + "0" * 17, "amount")(b)),
        "amount",
        f"{LINE}.amount",
    ),
    "no reference": (
        drop("payments", 0, "lines", 1, "reference"),
        "reference",
        f"{LINE}.reference",
    ),
    "a reference twice": (line("L1", "reference"), "reference", f"{LINE}.reference"),
    "a number twice": (head("B1", "number"), "duplicate-number", f"{HEAD}.number"),
    "an unknown account": (
        head(kit.account(99), "debit_account"),
        "unknown-account",
        f"{HEAD}.debit_account",
    ),
    "a message that the database cannot keep": (
        line("a\0b", "message"),
        "value",
        f"{LINE}.message",
    ),
    "a currency of four letters": (line("NOKK", "currency"), "value", f"{LINE}.currency"),
    "documents that are no list": (line("F7", "documents"), "value", f"{LINE}.documents"),
    "a document of another kind": (
        line([{"kind": "X", "number": "7"}], "documents"),
        "value",
        f"{LINE}.documents[0]",
    ),
    "a document's KID as a number": (
        line([{"kind": "CINV", "number": "7", "kid": 1000421}], "documents"),
        "value",
        f"{LINE}.documents[0].kid",
    ),
    "a document's amount in words": (
        line([{"kind": "CINV", "number": "7", "amount": "hundre"}], "documents"),
        "value",
        f"{LINE}.documents[0].amount",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_body_is_refused_whole(erp: Erp, case: str) -> None:
    change, code, place = BROKEN[case]
    before = kit.stored(erp.made)
    answer = post(erp, change(good(erp.made)))
    problem = kit.refusal(answer, 422, code)
    assert problem["place"] == place
    assert kit.stored(erp.made) == before


def test_an_empty_body_is_told_to_be_empty() -> None:
    with pytest.raises(Unreadable) as refused:
        list(jsonfile.read(io.BytesIO(), at=dt.datetime.now(dt.UTC)))
    assert (refused.value.code, refused.value.place.path) == ("empty", "body")


def test_a_number_that_was_uploaded_before_is_refused(erp: Erp) -> None:
    assert post(erp, good(erp.made)).status_code == 201
    before = kit.stored(erp.made)
    answer = post(erp, good(erp.made))
    problem = kit.refusal(answer, 422, "duplicate-number")
    assert problem["place"] == "payments[0].number"
    assert kit.stored(erp.made) == before


def test_more_lines_than_allowed_are_refused(erp: Erp, settings: Any) -> None:
    settings.UPLOAD_MAX_LINES = 2
    before = kit.stored(erp.made)
    answer = post(erp, good(erp.made))
    kit.refusal(answer, 422, "too-many-lines", place="payments[1].lines[0]")
    assert kit.stored(erp.made) == before


ODD: dict[str, tuple[Change, str, str]] = {
    "a wrong KID": (line("1000422", "kid"), "kid", "kid"),
    "a KID too long": (line("1" * 35, "kid"), "kid", "kid"),
    "no account": (drop("payments", 0, "lines", 1, "account"), "payee-account-missing", "account"),
    "a wrong IBAN": (line("NO9386011117948", "account"), "payee-account", "account"),
    "no name": (line({"town": "OSLO"}, "payee"), "payee-name", "payee.name"),
    "a message too long": (line("x" * 141, "message"), "message-too-long", "message"),
    "a document that does not add up": (
        line([{"kind": "CINV", "number": "7", "amount": "250.00"}], "documents"),
        "documents-sum",
        "documents",
    ),
    "a document with a wrong KID": (
        line([{"kind": "CINV", "number": "7", "kid": "1000422"}], "documents"),
        "kid",
        "documents",
    ),
    "too many documents": (
        line([{"kind": "CINV", "number": str(n)} for n in range(26)], "documents"),
        "too-many-documents",
        "documents",
    ),
    "a currency that is not carried": (line("XAU", "currency"), "currency", "currency"),
}


@pytest.mark.parametrize("case", ODD)
def test_a_fault_in_a_line_stops_that_line_only(erp: Erp, case: str) -> None:
    change, code, field = ODD[case]
    body = change(good(erp.made))
    if "KID" in case and "kid" in body["payments"][0]["lines"][1]:
        del body["payments"][0]["lines"][1]["message"]
    answer = post(erp, body)
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert [payment["erp_code"] for payment in told["payments"]] == [3, 2]
    (stopped,) = told["payments"][0]["stopped"]
    assert (stopped["reference"], stopped["code"]) == ("L2", code)
    assert (stopped["place"], stopped["field"]) == (LINE, field)
    assert stopped["problem"]
    assert stopped["cure"]
    with erp.made.scope():
        assert dict(PaymentLine.objects.values_list("payment__number", "status")) | {
            "B2": "awaiting"
        }
        assert PaymentLine.objects.filter(status="stopped").get().reference == "L2"


def test_a_due_date_in_the_past_stops_its_payment(erp: Erp) -> None:
    past = clock.today() - dt.timedelta(days=1)
    told = post(erp, head(str(past), "due_date")(good(erp.made))).json()
    assert [payment["erp_code"] for payment in told["payments"]] == [2, 10]
    (stopped,) = told["payments"][1]["stopped"]
    assert (stopped["code"], stopped["field"]) == ("due-date", "due_date")
    assert stopped["place"] == "payments[1].lines[0]"


def test_totals_may_stand_last_and_amounts_may_be_numbers(erp: Erp) -> None:
    body = line(250.5, "amount")(good(erp.made))
    body = {"payments": body["payments"], "totals": {"lines": 3, "sum": 362.5}}
    assert post(erp, body).status_code == 201
    with erp.made.scope():
        assert PaymentLine.objects.get(reference="L2").amount == Decimal("250.50")


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=40),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)
PATHS = [
    ("totals",),
    ("totals", "lines"),
    ("totals", "sum"),
    ("payments",),
    ("payments", 0),
    *[("payments", 0, field) for field in sorted(jsonfile.HEAD_FIELDS)],
    ("payments", 0, "lines", 0),
    *[("payments", 0, "lines", 0, field) for field in sorted(jsonfile.LINE_FIELDS)],
    *[("payments", 0, "lines", 0, "payee", field) for field in sorted(jsonfile.PAYEE_FIELDS)],
    ("payments", 0, "lines", 0, "documents", 0),
    *[("payments", 0, "lines", 0, "documents", 0, f) for f in ("kind", "number", "amount", "kid")],
]


@given(st.sampled_from(PATHS), LEAVES)
def test_whatever_stands_in_a_field_the_reader_reads_or_tells_the_place(
    path: tuple[str | int, ...], value: Any
) -> None:
    body = copy.deepcopy(document(kit.account(1), dt.date(2027, 1, 4)))
    papers = [{"kind": "CINV", "number": "7", "amount": "100.00", "kid": GOOD}]
    body["payments"][0]["lines"][0]["documents"] = papers
    put(value, *path)(body)
    source = io.BytesIO(json.dumps(body).encode())
    try:
        values = list(jsonfile.read(source, at=dt.datetime(2027, 1, 1, tzinfo=dt.UTC)))
    except Unreadable as fault:
        assert fault.place.path
        assert fault.problem
        assert fault.cure
    else:
        assert len(values) == 6


HALVES = {
    "a first half alone": (rb'"\ud800 A"', True),
    "a second half alone": (rb'"\udc00"', True),
    "two first halves": (rb'"\uD83D\uD83D\uDE00"', True),
    "both halves": (rb'"\ud83d\uDE00"', False),
    "a backslash before such letters": (rb'"\\ud800"', False),
    "a backslash before a half": (rb'"\\\ud800"', True),
    "another letter": (rb'"\u00e6\ud7ff\ue000"', False),
}


@pytest.mark.parametrize(
    "place", [0, *range(jsonfile.BUFFER_BYTES - 16, jsonfile.BUFFER_BYTES + 2)]
)
@pytest.mark.parametrize("case", HALVES)
def test_half_a_character_is_refused_before_the_parser_writes_another(
    case: str, place: int
) -> None:
    text, refused = HALVES[case]
    body = io.BytesIO(b'{"x":' + b" " * place + text + b"}")
    told = ""
    try:
        list(jsonfile.read(body, at=dt.datetime(2026, 11, 22, tzinfo=dt.UTC)))
    except Unreadable as error:
        told = str(error.problem)
    assert ("står for et halvt tegn" in told) is refused, told


@pytest.mark.parametrize("digits", [101, 5_000, 2_000_000])
def test_an_endless_number_is_refused_before_the_parser_meets_it(digits: int) -> None:
    body = b'{"totals":{"lines":1,"sum":' + b"9" * digits + b"}}"
    with pytest.raises(Unreadable) as refused:
        list(jsonfile.read(io.BytesIO(body), at=dt.datetime(2026, 11, 22, tzinfo=dt.UTC)))
    assert refused.value.code == "value"
    assert "100 sifre" in refused.value.problem
