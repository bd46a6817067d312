"""The emergency brake against the real bank: what is stopped stays here, and leaves when started."""

from __future__ import annotations

import datetime as dt

import pytest

from banking import lifecycle as banking_lifecycle
from banking import outbox, stops
from banking.models import BankAgreement, BankFile
from payments import sending
from payments.models import Payment
from portal import clock
from portal.people import changes
from tests import kit
from tests.flows import test_main_job as job
from tests.flows.test_sent_exactly_once import approved
from tests.kit import Bank, Stage


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    return kit.stage(bank)


def brake(made: Stage, *, agreement: BankAgreement | None, on: bool) -> None:
    user, now = made.users["anne"], clock.now()
    told = {
        "company": made.company,
        "agreement": agreement,
        "user": user,
        "at": now,
        "by": changes.By(user, user.name, None, now),
    }
    with made.scope():
        if on:
            stops.stop(reason="Prøve", **told)
        else:
            stops.start(**told)


def at_bank(bank: Bank) -> int:
    """How many lines the bank has in its books."""
    bank.work()
    return len(bank.transfers())


def test_nothing_leaves_while_the_company_or_the_agreement_is_stopped(
    made: Stage, bank: Bank
) -> None:
    for number, agreement in (("A", None), ("B", made.agreement)):
        brake(made, agreement=agreement, on=True)
        approved(made, number)
        before = at_bank(bank)
        job.send(made)
        with made.scope():
            assert Payment.objects.get(number=number).status == "approved"
            assert not BankFile.objects.filter(direction="out", status="stored").exists()
        assert at_bank(bank) == before
        brake(made, agreement=agreement, on=False)
        job.send(made)
        with made.scope():
            assert Payment.objects.get(number=number).status != "approved"
        assert at_bank(bank) > before


def test_a_file_that_is_made_already_waits_as_well(made: Stage, bank: Bank) -> None:
    approved(made, "C")
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
    brake(made, agreement=None, on=True)
    with made.scope():
        assert outbox.deliver(file_id) is outbox.Outcome.LATER
        assert BankFile.objects.get(pk=file_id).status == banking_lifecycle.STORED
    assert at_bank(bank) == 0
    brake(made, agreement=None, on=False)
    with made.scope():
        assert outbox.deliver(file_id) is outbox.Outcome.DELIVERED


def pages(made: Stage, number: str) -> dict[str, str]:
    """What the overview, the list and the payment say to somebody who may see them, in English."""
    client = kit.signed_in(made.users["anne"])
    client.cookies["kvitt_language"] = "en"
    base = f"/c/{made.company.public_id}/"
    with made.scope():
        pk = Payment.objects.get(number=number).pk
    addresses = {
        "overview": f"{base}overview/",
        "list": f"{base}outgoing/",
        "one": f"{base}outgoing/{pk}/",
    }
    return {name: client.get(address).content.decode() for name, address in addresses.items()}


def test_the_pages_say_who_has_stopped_it_and_why(made: Stage, bank: Bank) -> None:
    approved(made, "D")
    for text in pages(made, "D").values():
        assert "All sending on" not in text
        assert "has stopped all sending" not in text
    brake(made, agreement=made.agreement, on=True)
    told = pages(made, "D")
    for name in ("overview", "list"):
        assert "All sending on" in told[name]
        assert ": Prøve" in told[name]
    assert f"{made.users['anne']} has stopped all sending: Prøve." in told["one"]


def test_a_file_that_is_stopped_sounds_no_alarm(made: Stage) -> None:
    approved(made, "E")
    with made.scope():
        (file_id,) = sending.make_files(company=made.company)
        old = clock.now() - dt.timedelta(days=1)
        BankFile.objects.filter(pk=file_id).update(created_at=old)
        assert outbox.alarm_stuck(company_id=made.company.pk) == 1
    for agreement in (made.agreement, None):
        brake(made, agreement=agreement, on=True)
        with made.scope():
            assert outbox.alarm_stuck(company_id=made.company.pk) == 0
        brake(made, agreement=agreement, on=False)
    with made.scope():
        assert outbox.alarm_stuck(company_id=made.company.pk) == 1


def test_nothing_due_after_the_last_day_leaves_on_the_agreement(made: Stage, bank: Bank) -> None:
    approved(made, "F")
    rows = BankAgreement.objects.filter(pk=made.agreement.pk)
    with made.scope():
        rows.update(cut_over_date=kit.soon() - dt.timedelta(days=1))
    job.send(made)
    assert at_bank(bank) == 0
    assert "would be paid after the last day of its agreement" in pages(made, "F")["one"]
    with made.scope():
        assert Payment.objects.get(number="F").status == "approved"
        rows.update(cut_over_date=kit.soon())
    job.send(made)
    assert at_bank(bank) == 3
