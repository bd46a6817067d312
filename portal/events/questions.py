"""Named questions: a lower floor asks, higher floors register answers when the apps are ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import get_language


class Question:
    """A question with any number of answerers; `ask` gives every answer that is not None."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._answers: list[Callable[..., Any]] = []

    def register(self, answer: Callable[..., Any]) -> None:
        if answer not in self._answers:
            self._answers.append(answer)

    def ask(self, *args: Any, **kwargs: Any) -> list[Any]:
        answers = (answer(*args, **kwargs) for answer in self._answers)
        return [answer for answer in answers if answer is not None]

    def first(self, *args: Any, **kwargs: Any) -> Any:
        """The first answer that is not None, or None."""
        return next(iter(self.ask(*args, **kwargs)), None)


explain_reason = Question("what does this reason code mean, in this language?")
menu = Question("what stands in the menu for this company and these permissions?")
status_text = Question("what is this status called, for this subject, in this language?")
event_label = Question("what is this event called, in the language of the page?")


def explained(
    reasons: list[dict[str, Any]] | None, *, language: str | None = None
) -> list[dict[str, Any]]:
    """Reasons as stored, each with the title, meaning and cure that are known for its code."""
    told = []
    for reason in reasons or []:
        known = explain_reason.first(reason.get("code", ""), language or get_language() or "nb")
        words = {name: str(getattr(known, name, "")) for name in ("title", "meaning", "cure")}
        told.append({**words, **reason})
    return told
