"""What a day's comparison of bank, portal and ERP found; a row belongs to one company."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from portal.access.tenancy import CompanyOwned


class DailyCheck(CompanyOwned):
    """One bank day of a company, compared once it was over (payments.threeway).

    `figures` is {kind: {name: {"lines": count, "sums": {currency: amount as text}}}}, by kind of
    payment, of the names sent, debited, late and odd. `unfetched` is how many messages the ERP had
    not fetched in time, `fetched_until` when it last asked; None where it never has.
    """

    day = models.DateField()
    made_at = models.DateTimeField()
    figures = models.JSONField()
    unfetched = models.IntegerField(default=0)
    fetched_until = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar[list[Any]] = [
            models.UniqueConstraint(fields=["company", "day"], name="daily_check_once")
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"
