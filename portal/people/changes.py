"""Writes the change log: who changed what, from what to what, when and from where."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from portal import clock
from portal.access.actors import Actor, ActorKind
from portal.access.models import Company, Customer, User, UserGroup
from portal.people.models import Change

NAME_MAX = Change._meta.get_field("subject_name").max_length


@dataclass(frozen=True, slots=True)
class By:
    """Who makes a change: the user, the address of the request, and the business time."""

    user: User | None
    name: str
    address: str | None
    at: dt.datetime

    @property
    def actor(self) -> Actor:
        """The same person as an event names them."""
        return Actor(ActorKind.USER, self.user.pk if self.user else None, self.name)


def by(request: HttpRequest, user: User | None = None) -> By:
    """The person behind a request, now; `user` where nobody is signed in yet."""
    who = user or request.user
    assert isinstance(who, User)
    return By(who, str(who), request.META.get("REMOTE_ADDR") or None, clock.now())


def differing(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[dict[str, str], dict[str, str]]:
    """Only what differs between two states, as texts."""
    names = [name for name in after if _text(before.get(name)) != _text(after[name])]
    return (
        {name: _text(before.get(name)) for name in names},
        {name: _text(after[name]) for name in names},
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def change(
    act: str,
    *,
    by: By,
    customer: Customer,
    company: Company | None = None,
    about: User | None = None,
    name: str = "",
    before: Mapping[str, str] | None = None,
    after: Mapping[str, str] | None = None,
    group: UserGroup | None = None,
) -> Change:
    """A row of the log, not yet written."""
    return Change(
        customer=customer,
        company=company,
        at=by.at,
        user=by.user,
        user_name=by.name[:140],
        address=by.address,
        act=act,
        about=about,
        subject_name=(name or str(about or company or customer))[:NAME_MAX],
        group_number=group.pk if group else None,
        before=dict(before or {}),
        after=dict(after or {}),
    )


def record(act: str, **told: Any) -> None:
    """Writes one change, in the caller's transaction; the arguments are `change`'s."""
    write([change(act, **told)])


def write(rows: Iterable[Change]) -> None:
    """Writes changes, in the caller's transaction."""
    Change.objects.bulk_create(rows, batch_size=1000)
