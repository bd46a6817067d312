"""Whether the words of a page are in its language, by the catalogue and by common small words.

English is the source text, Norwegian the catalogue; the bank's reason codes have both in a data
file. Names and numbers of the scene are data and belong to no language.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from banking.iso20022 import codes
from portal import translations

PIECES = re.compile(r"<[^>]+>|%\(\w+\)[sd]|%[sd]")
HOLES = re.compile(r"%\(\w+\)[sd]|%[sd]")
LETTERS_MIN, WORDS_MIN, SURE = 6, 3, 2
SMALL = {
    "en": frozenset(
        "the of and is are was were has have this that with from your you not be been it its"
        " by which who what when where then than there here must may will would about".split()
    ),
    "nb": frozenset(
        "og er ikke på som det den av til fra har ble blir være ved hvis eller men må kan skal"
        " vil hva hvem når hvor da enn denne dette disse deres din ditt sine også".split()
    ),
}
# Words that a page never says to people. «None» begins English sentences; alone it is a fault.
RAW = re.compile(
    r"%\(\w+\)|%[sd]\b|\{\{|\}\}|\{%|%\}|\bundefined\b|\bNaN\b|\[object |<function|Decimal\("
    r"|datetime\.|<QuerySet|__proxy__"
)
ALONE = re.compile(r"(^|[:(,·=]\s*)(None|True|False|null)\s*($|[.,):·])")


class Words:
    """The texts of both languages: whole ones, their longer pieces, and patterns with holes."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.whole: dict[str, dict[str, str]] = {"en": {}, "nb": {}}
        self.pieces: dict[str, dict[str, str]] = {"en": {}, "nb": {}}
        self.patterns: dict[str, list[tuple[re.Pattern[str], str]]] = {"en": [], "nb": []}
        self.pairs = dict(pairs)
        for english, norwegian in self.pairs.items():
            for language, text in (("en", english), ("nb", norwegian)):
                self._learn(language, " ".join(text.split()), same=english == norwegian)

    def _learn(self, language: str, text: str, *, same: bool) -> None:
        self.whole[language][text] = text
        if same:
            return
        for piece in PIECES.split(text):
            short = piece.strip()
            if short != text and len(short.split()) >= WORDS_MIN:
                self.pieces[language][short] = text
        if HOLES.search(text) and len(re.sub(r"\W|\d", "", HOLES.sub("", text))) >= LETTERS_MIN:
            shape = ".+?".join(re.escape(part) for part in HOLES.split(text))
            self.patterns[language].append((re.compile(shape), text))

    def norwegian(self, english: str) -> str:
        """The translation of a text of the catalogue."""
        return self.pairs[english]

    @functools.cache  # noqa: B019 - one for the whole run, and as many texts as the pages have
    def foreign(self, text: str, language: str) -> str:
        """Why this text is not in the page's language; empty when nothing is wrong."""
        other = "nb" if language == "en" else "en"
        if self._known(text, language):
            return ""
        known = self._known(text, other)
        if known:
            return f"left in {other}: «{text[:120]}»"
        words = re.findall(r"[^\W\d_]+", text.lower())
        count = {name: sum(word in small for word in words) for name, small in SMALL.items()}
        if count[other] >= SURE and count[other] > 2 * count[language]:
            return f"seems to be in {other}: «{text[:120]}»"
        return ""

    def _known(self, text: str, language: str) -> bool:
        if text in self.whole[language] or text in self.pieces[language]:
            return True
        return any(shape.fullmatch(text) for shape, _text in self.patterns[language])


def raw(text: str) -> str:
    """What of this text a programmer left behind; empty for nothing."""
    found = RAW.search(text) or ALONE.search(text)
    return f"raw text: «{text[:120]}»" if found else ""


def catalogue() -> Iterable[tuple[str, str]]:
    """(English, Norwegian) of every text of the project."""
    for message in translations.catalogue():
        if message.id:
            yield from zip(_forms(message.id), _forms(message.string), strict=False)
    for code in codes.known():
        yield from _explained(codes.explain(code, "en"), codes.explain(code, "nb"))
    for name in codes.texts():
        yield from _explained(codes.of_text(name, "en"), codes.of_text(name, "nb"))


def _explained(
    english: codes.Explanation | None, norwegian: codes.Explanation | None
) -> Iterable[tuple[str, str]]:
    """The words that a reason of the bank is explained with."""
    assert english is not None
    assert norwegian is not None
    for name in ("title", "meaning", "cure", "actor"):
        yield getattr(english, name), getattr(norwegian, name)
    yield from zip(english.advice, norwegian.advice, strict=True)


def _forms(text: object) -> tuple[str, ...]:
    return tuple(text) if isinstance(text, list | tuple) else (str(text or ""),)


@functools.cache
def known() -> Words:
    """The project's own words."""
    return Words(catalogue())
