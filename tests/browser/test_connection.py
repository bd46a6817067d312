"""The connection test in a browser against the running stack: each cause, told and then mended."""

from __future__ import annotations

import json
import socket
from typing import Any

import psycopg
import pytest

from portal.demo import cast
from tests.browser.conftest import Stack
from tests.browser.test_main_job import Person

pytestmark = pytest.mark.stack
KARI = "kari@fjordregnskap.example"


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


# code → the column of the channel that is spoiled, with what, and what the page says then.
CAUSES: dict[str, tuple[str, Any, str]] = {
    "host-unknown": ("host", "ingen-bank.invalid", "finnes ikke under navnet"),
    "no-connection": ("port", closed_port, "Fikk ikke kontakt med banken"),
    "host-key-changed": ("host_key", "ssh-ed25519 AAAA", "ikke banken slik vi kjenner den"),
    "key-refused": ("username", "en-annen", "vviste nøkkelen vår"),
    "folder-missing": (
        "download_folders",
        json.dumps(["finnes-ikke"]),
        "ingen mappe med det navnet",
    ),
}
# code → what the bank is told otherwise of the customer, and what the page says then.
AT_THE_BANK: dict[str, tuple[dict[str, Any], str]] = {
    "customer-unknown": ({"agreement_id": "EN-ANNEN"}, "kjenner ikke kundenummeret"),
    "agreement-not-active": ({"active": False}, "har ikke aktivert den"),
    "account-not-tied": ({"customer_number": "EN-ANNEN"}, "kontoen er ikke knyttet til den"),
}


def test_each_closed_way_is_told_with_its_cure_and_is_open_when_mended(
    stack: Stack, browser: Any
) -> None:
    kari = Person(browser, stack, KARI)
    kari.sign_in()
    kari.page.goto(f"{stack.url}/")
    kari.page.get_by_role("link", name="Nordlys Handel AS").first.click()
    kari.page.get_by_role("link", name="Avtaler").first.click()
    kari.page.locator("tbody a").first.click()
    kari.page.get_by_role("link", name="Test forbindelsen").click()
    kari.press("Test forbindelsen")
    kari.page.get_by_text("Forbindelsen virker", exact=True).wait_for()
    with psycopg.connect(stack.facts["database_owner_url"], autocommit=True) as books:
        for code, (column, spoiled, said) in CAUSES.items():
            (right,) = books.execute(f"SELECT {column} FROM banking_bankchannel").fetchone() or ()
            set_to(books, column, spoiled() if callable(spoiled) else spoiled)
            kari.press("Test igjen")
            kari.page.get_by_text("Forbindelsen virker ikke").wait_for()
            told = kari.page.inner_text("main")
            assert said in told, (code, told)
            assert code in told
            assert kari.page.get_by_text("ikke kommet til").count() < 9
            set_to(books, column, json.dumps(right) if isinstance(right, list) else right)
            kari.press("Test igjen")
            kari.page.get_by_text("Forbindelsen virker", exact=True).wait_for()
    for code, (spoiled, said) in AT_THE_BANK.items():
        tell(stack, **spoiled)
        kari.press("Test igjen")
        kari.page.get_by_text("Forbindelsen virker ikke").wait_for()
        told = kari.page.inner_text("main")
        assert said in told, (code, told)
        assert code in told
        tell(stack)
        kari.press("Test igjen")
        kari.page.get_by_text("Forbindelsen virker", exact=True).wait_for()
    assert kari.faults == []


def tell(stack: Stack, **otherwise: Any) -> None:
    """What the bank knows of Nordlys Handel: as the demo has it, or otherwise."""
    row = cast.COMPANIES[0]
    assert row["name"] == "Nordlys Handel AS"
    customer = {
        "customer_number": row["customer_number"],
        "name": row["name"],
        "channel": "kvitt",
        "agreement_id": row["agreement_id"],
        "active": True,
        "approvers_required": row["bank_approvers_required"],
        "accounts": [{"number": row["account"]}],
        **otherwise,
    }
    stack.ask("simbank_control_url", "/setup", {"customers": [customer]})


def set_to(books: Any, column: str, value: Any) -> None:
    books.execute(f"UPDATE banking_bankchannel SET {column} = %s", [value])
