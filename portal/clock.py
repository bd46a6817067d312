"""Business time: machine time plus an offset in the database that only moves forward.

Security (codes, signatures, sessions) and brokers use machine time, not this. Inside
`unit_of_work` the offset is read once, so that one piece of work sees one time.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from contextvars import ContextVar
from zoneinfo import ZoneInfo

from django.db import connection

OSLO = ZoneInfo("Europe/Oslo")
_offset: ContextVar[dt.timedelta | None] = ContextVar("business_clock_offset", default=None)


class OnlyForward(ValueError):
    """The business clock cannot be moved back: what has happened has happened."""


def now() -> dt.datetime:
    """The business time now, aware, in UTC."""
    offset = _offset.get()
    return dt.datetime.now(dt.UTC) + (_read() if offset is None else offset)


def today() -> dt.date:
    """The business date now, in Oslo."""
    return now().astimezone(OSLO).date()


@contextlib.contextmanager
def unit_of_work() -> Iterator[None]:
    """Reads the offset once for all that happens inside."""
    token = _offset.set(_read())
    try:
        yield
    finally:
        _offset.reset(token)


def advance(*, by: dt.timedelta) -> dt.datetime:
    """Moves business time forward and answers the new time; raises OnlyForward."""
    if by < dt.timedelta(0):
        raise OnlyForward
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE clock_offset SET seconds = seconds + %s WHERE id = 1", [int(by.total_seconds())]
        )
    _offset.set(None)
    return now()


def _read() -> dt.timedelta:
    with connection.cursor() as cursor:
        cursor.execute("SELECT seconds FROM clock_offset WHERE id = 1")
        row = cursor.fetchone()
    return dt.timedelta(seconds=row[0])
