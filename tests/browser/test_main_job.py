"""The whole job in a browser against the running stack: ERP, two approvers, bank, ERP again."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import psutil
import pytest

from portal.demo import cast
from tests.browser.conftest import Stack

pytestmark = pytest.mark.stack
ANNE, BJORN = "anne@nordlys.example", "bjorn@nordlys.example"
STEP = 30


class Person:
    """A demo user at a browser of their own; faults of the page are collected."""

    def __init__(self, browser: Any, stack: Stack, email: str) -> None:
        self.stack, self.email = stack, email
        self.faults: list[str] = []
        self.page = browser.new_context(locale="nb-NO").new_page()
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.helper = browser.new_context().new_page()

    def _heard(self, message: Any) -> None:
        # The browser itself logs each answer that is not 2xx or 3xx; a refused form is meant.
        if message.type == "error" and "422" not in message.text:
            self.faults.append(message.text)

    def code(self) -> str:
        self.helper.goto(f"{self.stack.url}/demo/")
        return str(self.helper.inner_text(f'[data-code-of="{self.email}"]'))

    def sign_in(self) -> None:
        self.page.goto(self.stack.url)
        self.page.fill("[name=email]", self.email)
        self.page.fill("[name=password]", cast.PASSWORD)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/sign-in/code/")
        self.page.fill("[name=code]", self.code())
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: "sign-in" not in url)

    def choose_all(self) -> None:
        for box in self.page.query_selector_all("td.pick input"):
            box.check()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()


def next_step() -> None:
    """Waits until the codes change: each works once."""
    time.sleep(STEP - time.time() % STEP + 0.5)


def until(true: Any, *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.5)


def propose_and_send(browser: Any, stack: Stack) -> None:
    """A bookkeeper at the ERP's own page."""
    page = browser.new_page()
    page.goto(stack.facts["simerp_url"] + "/")
    page.get_by_role("button", name="Foreslå betalinger").first.click()
    page.get_by_role("button", name="Send til Kvitt").first.click()
    page.close()
    books = stack.ask("simerp_url", "/books")["companies"][0]
    assert [(row["erp_code"], len(row["lines"])) for row in books["payments"]] == [
        (2, 5),
        (2, 4),
        (2, 3),
    ]


def test_the_whole_job(stack: Stack, browser: Any) -> None:
    propose_and_send(browser, stack)
    anne, bjorn = Person(browser, stack, ANNE), Person(browser, stack, BJORN)
    anne.sign_in()
    bjorn.sign_in()
    outgoing = anne.page.url.replace("overview", "outgoing")
    anne.page.goto(outgoing)
    assert "1 026 440,00" in visible_sum(anne)

    next_step()
    anne.page.goto(outgoing)
    anne.choose_all()
    anne.press("Godkjenn")
    assert "12" in anne.page.inner_text("main")
    assert "Strøm og Nett AS" in anne.page.inner_text("main")
    anne.page.fill("[name=code]", "000000")
    anne.page.keyboard.press("Enter")
    anne.page.wait_for_selector(".ds-error-summary")
    time.sleep(1)
    anne.page.fill("[name=code]", anne.code())
    anne.page.keyboard.press("Enter")
    anne.page.wait_for_url("**/receipts/*/")

    # The same person cannot be the second.
    anne.page.goto(outgoing)
    anne.choose_all()
    anne.press("Godkjenn")
    assert anne.page.query_selector("[name=code]") is None
    assert "godkjenning" in anne.page.inner_text("[role=alert]")

    bjorn.page.goto(outgoing)
    bjorn.choose_all()
    bjorn.press("Godkjenn")
    bjorn.page.fill("[name=code]", bjorn.code())
    bjorn.page.keyboard.press("Enter")
    bjorn.page.wait_for_url("**/receipts/*/")

    def accepted() -> bool:
        anne.page.goto(outgoing)
        return "Akseptert av bank" in anne.page.inner_text("main table")

    until(accepted, seconds=60, what="the bank's acceptance")
    move_to_next_bank_day(browser, stack)
    erp_learns(stack)
    judge_the_banks_books(stack)
    judge_the_pages(anne, outgoing)
    assert anne.faults == []
    assert bjorn.faults == []


