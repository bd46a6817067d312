"""Bank days: against the reference list, and how dates roll."""

import csv
import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from banking import calendar

REFERENCE = Path(__file__).resolve().parents[3] / "shared/reference/rates/bank_closed_days.csv"
dates = st.dates(datetime.date(2000, 1, 1), datetime.date(2090, 12, 31))


def day(text: str) -> datetime.date:
    return datetime.date.fromisoformat(text)


def test_the_closed_days_are_those_of_the_reference_list() -> None:
    if not REFERENCE.is_file():
        pytest.skip(f"the reference list is not at {REFERENCE}")
    with REFERENCE.open(encoding="utf-8", newline="") as rows:
        closed = {day(row["date"]) for row in csv.DictReader(rows)}
    years = {date.year for date in closed}
    assert years
    for year in years:
        date = datetime.date(year, 1, 1)
        while date.year == year:
            weekend = date.weekday() >= calendar.SATURDAY
            assert calendar.is_bank_day(date) == (not weekend and date not in closed), date
            date += datetime.timedelta(days=1)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-01",
        "2026-04-02",
        "2026-04-03",
        "2026-04-06",
        "2026-05-01",
        "2026-05-14",
        "2026-05-25",
        "2026-12-24",
        "2026-12-25",
        "2027-05-17",
        "2026-11-21",
        "2026-11-22",
    ],
)
def test_a_closed_day_of_the_domain_is_closed(text: str) -> None:
    assert not calendar.is_bank_day(day(text))


@pytest.mark.parametrize("text", ["2026-12-31", "2026-04-01", "2026-11-23", "2026-12-23"])
def test_a_working_day_is_open(text: str) -> None:
    assert calendar.is_bank_day(day(text))


def test_dates_roll_over_christmas_and_easter() -> None:
    assert calendar.roll(day("2026-12-24")) == day("2026-12-28")
    assert calendar.roll(day("2026-12-23")) == day("2026-12-23")
    assert calendar.next_bank_day(day("2026-12-23")) == day("2026-12-28")
    assert calendar.next_bank_day(day("2026-04-01")) == day("2026-04-07")


@given(dates)
def test_rolling_ends_on_a_bank_day_within_a_week_or_so(date: datetime.date) -> None:
    rolled = calendar.roll(date)
    assert calendar.is_bank_day(rolled)
    assert date <= rolled <= date + datetime.timedelta(days=8)
    assert calendar.roll(rolled) == rolled
    assert calendar.next_bank_day(date) > date


def test_the_overrides_add_and_remove_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "days.toml"
    file.write_text(
        '[[closed]]\nday = 2026-11-23\nname = "x"\nsource = "test"\nverified = true\n'
        '[[open]]\nday = 2026-11-22\nname = "x"\nsource = "test"\nverified = false\n'
        '[[yearly]]\nday = "12-31"\nname = "x"\nsource = "test"\nverified = true\n',
        encoding="utf-8",
    )
    overrides = calendar.load_overrides(file)
    monkeypatch.setattr(calendar, "_overrides", lambda: overrides)
    assert not calendar.is_bank_day(day("2026-11-23"))
    assert calendar.is_bank_day(day("2026-11-22"))
    assert not calendar.is_bank_day(day("2030-12-31"))


def test_an_operators_own_file_is_laid_over_what_is_known(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        '[[closed]]\nday = 2026-11-23\nname = "x"\nsource = "test"\nverified = true\n'
        '[[open]]\nday = 2026-12-24\nname = "x"\nsource = "test"\nverified = true\n',
        encoding="utf-8",
    )
    try:
        calendar.use(file)
        assert not calendar.is_bank_day(day("2026-11-23"))
        assert calendar.is_bank_day(day("2026-12-24"))
        assert not calendar.is_bank_day(day("2027-12-24"))
        file.write_text("[[closed]]\nday = 2026-11-24\n", encoding="utf-8")
        with pytest.raises(ValueError, match=r"own.toml: \[\[closed\]\] 1 has no source"):
            calendar.use(file)
    finally:
        calendar.use(None)
    assert calendar.is_bank_day(day("2026-11-23"))


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ("day = 2026-11-23\nverified = true", ValueError),
        ('day = 2026-11-23\nsource = ""\nverified = true', ValueError),
        ('day = 2026-11-23\nsource = "x"', ValueError),
    ],
)
def test_an_override_without_source_is_refused(
    tmp_path: Path, row: str, error: type[Exception]
) -> None:
    file = tmp_path / "days.toml"
    file.write_text(f"[[closed]]\n{row}\n", encoding="utf-8")
    with pytest.raises(error):
        calendar.load_overrides(file)


FACTS = 'name = "x"\nsource = "test"\nverified = true\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[closed]]\nday = "2026-12-01"\n' + FACTS, "not a date as 2030-01-02, without quotes"),
        ("[[closed]]\nday = 2026-12-01T10:00:00\n" + FACTS, "not a date as 2030-01-02"),
        ("[[close]]\nday = 2026-12-01\n" + FACTS, "[[close]] is not yearly, closed or open"),
        ("[closed]\nday = 2026-12-01\n" + FACTS, "write [[closed]] above each row"),
        ("[[yearly]]\nday = 2026-12-01\n" + FACTS, 'not month and day as "12-24"'),
        ('[[yearly]]\nday = "13-01"\n' + FACTS, 'not month and day as "12-24"'),
        ("[[open]]\nday = 2026-12-01\nsource = 'x'\n", "has no name"),
        (
            "[[open]]\nday = 2026-12-01\nname = 'y'\nsource = 'x'\n",
            "does not say whether it is verified",
        ),
        ('[[yearly]]\nday = "W01-1"\n' + FACTS, 'not month and day as "12-24"'),
        ("[[closed]]\nday = 2026-12-01\nkind = 1\n" + FACTS, "kind is not known here"),
        (
            "".join(f"[[{kind}]]\nday = 2026-12-01\n{FACTS}" for kind in ("closed", "open")),
            "2026-12-01 is told to be both closed and open",
        ),
        (
            "".join(
                f'[[yearly]]\nday = "{m:02}-{d:02}"\n{FACTS}'
                for m in range(1, 13)
                for d in range(1, 8)
            ),
            "more than 60 days are closed each year",
        ),
        ("[[open]\n", "Expected"),
    ],
)
def test_a_mistake_in_the_operators_file_is_told_with_its_place(
    tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as fault:  # noqa: PT011
        calendar.use(file)
    assert told in str(fault.value)
