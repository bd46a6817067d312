"""A lifecycle as data: statuses, moves between them, who may move; pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from portal.access.actors import ActorKind


@dataclass(frozen=True, slots=True)
class Status:
    """A state of a row. `erp_code` is what an ERP is told; None where it is not told."""

    code: str
    label: Any
    meaning: Any
    final: bool = False
    erp_code: int | None = None
    tone: str = "neutral"


@dataclass(frozen=True, slots=True)
class Move:
    """A change of status. `apart`: each row gets an Event of its own; else one a group.

    `told`: the ERP reads it in its feed.
    """

    name: str
    sources: frozenset[str]
    target: str
    who: frozenset[ActorKind]
    label: Any
    apart: bool = False
    told: bool = True


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """All statuses and moves of one kind of row; checked when made."""

    name: str
    initial: str
    statuses: dict[str, Status]
    moves: dict[str, Move] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for move in self.moves.values():
            unknown = (move.sources | {move.target}) - self.statuses.keys()
            if unknown:
                raise ValueError(f"{self.name}.{move.name} names unknown statuses {unknown}")
        if self.initial not in self.statuses:
            raise ValueError(f"{self.name} begins in an unknown status")

    def codes(self) -> list[str]:
        """Every status code, in the order declared; for constraints and filters."""
        return list(self.statuses)

    def leaving(self, status: str) -> list[Move]:
        """The moves that are possible from a status."""
        return [move for move in self.moves.values() if status in move.sources]


def lifecycle(name: str, initial: str, statuses: list[Status], moves: list[Move]) -> Lifecycle:
    """Builds a Lifecycle from lists; raises ValueError when it does not hold together."""
    return Lifecycle(
        name,
        initial,
        {status.code: status for status in statuses},
        {move.name: move for move in moves},
    )