def visible_sum(person: Person) -> str:
    """Chooses all and opens the signing page, to read the sum that would be signed."""
    person.choose_all()
    person.press("Godkjenn")
    text = person.page.inner_text("main").replace("\u00a0", " ")
    person.page.go_back()
    return str(text)


def move_to_next_bank_day(browser: Any, stack: Stack) -> None:
    page = browser.new_page()
    page.goto(f"{stack.url}/demo/")
    page.locator("form:has(input[value='next-bank-day']) button").click()
    page.wait_for_load_state()
    page.close()


def erp_learns(stack: Stack) -> None:
    """Ten lines settled, two rejected; a balanced batch; the suppliers' items closed or free."""

    def done() -> bool:
        books = stack.ask("simerp_url", "/books")["companies"][0]
        codes = [line["erp_code"] for row in books["payments"] for line in row["lines"]]
        return set(codes) == {5, 7}

    until(done, seconds=90, what="the ERP's news")
    books = stack.ask("simerp_url", "/books")["companies"][0]
    lines = {line["reference"]: line for row in books["payments"] for line in row["lines"]}
    assert sorted(line["erp_code"] for line in lines.values()) == [5] * 10 + [7] * 2
    debit = sum(Decimal(batch["debit_sum"]) for batch in books["batches"])
    credit = sum(Decimal(batch["credit_sum"]) for batch in books["batches"])
    assert debit == credit == Decimal("49550.00")
    left = {row["number"]: row["status"] for row in books["invoices"]}
    assert left["4-900"] == left["5-311"] == "open"
    assert left["3-101"] == left["3-102K"] == "settled"


def judge_the_banks_books(stack: Stack) -> None:
    assert stack.ask("simbank_control_url", "/books/duplicates")["duplicates"] == []
    rows = stack.ask("simbank_control_url", "/books/transfers")["transfers"]
    assert len(rows) == 12
    why = {row["reason_code"] for row in rows if row["status"] == "rejected"}
    assert why == {"RR07", "AM04"}


def judge_the_pages(person: Person, outgoing: str) -> None:
    """Settled and rejected lines with code and cure, in both languages."""
    page = person.page
    page.goto(outgoing)
    page.get_by_role("link", name="B2026-000002").click()
    text = page.inner_text("main")
    assert "Avregnet" in text
    assert "Avvist" in text
    assert "RR07" in text
    assert "KID" in text
    page.get_by_role("button", name="English").click()
    page.wait_for_selector("html[lang=en]")
    text = page.inner_text("main")
    assert "Settled" in text
    assert "Rejected" in text
    assert "RR07" in text
    page.goto(outgoing)
    page.get_by_role("link", name="B2026-000003").click()
    text = page.inner_text("main")
    assert "AM04" in text
    assert "funds" in text.lower() or "cover" in text.lower() or "balance" in text.lower()


def test_ctrl_c_leaves_no_process_and_a_second_start_goes_on(stack: Stack) -> None:
    pids = list(stack.facts["pids"].values())
    children = [
        c for pid in pids if psutil.pid_exists(pid) for c in psutil.Process(pid).children(True)
    ]
    began = time.monotonic()
    assert stack.stop() in (0, 130)
    assert time.monotonic() - began < 10
    alive = [pid for pid in [*pids, *(c.pid for c in children)] if psutil.pid_exists(pid)]
    assert alive == []
    began = time.monotonic()
    stack.start()  # on the data of the first run
    print(f"second start: {time.monotonic() - began:.1f} s")
    assert len(stack.ask("simerp_url", "/books")["companies"]) == 1
