"""Debit and credit advices (camt.054, any version) as callers use them; camt does the work."""

from collections.abc import Iterator
from typing import BinaryIO

from banking.iso20022 import camt, xmlio


def read(source: BinaryIO) -> Iterator[camt.Value]:
    """The values of a camt.054 in file order, in memory bounded by one transaction.

    A Notification, then each Entry followed by its EntryDetails (none where the bank sends none),
    with Discrepancy and Deviation values where they are found. Raises Unreadable: empty, encoding,
    doctype-forbidden, not-xml, truncated, unknown-message, wrong-message (params: kind), value,
    missing.
    """
    return camt.Reader(xmlio.open_kind(source, kinds=("camt.054",))).values()
