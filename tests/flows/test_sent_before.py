"""A bank that has a file already refuses its second copy, and what it says of the first counts,
whichever comes first; and a bank that contradicts itself changes nothing, and people are told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from banking import lifecycle as banking_lifecycle
from banking import outbox
from banking.models import BankFile
from payments import sending
from payments.models import Payment, PaymentLine, Signature
from tests import kit
from tests.browser import scene_bank as scene
from tests.browser.scene_bank import Said
from tests.flows import test_main_job as job
from tests.flows.test_sent_exactly_once import approved, judge
from tests.kit import Bank, Stage

pytestmark = pytest.mark.usefixtures("own_database")
AGAIN = [("DU01", "MsgId was received before")]


@pytest.fixture
def made(bank: Bank, own_database: None) -> Iterator[Stage]:
    bank.pass_days(0)
    yield kit.stage(bank)


def sent_twice(made: Stage, bank: Bank, number: str, settings: Any) -> BankFile:
    """A file whose first reply is lost, and which a bank that clears its archive gets again."""
    approved(made, number)
    settings.RECEIPT_WINDOW_SECONDS = 0
    bank.ask("/scripts", {"what": "lose_reply", "times": 1})
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.LATER
    bank.work()
    made.channel.archive_folder = made.channel.upload_folder
    made.channel.save(update_fields=["archive_folder"])
    with made.scope():
        BankFile.objects.filter(pk=file_id).update(next_attempt_at=None)
        assert sending.deliver(file_id=file_id) == outbox.Outcome.DELIVERED
        found = BankFile.objects.get(pk=file_id)
    bank.work()
    assert bank.ask("/books/summary")["duplicates_refused"] == 1
    return found


def remarks(file: BankFile) -> list[str]:
    return [one["code"] for one in file.remarks or []]


def test_the_refusal_of_a_second_copy_refuses_nothing(
    made: Stage, bank: Bank, settings: Any
) -> None:
    sent_twice(made, bank, "D1", settings)
    job.fetch(made)
    judge(bank, ["D1"])
    assert set(job.statuses(made).values()) <= {"accepted", "settled"}
    with made.scope():
        (out,) = BankFile.objects.filter(direction="out")
        told = [code for file in BankFile.objects.filter(direction="in") for code in remarks(file)]
    assert out.status == banking_lifecycle.RECEIVED
    assert "sent-before" in told


def test_nor_does_it_where_it_is_read_before_what_the_bank_says_of_the_first(
    made: Stage, bank: Bank, settings: Any
) -> None:
    file = sent_twice(made, bank, "D2", settings)
    said = {"D2": Said("RJCT", AGAIN)}  # of each level, as some banks tell it
    report = scene.status_report(file.message_id, group="RJCT", reasons=AGAIN, payments=said)
    assert remarks(scene.hear(made, "again.xml", report)) == ["sent-before"]
    with made.scope():
        assert set(PaymentLine.objects.values_list("status", flat=True)) == {"received"}
        assert not Signature.objects.exclude(voided_at=None).exists()
    job.fetch(made)
    assert set(job.statuses(made).values()) <= {"accepted", "settled"}
    judge(bank, ["D2"])


def delivered(made: Stage, number: str) -> str:
    """A file that lies at the bank, without asking the bank; its MsgId."""
    approved(made, number)
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
    return scene.arrived(made, file_id)


def test_a_bank_that_refuses_a_file_it_has_accepted_changes_nothing(made: Stage) -> None:
    message_id = delivered(made, "L1")
    scene.hear(made, "a.xml", scene.status_report(message_id, group="ACCP"))
    late = scene.status_report(message_id, group="RJCT", reasons=[("MS03", "")])
    assert remarks(scene.hear(made, "late.xml", late)) == ["refused-after-all"]
    assert set(job.statuses(made).values()) == {"accepted"}
    with made.scope():
        assert BankFile.objects.get(direction="out").status == banking_lifecycle.RECEIVED
    page = kit.signed_in(made.users["anne"]).get(f"/c/{made.company.public_id}/outgoing/")
    assert "Banken har meldt om betalinger som står annerledes her" in page.content.decode()


def test_a_bank_that_accepts_a_file_it_has_refused_is_told_of_loudly(made: Stage) -> None:
    message_id = delivered(made, "L2")
    refusal = scene.status_report(message_id, group="RJCT", reasons=[("BE06", "")])
    assert remarks(scene.hear(made, "no.xml", refusal)) == []
    with made.scope():
        assert Payment.objects.get().status == "awaiting"
    for name, report in (
        ("whole.xml", scene.status_report(message_id, group="ACCP")),
        ("lines.xml", scene.status_report(message_id, payments={"L2": Said("ACCP")})),
    ):
        assert "waits-here" in remarks(scene.hear(made, name, report))
    with made.scope():
        assert Payment.objects.get().status == "awaiting"
    # Approved and sent again all the same: then the two files are told apart.
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        assert BankFile.objects.get(pk=file_id).message_id != message_id
    again = scene.status_report(message_id, group="ACSP")
    assert remarks(scene.hear(made, "again.xml", again)) == ["sent-again-since"]
