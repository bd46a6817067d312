"""The characters that banks accept in payment texts, and what the others become.

It works on text alone: lengths, and showing the result to an approver, are the caller's.
"""

import unicodedata
from dataclasses import dataclass

BASIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ ")
_NORDIC_LETTERS = "æøåäöüéáíóúýçđð"
NORDIC = BASIC | frozenset(_NORDIC_LETTERS + _NORDIC_LETTERS.upper() + "ß%&=@§")

_WORDS = {
    "æ": "ae",
    "ø": "oe",
    "å": "aa",
    "ä": "ae",
    "ö": "oe",
    "ü": "ue",
    "ß": "ss",
    "đ": "d",
    "ð": "d",
    "þ": "th",
    "ł": "l",
    "œ": "oe",
    "ı": "i",
    "ŋ": "n",
    "ħ": "h",
    "ŧ": "t",
    "&": "+",
    "@": "(at)",
    "%": "o/o",
    "=": "-",
    "§": "par.",
    "€": "EUR",
    "£": "GBP",
    "$": "USD",
    "¥": "JPY",
    '"': "'",
    "`": "'",
    "´": "'",
    "‘": "'",
    "’": "'",
    "‚": "'",
    "“": "'",
    "”": "'",
    "„": "'",
    "«": "'",
    "»": "'",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "−": "-",
    "_": "-",
    "~": "-",
    "*": ".",
    "!": ".",
    ";": ",",
    "#": "nr.",
    "<": "(",
    ">": ")",
    "[": "(",
    "]": ")",
    "{": "(",
    "}": ")",
    "\\": "/",
    "|": "/",
    "•": "-",
}
UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Fault:
    """A character that banks do not accept, at its position in the text, from 0."""

    position: int
    character: str


def faults(text: str, *, nordic: bool = True) -> tuple[Fault, ...]:
    """The characters of text outside the set: the Nordic one, or the basic one for abroad."""
    allowed = NORDIC if nordic else BASIC
    return tuple(Fault(at, one) for at, one in enumerate(text) if one not in allowed)


def transliterate(text: str, *, nordic: bool = True) -> str:
    """The text in allowed characters only; it may grow, and faults() of it is empty.

    Letters lose accents or become two (Å is AA abroad), signs become near ones, blanks and line
    ends one space each, invisible characters nothing, and what has no likeness a question mark.
    """
    allowed = NORDIC if nordic else BASIC
    if allowed.issuperset(text):
        return text
    # Composed first, so that a letter and its loose ring or dots are one letter of the set.
    composed = unicodedata.normalize("NFC", text)
    return "".join([one if one in allowed else _replace(one, allowed) for one in composed])


def _replace(one: str, allowed: frozenset[str]) -> str:
    if one.isspace():
        return " "
    if unicodedata.category(one) in ("Cf", "Cc", "Mn"):
        return ""
    word = _word(one)
    if not word:
        loose = unicodedata.normalize("NFKD", one)
        parts = [part for part in loose if not unicodedata.combining(part)]
        word = "".join([part if part in allowed else _word(part) for part in parts])
    return word if word and allowed.issuperset(word) else UNKNOWN


def _word(one: str) -> str:
    """What the table makes of a letter or sign, in capitals for a capital; "" for none."""
    return _WORDS.get(one) or _WORDS.get(one.lower(), "").upper()
