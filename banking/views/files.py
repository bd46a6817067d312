"""Bank files of a company: list, one of them, and its exact bytes. Salary only for its axis."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from banking import filestore, inbox
from banking.models import BankFile
from portal.access import guard
from portal.access.roles import Permission
from portal.events.models import Event

FILES_PER_PAGE = 50
RAW_SHOWN_BYTES = 20_000


def _visible(request: HttpRequest) -> QuerySet[BankFile]:
    acting = guard.acting_of(request)
    rows = BankFile.objects.of(acting.company)
    return rows if acting.may(Permission.SEE_SALARY) else rows.filter(salary=False)


@require_GET
@guard.company(Permission.SEE_FILES)
def index(request: HttpRequest) -> HttpResponse:
    rows = _visible(request).select_related("channel").order_by("-id")
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit():
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: FILES_PER_PAGE + 1])
    more = len(found) > FILES_PER_PAGE
    found = found[:FILES_PER_PAGE]
    context = {"rows": found, "before": found[-1].pk if more else None}
    return render(request, "banking/files.html", context)


@require_GET
@guard.company(Permission.SEE_FILES)
def one(request: HttpRequest, file: int) -> HttpResponse:
    row = get_object_or_404(
        _visible(request).select_related("channel", "agreement", "answers_to"), pk=file
    )
    raw, damaged = "", False
    try:
        with inbox.opened(row) as content:
            raw = content.read(RAW_SHOWN_BYTES).decode("utf-8", "replace")
    except filestore.Damaged:
        damaged = True  # the page must still open: it is where people are told
    context: dict[str, Any] = {
        "row": row,
        "state": row.state,
        "sha256": bytes(row.sha256).hex(),
        "answers": row.answers.order_by("id"),
        "events": Event.objects.filter(
            subject="bankfile", subject_id=row.pk, group_id=None
        ).order_by("-id")[:50],
        "raw": raw,
        "damaged": damaged,
        "cut": row.size > RAW_SHOWN_BYTES,
    }
    return render(request, "banking/file.html", context)


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
    return FileResponse(
        content, as_attachment=True, filename=row.name, content_type="application/xml"
    )
