"""A signature can be shown and checked later: its seal, the passkey's answer, and the payment."""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django_otp_webauthn.models import WebAuthnCredential
from webauthn.helpers import bytes_to_base64url

from payments import approval, digest, proofs, signable
from payments.models import Ceremony, Payment, Signature
from portal import clock
from portal.access import passkeys
from portal.access.models import User
from portal.access.roles import Role, permissions_of
from portal.access.secondfactor import Factor, Proof
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Stage

pytestmark = pytest.mark.django_db
APPROVER = permissions_of([Role.APPROVER])


class Passkey:
    """A passkey that lives in the test: it signs as a device does."""

    def __init__(self, user: User) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())
        point = self.private.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        self.id = secrets.token_bytes(16)
        self.row = WebAuthnCredential.objects.create(
            user=user,
            name="Nøkkel",
            confirmed=True,
            credential_id=self.id,
            public_key=cbor2.dumps(key),
        )

    def answer(self, nonce: str, digest: str) -> dict[str, Any]:
        client = {
            "type": "webauthn.get",
            "challenge": bytes_to_base64url(passkeys.challenge(nonce, digest)),
            "origin": settings.OTP_WEBAUTHN_ALLOWED_ORIGINS[0],
        }
        told = json.dumps(client).encode()
        host = hashlib.sha256(settings.OTP_WEBAUTHN_RP_ID.encode()).digest()
        device = host + bytes([0b0000_0101]) + struct.pack(">I", 7)
        signature = self.private.sign(
            device + hashlib.sha256(told).digest(), ec.ECDSA(hashes.SHA256())
        )
        return {
            "id": bytes_to_base64url(self.id),
            "rawId": bytes_to_base64url(self.id),
            "type": "public-key",
            "response": {
                "clientDataJSON": bytes_to_base64url(told),
                "authenticatorData": bytes_to_base64url(device),
                "signature": bytes_to_base64url(signature),
            },
        }


@pytest.fixture
def made() -> Stage:
    made = kit.stage(approvers=1)
    job.upload(made)
    return made


def signed(made: Stage, *, across: bool = False) -> tuple[Passkey, list[Signature]]:
    """Both payments, signed by Anne with a passkey; alone, or as one part of several companies."""
    anne = made.users["anne"]
    device = Passkey(anne)
    with made.scope():
        payments = list(Payment.objects.select_related("agreement__account").order_by("pk"))
        seen = {row.payment.pk: row.fingerprint() for row in signable.shown(payments)}
        own, nonce = digest.shown(seen), passkeys.new_nonce()
        parts = [own, digest.shown({1: "another company's"})] if across else [own]
        over = digest.together(parts) if across else own
        evidence = passkeys.evidence(
            device.answer(nonce, over), nonce=nonce, digest=over, device=device.row
        )
        if across:
            evidence |= {"own": own, "path": digest.path(parts, 0)}
        approval.sign(
            company=made.company,
            user=anne,
            permissions=APPROVER,
            fingerprints=seen,
            proof=Proof(Factor.PASSKEY, device.row.pk, device.row, clock.now()),
            at=clock.now(),
            evidence=evidence,
        )
        return device, found()


def found() -> list[Signature]:
    rows = Signature.objects.select_related("user", "ceremony", "payment__agreement__account")
    return list(rows.order_by("pk"))


@pytest.mark.parametrize("across", [False, True])
def test_a_passkeys_signature_holds_also_when_the_passkey_is_gone(
    made: Stage, across: bool
) -> None:
    device, signatures = signed(made, across=across)
    device.row.delete()
    with made.scope():
        for one in signatures:
            assert proofs.check(one) == proofs.Checked(True, True, True, True)
            assert proofs.check(one).good


def altered(made: Stage, **evidence: Any) -> proofs.Checked:
    with made.scope():
        ceremony = Ceremony.objects.get()
        ceremony.evidence |= evidence
        ceremony.save(update_fields=["evidence"])
        return proofs.check(found()[0])


@pytest.mark.parametrize("across", [False, True])
def test_evidence_that_was_altered_does_not_hold(made: Stage, across: bool) -> None:
    signed(made, across=across)
    with made.scope():
        before = Ceremony.objects.get().evidence
    other = Passkey(made.users["bjorn"])
    answer = other.answer(before["nonce"], before["digest"])
    assert altered(made, assertion=answer).passkey is False  # another key answered
    assert altered(made, **before).good
    assert altered(made, nonce="0" * 64).passkey is False
    checked = altered(made, **{**before, "digest": "0" * 64})
    assert (checked.shown, checked.passkey) == (False, False)
    assert altered(made, **before).good
    assert altered(made, public_key="").passkey is False
    if across:
        altered(made, **before)
        assert altered(made, own="0" * 64).shown is False
        altered(made, **before)
        assert altered(made, path=[]).shown is False


def test_what_was_signed_along_with_it_counts(made: Stage) -> None:
    """One text altered of the two: the page's digest is another's then, for both."""
    _device, signatures = signed(made)
    with made.scope():
        text = signatures[1].statement.replace("lines: 1", "lines: 2")
        Signature.objects.filter(pk=signatures[1].pk).update(statement=text)
        first, second = (proofs.check(one) for one in found())
    assert (first.sealed, first.shown, first.good) == (True, False, False)
    assert (second.sealed, second.good) == (False, False)


def test_a_payment_that_changes_later_takes_nothing_from_the_signature(made: Stage) -> None:
    job.sign(made, made.users["anne"])
    with made.scope():
        (one, _other) = found()
        assert proofs.check(one) == proofs.Checked(True, True)
        Payment.objects.filter(pk=one.payment_id).update(digest=b"0" * 32)
        changed = proofs.check(found()[0])
    assert (changed.sealed, changed.same, changed.good) == (True, False, True)


def test_the_page_tells_whether_it_holds_and_hands_out_what_is_kept(made: Stage) -> None:
    _device, signatures = signed(made)
    client = kit.signed_in(made.users["bjorn"])
    client.cookies["kvitt_language"] = "en"
    path = f"/c/{made.company.public_id}/outgoing/signatures/{signatures[0].pk}/"
    page = client.get(path).content.decode()
    assert "The signature holds." in page
    assert "The passkey signed just that." in page
    assert signatures[0].statement.splitlines()[0] in page
    kept = client.get(f"{path}?as=json")
    assert kept["Content-Disposition"].startswith("attachment")
    told = kept.json()
    assert told["statement"] == signatures[0].statement
    assert passkeys.evidence_holds(told["evidence"])
    there = client.get(f"/c/{made.company.public_id}/outgoing/{signatures[0].payment_id}/")
    assert path in there.content.decode()
    with made.scope():
        Signature.objects.filter(pk=signatures[0].pk).update(mac=b"0" * 32)
    page = client.get(path).content.decode()
    assert "This signature does not hold." in page


def test_salary_is_for_those_alone_who_see_it(made: Stage) -> None:
    _device, signatures = signed(made)
    with made.scope():
        Payment.objects.update(kind="salary")
    path = f"/c/{made.company.public_id}/outgoing/signatures/{signatures[0].pk}/"
    assert kit.signed_in(made.users["bjorn"]).get(path).status_code == 404
