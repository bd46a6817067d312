"""The timeline of a detail page: what many rows met alike and at once is told once."""

from __future__ import annotations

import datetime as dt

from portal.details import timeline
from portal.events.models import Event

NOON = dt.datetime(2026, 11, 23, 11, 0, tzinfo=dt.UTC)


def line(pk: int, reference: str, **also: object) -> Event:
    words = {"event": "rejected", "actor_kind": "bank", "actor_name": "DNB", "at": NOON} | also
    return Event(pk=pk, subject="line", reference=reference, **words)


def told(*events: Event) -> list[tuple[str, list[str], int]]:
    """Of events in their order: what was told, latest first."""
    entries = [entry for day in timeline(reversed(events)) for entry in day.entries]
    return [(entry.event.event, entry.references, entry.unnamed) for entry in entries]


def test_lines_that_met_the_same_are_one_entry_with_the_first_three_named() -> None:
    events = [line(n, f"L{n}", reasons=[{"code": "AC04"}]) for n in range(1, 6)]
    assert told(*events) == [("rejected", ["L1", "L2", "L3"], 2)]


def test_another_reason_file_actor_or_minute_is_an_entry_of_its_own() -> None:
    first = line(1, "L1", reasons=[{"code": "AC04"}])
    for other in (
        line(2, "L2", reasons=[{"code": "AM04"}]),
        line(2, "L2", reasons=[{"code": "AC04"}], detail={"file": "b.xml"}),
        line(2, "L2", reasons=[{"code": "AC04"}], actor_name="Nordea"),
        line(2, "L2", reasons=[{"code": "AC04"}], at=NOON + dt.timedelta(minutes=1)),
        line(2, "L2", reasons=[{"code": "AC04"}], event="returned"),
    ):
        assert [names for _event, names, _more in told(first, other)] == [["L2"], ["L1"]]


def test_whole_payments_are_never_folded_into_one() -> None:
    both = [
        Event(pk=n, event="approved", subject="payment", rows=3, actor_kind="user", at=NOON)
        for n in (1, 2)
    ]
    assert told(*both) == [("approved", [], 3), ("approved", [], 3)]


def test_days_are_those_of_oslo() -> None:
    late = dt.datetime(2026, 11, 23, 23, 30, tzinfo=dt.UTC)
    days = timeline([line(2, "L2", at=late), line(1, "L1")])
    assert [day.date.day for day in days] == [24, 23]
