"""How a run tells where it is, and is told to end; does no work and changes no status."""

from __future__ import annotations

import time

from django.conf import settings
from django.db import connection
from django.utils import timezone

from portal.access import grants
from portal.access.models import User
from portal.access.roles import permissions_of
from portal.jobs import lifecycle
from portal.jobs.models import Job
from portal.jobs.results import ResultFile

WRITE_EVERY_SECONDS = 0.5
ASKED, NOT_ALLOWED = "asked", "not_allowed"


class Cancelled(Exception):
    """The run must end: its asker wants it to, or may no longer do what it stands on."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Lost(Exception):
    """The job is no longer this run's: it was taken for dead, and another has it or had it."""


class TooLong(Exception):
    """The run has used the time that a run may take."""


class Failed(Exception):
    """A kind's own end without a result: a sentence that says what happened and what to do."""

    def __init__(self, text: str, *, code: str = "refused") -> None:
        super().__init__(text)
        self.text, self.code = text, code


class InTransaction(Exception):
    """Progress told inside a transaction would be seen by nobody before its end."""


class OneFile(Exception):
    """A run makes one file at most."""


class Progress:
    """What a run is given beside its job; one for each run."""

    def __init__(self, job: Job) -> None:
        self.done = 0
        self.total: int | None = None
        self.result_file: ResultFile | None = None
        self._job = job
        self._depth = len(connection.atomic_blocks)
        self._ends = time.monotonic() + settings.JOB_MAX_SECONDS
        self._written = float("-inf")

    def to(self, done: int, total: int | None = None) -> None:
        """So much is done, of so much in all when that is known.

        Cheap enough for every row: written at most twice a second. Raises Cancelled, Lost or
        TooLong when the run must end; let them through.
        """
        first_known = self.total is None and total is not None
        self.done = done
        if total is not None:
            self.total = total
        now = time.monotonic()
        if now > self._ends:
            raise TooLong
        # How much there is in all is told at once: the first slice may be a long one.
        if first_known or now - self._written >= WRITE_EVERY_SECONDS:
            self._write()
            self._written = time.monotonic()

    def file(self, name: str, media_type: str) -> ResultFile:
        """A file to write the result in, kept if the run ends well; raises OneFile, TooLarge."""
        if self.result_file is not None:
            raise OneFile
        self.result_file = ResultFile(name, media_type)
        return self.result_file

    def close(self) -> None:
        """Lets go of what the run held."""
        if self.result_file is not None:
            self.result_file.release()

    def _write(self) -> None:
        if len(connection.atomic_blocks) > self._depth:
            raise InTransaction
        mine = Job.objects.filter(
            pk=self._job.pk, status=lifecycle.RUNNING, attempts=self._job.attempts
        )
        if not mine.update(done=self.done, total=self.total, seen_at=timezone.now()):
            raise Lost
        if mine.filter(cancel_asked_at__isnull=False).exists():
            raise Cancelled(ASKED)
        if not allowed(self._job):
            raise Cancelled(NOT_ALLOWED)


def allowed(job: Job) -> bool:
    """Whether the asker still holds all that the job stands on; read afresh each time."""
    user = User.objects.filter(pk=job.user_id, is_active=True).first()
    if user is None:
        return False
    held = permissions_of(grants.roles_in(user=user, company=job.company))
    return job.needs <= held
