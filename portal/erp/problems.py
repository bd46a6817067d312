"""What an ERP is told when something is refused: RFC 9457 problem details, always with a cure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: a stable code, the place in what was sent, what is wrong, and what to do.

    existing is the id of what is there already, where that is the fault.
    """

    code: str
    place: str
    problem: str
    cure: str
    existing: str = ""

    def as_json(self) -> dict[str, str]:
        """The fields as they are told."""
        told = asdict(self)
        return told if self.existing else {k: v for k, v in told.items() if k != "existing"}


# Kinds of fault in the shape of what was sent, as pydantic names them → the sentence.
_SHAPES = {
    "missing": gettext_lazy("It is missing."),
    "extra_forbidden": gettext_lazy("There is no field of this name."),
    "string_type": gettext_lazy("It must be text."),
    "list_type": gettext_lazy("It must be a list."),
    "model_type": gettext_lazy("It must be an object with fields."),
    "model_attributes_type": gettext_lazy("It must be an object with fields."),
    "int_parsing": gettext_lazy("It must be a whole number."),
    "json_invalid": gettext_lazy("The body is not JSON."),
    "greater_than_equal": gettext_lazy("It must be at least %(ge)s."),
    "less_than_equal": gettext_lazy("It must be at most %(le)s."),
    "string_too_long": gettext_lazy("It may have at most %(max_length)s characters."),
}


def of_shape(faults: Iterable[Mapping[str, Any]]) -> list[Problem]:
    """What pydantic says against a request, as problems in the active language."""
    found = []
    for fault in faults:
        known = _SHAPES.get(str(fault["type"]))
        words = fault.get("ctx") or {}
        found.append(
            Problem(
                code="invalid",
                place=".".join(str(step) for step in fault["loc"]) or "body",
                problem=str(known) % words if known else f"{fault['msg']}.",
                cure=_("Correct it as the API's description says."),
            )
        )
    return found


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
        "problems": [problem.as_json() for problem in refused.problems],
    }
    if refused.more:
        body["more_problems"] = refused.more
    text = json.dumps(body, ensure_ascii=False)
    return HttpResponse(text, status=refused.status, content_type=MEDIA_TYPE)
