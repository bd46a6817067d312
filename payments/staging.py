"""Temporary tables that what a bank's file says streams into, before it is matched with lines.

A table lives with the connection and is emptied at each commit, so it costs no catalogue rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection


def fill(table: str, columns: dict[str, str], rows: Iterable[tuple[Any, ...]]) -> int:
    """Makes the table with these columns (name → SQL type) where it is not there, empties it, and
    copies the rows into it as they come; answers how many. Run it inside a transaction."""
    types = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    count = 0
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {table} ({types}) ON COMMIT DELETE ROWS;"
            f" TRUNCATE {table}"
        )
        with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
    return count
