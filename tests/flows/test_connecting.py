"""The connection test against the real bank: the whole way, and each step failing and cured."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from banking import channel, connecting, stops
from banking.models import BankAgreement, BankChannel, BankFile, ConnectionTest
from portal.access import tenancy
from portal.access.roles import Role
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Stage


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank)
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    return made


@pytest.fixture
def kari(made: Stage) -> Client:
    client = kit.signed_in(made.users["kari"])
    client.cookies["kvitt_language"] = "en"
    return client


def address(made: Stage) -> str:
    return f"/c/{made.company.public_id}/agreements/{made.agreement.pk}/connection/"


def begin(made: Stage) -> ConnectionTest:
    """A test that the worker has gone as far with as it can without the bank's answer."""
    with made.scope(), transaction.atomic():
        test = connecting.begin(agreement=made.agreement, user=made.users["kari"])
        assert test is not None
    with made.scope():
        connecting.run(test.pk)
        test.refresh_from_db()
    return test


def run(made: Stage, bank: Bank) -> list[tuple[str, bool, str]]:
    """Tests as the worker does; (step, passed, code) of each that was come to."""
    test = begin(made)
    if test.ended_at is None:
        bank.work()
        job.fetch(made)
    with made.scope():
        test.refresh_from_db()
        assert test.ended_at is not None
    return [(row["step"], row["ok"], row["code"]) for row in test.steps]


WHOLE = [(step, True, "") for step in connecting.STEPS]


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def another_host_key(made: Stage) -> str:
    kind, key = made.channel.host_key.split()[:2]
    return f"{kind} {key[:-4]}AAAA"


CAUSES = [
    ("host", "host-unknown", lambda made: {"host": "no-such-bank.invalid"}, "by the name"),
    ("host", "no-connection", lambda made: {"port": closed_port()}, "could not be reached"),
    ("host-key", "host-key-changed", lambda made: {"host_key": another_host_key(made)}, "not the bank"),
    ("key", "key-refused", lambda made: {"private_key": channel.new_key()}, "refused our key"),
    (
        "folders",
        "folder-missing",
        lambda made: {"download_folders": ["out/pain002", "out/missing"]},
        "has no folder",
    ),
]  # fmt: skip


def test_the_whole_way_is_open(made: Stage, kari: Client, bank: Bank) -> None:
    assert run(made, bank) == WHOLE
    page = kari.get(address(made)).content.decode()
    assert "The connection works" in page
    assert page.count("yes") == len(WHOLE)
    with made.scope():
        steps = {row["step"]: row["ms"] for row in ConnectionTest.objects.get().steps}
        assert [step for step, ms in steps.items() if ms is None] == [
            "customer",
            "active",
            "account",
        ]
        assert all(ms >= 0 for ms in steps.values() if ms is not None)
        request = BankFile.objects.get(direction="out")
        assert (request.kind, request.status) == ("camt.060.001.05", "received")
        assert request.answers.get().kind == "camt.052"


@pytest.mark.parametrize(("step", "code", "change", "said"), CAUSES, ids=[c[1] for c in CAUSES])
def test_each_cause_is_told_where_it_lies_with_its_cure_and_is_open_when_mended(
    made: Stage, kari: Client, bank: Bank, step: str, code: str, change: Any, said: str
) -> None:
    wrong = change(made)
    right = {name: getattr(made.channel, name) for name in wrong}
    rows = BankChannel.objects.filter(pk=made.channel.pk)
    for name, value in wrong.items():
        setattr(made.channel, name, value)
    made.channel.save(update_fields=list(wrong))
    before = list(connecting.STEPS)[: list(connecting.STEPS).index(step)]
    assert run(made, bank) == [*((name, True, "") for name in before), (step, False, code)]
    page = kari.get(address(made)).content.decode()
    assert "The connection does not work" in page
    assert said in page
    assert f"<code>{code}</code>" in page
    assert page.count("not come to") == len(connecting.STEPS) - len(before) - 1
    row = rows.get()
    for name, value in right.items():
        setattr(row, name, value)
    row.save(update_fields=list(right))
    assert run(made, bank) == WHOLE


def told(bank: Bank, made: Stage, **changes: Any) -> None:
    """Tells the bank of the customer anew, in another way."""
    customer = {
        "customer_number": made.agreement.customer_number,
        "name": made.company.name,
        "channel": "kvitt",
        "agreement_id": made.agreement.agreement_id,
        **changes,
    }
    bank.ask("/setup", {"customers": [customer]})


