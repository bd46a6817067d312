"""The door for machines: who is let in, and that nobody else leaves a trace."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from http_message_signatures import (
    ContentDigest,
    HTTPMessageSigner,
    MappingKeyResolver,
    algorithms,
)

from portal import clock
from portal.access.models import RoleGrant, SigningKey, User, new_signing_key
from portal.access.roles import Role
from portal.erp import bodies, door
from portal.erp.models import UsedNonce
from tests import kit
from tests.kit import Erp, Line, Stage

COVERED = (
    "@method",
    "@target-uri",
    "content-digest",
    "content-type",
    "kvitt-user",
    "idempotency-key",
)
NONCE = "n" * 24


@pytest.fixture
def made(db: None, settings: Any) -> Stage:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return kit.stage()


@pytest.fixture
def erp(made: Stage) -> Erp:
    return Erp(made)


def file(made: Stage) -> bytes:
    rows = {"B1": [Line("L1", "10.00", kit.account(70), message="Faktura 6")]}
    return kit.pain001(rows, account=made.agreement.account.number, due=clock.today())


def headers(erp: Erp, body: bytes, *, cover: tuple[str, ...] = COVERED, **more: Any) -> Any:
    """Headers of an upload, signed over these parts alone and with these parameters."""
    sent = {
        "Content-Type": "application/xml",
        "Content-Digest": bodies.digest_header(body),
        "Kvitt-User": erp.made.users["erp"].email,
        "Idempotency-Key": "k1",
    } | more.pop("also", {})
    method, path = more.pop("method", "POST"), more.pop("path", "payments")
    company = more.pop("key_id", erp.made.company.public_id)
    key = more.pop("key", erp.made.key)
    signer = more.pop("signer", HTTPMessageSigner)
    facts = {"created": dt.datetime.now(dt.UTC), "nonce": secrets.token_urlsafe(18)} | more
    signer(
        signature_algorithm=algorithms.HMAC_SHA256,
        key_resolver=MappingKeyResolver(public_keys={}, private_keys={company: key.encode()}),
    ).sign(
        kit._Request(method, erp.base + kit.API + path, sent),
        key_id=company,
        covered_component_ids=cover,
        use_existing_digest=True,
        label="sig1",
        **{name: value for name, value in facts.items() if value is not None},
    )
    return sent


def post(erp: Erp, body: bytes, sent: dict[str, str], path: str = "payments") -> Any:
    return erp.client.generic("POST", kit.API + path, body, headers=sent)


def used(made: Stage) -> int:
    with made.scope():
        return UsedNonce.objects.count()


def refused(erp: Erp, answer: Any, status: int, code: str, place: str) -> dict[str, Any]:
    """The refusal, after checking that the request has left nothing behind."""
    problem = kit.refusal(answer, status, code, place=place)
    rows = kit.stored(erp.made)
    assert (rows["Upload"], rows["Payment"], rows["PaymentLine"]) == (0, 0, 0)
    return problem


def ago(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)


class AnyDigest(ContentDigest):
    """Lets a test sign a digest that no caller should send."""

    @classmethod
    def prepare(cls, *words: Any, **facts: Any) -> None:
        """Nothing is checked."""


class Careless(HTTPMessageSigner):
    content_digest_class = AnyDigest


def test_a_signed_request_is_let_in(erp: Erp) -> None:
    body = file(erp.made)
    answer = post(erp, body, headers(erp, body))
    assert answer.status_code == 201, answer.content
    with erp.made.scope():
        assert SigningKey.objects.get().last_used_at is not None


def without(name: str) -> Callable[[dict[str, str]], None]:
    return lambda sent: sent.__delitem__(name)


def put(name: str, value: str) -> Callable[[dict[str, str]], None]:
    return lambda sent: sent.__setitem__(name, value)


def flip(name: str) -> Callable[[dict[str, str]], None]:
    def change(sent: dict[str, str]) -> None:
        at = sent[name].index(":") + 5
        other = "A" if sent[name][at] != "A" else "B"
        sent[name] = sent[name][:at] + other + sent[name][at + 1 :]

    return change


def drop_created(sent: dict[str, str]) -> None:
    sent["Signature-Input"] = re.sub(r";created=\d+", "", sent["Signature-Input"])


AFTER: dict[str, Callable[[dict[str, str]], None]] = {
    "no signature": without("Signature"),
    "no signature's input": without("Signature-Input"),
    "an empty signature": put("Signature", ""),
    "a signature that is no structure": put("Signature", "Basic YTpi"),
    "a signature's input that is no structure": put("Signature-Input", "sig1=("),
    "another label": lambda sent: put("Signature", sent["Signature"].replace("sig1", "x", 1))(sent),
    "a changed signature": flip("Signature"),
    "created left out afterwards": drop_created,
    "another user": put("Kvitt-User", "anne@example.org"),
    "another key of idempotency": put("Idempotency-Key", "k2"),
    "another content type": put("Content-Type", "application/json"),
    "another digest": put("Content-Digest", bodies.digest_header(b"x")),
    "no digest": without("Content-Digest"),
    "no content type": without("Content-Type"),
    "the user left out": without("Kvitt-User"),
    "the key of idempotency left out": without("Idempotency-Key"),
}


@pytest.mark.parametrize("case", AFTER)
def test_what_is_changed_after_signing_is_not_let_in(erp: Erp, case: str) -> None:
    body = file(erp.made)
    sent = headers(erp, body)
    AFTER[case](sent)
    if case == "no content type":
        sent["Content-Type"] = ""
    problem = refused(erp, post(erp, body, sent), 401, "signature", "Signature")
    assert "@target-uri" in problem["cure"]
    assert "content-digest" in problem["cure"]
    assert used(erp.made) == 0


WRONG: dict[str, dict[str, Any]] = {
    "another key": {"key": "x" * 43},
    "an empty key": {"key": "x"},
    "a company that is not there": {"key_id": "0000000000"},
    "an id that is none": {"key_id": "Robert'); DROP TABLE"},
    "created too long ago": {"created": ago(400)},
    # Two hours: the moment is fixed when the tests are collected, and a long run comes later.
    "created in the future": {"created": ago(-7200)},
    "expired": {"expires": ago(10), "created": ago(100)},
    "the method not covered": {"cover": COVERED[1:]},
    "the address not covered": {"cover": COVERED[:1] + COVERED[2:]},
    "only the path covered": {"cover": ("@method", "@path", *COVERED[2:])},
    "the digest not covered": {"cover": (*COVERED[:2], *COVERED[3:])},
    "the content type not covered": {"cover": (*COVERED[:3], *COVERED[4:])},
    "the user not covered": {"cover": (*COVERED[:4], *COVERED[5:])},
    "the key of idempotency not covered": {"cover": COVERED[:5]},
    "another method": {"method": "PUT"},
    "another path": {"path": "payments/B1/cancel"},
    "another query": {"path": "payments?x=1"},
}


@pytest.mark.parametrize("case", WRONG)
def test_a_request_signed_wrongly_is_not_let_in(erp: Erp, case: str) -> None:
    body = file(erp.made)
    answer = post(erp, body, headers(erp, body, **WRONG[case]))
    refused(erp, answer, 401, "signature", "Signature")
    assert used(erp.made) == 0


def test_a_query_added_afterwards_is_not_let_in(erp: Erp) -> None:
    body = file(erp.made)
    sent = headers(erp, body)
    refused(erp, post(erp, body, sent, "payments?x=1"), 401, "signature", "Signature")
    sent = erp.headers("GET", "events?after=5", None, {})
    answer = erp.client.get(kit.API + "events?after=0", headers=sent)
    kit.refusal(answer, 401, "signature", place="Signature")


def test_a_signature_for_another_host_is_not_let_in(erp: Erp) -> None:
    elsewhere = Erp(erp.made, base="http://other.example")
    kit.refusal(elsewhere.get("ping"), 401, "signature", place="Signature")


@pytest.mark.parametrize("nonce", [None, "", "short", "n" * 15, "n" * 101])
def test_a_nonce_is_needed(erp: Erp, nonce: str | None) -> None:
    body = file(erp.made)
    answer = post(erp, body, headers(erp, body, nonce=nonce))
    refused(erp, answer, 401, "nonce", "Signature-Input")


def test_a_request_sent_again_as_it_was_is_refused(erp: Erp) -> None:
    body = file(erp.made)
    sent = headers(erp, body)
    assert post(erp, body, sent).status_code == 201
    before = kit.stored(erp.made)
    problem = kit.refusal(post(erp, body, sent), 401, "replayed", place="Signature-Input")
    assert "Idempotency-Key" in problem["cure"]
    assert kit.stored(erp.made) == before


def test_a_nonce_is_used_up_by_any_request_of_the_company(erp: Erp) -> None:
    assert erp.get("ping", nonce=NONCE).status_code == 200
    kit.refusal(erp.get("events", nonce=NONCE), 401, "replayed", place="Signature-Input")
    other = Erp(kit.stage(place=2))
    assert other.get("ping", nonce=NONCE).status_code == 200


def test_nonces_are_forgotten_only_when_their_signatures_are_too_old(erp: Erp) -> None:
    assert erp.get("ping", nonce=NONCE).status_code == 200
    with erp.made.scope():
        assert door.forget_nonces(now=timezone.now() + dt.timedelta(seconds=310)) == 0
        assert door.forget_nonces(now=timezone.now() + dt.timedelta(seconds=700)) == 1


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha-256",
        "sha-256=abc",
        "sha-256=99999999999999",
        "sha-512=:" + base64.b64encode(hashlib.sha512(b"x").digest()).decode() + ":",
        "md5=:" + base64.b64encode(hashlib.md5(b"x").digest()).decode() + ":",
    ],
)
def test_a_digest_that_cannot_be_read_is_refused(erp: Erp, digest: str) -> None:
    body = file(erp.made)
    answer = post(erp, body, headers(erp, body, also={"Content-Digest": digest}, signer=Careless))
    problem = refused(erp, answer, 400, "digest", "Content-Digest")
    assert "sha-256" in problem["cure"]


def test_a_body_other_than_its_digest_is_refused(erp: Erp) -> None:
    body = file(erp.made)
    sent = headers(erp, body)
    answer = post(erp, body.replace(b"10.00", b"99.00"), sent)
    refused(erp, answer, 400, "digest", "Content-Digest")
    answer = post(erp, b"", sent)
    refused(erp, answer, 400, "digest", "Content-Digest")
    assert post(erp, body, sent).status_code == 201  # the nonce was not used up by another's try


def test_both_digests_must_hold_where_two_are_given(erp: Erp) -> None:
    body = file(erp.made)
    wrong = base64.b64encode(hashlib.sha512(b"x").digest()).decode()
    told = f"{bodies.digest_header(body)}, sha-512=:{wrong}:"
    answer = post(erp, body, headers(erp, body, also={"Content-Digest": told}))
    refused(erp, answer, 400, "digest", "Content-Digest")


def test_a_retired_key_opens_nothing_and_the_new_one_does(erp: Erp) -> None:
    body = file(erp.made)
    new = new_signing_key()
    with erp.made.scope():
        SigningKey.objects.update(retired_at=timezone.now())
    refused(erp, post(erp, body, headers(erp, body)), 401, "signature", "Signature")
    with erp.made.scope():
        SigningKey.objects.create(company=erp.made.company, secret=new)
    refused(erp, post(erp, body, headers(erp, body)), 401, "signature", "Signature")
    assert post(erp, body, headers(erp, body, key=new)).status_code == 201


def test_one_company_cannot_sign_for_another(erp: Erp) -> None:
    body = file(erp.made)
    other = kit.stage(place=2)
    answer = post(erp, body, headers(erp, body, key=other.key))
    refused(erp, answer, 401, "signature", "Signature")


def test_a_user_of_another_company_may_not_upload_here(erp: Erp) -> None:
    body = file(erp.made)
    other = kit.stage(place=2)
    email = other.users["erp"].email
    answer = post(erp, body, headers(erp, body, also={"Kvitt-User": email}))
    problem = refused(erp, answer, 403, "user-may-not", "Kvitt-User")
    assert email in problem["problem"]


def test_a_user_without_the_role_may_not_upload(erp: Erp) -> None:
    for email in (erp.made.users["anne"].email, "nobody@example.org", "", "a,b"):
        body = file(erp.made)
        answer = erp.post("payments", body, user=email)
        refused(erp, answer, 403, "user-may-not", "Kvitt-User")


def test_an_inactive_user_may_not_upload(erp: Erp) -> None:
    User.objects.filter(pk=erp.made.users["erp"].pk).update(is_active=False)
    answer = erp.post("payments", file(erp.made))
    refused(erp, answer, 403, "user-may-not", "Kvitt-User")


def test_a_role_that_was_just_removed_ends_at_once(erp: Erp) -> None:
    assert erp.post("payments", b"<a/>").status_code == 422
    with erp.made.scope():
        RoleGrant.objects.filter(user=erp.made.users["erp"], role=Role.UPLOADER).delete()
    answer = erp.post("payments", file(erp.made))
    refused(erp, answer, 403, "user-may-not", "Kvitt-User")


def test_uploading_needs_a_named_user(erp: Erp) -> None:
    body = file(erp.made)
    sent = {"Content-Type": "application/xml", "Idempotency-Key": "k1"}
    sent = erp.headers("POST", "payments", body, sent)
    refused(erp, post(erp, body, sent), 400, "user-missing", "Kvitt-User")


def test_the_name_of_a_user_is_read_whatever_its_case(erp: Erp) -> None:
    email = f" {erp.made.users['erp'].email.upper()} "
    assert erp.post("payments", file(erp.made), user=email).status_code == 201


def test_reading_needs_the_key_alone(erp: Erp) -> None:
    for path in ("ping", "events"):
        assert erp.get(path).status_code == 200
    kit.refusal(erp.get("payments/B1"), 404, "unknown-payment", place="number")


@pytest.mark.parametrize("path", ["ping", "events", "payments/B1"])
def test_nothing_is_read_without_a_signature(erp: Erp, path: str) -> None:
    answer = erp.client.get(kit.API + path)
    kit.refusal(answer, 401, "signature", place="Signature")


def test_a_session_in_a_browser_does_not_open_the_door(erp: Erp) -> None:
    browser = kit.signed_in(erp.made.users["anne"])
    answer = browser.get(kit.API + "ping")
    kit.refusal(answer, 401, "signature", place="Signature")
