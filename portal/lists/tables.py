"""The table of a list: columns by django-tables2, rendered lean; no query is made here,
but by a table that reads more of its rows (`Table.read`).

The library's own template asks each cell's column for its attributes and costs more than the
database does. Here what is the same in every row is put together once, and a cell is one call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import django_tables2
from django.http import QueryDict
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.lists.filters import SORT, address
from portal.lists.keyset import Order
from portal.lists.widgets import Select


class Column(django_tables2.Column):
    """A column. The table's `render_<name>` gives its cell, `value_<name>` its value in exports.

    `right`: figures. `lead`: the row's own name, a row header. `long`: may need the width of a
    card. `money`: an amount. `sort`: the name of an order in `Table.orders`. `shown` False: in
    exports only.
    """

    def __init__(
        self,
        label: Any,
        *,
        right: bool = False,
        lead: bool = False,
        long: bool = False,
        sort: str = "",
        shown: bool = True,
        wide: bool = False,
        money: bool = False,
    ) -> None:
        super().__init__(verbose_name=label, orderable=bool(sort), empty_values=())
        self.right, self.lead, self.long = right, lead, long
        self.sort, self.shown, self.wide, self.money = sort, shown, wide, money

    def classes(self) -> str:
        names = ("right", "lead", "long", "wide", "money")
        return " ".join(name for name in names if getattr(self, name))

    def opening(self) -> str:
        """The start of each of its cells."""
        classes = self.classes()
        marked = f' class="{classes}"' if classes else ""
        if self.lead:
            return f'<th role="rowheader" scope="row"{marked}>'
        label = conditional_escape(str(self.verbose_name))
        return f'<td role="cell"{marked} data-label="{label}">'


# (whether it is a text, whether it falls) → in words.
TURNED = {
    (True, False): gettext_lazy("A to Å"),
    (True, True): gettext_lazy("Å to A"),
    (False, False): gettext_lazy("earliest first"),
    (False, True): gettext_lazy("latest first"),
}


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a column: where a click on it leads, and how the rows stand now."""

    label: str
    classes: str
    address: str
    aria_sort: str


class Table(django_tables2.Table):
    """A list's table. Subclasses name `orders` and `standard`, and give cells and values."""

    orders: ClassVar[dict[str, Order]] = {}
    standard: ClassVar[str] = ""
    choice: ClassVar[str] = ""
    all_chosen = False
    # The columns of the page in their order, where that is not as they are declared.
    shown: ClassVar[tuple[str, ...]] = ()
    exported_first: ClassVar[tuple[str, ...]] = ()

    def __init__(self, rows: Any = (), *, acting: Any = None, **given: Any) -> None:
        super().__init__([], empty_text="")
        self.shown_rows, self.acting = rows, acting
        for name, value in given.items():
            setattr(self, name, value)
        if rows:
            self.read(rows)

    def read(self, rows: Any) -> None:
        """Reads what these rows show beside themselves: a constant number of queries for all."""

    @classmethod
    def order_named(cls, text: str) -> tuple[str, Order]:
        """The order that an address asks for, «-» before its name turning it; else the standard."""
        name = text.removeprefix("-")
        if name not in cls.orders:
            text = name = cls.standard
        order = cls.orders[name]
        return text, order.reversed() if text.startswith("-") else order

    def columns_shown(self) -> list[tuple[str, Column]]:
        names = self.shown or [name for name, c in self.base_columns.items() if c.shown]
        return [(name, self.base_columns[name]) for name in names]

    def choosable(self, row: Any) -> bool:
        """Whether the row has a box to choose it by."""
        return bool(self.choice)

    @classmethod
    def choosable_rows(cls, rows: Any) -> Any:
        """Of all rows, those that have a box: the same rule as `choosable`, as a filter."""
        return rows

    def choose_label(self, row: Any) -> str:
        return _("Choose %(name)s") % {"name": row}

    def sums_of(self, row: Any) -> str:
        """What choosing the row adds, as «NOK 8430000 EUR 100», in hundredths; for the bar."""
        return ""

    def headings(self, query: QueryDict | None = None) -> list[Heading]:
        """The heads of the columns for this address; without one, they lead nowhere."""
        query = QueryDict() if query is None else query
        text = self.order_named(query.get(SORT, ""))[0] if self.orders else ""
        made = []
        for _name, column in self.columns_shown():
            target = state = ""
            if column.sort:
                here = text.removeprefix("-") == column.sort
                turned = here and not text.startswith("-")
                target = address(query, **{SORT: f"-{column.sort}" if turned else column.sort})
                falling = self.orders[column.sort].descending ^ text.startswith("-")
                state = ("descending" if falling else "ascending") if here else ""
            label = str(column.verbose_name)
            made.append(Heading(label, column.classes(), target, state))
        return made

    def orders_offered(self) -> list[tuple[str, str]]:
        """Value of `sort` and its name, in the order of the columns; the standard one is empty."""
        offered = []
        for _name, column in self.columns_shown():
            if not column.sort:
                continue
            for text in (column.sort, f"-{column.sort}"):
                _text, order = self.order_named(text)
                way = TURNED[order.kind == "text", order.descending]
                value = "" if text == self.standard else text
                offered.append((value, f"{column.verbose_name}, {way}"))
        return offered

    def order_control(self, query: QueryDict) -> SafeString:
        """A choice of the order, for where the heads of the columns are not seen."""
        text, _order = self.order_named(query.get(SORT, ""))
        control = Select(choices=self.orders_offered())
        attributes = {"id": "order", "class": "ds-input"}
        return control.render(SORT, "" if text == self.standard else text, attributes)

    def body(self) -> SafeString:
        """All rows. Cells that are not marked safe are escaped."""
        cells: list[tuple[str, Callable[[Any], Any], str]] = [
            (column.opening(), getattr(self, f"render_{name}"), "</th>" if column.lead else "</td>")
            for name, column in self.columns_shown()
        ]
        parts: list[str] = []
        for row in self.shown_rows:
            parts.append('<tr role="row">')
            if self.choice:
                parts.append(self._choice_cell(row))
            for opening, render, closing in cells:
                parts += (opening, conditional_escape(render(row)), closing)
            parts.append("</tr>\n")
        return SafeString("".join(parts))

    def _choice_cell(self, row: Any) -> str:
        if not self.choosable(row):
            return '<td role="cell" class="pick"></td>'
        return format_html(
            '<td role="cell" class="pick"><label><input type="checkbox" class="ds-input"'
            ' name="{}" value="{}" data-sums="{}" aria-label="{}"{}></label></td>',
            self.choice,
            row.pk,
            self.sums_of(row),
            self.choose_label(row),
            SafeString(" checked disabled" if self.all_chosen else ""),
        )

    # --- exports --------------------------------------------------------------------------

    def export_head(self) -> list[str]:
        return [str(column.verbose_name) for _name, column in self._exported()]

    def export_row(self, row: Any) -> list[Any]:
        """Plain values: text, Decimal, int, date or datetime."""
        return [getattr(self, f"value_{name}")(row) for name, _column in self._exported()]

    def _exported(self) -> list[tuple[str, Column]]:
        names = dict.fromkeys([*self.exported_first, *self.base_columns])
        return [(name, self.base_columns[name]) for name in names if hasattr(self, f"value_{name}")]
