"""A person's own long work: the list, one job under way or ended, and the file it made.

Only the asker finds a job, and only while they hold all that it stands on.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from portal import details
from portal.access import actors, guard
from portal.access.roles import Permission
from portal.events.models import Event
from portal.jobs import kinds, lifecycle, results, sentences, work
from portal.jobs.models import Job

EVENTS_SHOWN = 50


def _own(request: HttpRequest) -> QuerySet[Job]:
    acting = guard.acting_of(request)
    return Job.objects.of(acting.company).filter(user=guard.user_of(request))


def _found(request: HttpRequest, public_id: str) -> Job:
    """The asker's job; raises Http404, and Needs when a permission it stands on is gone."""
    job: Job = get_object_or_404(
        _own(request).select_related("company", "user"), public_id=public_id
    )
    missing = job.needs - guard.acting_of(request).permissions
    if missing:
        raise guard.Needs(tuple(sorted(missing)))
    return job


def _page(request: HttpRequest, job: Job) -> HttpResponse:
    return redirect(
        "jobs:job", company=guard.acting_of(request).company.public_id, job=job.public_id
    )


@require_GET
@guard.company(Permission.SEE_COMPANY)
def index(request: HttpRequest) -> HttpResponse:
    """The person's jobs whose permissions they still hold, latest first, by key."""
    held = sorted(guard.acting_of(request).permissions)
    rows = _own(request).filter(permissions__contained_by=held).order_by("-id")
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit():
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: settings.JOBS_PER_PAGE + 1])
    more = len(found) > settings.JOBS_PER_PAGE
    found = found[: settings.JOBS_PER_PAGE]
    context = {
        "rows": [(job, kinds.title_of(job), _available(job)) for job in found],
        "before": found[-1].pk if more else None,
    }
    return render(request, "jobs/list.html", context)


@require_GET
@guard.company(Permission.SEE_COMPANY)
def one(request: HttpRequest, job: str) -> HttpResponse:
    """The progress of a job, or its receipt when it has ended."""
    row = _found(request, job)
    if row.is_open:
        return render(
            request, "jobs/open.html", _progress(row) | {"cancellable": _cancellable(row)}
        )
    what, cure = sentences.why(row)
    events = Event.objects.filter(subject=Job.tracking.subject, subject_id=row.pk, group_id=None)
    context: dict[str, Any] = {
        "row": row,
        "title": kinds.title_of(row),
        "state": row.state,
        "what": what,
        "cure": cure,
        "took": sentences.took(row),
        "facts": kinds.facts_of(row),
        "available": _available(row),
        "sha256": bytes(row.sha256 or b"").hex(),
        "may_repeat": _may_repeat(row),
        "days": details.timeline(events.order_by("-id")[:EVENTS_SHOWN]),
    }
    return render(request, "jobs/receipt.html", context)


@guard.asks_by_itself
@require_GET
@guard.company(Permission.SEE_COMPANY)
def progress(request: HttpRequest, job: str) -> HttpResponse:
    """The moving part of an open job's page; tells the page to load anew when there is none."""
    try:
        row = _found(request, job)
    except guard.Needs:
        return HttpResponse(status=403, headers={"HX-Refresh": "true"})
    if not getattr(request, "htmx", False):
        return _page(request, row)  # opened as if it were a page
    if not row.is_open:
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = _progress(row)
    context["news"] = request.GET.get("told") != context["milestone"]
    return render(request, "jobs/progress.html", context)


@require_POST
@guard.company(Permission.SEE_COMPANY)
def stop(request: HttpRequest, job: str) -> HttpResponse:
    row = _found(request, job)
    try:
        work.cancel(job=row, by=actors.person(request.user))
    except (work.NotCancellable, kinds.Unknown):
        messages.error(request, _("This work cannot be stopped halfway."))
    return _page(request, row)


@require_POST
@guard.company(Permission.SEE_COMPANY)
def again(request: HttpRequest, job: str) -> HttpResponse:
    """Asks anew for what a job did not give, or gave and no longer keeps."""
    row = _found(request, job)
    if not _may_repeat(row):
        return _page(request, row)
    try:
        return _page(request, work.again(job=row, user=guard.user_of(request)))
    except work.TooMany as error:
        messages.error(request, sentences.too_many(error.limit))
    except kinds.Unknown:
        raise Http404 from None
    return _page(request, row)


@require_GET
@guard.company(Permission.SEE_COMPANY)
def download(request: HttpRequest, job: str) -> FileResponse | HttpResponse:
    """The exact bytes, spooled before the first is sent, so no query runs after the answer."""
    row = _found(request, job)
    if not row.file_name:
        raise Http404
    if not _available(row):
        return _page(request, row)
    try:
        content = results.open_content(row)
    except results.Damaged:
        messages.error(request, _("The stored bytes are not those that were made. Ask anew."))
        return _page(request, row)
    return FileResponse(
        content, as_attachment=True, filename=row.file_name, content_type=row.media_type
    )


def _progress(job: Job) -> dict[str, Any]:
    name, told = sentences.milestone(job)
    return {
        "row": job,
        "title": kinds.title_of(job),
        "state": job.state,
        "milestone": name,
        "told": told,
        "shown": None if not job.total else min(job.done, job.total),
        "left": sentences.time_left(job, now=timezone.now()),
    }


def _cancellable(job: Job) -> bool:
    try:
        return kinds.named(job.kind).cancellable
    except kinds.Unknown:
        return False


def _available(job: Job) -> bool:
    return job.expires_at is not None and timezone.now() < job.expires_at


def _may_repeat(job: Job) -> bool:
    ended_without = job.status in (lifecycle.FAILED, lifecycle.CANCELLED)
    return ended_without or (bool(job.file_name) and not _available(job))
