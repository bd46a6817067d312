"""The connection test against the real bank: the whole way, and each step failing and cured."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from banking import connecting, tasks
from banking.models import BankChannel, ConnectionTest
from portal.access.roles import Role
from tests import kit
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


def run(made: Stage) -> list[tuple[str, bool, str]]:
    """Tests as the worker does; (step, passed, code) of each that was come to."""
    with made.scope(), transaction.atomic():
        test = connecting.begin(agreement=made.agreement, user=made.users["kari"])
        assert test is not None
    tasks.test_connection(made.company.pk, test.pk)
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
    ("key", "key-refused", lambda made: {"private_key": kit._new_key()}, "refused our key"),
    (
        "folders",
        "folder-missing",
        lambda made: {"download_folders": ["out/pain002", "out/missing"]},
        "has no folder",
    ),
]  # fmt: skip


def test_the_whole_way_is_open(made: Stage, kari: Client) -> None:
    assert run(made) == WHOLE
    page = kari.get(address(made)).content.decode()
    assert "The way is open" in page
    assert page.count("yes, ") == len(WHOLE)
    with made.scope():
        assert all(row["ms"] >= 0 for row in ConnectionTest.objects.get().steps)


@pytest.mark.parametrize(("step", "code", "change", "said"), CAUSES, ids=[c[1] for c in CAUSES])
def test_each_cause_is_told_where_it_lies_with_its_cure_and_is_open_when_mended(
    made: Stage, kari: Client, step: str, code: str, change: Any, said: str
) -> None:
    wrong = change(made)
    right = {name: getattr(made.channel, name) for name in wrong}
    rows = BankChannel.objects.filter(pk=made.channel.pk)
    for name, value in wrong.items():
        setattr(made.channel, name, value)
    made.channel.save(update_fields=list(wrong))
    before = list(connecting.STEPS)[: list(connecting.STEPS).index(step)]
    assert run(made) == [*((name, True, "") for name in before), (step, False, code)]
    page = kari.get(address(made)).content.decode()
    assert "The way is closed" in page
    assert said in page
    assert f"<code>{code}</code>" in page
    assert page.count("not come to") == len(connecting.STEPS) - len(before) - 1
    row = rows.get()
    for name, value in right.items():
        setattr(row, name, value)
    row.save(update_fields=list(right))
    assert run(made) == WHOLE


def test_one_test_at_a_time_and_one_whose_worker_died_is_given_up(
    made: Stage, kari: Client
) -> None:
    assert "is under way" in kari.post(address(made), follow=True).content.decode()
    again = kari.post(address(made), follow=True).content.decode()
    assert "A test is under way already." in again
    with made.scope():
        (test,) = ConnectionTest.objects.all()
        old = timezone.now() - connecting._longest()
        ConnectionTest.objects.filter(pk=test.pk).update(asked_at=old, ended_at=None, steps=[])
    assert "was not carried out" in kari.get(address(made)).content.decode()
    kari.post(address(made))
    with made.scope():
        assert ConnectionTest.objects.count() == 2


def test_the_moving_part_asks_until_the_test_has_ended(made: Stage, kari: Client) -> None:
    with made.scope(), transaction.atomic():
        test = connecting.begin(agreement=made.agreement, user=made.users["kari"])
        assert test is not None
    part = kari.get(f"{address(made)}steps/", headers={"HX-Request": "true"})
    assert 'hx-trigger="every 1s"' in part.content.decode()
    tasks.test_connection(made.company.pk, test.pk)
    part = kari.get(f"{address(made)}steps/", headers={"HX-Request": "true"})
    assert part["HX-Refresh"] == "true"
    whole = kari.get(f"{address(made)}steps/")
    assert whole["Location"] == address(made)
