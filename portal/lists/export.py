"""A list as a file, exactly the rows and order that its address shows: CSV or Excel.

Written row by row, so that the size of the list does not show in memory.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, BinaryIO

from django.conf import settings
from django.http import QueryDict
from django.utils import timezone
from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font

from portal.access.acting import Acting, AtCustomer, Here, among
from portal.lists import keyset
from portal.lists.spec import ListSpec

SLICE = 1000
# A cell that begins like this is a formula to a spreadsheet: whoever names a payee must not
# write one into the books of whoever opens the file.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file: its name's ending, media type, and how rows are written."""

    ending: str
    media_type: str
    write: Callable[[list[str], Iterator[list[Any]], BinaryIO], None]


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def _csv_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value:.2f}".replace(".", ",")
    if isinstance(value, dt.datetime):
        return f"{timezone.localtime(value):%d.%m.%Y %H:%M}"
    if isinstance(value, dt.date):
        return f"{value:%d.%m.%Y}"
    return safe(str(value)) if isinstance(value, str) else str(value)


def _write_csv(head: list[str], rows: Iterator[list[Any]], file: BinaryIO) -> None:
    """With semicolons, decimal commas and a byte order mark, as Norwegian Excel reads it."""
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="", write_through=True)
    writer = csv.writer(text, delimiter=";")
    writer.writerow([safe(name) for name in head])
    for row in rows:
        writer.writerow([_csv_value(value) for value in row])
    text.flush()
    text.detach()


def _write_xlsx(head: list[str], rows: Iterator[list[Any]], file: BinaryIO) -> None:
    book = Workbook(write_only=True)
    sheet = book.create_sheet("Kvitt")
    sheet.freeze_panes = "A2"
    bold = Font(bold=True)
    titles = [WriteOnlyCell(sheet, value=name) for name in head]
    for title in titles:
        title.font = bold
    for place, name in enumerate(head):
        sheet.column_dimensions[chr(ord("A") + place)].width = max(14, len(name) + 2)
    sheet.append(titles)
    for row in rows:
        sheet.append([_xlsx_value(sheet, value) for value in row])
    book.save(file)


def _printable(text: str) -> str:
    """Without control characters, which a workbook may not hold; a hard space is a space."""
    plain = text.replace("\u00a0", " ")
    return "".join(letter for letter in plain if letter.isprintable() or letter == "\n")


def _xlsx_value(sheet: Any, value: Any) -> Any:
    cell: Any
    if isinstance(value, Decimal):
        cell = WriteOnlyCell(sheet)
        cell.value, cell.number_format = value, "#,##0.00"
    elif isinstance(value, dt.datetime):
        cell = WriteOnlyCell(sheet, value=timezone.localtime(value).replace(tzinfo=None))
        cell.number_format = "dd.mm.yyyy hh:mm"
    elif isinstance(value, dt.date):
        cell = WriteOnlyCell(sheet)
        cell.value, cell.number_format = value, "dd.mm.yyyy"
    elif isinstance(value, str):
        # As text whatever it begins with: account numbers keep their zeros, formulas are none.
        cell = WriteOnlyCell(sheet, value=_printable(value))
        cell.data_type = "s"
    else:
        return value
    return cell


FORMATS = {
    "csv": Format("csv", "text/csv; charset=utf-8", _write_csv),
    "xlsx": Format(
        "xlsx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        _write_xlsx,
    ),
}


_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def file_name(spec: ListSpec, acting: Here, query: QueryDict, kind: str, day: dt.date) -> str:
    """The name that a browser saves it under: what it holds, whose it is, and the year where the
    list is of one whole year, else the day on which it was made."""
    whose = "all"
    if isinstance(acting, Acting):
        whose = acting.company.organisation_number
    elif isinstance(acting, AtCustomer):
        whose = acting.customer.organisation_number
    days = sorted(text for values in query.lists() for text in values[1] if _DAY.fullmatch(text))
    year = days[0][:4] if days else ""
    when = year if days == [f"{year}-01-01", f"{year}-12-31"] else day.isoformat()
    name = spec.name.replace("_", "-")
    return f"kvitt-{name}-{whose}-{when}.{FORMATS[kind].ending}"


def write(
    *,
    spec: ListSpec,
    acting: Here,
    user: Any,
    query: QueryDict,
    kind: str,
    file: BinaryIO,
    told: Callable[[int], None] = lambda done: None,
) -> int:
    """Writes the list that `query` shows, at most LIST_EXPORT_MAX rows; answers how many.

    `told` hears after each slice how many rows are done; what it raises ends the work.
    """
    rows = (spec.exported or spec.loaded)(spec.filtered(acting, query, user).qs)
    _text, order = spec.order(query)
    table = spec.table(acting=acting)
    done = 0

    def each() -> Iterator[list[Any]]:
        nonlocal done
        owners = among(acting)
        for found in keyset.walk(rows=rows, order=order, size=SLICE, owners=owners):
            table.read(found)
            for row in found[: settings.LIST_EXPORT_MAX - done]:
                yield table.export_row(row)
            done = min(done + len(found), settings.LIST_EXPORT_MAX)
            told(done)
            if done >= settings.LIST_EXPORT_MAX:
                return

    FORMATS[kind].write(table.export_head(), each(), file)
    return done
