"""The bank's files of a day in any order, some of them again.

    ./test tests/flows/test_orders.py                          a few orders, as in every run
    KVITT_ORDERS=1000 ./test tests/flows/test_orders.py -n0 -s  a thousand, with what was found

The files are those of the simulated bank for a day on which much happens. Each order is played in
a transaction of its own, which is rolled back; every order must end as the first one.
"""

from __future__ import annotations

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from banking import inbox
from banking.models import BankFile
from payments import outcomes
from payments.models import Payment, PaymentLine
from portal.access import tenancy
from portal.events.models import Event
from tests.kit import Stage

AGAIN = 0.4  # of the files, how many come once more


@dataclass(frozen=True)
class Played:
    """How an order ended: lines by reference, payments by number, and how often each settled."""

    lines: tuple[tuple[Any, ...], ...]
    payments: tuple[tuple[str, str], ...]
    settled: tuple[tuple[int, int], ...]
    files: tuple[tuple[str, str], ...]


class _Undone(Exception):
    """Ends a transaction whose effects are not wanted."""


def shuffled(names: Sequence[str], chance: random.Random) -> list[str]:
    """An order of the files in which some come again, under their own name or as a new file."""
    order = [*names, *(name for name in names if chance.random() < AGAIN)]
    chance.shuffle(order)
    return order


def play(
    made: Stage, files: dict[str, bytes], order: Sequence[str], chance: random.Random
) -> Played:
    """Lets the files come in that order, and tells how it ended; nothing of it stays."""
    found: list[Played] = []
    try:
        with transaction.atomic():
            for place, name in enumerate(order):
                told = name if chance.random() < 0.5 else f"{place}-{name}"
                with tenancy.acting_for((), unclaimed=True):
                    file, _new = inbox.keep(
                        bank_channel=made.channel, name=told, content=io.BytesIO(files[name])
                    )
                outcomes.take_one(file.pk)
            found.append(_ended(made))
            raise _Undone
    except _Undone:
        return found[0]


def _ended(made: Stage) -> Played:
    with made.scope():
        lines = PaymentLine.objects.order_by("reference").values_list(
            "payment__number", "reference", "status", "booked_date", "bank_reference"
        )
        settled: dict[int, int] = {}
        for line in Event.objects.filter(subject="line", event="settled").values_list(
            "subject_id", flat=True
        ):
            settled[line] = settled.get(line, 0) + 1
        payments = Payment.objects.order_by("number").values_list("number", "status")
        made_of = (tuple(lines), tuple(payments), tuple(sorted(settled.items())))
    with tenancy.acting_for([made.company], unclaimed=True):
        rows = BankFile.objects.filter(direction="in").values_list("kind", "status").distinct()
        return Played(*made_of, tuple(sorted(rows)))
