"""The main job by keyboard alone: with the shortcuts, and with Tab, Space and Enter only."""

from __future__ import annotations

from typing import Any

import pytest

from portal.demo import cast
from tests.browser.conftest import Stack
from tests.browser.test_main_job import ANNE, BJORN, Person, next_step, propose_and_send

pytestmark = pytest.mark.stack
TABS_MAX = 80


class Hands(Person):
    """A person without a mouse."""

    def press_keys(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)

    def tab_to(self, selector: str) -> None:
        """Goes on with Tab until what has the focus fits; a bounded number of times."""
        for _ in range(TABS_MAX):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("s => document.activeElement?.matches(s) ?? false", selector):
                return
        raise AssertionError(f"{selector} is not reached within {TABS_MAX} tabs")

    def sign_in(self) -> None:
        self.page.goto(self.stack.url)
        self.tab_to("[name=email]")
        self.type(self.email)
        self.press_keys("Tab")
        self.type(cast.PASSWORD)
        self.press_keys("Enter")
        self.page.wait_for_url("**/sign-in/code/")
        self.tab_to("[name=code]")
        self.type(self.code())
        self.press_keys("Enter")
        self.page.wait_for_url(lambda url: "sign-in" not in url)

    def approve_what_is_shown(self) -> None:
        """On the signing page: the code, and Enter."""
        self.page.wait_for_selector("[name=code]")
        self.tab_to("[name=code]")
        self.type(self.code())
        self.press_keys("Enter")
        self.page.wait_for_url("**/receipts/*/")


def test_two_approvers_sign_by_keyboard_alone(stack: Stack, browser: Any) -> None:
    propose_and_send(browser, stack)
    anne, bjorn = Hands(browser, stack, ANNE), Hands(browser, stack, BJORN)
    anne.sign_in()
    bjorn.sign_in()
    next_step()

    # Anne has the shortcuts: to the page by Ctrl-K, two rows by x and Shift-x, on by a.
    anne.press_keys("Control+k")
    anne.page.wait_for_selector("#palette-found a")
    anne.type("godkj")
    anne.page.wait_for_selector("#palette-found ul:only-of-type > li:only-child")
    anne.tab_to("#palette-found a")
    anne.press_keys("Enter")
    anne.page.wait_for_url("**/approve/")
    anne.press_keys("?")
    anne.page.wait_for_selector("#keys[open]")
    anne.press_keys("Escape", "j", "x", "j", "j", "Shift+X")
    assert "3 valgt, 1 026 440,00 kr" in said(anne)
    anne.press_keys("k", "x")
    assert "2 valgt" in said(anne)
    anne.press_keys("x")
    anne.press_keys("a")
    anne.approve_what_is_shown()

    # Bjørn has turned them off: single keys do nothing, Tab and Space do it all.
    bjorn.page.goto(f"{stack.url}/shortcuts/")
    bjorn.tab_to("main form button")
    bjorn.press_keys("Enter")
    bjorn.page.wait_for_selector("body:not([data-shortcuts])")
    bjorn.page.goto(anne.page.url.split("/outgoing/")[0] + "/approve/")
    bjorn.press_keys("j", "x", "a", "?")
    assert "Ingenting er valgt" in said(bjorn)
    for _ in range(3):
        bjorn.tab_to("td.pick input")
        bjorn.press_keys("Space")
    assert "3 valgt" in said(bjorn)
    bjorn.tab_to("button[data-key=a]")
    bjorn.press_keys("Enter")
    bjorn.approve_what_is_shown()
    assert "Ingen andre" in bjorn.page.inner_text("main")
    assert anne.faults == bjorn.faults == []


def said(person: Hands) -> str:
    return str(person.page.inner_text("[data-said]").replace("\u00a0", " "))
