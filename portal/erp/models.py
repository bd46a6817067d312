"""Nonces of signed requests, so that none is accepted twice; and how far ERPs have read."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

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
