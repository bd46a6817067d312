"""Saved views: a person's own filters and order of one list in one company."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from portal.access.tenancy import CompanyOwned

NAME_MAX, QUERY_MAX = 60, 1000


class SavedView(CompanyOwned):
    """The address of a list, without its place in it, under a name of the user's own."""

    user = models.ForeignKey("access.User", on_delete=models.CASCADE, related_name="+")
    list_name = models.CharField(max_length=60)
    name = models.CharField(max_length=NAME_MAX)
    query = models.CharField(max_length=QUERY_MAX, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(
                fields=["company", "user", "list_name", "name"], name="saved_view_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name
