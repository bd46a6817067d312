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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from banking.iso20022 import camt055, queries
from banking.iso20022.pain001 import WriterProfile

FOLDER = Path(__file__).parent / "banks"
GENERAL = "general"
IDENTIFIERS = ("customer_number", "agreement_id", "division", "signer_id")
PAYMENTS = ("domestic", "urgent", "foreign")
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}")
_CODE = re.compile(r"[a-z0-9_-]{1,40}")
_SCHEME = re.compile(r"[A-Z0-9]{1,4}")
Place = Literal["InitgPty", "Dbtr"]
PLACES: tuple[Place, ...] = ("InitgPty", "Dbtr")
Made = TypeVar("Made")
Word = TypeVar("Word", bound=str)


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
    which a connection is tried, "" where the bank is not known to take one. address_abroad: payees
    abroad need a town and a country; currencies: those it pays in, empty where not known."""

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
    address_abroad: bool
    currencies: frozenset[str]
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
    _must_be_apart([*found.values(), general])
    return dict(sorted(found.items(), key=lambda one: one[1].name.casefold())) | {GENERAL: general}


def _must_be_apart(banks: Sequence[BankProfile]) -> None:
    """Raises Unfit where two files are of the same bank: nobody could choose between them."""
    taken: dict[str, str] = {}
    for bank in banks:
        for name in (bank.name.casefold(), *bank.bics):
            if taken.setdefault(name, bank.code) != bank.code:
                told = f"{bank.code}.toml: {name} is of {taken[name]}.toml already"
                raise Unfit(told)


def of(code: str) -> BankProfile:
    """The profile by the name of its file; KeyError for one that is not there."""
    if code not in every():
        every.cache_clear()  # laid there since this process began
    return every()[code]


def read(path: Path) -> BankProfile:
    """One file, completed from the general one. Raises Unfit."""
    return _read(path, tomllib.loads((FOLDER / f"{GENERAL}.toml").read_text("utf-8")))


def _read(path: Path, general: Mapping[str, Any]) -> BankProfile:
    if not _CODE.fullmatch(path.stem):
        raise Unfit(f"{path.name}: name the file by small letters, digits, - and _ alone")
    try:
        own = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unfit(f"{path.name}: {error}") from error
    facts = _Facts(path.name, own, general)
    messages, rules = facts.table("messages"), facts.table("rules")
    documents_max = facts.of_type("rules", rules, "documents_max", int)
    if documents_max < 1:
        raise Unfit(f"{path.name}: rules.documents_max is {documents_max}, not 1 or more")
    facts.country()
    made = BankProfile(
        code=path.stem,
        name=facts.word("name"),
        bics=tuple(map(facts.bic, facts.listed("", own, "bics"))),
        ask=facts.words("ask"),
        demo=facts.of_type("", {"demo": False, **own}, "demo", bool),
        identifiers=facts.once("identifiers", "field", facts.identifier),
        messages=tuple(
            dict.fromkeys(map(facts.message, facts.listed("messages", messages, "payments")))
        ),
        cancel=facts.named(messages, "cancel", "camt.055", camt055.VERSIONS),
        balance=facts.named(messages, "balance", "camt.060", (queries.VERSION[-2:],)),
        direkte_remittering=facts.of_type(
            "messages", {"direkte_remittering": False, **messages}, "direkte_remittering", bool
        ),
        switches=facts.switches(),
        parks=facts.one_of("rules", rules, "unauthorised", ("rejects", "parks")) == "parks",
        documents_max=documents_max,
        structured_address=facts.of_type("rules", rules, "structured_address", bool),
        address_abroad=facts.of_type("rules", rules, "address_abroad", bool),
        currencies=frozenset(facts.currencies(rules)),
        cut_offs=facts.once("cut_offs", "payment", facts.cut_off),
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
        own_sources = own.get("sources", {})
        if not isinstance(own_sources, dict):
            raise self._unfit("sources", "is no table; write [sources.NAME]")
        self._known = {**general.get("sources", {}), **own_sources}
        self._used: dict[str, Any] = {}
        self.unverified: list[str] = []
        unknown = set(own) - _TABLES
        if unknown:
            raise self._unfit(", ".join(sorted(unknown)), "is not known here")

    def _unfit(self, place: str, why: str) -> Unfit:
        return Unfit(f"{self._file}: {place} {why}")

    def word(self, name: str) -> str:
        text = self._own.get(name)
        if not isinstance(text, str) or not text.strip():
            raise self._unfit(name, "is missing")
        return text

    def words(self, name: str) -> dict[str, str]:
        """A text in both languages."""
        texts = self._own.get(name, {})
        told = isinstance(texts, dict) and [texts.get(language) for language in ("nb", "en")]
        if not told or not all(isinstance(text, str) and text.strip() for text in told):
            raise self._unfit(name, "is needed in nb and en")
        return dict(texts)

    def bic(self, text: str) -> str:
        if not _BIC.fullmatch(text):
            raise self._unfit("bics", f"holds {text!r}, which is no BIC of 8 characters")
        return text

    def of_type(self, place: str, facts: Mapping[str, Any], name: str, kind: type) -> Any:
        """A fact of this type: TOML has yes and no (true, false), numbers and texts."""
        value = facts.get(name)
        if type(value) is not kind:
            where = ".".join(filter(None, (place, name)))
            raise self._unfit(where, f"is {value!r}, not a {_CALLED[kind]}")
        return value

    def listed(self, place: str, facts: Mapping[str, Any], name: str) -> list[str]:
        """A list of texts; empty where there is none."""
        found = self.of_type(place, {name: [], **facts}, name, list)
        if not all(isinstance(one, str) for one in found):
            raise self._unfit(".".join(filter(None, (place, name))), "is no list of texts")
        return [str(one) for one in found]

    def named(
        self, facts: Mapping[str, Any], name: str, kind: str, versions: tuple[str, ...]
    ) -> str:
        """The full name of a message of this kind that is written here, or "" for none."""
        text = self.of_type("messages", {name: "", **facts}, name, str)
        written = [f"{kind}.001.{version}" for version in versions]
        if text and text not in written:
            raise self._unfit(f"messages.{name}", f"is {text!r}, not one of {', '.join(written)}")
        return str(text)

    def currencies(self, rules: Mapping[str, Any]) -> list[str]:
        """What the bank pays in; empty where that is not known."""
        found = self.listed("rules", rules, "currencies")
        odd = [one for one in found if not re.fullmatch(r"[A-Z]{3}", one)]
        if odd:
            raise self._unfit("rules.currencies", f"holds {odd[0]!r}, which is no code as EUR")
        return found

    def country(self) -> None:
        """Agreements, accounts and bank days are Norwegian, so far."""
        told = {**self._general, **self._own}.get("country")
        if told != "NO":
            raise self._unfit("country", f"is {told!r}; only banks in NO are known here")

    def once(
        self, name: str, field: str, made: Callable[[Mapping[str, Any]], Made]
    ) -> tuple[Made, ...]:
        """The rows of a table, none of which may tell of the same as another."""
        rows = self.rows(name)
        keys = [row.get(field) for row in rows]
        # Two identifiers under one scheme at one place could not be told apart at the bank.
        keys += [(row["place"], row["scheme"]) for row in rows if {"place", "scheme"} <= set(row)]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise self._unfit(name, f"tells twice of {', '.join(twice)}")
        return tuple(map(made, rows))

    def table(self, name: str) -> dict[str, Any]:
        """A table, its own fields over the general ones."""
        own = self._own.get(name, {})
        if not isinstance(own, dict):
            raise self._unfit(name, "is no table; write [name] once, with its facts below")
        found = {**self._general.get(name, {}), **own}
        self._known_here(name, found)
        self._sourced(name, own or found)
        return found

    def _known_here(self, name: str, facts: Mapping[str, Any]) -> None:
        unknown = set(facts) - _FIELDS[name] - {"source", "verified"}
        if unknown:
            raise self._unfit(name, f"holds {', '.join(sorted(unknown))}, which is not known here")

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Rows of a table; its own replace the general ones."""
        found: list[dict[str, Any]] = self._own.get(name, self._general.get(name, []))
        if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
            raise self._unfit(name, "is no list of tables; write [[name]] above each")
        for number, row in enumerate(found, start=1):
            self._known_here(name, row)
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
        self, place: str, facts: Mapping[str, Any], name: str, wanted: tuple[Word, ...]
    ) -> Word:
        text = str(facts.get(name, ""))
        for word in wanted:
            if word == text:
                return word
        raise self._unfit(f"{place}.{name}", f"is {text!r}, not one of {', '.join(wanted)}")

    def identifier(self, row: Mapping[str, Any]) -> Identifier:
        place = self.one_of("identifiers", row, "place", PLACES)
        scheme = str(row.get("scheme", ""))
        if not _SCHEME.fullmatch(scheme) or not isinstance(row.get("required"), bool):
            raise self._unfit("identifiers", "needs a scheme of 1 to 4 letters, and required")
        field = self.one_of("identifiers", row, "field", IDENTIFIERS)
        return Identifier(field, place, scheme, row["required"])

    def message(self, name: str) -> str:
        if name not in ("pain.001.001.03", "pain.001.001.09"):
            raise self._unfit("messages.payments", f"holds {name!r}, which is not written here")
        return name

    def switches(self) -> WriterProfile:
        facts = self.table("switches")
        usual = WriterProfile()
        words = {
            name: self.of_type("switches", facts, name, type(getattr(usual, name)))
            for name in facts
            if name not in ("source", "verified")
        }
        for name in ("default_category", "default_service_level"):
            if name in words and not re.fullmatch(r"[A-Z0-9]{0,4}", words[name]):
                raise self._unfit(f"switches.{name}", f"is {words[name]!r}, no code of 4 letters")
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
            if not isinstance(facts, dict):
                raise self._unfit(f"sources.{key}", "is no table; write [sources.NAME]")
            title, read = facts.get("title"), facts.get("read")
            if not isinstance(title, str) or not title.strip() or type(read) is not datetime.date:
                raise self._unfit(f"sources.{key}", "needs a title and the day it was read")
            if read > datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1):
                raise self._unfit(f"sources.{key}", f"was read on {read}, which is still to come")
            found[key] = Source(facts["title"], facts["read"])
        return found


_CALLED = {bool: "yes or no (true, false)", int: "whole number", str: "text", list: "list"}
_FIELDS = {
    "messages": {"payments", "cancel", "balance", "direkte_remittering"},
    "rules": {
        "unauthorised",
        "documents_max",
        "structured_address",
        "address_abroad",
        "currencies",
    },
    "identifiers": {"field", "place", "scheme", "required"},
    "cut_offs": {"payment", "time"},
    "switches": {field.name for field in dataclasses.fields(WriterProfile)},
}
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
