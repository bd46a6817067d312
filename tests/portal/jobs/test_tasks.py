"""Celery's tasks reach the jobs of every company, and the tidy their files."""

from __future__ import annotations

import datetime as dt

import pytest
from django.utils import timezone

from portal import celery
from portal.jobs import tasks, work
from portal.jobs.models import Job, JobFilePart
from tests import kit
from tests.kit import Stage
from tests.portal.jobs import sample_kinds as sample

pytestmark = pytest.mark.django_db


def ask(made: Stage) -> Job:
    with made.scope():
        return work.start(
            company=made.company, user=made.users["anne"], kind=sample.EXPORT, params={"rows": 3}
        )


def test_silent_jobs_of_every_company_are_picked_up() -> None:
    made = [kit.stage(), kit.stage(place=2)]
    long_ago = timezone.now() - dt.timedelta(hours=1)
    for stage in made:
        job = ask(stage)
        with stage.scope():
            assert work._take(job.pk) is not None
            Job.objects.update(seen_at=long_ago)
    tasks.pick_up()
    for stage in made:
        with stage.scope():
            assert Job.objects.get().status == "waiting"


def test_a_task_runs_its_job_and_the_tidy_removes_the_file_on_its_day() -> None:
    made = kit.stage()
    job = ask(made)
    tasks.run(made.company.pk, job.pk)
    celery.tidy()
    with made.scope():
        assert JobFilePart.objects.count() == 1
        Job.objects.update(expires_at=timezone.now())
    celery.tidy()
    with made.scope():
        assert JobFilePart.objects.count() == 0
        assert Job.objects.get().status == "done"


def test_a_task_finds_nothing_in_another_company() -> None:
    made, other = kit.stage(), kit.stage(place=2)
    job = ask(made)
    tasks.run(other.company.pk, job.pk)
    with made.scope():
        assert Job.objects.get().status == "waiting"
