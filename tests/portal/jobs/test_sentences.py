"""What people read about a job, in their own language."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import translation

from portal.jobs import progress, sentences, work
from portal.jobs.models import Job

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def running(seconds: float = 60, **values: Any) -> Job:
    started = NOON - dt.timedelta(seconds=seconds)
    return Job(**{"status": "running", "started_at": started, "attempts": 1} | values)


@pytest.fixture(autouse=True)
def _english() -> Any:
    with translation.override("en"):
        yield


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 second"),
        (42, "42 seconds"),
        (60, "1 minute"),
        (61, "1 minute 1 second"),
        (185.4, "3 minutes 5 seconds"),
    ],
)
def test_how_long(seconds: float, text: str) -> None:
    assert sentences.duration(seconds) == text
    assert sentences.took(running(seconds, finished_at=NOON)) == text


@pytest.mark.parametrize(
    ("job", "text"),
    [
        (running(60, done=50, total=100), "about 1 minute left"),
        (running(60, done=10, total=100), "about 9 minutes left"),
        (running(60, done=90, total=100), "less than a minute left"),
        (running(60, done=120, total=100), "less than a minute left"),
        (running(60, done=0, total=100), ""),
        (running(60, done=5, total=None), ""),
        (running(2, done=50, total=100), ""),
        (Job(status="waiting", done=5, total=10), ""),
    ],
)
def test_the_time_left_is_told_where_there_is_something_to_go_by(job: Job, text: str) -> None:
    assert sentences.time_left(job, now=NOON) == text


@pytest.mark.parametrize(
    ("job", "name"),
    [
        (Job(status="waiting"), "waiting"),
        (Job(status="waiting", attempts=1), "returned"),
        (running(), "begun"),
        (running(done=24, total=100), "begun"),
        (running(done=25, total=100), "1"),
        (running(done=74, total=100), "2"),
        (running(done=100, total=100), "3"),
        (running(done=400, total=100), "3"),
        (running(done=4, total=0), "begun"),
        (running(done=50, total=100, cancel_asked_at=NOON), "stopping"),
        (Job(status="done"), "done"),
    ],
)
def test_there_are_few_milestones_and_each_has_a_sentence(job: Job, name: str) -> None:
    found, told = sentences.milestone(job)
    assert found == name
    assert told.endswith(".")


@pytest.mark.parametrize(
    "code",
    [work.UNEXPECTED, work.TOO_LONG, work.TOO_LARGE, work.WORKER_DIED, progress.NOT_ALLOWED],
)
def test_each_failure_says_what_happened_and_what_to_do(code: str) -> None:
    for language in ("en", "nb"):
        with translation.override(language):
            what, cure = sentences.why(Job(status="failed", error_code=code))
            assert what.endswith(".")
            assert cure.endswith(".")


def test_a_kinds_own_sentence_stands_alone() -> None:
    job = Job(status="failed", error_code="empty", error_text="Nothing here. Choose more.")
    assert sentences.why(job) == ("Nothing here. Choose more.", "")
    assert sentences.why(Job(status="cancelled", error_code=progress.ASKED)) == ("", "")
