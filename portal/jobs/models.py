"""Due jobs and heartbeats; belongs to the machine room, so to no company."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models


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
