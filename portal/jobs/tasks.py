"""Celery's way into jobs: each task makes one domain call and is safe to run twice."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from portal.access import tenancy
from portal.access.models import Company
from portal.jobs import work


@shared_task(name=work.TASK)
def run(company_id: int, job_id: int) -> None:
    """Runs one job, unless another worker has it."""
    work.run(company_id=company_id, job_id=job_id)


@shared_task(name="jobs.pick_up")
def pick_up() -> None:
    """Finds jobs whose nudge or worker was lost, of every company."""
    with tenancy.acting_for(Company.objects.values_list("pk", flat=True)):
        work.pick_up(now=timezone.now())
