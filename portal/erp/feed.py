"""The ERP's feed: numbered events after a cursor; reads Event rows and joins nothing."""

from __future__ import annotations

from typing import Any

from portal.access.models import Company
from portal.events import questions, seal
from portal.events.models import Event

FIELDS = ("sequence", "at", "event", "number", "reference", "rows", "subject", "status")


def after(*, company: Company, cursor: int, limit: int, language: str) -> dict[str, Any]:
    """Events with a sequence above the cursor, oldest first, in words of the language."""
    seal.number_committed()
    rows = list(
        Event.objects.of(company)
        .filter(sequence__gt=cursor, told=True)
        .order_by("sequence")
        .values_list(*FIELDS, "erp_code", "reasons", "detail__corrects")[: limit + 1]
    )
    more = len(rows) > limit
    rows = rows[:limit]
    words = {
        (subject, status): questions.status_text.first(subject, status, language) or status
        for subject, status in {(row[6], row[7]) for row in rows}
    }
    return {
        "events": [_told(row, words, language) for row in rows],
        "next_after": rows[-1][0] if rows else cursor,
        "more": more,
    }


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
