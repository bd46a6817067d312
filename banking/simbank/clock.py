"""Holds the bank's own movable clock and its open days; must not know what happens on them."""

import datetime
import threading
from zoneinfo import ZoneInfo

import holidays

OSLO = ZoneInfo("Europe/Oslo")


class BackwardsError(Exception):
    """Somebody asked the bank's clock to go back."""


def oslo(moment: datetime.datetime) -> datetime.datetime:
    """Naive moments are Oslo time."""
    return moment.replace(tzinfo=OSLO) if moment.tzinfo is None else moment.astimezone(OSLO)


class Clock:
    """Machine time plus an offset that only grows, or a moment at which it stands until moved."""

    def __init__(self, offset_seconds: float, stands_at: datetime.datetime | None = None) -> None:
        self._offset = datetime.timedelta(seconds=offset_seconds)
        self._stands_at = stands_at and oslo(stands_at)
        self._lock = threading.Lock()

    @property
    def offset_seconds(self) -> float:
        return self._offset.total_seconds()

    @property
    def stands_at(self) -> datetime.datetime | None:
        return self._stands_at

    def now(self) -> datetime.datetime:
        with self._lock:
            return self._now()

    def _now(self) -> datetime.datetime:
        if self._stands_at is not None:
            return self._stands_at
        return (datetime.datetime.now(datetime.UTC) + self._offset).astimezone(OSLO)

    def move_to(self, moment: datetime.datetime) -> None:
        """Naive moments are Oslo time."""
        moment = oslo(moment)
        with self._lock:
            if moment < self._now():
                raise BackwardsError(f"{moment.isoformat()} lies before the bank's own time")
            if self._stands_at is not None:
                self._stands_at = moment
            else:
                self._offset = moment - datetime.datetime.now(datetime.UTC)

    def stand(self, still: bool) -> None:
        """Stops the clock where it is, or lets it go on from there."""
        with self._lock:
            now = self._now()
            self._offset = now - datetime.datetime.now(datetime.UTC)
            self._stands_at = now if still else None


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
