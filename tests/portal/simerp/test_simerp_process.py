"""The ERP as a process: polling, stopping, restarting, dying at the worst moments, command line."""

import json
import sqlite3
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest


class Held:
    """The write lock of the books, taken inside the portal's answer: the ERP cannot commit."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock: sqlite3.Connection | None = None

    def take(self) -> None:
        if self.lock is None:
            self.lock = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self.lock.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        assert self.lock is not None
        self.lock.execute("ROLLBACK")
        self.lock.close()


def ready(erp: Any, cast: SimpleNamespace) -> str:
    erp.post("/setup", **cast.setup(cast.invoice("1", "100.00")))
    return str(erp.post("/propose", company=cast.COMPANY)[1]["payments"][0]["number"])


def killed_before_commit(erp: Any, portal: Any, cast: SimpleNamespace, act: str) -> None:
    """Start an act from the command line and kill it between the answer and its commit."""
    held = Held(erp.data / "books.sqlite")
    portal.before_answer = held.take
    asked = len(portal.asked)
    command = [f"--data={erp.data}", f"--company={cast.COMPANY}"]
    process = erp.begin(act, *command)
    cast.wait_for(lambda: held.lock is not None and len(portal.asked) > asked)
    time.sleep(0.3)
    assert process.poll() is None, "the act was to wait for the lock"
    process.kill()
    process.wait()
    held.release()
    portal.before_answer = None


def test_kill_9_between_answer_and_commit_of_an_upload(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    number = ready(erp, cast)
    killed_before_commit(erp, portal, cast, "upload")
    assert list(portal.payments) == [number]
    assert erp.books()["payments"][0]["erp_code"] == 1
    assert erp.post("/upload", company=cast.COMPANY)[0] == 200
    first, second = portal.received
    assert (first.key, first.body) == (second.key, second.body)
    assert erp.books()["payments"][0]["erp_code"] == 2


def test_kill_9_between_answer_and_commit_of_a_sync(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    number = ready(erp, cast)
    erp.post("/upload", company=cast.COMPANY)
    portal.tell("settled", number, 5)
    killed_before_commit(erp, portal, cast, "sync")
    assert erp.books()["cursor"] == 0 and erp.books()["batches"] == []
    for _ in range(2):
        assert erp.post("/sync", company=cast.COMPANY)[0] == 200
    told = erp.books()
    assert len(told["batches"]) == 1 and told["cursor"] == 1
    assert told["ledger"]["accounts"]["1920"] == "-100.00"


def test_kill_9_of_the_server_while_it_waits_for_an_answer(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    number = ready(erp, cast)

    def die() -> None:
        erp.kill()
        raise cast.Dropped

    portal.before_answer = die
    # The control address dies with its process in the middle of the call.
    with pytest.raises(OSError):
        erp.post("/upload", company=cast.COMPANY)
    cast.wait_for(lambda: erp.running.poll() is not None)
    portal.before_answer = None
    erp.start()
    assert erp.post("/upload", company=cast.COMPANY)[0] == 200
    assert len({(entry.key, entry.digest) for entry in portal.received}) == 1
    assert list(portal.payments) == [number]


def test_an_answer_that_another_process_has_kept_is_not_forgotten(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    ready(erp, cast)
    first, told = threading.Event(), threading.Event()

    def hold_the_first() -> None:
        if not first.is_set():
            first.set()
            told.wait(5)
            raise cast.Dropped

    portal.before_answer = hold_the_first
    slow = erp.begin("upload", f"--data={erp.data}", f"--company={cast.COMPANY}")
    assert first.wait(5)
    assert erp.post("/upload", company=cast.COMPANY)[0] == 200
    told.set()
    slow.communicate(timeout=5)
    assert [upload["state"] for upload in erp.books()["uploads"]] == ["answered"]
    assert erp.books()["payments"][0]["problem"] == ""
    assert len({(entry.key, entry.digest) for entry in portal.received}) == 1


def test_events_kept_but_not_applied_before_a_crash_are_applied_after_it(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    number = ready(erp, cast)
    erp.post("/upload", company=cast.COMPANY)
    settled = portal.tell("settled", number, 5)
    erp.kill()
    with sqlite3.connect(erp.data / "books.sqlite") as db:
        row = (cast.COMPANY, 1, json.dumps(settled))
        db.execute("INSERT INTO event (company, sequence, body) VALUES (?, ?, ?)", row)
        db.execute("UPDATE company SET cursor = 1")
    db.close()
    erp.start()
    assert erp.post("/sync", company=cast.COMPANY)[1]["companies"][0]["events"] == 0
    assert len(erp.books()["batches"]) == 1


def test_a_restart_keeps_the_cursor(erp: Any, portal: Any, cast: SimpleNamespace) -> None:
    number = ready(erp, cast)
    erp.post("/upload", company=cast.COMPANY)
    portal.tell("settled", number, 5)
    erp.post("/sync", company=cast.COMPANY)
    erp.stop()
    erp.start()
    portal.asked.clear()
    erp.post("/sync", company=cast.COMPANY)
    assert portal.asked == ["GET /api/erp/v1/events?after=1&limit=1000"]
    assert len(erp.books()["batches"]) == 1


def test_it_polls_by_itself_and_stops_within_a_second(
    erp: Any, portal: Any, cast: SimpleNamespace
) -> None:
    number = ready(erp, cast)
    erp.post("/upload", company=cast.COMPANY)
    erp.stop()
    portal.tell("settled", number, 5)
    erp.start(interval="0.05")
    cast.wait_for(lambda: erp.books()["batches"])
    # Even a portal that hangs must not hold the process.
    portal.before_answer = lambda: time.sleep(3)
    time.sleep(0.2)
    started = time.monotonic()
    assert erp.stop() == 0
    assert time.monotonic() - started < 1
    assert not (erp.data / "ready.json").exists()


def test_the_books_are_readable_by_the_owner_only(erp: Any) -> None:
    assert (erp.data / "books.sqlite").stat().st_mode & 0o077 == 0


def test_the_command_line_does_the_same_acts(
    erp: Any, portal: Any, cast: SimpleNamespace, tmp_path: Path
) -> None:
    file = tmp_path / "setup.json"
    file.write_text(json.dumps(cast.setup(cast.invoice("1", "100.00"))), encoding="utf-8")
    data, company = f"--data={erp.data}", f"--company={cast.COMPANY}"
    assert erp.run("setup", data, str(file)).returncode == 0
    assert erp.run("propose", data, company, "--due-date=2026-11-30").returncode == 0
    assert erp.run("upload", data, company).returncode == 0
    portal.tell("settled", "B2026-000001", 5)
    assert erp.run("sync", data).returncode == 0
    shown = json.loads(erp.run("show", data, company).stdout)
    assert shown["payments"][0]["erp_code"] == 5
    failed = erp.run("cancel", data, company, "--payment=B1", "--reason=feil")
    assert failed.returncode == 1 and "finnes ikke" in json.loads(failed.stdout)["error"]
