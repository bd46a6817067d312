"""The second factor: who has which, and one try at a time, under a lock, with bounded attempts.

Authenticator apps and passkeys sign payments. Recovery codes, codes by text message and codes from
support open a session and never sign. It returns facts; whoever asks records them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from portal.access import factors
from portal.access.factors import Throttled
from portal.access.models import (
    Authenticator,
    FactorTries,
    PhoneCode,
    RecoveryCode,
    RecoverySheet,
    SupportCode,
    User,
)


class Factor(StrEnum):
    """The kinds of factor, as they stand in sessions, signatures and the log."""

    TOTP = "totp"
    PASSKEY = "passkey"
    RECOVERY = "recovery"
    SMS = "sms"
    SUPPORT = "support"


SIGNING = frozenset({Factor.TOTP, Factor.PASSKEY})


@dataclass(frozen=True, slots=True)
class Proof:
    """What was shown: which factor, on which device, at machine time."""

    factor: str
    device_id: int
    device: Any
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Held:
    """What a user has to prove themselves with."""

    authenticator: bool
    passkeys: int
    phone: str
    recovery_left: int

    @property
    def signs(self) -> bool:
        """Whether something of it can sign payments."""
        return self.authenticator or self.passkeys > 0

    @property
    def any(self) -> bool:
        """Whether sign-in asks for more than the password."""
        return self.signs or bool(self.phone) or self.recovery_left > 0


class NotEnrolled(Exception):
    """The user has no factor of this kind, so nothing can be proved."""


class WrongCode(Exception):
    """The code is wrong, too old, or was used before."""


class TooManyTries(Exception):
    """The user or the device is resting after failures; `until` says when it may be tried again."""

    def __init__(self, until: dt.datetime) -> None:
        super().__init__(until.isoformat())
        self.until = until


def held(user: User) -> Held:
    """What this user has enrolled."""
    phone = PhoneCode.objects.filter(user=user, confirmed=True).first()
    return Held(
        authenticator=Authenticator.objects.filter(user=user, confirmed=True).exists(),
        passkeys=_passkeys().filter(user=user, confirmed=True).count(),
        phone=phone.number if phone else "",
        recovery_left=RecoveryCode.objects.filter(sheet__user=user, used_at=None).count(),
    )


def has_any(user: User) -> bool:
    """Whether sign-in asks for more than the password; as `held`, in one query."""
    mine: dict[str, Any] = {"user": OuterRef("pk")}
    ways = (
        Exists(Authenticator.objects.filter(**mine, confirmed=True))
        | Exists(_passkeys().filter(**mine, confirmed=True))
        | Exists(PhoneCode.objects.filter(**mine, confirmed=True))
        | Exists(RecoveryCode.objects.filter(sheet__user=OuterRef("pk"), used_at=None))
    )
    return User.objects.filter(ways, pk=user.pk).exists()


def enrolled(user_ids: Iterable[int]) -> set[int]:
    """Which of these users have a factor that signs: an authenticator app or a passkey."""
    ids = list(user_ids)
    apps = Authenticator.objects.filter(user_id__in=ids, confirmed=True)
    keys = _passkeys().filter(user_id__in=ids, confirmed=True)
    return {*apps.values_list("user_id", flat=True), *keys.values_list("user_id", flat=True)}


def _passkeys() -> Any:
    from django_otp_webauthn.models import WebAuthnCredential  # needs all apps to be ready

    return WebAuthnCredential.objects


def proof_of(factor: Factor, device: Any) -> Proof:
    """The proof for a device that was verified or enrolled just now."""
    return Proof(factor, device.pk, device, timezone.now())


def verify(*, user: User, code: str) -> Proof:
    """Checks a code from the user's authenticator app.

    Raises NotEnrolled, WrongCode or TooManyTries. A failed try is recorded even though the
    caller's work is refused, so call it outside a transaction that will be rolled back.
    """
    return _try(user, Factor.TOTP, Authenticator, code)


def verify_recovery(*, user: User, code: str) -> Proof:
    """Checks and uses up a recovery code; it signs in, and signs nothing. Raises as `verify`."""
    return _try(user, Factor.RECOVERY, RecoverySheet, code)


def verify_sms(*, user: User, code: str) -> Proof:
    """Checks the code that was sent last; it signs in, and signs nothing. Raises as `verify`."""
    return _try(user, Factor.SMS, PhoneCode, code)


def verify_support(*, user: User, code: str) -> Proof:
    """Checks a code that support issued; it signs in, and signs nothing. Raises as `verify`."""
    return _try(user, Factor.SUPPORT, SupportCode, code)


def confirm_phone(*, user: User, code: str) -> Proof:
    """Checks the first code that was sent to a phone, which confirms it. Raises as `verify`."""
    return _try(user, Factor.SMS, PhoneCode, code, confirmed=False)


def _try(
    user: User, factor: Factor, kind: type[Throttled], code: str, *, confirmed: bool = True
) -> Proof:
    text = code.replace(" ", "").strip()

    def check() -> Throttled | None:
        device = (
            kind.objects.select_for_update()
            .filter(user=user, confirmed=confirmed)
            .order_by("-id")
            .first()
        )
        if device is None:
            raise NotEnrolled
        allowed, reason = device.verify_is_allowed()
        if not allowed:
            raise TooManyTries((reason or {}).get("locked_until", timezone.now()))
        return device if device.verify_token(text) else None

    device = bounded(user, check)
    return Proof(factor, device.pk, device, timezone.now())


def bounded(user: User, check: Callable[[], Any]) -> Any:
    """One try at a time for a user, and so many wrong ones in a window over all devices.

    `check` answers what was right, or None. Raises WrongCode, TooManyTries, and what it raises.
    """
    with transaction.atomic():
        now = timezone.now()
        tries = _tries(user)
        end = tries.began_at + dt.timedelta(seconds=settings.FACTOR_WINDOW_SECONDS)
        if now >= end:
            tries.began_at, tries.failures = now, 0
        elif tries.failures >= settings.FACTOR_TRIES_MAX:
            raise TooManyTries(end)
        found = check()
        tries.failures = 0 if found is not None else tries.failures + 1
        tries.save()
    if found is None:
        raise WrongCode
    return found


def _tries(user: User) -> FactorTries:
    """The user's row, locked until the transaction ends."""
    FactorTries.objects.get_or_create(user=user, defaults={"began_at": timezone.now()})
    return FactorTries.objects.select_for_update().get(user=user)


