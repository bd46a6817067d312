"""Celery's way to the banks: one task a channel, on the bank queue."""

from __future__ import annotations

from celery import current_app, shared_task
from django.db import transaction

from banking import connecting, inbox
from banking.models import BankChannel
from portal import clock
from portal.access import tenancy

BANK_QUEUE = "bank"
LOOK_AGAIN_SECONDS = (1, 3, 6, 12, 24, 48)
READER = "payments.take_answers"  # a name: this floor knows no payments


@shared_task(name="banking.poll_banks")
def poll_banks() -> None:
    """Nudges a poll of every active channel."""
    for channel_id in BankChannel.objects.filter(is_active=True).values_list("pk", flat=True):
        poll.apply_async((channel_id,), queue=BANK_QUEUE)


def nudge_poll() -> None:
    """Polls soon after the current transaction is committed; the timetable catches what is lost."""
    transaction.on_commit(poll_banks.delay, robust=True)


@shared_task(name="banking.test_connection")
def test_connection(company_id: int, test_id: int) -> None:
    """Tries the way to a bank, and keeps what was found."""
    with tenancy.acting_for([company_id]):
        test = connecting.run(test_id)
    if connecting.waits(test):
        # Sooner than the timetable: somebody sits and looks at the page.
        for seconds in LOOK_AGAIN_SECONDS:
            poll.apply_async((test.agreement.channel_id,), queue=BANK_QUEUE, countdown=seconds)


def nudge_test(company_id: int, test_id: int) -> None:
    """Tries soon after the current transaction is committed."""
    transaction.on_commit(
        lambda: test_connection.apply_async((company_id, test_id), queue=BANK_QUEUE), robust=True
    )


def nudge_reading() -> None:
    """Reads soon after the current transaction is committed; the timetable catches what is lost."""
    transaction.on_commit(lambda: current_app.send_task(READER), robust=True)


@shared_task(name="banking.poll")
def poll(channel_id: int) -> int:
    """Fetches what the bank has laid out, and nudges whoever reads it."""
    with clock.unit_of_work():
        kept = inbox.poll(channel_id)
    if kept or inbox.waiting():
        current_app.send_task(READER)
    return kept
