"""Nonces of signed requests, so that none is accepted twice; how far ERPs have read; and where
their events are pushed to."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from portal.access.crypto import SecretField
from portal.access.tenancy import CompanyOwned


class UsedNonce(CompanyOwned):
    """A nonce that a company's key has signed with; kept as long as a signature may be fresh."""

    nonce = models.CharField(max_length=100)
    used_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company", "nonce"], name="nonce_once")
        ]


class FeedPosition(CompanyOwned):
    """The highest cursor that the company's ERP has asked for events after, and when it last did;
    machine time."""

    cursor = models.BigIntegerField()
    asked_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company"], name="feed_position_one")
        ]

    def __str__(self) -> str:
        return str(self.cursor)


class PushTarget(CompanyOwned):
    """Where a company's events are pushed to, and how far that has come.

    The ERP has every event up to `cursor`, but those in PushWaiting. Times are business time, but
    `busy_until`, until when one worker alone pushes for the company, and `old_until`, until when
    messages are signed with the former secret too: these are machine time.
    """

    address = models.CharField(max_length=500)
    language = models.CharField(max_length=5, default="nb")
    secret = SecretField()
    old_secret = SecretField(null=True)
    old_until = models.DateTimeField(null=True)
    active = models.BooleanField(default=True)
    cursor = models.BigIntegerField()
    made_at = models.DateTimeField()
    busy_until = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField()
    failures = models.IntegerField(default=0)
    failing_since = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company"], name="push_target_one")
        ]

    def __str__(self) -> str:
        return self.address


class PushWaiting(CompanyOwned):
    """An event that the ERP has not taken, or is to have once more. What comes later for the same
    payment waits behind it, until it is given up."""

    sequence = models.BigIntegerField()
    number = models.CharField(max_length=140, blank=True)
    tries = models.IntegerField(default=0)
    first_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    given_up_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=40, blank=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company", "sequence"], name="push_waiting_once")
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(
                fields=["company", "number"],
                condition=Q(given_up_at__isnull=True),
                name="push_waiting_of_number",
            )
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.sequence}"


class UsedCustomerNonce(models.Model):
    """A nonce that a customer's key has signed with."""

    customer = models.ForeignKey("access.Customer", on_delete=models.PROTECT, related_name="+")
    nonce = models.CharField(max_length=100)
    used_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["customer", "nonce"], name="customer_nonce_once")
        ]

    def __str__(self) -> str:
        return self.nonce
