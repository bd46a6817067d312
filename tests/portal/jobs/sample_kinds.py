"""Kinds of work for tests, registered as an app would; a worker is told to include this module."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path
from typing import Any

from portal.access import roles
from portal.access.roles import Permission
from portal.jobs import kinds
from portal.jobs.models import Job
from portal.jobs.progress import Failed, Progress

EXPORT, FIXED, SALARY = "sample.export", "sample.fixed", "sample.salary"
BROKEN, REFUSED, SLEEPY, HIDDEN = (
    "sample.broken",
    "sample.refused",
    "sample.sleepy",
    "sample.hidden",
)
INCLUDE = ("-I", "tests.portal.jobs.sample_kinds")
# In the test's own process a run says that it is halfway, and goes on when let.
halfway, go_on = threading.Event(), threading.Event()


def content(rows: int) -> bytes:
    """What the export of so many rows writes."""
    return "".join(f"{row};æøå\r\n" for row in range(rows)).encode()


def _title(params: dict[str, Any]) -> str:
    return f"Sample of {params.get('rows', 0)}"


def _export(job: Job, progress: Progress) -> dict[str, Any] | None:
    """Rows as CSV; halfway it waits while the file `hold` stands, or for `go_on`."""
    rows = job.params["rows"]
    file = progress.file("sample.csv", "text/csv; charset=utf-8")
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    for row in range(rows):
        progress.to(row, rows)
        text.write(f"{row};æøå\r\n")
        if row == rows // 2:
            _wait(job.params, progress, row)
    text.close()
    progress.to(rows, rows)
    return {"needs": sorted(job.needs), "language": job.language}


def _wait(params: dict[str, Any], progress: Progress, row: int) -> None:
    hold = params.get("hold")
    while hold and Path(hold).exists():
        time.sleep(0.05)
        progress.to(row)
    if params.get("gated"):
        halfway.set()
        assert go_on.wait(30)
        time.sleep(0.6)  # so that the next word of progress is written
        progress.to(row)


def _broken(job: Job, progress: Progress) -> None:
    progress.file("sample.csv", "text/csv").write(b"half of it")
    progress.to(5, 10)
    raise ZeroDivisionError("the secret inside")


def _refused(job: Job, progress: Progress) -> None:
    raise Failed("There is nothing in this period. Choose another.", code="empty")


def _sleepy(job: Job, progress: Progress) -> None:
    """Says nothing for long, so that only the worker's own limit can end it."""
    progress.to(1)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")


def _hidden(job: Job, progress: Progress) -> None:
    from django.db import transaction

    with transaction.atomic():
        progress.to(1)
        time.sleep(0.6)
        progress.to(2)


def _facts(job: Job) -> list[tuple[str, str]]:
    return [("Language", (job.result or {}).get("language", ""))]


_ANY = roles.SEE_PAYMENTS
kinds.register(EXPORT, run=_export, title=_title, permissions=_ANY, facts=_facts)
kinds.register(FIXED, run=_export, title=_title, permissions=_ANY, cancellable=False)
kinds.register(SALARY, run=_export, title=_title, permissions=[Permission.SEE_SALARY])
kinds.register(BROKEN, run=_broken, title=_title, permissions=_ANY)
kinds.register(REFUSED, run=_refused, title=_title, permissions=_ANY)
kinds.register(SLEEPY, run=_sleepy, title=_title, permissions=_ANY)
kinds.register(HIDDEN, run=_hidden, title=_title, permissions=_ANY)
