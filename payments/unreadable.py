"""What makes a payment file unreadable, in the reader's language; the codec speaks English."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from banking.located import Unreadable
from portal.erp.problems import Problem

# code → problem and cure; {names} are the fault's params, {told} the codec's own sentence.
WORDS = {
    "empty": (_("The file is empty."), _("Export it again and send the new file.")),
    "encoding": (
        _("The file is written in the encoding {encoding}."),
        _("Save it as UTF-8 and send it again."),
    ),
    "doctype-forbidden": (
        _("The file holds a DOCTYPE, which payment files never do."),
        _("Remove the DOCTYPE and every entity it declares."),
    ),
    "not-xml": (
        _("The file is not well-formed XML: {detail}."),
        _("Export the file again from the system that made it; do not edit it by hand."),
    ),
    "truncated": (
        _("The file ends in the middle."),
        _("Send the whole file again; the transfer was probably cut off."),
    ),
    "unknown-message": (
        _("The file begins with {element}, which is no bank message known here."),
        _("Send a pain.001 payment file."),
    ),
    "wrong-message": (
        _("The file is another bank message than a payment file."),
        _("Send a pain.001 payment file."),
    ),
    "wrong-namespace": (
        _("The namespace {namespace} is no version that is taken."),
        _("Send pain.001.001.03 or pain.001.001.09."),
    ),
    "schema": (
        _("The file does not follow its schema: {told}"),
        _("Correct the element in the system that made the file."),
    ),
    "missing": (
        _("Something that must be there is missing: {told}"),
        _("Fill it in, in the system that made the file."),
    ),
    "value": (
        _("A value cannot be used: {told}"),
        _("Correct it in the system that made the file."),
    ),
    "bounds": (
        _("A single part of the file is larger than any payment can be."),
        _("Export the file again from the system that made it; do not edit it by hand."),
    ),
    "totals-missing": (
        _("The number of lines and their sum are missing, or are no numbers."),
        _("Send totals: {lines, sum} over all payments."),
    ),
    "totals": (
        _("The totals do not agree with the lines: {declared} are told, {found} are found."),
        _("Send the whole file, with totals over all its lines."),
    ),
}


class _Words(dict[str, str]):
    """Params of a fault; one that is not there reads as nothing."""

    def __missing__(self, key: str) -> str:
        return ""


def problem_of(fault: Unreadable) -> Problem:
    """The fault as an ERP is told it, in the active language, with its place."""
    line = f"line {fault.place.line}" if fault.place.line else ""
    place = ", ".join(part for part in (line, fault.place.path) if part)
    words = WORDS.get(f"{fault.code}-missing") if fault.params.get("missing") else None
    words = words or WORDS.get(fault.code)
    if words is None:
        return Problem(fault.code, place or "body", fault.problem, fault.cure)
    params = _Words(fault.params, told=fault.problem)
    return Problem(fault.code, place or "body", str(words[0]).format_map(params), str(words[1]))
