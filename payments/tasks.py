"""Celery's way into payments: each task makes one domain call and is safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.db import transaction

from banking import lifecycle as banking_lifecycle
from banking import outbox
from banking.models import BankAgreement
from payments import outcomes, sending, threeway
from portal import clock
from portal.access import tenancy
from portal.access.models import Company

BANK_QUEUE = "bank"


@shared_task(name="payments.send_due")
def send_due() -> None:
    """Asks every company for what waits to be sent; the work itself is a task a company."""
    for company_id in Company.objects.values_list("pk", flat=True):
        if something_waits(company_id):
            send.delay(company_id)


def something_waits(company_id: int) -> bool:
    """Whether a company has approved payments or files that are on their way."""
    with tenancy.acting_for([company_id]):
        company = Company.objects.get(pk=company_id)
        outbox.alarm_stuck(company_id=company.pk)
        waits = sending.approved(company=company)
        return waits or bool(sending.undelivered(company=company))


@shared_task(name="payments.send")
def send(company_id: int) -> None:
    """Makes files of what is approved, then nudges the delivery of each."""
    with tenancy.acting_for([company_id]), clock.unit_of_work():
        company = Company.objects.get(pk=company_id)
        sending.make_files(company=company)
        waiting = sending.undelivered(company=company)
    for file_id in waiting:
        deliver.apply_async((company_id, file_id), queue=BANK_QUEUE)


@shared_task(name="payments.deliver")
def deliver(company_id: int, file_id: int) -> str:
    """Brings one file to the bank."""
    with tenancy.acting_for([company_id]), clock.unit_of_work():
        return sending.deliver(file_id=file_id).value


@shared_task(name="payments.take_answers")
def take_answers() -> None:
    """Carries out the bank's messages that have been fetched."""
    with clock.unit_of_work():
        outcomes.take_answers()


@shared_task(name="payments.compare")
def compare() -> None:
    """Compares the latest bank day that is over, in every company that has an agreement in use."""
    everybody = list(Company.objects.values_list("pk", flat=True))
    with tenancy.acting_for(everybody):
        rows = BankAgreement.objects.filter(status=banking_lifecycle.ACTIVE, remittance=True)
        in_use = set(rows.values_list("company_id", flat=True))
    for company_id in sorted(in_use):
        compare_one.delay(company_id)


@shared_task(name="payments.compare_one")
def compare_one(company_id: int) -> None:
    """The daily check of one company, where it is not made yet."""
    with tenancy.acting_for([company_id]), clock.unit_of_work(), transaction.atomic():
        company = Company.objects.select_for_update().get(pk=company_id)
        threeway.run(company=company, at=clock.now())


@shared_task(name="payments.send_in_each")
def send_in_each(company_ids: list[int]) -> None:
    """Asks these companies for what waits to be sent."""
    for company_id in company_ids:
        send.delay(company_id)


def nudge_sending_in_each(company_ids: list[int]) -> None:
    """As nudge_sending, of several companies, with one word to the broker."""
    transaction.on_commit(lambda: send_in_each.delay(company_ids), robust=True)


def nudge_sending(company_id: int) -> None:
    """Sends soon after the current transaction is committed; the timetable catches what is lost."""
    transaction.on_commit(lambda: send.delay(company_id), robust=True)
