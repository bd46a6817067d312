"""Exports too large for one answer: the same file, made by a job with progress and a receipt."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext as _

from portal import clock
from portal.access.acting import Acting
from portal.jobs import kinds, progress
from portal.jobs.models import Job
from portal.lists import export, keyset
from portal.lists.spec import ListSpec, named

KIND = "export."


def offer(spec: ListSpec) -> None:
    """Makes the export of a list a kind of job; called when the list is registered."""
    kinds.register(
        KIND + spec.name,
        run=run,
        title=lambda params: _title(spec, params),
        permissions=spec.permissions | spec.narrowed_by,
        facts=_facts,
    )


def _title(spec: ListSpec, params: dict[str, Any]) -> str:
    ending = "Excel" if params["format"] == "xlsx" else "CSV"
    return _("%(list)s as %(format)s") % {"list": spec.title, "format": ending}


def run(job: Job, told: progress.Progress) -> dict[str, Any]:
    """Writes the list as its address stood when the job was asked for, with the rows of now."""
    spec = named(job.kind.removeprefix(KIND))
    if spec is None or not spec.permissions & job.needs:
        raise progress.Failed(_("There is no such list for you any more."))
    acting = Acting(job.company, frozenset(), job.needs)
    query, kind = QueryDict(job.params["query"]), job.params["format"]
    rows = spec.filtered(acting, query, job.user).qs
    total = keyset.count(rows, cap=settings.LIST_EXPORT_MAX)
    told.to(0, total.shown)
    name = export.file_name(spec, acting, query, kind, clock.today())
    file = told.file(name, export.FORMATS[kind].media_type)
    count = export.write(
        spec=spec,
        acting=acting,
        user=job.user,
        query=query,
        kind=kind,
        file=cast(BinaryIO, file),
        told=lambda done: told.to(done, total.shown),
    )
    return {"rows": count, "cut": total.capped}


def _facts(job: Job) -> list[tuple[str, str]]:
    result = job.result or {}
    if not result.get("cut"):
        return []
    text = _("Only the first %(n)s rows: filter the list to get the others.")
    return [(_("Not all"), text % {"n": settings.LIST_EXPORT_MAX})]
