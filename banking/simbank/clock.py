"""Holds the bank's own movable clock and its open days; must not know what happens on them."""

import datetime
import threading
from zoneinfo import ZoneInfo

import holidays

OSLO = ZoneInfo("Europe/Oslo")


class BackwardsError(Exception):
    """Somebody asked the bank's clock to go back."""


class Clock:
    """Machine time plus an offset that only grows; the offset is kept in the books."""

    def __init__(self, offset_seconds: float) -> None:
        self._offset = datetime.timedelta(seconds=offset_seconds)
        self._lock = threading.Lock()

    @property
    def offset_seconds(self) -> float:
        return self._offset.total_seconds()

    def now(self) -> datetime.datetime:
        with self._lock:
            return (datetime.datetime.now(datetime.UTC) + self._offset).astimezone(OSLO)

    def move_to(self, moment: datetime.datetime) -> None:
        """Naive moments are Oslo time."""
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=OSLO)
        with self._lock:
            offset = moment - datetime.datetime.now(datetime.UTC)
            if offset < self._offset:
                raise BackwardsError(f"{moment.isoformat()} lies before the bank's own time")
            self._offset = offset


class BankDays:
    """Norwegian bank days: no weekends, no public holidays, not 24 December."""

    def __init__(self) -> None:
        self._closed = holidays.country_holidays("NO")

    def is_open(self, day: datetime.date) -> bool:
        if day.weekday() >= 5 or (day.month, day.day) == (12, 24):
            return False
        return day not in self._closed

    def rolled(self, day: datetime.date) -> datetime.date:
        """The day itself when the bank is open, else the next open one."""
        while not self.is_open(day):
            day += datetime.timedelta(days=1)
        return day

    def following(self, day: datetime.date) -> datetime.date:
        return self.rolled(day + datetime.timedelta(days=1))
