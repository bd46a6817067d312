"""The whole stack as `./run` starts it, and a real browser; skipped, saying so, without Chromium."""

from __future__ import annotations

import json
import os
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
from tests.browser.site import Site, running
from tests.conftest import own

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 120


class Stack:
    """A running Kvitt with its simulators, under one supervisor."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process: subprocess.Popen[bytes] | None = None
        self.facts: dict[str, Any] = {}

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


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    running = Stack(tmp_path / "kvitt")
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        running.stop()


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
    with django_db_blocker.unblock(), own(worker_id) as database:
        with running(database, tmp_path_factory.mktemp("site")) as made:
            yield made


def _needs_chromium() -> None:
    if chromium.found() is None:
        pytest.skip(chromium.MISSING)
