"""Secrets at rest: encrypted in the database, readable through a rotation, useless without keys."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.db import connection

from portal.access import crypto, tenancy
from portal.access.models import SigningKey
from tests import kit

SECRET = "hemmelig nøkkel ÆØÅ"


@pytest.fixture
def key(db: None) -> SigningKey:
    owner = kit.company()
    with tenancy.acting_for([owner]):
        yield SigningKey.objects.create(company=owner, secret=SECRET)


def kept() -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM access_signingkey")
        return bytes(cursor.fetchone()[0])


def new_key() -> str:
    return Fernet.generate_key().decode()


def test_a_secret_is_stored_encrypted_and_read_in_the_clear(key: SigningKey) -> None:
    assert SECRET.encode() not in kept()
    assert b"hemmelig" not in kept()
    assert SigningKey.objects.get().secret == SECRET


def test_the_same_secret_is_stored_differently_each_time(key: SigningKey) -> None:
    before = kept()
    key.save(update_fields=["secret"])
    assert kept() != before
    assert SigningKey.objects.get().secret == SECRET


def test_after_a_rotation_old_secrets_are_read_and_new_ones_need_the_new_key(
    key: SigningKey, settings: Any
) -> None:
    old, new = settings.FIELD_KEYS, new_key()
    settings.FIELD_KEYS = (new, *old)
    assert SigningKey.objects.get().secret == SECRET
    key.save(update_fields=["secret"])
    settings.FIELD_KEYS = (new,)
    assert SigningKey.objects.get().secret == SECRET
    settings.FIELD_KEYS = old
    with pytest.raises(InvalidToken):
        SigningKey.objects.get()


def test_a_wrong_key_fails_loudly(key: SigningKey, settings: Any) -> None:
    settings.FIELD_KEYS = (new_key(),)
    with pytest.raises(InvalidToken):
        SigningKey.objects.get()


def test_a_stored_secret_that_was_tampered_with_fails_loudly(settings: Any) -> None:
    token = bytearray(crypto.encrypt(SECRET))
    token[-5] ^= 1
    with pytest.raises(InvalidToken):
        crypto.decrypt(bytes(token))


def test_nothing_is_encrypted_without_a_key(settings: Any) -> None:
    settings.FIELD_KEYS = ()
    with pytest.raises(ValueError):
        crypto.encrypt(SECRET)
