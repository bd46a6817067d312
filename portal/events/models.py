"""Event: what happened, once and for all; append-only, numbered after commit."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from portal.access.tenancy import CompanyOwned
from portal.events import questions


class Event(CompanyOwned):
    """One fact. It carries all that the ERP feed and a timeline say, and joins nothing.

    `subject`/`subject_id` name the row it is about, `group_id` the row's group (a line's
    payment). `number` and `reference` are the group's and the row's own names. `at` is business
    time, `recorded_at` machine time. `sequence` is given after commit by `portal.events.seal`.
    """

    id = models.BigAutoField(primary_key=True)
    company = models.ForeignKey(
        "access.Company", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    sequence = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=models.functions.Now())
    event = models.CharField(max_length=40)
    subject = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    group_id = models.BigIntegerField(null=True)
    number = models.CharField(max_length=140, blank=True)
    reference = models.CharField(max_length=140, blank=True)
    status = models.CharField(max_length=20, blank=True)
    erp_code = models.SmallIntegerField(null=True)
    told = models.BooleanField(default=False)
    salary = models.BooleanField(default=False)
    rows = models.IntegerField(default=1)
    reasons = models.JSONField(null=True)
    detail = models.JSONField(null=True)
    actor_kind = models.CharField(max_length=10)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=140, blank=True)

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["company", "sequence"], name="event_feed"),
            models.Index(
                fields=["group_id", "id"],
                condition=Q(group_id__isnull=False),
                name="event_of_group",
            ),
            models.Index(
                fields=["subject_id", "id"], condition=Q(group_id__isnull=True), name="event_of_row"
            ),
            models.Index(
                fields=["id"], condition=Q(sequence__isnull=True), name="event_unnumbered"
            ),
        ]

    @property
    def label(self) -> str:
        """What happened, in the words of whoever owns the event."""
        return str(questions.event_label.first(self.event) or self.event)

    @property
    def why(self) -> list[dict[str, Any]]:
        """The reasons, explained in the language of the page."""
        return questions.explained(self.reasons)

    def __str__(self) -> str:
        return f"{self.event} {self.subject} {self.subject_id}"
