"""The ERP's addresses for payments: what an upload needs, asking, cancelling."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from urllib.parse import quote

import pytest

from payments import lifecycle
from payments.models import Payment, PaymentLine
from portal import clock
from portal.access import actors
from portal.access.models import RoleGrant
from portal.access.roles import Role
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.kit import Erp, Line, Stage

CANCEL = "payments/B1/cancel"


@pytest.fixture
def made(db: None, settings: Any) -> Stage:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return kit.stage()


@pytest.fixture
def erp(made: Stage) -> Erp:
    return Erp(made)


def body(made: Stage, number: str = "B1") -> bytes:
    rows = [
        Line("L1", "10.00", kit.account(70), message="Faktura 6"),
        Line("L2", "20.00", kit.account(71), message="Faktura 7"),
        Line("L3", "30.00", "1", message="Faktura 8"),
    ]
    due = clock.today() + dt.timedelta(days=3)
    return kit.pain001({number: rows}, account=made.agreement.account.number, due=due)


def uploaded(made: Stage, number: str = "B1") -> Erp:
    erp = Erp(made)
    answer = erp.post("payments", body(made, number))
    assert answer.status_code == 201, answer.content
    return erp


def cancel(erp: Erp, value: Any, path: str = CANCEL, **spoil: Any) -> Any:
    told = value if isinstance(value, bytes) else json.dumps(value).encode()
    return erp.post(path, told, media_type="application/json", **spoil)


def statuses(made: Stage) -> dict[str, str]:
    with made.scope():
        return dict(PaymentLine.objects.values_list("reference", "status"))


def send(made: Stage) -> None:
    """Lets the good lines be with the bank, by the moves that lead there."""
    steps = [
        (lifecycle.APPROVE, actors.person(made.users["anne"])),
        (lifecycle.SEND, actors.CLOCK),
        (lifecycle.SENT_TO_BANK, actors.CLOCK),
    ]
    with made.scope():
        for step, who in steps:
            rows = PaymentLine.objects.filter(status__in=step.sources).exclude(status="stopped")
            moves.move(rows, step, by=who, at=clock.now())


@pytest.mark.parametrize("key", ["", " ", "k" * 101])
def test_an_upload_without_a_usable_key_is_refused(erp: Erp, key: str) -> None:
    before = kit.stored(erp.made)
    answer = erp.post("payments", body(erp.made), key=key)
    kit.refusal(answer, 400, "key-missing", place="Idempotency-Key")
    assert kit.stored(erp.made) == before


def test_an_upload_without_the_header_of_the_key_is_refused(erp: Erp) -> None:
    before = kit.stored(erp.made)
    data = body(erp.made)
    headers = {"Content-Type": "application/xml", "Kvitt-User": erp.made.users["erp"].email}
    headers = erp.headers("POST", "payments", data, headers)
    media_type = headers.pop("Content-Type")
    answer = erp.client.post(kit.API + "payments", data, content_type=media_type, headers=headers)
    kit.refusal(answer, 400, "key-missing", place="Idempotency-Key")
    assert kit.stored(erp.made) == before


@pytest.mark.parametrize(
    "media_type", ["text/csv", "application/zip", "multipart/form-data; boundary=x", "xml"]
)
def test_a_format_that_is_not_taken_is_415(erp: Erp, media_type: str) -> None:
    before = kit.stored(erp.made)
    answer = erp.post("payments", body(erp.made), media_type=media_type)
    kit.refusal(answer, 415, "media-type", place="Content-Type")
    assert kit.stored(erp.made) == before


@pytest.mark.parametrize("media_type", ["text/xml", "application/xml; charset=utf-8", "TEXT/XML"])
def test_xml_has_several_names(erp: Erp, media_type: str) -> None:
    assert erp.post("payments", body(erp.made), media_type=media_type).status_code == 201


def test_asking_tells_the_payment_and_each_line_as_they_stand(made: Stage) -> None:
    erp = uploaded(made)
    answer = erp.get("payments/B1")
    assert answer.status_code == 200
    told = answer.json()
    assert (told["number"], told["status"], told["erp_code"]) == ("B1", "awaiting", 2)
    assert told["status_text"]
    assert told["due_date"] == str(clock.today() + dt.timedelta(days=3))
    lines = [(row["reference"], row["status"], row["erp_code"]) for row in told["lines"]]
    assert lines == [("L1", "awaiting", 2), ("L2", "awaiting", 2), ("L3", "stopped", 2)]
    assert (told["lines"][0]["amount"], told["lines"][0]["currency"]) == ("10.00", "NOK")
    (reason,) = told["lines"][2]["reasons"]
    assert reason["code"] == "payee-account"
    assert reason["title"]
    assert reason["cure"]


@pytest.mark.parametrize("number", ["A/1", "A+1", "A 1", "Å1", "A:1?", "A/cancel"])
def test_a_number_may_hold_what_an_erp_puts_in_it(made: Stage, number: str) -> None:
    erp = uploaded(made, number)
    path = f"payments/{quote(number, safe='')}"
    if number != "A/cancel":
        erp.client.defaults["RAW_URI"] = kit.API + path  # as the real server tells it
        assert erp.get(path).json()["number"] == number
    erp.client.defaults["RAW_URI"] = f"{kit.API}{path}/cancel"
    assert cancel(erp, {"reason": "x"}, f"{path}/cancel").json()["number"] == number


@pytest.mark.parametrize("number", ["B2", "B1%00", "%00", "B1/cancel/x", "b1", "B" * 300])
def test_a_payment_that_is_not_there_is_404(made: Stage, number: str) -> None:
    erp = uploaded(made)
    before = kit.stored(made)
    kit.refusal(erp.get(f"payments/{number}"), 404, "unknown-payment", place="number")
    answer = cancel(erp, {"reason": "x"}, f"payments/{number}/cancel")
    kit.refusal(answer, 404, "unknown-payment", place="number")
    assert kit.stored(made) == before


def test_another_companys_payment_is_404(made: Stage) -> None:
    uploaded(made)
    other = Erp(kit.stage(place=2))
    before = kit.stored(made)
    kit.refusal(other.get("payments/B1"), 404, "unknown-payment", place="number")
    kit.refusal(cancel(other, {"reason": "x"}), 404, "unknown-payment", place="number")
    assert kit.stored(made) == before
    assert set(statuses(made).values()) == {"awaiting", "stopped"}


def test_cancelling_ends_all_lines_that_are_not_final_and_says_so(made: Stage) -> None:
    erp = uploaded(made)
    answer = cancel(erp, {"reason": "Sendt to ganger"})
    assert answer.status_code == 200, answer.content
    assert answer.json() == {"number": "B1", "cancelled": 3, "asked": 0}
    assert set(statuses(made).values()) == {"cancelled"}
    with made.scope():
        assert Payment.objects.get().status == "cancelled"
        events = list(Event.objects.filter(event="cancelled").order_by("id"))
    assert {event.reference for event in events} == {"L1", "L2", "L3"}
    assert {event.erp_code for event in events} == {4}
    assert {event.detail["reason"] for event in events} == {"Sendt to ganger"}
    assert {event.actor_kind for event in events} == {"erp"}
    told = {row["reference"]: row["erp_code"] for row in erp.events() if row["reference"]}
    assert told == {"L1": 4, "L2": 4, "L3": 4}


def test_cancelling_lines_by_reference_leaves_the_others(made: Stage) -> None:
    erp = uploaded(made)
    answer = cancel(erp, {"reason": "x", "references": ["L2", "L2"]})
    assert answer.json() == {"number": "B1", "cancelled": 1, "asked": 0}
    assert statuses(made) == {"L1": "awaiting", "L2": "cancelled", "L3": "stopped"}


def test_cancelling_again_is_too_late(made: Stage) -> None:
    erp = uploaded(made)
    cancel(erp, {"references": ["L2"]})
    before = kit.stored(made)
    answer = cancel(erp, {"references": ["L2"]})
    kit.refusal(answer, 409, "too-late", place="number")
    assert kit.stored(made) == before


@pytest.mark.parametrize("references", [None, ["L1"], ["L1", "L3"]])
def test_what_has_been_sent_cannot_be_cancelled(made: Stage, references: list[str] | None) -> None:
    erp = uploaded(made)
    send(made)
    assert statuses(made) == {"L1": "sent", "L2": "sent", "L3": "stopped"}
    before = kit.stored(made)
    told = {"reason": "x"} | ({"references": references} if references else {})
    kit.refusal(cancel(erp, told), 409, "too-late", place="number")
    assert kit.stored(made) == before
    assert statuses(made) == {"L1": "sent", "L2": "sent", "L3": "stopped"}


def test_a_stopped_line_can_be_cancelled_after_the_others_were_sent(made: Stage) -> None:
    erp = uploaded(made)
    send(made)
    assert cancel(erp, {"references": ["L3"]}).json()["cancelled"] == 1
    assert statuses(made) == {"L1": "sent", "L2": "sent", "L3": "cancelled"}


@pytest.mark.parametrize(
    ("value", "code", "place"),
    [
        (b"{", "invalid", "body"),
        (b"[]", "invalid", "body"),
        (b"[" * 200_000, "invalid", "body"),
        (b"\xff", "invalid", "body"),
        (b'{"reason": "' + b"x" * 3_000_000 + b'"}', "invalid", "body"),
        ({"reason": 7}, "invalid", "body"),
        ({"reason": "a\0b"}, "invalid", "body"),
        ({"reason": "a\ud800b"}, "invalid", "body"),
        ({"references": "L1"}, "invalid", "body"),
        ({"references": {"L1": 1}}, "invalid", "body"),
        ({"references": [1]}, "invalid", "body"),
        ({"references": []}, "invalid", "body"),
        ({"reference": ["L1"]}, "invalid", "body"),
        ({"references": ["L1", "L9"]}, "unknown-reference", "references"),
    ],
)
def test_a_body_that_is_not_clear_cancels_nothing(
    made: Stage, value: Any, code: str, place: str
) -> None:
    erp = uploaded(made)
    before = kit.stored(made)
    kit.refusal(cancel(erp, value), 422, code, place=place)
    assert kit.stored(made) == before
    assert statuses(made) == {"L1": "awaiting", "L2": "awaiting", "L3": "stopped"}


def test_cancelling_needs_a_user_who_may_upload(made: Stage) -> None:
    erp = uploaded(made)
    before = kit.stored(made)
    for user in ("anne", "bjorn"):
        answer = cancel(erp, {}, user=made.users[user].email)
        kit.refusal(answer, 403, "user-may-not", place="Kvitt-User")
    assert kit.stored(made) == before


def test_a_replay_after_the_role_is_gone_is_refused(made: Stage) -> None:
    erp = Erp(made)
    data = body(made)
    assert erp.post("payments", data, key="k1").status_code == 201
    with made.scope():
        RoleGrant.objects.filter(user=made.users["erp"], role=Role.UPLOADER).delete()
    kit.refusal(erp.post("payments", data, key="k1"), 403, "user-may-not", place="Kvitt-User")
