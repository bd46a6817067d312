"""Saved views: a person's own filters and order of one list: in a company, at a customer, or in all
of the person's companies."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

NAME_MAX, QUERY_MAX = 60, 1000


class SavedView(models.Model):
    """The address of a list, without its place in it, under a name of the user's own.

    `company` is null in a list of the customer's own, `customer` in one of a company's, and both in
    one of all the user's companies.
    """

    company = models.ForeignKey(
        "access.Company", on_delete=models.CASCADE, null=True, related_name="+"
    )
    customer = models.ForeignKey(
        "access.Customer", on_delete=models.CASCADE, null=True, related_name="+"
    )
    user = models.ForeignKey("access.User", on_delete=models.CASCADE, related_name="+")
    list_name = models.CharField(max_length=60)
    name = models.CharField(max_length=NAME_MAX)
    query = models.CharField(max_length=QUERY_MAX, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["company", "customer", "user", "list_name", "name"],
                nulls_distinct=False,
                name="saved_view_name_once",
            ),
            models.CheckConstraint(
                condition=Q(company__isnull=True) | Q(customer__isnull=True),
                name="saved_view_of_one_owner",
            ),
        ]

    def __str__(self) -> str:
        return self.name
