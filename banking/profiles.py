"""What each bank wants, read from banking/banks/*.toml: identifiers, messages, switches, cut-offs.

A bank is added by a file alone. Facts carry their source and whether they were compared with it;
a file that is not made as docs/banks.md says stops the start. Pure.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from banking.iso20022.pain001 import WriterProfile

FOLDER = Path(__file__).parent / "banks"
GENERAL = "general"
IDENTIFIERS = ("customer_number", "agreement_id", "division", "signer_id")
PLACES = ("InitgPty", "Dbtr")
PAYMENTS = ("domestic", "urgent", "foreign")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}")
Place = Literal["InitgPty", "Dbtr"]


class Unfit(ValueError):
    """A bank's file is not made as docs/banks.md says; the words name the file and the place."""


@dataclasses.dataclass(frozen=True, slots=True)
class Identifier:
    """What an agreement is asked for, and where it stands in the pain.001."""

    field: str
    place: Place
    scheme: str
    required: bool


@dataclasses.dataclass(frozen=True, slots=True)
class CutOff:
    """The last time of a bank day for a kind of payment (PAYMENTS), in Europe/Oslo."""

    payment: str
    time: datetime.time


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Where facts come from; verified counts those that were compared with it."""

    title: str
    read: datetime.date


@dataclasses.dataclass(frozen=True, slots=True)
class BankProfile:
    """One bank. messages are full names as pain.001.001.09, the first the one to use; ask says in
    each language where the identifiers are got; balance is the request for a balance (camt.060) by
    which a connection is tried, "" where the bank is not known to take one."""

    code: str
    name: str
    bics: tuple[str, ...]
    ask: Mapping[str, str]
    demo: bool
    identifiers: tuple[Identifier, ...]
    messages: tuple[str, ...]
    cancel: str
    balance: str
    direkte_remittering: bool
    switches: WriterProfile
    parks: bool
    documents_max: int
    structured_address: bool
    cut_offs: tuple[CutOff, ...]
    sources: Mapping[str, Source]
    unverified: tuple[str, ...]

    def placed(self, place: Place, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """(scheme, value) of the identifiers that stand at that place; empty ones are left out."""
        return tuple(
            (one.scheme, values[one.field])
            for one in self.identifiers
            if one.place == place and values.get(one.field)
        )

    def cut_off(self, payment: str) -> datetime.time | None:
        """The cut-off for a kind of payment, else that for domestic ones; None: none is known."""
        found = {one.payment: one.time for one in self.cut_offs}
        return found.get(payment, found.get("domestic"))


@functools.cache
def every() -> dict[str, BankProfile]:
    """Code → profile, the general one last. Raises Unfit."""
    general = _read(FOLDER / f"{GENERAL}.toml", {})
    raw = tomllib.loads((FOLDER / f"{GENERAL}.toml").read_text("utf-8"))
    found = {
        path.stem: _read(path, raw)
        for path in sorted(FOLDER.glob("*.toml"))
        if path.stem != GENERAL
    }
    return dict(sorted(found.items(), key=lambda one: one[1].name.casefold())) | {GENERAL: general}


def of(code: str) -> BankProfile:
    """The profile by the name of its file; KeyError for one that is not there."""
    return every()[code]


def read(path: Path) -> BankProfile:
    """One file, completed from the general one. Raises Unfit."""
    return _read(path, tomllib.loads((FOLDER / f"{GENERAL}.toml").read_text("utf-8")))


def _read(path: Path, general: Mapping[str, Any]) -> BankProfile:
    try:
        own = tomllib.loads(path.read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise Unfit(f"{path.name}: {error}") from error
    facts = _Facts(path.name, own, general)
    messages, rules = facts.table("messages"), facts.table("rules")
    made = BankProfile(
        code=path.stem,
        name=facts.word("name"),
        bics=tuple(facts.bic(text) for text in own.get("bics", [])),
        ask=facts.words("ask"),
        demo=bool(own.get("demo", False)),
        identifiers=tuple(facts.identifier(row) for row in facts.rows("identifiers")),
        messages=tuple(facts.message(name) for name in messages.get("payments", [])),
        cancel=str(messages.get("cancel", "")),
        balance=str(messages.get("balance", "")),
        direkte_remittering=bool(messages.get("direkte_remittering", False)),
        switches=facts.switches(),
        parks=facts.one_of("rules", rules, "unauthorised", ("rejects", "parks")) == "parks",
        documents_max=int(rules.get("documents_max", 25)),
        structured_address=bool(rules.get("structured_address", True)),
        cut_offs=tuple(facts.cut_off(row) for row in facts.rows("cut_offs")),
        sources=facts.sources(),
        unverified=tuple(facts.unverified),
    )
    if not made.messages or not made.identifiers:
        raise Unfit(f"{path.name}: a bank needs identifiers and messages.payments")
    return made


class _Facts:
    """One file's tables, each its own or else the general one's, with their sources."""

    def __init__(self, file: str, own: Mapping[str, Any], general: Mapping[str, Any]) -> None:
        self._file, self._own, self._general = file, own, general
        self._known = {**general.get("sources", {}), **own.get("sources", {})}
        self._used: dict[str, Any] = {}
        self.unverified: list[str] = []
        unknown = set(own) - _TABLES
        if unknown:
            raise self._unfit(", ".join(sorted(unknown)), "is not known here")

    def _unfit(self, place: str, why: str) -> Unfit:
        return Unfit(f"{self._file}: {place} {why}")

    def word(self, name: str) -> str:
        text = self._own.get(name)
        if not isinstance(text, str) or not text:
            raise self._unfit(name, "is missing")
        return text

    def words(self, name: str) -> dict[str, str]:
        """A text in both languages."""
        texts = self._own.get(name, {})
        if not all(texts.get(language) for language in ("nb", "en")):
            raise self._unfit(name, "is needed in nb and en")
        return dict(texts)

    def bic(self, text: str) -> str:
        if not _BIC.fullmatch(text):
            raise self._unfit("bics", f"holds {text!r}, which is no BIC of 8 characters")
        return text

    def table(self, name: str) -> dict[str, Any]:
        """A table, its own fields over the general ones."""
        found = {**self._general.get(name, {}), **self._own.get(name, {})}
        self._sourced(name, found)
        return found

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Rows of a table; its own replace the general ones."""
        found: list[dict[str, Any]] = self._own.get(name, self._general.get(name, []))
        for number, row in enumerate(found, start=1):
            self._sourced(f"{name}[{number}]", row)
        return found

    def _sourced(self, place: str, facts: Mapping[str, Any]) -> None:
        source = str(facts.get("source", ""))
        if source not in self._known:
            raise self._unfit(place, "names no source that stands in [sources]")
        if not isinstance(facts.get("verified"), bool):
            raise self._unfit(place, "does not say whether it is verified")
        self._used[source] = self._known[source]
        if not facts["verified"]:
            self.unverified.append(place)

    def one_of(
        self, place: str, facts: Mapping[str, Any], name: str, wanted: tuple[str, ...]
    ) -> str:
        text = str(facts.get(name, ""))
        if text not in wanted:
            raise self._unfit(f"{place}.{name}", f"is {text!r}, not one of {', '.join(wanted)}")
        return text

    def identifier(self, row: Mapping[str, Any]) -> Identifier:
        place = self.one_of("identifiers", row, "place", PLACES)
        scheme = str(row.get("scheme", ""))
        if not scheme or not isinstance(row.get("required"), bool):
            raise self._unfit("identifiers", "needs scheme and required")
        field = self.one_of("identifiers", row, "field", IDENTIFIERS)
        return Identifier(field, place, scheme, row["required"])  # type: ignore[arg-type]

    def message(self, name: str) -> str:
        if name not in ("pain.001.001.03", "pain.001.001.09"):
            raise self._unfit("messages.payments", f"holds {name!r}, which is not written here")
        return name

    def switches(self) -> WriterProfile:
        facts = self.table("switches")
        known = {field.name for field in dataclasses.fields(WriterProfile)}
        words = {name: value for name, value in facts.items() if name not in ("source", "verified")}
        if set(words) - known:
            raise self._unfit("switches", f"holds {', '.join(sorted(set(words) - known))}")
        return WriterProfile(**words)

    def cut_off(self, row: Mapping[str, Any]) -> CutOff:
        payment = self.one_of("cut_offs", row, "payment", PAYMENTS)
        if not _TIME.fullmatch(str(row.get("time", ""))):
            raise self._unfit("cut_offs", f"holds {row.get('time')!r}, which is no time as 14:00")
        return CutOff(payment, datetime.time.fromisoformat(row["time"]))

    def sources(self) -> dict[str, Source]:
        """Those that something was taken from."""
        found = {}
        for key, facts in self._used.items():
            if not facts.get("title") or not isinstance(facts.get("read"), datetime.date):
                raise self._unfit(f"sources.{key}", "needs a title and the day it was read")
            found[key] = Source(facts["title"], facts["read"])
        return found


_TABLES = {
    "name",
    "country",
    "bics",
    "ask",
    "demo",
    "sources",
    "identifiers",
    "messages",
    "switches",
    "rules",
    "cut_offs",
}
