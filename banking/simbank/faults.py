"""Holds the faults that tests switch on; must not touch the books, and outlives a restart."""

import json
import threading
from pathlib import Path

DEFAULTS: dict[str, int | bool] = {
    "lose_reply": 0,
    "cut_upload": 0,
    "slow_ms": 0,
    "silent": False,
    "late_am04": False,
    "dt06": False,
    "answer_twice": False,
    "camt_first": False,
}


class UnknownFaultError(Exception):
    """A fault was named that the bank does not know, or its value has the wrong kind."""


class Faults:
    """Thread-safe: the SFTP loop, the control server and the worker all read it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._values = dict(DEFAULTS)
        if path.exists():
            self._values.update(json.loads(path.read_text()))

    def all(self) -> dict[str, int | bool]:
        with self._lock:
            return dict(self._values)

    def is_on(self, name: str) -> bool:
        with self._lock:
            return bool(self._values[name])

    @property
    def slow_seconds(self) -> float:
        with self._lock:
            return self._values["slow_ms"] / 1000

    def switch(self, wanted: dict[str, object]) -> None:
        for name, value in wanted.items():
            kind = type(DEFAULTS[name]) if name in DEFAULTS else None
            if type(value) is not kind or (kind is int and int(str(value)) < 0):
                raise UnknownFaultError(f"{name}: {value!r}")
        with self._lock:
            for name, value in wanted.items():
                assert isinstance(value, int)
                self._values[name] = value
            self._keep()

    def spend(self, name: str) -> bool:
        """Uses up one of a counted fault; false when none is left."""
        with self._lock:
            if self._values[name] <= 0:
                return False
            self._values[name] -= 1
            self._keep()
            return True

    def _keep(self) -> None:
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps(self._values))
        fresh.replace(self._path)
