"""What a person proves themselves with beside the password, as rows; passkeys are a library's.

Each kind is a device to django-otp, so that a session stands on the row it was opened with and
ends with it. `secondfactor` asks them; nothing else does.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import secrets
import time
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django_otp.models import Device, ThrottlingMixin
from django_otp.oath import TOTP

from portal.access.crypto import SecretField

# Without letters and digits that are taken for each other.
ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


def new_totp_secret() -> str:
    """160 random bits as hexadecimal text (RFC 4226, section 4)."""
    return secrets.token_hex(20)


def new_code(length: int, alphabet: str = ALPHABET) -> str:
    """A random code."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def plain(code: str) -> str:
    """A code as it is compared: small letters without spaces and hyphens."""
    return "".join(code.split()).replace("-", "").lower()


def digest(code: str) -> bytes:
    """What is kept of a code, under a key that is not in the database."""
    words = b"factor:" + plain(code).encode()
    return hmac.new(settings.SIGNATURE_KEY, words, hashlib.sha256).digest()


class FactorTries(models.Model):
    """Wrong codes of a user in the present window, over all of their devices together, and how
    many codes were sent to them today."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    began_at = models.DateTimeField()
    failures = models.PositiveSmallIntegerField(default=0)
    # Codes by text message, whatever phones they went to.
    sent_at: Any = models.DateTimeField(null=True)
    sent_day: Any = models.DateField(null=True)
    sent = models.PositiveSmallIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.user_id}: {self.failures}"


class Throttled(ThrottlingMixin, Device):
    """A device that waits twice as long after each failure. Who knows the password can make one
    device wait for long, not the others: the owner still gets in another way."""

    class Meta:
        abstract = True

    def get_throttle_factor(self) -> float:
        return 0.25

    def let_through(self, *fields: str) -> None:
        """Saves that the device was right: these fields, and that nothing is held against it."""
        self.throttle_reset(commit=False)
        self.save(
            update_fields=[*fields, "throttling_failure_timestamp", "throttling_failure_count"]
        )


class Authenticator(Throttled):
    """An authenticator app (TOTP, RFC 6238); each code works once, failures slow the next try."""

    STEP_SECONDS = 30
    DIGITS = 6
    TOLERANCE_STEPS = 1

    secret = SecretField(default=new_totp_secret)
    last_step: Any = models.BigIntegerField(default=-1)
    created_at: Any = models.DateTimeField(auto_now_add=True)

    def verify_token(self, token: str) -> bool:
        """Whether the code is right, unused, and this device may be tried now; records the try.

        The caller holds the row's lock (`secondfactor.verify`), so a code cannot pass twice.
        """
        allowed, _reason = self.verify_is_allowed()
        if not allowed:
            return False
        if token.isascii() and token.isdigit() and len(token) == self.DIGITS:
            totp = TOTP(bytes.fromhex(self.secret), self.STEP_SECONDS, 0, self.DIGITS, 0)
            totp.time = time.time()
            if totp.verify(int(token), self.TOLERANCE_STEPS, self.last_step + 1):
                self.last_step = totp.t()
                self.let_through("last_step")
                return True
        self.throttle_increment(commit=True)
        return False


class RecoverySheet(Throttled):
    """A sheet of recovery codes that a person has printed; each works once, to sign in."""

    COUNT, LENGTH = 10, 10

    created_at: Any = models.DateTimeField(auto_now_add=True)

    def verify_token(self, token: str) -> bool:
        """Whether the code is on the sheet and unused; uses it up. The caller holds the lock."""
        allowed, _reason = self.verify_is_allowed()
        if not allowed:
            return False
        used = self.codes.filter(digest=digest(token), used_at=None).update(used_at=timezone.now())
        if used:
            self.let_through()
        else:
            self.throttle_increment(commit=True)
        return bool(used)


class RecoveryCode(models.Model):
    """One code of a sheet, of which only the digest is kept."""

    sheet = models.ForeignKey(RecoverySheet, on_delete=models.CASCADE, related_name="codes")
    digest: Any = models.BinaryField(max_length=32)
    used_at: Any = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["sheet", "digest"], name="recovery_code_once")
        ]

    def __str__(self) -> str:
        return f"{self.sheet_id} {self.pk}"


class PhoneCode(Throttled):
    """A mobile phone that codes are sent to, to sign in. Confirmed when the first came back."""

    DIGITS = 6
    LIFETIME = dt.timedelta(minutes=10)

    number: Any = models.CharField(max_length=20)
    digest: Any = models.BinaryField(max_length=32, null=True)
    sent_at: Any = models.DateTimeField(null=True)
    created_at: Any = models.DateTimeField(auto_now_add=True)

    def verify_token(self, token: str) -> bool:
        """Whether this is the code that was sent last, not too long ago; it works once."""
        allowed, _reason = self.verify_is_allowed()
        if not allowed:
            return False
        fresh = self.sent_at is not None and timezone.now() - self.sent_at < self.LIFETIME
        right = self.digest is not None and hmac.compare_digest(bytes(self.digest), digest(token))
        if fresh and right:
            self.digest, self.confirmed = None, True
            self.let_through("digest", "confirmed")
            return True
        self.throttle_increment(commit=True)
        return False


class SupportCode(Throttled):
    """A one-time code that support has issued to somebody who cannot sign in, with the reason."""

    LENGTH = 8
    LIFETIME = dt.timedelta(minutes=30)

    digest: Any = models.BinaryField(max_length=32)
    issued_by: Any = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    reason: Any = models.CharField(max_length=200)
    created_at: Any = models.DateTimeField(auto_now_add=True)
    expires_at: Any = models.DateTimeField()
    used_at: Any = models.DateTimeField(null=True)

    def verify_token(self, token: str) -> bool:
        """Whether this is the code, unused and not too old; it works once."""
        allowed, _reason = self.verify_is_allowed()
        if not allowed:
            return False
        alive = self.used_at is None and timezone.now() < self.expires_at
        if alive and hmac.compare_digest(bytes(self.digest), digest(token)):
            self.used_at = timezone.now()
            self.let_through("used_at")
            return True
        self.throttle_increment(commit=True)
        return False
