"""The change log and who accepted which terms, which only ever grow; lists read for an import."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from portal.access.models import new_public_id
from portal.people import acts


class Change(models.Model):
    """One change that a person made to a customer, a company, a user or a role.

    `company` is null where it concerns the customer as a whole. `before` and `after` are
    {field: value as text}, only of what differs. `subject_name` is what it was called then, and
    `address` whence the request came.
    """

    id = models.BigAutoField(primary_key=True)
    customer = models.ForeignKey(
        "access.Customer", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    company = models.ForeignKey(
        "access.Company", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    user = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    user_name = models.CharField(max_length=140)
    address = models.GenericIPAddressField(null=True)
    act = models.CharField(max_length=40)
    about = models.ForeignKey(
        "access.User", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    subject_name = models.CharField(max_length=254, blank=True)
    # The user group that it is about, by its id: the group may be gone.
    group_number = models.IntegerField(null=True)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    class Meta:
        indexes: ClassVar[list[Any]] = [
            models.Index(fields=["customer", "-id"], name="change_of_customer"),
            models.Index(
                fields=["company", "-id"],
                condition=models.Q(company__isnull=False),
                name="change_of_company",
            ),
            models.Index(
                fields=["about", "-id"],
                condition=models.Q(about__isnull=False),
                name="change_about",
            ),
        ]

    @property
    def label(self) -> str:
        """What was done, in the language of the page."""
        return str(acts.ACTS.get(self.act, self.act))

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """(field, before, after) in words, of everything that differs."""
        names = sorted({*self.before, *self.after}, key=acts.place)
        return [
            (
                acts.field(name),
                acts.value(name, self.before.get(name, "")),
                acts.value(name, self.after.get(name, "")),
            )
            for name in names
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.subject_name}"


class TermsAcceptance(models.Model):
    """That a customer accepted a version of the terms of service: who, when and from where."""

    customer = models.ForeignKey("access.Customer", on_delete=models.PROTECT, related_name="terms")
    version = models.CharField(max_length=20)
    user = models.ForeignKey("access.User", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    address = models.GenericIPAddressField(null=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["customer", "version"], name="terms_accepted_once")
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.version}"


class CompanyImport(models.Model):
    """A list of companies as it was read from a file, until it is imported; then its receipt.

    `rows` is [[number in the file, {field: value}], …], `unused` the names of columns that are not
    ours; `made` is how many became companies.
    """

    public_id = models.CharField(max_length=10, unique=True, default=new_public_id, editable=False)
    customer = models.ForeignKey("access.Customer", on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey("access.User", on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=200)
    rows = models.JSONField()
    unused = models.JSONField(default=list)
    at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    made = models.PositiveIntegerField(default=0)

    @property
    def left_out(self) -> int:
        """How many rows of the file became no company."""
        return len(self.rows) - self.made

    def __str__(self) -> str:
        return self.file_name
