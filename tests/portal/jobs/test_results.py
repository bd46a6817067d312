"""The file of a job: what any writer writes is what is kept, slice by slice, until its day."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
from collections.abc import Iterator
from typing import Any

import openpyxl
import pytest
from django.utils import timezone

from portal.jobs import results, work
from portal.jobs.models import Job, JobFilePart
from portal.jobs.results import ResultFile
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
    return work.start(
        company=made.company, user=made.users["anne"], kind=sample.EXPORT, params={"rows": 1}
    )


def keep(job: Job, content: bytes) -> bytes:
    """Writes and stores, and answers what is read again."""
    file = ResultFile("x.bin", "application/octet-stream")
    assert file.write(content) == len(content)
    return kept(job, file)


def kept(job: Job, file: ResultFile) -> bytes:
    job.sha256, job.size = file.measured()
    file.store(job)
    file.release()
    with results.open_content(job) as content:
        return content.read()


@pytest.mark.parametrize("size", [0, 1, 999, 1000, 1001, 25_000])
def test_bytes_come_back_as_they_were_whatever_their_number(
    size: int, job: Job, settings: Any
) -> None:
    settings.JOB_FILE_PART_BYTES = 1000
    settings.SPOOL_MEMORY_BYTES = 5000
    content = bytes(range(256)) * (size // 256 + 1)
    assert keep(job, content[:size]) == content[:size]
    assert job.size == size
    assert bytes(job.sha256 or b"") == hashlib.sha256(content[:size]).digest()
    assert JobFilePart.objects.count() == -(-size // 1000)


def test_a_text_writer_may_close_the_file(job: Job) -> None:
    file = ResultFile("x.csv", "text/csv")
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        csv.writer(text, delimiter=";").writerow(["Ærlig", "84 300,00"])
    del text
    assert kept(job, file) == "\ufeffÆrlig;84 300,00\r\n".encode()


def test_a_workbook_can_be_written_and_read_again(job: Job) -> None:
    file = ResultFile("x.xlsx", "application/vnd.ms-excel")
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Ark")
    for row in range(3000):
        sheet.append([row, "Leverandør"])
    book.save(file)
    read = openpyxl.load_workbook(io.BytesIO(kept(job, file)), read_only=True)
    assert [row[0].value for row in read["Ark"].iter_rows()] == list(range(3000))


def test_a_file_may_not_grow_without_end(settings: Any) -> None:
    settings.JOB_FILE_MAX_BYTES = 10
    file = ResultFile("x", "text/plain")
    file.write(b"0123456789")
    with pytest.raises(results.TooLarge):
        file.write(b"x")
    file.seek(0)
    file.write(memoryview(b"9"))
    assert file.measured()[1] == 10
    file.release()


def test_bytes_that_were_altered_are_not_handed_out(job: Job) -> None:
    keep(job, b"right")
    job.sha256 = b"\0" * 32
    with pytest.raises(results.Damaged):
        results.open_content(job)


def test_the_bytes_go_when_their_day_has_passed_and_no_others(made: Stage) -> None:
    jobs = []
    for name in ("anne", "bjorn"):
        job = work.start(
            company=made.company, user=made.users[name], kind=sample.EXPORT, params={"rows": 5}
        )
        work.run(company_id=made.company.pk, job_id=job.pk)
        jobs.append(job)
    now = timezone.now()
    Job.objects.filter(pk=jobs[0].pk).update(expires_at=now - dt.timedelta(seconds=1))
    assert results.remove_expired(now=now) == 1
    assert results.remove_expired(now=now) == 0
    assert JobFilePart.objects.get().job_id == jobs[1].pk
    assert Job.objects.get(pk=jobs[0].pk).file_name == "sample.csv"
