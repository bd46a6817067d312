"""The only writer of any status: a compare-and-set over a whole selection, with its Events.

Locks go group (payment) first, by id, then rows; whoever changes a row's status holds its
group's lock, so rows need no order of their own. Raw SQL stands here because one statement
must both change the rows and write their Events.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import OperationalError, connection, models, transaction
from django.db.models.expressions import RawSQL
from psycopg import errors

from portal.access.actors import Actor
from portal.events.lifecycle import Lifecycle, Move, Status

P = ParamSpec("P")
R = TypeVar("R")
ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Tracking:
    """How a model's status is kept. `number`, `reference` and `salary` are SQL over the aliases
    r (the row) and g (its group). `derive` gives the group's status from {status: rows}."""

    lifecycle: Lifecycle
    subject: str
    number: str = "''"
    reference: str = "''"
    salary: str = "false"
    group: str = ""
    group_column: str = ""
    group_subject: str = ""
    derive: Callable[[dict[str, int]], str] | None = None


@dataclass(frozen=True, slots=True)
class Staged:
    """Rows to move, in a temporary table with `row_id`, `reasons` and `detail` (jsonb) columns.

    `columns` are copied to the moved rows; `where` selects among the staged rows.
    """

    model: type[models.Model]
    table: str
    where: str = "true"
    params: Sequence[Any] = ()
    columns: tuple[str, ...] = ()

    def ids(self) -> RawSQL:
        """The rows' ids, for `pk__in`."""
        # The table's name and the condition are our code's own, and the values parameters.
        sql = f"SELECT row_id FROM {self.table} WHERE {self.where}"
        return RawSQL(sql, self.params)  # noqa: S611


@dataclass(frozen=True, slots=True)
class Moved:
    """How many rows were moved, and in which groups."""

    rows: int
    groups: tuple[int, ...]


STAGED = "staged_rows"


def stage() -> str:
    """Makes the temporary table that Staged rows stand in, empty; answers its name.

    It lives with the connection and is emptied at each commit, so it costs no catalogue rows.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {STAGED} (row_id bigint, code text,"
            " reasons jsonb, detail jsonb, booked_date date, bank_reference text)"
            f" ON COMMIT DELETE ROWS; TRUNCATE {STAGED}"
        )
    return STAGED


class Conflict(Exception):
    """Somebody was quicker: not every row could make the move, so none did."""

    def __init__(self, *, move: Move, wanted: int, possible: int) -> None:
        super().__init__(f"{move.name}: {possible} of {wanted} rows could move")
        self.move, self.wanted, self.possible = move, wanted, possible


class NotLawful(Exception):
    """This kind of actor may never make this move."""


def retrying(work: Callable[P, R]) -> Callable[P, R]:
    """Runs a whole transaction again when PostgreSQL broke a deadlock by ending it."""

    @functools.wraps(work)
    def again(*args: P.args, **kwargs: P.kwargs) -> R:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work(*args, **kwargs)
            except OperationalError as error:
                broken = isinstance(
                    error.__cause__, errors.DeadlockDetected | errors.SerializationFailure
                )
                if not broken or attempt == ATTEMPTS or connection.in_atomic_block:
                    raise
                time.sleep(0.02 * attempt)
        raise AssertionError("unreachable")

    return again


def lock_groups(model: type[models.Model], ids: Iterable[int]) -> list[int]:
    """Locks groups (payments) by id in order; answers those that exist and may be seen."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {table} WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [list(ids)]
        )
        return [row[0] for row in cursor.fetchall()]


