"""Events pushed to an ERP that takes nothing just now, in the scene."""

from __future__ import annotations

import datetime as dt

from portal import clock
from portal.erp import feed
from portal.erp.models import PushTarget, PushWaiting
from portal.events import seal
from portal.pushing import services
from tests.kit import Stage

WHY = ("status-422", "status-400", "")


def fill(made: Stage) -> None:
    """The company pushes its events; some wait, some are given up, and the ERP is down."""
    now = clock.now()
    with made.scope():
        seal.number_committed()
        rows = list(feed.told_to(made.company).order_by("sequence")[:60])
        PushTarget.objects.create(
            company=made.company,
            address="https://erp.fiskeforedling-og-kjolelager.example.no/kvitt/hendelser?kunde=910000101",
            secret=services.new_secret(),
            cursor=rows[-3].sequence or 0,
            made_at=now - dt.timedelta(days=9),
            next_try_at=now + dt.timedelta(minutes=40),
            failures=7,
            failing_since=now - dt.timedelta(hours=3),
            last_at=now - dt.timedelta(hours=3),
            answer="status-503",
        )
        PushWaiting.objects.bulk_create(
            PushWaiting(
                company=made.company,
                sequence=row.sequence or 0,
                number=row.number,
                tries=3,
                first_at=now,
                next_try_at=now,
                answer=WHY[place % 3],
                given_up_at=now if place % 4 == 0 else None,
            )
            for place, row in enumerate(rows[4:40:4])
        )
