"""How often the guards warn of what is no mistake: the first year of an ordinary company.

    KVITT_ORDINARY=10000 ./test tests/payments/test_guards_ordinary.py -n0 -s

judges so many lines; without it 1,500. A warning nobody needs teaches people to
click past the one that they do, so at most one line in 200 may be warned of.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

import pytest

from payments.models import Finding
from portal.access.models import ApprovalLimit
from tests import kit
from tests.payments.test_guards import kid_of, line, send

JUDGED = int(os.environ.get("KVITT_ORDINARY", "1500"))
MONTHS = 12  # in which they come
FACTORS = 4


class Supplier(NamedTuple):
    """One that is paid most months: `ways` are invoice, text, customer (one KID always), and rent
    (one KID and one amount always)."""

    place: int
    name: str
    accounts: list[str]
    way: str
    level: float

    def lines(self, payer: int, month: int, rng: random.Random) -> Iterator[kit.Line]:
        """Its invoices of a month to one of its customers, if any."""
        if self.way != "rent" and rng.random() < 0.15:
            return
        for number in range(2 if self.way in ("invoice", "text") and rng.random() < 0.2 else 1):
            amount = self.level * (1 if self.way == "rent" else rng.lognormvariate(0, 0.5))
            serial = f"{self.place:04d}{payer}{month:02d}{number}"
            more = {"kid": kid_of(f"{payer}{self.place:07d}")}
            if self.way == "invoice":
                more = {"kid": kid_of(f"{serial}{rng.randrange(1000):03d}")}
            elif self.way == "text":
                more = {"message": f"Faktura {serial}"}
            money = str(Decimal(amount).quantize(Decimal("0.01")))
            yield line(
                f"{serial}-{month}", money, rng.choice(self.accounts), name=self.name, **more
            )


def suppliers(count: int, rng: random.Random) -> list[Supplier]:
    """Some at factoring companies, whose accounts many share; some with two accounts."""
    factors = [kit.account(9000 + n) for n in range(FACTORS)]
    made = []
    for place in range(count):
        accounts = [kit.account(300 + place)]
        if rng.random() < 0.05:
            accounts = [rng.choice(factors)]
        elif rng.random() < 0.02:
            accounts.append(kit.account(5000 + place))
        (way,) = rng.choices(["invoice", "text", "customer", "rent"], [60, 27, 10, 3])
        level = rng.lognormvariate(8.5, 1)
        made.append(Supplier(place, f"Leverandør {place} AS", accounts, way, level))
    return made


def test_ordinary_payments_are_seldom_warned_of(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each month a new supplier in a hundred; a sister company that has some suppliers too."""
    rng = random.Random(7)
    made = kit.stage()
    sister = kit.stage(place=2)
    sister.company.customer = made.company.customer
    sister.company.save(update_fields=["customer"])
    for user in sister.users.values():
        kit.join(user, made.company.customer)
    with made.scope():
        ApprovalLimit.objects.create(
            company=made.company, user=made.users["anne"], per_payment=Decimal(100_000)
        )
    count = JUDGED // MONTHS
    known = suppliers(count, rng)
    fresh = suppliers(count * 2, rng)[count:]
    judged = month = 0
    while judged < JUDGED:
        lines = [one for supplier in known for one in supplier.lines(1, month, rng)]
        send(made, f"M{month}", *lines, days=month * 30)
        shared = [one for supplier in known[::5] for one in supplier.lines(2, month, rng)]
        send(sister, f"S{month}", *shared, days=month * 30)
        judged += len(lines)
        month += 1
        known += [fresh.pop() for _ in range(max(1, count // 100)) if fresh]
    told: Counter[tuple[str, str]] = Counter()
    with made.scope():
        rows = Finding.objects.all()
        told.update(rows.values_list("severity", "code"))
        warned = rows.filter(severity="warn").values("line").distinct().count()
    with capsys.disabled():
        print(f"\n{judged} ordinary lines: {warned} warned of, {dict(told)}")
    assert warned * 200 <= judged
