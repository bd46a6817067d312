"""What every list offers beside its page: saved views and export; one domain call each."""

from __future__ import annotations

import tempfile
from typing import Any, BinaryIO, cast

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from portal import clock
from portal.access import guard
from portal.access.acting import Acting
from portal.access.roles import Permission
from portal.jobs import sentences, work
from portal.lists import export, exporting, keyset, selection, spec
from portal.lists.models import NAME_MAX, QUERY_MAX, SavedView

VIEWS_MAX = 30


def _list(request: HttpRequest, name: str) -> spec.ListSpec:
    """The list, if this user may see it here."""
    found = spec.named(name)
    if found is None:
        raise Http404
    if not guard.here_of(request).permissions & found.permissions:
        raise guard.Needs(tuple(found.permissions))
    return found


def _query(request: HttpRequest, found: spec.ListSpec) -> QueryDict:
    return found.known(QueryDict(request.POST.get("query", "")[: selection.POSTED_MAX]))


@require_POST
@guard.here(Permission.SEE_COMPANY)
def save_view(request: HttpRequest, list_name: str) -> HttpResponse:
    """Keeps the list's filters and order under a name; the same name again replaces it."""
    found = _list(request, list_name)
    acting = guard.here_of(request)
    query = _query(request, found).urlencode()
    name = " ".join(request.POST.get("name", "").replace("\0", " ").split())[:NAME_MAX]
    mine = SavedView.objects.filter(
        **acting.owner, user=guard.user_of(request), list_name=list_name
    )
    if not name:
        messages.error(request, _("Write a name for the view first."))
    elif not query:
        messages.error(request, _("There is nothing to save: filter or sort the list first."))
    elif len(query) > QUERY_MAX:
        messages.error(request, _("The filters are too long to be kept. Shorten one of them."))
    elif not mine.filter(name=name).exists() and mine.count() >= VIEWS_MAX:
        messages.error(
            request,
            _("You have %(n)s views of this list. Delete one before you save another.")
            % {"n": VIEWS_MAX},
        )
    else:
        SavedView.objects.update_or_create(
            **acting.owner,
            user=guard.user_of(request),
            list_name=list_name,
            name=name,
            defaults={"query": query},
        )
        messages.success(request, _("The view “%(name)s” is saved.") % {"name": name})
    return redirect(f"{found.address(acting)}?{query}")


@require_POST
@guard.here(Permission.SEE_COMPANY)
def delete_view(request: HttpRequest, view: int) -> HttpResponse:
    """Removes one of the user's own views."""
    acting = guard.here_of(request)
    rows = SavedView.objects.filter(**acting.owner, user=guard.user_of(request))
    row = get_object_or_404(rows, pk=view)
    found = _list(request, row.list_name)
    row.delete()
    messages.success(request, _("The view “%(name)s” is deleted.") % {"name": row.name})
    return redirect(f"{found.address(acting)}?{row.query}")


def spool() -> BinaryIO:
    """A temporary file that stays in memory while it is small; closed by the answer it is in."""
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=settings.SPOOL_MEMORY_BYTES))


def _as_job(
    request: HttpRequest, acting: Acting, found: spec.ListSpec, query: QueryDict, kind: str
) -> HttpResponse:
    """Asks for the export as a job and goes to its page."""
    try:
        job = work.start(
            company=acting.company,
            user=guard.user_of(request),
            kind=exporting.KIND + found.name,
            params={"query": query.urlencode(), "format": kind},
        )
    except work.TooMany as error:
        messages.error(request, sentences.too_many(error.limit))
        return redirect("jobs:list", company=acting.company.public_id)
    return redirect("jobs:job", company=acting.company.public_id, job=job.public_id)


@require_POST
@guard.here(Permission.SEE_COMPANY)
def export_list(request: HttpRequest, list_name: str) -> HttpResponse | FileResponse:
    """A small list at once; a large one as a job with progress."""
    found = _list(request, list_name)
    acting = guard.here_of(request)
    query = _query(request, found)
    kind = request.POST.get("format", "")
    if kind not in export.FORMATS:
        raise Http404
    rows = found.filtered(acting, query, request.user).qs
    # Jobs belong to companies: what stands below a customer is made at once, and is bounded.
    below = isinstance(acting, Acting)
    most = settings.LIST_EXPORT_DIRECT if below else settings.LIST_EXPORT_CUSTOMER_MAX
    if keyset.count(rows, cap=most).capped:
        if isinstance(acting, Acting):
            return _as_job(request, acting, found, query, kind)
        text = _("More than %(n)s rows match. Filter the list, and export it in parts.")
        messages.error(request, text % {"n": most})
        return redirect(f"{found.address(acting)}?{query.urlencode()}")
    file: Any = spool()
    export.write(spec=found, acting=acting, user=request.user, query=query, kind=kind, file=file)
    file.seek(0)
    made = export.FORMATS[kind]
    return FileResponse(
        file,
        as_attachment=True,
        filename=export.file_name(found, acting, query, kind, clock.today()),
        content_type=made.media_type,
    )
