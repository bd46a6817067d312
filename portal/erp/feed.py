"""The ERP's feed: numbered events after a cursor; reads Event rows and joins nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet

from portal.access.models import Company
from portal.events import questions, seal
from portal.events.models import Event

FIELDS = ("sequence", "at", "event", "number", "reference", "rows", "subject", "status")


def after(*, company: Company, cursor: int, limit: int, language: str) -> dict[str, Any]:
    """Events with a sequence above the cursor, oldest first, in words of the language."""
    seal.number_committed()
    rows = told_to(company).filter(sequence__gt=cursor).order_by("sequence")
    events = _events(rows[: limit + 1], language)
    more = len(events) > limit
    events = events[:limit]
    return {
        "events": events,
        "next_after": events[-1]["sequence"] if events else cursor,
        "more": more,
    }


def some(*, company: Company, sequences: Collection[int], language: str) -> list[dict[str, Any]]:
    """The events of these numbers, oldest first, in words of the language."""
    rows = told_to(company).filter(sequence__in=list(sequences)).order_by("sequence")
    return _events(rows, language)


def told_to(company: Company) -> QuerySet[Event]:
    """What the company's ERP is told of; some of it may have no number yet."""
    return Event.objects.of(company).filter(told=True)


def _events(found: QuerySet[Event], language: str) -> list[dict[str, Any]]:
    rows = list(found.values_list(*FIELDS, "erp_code", "reasons", "detail__corrects"))
    words = {
        (subject, status): questions.status_text.first(subject, status, language) or status
        for subject, status in {(row[6], row[7]) for row in rows}
    }
    return [_told(row, words, language) for row in rows]


def _told(row: Any, words: dict[tuple[str, str], str], language: str) -> dict[str, Any]:
    sequence, at, event, number, reference, lines, subject, status, *more = row
    erp_code, reasons, corrects = more
    return {
        "sequence": sequence,
        "at": at.isoformat(),
        "event": event,
        "number": number or None,
        "reference": reference or None,
        "lines": lines,
        "status": status,
        "status_text": words[subject, status],
        "erp_code": erp_code,
        "reasons": questions.explained(reasons, language=language) if reasons else [],
        "corrects": corrects,
    }
