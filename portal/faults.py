"""Named points where a test may kill the process; inert unless the environment names one.

A point is `name` or `name:n` (die at the n-th passing). It kills with SIGKILL, as a machine
failure would: no cleanup, no rollback but the database's own.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

from django.conf import settings

_passed: Counter[str] = Counter()


def point(name: str) -> None:
    """Dies here when the environment asks for it; else does nothing."""
    if not settings.FAULT_POINT:
        return
    wanted, _, times = settings.FAULT_POINT.partition(":")
    if wanted != name:
        return
    _passed[name] += 1
    if _passed[name] >= int(times or 1):
        os.kill(os.getpid(), signal.SIGKILL)
