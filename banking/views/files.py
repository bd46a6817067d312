"""Bank files of a company: list, one of them, and its exact bytes. Salary only for its axis."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import Min, QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from banking import filestore, inbox, lifecycle, tables, unreadable
from banking.lists import FILES, files_seen
from banking.models import BankFile
from banking.nets import reader as nets
from portal import clock, details
from portal.access import guard
from portal.access.roles import Permission
from portal.events import questions
from portal.events.lifecycle import Status
from portal.events.models import Event
from portal.lists.pages import ListPage

RAW_SHOWN_BYTES = 20_000
EVENTS_SHOWN = 50


def _visible(request: HttpRequest) -> QuerySet[BankFile]:
    return files_seen(acting=guard.acting_of(request))


@require_GET
@guard.company(Permission.SEE_FILES)
def index(request: HttpRequest) -> HttpResponse:
    acting = guard.acting_of(request)
    first = _visible(request).aggregate(first=Min("created_at"))["first"]
    this_year = clock.today().year
    since = timezone.localtime(first).year if first else this_year
    context = {
        "list": ListPage(request, FILES),
        "years": range(this_year, since - 1, -1) if first else (),
        "may_bring_in": acting.may(Permission.CHANGE_AGREEMENTS),
    }
    return render(request, "banking/files.html", context)


@require_GET
@guard.company(Permission.SEE_FILES)
def one(request: HttpRequest, file: int) -> HttpResponse:
    row = get_object_or_404(
        _visible(request).select_related(
            "channel", "agreement__account", "agreement__channel", "answers_to", "imported_by"
        ),
        pk=file,
    )
    raw, damaged = "", False
    try:
        with inbox.opened(row) as content:
            raw = content.read(RAW_SHOWN_BYTES).decode("utf-8", "replace")
    except filestore.Damaged:
        damaged = True  # the page must still open: it is where people are told
    events = Event.objects.filter(subject="bankfile", subject_id=row.pk, group_id=None)
    context: dict[str, Any] = {
        "row": row,
        "state": _standing(row),
        "sha256": bytes(row.sha256).hex(),
        "answers": row.answers.order_by("id"),
        "kind": tables.kind_of(row),
        "told": None if row.refusal else unreadable.told(row.error),
        "why": questions.explained(row.refusal),
        "days": details.timeline(events.order_by("-id")[:EVENTS_SHOWN]),
        "raw": raw,
        "damaged": damaged,
        "cut": row.size > RAW_SHOWN_BYTES,
        "again": row.status == lifecycle.SET_ASIDE
        and (row.error or {}).get("code") not in unreadable.NEVER_HERE
        and guard.acting_of(request).may(Permission.CHANGE_AGREEMENTS),
    }
    return render(request, "banking/file.html", context)


def _standing(row: BankFile) -> Status:
    """Where the file stands; a refused one that holds no payments sends none back."""
    state: Status = row.state
    if row.status == lifecycle.REFUSED and row.kind.startswith("camt"):
        return replace(state, meaning=_("The bank took nothing from it. No payment is touched."))
    return state


@require_GET
@guard.company(Permission.SEE_FILES)
def download(request: HttpRequest, file: int) -> FileResponse | HttpResponse:
    """The exact bytes, spooled before the first is sent, so no query runs after the answer."""
    row = get_object_or_404(_visible(request), pk=file)
    try:
        content = filestore.open_content(row)
    except filestore.Damaged:
        company = guard.acting_of(request).company
        messages.error(request, _("The stored bytes are not those that came."))
        return redirect("banking:file", company=company.public_id, file=row.pk)
    media_type = "text/plain" if row.kind in nets.KINDS.values() else "application/xml"
    return FileResponse(content, as_attachment=True, filename=row.name, content_type=media_type)
