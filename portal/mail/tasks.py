"""Celery's way into the outbox: one domain call, safe to run twice and side by side."""

from __future__ import annotations

from celery import shared_task
from django.db import connection, transaction
from django.utils import timezone

from portal.mail import delivery

LOCK = 0x4B766D61696C  # advisory lock of the run; it dies with the connection


@shared_task(name="mail.deliver")
def deliver() -> int:
    """Delivers the letters that are due, one run at a time: a slow mail server holds one worker."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            return 0
    try:
        return delivery.deliver(now=timezone.now())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def nudge() -> None:
    """Delivers soon after the current transaction is committed; the timetable catches the rest."""
    transaction.on_commit(deliver.delay, robust=True)
