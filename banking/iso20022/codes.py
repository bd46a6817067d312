"""Explains banks' reason codes to people, in Norwegian and English; the texts are data.

It decides nothing by a code, and a code that it does not know is shown as it came.
"""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Language = Literal["nb", "en"]
DATA = Path(__file__).parent.parent / "data" / "status_reasons.toml"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One code in one language: a title, what it means for the user, and what to do.

    about_kid: kid_advice belongs beside it. source says where the meaning is from, verified
    whether it was compared with that source.
    """

    code: str
    title: str
    meaning: str
    cure: str
    about_kid: bool
    source: str
    verified: bool


@functools.cache
def _data() -> dict[str, Any]:
    with DATA.open("rb") as file:
        return tomllib.load(file)


def known() -> tuple[str, ...]:
    """All codes that have an explanation, in order."""
    return tuple(sorted(_data()["reasons"]))


def explain(code: str, language: Language) -> Explanation | None:
    """The code explained; None for a code that nobody has explained yet."""
    reason = _data()["reasons"].get(code)
    if reason is None:
        return None
    words = reason[language]
    return Explanation(
        code=code,
        title=words["title"],
        meaning=words["meaning"],
        cure=words["cure"],
        about_kid=reason["kid"],
        source=reason["source"],
        verified=reason["verified"],
    )


def kid_advice(language: Language) -> tuple[str, ...]:
    """What to try when a KID is refused, in the order in which to try it."""
    return tuple(_data()["kid_advice"][language])
