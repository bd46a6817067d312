"""Invoices that are approved before their payments come; every row belongs to one company."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from portal.access.tenancy import CompanyOwned


class PreApproval(CompanyOwned):
    """An invoice that people approve before its payment comes: exactly this amount, to this payee
    and account, for this KID or reference (payments.preapproval). It is used once, by `line`; it
    ends unused when somebody ends it, or after `valid_until`.
    """

    payee_name = models.CharField(max_length=140)
    payee_account = models.CharField(max_length=34)
    payee_account_kind = models.CharField(max_length=5)
    amount = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.CharField(max_length=3)
    kid = models.CharField(max_length=35, blank=True)
    reference = models.CharField(max_length=140, blank=True)
    valid_until = models.DateField()
    made_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    made_at = models.DateTimeField()
    line = models.OneToOneField(
        "payments.PaymentLine", on_delete=models.PROTECT, null=True, related_name="pre_approval"
    )
    used_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="pre_approval_above_zero"),
            models.CheckConstraint(
                condition=~(Q(kid="") & Q(reference="")) & (Q(kid="") | Q(reference="")),
                name="pre_approval_for_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(line__isnull=True) | Q(ended_at__isnull=True),
                name="pre_approval_used_or_ended",
            ),
            models.UniqueConstraint(
                fields=["company", "payee_account", "kid", "reference", "amount", "currency"],
                condition=Q(line__isnull=True, ended_at__isnull=True),
                name="pre_approval_once",
            ),
        ]
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["company", "-id"], name="pre_approval_by_age")
        ]

    def __str__(self) -> str:
        return f"{self.payee_name} {self.kid or self.reference}"


class PreApprovalSignature(CompanyOwned):
    """A person's approval of an invoice in advance; `statement` is the exact text signed, and `mac`
    binds it under a key that the database does not hold. `evidence` as Ceremony has it."""

    pre_approval = models.ForeignKey(
        PreApproval, on_delete=models.PROTECT, related_name="signatures", db_index=False
    )
    user = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    signed_at = models.DateTimeField()
    factor = models.CharField(max_length=20)
    device_id = models.BigIntegerField()
    evidence = models.JSONField(null=True)
    statement = models.TextField()
    mac = models.BinaryField(max_length=32)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["pre_approval", "user"], name="pre_approval_two_different_people"
            )
        ]
