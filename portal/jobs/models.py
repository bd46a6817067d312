"""Due jobs and heartbeats of the machine room; a company's jobs and the files they made.

All times here are machine time, as a worker's life is; a job's Events have business time.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from portal.access.models import new_public_id
from portal.access.roles import Permission
from portal.access.tenancy import CompanyOwned
from portal.events.lifecycle import Status
from portal.events.moves import Tracking
from portal.jobs import lifecycle


class DueJob(models.Model):
    """One run that the timetable owes; unique by job and time, so two beats owe it once."""

    job = models.CharField(max_length=60)
    due_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["job", "due_at"], name="due_job_once")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["due_at"],
                condition=models.Q(started_at__isnull=True),
                name="due_job_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.due_at:%Y-%m-%d %H:%M:%S}"


class Heartbeat(models.Model):
    """When a part of the machine was last heard of, by machine time."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class Job(CompanyOwned):
    """Long work that a person asked for; only that person sees it.

    `permissions` are those of the kind's that the asker held when asking: the work stands on
    every one of them, and ends when one is gone. `seen_at` is when the job was last handed to
    the queue (waiting) or heard of (running). `total` is unknown while null.
    """

    tracking: ClassVar[Tracking] = Tracking(
        lifecycle=lifecycle.JOB, subject="job", number="r.public_id", reference="r.kind"
    )

    company = models.ForeignKey(
        "access.Company", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    public_id = models.CharField(max_length=10, unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs", db_index=False
    )
    kind = models.CharField(max_length=60)
    params = models.JSONField(default=dict)
    permissions = models.JSONField(default=list)
    language = models.CharField(max_length=5)
    status = models.CharField(
        max_length=20,
        choices=[(status.code, status.label) for status in lifecycle.JOB.statuses.values()],
        db_default=lifecycle.WAITING,
    )
    cancel_asked_at = models.DateTimeField(null=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    seen_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=40, blank=True)
    error_text = models.TextField(blank=True)
    result = models.JSONField(null=True)
    file_name = models.CharField(max_length=200, blank=True)
    media_type = models.CharField(max_length=100, blank=True)
    size = models.BigIntegerField(null=True)
    sha256 = models.BinaryField(max_length=32, null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=Q(status__in=lifecycle.JOB.codes()), name="job_status"
            ),
            models.CheckConstraint(
                condition=Q(file_name="", sha256=None, size=None, expires_at=None)
                | (~Q(file_name="") & Q(sha256__isnull=False, size__gte=0, status="done")),
                name="job_file_whole_or_none",
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["company", "user", "-id"], name="job_of_user"),
            models.Index(
                fields=["seen_at"],
                condition=Q(status__in=["waiting", "running"]),
                name="job_open",
            ),
            models.Index(
                fields=["user"], condition=Q(status__in=["waiting", "running"]), name="job_open_of"
            ),
        ]

    @property
    def state(self) -> Status:
        """The status with its words."""
        return lifecycle.JOB.statuses[self.status]

    @property
    def needs(self) -> frozenset[Permission]:
        """What the asker must still hold, for the work to go on and its result to be seen."""
        return frozenset(Permission(name) for name in self.permissions)

    @property
    def is_open(self) -> bool:
        return self.status in lifecycle.OPEN

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class JobFilePart(CompanyOwned):
    """A slice of the bytes of a job's file, deflated; removed when the file has expired."""

    company = models.ForeignKey(
        "access.Company", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="parts", db_index=False)
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["job", "position"], name="job_file_part_once")
        ]
