"""Holds the misbehaviour that people script, and for whom; must not touch the books."""

import json
import re
import threading
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

SCOPES = ("channel", "customer", "account", "file", "payment", "line", "has")
# What `has` may ask of a payment (date) or a transaction, as name=value.
FACTS = (
    "date", "payee", "name", "town", "kid", "message", "amount", "currency", "bic", "documents",
)  # fmt: skip
CODE_SHAPE = re.compile(r"[A-Z0-9]{1,4}( .+)?")
LEVELS = ("group", "payment", "transaction", "payment+transaction", "all")
DOOR = ("channel", "file")
ANSWER = ("channel", "customer", "account", "file")
BOOKS = ("customer", "account")
Value = str | int


@dataclass(frozen=True, slots=True)
class Kind:
    """What a script does, the values that it takes (none: any text), and where it may hold."""

    about: str
    default: Value = "on"
    values: tuple[str, ...] = ("on",)
    scopes: tuple[str, ...] = ANSWER
    whole: range | None = None


KNOWN: dict[str, Kind] = {
    # --- the door ---
    "lose_reply": Kind("the line is cut after an upload has got its name", scopes=DOOR),
    "cut_upload": Kind("the line is cut half way through an upload", scopes=DOOR),
    "cut_download": Kind("the line is cut half way through a download", scopes=DOOR),
    "slow": Kind("every call waits so many milliseconds", 300, (), ("channel",), range(1, 600_001)),
    "silent": Kind("files are taken, and nothing is handed over", scopes=("channel", "customer")),
    # --- answers to payments ---
    "no_receipt": Kind("no receipt (ACTC) comes"),
    "no_answer": Kind("after the receipt no answer comes; payments are carried out"),
    "levels": Kind("the levels at which the answer speaks", "group", LEVELS),
    "list_all": Kind("the answer lists every transaction, not only those refused"),
    "answer_twice": Kind("each answer comes twice, under two file names"),
    "camt_first": Kind("the debit advice comes before the last answer"),
    "acsc": Kind("ACSC is told when the money has left the account"),
    "dt06": Kind("payments move one bank day on, told as DT06", "ACWC", ("ACWC", "ACSC")),
    "late_am04": Kind("ACCP; when cover is lacking on the day, RJCT AM04 hours later"),
    "message_name": Kind("OrgnlMsgNmId is spelt so", "pain.001.001.03.xsd", ()),
    "unknown_status": Kind("a status that no standard has, at each payment", "ACFX", ()),
    "not_provided": Kind("EndToEndId is NOTPROVIDED in answers and debit advices"),
    "bom": Kind("files begin with a byte order mark"),
    "refuse_file": Kind("the file is refused as a whole with this code", "BE06", ()),
    "refuse_payment": Kind(
        "payments are refused with this code", "AC02", (), (*ANSWER, "payment", "has")
    ),
    "refuse_line": Kind(
        "transactions are refused with this code", "AC03", (), (*ANSWER, "payment", "line", "has")
    ),
    "park": Kind("payments wait for approval in the net bank", scopes=(*ANSWER, "payment")),
    # --- the money ---
    "advise_twice": Kind("each debit is advised again in another message", scopes=BOOKS),
    "pending_first": Kind("entries come as PDNG before they are booked", scopes=BOOKS),
    "info_first": Kind("entries come as INFO before they are booked", scopes=BOOKS),
    "no_details": Kind("batches are advised without their transactions", scopes=BOOKS),
    "totals": Kind("totals in advices and statements disagree with the details", scopes=BOOKS),
    "decimals": Kind("amounts have so many decimals", 3, (), BOOKS, range(3, 6)),
    "give_back": Kind(
        "what was paid comes back the next bank day: as a credit, or as a reversed debit",
        "credit",
        ("credit", "reversal"),
        (*BOOKS, "payment", "line"),
    ),
    "kid_as_text": Kind("a KID stands in the free text (Ustrd)", scopes=BOOKS),
    # --- files of Nets ---
    "ocr_no_end": Kind("OCR giro files lack their last record (89)", scopes=BOOKS),
    "ocr_totals": Kind("OCR giro files give a wrong sum", scopes=BOOKS),
}


class ScriptRefusedError(Exception):
    """A script that the bank does not know, or whose value or place it does not take."""


