"""Pages by key: each row once, whichever way and from whichever end; odd keys do no harm."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payments.models import Payment
from portal.lists import keyset
from portal.lists.keyset import LAST, Order
from tests import kit
from tests.portal.events.test_moves import make

ORDERS = [
    Order("due_date", "date", descending=True),
    Order("due_date", "date"),
    Order("number", "text"),
    Order("created_at", "moment", descending=True),
    Order("id", "integer", descending=True),
]


@pytest.fixture
def made(db: None) -> Any:
    stage = kit.stage()
    with stage.scope():
        for n in range(23):
            row = make(stage, f"P{n:02}", lines=1)
            due = dt.date(2026, 11, 20) + dt.timedelta(days=n * 7 % 4)
            Payment.objects.filter(pk=row.pk).update(due_date=due)
        yield stage


def rows() -> Any:
    return Payment.objects.all()


def expected(order: Order) -> list[int]:
    return list(rows().order_by(*order.terms()).values_list("pk", flat=True))


@pytest.mark.parametrize("order", ORDERS, ids=lambda o: f"{o.column}-{o.descending}")
def test_forwards_from_the_first_and_backwards_from_the_last_show_each_row_once(
    made: Any, order: Order
) -> None:
    seen: list[int] = []
    page = keyset.page(rows=rows(), order=order, size=5)
    assert page.at_start
    while True:
        seen += [row.pk for row in page.rows]
        if page.after is None:
            break
        page = keyset.page(rows=rows(), order=order, size=5, after=page.after)
        assert not page.at_start
    assert page.at_end
    assert seen == expected(order)

    back: list[int] = []
    page = keyset.page(rows=rows(), order=order, size=5, before=LAST)
    assert page.at_end
    while True:
        back = [row.pk for row in page.rows] + back
        if page.before is None:
            break
        page = keyset.page(rows=rows(), order=order, size=5, before=page.before)
        assert not page.at_end
    assert page.at_start
    assert back == expected(order)


def test_a_row_that_comes_meanwhile_shifts_no_page(made: Any) -> None:
    order = ORDERS[0]
    first = keyset.page(rows=rows(), order=order, size=5)
    make(made, "LATE", lines=1)
    assert first.after is not None
    second = keyset.page(rows=rows(), order=order, size=5, after=first.after)
    assert [row.pk for row in second.rows] == [
        pk for pk in expected(order) if pk != max(expected(order))
    ][5:10]


@pytest.mark.parametrize(
    "key",
    ["x", ",", "1", "x,2026-11-20", "1,2026-13-01", "9" * 30 + ",2026-11-20", "-1,2026-11-20"],
)
def test_a_key_that_cannot_be_shows_the_first_page_and_says_so(made: Any, key: str) -> None:
    order = ORDERS[0]
    for words in ({"after": key}, {"before": key}):
        page = keyset.page(rows=rows(), order=order, size=5, **words)
        assert page.broken
        assert [row.pk for row in page.rows] == expected(order)[:5]


def test_a_page_is_one_query_and_compares_rows_as_the_index_does(made: Any) -> None:
    order = ORDERS[0]
    after = keyset.page(rows=rows(), order=order, size=5).after
    assert after is not None
    with CaptureQueriesContext(connection) as captured:
        keyset.page(rows=rows(), order=order, size=5, after=after)
    assert len(captured) == 1
    sql = captured.captured_queries[0]["sql"]
    assert '("payments_payment"."due_date", "payments_payment"."id") <' in sql
    assert " OR " not in sql


def test_the_count_stops_at_its_cap(made: Any) -> None:
    assert keyset.count(rows(), cap=23) == keyset.Count(23, False)
    assert keyset.count(rows(), cap=22) == keyset.Count(22, True)


def test_walking_reads_all_in_slices(made: Any) -> None:
    order = ORDERS[0]
    with CaptureQueriesContext(connection) as captured:
        slices = list(keyset.walk(rows=rows(), order=order, size=10))
    assert [len(found) for found in slices] == [10, 10, 3]
    assert [row.pk for found in slices for row in found] == expected(order)
    assert len(captured) == 3


@pytest.mark.parametrize("order", ORDERS, ids=lambda o: f"{o.column}-{o.descending}")
def test_backwards_from_a_place_that_nothing_stands_before_any_more_is_the_first_page(
    made: Any, order: Order
) -> None:
    second = keyset.page(rows=rows(), order=order, size=5, after=order.key_of(first_of(order)[4]))
    assert second.before is not None
    gone = [row.pk for row in first_of(order)]
    left = rows().exclude(pk__in=gone)
    found = keyset.page(rows=left, order=order, size=5, before=second.before)
    assert [row.pk for row in found.rows] == expected(order)[5:10]
    assert (found.at_start, found.at_end) == (True, False)


def first_of(order: Order) -> list[Payment]:
    return list(rows().order_by(*order.terms())[:5])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("text", "1,a\0b"),
        ("moment", "1,2026-01-01T00:00:00+23:59"),
        ("moment", "1,0001-01-01T00:00:00+23:00"),
    ],
)
def test_a_place_that_the_database_cannot_hold_is_none(kind: str, text: str) -> None:
    place = Order("x", kind).parse(text)
    assert place is None or place[0].utcoffset() == dt.timedelta()
