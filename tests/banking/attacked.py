"""Reads one file in a process of its own and tells what became of it, how long it took and how
much memory: `python -m tests.banking.attacked < FILE`."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time

from banking import listing
from banking.iso20022 import pain001
from banking.located import Unreadable


def memory_mib() -> float:
    """The most that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryFile() as content:
        while chunk := sys.stdin.buffer.read(1 << 20):
            content.write(chunk)
        content.seek(0)
        before, began, code, problem = memory_mib(), time.perf_counter(), "", ""
        try:
            listing.summarise(content)
            content.seek(0)
            list(pain001.read(content, schema=True))  # what is taken in by the ERP's door
        except Unreadable as fault:
            code, problem = fault.code, fault.problem
        told = {
            "code": code,
            "problem": problem,
            "seconds": time.perf_counter() - began,
            "mib": memory_mib() - before,
        }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