@dataclass(slots=True)
class Script:
    """One script: what, with which value, where, and how many times more (none: always)."""

    id: int
    what: str
    value: Value
    scope: dict[str, str] = field(default_factory=dict)
    times: int | None = None

    def holds(self, where: dict[str, Collection[str]]) -> bool:
        """Whether every part of its scope (a shell pattern) is among what is asked about; "has"
        may name several facts, with a semicolon between."""
        return all(
            any(fnmatchcase(name, pattern.strip()) for name in where.get(key, ()))
            for key, patterns in self.scope.items()
            for pattern in (patterns.split(";") if key == "has" else [patterns])
        )


class Scripts:
    """Thread-safe, outlives a restart: the SFTP loop, the control door and the worker read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        kept = json.loads(path.read_text()) if path.exists() else {"next": 1, "scripts": []}
        self._next: int = kept["next"]
        self._scripts = [Script(**row) for row in kept["scripts"]]

    def all(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(script) for script in self._scripts]

    def add(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """Adds {"what", "value"?, "times"?, and any of SCOPES}; a newer script goes before."""
        unknown = set(wanted) - {"what", "value", "times", *SCOPES}
        if unknown:
            raise ScriptRefusedError(f"unknown: {', '.join(sorted(unknown))}")
        what = wanted.get("what")
        if what not in KNOWN:
            raise ScriptRefusedError(f"{what!r}: the bank knows {', '.join(KNOWN)}")
        kind = KNOWN[what]
        scope = {key: wanted[key] for key in SCOPES if wanted.get(key)}
        outside = set(scope) - set(kind.scopes)
        if outside or not all(isinstance(text, str) for text in scope.values()):
            raise ScriptRefusedError(f"{what} holds for {', '.join(kind.scopes)}")
        for part in scope.get("has", "").split(";") if "has" in scope else []:
            if part.strip().partition("=")[0] not in FACTS or "=" not in part:
                told = f"has: {part.strip()!r} is not one of {', '.join(FACTS)} with = and a value"
                raise ScriptRefusedError(told)
        times = wanted.get("times")
        if times is not None and (type(times) is not int or times < 1):
            raise ScriptRefusedError(f"times: {times!r} is not a number from 1")
        value = _value(what, kind, wanted.get("value", kind.default))
        with self._lock:
            script = Script(self._next, what, value, scope, times)
            self._next += 1
            self._scripts.append(script)
            self._keep()
            return asdict(script)

    def remove(self, script_id: int | None) -> int:
        """Takes away one script, or all when no id is given; returns how many went."""
        with self._lock:
            kept = [one for one in self._scripts if script_id is not None and one.id != script_id]
            gone = len(self._scripts) - len(kept)
            self._scripts = kept
            self._keep()
            return gone

    def has(self, *names: str) -> bool:
        """Whether any of these is scripted for anybody: asked once before many questions."""
        with self._lock:
            return any(script.what in names for script in self._scripts)

    def value(self, what: str, **where: str | Collection[str]) -> Value | None:
        """The newest script's value for that place, using one of its times up; none: None."""
        asked = {key: {text} if isinstance(text, str) else text for key, text in where.items()}
        with self._lock:
            for script in reversed(self._scripts):
                if script.what == what and script.holds(asked):
                    self._spend(script)
                    return script.value
        return None

    def _spend(self, script: Script) -> None:
        if script.times is None:
            return
        script.times -= 1
        if not script.times:
            self._scripts.remove(script)
        self._keep()

    def _keep(self) -> None:
        fresh = self._path.with_suffix(".new")
        rows = [asdict(script) for script in self._scripts]
        fresh.write_text(json.dumps({"next": self._next, "scripts": rows}))
        fresh.replace(self._path)


def _value(what: str, kind: Kind, value: object) -> Value:
    if kind.whole is not None:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if type(value) is not int or value not in kind.whole:
            raise ScriptRefusedError(
                f"{what}: {value!r} is not from {kind.whole[0]} to {kind.whole[-1]}"
            )
        return value
    if value is True:
        value = "on"
    if not isinstance(value, str) or not 0 < len(value) <= 140:
        raise ScriptRefusedError(f"{what}: {value!r} is not a text of 1 to 140 characters")
    if what.startswith("refuse_") and not CODE_SHAPE.fullmatch(value):
        raise ScriptRefusedError(f"{what}: {value!r} does not begin with a code as AC03")
    if kind.values and value not in kind.values:
        raise ScriptRefusedError(f"{what} takes {', '.join(kind.values)}")
    return value
