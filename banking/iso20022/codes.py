"""Explains banks' reason codes to people, in Norwegian and English; the texts are data.

A code is explained by its own words, by what the bank writes beside it where the code says little,
or by the family that it belongs to. It decides nothing by a code, and a code that it does not know
is shown as it came.
"""

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Language = Literal["nb", "en"]
DATA = Path(__file__).parent.parent / "data"
REASONS, OTHERS = DATA / "status_reasons.toml", DATA / "reason_codes.toml"
TEXT_MAX = 500


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code in one language: a title, what it means for the user, and what to do.

    meaning is "" where the title says all. who must act is erp, administrator, approver, bank,
    support or nobody; actor is that in words. fix names what a corrected payment changes
    (payments.fixes), "" for nothing. advice is what else to try. source says where the
    meaning is from, verified whether it was compared with that source.
    """

    code: str
    title: str
    meaning: str
    cure: str
    who: str
    actor: str
    fix: str
    advice: tuple[str, ...]
    source: str
    verified: bool


@functools.cache
def _data() -> dict[str, Any]:
    return tomllib.loads(REASONS.read_text("utf-8"))


@functools.cache
def _others() -> dict[str, Any]:
    return tomllib.loads(OTHERS.read_text("utf-8"))


@functools.cache
def _texts() -> list[tuple[str, re.Pattern[str], frozenset[str]]]:
    return [
        (name, re.compile(text["match"], re.IGNORECASE), frozenset(text["codes"]))
        for name, text in _data()["texts"].items()
    ]


def known() -> tuple[str, ...]:
    """All codes that have an explanation, in order."""
    return tuple(sorted({*_data()["reasons"], *_others()["codes"]}))


def recognised(code: str, text: str) -> str | None:
    """The name of what the bank's text says beside a code that says little by itself, or that
    nobody knows; None for nothing."""
    is_known = code in _data()["reasons"] or code in _others()["codes"]
    for name, pattern, codes in _texts():
        if (code in codes or not is_known) and pattern.search(text[:TEXT_MAX]):
            return name
    return None


def explain(code: str, language: Language, text: str = "") -> Explanation | None:
    """The code explained, by the bank's text where it says more; None for a code that nobody has
    explained yet."""
    name = recognised(code, text) if text else None
    if name is not None:
        return of_text(name, language, code=code)
    reason = _data()["reasons"].get(code)
    if reason is not None:
        return _told(code, reason, language, **reason[language])
    other = _others()["codes"].get(code)
    if other is None:
        return None
    family, *titles = other
    words = _others()["families"][family]
    fix = _others()["fixes"].get(code, words.get("fix", ""))
    more = {"kid": False, "verified": True, "source": _others()["source"], "who": words["who"]}
    more["fix"] = fix
    title = titles[0 if language == "nb" else 1]
    return _told(code, more, language, title=title, meaning="", cure=words[language])


def texts() -> tuple[str, ...]:
    """The names of all texts that are recognised."""
    return tuple(_data()["texts"])


def of_text(name: str, language: Language, *, code: str = "") -> Explanation:
    """What a recognised text means; KeyError for a name that is not among texts()."""
    text = _data()["texts"][name]
    return _told(code, text, language, **text[language])


def _told(
    code: str, reason: Mapping[str, Any], language: Language, *, title: str, meaning: str, cure: str
) -> Explanation:
    return Explanation(
        code=code,
        title=title,
        meaning=meaning,
        cure=cure,
        who=reason["who"],
        actor=_data()["who"][reason["who"]][language],
        fix=reason.get("fix", ""),
        advice=kid_advice(language) if reason["kid"] else (),
        source=reason["source"],
        verified=reason["verified"],
    )


def kid_advice(language: Language) -> tuple[str, ...]:
    """What to try when a KID is refused, in the order in which to try it."""
    return tuple(_data()["kid_advice"][language])
