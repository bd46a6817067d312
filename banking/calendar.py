"""Norwegian bank days: which days banks settle, and where a date rolls to; no cut-off times.

Public holidays come from the holidays package, what it lacks from data/bank_closed_days.toml, over
which an operator may lay a file of their own.
"""

import datetime
import functools
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import holidays

DATA = Path(__file__).parent / "data" / "bank_closed_days.toml"
SATURDAY = 5
_STEP = datetime.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Overrides:
    """The data file: month and day closed each year, single days closed, single days open."""

    yearly: frozenset[tuple[int, int]]
    closed: frozenset[datetime.date]
    open: frozenset[datetime.date]


YEARLY_MAX = 60


def load_overrides(path: Path = DATA) -> Overrides:
    """The overrides in that file. Raises ValueError, whose words name the row, for a file that is
    not made as the data file says."""
    data = tomllib.loads(path.read_text("utf-8"))
    unknown = sorted(set(data) - {"yearly", "closed", "open"})
    if unknown:
        raise ValueError(f"{path.name}: [[{unknown[0]}]] is not yearly, closed or open")
    found: dict[str, set[Any]] = {"yearly": set(), "closed": set(), "open": set()}
    for kind, days in found.items():
        rows = data.get(kind, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise ValueError(f"{path.name}: write [[{kind}]] above each row")
        for number, row in enumerate(rows, start=1):
            place = f"{path.name}: [[{kind}]] {number}"
            days.add(_yearly(row, place) if kind == "yearly" else _single(row, place))
            if not isinstance(row.get("source"), str) or not row["source"]:
                raise ValueError(f"{place} has no source")
            if not isinstance(row.get("name"), str) or not row["name"].strip():
                raise ValueError(f"{place} has no name")
            if not isinstance(row.get("verified"), bool):
                raise ValueError(f"{place} does not say whether it is verified (true, false)")
            odd = sorted(set(row) - {"day", "name", "source", "verified"})
            if odd:
                raise ValueError(f"{place}: {odd[0]} is not known here")
    both = sorted(found["closed"] & found["open"])
    if both:
        raise ValueError(f"{path.name}: {both[0]} is told to be both closed and open")
    if len(found["yearly"]) > YEARLY_MAX:
        raise ValueError(f"{path.name}: more than {YEARLY_MAX} days are closed each year")
    return Overrides(*(frozenset(found[kind]) for kind in ("yearly", "closed", "open")))


def _single(row: dict[str, Any], place: str) -> datetime.date:
    day = row.get("day")
    if type(day) is not datetime.date:
        raise ValueError(f"{place}: day is {day!r}, not a date as 2030-01-02, without quotes")
    return day


def _yearly(row: dict[str, Any], place: str) -> tuple[int, int]:
    day = row.get("day")
    if not re.fullmatch(r"\d\d-\d\d", str(day)):
        raise ValueError(f'{place}: day is {day!r}, not month and day as "12-24"')
    try:
        # A leap year, so that 29 February may be named.
        date = datetime.date.fromisoformat(f"2000-{day}")
    except ValueError as error:
        raise ValueError(f'{place}: day is {day!r}, not month and day as "12-24"') from error
    return (date.month, date.day)


_own: Path | None = None


def use(path: Path | None) -> None:
    """Lays an operator's own file, made as the data file is, over it from now on; None: none.

    Raises OSError or ValueError for a file that cannot be used, and then uses none.
    """
    global _own
    _own = None
    _overrides.cache_clear()
    if path is not None:
        load_overrides(path)
        _own = path


@functools.cache
def _overrides() -> Overrides:
    known = load_overrides()
    if _own is None:
        return known
    own = load_overrides(_own)
    return Overrides(
        yearly=known.yearly | own.yearly,
        closed=(known.closed - own.open) | own.closed,
        open=(known.open - own.closed) | own.open,
    )


@functools.lru_cache(maxsize=64)
def _public_holidays(year: int) -> frozenset[datetime.date]:
    return frozenset(holidays.country_holidays("NO", years=year))


def is_bank_day(date: datetime.date) -> bool:
    """Whether banks in Norway settle that day."""
    overrides = _overrides()
    if date in overrides.open:
        return True
    if date.weekday() >= SATURDAY or date in overrides.closed:
        return False
    if (date.month, date.day) in overrides.yearly:
        return False
    return date not in _public_holidays(date.year)


def roll(date: datetime.date) -> datetime.date:
    """The date itself if it is a bank day, else the next one."""
    while not is_bank_day(date):
        date += _STEP
    return date


def next_bank_day(date: datetime.date) -> datetime.date:
    """The first bank day after the date."""
    return roll(date + _STEP)
