"""Long work that a person asks for: asked, run to its end, stopped, begun again. Knows no kind.

    from portal.jobs import work
    job = work.start(company=company, user=user, kind="export.payments", params={…})

The row is the truth and the queue a nudge: `pick_up` finds what was lost.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from typing import Any

import structlog
from celery import current_app
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone, translation

from portal import clock
from portal.access import actors, grants, tenancy
from portal.access.models import Company, User
from portal.access.roles import permissions_of
from portal.events import moves
from portal.events.lifecycle import Move
from portal.jobs import kinds, lifecycle
from portal.jobs.models import Job
from portal.jobs.progress import Cancelled, Failed, Lost, Progress, TooLong
from portal.jobs.results import TooLarge

TASK = "jobs.work"
PICKED_UP_AT_ONCE = 500
# Why a job failed, where its kind said nothing itself; their sentences stand in `sentences`.
UNEXPECTED, TOO_LONG, TOO_LARGE, WORKER_DIED = "unexpected", "too_long", "too_large", "worker_died"
log = structlog.get_logger(__name__)


class TooMany(Exception):
    """The person has as many jobs waiting or under way as one may have."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"at most {limit} at once")
        self.limit = limit


class NotAllowed(PermissionDenied):
    """The person holds none of the permissions that this kind of work can stand on."""


class NotCancellable(Exception):
    """This kind of work cannot be stopped halfway."""


def start(
    *,
    company: Company,
    user: User,
    kind: str,
    params: dict[str, Any] | None = None,
    language: str = "",
) -> Job:
    """Asks for a job and nudges a worker when the transaction commits.

    Run while acting for the company and the user. `params` is JSON, all that the kind needs;
    `language` is that of the result, else the language of the page. Raises TooMany, NotAllowed,
    kinds.Unknown.
    """
    known = kinds.named(kind)
    held = permissions_of(grants.roles_in(user=user, company=company)) & known.permissions
    if not held:
        raise NotAllowed(kind)
    now = timezone.now()
    with transaction.atomic():
        # The user's row is the queue for their own requests, so two at once cannot pass the limit.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        everywhere = grants.companies_of(user).values_list("pk", flat=True)
        with tenancy.acting_for(everywhere, user=user):
            waiting = Job.objects.filter(user=user, status__in=lifecycle.OPEN).count()
        if waiting >= settings.JOBS_OPEN_PER_USER_MAX:
            raise TooMany(settings.JOBS_OPEN_PER_USER_MAX)
        job: Job = Job.objects.create(
            company=company,
            user=user,
            kind=kind,
            params=params or {},
            permissions=sorted(held),
            language=language or translation.get_language() or user.language,
            status=lifecycle.JOB.initial,
            created_at=now,
            seen_at=now,
        )
        _remark(job, lifecycle.ASKED, by=actors.person(user))
        nudge(job)
    return job


def again(*, job: Job, user: User) -> Job:
    """Asks anew for what an ended job was to do; raises as `start` does."""
    return start(company=job.company, user=user, kind=job.kind, params=job.params)


def cancel(*, job: Job, by: actors.Actor) -> None:
    """Stops a waiting job; asks one that is under way to stop. An ended one is left as it is.

    Raises NotCancellable, kinds.Unknown.
    """
    if not kinds.named(job.kind).cancellable:
        raise NotCancellable(job.kind)
    with transaction.atomic():
        row = Job.objects.select_for_update().get(pk=job.pk)
        if row.status == lifecycle.WAITING:
            _end(row, lifecycle.CANCEL, by=by)
        elif row.status == lifecycle.RUNNING and row.cancel_asked_at is None:
            Job.objects.filter(pk=row.pk).update(cancel_asked_at=timezone.now())
            _remark(row, lifecycle.CANCEL_ASKED, by=by)


def run(*, company_id: int, job_id: int) -> None:
    """Runs a waiting job to its end; does nothing when another worker has it. Safe to call twice.

    Call it outside a transaction: what it tells on the way is to be seen.
    """
    with tenancy.acting_for([company_id]):
        job = _take(job_id)
        if job is None:
            return
    with (
        tenancy.acting_for([company_id], user=job.user_id),
        clock.unit_of_work(),
        translation.override(job.language),
        structlog.contextvars.bound_contextvars(job=job.public_id, kind=job.kind),
    ):
        _carry_out(job)


def pick_up(*, now: dt.datetime) -> int:
    """Nudges jobs of which nothing was heard for JOB_SILENT_SECONDS; answers how many there were.

    One that waits has lost its nudge; one under way has lost its worker, and begins again unless
    it has done so too often. Run while acting for their companies.
    """
    silent = now - dt.timedelta(seconds=settings.JOB_SILENT_SECONDS)
    with transaction.atomic():
        rows = list(
            Job.objects.select_for_update(skip_locked=True)
            .filter(status__in=lifecycle.OPEN, seen_at__lt=silent)
            .order_by("seen_at")[:PICKED_UP_AT_ONCE]
        )
        for job in rows:
            if job.status == lifecycle.WAITING:
                Job.objects.filter(pk=job.pk).update(seen_at=now)
                nudge(job)
            elif job.cancel_asked_at is not None:
                _end(job, lifecycle.CANCEL, by=actors.CLOCK)
            elif job.attempts >= settings.JOB_ATTEMPTS_MAX:
                log.error("jobs.given_up", job=job.public_id, kind=job.kind)
                _end(job, lifecycle.FAIL, by=actors.CLOCK, code=WORKER_DIED)
            else:
                log.warning("jobs.worker_died", job=job.public_id, kind=job.kind)
                _move(job, lifecycle.RETURN, by=actors.CLOCK, seen_at=now)
                nudge(job)
    return len(rows)


