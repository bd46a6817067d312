"""Holds that the same seed and the same inputs give the same bytes, all through a week."""

import datetime
import hashlib
import sqlite3
from pathlib import Path

import pytest

from banking.simbank.bank import Bank

RUNS = 10
MONDAY = datetime.datetime(2031, 2, 3, 7, 0)  # noqa: DTZ001 - Oslo time
SCRIPTS = [
    {"what": "give_back", "payment": "P2", "line": "E1"},
    {"what": "late_am04"},
    {"what": "answer_twice", "file": "M3"},
    {"what": "pending_first", "times": 1},
    {"what": "refuse_line", "value": "AC06", "payment": "P4", "times": 2},
    {"what": "levels", "value": "all", "file": "M4"},
]


def week(data, who, order, seed):
    """A week at a bank of its own in this process; the hash of all that it made and wrote down."""
    data.mkdir()
    bank = Bank(data, MONDAY)
    setup = {**who.setup, "seed": seed}
    account = setup["customers"][0]["accounts"][0]
    account |= {"traffic": 7, "statements": 1, "incoming": "both", "ocr_agreement": "123456789"}
    bank.set_up(setup)
    for script in SCRIPTS:
        bank.scripts.add(script)
    for day in range(7):
        at = MONDAY + datetime.timedelta(days=day)
        lines = [{"id": f"E{place}", "amount": f"{(day + 1) * 7000 + place}"} for place in range(4)]
        payment = {"id": f"P{day}", "lines": lines, "date": at.date(), "salary": day % 2}
        inbox = data / "channels" / who.user / "pain001"
        (inbox / f"F{day}.xml").write_text(order(who, f"M{day}", [payment]))
        for hour in (7, 11, 17):
            bank.move_clock(at.replace(hour=hour))
            bank.work()
        if day == 2:
            bank.receive([{"account": who.account, "amount": "5", "kid": "2345676"}])
    bank.close()
    return everything(data)


def everything(data: Path) -> dict[str, str]:
    found = {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.name.startswith("books.sqlite3")
    }
    books = sqlite3.connect(data / "books.sqlite3")
    dump = "\n".join(books.iterdump()).encode()
    books.close()
    return found | {"books": hashlib.sha256(dump).hexdigest()}


@pytest.fixture
def who(bank, open_customer):
    return open_customer(bank)


def test_ten_weeks_from_one_seed_are_the_same_bytes_and_another_seed_gives_others(
    tmp_path, who, order
):
    weeks = [week(tmp_path / str(run), who, order, 11) for run in range(RUNS)]
    kinds = {name.split("/")[-1].partition("_")[0] for name in weeks[0] if "/out/" in name}
    assert kinds == {"pain002", "camt054", "camt053", "ocr"}
    same = sum(one == weeks[0] for one in weeks)
    assert same == RUNS, f"{same} of {RUNS} weeks are the same"
    other = week(tmp_path / "other", who, order, 12)
    assert other["books"] != weeks[0]["books"]
