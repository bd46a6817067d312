"""Lifecycles as data: what does not hold together is refused when it is made."""

from __future__ import annotations

import pytest

from portal.access.actors import ActorKind
from portal.events.lifecycle import Move, Status, lifecycle

A, B = Status("a", "A", "first"), Status("b", "B", "last", final=True)
GO = Move("go", frozenset({"a"}), "b", frozenset({ActorKind.USER}), "Go")


def test_a_lifecycle_knows_its_codes_and_what_leads_on() -> None:
    cycle = lifecycle("x", "a", [A, B], [GO])
    assert cycle.codes() == ["a", "b"]
    assert cycle.leaving("a") == [GO]
    assert cycle.leaving("b") == []


@pytest.mark.parametrize(
    "wrong",
    [
        Move("odd", frozenset({"a"}), "c", GO.who, "Odd"),
        Move("odd", frozenset({"c"}), "b", GO.who, "Odd"),
    ],
)
def test_a_move_to_or_from_nowhere_is_refused(wrong: Move) -> None:
    with pytest.raises(ValueError, match="odd"):
        lifecycle("x", "a", [A, B], [GO, wrong])


def test_a_lifecycle_that_begins_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="begins"):
        lifecycle("x", "c", [A, B], [GO])
