"""What is forgotten of old letters: their words; that they were sent, and to whom, stays."""

from __future__ import annotations

import datetime as dt

from django.conf import settings

from portal.access import tenancy
from portal.mail.models import WAITING, Letter

BATCH = 1000


def forget(*, now: dt.datetime) -> int:
    """Empties text and HTML of letters older than MAIL_KEEP_DAYS; answers how many."""
    before = now - dt.timedelta(days=settings.MAIL_KEEP_DAYS)
    old = Letter.objects.filter(~WAITING, created_at__lt=before).exclude(text="")
    forgotten = 0
    with tenancy.acting_for((), letters=True):
        while True:
            ids = list(old.values_list("pk", flat=True)[:BATCH])
            forgotten += Letter.objects.filter(pk__in=ids).update(text="", html="")
            if len(ids) < BATCH:
                return forgotten
