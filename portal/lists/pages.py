"""One page of a list, put together for its template: rows, filters, views, selection.

A constant number of queries, whatever the list holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.safestring import SafeString

from portal.access import guard
from portal.access.acting import among
from portal.lists import keyset, selection
from portal.lists.filters import Chip, FilterSet, address
from portal.lists.keyset import Count, Page
from portal.lists.models import SavedView
from portal.lists.spec import ListSpec
from portal.lists.tables import Heading, Table

TAB_COUNT_CAP = 99


@dataclass(frozen=True, slots=True)
class Tab:
    """A broad choice above the list, with a capped count."""

    label: str
    address: str
    here: bool
    count: Count | None


@dataclass(frozen=True, slots=True)
class View:
    """A saved view: where it leads, and whether it is the one that is shown."""

    row: SavedView
    address: str
    here: bool


class ListPage:
    """What templates/lists/list.html shows; made by a view from its request."""

    def __init__(self, request: HttpRequest, spec: ListSpec, **given: Any) -> None:
        self.request, self.spec = request, spec
        self.acting = guard.here_of(request)
        self.query = request.GET
        self.known = spec.known(request.GET)
        self.filters: FilterSet = spec.filtered(self.acting, self.known, request.user)
        self.matching = self.filters.qs
        _name, order = spec.order(self.query)
        self.page: Page = keyset.page(
            rows=spec.loaded(self.matching),
            order=order,
            size=settings.LIST_PAGE_SIZE,
            after=self.query.get("after", ""),
            before=self.query.get("before", ""),
            owners=among(self.acting),
        )
        self.table: Table = spec.table(self.page.rows, acting=self.acting, **given)

    @cached_property
    def count(self) -> Count:
        """How many match, up to a cap; free where the one page holds them all."""
        if self.page.at_start and self.page.at_end:
            return Count(len(self.page.rows), False)
        return keyset.count(self.matching)

    @property
    def counted(self) -> str:
        """How many there are, in words; up to the cap."""
        shown = f"{self.count.shown:,}".replace(",", "\u00a0")
        return str(self.spec.counted % {"n": self.count.shown, "shown": shown})

    @cached_property
    def headings(self) -> list[Heading]:
        return self.table.headings(self.known)

    @cached_property
    def tabs(self) -> list[Tab]:
        """Each with a count of at most 99, in one query for all of them."""
        if not self.spec.tabs:
            return []
        counts = self.filters.tab_counts(TAB_COUNT_CAP)
        here = self.known.get("tab", "")
        return [
            Tab(
                str(label),
                address(self.known, tab=value or None),
                value == here,
                counts.get(value),
            )
            for value, label in self.spec.tabs
        ]

    @cached_property
    def chips(self) -> list[Chip]:
        return self.filters.chips(self.known, but=("tab",))

    @cached_property
    def views(self) -> list[View]:
        rows = SavedView.objects.filter(
            **self.acting.owner, user=guard.user_of(self.request), list_name=self.spec.name
        )
        base = self.spec.address(self.acting)
        here = self.known.urlencode()
        return [
            View(row, f"{base}?{row.query}", row.query == here) for row in rows.order_by("name")
        ]

    @cached_property
    def everything(self) -> selection.Everything | None:
        """All that match and can be chosen, when the person asked for them; else None."""
        if self.query.get("select") != selection.ALL or not self.table.choice:
            return None
        found = selection.everything(self.spec, self.table.choosable_rows(self.matching))
        self.table.all_chosen = not found.beyond
        return found

    @property
    def chosen_all(self) -> selection.Everything | None:
        """All that match, where they are chosen and not too many."""
        found = self.everything
        return found if found is not None and not found.beyond else None

    @property
    def choosable(self) -> bool:
        return bool(self.table.choice) and any(map(self.table.choosable, self.page.rows))

    # --- addresses ------------------------------------------------------------------------

    @property
    def here(self) -> str:
        """The filters and order as they stand, to be saved, exported or posted."""
        return self.known.urlencode()

    @property
    def address(self) -> str:
        return self.spec.address(self.acting)

    @property
    def first(self) -> str:
        return address(self.known)

    @property
    def last(self) -> str:
        return address(self.known, before=keyset.LAST)

    @property
    def next(self) -> str:
        return address(self.known, after=self.page.after) if self.page.after else ""

    @property
    def previous(self) -> str:
        return address(self.known, before=self.page.before) if self.page.before else ""

    @cached_property
    def count_choosable(self) -> Count:
        """How many of those that match can be chosen, up to a cap."""
        return keyset.count(self.table.choosable_rows(self.matching))

    @property
    def select_all(self) -> str:
        return address(self.known, select=selection.ALL)

    @property
    def unfiltered(self) -> str:
        """The list without filters, in the same order and on the same tab."""
        kept = {name: None for name in self.filters.in_force() if name != "tab"}
        return address(self.known, **kept)

    @property
    def filtered(self) -> bool:
        return any(name != "tab" for name in self.filters.in_force())

    @property
    def order_control(self) -> SafeString:
        """The order, to be chosen or kept when the filter form is sent."""
        return self.table.order_control(self.known)
