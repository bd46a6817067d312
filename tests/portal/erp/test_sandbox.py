"""Requests that only try: answered as others are, and undone, so that nothing is kept of them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from payments.models import Payment, PaymentLine, Upload
from portal import clock
from portal.events.models import Event
from portal.mail.models import Letter
from tests import kit
from tests.kit import Erp, Line, Stage

pytestmark = pytest.mark.usefixtures("own_database")


@pytest.fixture
def made(own_database: str) -> Stage:
    return kit.stage()


@pytest.fixture
def erp(made: Stage) -> Erp:
    return Erp(made)


def body(made: Stage, number: str = "P1", *, wrong: bool = False) -> bytes:
    lines = [
        Line("L1", "10.00", kit.account(70), message="Faktura 1"),
        Line("L2", "20.00", "1" if wrong else kit.account(71), message="Faktura 2"),
    ]
    return kit.pain001({number: lines}, account=made.agreement.account.number, due=clock.today())


def kept(made: Stage) -> tuple[int, ...]:
    with made.scope():
        models = (Payment, PaymentLine, Upload, Letter)
        counts = [model.objects.count() for model in models]
        return (*counts, Event.objects.exclude(subject="agreement").count())


@pytest.mark.parametrize("wrong", [False, True])
def test_an_upload_is_answered_as_it_would_be_and_nothing_is_kept(
    made: Stage, erp: Erp, wrong: bool
) -> None:
    before = kept(made)
    tried = erp.post("payments", body(made, wrong=wrong), key="k1", sandbox="true")
    assert (tried.status_code, tried["Kvitt-Sandbox"]) == (201, "true")
    assert kept(made) == before
    assert erp.get("payments/P1").status_code == 404
    assert erp.events() == []
    again = erp.post("payments", body(made, wrong=wrong), key="k1", sandbox="true")
    assert again.status_code == 201, "the key is free"
    real = erp.post("payments", body(made, wrong=wrong), key="k1")
    assert (real.status_code, "Kvitt-Sandbox" in real) == (201, False)
    told, truth = dict(tried.json()), dict(real.json())
    upload = truth.pop("upload")
    assert told.pop("upload") != upload
    assert told == truth
    assert kept(made)[:3] == (1, 2, 1)
    # What was answered before is told again, tried or not.
    replay = erp.post("payments", body(made, wrong=wrong), key="k1", sandbox="true")
    assert (replay.status_code, replay.json()["upload"]) == (200, upload)


def test_a_refusal_is_the_same(made: Stage, erp: Erp) -> None:
    other = kit.pain001(
        {"P1": [Line("L1", "10.00", kit.account(70), message="x")]},
        account=kit.account(99),
        due=clock.today(),
    )
    tried, real = (erp.post("payments", other, sandbox=word) for word in ("true", ""))
    place = "PmtInf[1]/DbtrAcct"
    told = kit.refusal(tried, 422, "unknown-account", place=place)
    assert told == kit.refusal(real, 422, "unknown-account", place=place)
    assert kept(made)[:2] == (0, 0)


def test_a_cancellation_is_tried(made: Stage, erp: Erp) -> None:
    erp.post("payments", body(made))
    before = kept(made)
    path, order = "payments/P1/cancel", json.dumps({"reason": "Feil"}).encode()
    tried = erp.post(path, order, media_type="application/json", sandbox="True")
    assert (tried.status_code, tried.json()["cancelled"], tried["Kvitt-Sandbox"]) == (
        200,
        2,
        "true",
    )
    assert kept(made) == before
    assert erp.get("payments/P1").json()["erp_code"] == 2
    assert erp.post(path, order, media_type="application/json").json()["cancelled"] == 2
    assert erp.get("payments/P1").json()["erp_code"] == 4


def test_a_word_that_is_neither_is_refused(made: Stage, erp: Erp) -> None:
    for word in ("false", "1", "ja"):
        answer = erp.post("payments", body(made), sandbox=word)
        kit.refusal(answer, 400, "sandbox", place="Kvitt-Sandbox")
    assert kept(made)[0] == 0


def test_a_header_that_is_not_signed_is_refused(made: Stage, erp: Erp) -> None:
    path, content = "payments", body(made)
    headers = {
        "Content-Type": "application/xml",
        "Kvitt-User": made.users["erp"].email,
        "Idempotency-Key": "k1",
    }
    headers = erp.headers("POST", path, content, headers)
    kind = headers.pop("Content-Type")
    answer: Any = erp.client.post(
        kit.API + path, content, content_type=kind, headers=headers | {"Kvitt-Sandbox": "true"}
    )
    kit.refusal(answer, 401, "signature", place="Signature")
    # And one that somebody has taken away does not make a try real.
    signed = erp.headers(
        "POST",
        path,
        content,
        {**_without_signature(headers), "Content-Type": kind, "Kvitt-Sandbox": "true"},
    )
    del signed["Kvitt-Sandbox"], signed["Content-Type"]
    answer = erp.client.post(kit.API + path, content, content_type=kind, headers=signed)
    kit.refusal(answer, 401, "signature", place="Signature")
    assert kept(made)[0] == 0


def _without_signature(headers: dict[str, str]) -> dict[str, str]:
    return {
        k: v
        for k, v in headers.items()
        if k.lower() not in ("signature", "signature-input", "content-digest")
    }
