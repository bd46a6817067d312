"""The ERP's feed: numbered events after a cursor; reads Event rows and joins nothing."""

from __future__ import annotations

from typing import Any

from portal.access.models import Company
from portal.events import questions, seal
from portal.events.models import Event


def after(*, company: Company, cursor: int, limit: int, language: str) -> dict[str, Any]:
    """Events with a sequence above the cursor, oldest first, in words of the language."""
    seal.number_committed()
    rows = list(
        Event.objects.of(company)
        .filter(sequence__gt=cursor, told=True)
        .order_by("sequence")[: limit + 1]
    )
    more = len(rows) > limit
    rows = rows[:limit]
    return {
        "events": [_told(row, language) for row in rows],
        "next_after": rows[-1].sequence if rows else cursor,
        "more": more,
    }


def _told(row: Event, language: str) -> dict[str, Any]:
    return {
        "sequence": row.sequence,
        "at": row.at.isoformat(),
        "event": row.event,
        "number": row.number or None,
        "reference": row.reference or None,
        "lines": row.rows,
        "status": row.status,
        "status_text": questions.status_text.first(row.subject, row.status, language) or row.status,
        "erp_code": row.erp_code,
        "reasons": questions.explained(row.reasons, language=language),
    }
