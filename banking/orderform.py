"""The order form of an agreement as a PDF: from plain values to bytes, whatever their text is.

All words come from the caller; data/orderform.typ sets them. They reach it as JSON and are never
source, so no text is code. Nothing is read but that file and fonts, and no network is used. Pure.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
import json
import unicodedata
from pathlib import Path
from typing import Any

import typst

TEMPLATE = Path(__file__).parent / "data" / "orderform.typ"
# Made by portal.assets; without it the form is set in typst's own serif.
FONTS = Path(__file__).parent.parent / "static" / "vendor" / "fonts"
# One that is kept for years (PDF/A), and read aloud (PDF/UA).
STANDARDS: Any = ["a-2a", "ua-1"]
COLUMNS = 12
_UNSEEN = {"Cc": " ", "Zl": " ", "Zp": " ", "Cf": "", "Cs": "\N{REPLACEMENT CHARACTER}"}


@dataclasses.dataclass(frozen=True, slots=True)
class Fact:
    """A label and what is known; an empty value is a line to write on, where `hint` says who does.

    `span` of COLUMNS is its width; `code` is set letter for letter, as a key must be.
    """

    label: str
    value: str = ""
    hint: str = ""
    span: int = 6
    code: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Something that is chosen or not."""

    label: str
    chosen: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Two texts in each row, and boxes of which the reader ticks one."""

    headings: tuple[str, str, str]
    rows: tuple[tuple[str, str], ...]
    boxes: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Section:
    """A numbered part of the form; what is not given is left out. `note` stands first."""

    title: str
    note: str = ""
    choices: tuple[Choice, ...] = ()
    facts: tuple[Fact, ...] = ()
    table: Table | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Party:
    """Who signs: `rows` say what is written by hand, one or two things on each line."""

    title: str
    name: str
    rows: tuple[tuple[str, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """The whole form. `language` is nb or en; `page` holds {page} and {pages}; `marks` are (label,
    value) beside the title; `footer` stands on every page."""

    language: str
    title: str
    subtitle: str
    made: dt.date
    marks: tuple[tuple[str, str], ...]
    introduction: str
    asked: str
    tasks: tuple[str, ...]
    sections: tuple[Section, ...]
    signing: str
    signing_note: str
    parties: tuple[Party, ...]
    footer: str
    page: str


def pdf(form: Form) -> bytes:
    """The form as a PDF, A4; the same bytes for the same form. Takes any text."""
    told = json.dumps(_plain(dataclasses.asdict(form)))
    midnight = dt.datetime.combine(form.made, dt.time(), dt.UTC)
    try:
        return _set(told, midnight, STANDARDS)
    except typst.TypstError:
        # A letter that none of the fonts has: the standards refuse it, else a box stands for it.
        return _set(told, midnight, [])


def _set(told: str, at: dt.datetime, standards: Any) -> bytes:
    return typst.compile(
        str(TEMPLATE),
        root=str(TEMPLATE.parent),
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"form": told},
        pdf_standards=standards,
        timestamp=at,
    )


@functools.cache
def _fonts() -> typst.Fonts:
    """Those that typst brings, and ours; never the machine's, which differ."""
    ours = [str(FONTS)] if FONTS.is_dir() else []
    return typst.Fonts(include_system_fonts=False, font_paths=ours)


def _plain(value: Any) -> Any:
    """The same in what JSON has.

    A text loses what steers and is not seen: a mark that turns it around would let the form say
    another thing than it holds.
    """
    if isinstance(value, str):
        return "".join(_UNSEEN.get(unicodedata.category(one), one) for one in value)
    if isinstance(value, dt.date):
        return {"year": value.year, "month": value.month, "day": value.day}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value
