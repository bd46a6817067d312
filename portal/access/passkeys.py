"""Passkeys: registered, used to sign in, and used to sign what was shown (WebAuthn level 3).

The person is always verified on the device (PIN, finger or face), so a passkey is two factors in
one. When it signs payments its challenge is derived from what is signed, so that the assertion
binds just that.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from django_otp_webauthn.exceptions import OTPWebAuthnApiError
from django_otp_webauthn.helpers import WebAuthnHelper
from django_otp_webauthn.models import WebAuthnCredential
from webauthn import generate_authentication_options, verify_authentication_response
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, options_to_json_dict
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import UserVerificationRequirement

from portal.access import secondfactor
from portal.access.models import User
from portal.access.secondfactor import Factor, Proof

NAME_MAX = 60
STATE_KEY = "passkey"
NONCE_BYTES = 32


class Refused(Exception):
    """The browser's answer is not what was asked for, or no passkey of this user's."""


class Helper(WebAuthnHelper):
    """The library's, but the person must always be verified on the device."""

    def get_credential_display_name(self, user: Any) -> str:
        return str(user.name or user.email)

    def get_credential_name(self, user: Any) -> str:
        return str(user.email)

    def get_generate_registration_options_kwargs(self, *, user: Any) -> dict[str, Any]:
        options: dict[str, Any] = super().get_generate_registration_options_kwargs(user=user)
        options["authenticator_selection"].user_verification = UserVerificationRequirement.REQUIRED
        return options


def of(user: User) -> list[WebAuthnCredential]:
    """The user's passkeys, the newest first."""
    return list(WebAuthnCredential.objects.filter(user=user, confirmed=True).order_by("-id"))


def begin_registration(request: HttpRequest, user: User) -> dict[str, Any]:
    """The options for the browser; what is expected back is kept in the session."""
    options, state = Helper(request).register_begin(user)
    request.session[STATE_KEY] = {"for": "register", **state}
    return dict(options)


def register(request: HttpRequest, user: User, data: Any, name: str) -> WebAuthnCredential:
    """The new passkey from the browser's answer; raises Refused."""
    state = _taken(request, "register")
    try:
        device = Helper(request).register_complete(user, state, data)
    except (WebAuthnException, OTPWebAuthnApiError, KeyError, TypeError, ValueError) as error:
        raise Refused(str(error)) from error
    device.name = name[:NAME_MAX]
    device.save(update_fields=["name"])
    return device


def begin_sign_in(request: HttpRequest, user: User | None) -> dict[str, Any]:
    """The options for signing in; without a user any passkey of this host will do."""
    options, state = Helper(request).authenticate_begin(user=user, require_user_verification=True)
    request.session[STATE_KEY] = {"for": "sign-in", **state}
    return dict(options)


def verify_sign_in(request: HttpRequest, user: User | None, data: Any) -> Proof:
    """Who has shown which passkey; raises Refused, secondfactor.TooManyTries."""
    return _verify(request, user, _taken(request, "sign-in"), data)


def challenge(nonce: str, digest: str) -> bytes:
    """What a passkey signs for payments: SHA-256 over the single-use nonce and the digest."""
    return hashlib.sha256(f"{nonce}|{digest}".encode()).digest()


def new_nonce() -> str:
    """A nonce for one signing."""
    return secrets.token_hex(NONCE_BYTES)


def begin_signing(request: HttpRequest, user: User, *, nonce: str, digest: str) -> dict[str, Any]:
    """The options for signing what has this digest."""
    helper = Helper(request)
    kwargs = helper.get_generate_authentication_options_kwargs(
        user=user, require_user_verification=True
    )
    kwargs["challenge"] = challenge(nonce, digest)
    return dict(options_to_json_dict(generate_authentication_options(**kwargs)))


def verify_signing(
    request: HttpRequest, user: User, data: Any, *, nonce: str, digest: str
) -> Proof:
    """The proof that the user signed what has this digest; raises as `verify_sign_in`."""
    state = {
        "challenge": bytes_to_base64url(challenge(nonce, digest)),
        "require_user_verification": True,
    }
    return _verify(request, user, state, data)


def evidence(data: Any, *, nonce: str, digest: str, device: Any) -> dict[str, Any]:
    """All that shows later, whether or not the passkey is kept, that it signed what has the digest:
    what the browser answered, and the key that this is held to."""
    return {
        "nonce": nonce,
        "digest": digest,
        "assertion": data,
        "public_key": bytes_to_base64url(bytes(device.public_key)),
        "rp_id": settings.OTP_WEBAUTHN_RP_ID,
        "origins": list(settings.OTP_WEBAUTHN_ALLOWED_ORIGINS),
    }


def evidence_holds(found: Mapping[str, Any]) -> bool:
    """Whether the evidence shows that its key has signed its digest."""
    try:
        verify_authentication_response(
            credential=json.dumps(found["assertion"]),
            expected_challenge=challenge(found["nonce"], found["digest"]),
            expected_rp_id=found["rp_id"],
            expected_origin=list(found["origins"]),
            credential_public_key=base64url_to_bytes(found["public_key"]),
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except Exception:  # whatever cannot be read proves nothing, however it is broken
        return False
    return True


def _verify(request: HttpRequest, user: User | None, state: dict[str, Any], data: Any) -> Proof:
    def check() -> Any:
        try:
            return Helper(request).authenticate_complete(user, state, data)
        except (WebAuthnException, OTPWebAuthnApiError, KeyError, TypeError, ValueError):
            return None

    if user is None:
        device = check()
    else:
        try:
            device = secondfactor.bounded(user, check)
        except secondfactor.WrongCode:
            device = None
    if device is None or not device.confirmed or not device.user.is_active:
        raise Refused
    return Proof(Factor.PASSKEY, device.pk, device, timezone.now())


def _taken(request: HttpRequest, purpose: str) -> dict[str, Any]:
    """What was asked, once: an answer cannot be given a second time. Raises Refused."""
    state = request.session.pop(STATE_KEY, None)
    if not isinstance(state, dict) or state.pop("for", "") != purpose:
        raise Refused
    return state


def read(text: str) -> Any:
    """The browser's answer; raises Refused."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise Refused from error


def remove(user: User, pk: int) -> WebAuthnCredential | None:
    """Takes one of the user's passkeys away; sessions opened with it end. None: not theirs."""
    device = WebAuthnCredential.objects.filter(user=user, pk=pk).first()
    if device is not None:
        device.delete()
    return device