def nudge(job: Job) -> None:
    """Lets a worker begin soon after commit; `pick_up` catches what is lost."""
    transaction.on_commit(
        lambda: current_app.send_task(
            TASK,
            (job.company_id, job.pk),
            queue=settings.JOB_QUEUE,
            soft_time_limit=settings.JOB_MAX_SECONDS,
        ),
        robust=True,
    )


def _take(job_id: int) -> Job | None:
    """The job, now this run's own; None when it does not wait."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id, status=lifecycle.WAITING).first()
        if job is None:
            return None
        now = timezone.now()
        _move(
            job,
            lifecycle.START,
            by=actors.CLOCK,
            attempts=job.attempts + 1,
            started_at=now,
            seen_at=now,
            done=0,
            total=None,
        )
    found: Job = Job.objects.select_related("company", "user").get(pk=job_id)
    return found


def _carry_out(job: Job) -> None:
    """Runs the kind's work and ends the job as the work ended."""
    with contextlib.closing(Progress(job)) as progress:
        try:
            progress.to(0)
            result = kinds.named(job.kind).run(job, progress)
            _finish(job, progress, result)
        except Lost:
            log.warning("jobs.lost", attempt=job.attempts)
        except Cancelled as stopped:
            _give_up(job, progress, lifecycle.CANCEL, code=stopped.code)
        except Failed as failure:
            log.info("jobs.refused", code=failure.code)
            _give_up(job, progress, lifecycle.FAIL, code=failure.code, text=failure.text)
        except (TooLong, SoftTimeLimitExceeded):
            log.error("jobs.too_long", done=progress.done, total=progress.total)
            _renew_connection()
            _give_up(job, progress, lifecycle.FAIL, code=TOO_LONG)
        except TooLarge:
            log.error("jobs.too_large")
            _give_up(job, progress, lifecycle.FAIL, code=TOO_LARGE)
        except Exception:
            log.exception("jobs.failed", attempt=job.attempts)
            _renew_connection()
            _give_up(job, progress, lifecycle.FAIL, code=UNEXPECTED)


def _renew_connection() -> None:
    """What struck may have struck in the middle of a query: that connection answers no more."""
    if not connection.in_atomic_block:
        connection.close()


def _finish(job: Job, progress: Progress, result: dict[str, Any] | None) -> None:
    """Done, with its file, in one transaction; raises Lost."""
    kept: dict[str, Any] = {"result": None if result is None else json.dumps(result)}
    file = progress.result_file
    now = timezone.now()
    if file is not None:
        sha256, size = file.measured()
        expires = now + dt.timedelta(seconds=settings.JOB_FILE_KEPT_SECONDS)
        kept |= {"file_name": file.name, "media_type": file.media_type, "expires_at": expires}
        kept |= {"sha256": sha256, "size": size}
    with transaction.atomic():
        _hold(job)
        kept |= {"done": progress.done, "total": progress.total}
        _move(job, lifecycle.FINISH, by=actors.CLOCK, finished_at=now, **kept)
        if file is not None:
            file.store(job)


def _give_up(job: Job, progress: Progress, change: Move, *, code: str, text: str = "") -> None:
    """Ends this run's job without a result, if it still is this run's."""
    with transaction.atomic(), contextlib.suppress(Lost):
        _hold(job)
        told = {"done": progress.done, "total": progress.total}
        _end(job, change, by=actors.CLOCK, code=code, error_text=text, **told)


def _hold(job: Job) -> None:
    """Locks the job for the rest of the transaction; raises Lost when it is another run's."""
    mine = Job.objects.select_for_update().filter(
        pk=job.pk, status=lifecycle.RUNNING, attempts=job.attempts
    )
    if mine.first() is None:
        raise Lost


def _end(job: Job, change: Move, *, by: actors.Actor, code: str = "", **sets: Any) -> None:
    _move(job, change, by=by, error_code=code, finished_at=timezone.now(), **sets)


def _move(job: Job, change: Move, *, by: actors.Actor, **sets: Any) -> None:
    """One job, whose row the caller has locked."""
    rows = Job.objects.filter(pk=job.pk)
    code = sets.get("error_code")
    detail = {"attempt": sets.get("attempts", job.attempts)} | ({"code": code} if code else {})
    moves.move(rows, change, by=by, at=clock.now(), expected=1, sets=sets, detail=detail)


def _remark(job: Job, event: str, *, by: actors.Actor) -> None:
    moves.record(
        company_id=job.company_id,
        event=event,
        subject=Job.tracking.subject,
        subject_id=job.pk,
        number=job.public_id,
        by=by,
        at=clock.now(),
    )
