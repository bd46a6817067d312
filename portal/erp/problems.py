"""What an ERP is told when something is refused: RFC 9457 problem details, always with a cure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from django.http import HttpResponse

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: a stable code, the place in what was sent, what is wrong, and what to do."""

    code: str
    place: str
    problem: str
    cure: str


class Refused(Exception):
    """The request is refused whole and has changed nothing."""

    def __init__(self, *, status: int, title: str, problems: list[Problem], more: int = 0) -> None:
        super().__init__(f"{status} {title}: {[p.code for p in problems]}")
        self.status, self.title, self.problems, self.more = status, title, problems, more


def one(status: int, title: str, *, code: str, problem: str, cure: str, place: str = "") -> Refused:
    """A refusal for a single reason."""
    return Refused(status=status, title=title, problems=[Problem(code, place, problem, cure)])


def response(refused: Refused, *, instance: str) -> HttpResponse:
    """The answer as application/problem+json; `instance` is the request's id."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": refused.title,
        "status": refused.status,
        "detail": " ".join(
            f"{p.place + ': ' if p.place else ''}{p.problem} {p.cure}" for p in refused.problems[:1]
        ),
        "instance": instance,
        "problems": [asdict(problem) for problem in refused.problems],
    }
    if refused.more:
        body["more_problems"] = refused.more
    text = json.dumps(body, ensure_ascii=False)
    return HttpResponse(text, status=refused.status, content_type=MEDIA_TYPE)
