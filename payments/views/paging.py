"""Pages of the tables of one page, each turned by its own word in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.http import HttpRequest, QueryDict

Row = TypeVar("Row")
SHOWN = 100
DIGITS_MAX = 6


@dataclass(frozen=True, slots=True)
class Paging:
    """Where one is in `total` rows: page `number`, from 1, of `pages`, of which there is always
    one. `name` is the word in the address, and the id of the part of the page."""

    name: str
    number: int
    total: int
    query: QueryDict
    size: int = SHOWN

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // self.size))

    @property
    def first(self) -> int:
        """The place of the first row shown, from 1; 0 where there is none."""
        return min(self.total, (self.number - 1) * self.size + 1)

    @property
    def last(self) -> int:
        return min(self.total, self.number * self.size)

    @property
    def rows(self) -> slice:
        """What to take of all the rows."""
        return slice((self.number - 1) * self.size, self.number * self.size)

    @property
    def before(self) -> str:
        return self._address(self.number - 1) if self.number > 1 else ""

    @property
    def after(self) -> str:
        return self._address(self.number + 1) if self.number < self.pages else ""

    def shown(self, rows: Sequence[Row]) -> Sequence[Row]:
        return rows[self.rows]

    def _address(self, number: int) -> str:
        query = self.query.copy()
        query[self.name] = str(number)
        return f"?{query.urlencode()}#{self.name}"


def of(request: HttpRequest, total: int, name: str, *, others: Sequence[str]) -> Paging:
    """The page that the address asks for, else the first, and never one beyond the last; its
    links keep the words of the `others`."""
    told = request.GET.get(name, "1")
    number = int(told) if told.isascii() and told.isdigit() and len(told) < DIGITS_MAX else 1
    query = QueryDict(mutable=True)
    for other in others:
        if other in request.GET:
            query[other] = request.GET[other]
    paging = Paging(name, 1, total, query)
    return Paging(name, min(max(1, number), paging.pages), total, query)
