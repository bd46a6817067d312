"""The bytes of bank files: written and read in deflated slices, so none is ever whole in memory."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from typing import BinaryIO

from django.conf import settings
from django.db import connection

from banking.models import BankFile, BankFilePart

LEVEL = 1


def spool() -> BinaryIO:
    """A temporary file that stays in memory while it is small; the caller closes it."""
    return tempfile.SpooledTemporaryFile(max_size=settings.SPOOL_MEMORY_BYTES)  # type: ignore[return-value]


def draw_id() -> int:
    """The id of the next bank file, drawn before it is written: its MsgId is made from it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(pg_get_serial_sequence('banking_bankfile', 'id'))")
        return int(cursor.fetchone()[0])


def sha256_of(content: BinaryIO) -> tuple[bytes, int]:
    """Hash and size of a file, read from its start; left at its start."""
    content.seek(0)
    digest, size = hashlib.sha256(), 0
    while chunk := content.read(settings.BANK_FILE_PART_BYTES):
        digest.update(chunk)
        size += len(chunk)
    content.seek(0)
    return digest.digest(), size


def write_parts(file: BankFile, content: BinaryIO) -> None:
    """Stores the bytes of a file that has just been made, in the caller's transaction."""
    content.seek(0)
    position = 0
    while chunk := content.read(settings.BANK_FILE_PART_BYTES):
        BankFilePart.objects.create(
            company_id=file.company_id,
            file=file,
            position=position,
            content=zlib.compress(chunk, LEVEL),
        )
        position += 1


class Damaged(Exception):
    """The stored bytes do not have the stored hash: they must not be used."""


def open_content(file: BankFile) -> BinaryIO:
    """The exact bytes as a file at its start, checked against the hash; raises Damaged."""
    content = spool()
    digest, position = hashlib.sha256(), 0
    while True:
        part = BankFilePart.objects.filter(file=file, position=position).first()
        if part is None:
            break
        chunk = zlib.decompress(bytes(part.content))
        digest.update(chunk)
        content.write(chunk)
        position += 1
    if digest.digest() != bytes(file.sha256):
        content.close()
        raise Damaged(file.name)
    content.seek(0)
    return content
