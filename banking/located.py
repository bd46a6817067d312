"""Where something stands in a bank file, and the fault of a file that cannot be read; pure."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Line (from 1, 0 unknown), and the path: an ISO path below the message, or positions."""

    line: int
    path: str


NOWHERE = Place(0, "")


class Unreadable(Exception):
    """A file that cannot be read on; code is a stable slug, problem and cure are English.

    Codes of XML: empty, encoding, doctype-forbidden, not-xml, truncated, unknown-message,
    wrong-message, wrong-namespace, schema, missing, value, totals. Codes of records: empty,
    encoding, record-length, record, order, truncated, value, totals, withdrawn. params carries
    the words that a translation of the code needs; its keys are named where the code is raised.
    """

    def __init__(
        self,
        *,
        code: str,
        problem: str,
        cure: str,
        place: Place,
        params: Mapping[str, str] | None = None,
    ) -> None:
        self.code = code
        self.problem = problem
        self.cure = cure
        self.place = place
        self.params = dict(params or {})
        where = f"line {place.line}" + (f", {place.path}" if place.path else "")
        super().__init__(f"{problem} ({where}) {cure}")


class InvalidOutput(Exception):
    """A file that must not be sent; code and params as in Unreadable, place where it is.

    Codes: illegal-character, too-long, totals, value, and those of a check against the schema.
    """

    def __init__(
        self, *, code: str, problem: str, place: Place, params: Mapping[str, str] | None = None
    ) -> None:
        self.code = code
        self.problem = problem
        self.place = place
        self.params = dict(params or {})
        super().__init__(f"{problem} (line {place.line}, {place.path})")
