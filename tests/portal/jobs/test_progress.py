"""What a run tells on the way: seldom written, always checked, never for another's job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.access.models import RoleGrant
from portal.jobs import progress, work
from portal.jobs.models import Job
from portal.jobs.progress import Progress
from tests import kit
from tests.kit import Stage
from tests.portal.jobs import sample_kinds as sample


@pytest.fixture
def made(db: None) -> Iterator[Stage]:
    stage = kit.stage()
    with stage.scope():
        yield stage


@pytest.fixture
def job(made: Stage) -> Job:
    """A job that is under way."""
    asked = work.start(
        company=made.company, user=made.users["anne"], kind=sample.EXPORT, params={"rows": 1}
    )
    taken = work._take(asked.pk)
    assert taken is not None
    return taken


def told(job: Job) -> tuple[int, int | None]:
    row = Job.objects.get(pk=job.pk)
    return row.done, row.total


def test_a_million_rows_are_told_in_few_words(job: Job) -> None:
    running = Progress(job)
    with CaptureQueriesContext(connection) as captured:
        for row in range(100_000):
            running.to(row, 100_000)
    assert len(captured) <= 4 * 8
    assert running.done == 99_999


def test_how_much_there_is_in_all_is_told_as_soon_as_it_is_known(job: Job) -> None:
    running = Progress(job)
    running.to(0)
    running.to(3)
    assert told(job) == (0, None)
    running.to(4, 90)
    assert told(job) == (4, 90)
    running.to(5)
    assert (running.done, running.total) == (5, 90)


def test_a_run_hears_that_it_must_end(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(cancel_asked_at=timezone.now())
    with pytest.raises(progress.Cancelled) as stopped:
        Progress(job).to(1)
    assert stopped.value.code == progress.ASKED


def test_a_run_hears_that_its_askers_role_is_gone(job: Job) -> None:
    RoleGrant.objects.filter(user=job.user).delete()
    with pytest.raises(progress.Cancelled) as stopped:
        Progress(job).to(1)
    assert stopped.value.code == progress.NOT_ALLOWED


@pytest.mark.parametrize("change", [{"attempts": 2}, {"attempts": 0}])
def test_a_run_whose_job_is_anothers_hears_it_and_writes_nothing(
    change: dict[str, Any], job: Job
) -> None:
    Job.objects.filter(pk=job.pk).update(**change)
    with pytest.raises(progress.Lost):
        Progress(job).to(7, 8)
    assert told(job) == (0, None)


def test_progress_is_refused_inside_a_transaction_that_would_hide_it(job: Job) -> None:
    running = Progress(job)
    with transaction.atomic(), pytest.raises(progress.InTransaction):
        running.to(1)
    running.to(2)
    assert told(job) == (2, None)


def test_a_run_makes_one_file(job: Job) -> None:
    running = Progress(job)
    running.file("a.csv", "text/csv")
    with pytest.raises(progress.OneFile):
        running.file("b.csv", "text/csv")
    running.close()
