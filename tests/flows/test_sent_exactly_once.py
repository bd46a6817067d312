"""Sent exactly once: workers killed between file and receipt, lost replies, cut uploads.

The judge is the bank's own books.
"""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis
from django.conf import settings as live

from banking import lifecycle as banking_lifecycle
from banking import outbox
from banking.models import BankFile
from payments import sending, tasks
from payments.models import PaymentLine
from portal import clock
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Line, Stage

POINTS = [
    "sending.written",
    "sending.before_commit",
    "sending.stored",
    "upload.claimed",
    "upload.connected",
    "upload.written",
    "upload.renamed",
    "upload.outcome_known",
    "upload.recorded",
    "inbox.fetched",
    "inbox.kept",
    "outcomes.report_read",
]
LINES = 3
KILLS = int(os.environ.get("KVITT_KILLS", len(POINTS)))


def approved(made: Stage, number: str) -> None:
    """A payment of three lines that two people have approved."""
    lines = [
        Line(f"{number}-{i}", f"{100 + i}.00", kit.account(70 + i), message=f"Faktura {i}")
        for i in range(LINES)
    ]
    body = kit.pain001({number: lines}, account=made.agreement.account.number, due=kit.soon())
    assert Erp(made).post("payments", body).status_code == 201
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])


def go_on(made: Stage, bank: Bank) -> None:
    """What the timetable does after a crash, until nothing is on its way."""

    def step() -> bool:
        job.send(made)
        with made.scope():
            waiting = sending.undelivered(company=made.company)
            for file_id in waiting:
                sending.deliver(file_id=file_id)
            left = sending.undelivered(company=made.company)
        bank.work()
        job.fetch(made)
        return not left

    kit.until(step, seconds=30, what="delivery")


def judge(bank: Bank, numbers: list[str]) -> None:
    """Every line of every payment stands once in the bank's books, and nothing else does."""
    transfers = bank.transfers()
    seen = Counter((row["payment"], row["end_to_end_id"]) for row in transfers)
    assert seen == {(n, f"{n}-{i}"): 1 for n in numbers for i in range(LINES)}
    assert bank.ask("/books/duplicates")["duplicates"] == []


@pytest.fixture
def made(own_database: str, bank: Bank, settings: Any) -> Stage:
    settings.RECEIPT_WINDOW_SECONDS = 1
    return kit.stage(bank)


@pytest.mark.stack
@pytest.mark.parametrize("part", [0, 1])
def test_a_worker_killed_at_any_point_sends_every_payment_once(
    part: int, made: Stage, bank: Bank, own_database: str, tmp_path: Path
) -> None:
    """Twelve named points over the two parts; with KVITT_KILLS=22 ten of them twice."""
    numbers = []
    points = (POINTS + POINTS[:-2])[:KILLS][part::2]
    for turn, point in enumerate(points):
        number = f"K{part}{turn}"
        numbers.append(number)
        approved(made, number)
        redis.Redis.from_url(live.REDIS_URL).flushdb()
        with kit.Worker(own_database, tmp_path / "worker.log", KVITT_FAULT_POINT=point) as worker:
            tasks.send.delay(made.company.pk)
            if point.startswith(("inbox", "outcomes")):
                kit.until(lambda: delivered(made, number), what="delivery")
                bank.work()
                from banking import tasks as banking_tasks

                banking_tasks.poll_banks.delay()
            assert worker.dies(), (tmp_path / "worker.log").read_text()[-3000:]
        go_on(made, bank)
    bank.pass_days()
    bank.work()
    job.fetch(made)
    judge(bank, numbers)
    assert set(job.statuses(made).values()) == {"settled"}


def delivered(made: Stage, number: str) -> bool:
    with made.scope():
        rows = PaymentLine.objects.filter(payment__number=number)
        return set(rows.values_list("status", flat=True)) == {"sent"}


def test_after_a_lost_reply_the_bank_is_asked_and_nothing_is_sent_again(
    made: Stage, bank: Bank
) -> None:
    approved(made, "R1")
    bank.ask("/scripts", {"what": "lose_reply", "times": 1})
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.LATER
        assert BankFile.objects.get(pk=file_id).status == banking_lifecycle.UPLOADING
        BankFile.objects.filter(pk=file_id).update(next_attempt_at=None)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.DELIVERED
        assert BankFile.objects.get(pk=file_id).attempts == 1
    bank.work()
    job.fetch(made)
    judge(bank, ["R1"])
    assert bank.ask("/books/summary")["duplicates_refused"] == 0


