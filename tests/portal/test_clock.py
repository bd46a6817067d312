"""Business time: forward only, read once per piece of work, the machine's own left alone."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from portal import clock

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def noon() -> time_machine.Traveller:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def test_it_begins_with_the_machines_time() -> None:
    assert clock.now() == NOON
    assert clock.now().tzinfo == dt.UTC


def test_it_moves_forward_and_the_machine_stays() -> None:
    assert clock.advance(by=DAY * 3) == NOON + DAY * 3
    assert clock.advance(by=dt.timedelta(hours=1)) == NOON + DAY * 3 + dt.timedelta(hours=1)
    assert dt.datetime.now(dt.UTC) == NOON


def test_it_never_moves_back() -> None:
    clock.advance(by=DAY)
    with pytest.raises(clock.OnlyForward):
        clock.advance(by=-dt.timedelta(seconds=1))
    assert clock.now() == NOON + DAY
    assert clock.advance(by=dt.timedelta(0)) == NOON + DAY


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clock_offset SET seconds = seconds - 1",
        "UPDATE clock_offset SET seconds = 0",
        "UPDATE clock_offset SET seconds = -1",
        "UPDATE clock_offset SET seconds = NULL",
        "DELETE FROM clock_offset",
        "TRUNCATE clock_offset",
        "INSERT INTO clock_offset VALUES (2, 0)",
    ],
)
def test_the_database_does_not_let_it_back_either(statement: str) -> None:
    clock.advance(by=DAY)
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert clock.now() == NOON + DAY


def test_the_day_is_oslos() -> None:
    with time_machine.travel(dt.datetime(2026, 11, 23, 22, 59, tzinfo=dt.UTC), tick=False):
        assert clock.today() == dt.date(2026, 11, 23)
        clock.advance(by=dt.timedelta(minutes=2))
        assert clock.today() == dt.date(2026, 11, 24)
    with time_machine.travel(dt.datetime(2026, 7, 1, 22, 1, tzinfo=dt.UTC), tick=False):
        assert clock.today() == dt.date(2026, 7, 2)


def test_a_unit_of_work_reads_the_clock_once_and_sees_one_offset() -> None:
    with clock.unit_of_work():
        with CaptureQueriesContext(connection) as captured:
            for _ in range(5):
                assert clock.now() == NOON
            assert clock.today() == NOON.date()
        assert len(captured) == 0
        with connection.cursor() as cursor:
            cursor.execute("UPDATE clock_offset SET seconds = seconds + 86400")
        assert clock.now() == NOON
    assert clock.now() == NOON + DAY


def test_units_of_work_nest_and_end_with_a_failure_too() -> None:
    with pytest.raises(ZeroDivisionError), clock.unit_of_work():
        with clock.unit_of_work():
            assert clock.now() == NOON
        raise ZeroDivisionError
    clock.advance(by=DAY)
    assert clock.now() == NOON + DAY


def test_whoever_moves_the_clock_inside_a_unit_of_work_sees_the_new_time() -> None:
    with clock.unit_of_work():
        assert clock.advance(by=DAY) == NOON + DAY
        assert clock.now() == NOON + DAY
    assert clock.now() == NOON + DAY
