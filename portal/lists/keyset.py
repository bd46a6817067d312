"""Pages by key: a row-value comparison on an indexed order, both ways, from either end.

It knows no columns' meaning but that rows may belong to companies, and counts nothing beyond a cap.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, F, Func, QuerySet, Value
from django.db.models.expressions import RawSQL

COUNT_CAP = 1000
LAST = "last"
INTEGER_DIGITS_MAX = 18


class _RowCompare(Func):
    """(a, b) < (x, y): one comparison that an index over (a, b) answers from its place."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, left: Sequence[Any], sign: str, right: Sequence[Any]) -> None:
        super().__init__(*left, *right)
        self.half, self.sign = len(left), sign

    def as_sql(
        self,
        compiler: Any,
        connection: Any,
        function: str | None = None,
        template: str | None = None,
        arg_joiner: str | None = None,
        **extra_context: Any,
    ) -> tuple[str, list[Any]]:
        parts = [compiler.compile(expression) for expression in self.source_expressions]
        left, right = parts[: self.half], parts[self.half :]
        sides = [", ".join(sql for sql, _params in side) for side in (left, right)]
        params = [value for _sql, given in parts for value in given]
        return f"({sides[0]}) {self.sign} ({sides[1]})", params


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= INTEGER_DIGITS_MAX):
        raise ValueError(text)
    return int(text)


def _moment(text: str) -> dt.datetime:
    value = dt.datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise ValueError(text)
    return value.astimezone(dt.UTC)


def _text(text: str) -> str:
    if "\0" in text:  # PostgreSQL holds none
        raise ValueError(text)
    return text


_PARSERS: dict[str, Callable[[str], Any]] = {
    "date": dt.date.fromisoformat,
    "moment": _moment,
    "text": _text,
    "integer": _integer,
}


@dataclass(frozen=True, slots=True)
class Order:
    """Rows by one indexed column and, where that is the same, by id; `kind` says how to read it.

    The column must never be null, and an index must begin with what every page filters by and
    go on with (column, id).
    """

    column: str
    kind: str
    descending: bool = False

    def reversed(self) -> Order:
        return Order(self.column, self.kind, not self.descending)

    def terms(self) -> list[str]:
        sign = "-" if self.descending else ""
        return [f"{sign}{self.column}", f"{sign}id"]

    def key_of(self, row: Any) -> str:
        """The place of a row in this order, as text for an address."""
        value = getattr(row, self.column)
        shown = value.isoformat() if isinstance(value, dt.date | dt.datetime) else str(value)
        return f"{row.pk},{shown}"

    def parse(self, text: str) -> tuple[Any, int] | None:
        """(value, id) of a place, or None when the text is none."""
        number, _, shown = text.partition(",")
        try:
            return _PARSERS[self.kind](shown), _integer(number)
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one page; the keys of its neighbours, None where there is none.

    `broken` says that the address named a place that cannot be, so the first page is shown.
    """

    rows: list[Any]
    after: str | None
    before: str | None
    at_start: bool
    at_end: bool
    broken: bool = False


def page(
    *,
    rows: QuerySet[Any],
    order: Order,
    size: int,
    after: str = "",
    before: str = "",
    owners: Sequence[int] | None = None,
) -> Page:
    """The page after or before a key; `before=LAST` is the last page; neither is the first.

    One query, and one row more than is shown. Prefetches of `rows` come on top. Where all that
    stood before a place has gone, it is the first page, by a second query. Rows of many companies
    (`owners`) take one query more: the first of each company, by its own index, are merged.
    """
    every = rows
    place = order.parse(after or before) if (after or before) not in ("", LAST) else None
    broken = place is None and (after or before) not in ("", LAST)
    backwards = bool(before) and not after and not broken
    used = order.reversed() if backwards else order
    if place is not None:
        sign = "<" if used.descending else ">"
        key = [Value(place[0]), Value(place[1])]
        rows = rows.filter(_RowCompare([F(order.column), F("id")], sign, key))
    if owners is not None:
        rows = every.filter(pk__in=_merged(rows, used, size + 1, owners))
    found = list(rows.order_by(*used.terms())[: size + 1])
    if backwards and place is not None and not found:
        return page(rows=every, order=order, size=size, owners=owners)
    more = len(found) > size
    found = found[:size]
    if backwards:
        found.reverse()
    at_start = not more if backwards else place is None
    at_end = (before == LAST or not found) if backwards else not more
    return Page(
        rows=found,
        after=order.key_of(found[-1]) if found and not at_end else None,
        before=order.key_of(found[0]) if found and not at_start else None,
        at_start=at_start,
        at_end=at_end,
        broken=broken,
    )


def _merged(rows: QuerySet[Any], order: Order, size: int, owners: Sequence[int]) -> list[int]:
    """Ids of the first rows of all these companies: of each no more than are asked for, so that
    each follows its own index and is left early."""
    one = rows.filter(company_id=RawSQL("owner.id", ()))
    values = one.order_by(*order.terms()).values_list(order.column, "id")
    try:
        sql, params = values[:size].query.sql_with_params()
    except EmptyResultSet:
        return []
    way = "DESC" if order.descending else "ASC"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT top.id FROM unnest(%s::bigint[]) AS owner(id)"
            f" CROSS JOIN LATERAL ({sql}) AS top(value, id)"
            f" ORDER BY top.value {way}, top.id {way} LIMIT %s",
            [list(owners), *params, size],
        )
        return [pk for (pk,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Count:
    """How many rows there are, counted up to a cap."""

    shown: int
    capped: bool


def count(rows: QuerySet[Any], *, cap: int = COUNT_CAP) -> Count:
    """Counts at most `cap` rows and whether there are more; one query."""
    found = rows.order_by().values("pk")[: cap + 1].count()
    return Count(min(found, cap), found > cap)


def walk(
    *, rows: QuerySet[Any], order: Order, size: int, owners: Sequence[int] | None = None
) -> Any:
    """All rows in slices of `size`, each by one query from where the last ended; `owners` as of
    `page`."""
    after = ""
    while True:
        found = page(rows=rows, order=order, size=size, after=after, owners=owners)
        if found.rows:
            yield found.rows
        if found.after is None:
            return
        after = found.after