def move(
    rows: models.QuerySet[Any] | Staged,
    change: Move,
    *,
    by: Actor,
    at: dt.datetime,
    within: Iterable[int] = (),
    expected: int | None = None,
    reasons: list[dict[str, Any]] | None = None,
    detail: dict[str, Any] | None = None,
    sets: dict[str, Any] | None = None,
) -> Moved:
    """Moves every selected row whose status allows it, and writes the Events.

    `within` are the ids of the groups that the rows belong to (needed where rows have groups).
    `expected` makes it all or nothing: Conflict when fewer rows could move. `sets` are further
    columns to write with the status. Raises Conflict, NotLawful.
    """
    model = rows.model
    tracking: Tracking = model.tracking  # type: ignore[union-attr]
    if by.kind not in change.who:
        raise NotLawful(f"{by.kind} may not {change.name}")
    if tracking.lifecycle.moves.get(change.name) is not change:
        raise NotLawful(f"{change.name} is no move of {tracking.lifecycle.name}")
    groups = list(within)
    with transaction.atomic():
        if tracking.group:
            groups = _lock(tracking, groups)
        moved = _update(rows, change, tracking, by, at, reasons, detail, sets or {})
        if expected is not None and moved != expected:
            raise Conflict(move=change, wanted=expected, possible=moved)
        if tracking.group and moved:
            recount(model, groups)
    return Moved(moved, tuple(groups))


def _lock(tracking: Tracking, groups: list[int]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM {tracking.group} WHERE id = ANY(%s) ORDER BY id FOR UPDATE", [groups]
        )
        return [row[0] for row in cursor.fetchall()]


def _selection(rows: models.QuerySet[Any] | Staged) -> tuple[str, list[Any]]:
    """SQL and parameters that yield id, reasons, detail and the staged columns."""
    if isinstance(rows, Staged):
        extra = [column for column in rows.columns if column not in ("reasons", "detail")]
        columns = "".join(f", {column}" for column in extra)
        sql = f"SELECT row_id AS id, reasons, detail{columns} FROM {rows.table} WHERE {rows.where}"
        return sql, list(rows.params)
    sql, params = rows.order_by().values("pk").query.sql_with_params()
    return (
        f"SELECT q.pk AS id, NULL::jsonb AS reasons, NULL::jsonb AS detail FROM ({sql}) AS q(pk)",
        list(params),
    )


def _update(
    rows: models.QuerySet[Any] | Staged,
    change: Move,
    tracking: Tracking,
    by: Actor,
    at: dt.datetime,
    reasons: list[dict[str, Any]] | None,
    detail: dict[str, Any] | None,
    sets: dict[str, Any],
) -> int:
    table = rows.model._meta.db_table
    try:
        chosen, params = _selection(rows)
    except EmptyResultSet:
        return 0  # a selection of no ids at all, which Django will not write as SQL
    staged = rows.columns if isinstance(rows, Staged) else ()
    assignments = "".join(f", {column} = c.{column}" for column in staged)
    assignments += "".join(f", {column} = %s" for column in sets)
    group_of = f"r.{tracking.group_column}" if tracking.group else "NULL::bigint"
    join = f"JOIN {tracking.group} g ON g.id = m.group_id" if tracking.group else ""
    apart = change.apart or not tracking.group
    sql = f"""
        WITH chosen AS ({chosen}),
        m AS (
            UPDATE {table} r SET status = %s{assignments}
            FROM chosen c WHERE r.id = c.id AND r.status = ANY(%s)
            RETURNING r.*, {group_of} AS group_id, c.reasons AS why, c.detail AS more
        ),
        told AS ({_events(tracking, join, apart)})
        SELECT (SELECT count(*) FROM m)
    """
    status = tracking.lifecycle.statuses[change.target]
    event_params: list[Any] = [
        at,
        change.name,
        tracking.subject if apart else tracking.group_subject,
        change.target,
        status.erp_code,
        change.told,
        None if reasons is None else json.dumps(reasons),
        None if detail is None else json.dumps(detail, default=str),
        by.kind.value,
        by.id,
        by.name[:140],
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            sql,
            [*params, change.target, *sets.values(), sorted(change.sources), *event_params],
        )
        row = cursor.fetchone()
    return int(row[0])


