"""Old letters lose their words; what was sent to whom, and what waits, stays."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.utils import timezone

from portal import celery, mail
from portal.access import tenancy
from portal.access.models import User
from portal.mail import pruning
from portal.mail.models import Letter
from tests import kit


@pytest.fixture
def anne(db: None) -> User:
    return kit.person("anne", kit.company())


def posted(anne: User, *, days_old: int, **fields: Any) -> Letter:
    mail.post(
        kind="payments.to_approve",
        company=None,
        users=[anne],
        context={"count": 1, "first_due": dt.date(2026, 11, 30), "page": "http://localhost/"},
    )
    letter = kit.letters()[-1]
    with tenancy.acting_for((), letters=True):
        Letter.objects.filter(pk=letter.pk).update(
            created_at=timezone.now() - dt.timedelta(days=days_old), **fields
        )
    return letter


def test_old_letters_that_are_done_with_lose_text_and_html(anne: User, settings: Any) -> None:
    settings.MAIL_KEEP_DAYS = 90
    now = timezone.now()
    posted(anne, days_old=91, sent_at=now)
    posted(anne, days_old=91, failed_at=now)
    posted(anne, days_old=91)
    posted(anne, days_old=89, sent_at=now)
    assert pruning.forget(now=now) == 2
    assert [bool(letter.text or letter.html) for letter in kit.letters()] == [
        False,
        False,
        True,
        True,
    ]
    assert all(letter.subject and letter.address for letter in kit.letters())
    assert pruning.forget(now=now) == 0


def test_any_number_of_old_letters_is_taken_by_and_by(
    anne: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 2)
    for _turn in range(5):
        posted(anne, days_old=400, sent_at=timezone.now())
    assert pruning.forget(now=timezone.now()) == 5


def test_the_hourly_tidying_does_it(anne: User, settings: Any) -> None:
    posted(anne, days_old=settings.MAIL_KEEP_DAYS + 1, sent_at=timezone.now())
    celery.tidy()
    assert kit.letters()[0].text == ""
