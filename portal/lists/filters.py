"""Filters of a list: a django-filter set whose values stand in the address and show as chips."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_
from typing import Any

import django_filters as filters
from django import forms
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Collate
from django.db.models.lookups import GreaterThanOrEqual, LessThan
from django.http import QueryDict
from django.utils import formats
from django.utils.translation import gettext_lazy as _

from portal.lists import widgets

PLACE = ("after", "before", "select")
SORT = "sort"


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter in force: its name, its value in words, and the address without it."""

    label: str
    value: str
    without: str


class FilterSet(filters.FilterSet):
    """A set that finds nothing, and says why, when a value in the address cannot be."""

    def __init__(
        self, data: QueryDict | None = None, *args: Any, acting: Any, user: Any, **kwargs: Any
    ) -> None:
        self.acting, self.user = acting, user
        super().__init__(data, *args, **kwargs)
        for name in self.left_out():
            del self.filters[name]
        for field in self.form.fields.values():
            widget = field.widget
            widget.attrs.setdefault("class", "ds-input")
            widget.attrs.setdefault("autocomplete", "off")

    def left_out(self) -> list[str]:
        """Filters that would tell this user nothing."""
        return []

    @property
    def qs(self) -> QuerySet[Any]:
        if self.is_bound and not self.form.is_valid():
            return self.queryset.none()
        return super().qs

    def in_force(self) -> dict[str, Any]:
        """Name → value of the filters that have one."""
        if not self.is_bound or not self.form.is_valid():
            return {}
        return {
            name: value
            for name, value in self.form.cleaned_data.items()
            if value not in (None, "", [], ())
        }

    def chips(self, query: QueryDict, *, but: tuple[str, ...] = ()) -> list[Chip]:
        """What is filtered by, to be shown and removed one by one; `but` are shown elsewhere."""
        chips = []
        for name, value in self.in_force().items():
            if name not in but:
                field = self.form.fields[name]
                label, shown = str(field.label or name), _in_words(field, value)
                chips.append(Chip(label, shown, address(query, **{name: None})))
        return chips


def _in_words(field: forms.Field, value: Any) -> str:
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        for code, label in choices:
            if str(code) == str(value):
                return str(label)
    if hasattr(value, "strftime"):
        return formats.date_format(value, "d.m.Y")
    return str(value)


def address(query: QueryDict, **changed: str | None) -> str:
    """The same list with other parameters, from its first page; None takes one away."""
    kept = query.copy()
    for name in PLACE:
        kept.pop(name, None)
    for name, value in changed.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    for name in [name for name, values in kept.lists() if not any(values)]:
        del kept[name]
    return "?" + kept.urlencode(safe=",:")


class DateFilter(filters.DateFilter):
    """A filter by a date."""

    def __init__(self, **kwargs: Any) -> None:
        formats_read = ["%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y"]
        super().__init__(widget=widgets.Date, input_formats=formats_read, **kwargs)


class ChoiceFilter(filters.ChoiceFilter):
    """A filter by one of several values; all of them when none is chosen."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=widgets.Select, empty_label=_("All"), **kwargs)


class PrefixFilter(filters.CharFilter):
    """A filter by how a text begins, as a range by code point, which an index of the column holds.

    LIKE would not do: row-level security keeps it from the index, since it could tell of rows
    that are not to be seen, while the comparison of texts is known to keep their secret.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=widgets.Text, **kwargs)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.filter(begins(str(self.field_name), value)) if value else qs


def beginning(column: str, text: str) -> list[Any]:
    """The conditions that find the values of a column that begin with a text."""
    place, end = by_code_point(column), text + chr(sys.maxunicode)
    return [GreaterThanOrEqual(place, Value(text)), LessThan(place, Value(end))]


def begins(column: str, text: str) -> Q:
    """That a column begins with a text as it is written, or as it is in capitals."""
    spelt = {text, text.upper()}
    return reduce(or_, (reduce(and_, map(Q, beginning(column, one))) for one in sorted(spelt)))


def by_code_point(column: str) -> Collate:
    """A column in the order of the index that answers `beginning`."""
    return Collate(F(column), "C")


class TextFilter(filters.CharFilter):
    """A filter by a piece of text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=widgets.Text, **kwargs)
