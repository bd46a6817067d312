"""Celery's way into the outbox: one domain call, safe to run twice and side by side."""

from __future__ import annotations

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from portal.mail import delivery


@shared_task(name="mail.deliver")
def deliver() -> int:
    """Delivers the letters that are due."""
    return delivery.deliver(now=timezone.now())


def nudge() -> None:
    """Delivers soon after the current transaction is committed; the timetable catches the rest."""
    transaction.on_commit(deliver.delay, robust=True)
