"""Many companies from one file: CSV or Excel is read into rows, every row checked, none made yet.

It reads, checks and tells; `companies.create_many` makes them.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.conf import settings
from django.utils.translation import gettext as _
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from portal.access import norwegian
from portal.access.models import Customer
from portal.people import companies
from portal.people.companies import Fault

# What a column may be called, in either language, in the key that names are compared by.
_CALLED = {
    "name": ("navn", "name", "selskap", "selskapsnavn", "firma", "company", "company name"),
    "organisation_number": (
        "organisasjonsnummer",
        "organisasjonsnr",
        "orgnr",
        "org nr",
        "org no",
        "orgno",
        "organisation number",
        "organization number",
        "foretaksnummer",
    ),
    "address": ("adresse", "address", "gateadresse", "postadresse", "street"),
    "postal_code": ("postnummer", "postnr", "postal code", "postcode", "zip"),
    "city": ("poststed", "sted", "by", "city", "town"),
}
COLUMNS = {norwegian.key(name): code for code, names in _CALLED.items() for name in names}
NEEDED = ("name", "organisation_number")
_XLSX = b"PK\x03\x04"
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
_DELIMITERS = ";,\t"


class Unreadable(Exception):
    """The file as a whole cannot be read; the message says why and what to do."""


@dataclass(slots=True)
class Row:
    """One row of the file: its number there, its values by field, and all its faults."""

    number: int
    values: dict[str, str]
    faults: list[Fault] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return not self.faults


@dataclass(slots=True)
class Listed:
    """What a file holds: its rows, and the names of columns that are not ours."""

    rows: list[Row] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)


def read(file: BinaryIO) -> Listed:
    """The rows of a CSV or Excel file with a heading, unchecked. Raises Unreadable.

    At most IMPORT_MAX_BYTES and IMPORT_MAX_ROWS; empty rows are passed over.
    """
    content = file.read(settings.IMPORT_MAX_BYTES + 1)
    if len(content) > settings.IMPORT_MAX_BYTES:
        megabytes = settings.IMPORT_MAX_BYTES // 1024 // 1024
        raise Unreadable(_("The file is larger than %(n)s MB. Split it.") % {"n": megabytes})
    if not content.strip():
        raise Unreadable(_("The file is empty. Choose the file with the list of companies."))
    lines = _workbook(content) if content.startswith(_XLSX) else _text(content)
    found = Listed()
    found.rows = list(_rows(lines, found))
    return found


def _text(content: bytes) -> Iterator[Sequence[str]]:
    if content.startswith(_OLD_EXCEL):
        text = _("This is an old Excel file (.xls). Save it as .xlsx or CSV, and try again.")
        raise Unreadable(text)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")  # as Excel for Windows saves it
    if "\0" in text:
        raise Unreadable(_("The file is neither CSV nor Excel (.xlsx). Save the list as one."))
    first = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise Unreadable(
            _(
                "The file could not be read as CSV: a quotation mark is not closed, or a line is"
                " broken. Save the list as Excel (.xlsx) instead."
            )
        ) from error


def _workbook(content: bytes) -> Iterator[Sequence[str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > settings.IMPORT_MAX_UNPACKED_BYTES:
            raise Unreadable(_("The workbook is too large. Save only the sheet with the list."))
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
        for cells in book.worksheets[0].iter_rows(values_only=True):
            yield [_cell(cell) for cell in cells]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, IndexError) as error:
        raise Unreadable(
            _("The Excel file could not be read. Save it anew as .xlsx or CSV, and try again.")
        ) from error


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value)


def _rows(lines: Iterable[Sequence[str]], into: Listed) -> Iterator[Row]:
    """The rows one by one; the columns that are not ours are told at the heading."""
    heading: list[str] | None = None
    found = 0
    for number, cells in enumerate(lines, 1):
        if not any(cell.strip() for cell in cells):
            continue
        if heading is None:
            heading = _heading(cells)
            named = zip(cells, heading, strict=True)
            into.unused = [cell.strip()[:60] for cell, field in named if cell.strip() and not field]
            continue
        found += 1
        if found > settings.IMPORT_MAX_ROWS:
            text = _("The file has more than %(n)s rows. Split it, and import one part at a time.")
            raise Unreadable(text % {"n": settings.IMPORT_MAX_ROWS})
        yield Row(number, _values(heading, cells))
    if heading is None:
        raise Unreadable(_("The file is empty. Choose the file with the list of companies."))
    if not found:
        raise Unreadable(_("There is a heading, but no company beneath it."))


def _heading(cells: Sequence[str]) -> list[str]:
    """The field of each column, empty for one that is not ours; raises Unreadable."""
    called = [" ".join(cell.replace(".", " ").replace("_", " ").split()) for cell in cells]
    names = [COLUMNS.get(norwegian.key(name), "") for name in called]
    lacking = [str(companies.NAMES[name]) for name in NEEDED if name not in names]
    if lacking:
        text = _(
            "The first row must name the columns. These are missing: %(columns)s. Use the empty"
            " list that can be fetched here."
        )
        raise Unreadable(text % {"columns": ", ".join(lacking)})
    twice = [str(companies.NAMES[name]) for name, n in Counter(names).items() if name and n > 1]
    if twice:
        text = _("These columns stand in the file more than once: %(columns)s. Keep one of each.")
        raise Unreadable(text % {"columns": ", ".join(twice)})
    return names


def _values(heading: list[str], cells: Sequence[str]) -> dict[str, str]:
    values = {name: cell.strip() for name, cell in zip(heading, cells, strict=False) if name}
    code = values.get("postal_code", "")
    if code.isascii() and code.isdigit() and len(code) == 3:
        values["postal_code"] = f"0{code}"  # a spreadsheet takes the zero of 0155 for nothing
    return values


def check(rows: list[Row], *, customer: Customer) -> list[Row]:
    """The same rows with every fault of each: its own, twice in the file, at the customer already.

    Two queries, however many rows.
    """
    known = set(customer.companies.values_list("organisation_number", flat=True))
    first: dict[str, int] = {}
    for row in rows:
        kept, row.faults = companies.checked(row.values)
        number = kept["organisation_number"]
        if any(fault.field == "organisation_number" for fault in row.faults):
            continue
        if number in known:
            row.faults.append(companies.taken(number))
        elif number in first:
            text = _("The same organisation number stands in row %(row)s.") % {"row": first[number]}
            row.faults.append(Fault("organisation_number", "twice", text))
        else:
            first[number] = row.number
    return rows
