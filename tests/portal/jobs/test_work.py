"""Long work: asked, run once, stopped, begun again, given up; always told in the log of events."""

from __future__ import annotations

import datetime as dt
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as live
from django.db import connection
from django.utils import timezone, translation

from portal.access import actors, tenancy
from portal.access.models import RoleGrant, User
from portal.access.roles import Permission, Role
from portal.erp import feed
from portal.events.models import Event
from portal.jobs import kinds, lifecycle, results, work
from portal.jobs.models import Job, JobFilePart
from tests import kit
from tests.kit import Stage
from tests.portal.events.threads import together
from tests.portal.jobs import sample_kinds as sample

Rows = list[tuple[str, str]]


@pytest.fixture
def made(db: None) -> Iterator[Stage]:
    stage = kit.stage()
    with stage.scope():
        yield stage


@pytest.fixture
def real(own_database: str) -> Stage:
    """A stage whose work is committed, as workers need it."""
    redis.Redis.from_url(live.REDIS_URL).flushdb()
    sample.halfway.clear()
    sample.go_on.clear()
    return kit.stage()


def ask(made: Stage, kind: str = sample.EXPORT, *, by: str = "anne", **params: Any) -> Job:
    with tenancy.acting_for([made.company], user=made.users[by]):
        return work.start(
            company=made.company, user=made.users[by], kind=kind, params={"rows": 10} | params
        )


def run(job: Job) -> Job:
    work.run(company_id=job.company_id, job_id=job.pk)
    return fresh(job)


def fresh(job: Job) -> Job:
    with tenancy.acting_for([job.company_id]):
        found: Job = Job.objects.get(pk=job.pk)
        return found


def life(job: Job) -> Rows:
    """The job's events, with who did it."""
    with tenancy.acting_for([job.company_id]):
        rows = Event.objects.filter(subject="job", subject_id=job.pk).order_by("id")
        return list(rows.values_list("event", "actor_kind"))


def bytes_of(job: Job) -> bytes:
    with tenancy.acting_for([job.company_id]), results.open_content(job) as content:
        return content.read()


def age(job: Job) -> None:
    """As if nothing had been heard of the job for long."""
    long_ago = timezone.now() - dt.timedelta(seconds=live.JOB_SILENT_SECONDS + 1)
    with tenancy.acting_for([job.company_id]):
        Job.objects.filter(pk=job.pk).update(seen_at=long_ago)


def test_a_job_that_is_asked_for_waits_and_says_who_asked(made: Stage) -> None:
    with translation.override("en"):
        job = ask(made, sample.EXPORT)
    assert (job.status, job.user, job.language) == ("waiting", made.users["anne"], "en")
    assert (job.done, job.total, job.attempts) == (0, None, 0)
    assert job.permissions == ["payments.see_supplier"]
    assert len(job.public_id) == 10
    assert life(job) == [("job_asked", "user")]


def test_a_job_is_run_to_its_end_and_leaves_a_file_with_its_hash(made: Stage) -> None:
    job = run(ask(made))
    assert (job.status, job.done, job.total, job.attempts) == ("done", 10, 10, 1)
    assert (job.file_name, job.media_type) == ("sample.csv", "text/csv; charset=utf-8")
    assert bytes_of(job) == sample.content(10)
    assert job.size == len(sample.content(10))
    assert job.expires_at - job.finished_at == dt.timedelta(days=7)
    assert job.result == {"needs": ["payments.see_supplier"], "language": "nb"}
    assert life(job) == [("job_asked", "user"), ("job_begun", "clock"), ("job_done", "clock")]


def test_the_erp_is_told_nothing_of_jobs(made: Stage) -> None:
    run(ask(made))
    assert not Event.objects.filter(subject="job", told=True).exists()
    told = feed.after(company=made.company, cursor=0, limit=100, language="nb")
    assert [row for row in told["events"] if row["subject"] == "job"] == []


