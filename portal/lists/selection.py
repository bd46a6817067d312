"""Choosing rows: some by their boxes, or all that match as a second step with exact sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict

from portal.access import guard
from portal.lists.keyset import INTEGER_DIGITS_MAX, count
from portal.lists.spec import ListSpec, Sums

ALL = "all"
POSTED_MAX = 10_000  # characters of an address that are read


@dataclass(frozen=True, slots=True)
class Everything:
    """All that match: how many and the sums by currency; `beyond` when there are too many."""

    count: int
    sums: Sums
    beyond: bool


def everything(spec: ListSpec, rows: QuerySet[Any]) -> Everything:
    """Counts exactly and adds up, if there are at most LIST_SELECT_MAX rows."""
    found = count(rows, cap=settings.LIST_SELECT_MAX)
    if found.capped:
        return Everything(found.shown, {}, True)
    return Everything(found.shown, spec.sums(rows) if spec.sums else {}, False)


def chosen(request: HttpRequest, spec: ListSpec) -> tuple[QuerySet[Any], bool]:
    """The rows that a form names, by box or as all that match; and whether it was all.

    Rows that the user may not see are not among them; ids that are none are left out.
    """
    acting = guard.here_of(request)
    if request.POST.get(ALL) == "1":
        query = spec.known(QueryDict(request.POST.get("query", "")[:POSTED_MAX]))
        rows = spec.filtered(acting, query, request.user).qs
        return spec.table.choosable_rows(rows), True
    ids = ids_of(request.POST.getlist(spec.table.choice))
    return spec.rows(acting=acting, user=request.user).filter(pk__in=ids), False


def ids_of(values: list[str]) -> list[int]:
    """Row ids from a form; what is no number, or a longer one than any id, is left out."""
    return [
        int(value)
        for value in values
        if value.isascii() and value.isdigit() and len(value) <= INTEGER_DIGITS_MAX
    ]
