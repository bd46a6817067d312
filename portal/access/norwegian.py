"""The order of Norwegian names: æ, ø, å last, «aa» as «å», other accents as their letter.

A key to sort by code point, since not every server has a Norwegian collation. The same key is
made here in Python and, by `in_database`, in SQL; a test holds the two together.
"""

from __future__ import annotations

from typing import Any

from django.db.models import CharField, Func, Value
from django.db.models.functions import Lower, Replace

# å (U+00E5) stands before æ and ø among code points: its stand-in lies behind them.
_LAST = "\u0101"
_SAME = {
    "æ": "ä",
    "ø": "ö",
    "e": "éèêë",
    "a": "àáâã",
    "i": "íìîï",
    "o": "óòôõ",
    "u": "úùûü",
    "y": "ýÿ",
    "n": "ñ",
    "c": "ç",
    "s": "š",
    "z": "ž",
    "d": "đð",
    _LAST: "å",
}
_FROM = "".join(_SAME.values())
_TO = "".join(letter * len(accented) for letter, accented in _SAME.items())
_TABLE = str.maketrans(_FROM, _TO)


def key(name: str) -> str:
    """What a name is sorted by: «Aas» and «Ås» together, last."""
    return name.lower().replace("aa", "å").translate(_TABLE)


def in_database(column: str) -> Any:
    """The same key as an expression, immutable, so that a generated column can hold it."""
    doubled = Replace(Lower(column), Value("aa"), Value("å"))
    return Func(doubled, Value(_FROM), Value(_TO), function="translate", output_field=CharField())
