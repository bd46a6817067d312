"""The demo page: everybody's codes, and the clock of bank, portal and ERP."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from banking import calendar
from portal import clock
from portal.celery import app
from tests import kit
from tests.kit import Bank


@pytest.fixture
def page(db: None, settings: Any) -> Any:
    """The demo page of a portal whose simulators are not there."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.SIMBANK_CONTROL_URL = settings.SIMERP_URL = "http://127.0.0.1:9"
    client = Client()
    client.cookies["kvitt_language"] = "en"
    return client


@pytest.fixture
def erp() -> Iterator[tuple[str, list[str]]]:
    """Something that listens where the simulated ERP would, and notes what it is asked."""
    asked: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps({}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_the_codes_on_the_page_open_the_door_once(page: Client) -> None:
    anne = kit.person("anne", kit.company())
    text = page.get("/demo/").content.decode()
    code = text.split(f'data-code-of="{anne.email}">', 1)[1][:6]
    assert "(used" not in text
    client = Client()
    client.post("/sign-in/", {"email": anne.email, "password": kit.PASSWORD})
    assert client.post("/sign-in/code/", {"code": code}).status_code == 302
    assert "(used" in page.get("/demo/").content.decode()


def test_the_page_stands_without_people_and_without_mails(page: Client) -> None:
    answer = page.get("/demo/")
    assert answer.status_code == 200
    assert "No mail has been written yet." in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("days", ["0", "-3", "", "x", "1.5", "²"])
def test_the_clock_does_not_move_for_what_is_no_number_of_days(days: str, page: Client) -> None:
    before = clock.now()
    answer = page.post("/demo/act/", {"days": days}, follow=True)
    assert "The clock only moves forward." in answer.content.decode()
    assert clock.now() - before < dt.timedelta(minutes=1)


def test_the_clock_cannot_be_moved_by_a_link(page: Client) -> None:
    assert page.get("/demo/act/").status_code == 405


def test_the_clock_moves_the_bank_the_portal_and_the_erp_in_that_order(
    page: Client, bank: Bank, erp: tuple[str, list[str]], settings: Any
) -> None:
    settings.SIMBANK_CONTROL_URL = f"http://127.0.0.1:{bank.ready['control_port']}"
    settings.SIMERP_URL, asked = erp
    eager = app.conf.task_always_eager
    app.conf.task_always_eager = True
    try:
        due = calendar.next_bank_day(clock.today())
        page.post("/demo/act/", {"to": "next-bank-day"})
        assert clock.today() == due
        before = clock.now()
        page.post("/demo/act/", {"days": "3"})
    finally:
        app.conf.task_always_eager = eager
    passed = clock.now() - before
    assert dt.timedelta(days=3) - dt.timedelta(seconds=2) < passed < dt.timedelta(days=3, minutes=1)
    assert asked == ["/sync", "/sync"]
    assert page.get("/demo/").status_code == 200
