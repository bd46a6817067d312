"""Tasks of the ERP's door: what is due to be pushed."""

from __future__ import annotations

from celery import shared_task

from portal import clock
from portal.access import tenancy
from portal.access.models import Company
from portal.erp import push


@shared_task(name="erp.push")
def push_due() -> None:
    """Hands out the companies whose events are to be pushed now."""
    with tenancy.acting_for(Company.objects.values_list("pk", flat=True)):
        found = push.due(at=clock.now())
    for company_id in found:
        push_one.delay(company_id)


@shared_task(name="erp.push_one")
def push_one(company_id: int) -> None:
    """Pushes one company's events, for one turn."""
    with tenancy.acting_for([company_id]), clock.unit_of_work():
        push.push(company=Company.objects.get(pk=company_id))
