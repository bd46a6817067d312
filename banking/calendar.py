"""Norwegian bank days: which days banks settle, and where a date rolls to; no cut-off times.

Public holidays come from the holidays package, what it lacks from data/bank_closed_days.toml, over
which an operator may lay a file of their own.
"""

import datetime
import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

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


def load_overrides(path: Path = DATA) -> Overrides:
    """The overrides in that file. Raises KeyError or ValueError for a file not made as it says."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    for row in [*data.get("yearly", []), *data.get("closed", []), *data.get("open", [])]:
        if not row["source"] or not isinstance(row["verified"], bool):
            raise ValueError(f"{path.name}: {row['day']} has no source")
    yearly = set()
    for row in data.get("yearly", []):
        month, _, day = row["day"].partition("-")
        # A leap year, so that 29 February may be named.
        date = datetime.date(2000, int(month), int(day))
        yearly.add((date.month, date.day))
    return Overrides(
        yearly=frozenset(yearly),
        closed=frozenset(row["day"] for row in data.get("closed", [])),
        open=frozenset(row["day"] for row in data.get("open", [])),
    )


_own: Path | None = None


def use(path: Path | None) -> None:
    """Lays an operator's own file, made as the data file is, over it from now on; None: none.

    Raises OSError, KeyError or ValueError for a file that cannot be used, and then uses none.
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
