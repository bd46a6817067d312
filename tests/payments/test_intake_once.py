"""An upload is done once, however often and however many at a time it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from payments.models import Payment, PaymentLine, Upload
from portal import clock
from tests import kit
from tests.kit import Erp, Line, Stage


@pytest.fixture
def made(db: None, settings: Any) -> Stage:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return kit.stage()


@pytest.fixture
def erp(made: Stage) -> Erp:
    return Erp(made)


def file(made: Stage, second: str = "2.00") -> bytes:
    """Two payments, the first with a line that is stopped."""
    rows = {
        "B1": [Line("L1", "1.00", kit.account(70)), Line("L2", second, "1")],
        "B2": [Line("L1", "3.00", kit.account(72))],
    }
    return kit.pain001(rows, account=made.agreement.account.number, due=clock.today())


def test_the_same_key_and_body_give_the_same_answer(erp: Erp) -> None:
    body = file(erp.made)
    first = erp.post("payments", body, key="k1")
    before = kit.stored(erp.made)
    again = erp.post("payments", body, key="k1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert "Idempotent-Replay" not in first
    assert again["Idempotent-Replay"] == "true"
    assert again.content == first.content
    assert kit.stored(erp.made) == before


def test_the_same_key_with_another_body_is_refused(erp: Erp) -> None:
    erp.post("payments", file(erp.made), key="k1")
    before = kit.stored(erp.made)
    answer = erp.post("payments", file(erp.made, "2.50"), key="k1")
    kit.refusal(answer, 422, "key-reused", place="Idempotency-Key")
    assert kit.stored(erp.made) == before


def test_a_refused_upload_leaves_its_key_usable(erp: Erp) -> None:
    kit.refusal(erp.post("payments", b"<a/>", key="k1"), 422, "unknown-message")
    assert erp.post("payments", file(erp.made), key="k1").status_code == 201


def test_two_companies_may_use_the_same_key(erp: Erp) -> None:
    other = Erp(kit.stage(place=2))
    assert erp.post("payments", file(erp.made), key="k1").status_code == 201
    assert other.post("payments", file(other.made), key="k1").status_code == 201


def at_once(work: Callable[[int], Any], times: int) -> list[Any]:
    """Does the work in threads that start together, each with a connection of its own."""
    barrier = threading.Barrier(times)

    def run(number: int) -> Any:
        try:
            barrier.wait(10)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(run, range(times)))


def test_twenty_at_once_with_one_key_make_one_payment_and_get_one_answer(
    own_database: str,
) -> None:
    made = kit.stage()
    body = file(made)
    answers = at_once(lambda _: Erp(made).post("payments", body, key="k1"), 20)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.content for answer in answers}) == 1
    with made.scope():
        assert (Upload.objects.count(), Payment.objects.count()) == (1, 2)
        assert PaymentLine.objects.count() == 3


def test_of_ten_at_once_with_keys_of_their_own_one_gets_the_number(own_database: str) -> None:
    made = kit.stage()
    body = file(made)
    answers = at_once(lambda n: Erp(made).post("payments", body, key=f"k{n}"), 10)
    assert sorted(answer.status_code for answer in answers) == [201] + [422] * 9
    for answer in answers:
        if answer.status_code == 422:
            kit.refusal(answer, 422, "duplicate-number", place="PmtInf")
    assert kit.stored(made) | {"Event": 0} == {
        "Upload": 1,
        "Payment": 2,
        "PaymentLine": 3,
        "Event": 0,
    }