# --- enrolling -----------------------------------------------------------------------------------


def begin_authenticator(user: User, *, begun: int | None) -> Authenticator:
    """The user's new authenticator app that waits for its first code.

    `begun` is the one that this very session has begun; without it there is a new one, and any
    other that waits is dead: nobody is shown a secret that another session has seen.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        waiting = Authenticator.objects.filter(user=user, confirmed=False)
        found = waiting.filter(pk=begun).first() if begun else None
        if found is None:
            waiting.delete()
            found = Authenticator.objects.create(user=user, name="", confirmed=False)
    return found


def confirm_authenticator(*, user: User, code: str) -> Proof:
    """Takes the first code of a new app, which from now on is the only one: the old is dead.

    Raises NotEnrolled, WrongCode, TooManyTries.
    """
    proof = _try(user, Factor.TOTP, Authenticator, code, confirmed=False)
    with transaction.atomic():
        Authenticator.objects.filter(user=user).exclude(pk=proof.device_id).delete()
        Authenticator.objects.filter(pk=proof.device_id).update(confirmed=True)
    proof.device.confirmed = True
    return proof


def remove_authenticator(user: User) -> bool:
    """Takes the app away; sessions that were opened with it end. Answers whether there was one."""
    return bool(Authenticator.objects.filter(user=user, confirmed=True).delete()[0])


def new_recovery_sheet(user: User) -> list[str]:
    """Ten new recovery codes, shown this once; those of a former sheet are dead."""
    with transaction.atomic():
        RecoverySheet.objects.filter(user=user).delete()
        sheet = RecoverySheet.objects.create(user=user, name="", confirmed=True)
        codes = [factors.new_code(sheet.LENGTH) for _code in range(sheet.COUNT)]
        RecoveryCode.objects.bulk_create(
            RecoveryCode(sheet=sheet, digest=factors.digest(code)) for code in codes
        )
    return [spaced(code) for code in codes]


def replace_used_code(user: User) -> str:
    """One new recovery code in the place of a used one, shown this once."""
    with transaction.atomic():
        sheet = RecoverySheet.objects.select_for_update().get(user=user)
        code = factors.new_code(sheet.LENGTH)
        RecoveryCode.objects.create(sheet=sheet, digest=factors.digest(code))
    return spaced(code)


def set_phone(*, user: User, number: str) -> PhoneCode:
    """The phone that codes are sent to, unconfirmed until the first comes back."""
    with transaction.atomic():
        PhoneCode.objects.filter(user=user, confirmed=False).delete()
        return PhoneCode.objects.create(user=user, name="", confirmed=False, number=number)


def forget_former_phones(user: User, kept: int) -> None:
    """Only the phone that was confirmed last is sent codes."""
    PhoneCode.objects.filter(user=user).exclude(pk=kept).delete()


def remove_phone(user: User) -> bool:
    """Takes the phone away; answers whether there was one."""
    return bool(PhoneCode.objects.filter(user=user).delete()[0])


class TooSoon(TooManyTries):
    """No code is sent before `until`."""


def new_sms_code(*, user: User, confirmed: bool = True) -> tuple[str, str]:
    """(number, code) to be sent now.

    Raises NotEnrolled, and TooSoon while a code was sent to this user just before or the day's are
    used up, to whatever number.
    """
    with transaction.atomic():
        tries = _tries(user)
        phones = PhoneCode.objects.select_for_update().filter(user=user, confirmed=confirmed)
        phone = phones.order_by("-id").first()
        if phone is None:
            raise NotEnrolled
        now, pause = timezone.now(), dt.timedelta(seconds=settings.SMS_PAUSE_SECONDS)
        if tries.sent_at is not None and now - tries.sent_at < pause:
            raise TooSoon(tries.sent_at + pause)
        today = timezone.localdate(now)
        if tries.sent_day != today:
            tries.sent_day, tries.sent = today, 0
        if tries.sent >= settings.SMS_PER_DAY:
            tomorrow = dt.datetime.combine(today + dt.timedelta(days=1), dt.time())
            raise TooSoon(timezone.make_aware(tomorrow))
        tries.sent_at, tries.sent = now, tries.sent + 1
        tries.save(update_fields=["sent_at", "sent_day", "sent"])
        code = factors.new_code(phone.DIGITS, "0123456789")
        phone.digest, phone.sent_at = factors.digest(code), now
        phone.save(update_fields=["digest", "sent_at"])
    return phone.number, code


def issue_support_code(*, user: User, issued_by: User, reason: str) -> str:
    """A one-time code for somebody who cannot sign in; a former one is dead."""
    code = factors.new_code(SupportCode.LENGTH)
    now = timezone.now()
    with transaction.atomic():
        SupportCode.objects.filter(user=user).delete()
        SupportCode.objects.create(
            user=user,
            name="",
            confirmed=True,
            digest=factors.digest(code),
            issued_by=issued_by,
            reason=reason,
            expires_at=now + SupportCode.LIFETIME,
        )
    return spaced(code)


def spaced(code: str) -> str:
    """A code in two halves, easier to read aloud and to copy."""
    middle = len(code) // 2
    return f"{code[:middle]}-{code[middle:]}"
