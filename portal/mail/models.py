"""Letter: the outbox, and what became of each letter; holds no words of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from portal.access.tenancy import CompanyQuerySet

SUBJECT_MAX = 200
WAITING = Q(sent_at__isnull=True, failed_at__isnull=True)


class Muted(models.Model):
    """A kind of letter that a person does not want, about one company or about all of them."""

    user = models.ForeignKey("access.User", on_delete=models.CASCADE, related_name="muted")
    kind = models.CharField(max_length=60)
    muted_company = models.ForeignKey(
        "access.Company", on_delete=models.CASCADE, null=True, related_name="+"
    )

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["user", "kind", "muted_company"],
                nulls_distinct=False,
                name="muted_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind}"


class Letter(models.Model):
    """One mail or text message to one person, as composed; all its times are the machine's.

    `address` is an e-mail address, or a phone number where `channel` is sms. `user` is null where
    the letter goes to an address on a list.

    `needs` is the permission in the company that it was written to the holders of, if any. It
    waits until `sent_at` or `failed_at` is set. `attempts` counts those begun, and
    `next_attempt_at` is when the next one may begin: a sender who takes a letter moves it to the
    end of the lease. A letter about no company (`company` is null) is seen, like everybody's
    letters, only in `acting_for(…, letters=True)`: it may open an account, so acting for a
    company must not show it.
    """

    company = models.ForeignKey(
        "access.Company", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    user = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    kind = models.CharField(max_length=60)
    channel = models.CharField(
        max_length=4, choices=[("mail", "e-mail"), ("sms", "SMS")], default="mail"
    )
    address = models.CharField(max_length=254)
    language = models.CharField(max_length=5)
    needs = models.CharField(max_length=60, blank=True)
    subject = models.CharField(max_length=SUBJECT_MAX)
    text = models.TextField(blank=True)
    html = models.TextField(blank=True)
    created_at = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True)

    objects = CompanyQuerySet.as_manager()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True) | Q(failed_at__isnull=True),
                name="letter_sent_or_failed",
            )
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["next_attempt_at", "id"], condition=WAITING, name="letter_waiting"
            ),
            models.Index(fields=["created_at"], condition=~Q(text=""), name="letter_with_text"),
            models.Index(fields=["user", "-id"], name="letter_of_user"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
