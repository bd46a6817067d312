"""The whole stack as `./run` starts it, and a real browser; skipped, saying so, without Chromium."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.demo.servers import free_port
from tests.browser import chromium
from tests.browser.site import Site, over_the_scene
from tests.conftest import once

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120


class Stack:
    """A running Kvitt with its simulators, under one supervisor."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process: subprocess.Popen[bytes] | None = None
        self.facts: dict[str, Any] = {}

    @classmethod
    def ready(cls, data: Path) -> Stack:
        """Running, on what the first start of this run of the tests has made: migrated, loaded."""
        made = once("stack", _loaded)
        shutil.copytree(made, data, ignore=shutil.ignore_patterns("ports.json", "logs", "out.log"))
        stack = cls(data)
        stack.start()
        return stack

    def start(self) -> None:
        command = [sys.executable, "-m", "portal.demo.supervisor", "--data", str(self.data)]
        without = ("DATABASE_URL", "REDIS_URL", "KVITT_DATA_DIR", "SECRET_KEY", "KVITT_BASE_URL")
        environment = {name: v for name, v in os.environ.items() if name not in without}
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "out.log").open("ab") as out:
            self.process = subprocess.Popen(
                [*command, "--port", str(free_port())],
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        ready = self.data / "stack.json"
        deadline = time.monotonic() + READY_SECONDS
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((self.data / "out.log").read_text()[-5000:])
            time.sleep(0.1)
        self.facts = json.loads(ready.read_text())

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)

    @property
    def url(self) -> str:
        return str(self.facts["base_url"])

    def ask(self, which: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call to a simulator's control address: simerp_url or simbank_control_url."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.facts[which] + path, data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def _loaded() -> str:
    """A stack that has been started once and stopped; its folder."""
    stack = Stack(Path(os.environ["KVITT_DATA_DIR"]) / "stack")
    stack.start()
    stack.stop()
    return str(stack.data)


@contextlib.contextmanager
def running_stack(data: Path) -> Iterator[Stack]:
    """A stack of one's own, stopped afterwards where it still runs."""
    stack = Stack.ready(data)
    try:
        yield stack
    finally:
        if stack.process is not None and stack.process.poll() is None:
            stack.stop()


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_stack(tmp_path / "kvitt") as stack:
        yield stack


@pytest.fixture
def browser() -> Iterator[Any]:
    _needs_chromium()
    with chromium.running() as found:
        yield found


@pytest.fixture(scope="module")
def site(
    django_db_setup: None,
    django_db_blocker: Any,
    worker_id: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    """A server over a full scene, for all tests of a module: they read, and change nothing."""
    _needs_chromium()
    with django_db_blocker.unblock():
        with over_the_scene(worker_id, tmp_path_factory.mktemp("site")) as (_database, made):
            yield made


def _needs_chromium() -> None:
    if chromium.found() is None:
        pytest.skip(chromium.MISSING)