def test_a_kind_that_fails_says_so_in_a_sentence_and_logs_the_trace(
    made: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    job = run(ask(made, sample.BROKEN))
    assert (job.status, job.error_code, job.error_text) == ("failed", work.UNEXPECTED, "")
    assert (job.done, job.total) == (5, 10)
    assert JobFilePart.objects.count() == 0
    assert job.file_name == ""
    (record,) = [row for row in caplog.records if "jobs.failed" in row.getMessage()]
    assert record.exc_info or "ZeroDivisionError" in record.getMessage()
    assert job.public_id in record.getMessage()
    assert life(job)[-1] == ("job_failed", "clock")


def test_a_kind_may_end_with_a_sentence_of_its_own(made: Stage) -> None:
    job = run(ask(made, sample.REFUSED))
    assert (job.status, job.error_code) == ("failed", "empty")
    assert job.error_text == "There is nothing in this period. Choose another."


def test_a_kind_that_nobody_knows_is_refused_and_its_old_jobs_fail(made: Stage) -> None:
    with pytest.raises(kinds.Unknown):
        ask(made, "no.such.kind")
    job = ask(made)
    Job.objects.filter(pk=job.pk).update(kind="no.such.kind")
    assert run(job).error_code == work.UNEXPECTED


def test_a_job_stands_on_what_its_asker_held_of_the_kinds_permissions(made: Stage) -> None:
    with pytest.raises(work.NotAllowed):
        ask(made, sample.SALARY)
    with pytest.raises(work.NotAllowed):
        ask(made, by="erp")
    made.users["both"] = kit.person("both", made.company, Role.APPROVER, Role.PAYROLL_APPROVER)
    job = ask(made, by="both")
    assert job.needs == {Permission.SEE_SUPPLIER, Permission.SEE_SALARY}
    RoleGrant.objects.filter(user=made.users["both"], role=Role.PAYROLL_APPROVER).delete()
    job = run(job)
    assert (job.status, job.error_code) == ("cancelled", "not_allowed")


def test_the_job_of_a_user_who_is_gone_does_not_begin(made: Stage) -> None:
    job = ask(made)
    User.objects.filter(pk=made.users["anne"].pk).update(is_active=False)
    assert run(job).status == "cancelled"


def test_the_fourth_open_job_is_refused_until_one_has_ended(made: Stage) -> None:
    jobs = [ask(made) for _ in range(3)]
    with pytest.raises(work.TooMany) as refused:
        ask(made)
    assert refused.value.limit == 3
    ask(made, by="bjorn")
    run(jobs[0])
    ask(made)


def test_the_limit_of_a_person_holds_across_companies(made: Stage) -> None:
    other = kit.stage(place=2)
    anne = other.users["anne"] = made.users["anne"]
    kit.give(anne, other.company, Role.APPROVER)
    ask(made), ask(made), ask(other)
    with pytest.raises(work.TooMany):
        ask(other)


def test_four_requests_at_once_do_not_pass_the_limit(real: Stage) -> None:
    answers = together(*[lambda: ask(real)] * 5)
    assert sum(isinstance(answer, Job) for answer in answers) == 3
    assert sum(isinstance(answer, work.TooMany) for answer in answers) == 2


def test_workers_that_get_the_same_job_run_it_once(real: Stage) -> None:
    job = ask(real, rows=500)
    assert together(*[lambda: run(job)] * 4).count(None) == 0
    job = fresh(job)
    assert (job.status, job.attempts) == ("done", 1)
    assert [event for event, _by in life(job)] == ["job_asked", "job_begun", "job_done"]
    assert run(job).attempts == 1


def test_a_waiting_job_is_stopped_at_once_and_never_runs(made: Stage) -> None:
    job = ask(made)
    work.cancel(job=job, by=actors.person(made.users["anne"]))
    assert life(job)[-1] == ("job_cancelled", "user")
    assert run(job).status == "cancelled"
    assert fresh(job).attempts == 0


def test_a_job_that_cannot_be_stopped_is_not(made: Stage) -> None:
    job = ask(made, sample.FIXED)
    with pytest.raises(work.NotCancellable):
        work.cancel(job=job, by=actors.person(made.users["anne"]))
    assert run(job).status == "done"


def test_an_ended_job_is_left_as_it_is(made: Stage) -> None:
    job = run(ask(made))
    work.cancel(job=job, by=actors.person(made.users["anne"]))
    assert fresh(job).status == "done"
    assert fresh(job).cancel_asked_at is None


def between(job: Job, act: Any) -> Job:
    """Runs a gated job on another thread, and does something while it is halfway."""

    def go() -> None:
        try:
            run(job)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(go)
        try:
            assert sample.halfway.wait(30)
            act()
        finally:
            sample.go_on.set()
        ended.result(60)
    return fresh(job)


def test_progress_is_seen_from_elsewhere_while_the_work_goes_on(real: Stage) -> None:
    job = ask(real, gated=True, rows=1000)
    seen = []
    ended = between(job, lambda: seen.append(fresh(job)))
    assert (seen[0].status, seen[0].total) == ("running", 1000)
    assert seen[0].started_at <= seen[0].seen_at
    assert seen[0].finished_at is None
    assert (ended.status, ended.done) == ("done", 1000)


def test_a_job_that_is_stopped_halfway_leaves_no_file(real: Stage) -> None:
    job = ask(real, gated=True)

    def stop() -> None:
        with real.scope():
            work.cancel(job=job, by=actors.person(real.users["anne"]))
            work.cancel(job=job, by=actors.person(real.users["anne"]))
        assert fresh(job).status == "running"

    ended = between(job, stop)
    assert (ended.status, ended.error_code) == ("cancelled", "asked")
    assert life(job)[2:] == [("job_cancel_asked", "user"), ("job_cancelled", "clock")]
    with real.scope():
        assert JobFilePart.objects.count() == 0


def test_a_role_that_is_removed_halfway_ends_the_work(real: Stage) -> None:
    job = ask(real, gated=True)

    def remove() -> None:
        with real.scope():
            RoleGrant.objects.filter(user=real.users["anne"]).delete()

    ended = between(job, remove)
    assert (ended.status, ended.error_code) == ("cancelled", "not_allowed")
    assert ended.file_name == ""


def test_a_run_that_was_taken_for_dead_gives_way_to_the_next(real: Stage) -> None:
    job = ask(real, gated=True)

    def take_over() -> None:
        age(job)
        with real.scope():
            assert work.pick_up(now=timezone.now()) == 1
        with tenancy.acting_for([real.company]):
            Job.objects.filter(pk=job.pk).update(params={"rows": 20})
        assert run(job).status == "done"

    ended = between(job, take_over)
    assert (ended.status, ended.attempts, ended.done) == ("done", 2, 20)
    assert bytes_of(ended) == sample.content(20)
    assert [event for event, _by in life(job)].count("job_done") == 1


def test_a_job_whose_nudge_was_lost_is_nudged_again_once_in_a_while(
    made: Stage, django_capture_on_commit_callbacks: Any
) -> None:
    job = ask(made)
    with django_capture_on_commit_callbacks() as nudges:
        assert work.pick_up(now=timezone.now()) == 0
    assert nudges == []
    age(job)
    with django_capture_on_commit_callbacks() as nudges:
        assert work.pick_up(now=timezone.now()) == 1
        assert work.pick_up(now=timezone.now()) == 0
    assert len(nudges) == 1
    assert fresh(job).status == "waiting"


def lose(job: Job) -> None:
    """A worker takes the job and is never heard of again."""
    assert work._take(job.pk) is not None
    age(job)


def test_a_job_whose_workers_die_is_given_up_after_three(made: Stage) -> None:
    job = ask(made)
    for attempt in (1, 2):
        lose(job)
        work.pick_up(now=timezone.now())
        assert (fresh(job).status, fresh(job).attempts) == ("waiting", attempt)
    lose(job)
    work.pick_up(now=timezone.now())
    ended = fresh(job)
    assert (ended.status, ended.error_code) == ("failed", work.WORKER_DIED)
    assert ended.finished_at is not None
    assert [event for event, _by in life(job)].count("job_interrupted") == 2


def test_a_job_that_was_asked_to_stop_is_not_begun_again_when_its_worker_died(made: Stage) -> None:
    job = ask(made)
    lose(job)
    work.cancel(job=job, by=actors.person(made.users["anne"]))
    work.pick_up(now=timezone.now())
    assert fresh(job).status == "cancelled"


def test_a_run_that_takes_too_long_ends_with_a_sentence(made: Stage, settings: Any) -> None:
    settings.JOB_MAX_SECONDS = -1
    job = run(ask(made))
    assert (job.status, job.error_code) == ("failed", work.TOO_LONG)


def test_a_file_that_grows_too_large_ends_with_a_sentence(made: Stage, settings: Any) -> None:
    settings.JOB_FILE_MAX_BYTES = 1000
    job = run(ask(made, rows=3000))
    assert (job.status, job.error_code, job.file_name) == ("failed", work.TOO_LARGE, "")
    assert JobFilePart.objects.count() == 0


def test_progress_inside_a_transaction_is_a_fault_of_the_kind(made: Stage) -> None:
    assert run(ask(made, sample.HIDDEN)).error_code == work.UNEXPECTED


def test_a_job_is_asked_for_again_with_what_the_person_may_now(made: Stage) -> None:
    first = run(ask(made, sample.BROKEN, rows=7))
    made.users["anne"] = User.objects.get(pk=made.users["anne"].pk)
    RoleGrant.objects.create(
        user=made.users["anne"], company=made.company, role=Role.PAYROLL_APPROVER
    )
    with translation.override("en"):
        second = work.again(job=first, user=made.users["anne"])
    assert (second.kind, second.params, second.language) == (sample.BROKEN, {"rows": 7}, "en")
    assert second.needs == {Permission.SEE_SUPPLIER, Permission.SEE_SALARY}
    assert second.public_id != first.public_id


@pytest.mark.stack
def test_a_worker_killed_in_the_middle_is_replaced_and_one_file_comes_of_it(
    real: Stage, own_database: str, tmp_path: Path
) -> None:
    hold, log = tmp_path / "hold", tmp_path / "worker.log"
    hold.touch()
    with kit.Worker(own_database, log, options=sample.INCLUDE) as worker:
        job = ask(real, rows=2000, hold=str(hold))
        kit.until(lambda: fresh(job).done == 1000, what="half the work")
        os.kill(worker.process.pid, signal.SIGKILL)
        assert worker.dies()
    assert (fresh(job).status, fresh(job).attempts) == ("running", 1)
    hold.unlink()
    age(job)
    redis.Redis.from_url(live.REDIS_URL).flushdb()
    with kit.Worker(own_database, log, options=sample.INCLUDE):
        with real.scope():
            work.pick_up(now=timezone.now())
        kit.until(lambda: fresh(job).status == "done", what="the work")
    ended = fresh(job)
    assert (ended.attempts, ended.done) == (2, 2000)
    assert bytes_of(ended) == sample.content(2000)
    assert [event for event, _by in life(job)] == [
        "job_asked", "job_begun", "job_interrupted", "job_begun", "job_done",
    ]  # fmt: skip
    with real.scope():
        assert JobFilePart.objects.count() == 1


@pytest.mark.stack
def test_the_workers_own_limit_ends_work_that_says_nothing(
    real: Stage, own_database: str, tmp_path: Path, settings: Any
) -> None:
    settings.JOB_MAX_SECONDS = 2
    log = tmp_path / "worker.log"
    options = ("-P", "prefork", "-c", "1", *sample.INCLUDE)
    with kit.Worker(own_database, log, options=options) as worker:
        job = ask(real, sample.SLEEPY)
        kit.until(lambda: not fresh(job).is_open, what="the end")
        worker.process.terminate()
        worker.process.wait(20)
    assert (fresh(job).status, fresh(job).error_code) == ("failed", work.TOO_LONG)


def test_no_move_leaves_an_ended_job() -> None:
    for move in lifecycle.JOB.moves.values():
        assert not {s for s in move.sources if lifecycle.JOB.statuses[s].final}, move.name
        assert not move.told, move.name
