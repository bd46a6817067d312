"""What a bank file is, told from its opening; pure. It reads no further than it must."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from banking.iso20022 import xmlio
from banking.located import Place, Unreadable
from banking.nets import reader as nets
from banking.nets import records

OPENING_BYTES = 400
TELEPAY = (b"AH", b"BETFOR")


@dataclass(frozen=True, slots=True)
class Recognised:
    """kind is "pain.002", "camt.054", "ocr-giro", "direkte-remittering", "avtalegiro" and so on;
    version the two digits of an ISO 20022 schema, "" where the file tells none."""

    kind: str
    version: str = ""


def recognise(source: BinaryIO) -> Recognised:
    """What the file is; the source must be seekable and is left where it stood.

    Raises Unreadable: withdrawn for Telepay, else as the readers do for an opening.
    """
    before = source.tell()
    try:
        opening = source.read(OPENING_BYTES).removeprefix(records.BOM)
        source.seek(before)
        opening = opening.lstrip(
            xmlio.BLANKS
        )  # a blank line is the reader's to refuse, at its place
        if opening.startswith(TELEPAY[0]) and TELEPAY[1] in opening:
            raise _telepay()
        if opening.startswith(records.OPENING):
            return Recognised(_nets_kind(source))
        root = xmlio.sniff(source)
        return Recognised(root.kind, root.version)
    finally:
        source.seek(before)


def _nets_kind(source: BinaryIO) -> str:
    """By the first assignment; a file may hold several, of several services."""
    for record in records.read(source):
        if record.kind == "20":
            return nets.kind_of(record.service)
        if record.kind != "10":
            break
    return "nets"


def _telepay() -> Unreadable:
    return Unreadable(
        code="withdrawn",
        problem="This is a Telepay file. Norwegian banks have not taken Telepay since"
        " 1 October 2024.",
        cure="Let the ERP write ISO 20022 (pain.001) in its place.",
        place=Place(1, ""),
    )
