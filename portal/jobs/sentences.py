"""What pages say of a job: how long, how far, and what went wrong with what to do about it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from portal.jobs import lifecycle, progress, work
from portal.jobs.models import Job

# Before this long a guess at the time left jumps about.
GUESS_AFTER_SECONDS = 3

_WHY: dict[str, tuple[Any, Any]] = {
    work.UNEXPECTED: (
        gettext_lazy("Something happened that Kvitt was not prepared for. It has been logged."),
        gettext_lazy("Try again. If it fails again, give support the reference."),
    ),
    work.TOO_LONG: (
        gettext_lazy("The work took longer than it may."),
        gettext_lazy("Choose less at a time, for example a shorter period, and ask again."),
    ),
    work.TOO_LARGE: (
        gettext_lazy("The file became larger than a file may be."),
        gettext_lazy("Choose less at a time, for example a shorter period, and ask again."),
    ),
    work.WORKER_DIED: (
        gettext_lazy("The work was interrupted several times and was given up."),
        gettext_lazy("Try again later. If it fails again, give support the reference."),
    ),
    progress.NOT_ALLOWED: (
        gettext_lazy("The work was stopped because a role it needs was taken away."),
        gettext_lazy("Ask anew for what your roles reach now."),
    ),
}


def why(job: Job) -> tuple[str, str]:
    """What happened to a job that came to no end, and what to do; empty where nothing is to tell.

    A kind's own sentence says both.
    """
    if job.error_text:
        return job.error_text, ""
    what, cure = _WHY.get(job.error_code, ("", ""))
    return str(what), str(cure)


def too_many(limit: int) -> str:
    """What a person is told who has as many jobs as one may have."""
    return ngettext(
        "You already have %(n)s job that is not ended. Wait for it, or stop it.",
        "You already have %(n)s jobs that are not ended. Wait for one of them, or stop one.",
        limit,
    ) % {"n": limit}


def took(job: Job) -> str:
    """How long the last run took; empty for a job that never began."""
    if job.started_at is None or job.finished_at is None:
        return ""
    return duration((job.finished_at - job.started_at).total_seconds())


def duration(seconds: float) -> str:
    """«42 seconds», «3 minutes 5 seconds»."""
    minutes, rest = divmod(max(1, round(seconds)), 60)
    told = []
    if minutes:
        told.append(ngettext("%(n)s minute", "%(n)s minutes", minutes) % {"n": minutes})
    if rest:
        told.append(ngettext("%(n)s second", "%(n)s seconds", rest) % {"n": rest})
    return " ".join(told)


def time_left(job: Job, *, now: dt.datetime) -> str:
    """A guess in whole minutes, from the pace so far; empty while there is none to go by."""
    if job.status != lifecycle.RUNNING or job.started_at is None or not job.total or not job.done:
        return ""
    spent = (now - job.started_at).total_seconds()
    if spent < GUESS_AFTER_SECONDS:
        return ""
    left = spent * max(0, job.total - job.done) / job.done
    if left < 60:
        return _("less than a minute left")
    minutes = round(left / 60)
    return ngettext("about %(n)s minute left", "about %(n)s minutes left", minutes) % {"n": minutes}


def milestone(job: Job) -> tuple[str, str]:
    """How far a job is, as (name, sentence): each is told aloud once, so there are few of them."""
    if not job.is_open:
        return job.status, str(job.state.meaning)
    if job.cancel_asked_at is not None:
        return "stopping", _("The work has been asked to stop.")
    if job.status == lifecycle.WAITING:
        if job.attempts:
            return "returned", _("The work was interrupted. It begins again by itself.")
        return "waiting", _("The work begins as soon as there is room for it.")
    quarter = min(3, 4 * job.done // job.total) if job.total else 0
    if quarter:
        return str(quarter), _("%(percent)s %% is done.") % {"percent": 25 * quarter}
    return "begun", _("The work is under way.")
