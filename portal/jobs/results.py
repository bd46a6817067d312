"""The file that a job makes: written by a run, kept in deflated slices, gone when expired."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import tempfile
import zlib
from typing import Any, BinaryIO

from django.conf import settings

from portal.jobs.models import Job, JobFilePart

LEVEL = 1


def _spool() -> Any:
    """A temporary file that stays in memory while it is small; the caller closes it."""
    return tempfile.SpooledTemporaryFile(max_size=settings.SPOOL_MEMORY_BYTES)


class TooLarge(Exception):
    """The file would be larger than JOB_FILE_MAX_BYTES."""


class ResultFile(io.BufferedIOBase):
    """A file that a run writes, in memory while small; its bytes outlive `close`.

    A text wrapper or a zip archive on top may close it as they please: what was written is
    read again when the run has ended well.
    """

    def __init__(self, name: str, media_type: str) -> None:
        self.name, self.media_type = name, media_type
        self._spool = _spool()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        """Writes it all; raises TooLarge."""
        if self._spool.tell() + memoryview(content).nbytes > settings.JOB_FILE_MAX_BYTES:
            raise TooLarge(self.name)
        return int(self._spool.write(content))

    def read(self, size: int | None = -1, /) -> bytes:
        return bytes(self._spool.read(-1 if size is None else size))

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._spool.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        return int(self._spool.tell())

    def truncate(self, size: int | None = None, /) -> int:
        self._spool.truncate(size)
        return self.tell() if size is None else size

    def measured(self) -> tuple[bytes, int]:
        """SHA-256 and size of all that was written."""
        digest, size = hashlib.sha256(), 0
        for chunk in self._chunks():
            digest.update(chunk)
            size += len(chunk)
        return digest.digest(), size

    def store(self, job: Job) -> None:
        """Keeps the bytes, in the caller's transaction."""
        for position, chunk in enumerate(self._chunks()):
            JobFilePart.objects.create(
                company_id=job.company_id,
                job=job,
                position=position,
                content=zlib.compress(chunk, LEVEL),
            )

    def release(self) -> None:
        """Lets the temporary file go."""
        self._spool.close()

    def _chunks(self) -> Any:
        self._spool.seek(0)
        while chunk := self._spool.read(settings.JOB_FILE_PART_BYTES):
            yield chunk


class Damaged(Exception):
    """The stored bytes do not have the stored hash: they must not be handed out."""


def open_content(job: Job) -> BinaryIO:
    """The exact bytes as a file at its start, checked against the hash; raises Damaged."""
    content: BinaryIO = _spool()
    digest, position = hashlib.sha256(), 0
    while True:
        part = JobFilePart.objects.filter(job=job, position=position).first()
        if part is None:
            break
        try:
            chunk = zlib.decompress(bytes(part.content))
        except zlib.error as error:
            content.close()
            raise Damaged(job.public_id) from error
        digest.update(chunk)
        content.write(chunk)
        position += 1
    if digest.digest() != bytes(job.sha256 or b""):
        content.close()
        raise Damaged(job.public_id)
    content.seek(0)
    return content


def remove_expired(*, now: dt.datetime) -> int:
    """Removes the bytes of files that may no longer be fetched; answers how many slices."""
    return JobFilePart.objects.filter(job__expires_at__lt=now).delete()[0]
