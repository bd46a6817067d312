"""The Celery app, its timetable, and the tick that turns it into due jobs.

Beat holds no schedule but the tick; what is due is a row, so two beats or a killed one do no harm.
"""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

import structlog
from celery import Celery, signals
from django.conf import settings

app = Celery("kvitt")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

TICK_SECONDS = 5
BEAT_LOCK = "kvitt:beat"
log = structlog.get_logger(__name__)


def timetable() -> dict[str, int]:
    """Task name → every so many seconds."""
    return {
        "payments.send_due": settings.SEND_CHECK_SECONDS,
        "banking.poll_banks": settings.BANK_POLL_SECONDS,
        "payments.take_answers": settings.BANK_POLL_SECONDS,
        "mail.deliver": settings.MAIL_CHECK_SECONDS,
        "portal.number_events": 10,
        "erp.push": settings.PUSH_CHECK_SECONDS,
        "payments.compare": settings.COMPARE_CHECK_SECONDS,
        "jobs.pick_up": settings.JOB_CHECK_SECONDS,
        "portal.tidy": 3600,
    }


app.conf.beat_schedule = {"tick": {"task": "portal.tick", "schedule": TICK_SECONDS}}


@app.task(name="portal.tick")
def tick() -> None:
    """Owes what is due and hands it out."""
    from django.utils import timezone

    from portal.jobs import due

    due.beat("beat")
    for job_id in due.owe(timetable(), now=timezone.now()):
        run.delay(job_id)


@app.task(name="portal.run")
def run(job_id: int) -> None:
    """Runs one due job, unless another worker has it."""
    from portal.jobs import due

    row = due.start(job_id)
    if row is None:
        return
    try:
        app.tasks[row.job]()
    except Exception as error:
        log.exception("job.failed", job=row.job)
        due.finish(row, error=f"{type(error).__name__}: {error}")
        return
    due.finish(row)


@app.task(name="portal.number_events")
def number_events() -> None:
    """Numbers committed events of every company."""
    from portal.access import tenancy
    from portal.access.models import Company
    from portal.events import seal

    with tenancy.acting_for(Company.objects.values_list("pk", flat=True)):
        while seal.number_committed() == seal.BATCH:
            continue


@app.task(name="portal.tidy")
def tidy() -> None:
    """Removes what no longer serves: old runs, results, sessions, nonces, mails."""
    from django.utils import timezone

    from portal.access import guesses, links, tenancy
    from portal.access.models import Company, Customer
    from portal.access.sessions import SessionStore
    from portal.erp import door
    from portal.jobs import due, results
    from portal.mail import pruning

    now = timezone.now()
    every = Company.objects.values_list("pk", flat=True)
    customers = Customer.objects.values_list("pk", flat=True)
    for step in (
        lambda: due.prune(now=now),
        lambda: pruning.forget(now=now),
        SessionStore.clear_expired,
        lambda: door.forget_nonces(now=now),
        lambda: links.forget(now=now),
        lambda: guesses.forget(now=now),
        lambda: results.remove_expired(now=now),
    ):
        try:  # each for itself: one that fails leaves the others their work
            with tenancy.acting_for(every, customers=customers):
                step()
        except Exception:
            log.exception("tidy.failed")


@signals.setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery would set up its own; Django has configured ours already."""


@signals.task_prerun.connect
def _bind(task_id: str = "", task: Any = None, **_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=getattr(task, "name", ""), task_id=task_id)


@signals.worker_init.connect
def _refuse_blind_role(**_: Any) -> None:
    """A worker whose role row-level security cannot see does not start."""
    from portal.access.apps import role_faults

    faults = role_faults()
    if faults:
        raise SystemExit(f"{faults[0].msg} {faults[0].hint}")


@signals.worker_process_init.connect
def _fresh_connections(**_: Any) -> None:
    """Connections are opened after the fork, never shared over it."""
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        connection.connection = None
