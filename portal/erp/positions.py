"""How far each company's ERP has read its feed: it has all up to the cursor that it asks after."""

from __future__ import annotations

import datetime as dt

from django.db.models import Q
from django.db.models.functions import Greatest
from django.utils import timezone

from portal.access.models import Company
from portal.erp.models import FeedPosition

# An ERP may ask every second; that it asked is written down once a minute.
EVERY = dt.timedelta(minutes=1)


def asked(*, company: Company, cursor: int) -> None:
    """The ERP asks for what comes after the cursor, so it has what came before."""
    now = timezone.now()
    rows = FeedPosition.objects.of(company)
    news = rows.filter(Q(cursor__lt=cursor) | Q(asked_at__lt=now - EVERY))
    if not news.update(cursor=Greatest("cursor", cursor), asked_at=now) and not rows.exists():
        FeedPosition.objects.bulk_create(
            [FeedPosition(company=company, cursor=cursor, asked_at=now)], ignore_conflicts=True
        )


def of(company: Company) -> FeedPosition | None:
    """Where the company's ERP stands; None where it has never asked."""
    return FeedPosition.objects.of(company).first()
