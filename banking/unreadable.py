"""Why a bank's file could not be read, in the language of the page; the codec speaks English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

AGAIN = gettext_lazy("Ask the bank to send the file again.")
OURS = gettext_lazy("Write to support. The file is kept, and nothing of it was done.")
# code of xmlio.Unreadable → what is wrong; the codec's own sentence stands beneath as it is.
WORDS = {
    "empty": gettext_lazy("The file is empty."),
    "encoding": gettext_lazy("The file is written in an encoding that is not read."),
    "doctype-forbidden": gettext_lazy("The file holds a DOCTYPE, which bank files never do."),
    "not-xml": gettext_lazy("The file is not well-formed XML."),
    "truncated": gettext_lazy("The file ends in the middle."),
    "unknown-message": gettext_lazy(
        "The file holds no message that is known, or answers one that was not sent from here."
    ),
    "wrong-message": gettext_lazy("The file is another bank message than it was taken for."),
    "wrong-namespace": gettext_lazy("The file is of a version that is not read."),
    "schema": gettext_lazy("The file is not made as its kind of message must be."),
    "missing": gettext_lazy("Something that must be in the file is missing."),
    "value": gettext_lazy("The file holds a value that cannot be."),
    "totals": gettext_lazy("The totals of the file do not agree with its entries."),
    "several-owners": gettext_lazy("The file is about no account, or those of several companies."),
    "internal": gettext_lazy("The file could not be carried out; the fault is ours."),
    "unknown-account": gettext_lazy("The file is about an account that is not known here."),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What went wrong and what to do; `own` is the reader's own sentence, in English."""

    problem: str
    cure: str
    own: str


def told(error: Mapping[str, Any] | None) -> Told | None:
    """The stored error of a file, in the language of the page; None where there is none."""
    if not error:
        return None
    known = WORDS.get(str(error.get("code", "")))
    own = str(error.get("problem") or error.get("detail") or "")
    cure = OURS if error.get("code") == "internal" else AGAIN
    return Told(str(known or _("The file could not be read.")), str(cure), own)
