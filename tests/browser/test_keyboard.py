"""Journeys by keyboard alone, with few enough Tabs that a person would bear it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.keyboard import Keyboard, TooFar
from tests.browser.scene import NOBODY
from tests.browser.site import Site

pytestmark = pytest.mark.stack
PAGE = """<main><h1>Prøve</h1><a href="#a">En</a> <a href="#b">To</a>
<label><input type="checkbox"> Tre</label> <label>Fire <input></label></main>"""


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(locale="nb-NO")
    yield context.new_page()
    context.close()


def as_somebody(page: Any, site: Site, role: str) -> Keyboard:
    page.context.add_cookies(site.cookies(role, "nb"))
    return Keyboard(page)


def test_signing_in_is_tried_without_a_mouse(site: Site, page: Any) -> None:
    keyboard = as_somebody(page, site, NOBODY)
    page.goto(f"{site.url}/sign-in/")
    keyboard.write("E-post", "ingen@example.org")
    keyboard.to("textbox", "Passord")
    page.keyboard.type("feil passord")
    keyboard.push("Fortsett")
    assert page.locator(".ds-error-summary").is_visible()


def test_what_is_too_far_away_or_not_there_is_told(page: Any) -> None:
    page.set_content(PAGE)
    keyboard = Keyboard(page, most=3)
    keyboard.to("link", "To")
    assert keyboard.tabs == 2
    keyboard.to("link", "En", back=True)
    keyboard.tick("Tre")
    keyboard.write("Fire", "ord")
    assert page.locator("input:not([type])").input_value() == "ord"
    with pytest.raises(TooFar, match=r"link «Fem» \(0 on the page\) is not within 3 Tabs"):
        keyboard.to("link", "Fem")
