"""The pages of a person's jobs: progress, receipt, list and file; nobody else finds them."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.access.models import RoleGrant
from portal.access.roles import Role
from portal.jobs import results, work
from portal.jobs.models import Job, JobFilePart
from tests import kit
from tests.kit import Stage
from tests.portal.jobs import sample_kinds as sample


@pytest.fixture
def made(db: None) -> Iterator[Stage]:
    stage = kit.stage()
    with stage.scope():
        yield stage


def browser(user: Any) -> Client:
    client = kit.signed_in(user)
    client.cookies["kvitt_language"] = "en"
    return client


@pytest.fixture
def anne(made: Stage) -> Client:
    return browser(made.users["anne"])


def ask(made: Stage, kind: str = sample.EXPORT, *, by: str = "anne", rows: int = 4312) -> Job:
    return work.start(
        company=made.company, user=made.users[by], kind=kind, params={"rows": rows}, language="en"
    )


def ended(made: Stage, kind: str = sample.EXPORT, **more: Any) -> Job:
    job = ask(made, kind, **more)
    work.run(company_id=made.company.pk, job_id=job.pk)
    job.refresh_from_db()
    return job


def base(made: Stage) -> str:
    return f"/c/{made.company.public_id}/jobs/"


def page(client: Client, made: Stage, job: Job, part: str = "") -> str:
    asked = {"HX-Request": "true"} if part.startswith("progress/") else {}
    answer = client.get(f"{base(made)}{job.public_id}/{part}", headers=asked)
    assert answer.status_code == 200
    return str(answer.content.decode())


def underway(job: Job, **values: Any) -> Job:
    """The job as it stands in the middle of a run."""
    taken = work._take(job.pk)
    assert taken is not None
    began = timezone.now() - dt.timedelta(seconds=60)
    Job.objects.filter(pk=job.pk).update(**{"started_at": began} | values)
    return taken


def test_a_waiting_job_shows_that_it_waits_and_can_be_stopped(made: Stage, anne: Client) -> None:
    told = page(anne, made, ask(made))
    assert "Sample of 4312" in told
    assert "The work begins as soon as there is room for it." in told
    assert "<progress aria-labelledby" in told
    assert " value=" not in told.split("<progress", 1)[1].split(">", 1)[0]
    assert "Stop the work" in told
    assert '<noscript><meta http-equiv="refresh" content="2"></noscript>' in told


def test_a_job_under_way_shows_how_far_it_is_and_how_long_is_left(
    made: Stage, anne: Client
) -> None:
    job = underway(ask(made), done=2156, total=4312)
    told = page(anne, made, job)
    assert 'value="2156" max="4312"' in told
    assert "2\u00a0156 of 4\u00a0312" in told
    assert "about 1 minute left" in told
    assert '<p id="milestone" role="status">50 % is done.</p>' in told
    assert 'hx-trigger="every 1s"' in told


def test_the_moving_part_is_told_aloud_only_at_milestones(made: Stage, anne: Client) -> None:
    job = underway(ask(made), done=1100, total=4312)
    part = page(anne, made, job, "progress/?told=begun")
    assert '<p id="milestone" hx-swap-oob="innerHTML">25 % is done.</p>' in part
    assert "progress/?told=1" in part
    Job.objects.filter(pk=job.pk).update(done=1900)
    part = page(anne, made, job, "progress/?told=1")
    assert 'value="1900"' in part
    assert "milestone" not in part
    assert "role=" not in part
    assert "aria-live" not in part
    assert "<html" not in part


def test_more_done_than_there_was_in_all_does_not_burst_the_bar(made: Stage, anne: Client) -> None:
    assert 'value="10" max="10"' in page(anne, made, underway(ask(made), done=11, total=10))


def test_when_the_job_ends_the_page_is_told_to_load_anew(made: Stage, anne: Client) -> None:
    job = ask(made)
    address = f"{base(made)}{job.public_id}/progress/"
    by_htmx = {"HX-Request": "true"}
    assert "HX-Refresh" not in anne.get(address, headers=by_htmx)
    work.run(company_id=made.company.pk, job_id=job.pk)
    answer = anne.get(address, headers=by_htmx)
    assert (answer.status_code, answer["HX-Refresh"]) == (200, "true")


def test_the_moving_part_opened_as_a_page_leads_to_the_page(made: Stage, anne: Client) -> None:
    job = ask(made)
    answer = anne.get(f"{base(made)}{job.public_id}/progress/")
    assert (answer.status_code, answer["Location"]) == (302, f"{base(made)}{job.public_id}/")


def test_a_receipt_tells_what_who_when_and_which_file(made: Stage, anne: Client) -> None:
    job = ended(made)
    told = page(anne, made, job)
    content = sample.content(4312)
    for text in (
        "Sample of 4312",
        "The work is done.",
        f"Anne, {made.users['anne'].email}",
        "4\u00a0312",
        "sample.csv",
        hashlib.sha256(content).hexdigest(),
        "Can be fetched until",
        f"{timezone.localtime(job.expires_at):%d.%m.%Y %H:%M}",
        "1 second",
        "<dt>Language</dt><dd>en</dd>",
        f"{base(made)}{job.public_id}/file/",
        "Asked for",
        "Begun",
        job.public_id,
    ):
        assert text in told, text
    assert "refresh" not in told
    assert "Try again" not in told


def test_the_file_comes_as_it_was_made(made: Stage, anne: Client, settings: Any) -> None:
    settings.JOB_FILE_PART_BYTES = 100
    job = ended(made)
    answer = anne.get(f"{base(made)}{job.public_id}/file/")
    content = b"".join(answer.streaming_content)
    assert content == sample.content(4312)
    assert hashlib.sha256(content).digest() == bytes(job.sha256 or b"")
    assert answer["Content-Disposition"] == 'attachment; filename="sample.csv"'
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Cache-Control"] == "no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_file_that_was_altered_is_told_and_not_handed_out(made: Stage, anne: Client) -> None:
    job = ended(made)
    Job.objects.filter(pk=job.pk).update(sha256=b"\0" * 32)
    answer = anne.get(f"{base(made)}{job.public_id}/file/", follow=True)
    assert "The stored bytes are not those that were made." in answer.content.decode()


def test_an_expired_file_is_gone_and_the_page_says_so(made: Stage, anne: Client) -> None:
    job = ended(made)
    now = timezone.now()
    Job.objects.filter(pk=job.pk).update(expires_at=now - dt.timedelta(minutes=1))
    for _tidied in (False, True):
        answer = anne.get(f"{base(made)}{job.public_id}/file/", follow=True)
        assert answer.redirect_chain
        told = answer.content.decode()
        assert "has been removed." in told
        assert "Could be fetched until" in told
        assert "Download" not in told
        assert "Make the file anew" in told
        assert "No longer kept" in anne.get(base(made)).content.decode()
        results.remove_expired(now=now)
    assert JobFilePart.objects.count() == 0
    answer = anne.post(f"{base(made)}{job.public_id}/again/", follow=True)
    assert "Sample of 4312" in answer.content.decode()
    assert Job.objects.filter(status="waiting").count() == 1


def test_a_failure_is_a_sentence_with_a_reference_and_no_trace(made: Stage, anne: Client) -> None:
    job = ended(made, sample.BROKEN)
    told = page(anne, made, job)
    assert "Kvitt was not prepared for" in told
    assert "Try again. If it fails again, give support the reference." in told
    assert f"<code>{job.public_id}</code>" in told
    for secret in ("ZeroDivisionError", "Traceback", "the secret inside"):
        assert secret not in told
    assert anne.get(f"{base(made)}{job.public_id}/file/").status_code == 404


def test_a_kinds_own_sentence_is_shown(made: Stage, anne: Client) -> None:
    told = page(anne, made, ended(made, sample.REFUSED))
    assert "There is nothing in this period. Choose another." in told
    assert "Try again" in told


def test_a_failed_job_is_tried_again_as_a_new_one(made: Stage, anne: Client) -> None:
    job = ended(made, sample.BROKEN)
    answer = anne.post(f"{base(made)}{job.public_id}/again/")
    new = Job.objects.get(status="waiting")
    assert answer["Location"] == f"{base(made)}{new.public_id}/"
    assert (new.kind, new.params) == (job.kind, job.params)
    answer = anne.post(f"{base(made)}{new.public_id}/again/")
    assert Job.objects.count() == 2


def test_too_many_at_once_is_told_on_the_page(made: Stage, anne: Client) -> None:
    job = ended(made, sample.BROKEN)
    for _ in range(3):
        ask(made)
    answer = anne.post(f"{base(made)}{job.public_id}/again/", follow=True)
    assert "You already have 3 jobs that are not ended." in answer.content.decode()
    assert Job.objects.count() == 4


def test_a_job_is_stopped_by_its_button(made: Stage, anne: Client) -> None:
    waiting = ask(made)
    answer = anne.post(f"{base(made)}{waiting.public_id}/stop/", follow=True)
    assert "The work was stopped before its end" in answer.content.decode()
    assert "Try again" in answer.content.decode()
    running = underway(ask(made))
    answer = anne.post(f"{base(made)}{running.public_id}/stop/", follow=True)
    assert "The work has been asked to stop." in answer.content.decode()
    assert "Stop the work" not in answer.content.decode()


def test_what_cannot_be_stopped_has_no_button_and_says_so(made: Stage, anne: Client) -> None:
    job = ask(made, sample.FIXED)
    assert "Stop the work" not in page(anne, made, job)
    answer = anne.post(f"{base(made)}{job.public_id}/stop/", follow=True)
    assert "This work cannot be stopped halfway." in answer.content.decode()


def test_a_job_whose_kind_is_gone_is_still_a_page(made: Stage, anne: Client) -> None:
    waiting, done = ask(made), ended(made)
    Job.objects.update(kind="gone.kind")
    assert "gone.kind" in page(anne, made, waiting)
    assert "gone.kind" in page(anne, made, done)
    anne.post(f"{base(made)}{waiting.public_id}/stop/")
    Job.objects.filter(pk=done.pk).update(expires_at=timezone.now())
    assert anne.post(f"{base(made)}{done.public_id}/again/").status_code == 404


PARTS = ("", "progress/", "file/")
ACTS = ("stop/", "again/")


def test_only_the_asker_finds_a_job(made: Stage) -> None:
    job = ended(made)
    bjorn = browser(made.users["bjorn"])
    assert job.public_id not in bjorn.get(base(made)).content.decode()
    for part in PARTS:
        assert bjorn.get(f"{base(made)}{job.public_id}/{part}").status_code == 404
    for act in ACTS:
        assert bjorn.post(f"{base(made)}{job.public_id}/{act}").status_code == 404


def test_a_job_is_found_only_below_its_own_company(made: Stage, anne: Client) -> None:
    job = ended(made)
    other = kit.stage(place=2)
    kit.give(made.users["anne"], other.company, Role.APPROVER)
    for part in PARTS:
        assert anne.get(f"{base(other)}{job.public_id}/{part}").status_code == 404
    for act in ACTS:
        assert anne.post(f"{base(other)}{job.public_id}/{act}").status_code == 404
    assert job.public_id not in anne.get(base(other)).content.decode()


def test_a_job_is_closed_to_whoever_no_longer_holds_what_it_stands_on(made: Stage) -> None:
    user = made.users["both"] = kit.person(
        "both", made.company, Role.APPROVER, Role.PAYROLL_APPROVER
    )
    job, salary = ended(made, by="both"), ended(made, sample.SALARY, by="both")
    both = browser(user)
    assert page(both, made, job)
    RoleGrant.objects.filter(user=user, role=Role.PAYROLL_APPROVER).delete()
    narrow = ended(made, by="both")
    listed = both.get(base(made)).content.decode()
    assert narrow.public_id in listed
    for gone in (job, salary):
        assert gone.public_id not in listed
        for part in PARTS:
            assert both.get(f"{base(made)}{gone.public_id}/{part}").status_code == 403
        for act in ACTS:
            assert both.post(f"{base(made)}{gone.public_id}/{act}").status_code == 403
    told = both.get(f"{base(made)}{gone.public_id}/").content.decode()
    assert "AutoPay Payroll Approver" in told
    answer = both.get(f"{base(made)}{job.public_id}/progress/")
    assert answer["HX-Refresh"] == "true"
    assert page(both, made, narrow)


def test_jobs_are_listed_latest_first_and_page_by_key(
    made: Stage, anne: Client, settings: Any
) -> None:
    settings.JOBS_PER_PAGE = 2
    ids = [ended(made, rows=number).public_id for number in range(5)]
    found: list[str] = []
    address, pages = base(made), 0
    while address:
        told = anne.get(address).content.decode()
        found += [pk for pk in reversed(ids) if f'{pk}/">' in told]
        following = told.split('rel="next" href="', 1)
        address = base(made) + following[1].split('"', 1)[0] if len(following) > 1 else ""
        pages += 1
    assert (found, pages) == (list(reversed(ids)), 3)


@pytest.mark.parametrize("before", ["x", "-1", "0", "9" * 30, "²"])
def test_an_odd_key_of_a_page_does_no_harm(before: str, made: Stage, anne: Client) -> None:
    assert anne.get(base(made), {"before": before}).status_code == 200


def test_as_many_queries_for_many_jobs_as_for_few(made: Stage, anne: Client) -> None:
    counts = []
    for size in (3, 20):
        for _ in range(size):
            ended(made, rows=1)
        with CaptureQueriesContext(connection) as captured:
            anne.get(base(made))
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_whoever_has_no_jobs_is_told_where_they_come_from(made: Stage, anne: Client) -> None:
    assert "No jobs yet" in anne.get(base(made)).content.decode()
    assert "There are no older jobs." in anne.get(base(made), {"before": "1"}).content.decode()


def test_the_pages_speak_norwegian_too(made: Stage) -> None:
    anne = kit.signed_in(made.users["anne"])
    told = page(anne, made, underway(ask(made), done=2156, total=4312))
    assert "50 % er gjort." in told
    assert "omtrent 1 minutt igjen" in told
    assert "Kan hentes til" in page(anne, made, ended(made))
    assert "oppgi referansen til brukerstøtte" in page(anne, made, ended(made, sample.BROKEN))
    assert "Dine bestillinger" in anne.get(base(made)).content.decode()
