"""What was found, where and in which looks; and the table that tells it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

WIDTH = 150
SPECIAL = re.compile(r"«[^»]*»?|\d+")  # what tells one fault from another of its kind


@dataclass(frozen=True)
class Look:
    """How a page is looked at: `light` or `dark`, so many CSS pixels wide and high."""

    scheme: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.scheme}-{self.width}"


# In this order the window is changed as seldom as can be.
LOOKS = (
    Look("light", 1280, 800),
    Look("dark", 1280, 800),
    Look("dark", 320, 640),
    Look("light", 320, 640),
)
PLAIN = LOOKS[:1]


@dataclass(frozen=True)
class Finding:
    """One fault: its kind, what exactly, and where it was seen. `look` is empty for any look."""

    kind: str
    what: str
    place: str = ""
    role: str = ""
    language: str = ""
    look: str = ""

    def __str__(self) -> str:
        where = " ".join(filter(None, (self.place, self.role, self.language, self.look)))
        return f"{self.kind}: {self.what} ({where})"


@dataclass(frozen=True)
class Known:
    """A fault that is known and will be mended: patterns for the whole of kind, place and what."""

    kind: str
    place: str
    what: str

    def fits(self, finding: Finding) -> bool:
        return (
            re.fullmatch(self.kind, finding.kind) is not None
            and re.fullmatch(self.place, finding.place) is not None
            and re.fullmatch(self.what, finding.what, re.DOTALL) is not None
        )


def unknown(findings: Iterable[Finding], known: Iterable[Known]) -> list[Finding]:
    """The findings that no entry of the list excuses."""
    listed = list(known)
    return [finding for finding in findings if not any(entry.fits(finding) for entry in listed)]


def table(findings: Iterable[Finding]) -> str:
    """Kinds with their faults, those alike but for numbers and names once: how often, where first."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, SPECIAL.sub("…", finding.what)), []).append(finding)
    rows = []
    for (kind, _shape), seen in sorted(groups.items(), key=lambda one: (one[0][0], -len(one[1]))):
        places = sorted({finding.place for finding in seen})
        first = seen[0]
        where = " ".join(filter(None, (first.role, first.language, first.look)))
        more = f" and {len(places) - 1} more pages" if len(places) > 1 else ""
        rows.append(f"{kind:<12} {len(seen):>5} × {seen[0].what[:WIDTH]}")
        rows.append(f"{'':<12} {'':>5}   {first.place} {where}{more}")
    return "\n".join(rows)
