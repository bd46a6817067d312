"""Faults of today's pages that are known and will be mended; none now.

Each entry excuses the findings whose kind, place and words it fits, whole, as patterns. Name the
fault as narrowly as can be: a pattern that excuses too much hides the next fault of its kind.
"""

from __future__ import annotations

from tests.browser.findings import Known

KNOWN: list[Known] = []
