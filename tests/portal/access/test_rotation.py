"""Keys of secrets are rotated while everything goes on, and nothing is lost."""

from __future__ import annotations

from io import StringIO

import pytest
from cryptography.fernet import Fernet, InvalidToken
from django.core.management import call_command
from django.db import connection

from portal.access import crypto, rotation
from portal.access.models import Authenticator, SigningKey
from tests import kit
from tests.kit import Erp

pytestmark = pytest.mark.django_db


def told() -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    return out.getvalue()


def test_every_kind_of_secret_is_among_those_that_are_rotated() -> None:
    tables = {table for table, _column in rotation.fields()}
    assert {"access_signingkey", "access_authenticator", "banking_bankchannel"} <= tables


def test_secrets_are_encrypted_anew_and_readable_with_the_new_key_alone(settings: object) -> None:
    made = kit.stage()
    old, new = settings.FIELD_KEYS, Fernet.generate_key().decode()  # type: ignore[attr-defined]
    secret = Authenticator.objects.get(user=made.users["anne"]).secret
    settings.FIELD_KEYS = (new, *old)  # type: ignore[attr-defined]
    assert Erp(made).get("ping").status_code == 200, "old ones are still read"
    first = told()
    assert "access_signingkey.secret: 1 encrypted anew, 0 were already" in first
    assert "access_authenticator.secret: 3 encrypted anew" in first
    assert "0 encrypted anew, 1 were already" in told()
    settings.FIELD_KEYS = (new,)  # type: ignore[attr-defined]
    assert Erp(made).get("ping").status_code == 200
    assert Authenticator.objects.get(user=made.users["anne"]).secret == secret
    settings.FIELD_KEYS = old  # type: ignore[attr-defined]
    with made.scope(), pytest.raises(InvalidToken):
        SigningKey.objects.get()


def test_a_key_that_is_replaced_meanwhile_stays_the_new_one() -> None:
    made = kit.stage()
    with made.scope():
        pk = SigningKey.objects.get().pk
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret FROM access_signingkey WHERE id = %s", [pk])
            before = bytes(cursor.fetchone()[0])
        SigningKey.objects.filter(pk=pk).update(secret="newer")
        assert rotation._replace("access_signingkey", "secret", pk, before) == 0
        assert SigningKey.objects.get().secret == "newer"
    assert crypto.decrypt(before) == made.key