REFUSED = [
    ("customer", "customer-unknown", "BE06", "does not know the customer number"),
    ("active", "agreement-not-active", "AG01", "has not activated it"),
    ("account", "account-not-tied", "AC02", "not tied to it"),
]


@pytest.mark.parametrize(("step", "code", "own", "said"), REFUSED, ids=[r[1] for r in REFUSED])
def test_what_the_bank_does_not_know_is_told_and_cured(
    made: Stage, kari: Client, bank: Bank, step: str, code: str, own: str, said: str
) -> None:
    wrong = {
        "customer": {"agreement_id": "OTHER"},
        "active": {"active": False},
        "account": {},
    }[step]
    if step == "account":
        # The bank ties the account to another customer of its own.
        account = {"number": made.agreement.account.number}
        told(bank, made, customer_number="OTHER", accounts=[account])
    told(bank, made, **wrong)
    before = list(connecting.STEPS)[: list(connecting.STEPS).index(step)]
    assert run(made, bank) == [*((name, True, "") for name in before), (step, False, code)]
    page = kari.get(address(made)).content.decode()
    assert "The connection does not work" in page
    assert said in page
    assert f'<span lang="en">{own} ' in page
    with made.scope():
        assert BankFile.objects.get(direction="out").status == "refused"
    kit.tell(bank, made, balance="1.00")
    assert run(made, bank) == WHOLE


def test_while_the_answer_is_waited_for_the_page_says_so_and_at_last_that_none_came(
    made: Stage, kari: Client, bank: Bank
) -> None:
    test = begin(made)
    assert [row["step"] for row in test.steps] == list(connecting.STEPS)[:5]
    assert "waits for the bank" in kari.get(address(made)).content.decode()
    with made.scope():
        late = timezone.now() - connecting._longest() - connecting.dt.timedelta(seconds=601)
        ConnectionTest.objects.filter(pk=test.pk).update(asked_at=late)
    page = kari.get(address(made)).content.decode()
    assert "The connection does not work" in page
    assert "<code>no-answer</code>" in page
    # It is never too late: the answer still ends the test.
    bank.work()
    job.fetch(made)
    assert "The connection works" in kari.get(address(made)).content.decode()


def test_a_test_is_not_held_by_a_stop(made: Stage, kari: Client, bank: Bank) -> None:
    stop = f"/c/{made.company.public_id}/agreements/sending/"
    kari.post(stop, {"act": "stop", "reason": "Prøver"})
    with made.scope():
        assert stops.now(made.company.pk).company is not None
    assert run(made, bank) == WHOLE


def test_a_bank_that_takes_no_request_is_tried_as_far_as_its_folders(
    made: Stage, kari: Client, bank: Bank
) -> None:
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(file_format="nets")
    assert run(made, bank) == WHOLE[:4]
    page = kari.get(address(made)).content.decode()
    assert "The connection works" in page
    assert "not known to answer a request" in page
    with tenancy.acting_for((), unclaimed=True):
        assert not BankFile.objects.filter(direction="out").exists()


def test_one_test_at_a_time_and_one_whose_worker_died_is_given_up(
    made: Stage, kari: Client
) -> None:
    assert "is under way" in kari.post(address(made), follow=True).content.decode()
    again = kari.post(address(made), follow=True).content.decode()
    assert "A test is under way already." in again
    with made.scope():
        (test,) = ConnectionTest.objects.all()
        old = timezone.now() - connecting._longest()
        fresh = {"ended_at": None, "steps": [], "request": None}
        ConnectionTest.objects.filter(pk=test.pk).update(asked_at=old, **fresh)
    assert "was not carried out" in kari.get(address(made)).content.decode()
    kari.post(address(made))
    with made.scope():
        assert ConnectionTest.objects.count() == 2


def test_the_moving_part_asks_until_the_test_has_ended(
    made: Stage, kari: Client, bank: Bank
) -> None:
    with made.scope(), transaction.atomic():
        test = connecting.begin(agreement=made.agreement, user=made.users["kari"])
        assert test is not None
    part = kari.get(f"{address(made)}steps/", headers={"HX-Request": "true"})
    assert 'hx-trigger="every 1s"' in part.content.decode()
    with made.scope():
        connecting.run(test.pk)
    part = kari.get(f"{address(made)}steps/", headers={"HX-Request": "true"})
    assert 'hx-trigger="every 1s"' in part.content.decode()
    bank.work()
    job.fetch(made)
    part = kari.get(f"{address(made)}steps/", headers={"HX-Request": "true"})
    assert part["HX-Refresh"] == "true"
    whole = kari.get(f"{address(made)}steps/")
    assert whole["Location"] == address(made)