def _events(tracking: Tracking, join: str, apart: bool) -> str:
    """SQL that writes an Event per moved row, or per group of moved rows."""
    columns = (
        "company_id, group_id, subject_id, number, reference, salary, rows, at, event, subject,"
        " status, erp_code, told, reasons, detail, actor_kind, actor_id, actor_name"
    )
    number, reference, salary = (
        text.replace("r.", "m.") for text in (tracking.number, tracking.reference, tracking.salary)
    )
    values = (
        "%s::timestamptz, %s, %s, %s, %s::smallint, %s::boolean,"
        " coalesce({why}, %s::jsonb), coalesce({more}, %s::jsonb), %s, %s::bigint, %s"
    )
    if apart:
        own = f"m.company_id, m.group_id, m.id, {number}, {reference}, {salary}, 1, "
        # Rows of one move are told in their own order, whichever the database finds first.
        source = f"FROM m {join} WHERE m.company_id IS NOT NULL ORDER BY m.id"
        values = values.format(why="m.why", more="m.more")
    else:
        own = f"m.company_id, m.group_id, m.group_id, {number}, '', {salary}, m.n, "
        source = f"FROM (SELECT company_id, group_id, count(*) AS n FROM m GROUP BY 1, 2) m {join}"
        values = values.format(why="NULL::jsonb", more="NULL::jsonb")
    return f"INSERT INTO events_event ({columns}) SELECT {own}{values} {source}"


def begin(
    model: type[models.Model], *, groups: Sequence[int], event: str, by: Actor, at: dt.datetime
) -> None:
    """Writes the first Event of groups whose rows have just been made in the initial status."""
    tracking: Tracking = model.tracking  # type: ignore[attr-defined]
    initial = tracking.lifecycle.statuses[tracking.lifecycle.initial]
    number = tracking.number
    salary = tracking.salary
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (company_id, group_id, subject_id, number, reference, salary,"
            " rows, at, event, subject, status, erp_code, told, actor_kind, actor_id, actor_name)"
            f" SELECT g.company_id, g.id, g.id, {number}, '', {salary}, g.line_count,"
            " %s, %s, %s, %s, %s, false, %s, %s, %s"
            f" FROM {tracking.group} g WHERE g.id = ANY(%s) ORDER BY g.id",
            [
                at,
                event,
                tracking.group_subject,
                initial.code,
                initial.erp_code,
                by.kind.value,
                by.id,
                by.name[:140],
                list(groups),
            ],
        )


def recount(model: Any, groups: Sequence[int]) -> None:
    """Counts the rows of each group by status and derives the group's own status.

    The caller holds the groups' locks.
    """
    tracking: Tracking = model.tracking
    if tracking.derive is None:
        return
    table, column = model._meta.db_table, tracking.group_column
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {column}, status, count(*) FROM {table}"
            f" WHERE {column} = ANY(%s) GROUP BY 1, 2",
            [list(groups)],
        )
        counts: dict[int, dict[str, int]] = {group: {} for group in groups}
        for group, status, rows in cursor.fetchall():
            counts[group][status] = rows
        cursor.execute(
            f"UPDATE {tracking.group} g SET status = n.status, line_counts = n.counts"
            " FROM unnest(%s::bigint[], %s::text[], %s::jsonb[]) AS n(id, status, counts)"
            " WHERE g.id = n.id",
            [
                list(counts),
                [tracking.derive(count) for count in counts.values()],
                [json.dumps(count) for count in counts.values()],
            ],
        )


def record(
    *,
    company_id: int,
    event: str,
    subject: str,
    subject_id: int,
    by: Actor,
    at: dt.datetime,
    group_id: int | None = None,
    number: str = "",
    salary: bool = False,
    rows: int = 1,
    standing: Status | None = None,
    reasons: list[dict[str, Any]] | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Writes an Event that changes no status: a signature, a warning, a remark. With `standing`,
    the status of what it is about, it is told in the ERP's feed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_event (company_id, group_id, subject_id, number, reference, salary,"
            " rows, at, event, subject, status, erp_code, told, reasons, detail, actor_kind,"
            " actor_id, actor_name) VALUES (%s, %s, %s, %s, '', %s, %s, %s, %s, %s, %s,"
            " %s::smallint, %s, %s::jsonb, %s::jsonb, %s, %s, %s)",
            [
                company_id,
                group_id,
                subject_id,
                number,
                salary,
                rows,
                at,
                event,
                subject,
                standing.code if standing else "",
                standing.erp_code if standing else None,
                standing is not None,
                None if reasons is None else json.dumps(reasons),
                None if detail is None else json.dumps(detail, default=str),
                by.kind.value,
                by.id,
                by.name[:140],
            ],
        )
