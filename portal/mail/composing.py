"""From a kind of letter to its subject, text and HTML, by templates; keeps and sends nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple

from django.conf import settings
from django.template import Context, engines
from django.utils import translation

from portal.mail.models import SUBJECT_MAX

_EMPTY_LINES = re.compile(r"\n{3,}")


class Composed(NamedTuple):
    """A letter's words; the subject is one line."""

    subject: str
    text: str
    html: str


def compose(*, kind: str, language: str, context: Mapping[str, Any]) -> Composed:
    """The words of a kind of letter in a language; all of the templates know `support`."""
    name = f"mail/{kind.replace('.', '/')}"
    with translation.override(language):
        values = {"support": settings.SUPPORT_CONTACT, "language": language, **context}
        subject = one_line(_render(f"{name}.subject.txt", values, escape=False))
        text = _render(f"{name}.txt", values, escape=False)
        html = _render(f"{name}.html", {**values, "subject": subject}, escape=True)
    return Composed(subject, _plain(text), html.strip() + "\n")


def plain(*, kind: str, language: str, context: Mapping[str, Any]) -> str:
    """The words of a text message, on one line."""
    with translation.override(language):
        values = {"support": settings.SUPPORT_CONTACT, "language": language, **context}
        return " ".join(_render(f"mail/{kind.replace('.', '/')}.txt", values, escape=False).split())


def one_line(text: str) -> str:
    """Without line breaks and other control characters, so that no header can hide in it."""
    clean = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    line = " ".join(clean.split())
    return line if len(line) <= SUBJECT_MAX else line[: SUBJECT_MAX - 1] + "…"


def _plain(text: str) -> str:
    """Without the empty lines and trailing blanks that template tags leave behind."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return _EMPTY_LINES.sub("\n\n", lines).strip() + "\n"


def _render(name: str, values: dict[str, Any], *, escape: bool) -> str:
    engine = engines["django"].engine  # type: ignore[attr-defined]
    return str(engine.get_template(name).render(Context(values, autoescape=escape)))