def test_a_lost_reply_to_a_file_that_the_bank_has_taken_already(made: Stage, bank: Bank) -> None:
    approved(made, "R2")
    bank.ask("/scripts", {"what": "lose_reply", "times": 1})
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        sending.deliver(file_id=file_id)
    bank.work()
    with made.scope():
        BankFile.objects.filter(pk=file_id).update(next_attempt_at=None)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.DELIVERED
    judge(bank, ["R2"])


def test_the_banks_answer_may_come_before_we_know_that_it_was_delivered(
    made: Stage, bank: Bank
) -> None:
    approved(made, "R3")
    bank.ask("/scripts", {"what": "lose_reply", "times": 1})
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        sending.deliver(file_id=file_id)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) <= {"accepted", "settled"}
    with made.scope():
        assert BankFile.objects.get(pk=file_id).status == banking_lifecycle.RECEIVED
        assert sending.deliver(file_id=file_id) == outbox.Outcome.NOTHING
    judge(bank, ["R3"])


def test_a_cut_upload_is_sent_again_only_after_the_receipt_window(
    made: Stage, bank: Bank, settings: Any
) -> None:
    approved(made, "C1")
    bank.ask("/scripts", {"what": "cut_upload", "times": 1})
    settings.RECEIPT_WINDOW_SECONDS = 3600
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.LATER
        BankFile.objects.filter(pk=file_id).update(next_attempt_at=None)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.LATER
        before = BankFile.objects.get(pk=file_id)
        settings.RECEIPT_WINDOW_SECONDS = 0
        assert sending.deliver(file_id=file_id) == outbox.Outcome.DELIVERED
        after = BankFile.objects.get(pk=file_id)
        assert (after.name, bytes(after.sha256), after.message_id) == (
            before.name,
            bytes(before.sha256),
            before.message_id,
        )
    bank.work()
    judge(bank, ["C1"])


def test_a_bank_without_an_archive_is_never_sent_to_again_by_itself(
    made: Stage, bank: Bank
) -> None:
    approved(made, "N1")
    made.channel.archive_folder = ""
    made.channel.save(update_fields=["archive_folder"])
    bank.ask("/scripts", {"what": "cut_upload", "times": 1})
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.LATER
        BankFile.objects.filter(pk=file_id).update(next_attempt_at=None, last_attempt_at=None)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.GIVEN_UP
        assert sending.deliver(file_id=file_id) == outbox.Outcome.NOTHING
    bank.work()
    assert bank.transfers() == []
    # A person who has asked the bank may say that it is to be sent after all.
    with made.scope():
        assert sending.try_again(file_id=file_id, user=made.users["anne"], at=clock.now())
        assert sending.deliver(file_id=file_id) == outbox.Outcome.DELIVERED
    bank.work()
    judge(bank, ["N1"])


def test_what_cannot_be_delivered_is_given_up_told_and_can_be_tried_again(
    made: Stage, bank: Bank, settings: Any
) -> None:
    approved(made, "G1")
    settings.CHANNEL_MAX_ATTEMPTS = 1
    bank.stop()
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.GIVEN_UP
    assert set(job.statuses(made).values()) == {"undelivered"}
    bank.start(sftp_port=made.channel.port)
    settings.CHANNEL_MAX_ATTEMPTS = 8
    settings.RECEIPT_WINDOW_SECONDS = 0
    with made.scope():
        assert sending.try_again(file_id=file_id, user=made.users["anne"], at=clock.now())
        assert sending.deliver(file_id=file_id) == outbox.Outcome.DELIVERED
    bank.work()
    job.fetch(made)
    judge(bank, ["G1"])


def test_a_file_that_hangs_is_alarmed(made: Stage, bank: Bank) -> None:
    approved(made, "S1")
    bank.stop()
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        assert outbox.alarm_stuck(company_id=made.company.pk) == 0
        long_ago = clock.now() - dt.timedelta(hours=1)
        BankFile.objects.filter(pk=file_id).update(created_at=long_ago)
        assert outbox.alarm_stuck(company_id=made.company.pk) == 1
