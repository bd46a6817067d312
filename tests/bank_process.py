"""Simulated banks as processes that are forked from one that has imported everything already.

A bank of its own for each test would else spend most of its start on imports.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["banking.simbank.__main__"])


def _run(arguments: list[str], log: str) -> None:
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.argv = ["simbank", *arguments]
    from banking.simbank.__main__ import main

    main()


class BankProcess:
    """`python -m banking.simbank ARGUMENTS`, as far as tests ask a process anything."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        # A daemon, so that a test run that is broken off leaves none behind.
        self._process: BaseProcess = _context.Process(
            target=_run, args=(arguments, str(log)), daemon=True
        )
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit code, None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, seconds: float) -> int:
        """Its exit code; TimeoutError when it has not ended in time."""
        self._process.join(seconds)
        code = self.poll()
        if code is None:
            raise TimeoutError(f"the bank {self.pid} has not ended in {seconds} s")
        return code
