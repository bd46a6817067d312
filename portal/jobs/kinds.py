"""Which kinds of long work there are; apps register theirs when ready. Holds no work itself.

from portal.jobs import kinds
kinds.register("export.payments", run=_export, title=_title, permissions=roles.SEE_PAYMENTS)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from portal.access.roles import Permission

if TYPE_CHECKING:
    from portal.jobs.models import Job
    from portal.jobs.progress import Progress

Run = Callable[["Job", "Progress"], dict[str, Any] | None]
Title = Callable[[dict[str, Any]], str]
Facts = Callable[["Job"], list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of work is done and named; see `register`."""

    name: str
    run: Run
    title: Title
    permissions: frozenset[Permission]
    cancellable: bool
    facts: Facts


class Unknown(LookupError):
    """No app here has registered such a kind."""


class AlreadyRegistered(Exception):
    """Two kinds of work cannot have one name."""


_kinds: dict[str, Kind] = {}


def _no_facts(job: Job) -> list[tuple[str, str]]:
    return []


def register(
    name: str,
    *,
    run: Run,
    title: Title,
    permissions: Iterable[Permission],
    cancellable: bool = True,
    facts: Facts = _no_facts,
) -> Kind:
    """Makes a kind of work known.

    `run(job, progress)` does the work from its start, in the language of whoever asked, acting
    for the job's company, outside a transaction. It may run again after a worker died, even
    beside a run that is only slow, so it must be safe to do twice. It calls `progress.to` between
    slices, at least once a minute, and answers what `facts` needs, as JSON, or None. It reaches
    only what `job.needs` allows.
    `title(params)` names the work, in the language of the page. Any of `permissions` lets a
    person ask for it. `facts(job)` are further (label, value) rows of its receipt.
    Raises AlreadyRegistered.
    """
    if name in _kinds:
        raise AlreadyRegistered(name)
    made = Kind(name, run, title, frozenset(permissions), cancellable, facts)
    _kinds[name] = made
    return made


def named(name: str) -> Kind:
    """The kind of this name; raises Unknown."""
    try:
        return _kinds[name]
    except KeyError:
        raise Unknown(name) from None


def title_of(job: Job) -> str:
    """What the job is, in the language of the page; its kind's name when nobody knows it here."""
    kind = _kinds.get(job.kind)
    return kind.title(job.params) if kind else job.kind


def facts_of(job: Job) -> list[tuple[str, str]]:
    """Further rows of the job's receipt; none when nobody knows its kind here."""
    kind = _kinds.get(job.kind)
    return kind.facts(job) if kind else []
