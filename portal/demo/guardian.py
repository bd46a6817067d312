"""A process that does its work in a child, and ends all that the child leaves behind."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from portal.demo.servers import child_setup


def guarded(work: Callable[[], int]) -> int:
    """Does the work in a child process and ends all that it leaves behind, however it ends.

    Orphans fall to this process (it is their subreaper), so not even a `kill -9` of the child
    leaves one; a `kill -9` of this process makes the child stop its programs in good order.
    """
    if sys.platform != "linux":
        return work()
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    told = heard()
    signal.pthread_sigmask(signal.SIG_BLOCK, told | {signal.SIGCHLD})
    tie = child_setup(signal.SIGTERM)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, told | {signal.SIGCHLD})
        tie()
        return work()
    while (status := _reap().get(child)) is None:
        info = signal.sigwaitinfo(told | {signal.SIGCHLD})
        # A Ctrl-C in the terminal (from the kernel, no sender) has reached the child itself.
        if info.si_signo in told and (info.si_pid or info.si_signo != signal.SIGINT):
            os.kill(child, info.si_signo)
    _end_descendants()
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def heard() -> set[signal.Signals]:
    """The signals that ask us to stop. One that nohup has closed our ears to stays unheard."""
    nohup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return {signal.SIGINT, signal.SIGTERM} | (set() if nohup else {signal.SIGHUP})


def _reap() -> dict[int, int]:
    """The children that have ended since last asked, and how; adopted ones too."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:  # there is none left
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


def _end_descendants(patience_seconds: float = 3.0) -> None:
    """Waits for what the child left behind (the servers shut down by themselves), then kills."""
    deadline = time.monotonic() + patience_seconds
    while True:
        _reap()
        left = _children()
        if not left:
            return
        for pid in left if time.monotonic() > deadline else ():
            os.kill(pid, signal.SIGKILL)  # its own children become ours, and are next
        time.sleep(0.02)


def _children() -> list[int]:
    """Our living and unreaped children. None can vanish meanwhile: only we reap them."""
    me, found = os.getpid(), []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = entry.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # somebody else's, gone since the listing
            continue
        if int(words[1]) == me:
            found.append(int(entry.parent.name))
    return found
