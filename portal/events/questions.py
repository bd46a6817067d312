"""Named questions: a lower floor asks, higher floors register answers when the apps are ready."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import get_language


@dataclass(frozen=True, slots=True, order=True)
class MenuItem:
    """A place in the menu: the smaller `place` first; `icon` is a name in the icon sprite.

    `at_customer`: its address stands below the customer, not below the company.
    """

    place: int
    address_name: str
    label: Any = field(compare=False)
    icon: str = field(compare=False)
    at_customer: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for a person in a company: how many, capped, and where to go."""

    count: int
    capped: bool
    address_name: str


@dataclass(slots=True)
class SetUp:
    """What is told of a company in a list of companies: facts by name, and what is missing.

    `missing` are sentences, each with the address where it is mended, or an empty one.
    """

    facts: dict[str, Any] = field(default_factory=dict)
    missing: list[tuple[Any, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hit:
    """Something a search found: its name, what it is, and its address."""

    label: str
    kind: str
    address: str


@dataclass(frozen=True, slots=True)
class Unsettled:
    """How many payments are under way, and those of them that may be shown."""

    count: int
    shown: list[Hit]


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


explain_reason = Question("what does this reason code, with this text, mean in this language?")
menu = Question("what stands in the menu for these permissions, as MenuItems?")
everywhere_menu = Question("what stands in the menu of all a user's companies, as MenuItems?")
customer_menu = Question("what stands in the menu of a customer, as MenuItems?")
under_way = Question("what keeps this service of this company from being switched off?")
stops = Question("what stops when this service of this company is switched off?")
unfinished = Question("which companies lack something of yours, as a condition on Company?")
unsettled = Question("what is under way on this agreement, for whoever acts here, as Unsettled?")
set_up = Question("what do these companies have, and what do they lack, by id, as SetUp?")
waiting = Question("what waits for this user, acting here, as a Waiting?")
search = Question("what is called like this, for this user, acting here, as Hits?")
status_text = Question("what is this status called, for this subject, in this language?")
own_reason = Question("what does this code, kept as the reason of an event, say in words?")
event_label = Question("what is this event called, in the language of the page?")


WORDS = ("title", "meaning", "cure", "who", "actor")


def explained(
    reasons: list[dict[str, Any]] | None, *, language: str | None = None
) -> list[dict[str, Any]]:
    """Reasons as stored, each with what is known for its code: title, meaning and cure, `who` must
    act (erp, administrator, approver, bank, support, nobody; "" where it is not told), that `actor`
    in words, and `advice`, what else to try."""
    told = []
    for reason in reasons or []:
        code, text = reason.get("code", ""), reason.get("text") or ""
        known = explain_reason.first(code, language or get_language() or "nb", text)
        words: dict[str, Any] = {name: str(getattr(known, name, "")) for name in WORDS}
        words["advice"] = list(getattr(known, "advice", ()))
        told.append({**words, **reason})
    return told
