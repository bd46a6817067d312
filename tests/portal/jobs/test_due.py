"""What the timetable owes: each run once, however many beats, and again when it was lost."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from portal import celery
from portal.access import actors, tenancy
from portal.celery import app
from portal.events import moves
from portal.events.models import Event
from portal.jobs import due
from portal.jobs.models import DueJob
from tests import kit
from tests.portal.events.threads import together

NOON = dt.datetime(2026, 11, 23, 12, 0, 3, tzinfo=dt.UTC)
TABLE = {"a": 10, "b": 3600}


def rows(job: str = "a") -> list[DueJob]:
    return list(DueJob.objects.filter(job=job).order_by("due_at"))


def later(seconds: float) -> dt.datetime:
    return NOON + dt.timedelta(seconds=seconds)


@pytest.fixture
def noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


def test_a_run_is_owed_once_by_any_number_of_beats(db: None) -> None:
    first = due.owe(TABLE, now=NOON)
    assert len(first) == 2
    assert sorted(due.owe(TABLE, now=later(2))) == sorted(first)
    assert DueJob.objects.count() == 2
    assert [row.due_at for row in rows()] == [NOON.replace(second=0)]


def test_two_beats_at_the_same_moment_owe_a_run_once(own_database: str) -> None:
    answers = together(*[lambda: due.owe(TABLE, now=NOON)] * 4)
    assert not [answer for answer in answers if isinstance(answer, Exception)], answers
    assert DueJob.objects.count() == 2


def test_a_run_is_taken_by_one_worker_only(own_database: str) -> None:
    (job_id,) = due.owe({"a": 10}, now=NOON)
    taken = together(*[lambda: due.start(job_id)] * 6)
    assert len([row for row in taken if isinstance(row, DueJob)]) == 1
    assert taken.count(None) == 5


def test_a_run_that_is_finished_is_not_owed_again(db: None, noon: None) -> None:
    (job_id,) = due.owe({"a": 10}, now=NOON)
    row = due.start(job_id)
    assert row is not None
    assert due.owe({"a": 10}, now=later(1)) == []
    due.finish(row)
    assert due.owe({"a": 10}, now=later(2)) == []
    assert due.start(job_id) is None
    assert len(due.owe({"a": 10}, now=later(10))) == 1


def test_a_run_that_was_started_and_lost_is_owed_again(db: None) -> None:
    (job_id,) = due.owe({"b": 3600}, now=NOON)
    with time_machine.travel(NOON, tick=False):
        assert due.start(job_id) is not None
    assert due.owe({"b": 3600}, now=NOON + due.STALE) == []
    assert due.owe({"b": 3600}, now=NOON + due.STALE + dt.timedelta(seconds=1)) == [job_id]
    assert due.start(job_id) is not None


def test_missed_runs_are_merged_into_the_latest(db: None) -> None:
    for seconds in (0, 10, 20):
        DueJob.objects.create(job="a", due_at=later(seconds).replace(microsecond=0))
    DueJob.objects.create(job="b", due_at=NOON)
    ids = due.owe({"a": 10}, now=later(30))
    kept = rows()
    assert ids == [kept[-1].pk]
    assert [row.error for row in kept] == ["merged"] * 3 + [""]
    assert all(row.finished_at for row in kept[:-1])
    assert rows("b")[0].finished_at is None


def test_a_failure_is_kept_and_cut(db: None) -> None:
    (job_id,) = due.owe({"a": 10}, now=NOON)
    row = due.start(job_id)
    assert row is not None
    due.finish(row, error="x" * 5000)
    row.refresh_from_db()
    assert len(row.error) == 2000
    assert row.finished_at is not None


def test_old_finished_runs_are_removed_and_open_ones_kept(db: None) -> None:
    for age, finished in ((8, True), (8, False), (6, True)):
        when = NOON - dt.timedelta(days=age)
        DueJob.objects.create(
            job=f"{age}{finished}",
            due_at=when,
            started_at=when,
            finished_at=when if finished else None,
        )
    assert due.prune(now=NOON) == 1
    assert set(DueJob.objects.values_list("job", flat=True)) == {"8False", "6True"}


def test_a_heartbeat_is_one_row_that_moves(db: None) -> None:
    assert due.last_beat("beat") is None
    for when in (NOON, later(60)):
        with time_machine.travel(when, tick=False):
            due.beat("beat")
    assert due.last_beat("beat") == later(60)


def test_a_killed_beat_makes_up_for_nothing_twice(db: None, noon: None) -> None:
    """A day of ticks with holes: each run that was due while a beat lived is done once."""
    done = []
    for tick in range(0, 3600, 5):
        if 600 <= tick < 1200:
            continue
        for job_id in due.owe({"a": 60}, now=later(tick)):
            row = due.start(job_id)
            assert row is not None
            due.finish(row)
            done.append(row.due_at)
    assert len(done) == len(set(done)) == 50
    assert done == sorted(done)


@pytest.fixture
def eager() -> Any:
    """Celery's tasks run here and now, through Celery's own way of calling them."""
    app.loader.import_default_modules()
    before = app.conf.task_always_eager
    app.conf.task_always_eager = True
    yield
    app.conf.task_always_eager = before


def test_a_tick_runs_what_is_due_and_records_it(db: None, eager: None) -> None:
    company = kit.company()
    with tenancy.acting_for([company]):
        moves.record(
            company_id=company.pk,
            event="tested",
            subject="payment",
            subject_id=1,
            by=actors.CLOCK,
            at=timezone.now(),
        )
    celery.tick.delay()
    ran = {row.job: row for row in DueJob.objects.all()}
    assert set(ran) == set(celery.timetable())
    assert all(row.finished_at and not row.error for row in ran.values()), {
        row.job: row.error for row in ran.values()
    }
    assert due.last_beat("beat") is not None
    with tenancy.acting_for([company]):
        assert Event.objects.get().sequence == 1
    celery.tick.delay()
    assert DueJob.objects.filter(job="portal.tidy").count() == 1


def test_every_job_of_the_timetable_is_a_task(db: None) -> None:
    app.loader.import_default_modules()
    assert set(celery.timetable()) <= set(app.tasks)


def test_a_run_twice_from_the_queue_is_done_once(db: None, eager: None) -> None:
    (job_id,) = due.owe({"portal.number_events": 10}, now=NOON)
    celery.run.delay(job_id)
    first = DueJob.objects.get(pk=job_id).finished_at
    celery.run.delay(job_id)
    assert DueJob.objects.get(pk=job_id).finished_at == first


def test_a_job_that_fails_is_recorded_and_stops_nothing(db: None, eager: None) -> None:
    (job_id,) = due.owe({"no.such.job": 10}, now=NOON)
    celery.run.delay(job_id)
    row = DueJob.objects.get(pk=job_id)
    assert row.error.startswith("NotRegistered: ")
    assert row.finished_at is not None


def test_tidying_removes_what_is_old(db: None, eager: None) -> None:
    old = timezone.now() - due.KEEP - dt.timedelta(days=1)
    DueJob.objects.create(job="x", due_at=old, started_at=old, finished_at=old)
    celery.tidy.delay()
    assert not DueJob.objects.exists()
