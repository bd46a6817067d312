"""Secrets at rest: a text field encrypted with rotatable keys that the database never sees."""

from __future__ import annotations

import functools
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


@functools.lru_cache(maxsize=4)
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def encrypt(text: str) -> bytes:
    """Encrypts with the first of FIELD_KEYS."""
    return _fernet(settings.FIELD_KEYS).encrypt(text.encode())


def decrypt(token: bytes) -> str:
    """Decrypts with any of FIELD_KEYS; raises cryptography.fernet.InvalidToken."""
    return _fernet(settings.FIELD_KEYS).decrypt(bytes(token)).decode()


class SecretField(models.BinaryField):
    """A text that is stored encrypted (Fernet) and read back in the clear."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> str | None:
        return None if value is None else decrypt(value)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        token = None if value is None else encrypt(value)
        return super().get_db_prep_value(token, connection, prepared)
