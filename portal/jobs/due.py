"""Which runs the timetable owes, as rows; beat only ticks. Machine time."""

from __future__ import annotations

import datetime as dt

from django.db import transaction
from django.utils import timezone

from portal.jobs.models import DueJob, Heartbeat

STALE = dt.timedelta(minutes=15)
KEEP = dt.timedelta(days=7)


def owe(timetable: dict[str, int], *, now: dt.datetime) -> list[int]:
    """Writes the runs that are due (job name → every so many seconds); ids of those unstarted.

    A run is unique by job and time, so two beats owe it once. A run that was started and never
    finished is owed again after STALE.
    """
    rows = []
    for job, every_seconds in timetable.items():
        due = dt.datetime.fromtimestamp(now.timestamp() // every_seconds * every_seconds, dt.UTC)
        rows.append(DueJob(job=job, due_at=due))
    DueJob.objects.bulk_create(rows, ignore_conflicts=True)
    DueJob.objects.filter(started_at__lt=now - STALE, finished_at=None).update(started_at=None)
    waiting = DueJob.objects.filter(started_at=None, job__in=list(timetable)).order_by("due_at")
    latest: dict[str, int] = {}
    skipped = []
    for row in waiting:
        if row.job in latest:
            skipped.append(latest[row.job])
        latest[row.job] = row.pk
    # Several missed runs of one job are one run: each takes all that waits.
    DueJob.objects.filter(pk__in=skipped, started_at=None).update(
        started_at=now, finished_at=now, error="merged"
    )
    return list(latest.values())


def start(job_id: int) -> DueJob | None:
    """Takes a run, or None when another worker has it."""
    with transaction.atomic():
        row = (
            DueJob.objects.select_for_update(skip_locked=True)
            .filter(pk=job_id, started_at=None)
            .first()
        )
        if row is None:
            return None
        row.started_at = timezone.now()
        row.save(update_fields=["started_at"])
    return row


def finish(row: DueJob, *, error: str = "") -> None:
    """Records that a run is over."""
    row.finished_at, row.error = timezone.now(), error[:2000]
    row.save(update_fields=["finished_at", "error"])


def beat(name: str) -> None:
    """Records a heartbeat."""
    Heartbeat.objects.update_or_create(name=name, defaults={"at": timezone.now()})


def last_beat(name: str) -> dt.datetime | None:
    """When a part was last heard of."""
    return Heartbeat.objects.filter(name=name).values_list("at", flat=True).first()


def prune(*, now: dt.datetime) -> int:
    """Removes finished runs that are older than KEEP."""
    return DueJob.objects.filter(finished_at__lt=now - KEEP).delete()[0]
