"""Encrypts secrets anew with the present key, row by row, while everything else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.apps import apps
from django.conf import settings
from django.db import connection

from portal.access import crypto, tenancy
from portal.access.crypto import SecretField
from portal.access.models import Company, Customer

SLICE = 500


def fields() -> list[tuple[str, str]]:
    """(table, column) of every secret there is."""
    return [
        (model._meta.db_table, field.column)
        for model in apps.get_models()
        for field in model._meta.local_fields
        if isinstance(field, SecretField)
    ]


def rotate() -> Iterator[tuple[str, int, int]]:
    """(where, how many were encrypted anew, how many had the first key) for each secret column.

    Raises cryptography.fernet.InvalidToken where none of FIELD_KEYS fits: nothing is lost then,
    since a row is only ever replaced by what was read from it.
    """
    newest = Fernet(settings.FIELD_KEYS[0])
    customers = Customer.objects.values_list("pk", flat=True)
    with tenancy.acting_for(Company.objects.values_list("pk", flat=True), customers=customers):
        for table, column in fields():
            changed = left = 0
            for pk, token in _rows(table, column):
                if _fits(newest, token):
                    left += 1
                else:
                    changed += _replace(table, column, pk, token)
            yield f"{table}.{column}", changed, left


def _rows(table: str, column: str) -> Iterator[tuple[int, bytes]]:
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, {column} FROM {table} WHERE id > %s AND {column} IS NOT NULL"
                " ORDER BY id LIMIT %s",
                [last, SLICE],
            )
            found: list[Any] = cursor.fetchall()
        for pk, token in found:
            yield pk, bytes(token)
        if len(found) < SLICE:
            return
        last = found[-1][0]


def _fits(key: Fernet, token: bytes) -> bool:
    try:
        key.decrypt(token)
    except InvalidToken:
        return False
    return True


def _replace(table: str, column: str, pk: int, token: bytes) -> int:
    """Only if it is still what was read: a key that was replaced meanwhile stays the new one."""
    anew = crypto.encrypt(crypto.decrypt(token))
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {column} = %s WHERE id = %s AND {column} = %s", [anew, pk, token]
        )
        return int(cursor.rowcount)
