"""What a list is: its rows, table, filters and address; the register that views and jobs read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

from portal.access.acting import Here
from portal.access.roles import Permission
from portal.lists.filters import PLACE, SORT, FilterSet
from portal.lists.keyset import Order
from portal.lists.tables import Table

Sums = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class ListSpec:
    """A list by name.

    `rows(acting=, user=)` gives all that may be seen; `loaded` adds what a page of it shows,
    `exported`, where that is more, what an export holds.
    Any of `permissions` opens it; those of `narrowed_by` decide which rows are among `rows`.
    `counted` says how many there are: a lazy plural on «n» that shows «shown». `sums` adds up a
    selection by currency; None where rows have no amounts. `tabs` are (value of the filter `tab`,
    label) pairs shown above the list, the first being all rows.
    """

    name: str
    title: Any
    counted: Any
    address_name: str
    permissions: frozenset[Permission]
    table: type[Table]
    filters: type[FilterSet]
    rows: Callable[..., QuerySet[Any]]
    loaded: Callable[[QuerySet[Any]], QuerySet[Any]]
    narrowed_by: frozenset[Permission] = frozenset()
    sums: Callable[[QuerySet[Any]], Sums] | None = None
    tabs: tuple[tuple[str, Any], ...] = ()
    exported: Callable[[QuerySet[Any]], QuerySet[Any]] | None = None

    def address(self, acting: Here) -> str:
        return acting.address(self.address_name)

    def filtered(self, acting: Here, query: QueryDict, user: Any) -> FilterSet:
        """The filter set over all that may be seen, for this address."""
        return self.filters(
            query, queryset=self.rows(acting=acting, user=user), acting=acting, user=user
        )

    def known(self, query: QueryDict) -> QueryDict:
        """Of an address, the filters and the order that this list has; not the place in it."""
        names = [*self.filters.base_filters, SORT]
        kept = QueryDict(mutable=True)
        for name in names:
            value = query.get(name, "").strip()
            if value and name not in PLACE:
                kept[name] = value
        return kept

    def order(self, query: QueryDict) -> tuple[str, Order]:
        return self.table.order_named(query.get(SORT, ""))


_register: dict[str, ListSpec] = {}


def register(spec: ListSpec) -> ListSpec:
    """Makes a list and its export known by its name; called when the apps are ready."""
    from portal.lists import exporting

    _register[spec.name] = spec
    exporting.offer(spec)
    return spec


def named(name: str) -> ListSpec | None:
    """The list of that name, or None."""
    return _register.get(name)


def all_named() -> list[str]:
    """The names of all lists."""
    return sorted(_register)
