"""Who did it: a person, an ERP, the bank or the clock, as one value; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    USER = "user"
    ERP = "erp"
    BANK = "bank"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is the user's for users and ERPs (the user the ERP named), and for a bank that of who
    brought in its file by hand; None for a bank itself and for the clock."""

    kind: ActorKind
    id: int | None
    name: str


BANK = Actor(ActorKind.BANK, None, "")
CLOCK = Actor(ActorKind.CLOCK, None, "")


def person(user: object) -> Actor:
    """The actor for a signed-in user (`portal.access.models.User`)."""
    return Actor(ActorKind.USER, user.pk, str(user.name or user.email))  # type: ignore[attr-defined]


def erp(user: object | None, *, company_name: str = "") -> Actor:
    """The actor for a request signed with a company's key, naming a user or none."""
    if user is None:
        return Actor(ActorKind.ERP, None, company_name)
    return Actor(ActorKind.ERP, user.pk, str(user.name or user.email))  # type: ignore[attr-defined]


def bank(name: str, *, brought_in_by: int | None = None) -> Actor:
    """The actor for a message from a bank; with the id of the user who brought it in by hand."""
    return Actor(ActorKind.BANK, brought_in_by, name)
