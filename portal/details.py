"""What every detail page is made of: acts that may be greyed with the reason, and a timeline.

It decides nothing: the policy of the app whose page it is says why an act may not be done.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from portal.events.models import Event


@dataclass(frozen=True, slots=True)
class Act:
    """A button on a detail page. `why_not`, where it has one, greys it and stands beside it.

    `fields` are (name, value) pairs that it posts to `address`. `tone`: main, plain or danger.
    """

    name: str
    label: Any
    address: str
    fields: tuple[tuple[str, Any], ...] = ()
    why_not: Any = ""
    tone: str = "plain"
    icon: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """The events of one day in Oslo, latest first."""

    date: dt.date
    events: list[Event]


def timeline(events: Iterable[Event]) -> list[Day]:
    """Events, latest first, day by day."""
    days: list[Day] = []
    for event in events:
        date = timezone.localdate(event.at)
        if not days or days[-1].date != date:
            days.append(Day(date, []))
        days[-1].events.append(event)
    return days
