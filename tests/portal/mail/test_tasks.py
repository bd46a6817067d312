"""The worker's way: a commit nudges delivery, and a killed worker loses no letter."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
import redis
from django.conf import settings as live
from django.utils import timezone

from portal import mail
from portal.access import tenancy
from portal.access.models import User
from portal.mail.models import Letter
from tests import kit


def post(anne: User) -> None:
    mail.post(
        kind="payments.to_approve",
        company=None,
        users=[anne],
        context={"count": 1, "first_due": dt.date(2026, 11, 30), "page": "http://localhost/"},
    )


@pytest.mark.stack
@pytest.mark.parametrize("point", ["mail.claimed", "mail.sent"])
def test_a_letter_of_a_killed_worker_goes_with_the_next(
    point: str, own_database: str, tmp_path: Path
) -> None:
    anne = kit.person("anne", kit.company())
    log = tmp_path / "worker.log"
    redis.Redis.from_url(live.REDIS_URL).flushdb()
    with kit.Worker(own_database, log, KVITT_FAULT_POINT=point) as worker:
        post(anne)
        assert worker.dies(), log.read_text()[-3000:]
    (letter,) = kit.letters()
    assert (letter.attempts, letter.sent_at) == (1, None)
    assert letter.next_attempt_at > timezone.now() + dt.timedelta(minutes=10)
    redis.Redis.from_url(live.REDIS_URL).flushdb()
    with tenancy.acting_for((), letters=True):  # the lease is over
        Letter.objects.update(next_attempt_at=timezone.now())
    with kit.Worker(own_database, log):
        post(anne)
        kit.until(lambda: all(each.sent_at for each in kit.letters()), what="delivery")
    assert [each.attempts for each in kit.letters()] == [2, 1]
