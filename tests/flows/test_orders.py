"""A day's files give one end, in whatever order and however often they come."""

from __future__ import annotations

import os
import random
from collections import Counter
from typing import Any

import pytest

from banking.models import BankFile
from tests.flows import orders
from tests.flows import test_misbehaviour as journey
from tests.kit import Bank, Stage

ORDERS = int(os.environ.get("KVITT_ORDERS", "8"))
SEED = 20261127


@pytest.fixture
def made(own_database: str, bank: Bank, settings: Any) -> Stage:
    return journey.made.__wrapped__(own_database, bank, settings)  # type: ignore[attr-defined]


def the_days_files(made: Stage, bank: Bank) -> dict[str, bytes]:
    """What the bank lays out from the receipt to a payment that comes back; nothing is read."""
    account = {
        "number": made.agreement.account.number,
        "incoming": "both",
        "ocr_agreement": "123456789",
        "statements": 1,
        "balance": "610.00",
        "reset": True,
    }
    bank.ask("/setup", {"customers": [journey.customer(made, account)]})
    for script in (
        {"what": "late_am04"},
        {"what": "answer_twice", "times": 1},
        {"what": "advise_twice"},
        {"what": "pending_first"},
        {"what": "dt06", "value": "ACSC", "times": 1},
        {"what": "acsc"},
        {"what": "list_all"},
        {"what": "give_back", "line": "S-1"},
        {"what": "ocr_totals", "times": 1},
    ):
        bank.ask("/scripts", script)
    journey.uploaded(made)
    journey.delivered(made)
    bank.ask(
        "/incoming", {"account": made.agreement.account.number, "amount": "5", "kid": "2345676"}
    )
    for _ in range(4):
        bank.work()
        bank.pass_days(1)
    root = bank.data / "sent" / "kvitt"
    return {path.name: path.read_bytes() for path in sorted(root.iterdir())}


def test_every_order_ends_as_the_first(made: Stage, bank: Bank) -> None:
    files = the_days_files(made, bank)
    kinds = Counter(name.partition("_")[0] for name in files)
    assert {"pain002", "camt054", "camt053", "ocr"} <= set(kinds)
    assert kinds["pain002"] >= 5
    chance = random.Random(SEED)
    first = orders.play(made, files, list(files), random.Random(1))
    statuses = {reference: status for _number, reference, status, *_rest in first.lines}
    assert statuses == {
        "S-1": "returned",
        "S-2": "settled",
        "S-3": "rejected",
        "L-1": "settled",
        "L-2": "settled",
    }
    assert {count for _line, count in first.settled} == {1}
    ends = Counter()
    for _ in range(ORDERS):
        order = orders.shuffled(list(files), chance)
        end = orders.play(made, files, order, chance)
        ends[end == first] += 1
        assert end == first, order
    print(f"\n{ORDERS} orders of {len(files)} files: {ends[True]} ended as the first")
    with made.scope():
        assert not BankFile.objects.filter(direction="in").exists()
