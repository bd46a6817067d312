"""Account statements (camt.053, and camt.052 within a day) as callers use them."""

from collections.abc import Iterator
from typing import BinaryIO

from banking.iso20022 import camt, xmlio


def read(source: BinaryIO) -> Iterator[camt.Value]:
    """The values of a statement in file order: Notification, its Balances, then entries.

    Otherwise as camt054.read, errors included.
    """
    return camt.Reader(xmlio.open_kind(source, kinds=("camt.053", "camt.052"))).values()
