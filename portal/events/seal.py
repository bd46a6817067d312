"""Numbers committed events, so that a reader with a cursor never misses a late commit.

Row ids are drawn before commit and may become visible out of order; a number is given here,
under one lock, only to events that are already committed.
"""

from __future__ import annotations

from django.db import connection, transaction

LOCK = 0x4B76697474  # one advisory lock for the whole log
BATCH = 200_000


def number_committed() -> int:
    """Numbers up to BATCH committed events; answers how many. Run while acting for their owners."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        cursor.execute(
            "WITH fresh AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM ("
            " SELECT id FROM events_event WHERE sequence IS NULL ORDER BY id LIMIT %s) AS waiting),"
            " last AS (SELECT last_sequence FROM event_numbers WHERE id = 1),"
            " numbered AS (UPDATE events_event e SET sequence = last.last_sequence + fresh.place"
            "   FROM fresh, last WHERE e.id = fresh.id RETURNING e.id)"
            " UPDATE event_numbers SET last_sequence = last_sequence"
            " + (SELECT count(*) FROM numbered)"
            " WHERE id = 1 RETURNING (SELECT count(*) FROM numbered)",
            [BATCH],
        )
        row = cursor.fetchone()
    return int(row[0])
