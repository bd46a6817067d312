"""Holds what the bank keeps when it is killed: no file lost, nothing booked or advised twice."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
COUNT = 1000
SMALL = [{"id": "P", "lines": [{"id": "1", "amount": "5"}]}]


def big_file(order, who, place):
    lines = [{"id": f"E{place}-{line}", "amount": "1"} for line in range(COUNT)]
    return order(who, f"CRASH{place}", [{"id": f"P{place}", "lines": lines}])


def finished(bank, files):
    summary = bank.get("/books/summary")
    messages = bank.get("/books/messages")["messages"]
    return (
        summary["postings"]["count"] == files * COUNT
        and summary["files_by_status"] == {"answered": files}
        and all(message["state"] == "out" for message in messages)
    )


def test_a_bank_killed_again_and_again_books_and_advises_each_line_once(
    own_bank, open_customer, order
):
    bank = own_bank(interval=0.01)
    bank.post("/clock", {"to": "2031-02-04T09:00:00+01:00"})
    who = open_customer(bank, balance="1000000.00")
    advised = []
    for place, seconds in enumerate((0.02, 0.1, 0.18, 0.26, 0.34, 0.42)):
        bank.upload(who.user, f"F{place}.xml", big_file(order, who, place))
        time.sleep(seconds)
        bank.kill()
        bank.start()
    deadline = time.monotonic() + 20
    while not finished(bank, 6):
        assert time.monotonic() < deadline, bank.get("/books/summary")
        time.sleep(0.05)
    for advice in bank.fetch(who.user, "camt054"):
        advised += advice.texts("TxDtls/Refs/EndToEndId")
    assert len(advised) == len(set(advised)) == 6 * COUNT
    answers = bank.fetch(who.user, "pain002")
    told = [(answer.text("OrgnlMsgId"), answer.text("GrpSts")) for answer in answers]
    assert len(told) == len(set(told)) == 12
    assert bank.get("/books/duplicates") == {"duplicates": []}
    assert all(account["agrees"] for account in bank.get("/books/accounts")["accounts"])


def test_a_file_archived_just_before_a_crash_is_still_processed(own_bank, open_customer, order):
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-04T09:00:00+01:00"})
    who = open_customer(bank)
    bank.upload(who.user, "F.xml", order(who, "LOST", SMALL))
    bank.kill()
    root = bank.data / "channels" / who.user
    (root / "pain001" / "F.xml").rename(root / "archive" / "F.xml")
    bank.start()
    assert bank.work()["booked"] == 1


def test_a_message_handed_over_just_before_a_crash_is_not_handed_over_again(
    own_bank, open_customer, order
):
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-04T09:00:00+01:00"})
    who = open_customer(bank)
    bank.upload(who.user, "F.xml", order(who, "ONCE", SMALL))
    bank.work()
    assert len(bank.fetch(who.user, "pain002")) == 2
    bank.kill()
    with sqlite3.connect(bank.data / "books.sqlite3") as books:
        books.execute("UPDATE outgoing SET state = 'staged' WHERE kind = 'pain002'")
    books.close()
    bank.start()
    bank.work()
    assert bank.fetch(who.user, "pain002") == []
    assert len(bank.fetch(who.user, "camt054")) == 1


def test_the_judge_reports_a_double_debit_that_is_in_the_ledger(own_bank, open_customer, order):
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-04T09:00:00+01:00"})
    who = open_customer(bank)
    bank.upload(who.user, "F.xml", order(who, "J", SMALL))
    bank.work()
    with sqlite3.connect(bank.data / "books.sqlite3") as books:
        books.execute("DROP INDEX reference_entered_once")
        books.execute(
            "INSERT INTO transfers SELECT 99, file_id, payment_id, instruction_id, end_to_end_id,"
            " amount, currency, creditor_account, creditor_name, kid, message, status, code, text,"
            " pending_since FROM transfers"
        )
        books.execute(
            "INSERT INTO postings SELECT 99, 99, payment_id, account, amount, currency, rate,"
            " booked_date, 'KB99', advised_in FROM postings"
        )
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            books.execute("DELETE FROM postings")
    books.close()
    (double,) = bank.get("/books/duplicates")["duplicates"]
    assert (double["payment"], double["end_to_end_id"], double["times"]) == ("P", "1", 2)
    assert not bank.get("/books/accounts")["accounts"][0]["agrees"]


def test_the_bank_stops_cleanly_within_a_second_even_while_it_works(own_bank, open_customer, order):
    bank = own_bank(interval=0.01)
    who = open_customer(bank)
    bank.upload(who.user, "F.xml", big_file(order, who, 0))
    started = time.monotonic()
    assert bank.stop() == 0
    assert time.monotonic() - started < 1
    assert not (bank.data / "ready.json").exists()


def test_two_banks_never_share_their_books(own_bank):
    bank = own_bank()
    second = subprocess.run(
        [sys.executable, "-m", "banking.simbank", "--data", str(bank.data)],
        capture_output=True,
        text=True,
        timeout=20,
        cwd=bank.data.parents[0],
        env={"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert second.returncode == 1
    assert "another simulated bank" in second.stderr
