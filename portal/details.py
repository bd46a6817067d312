"""What every detail page is made of: acts that may be greyed with the reason, and a timeline.

It decides nothing: the policy of the app whose page it is says why an act may not be done.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from portal.events.models import Event

LINE = "line"  # the subject of an event about one row of a group
NAMED = 3  # rows that a timeline names; the rest it counts


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


@dataclass(slots=True)
class Entry:
    """One thing that happened, to one row or to several in the same way at the same time.

    `event` is the latest of them, `references` the first few rows' names in their own order, and
    `rows` how many rows there were.
    """

    event: Event
    references: list[str]
    rows: int

    @property
    def unnamed(self) -> int:
        """How many of the rows are not named."""
        return self.rows - len(self.references)


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day in Oslo, latest first."""

    date: dt.date
    entries: list[Entry]


def timeline(events: Iterable[Event]) -> list[Day]:
    """Events, latest first, day by day; what many lines met alike and at once is told once."""
    days: list[Day] = []
    for entry in entries(events):
        date = timezone.localdate(entry.event.at)
        if not days or days[-1].date != date:
            days.append(Day(date, []))
        days[-1].entries.append(entry)
    return days


def entries(events: Iterable[Event]) -> list[Entry]:
    """Events in their order; what many lines of a group met alike and at once is one entry."""
    return [_entry(list(alike)) for _key, alike in itertools.groupby(events, _likeness)]


def _likeness(event: Event) -> tuple[Any, ...]:
    """What two events must share to be told as one: everything but the row and the second."""
    at = timezone.localtime(event.at)
    row = event.pk if event.subject != LINE else None
    detail = {name: told for name, told in (event.detail or {}).items() if name != "debit"}
    told = json.dumps([event.reasons, detail], sort_keys=True)
    actor = (event.actor_kind, event.actor_id, event.actor_name)
    return (at.replace(second=0, microsecond=0), event.group_id, event.event, row, actor, told)


def _entry(alike: list[Event]) -> Entry:
    if alike[0].subject != LINE:
        return Entry(alike[0], [], alike[0].rows)
    named = [event.reference for event in reversed(alike) if event.reference]
    return Entry(alike[0], named[:NAMED], sum(event.rows for event in alike))
