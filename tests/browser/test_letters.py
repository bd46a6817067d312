"""Letters as a mail program shows them: readable in light and dark, narrow and wide, by axe."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

from tests.portal.mail import test_composing as letters

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}


def test_every_letter_is_readable_in_light_and_dark_at_every_width(browser: Any) -> None:
    page = browser.new_page()
    faults = []
    for kind, language in letters.EVERY:
        page.set_content(letters.composed(kind, language).html)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (320, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                found = Axe().run(page, options=RULES).response["violations"]
                faults += [(kind, language, scheme, width, each["id"]) for each in found]
                if page.evaluate("document.documentElement.scrollWidth") > width:
                    faults.append((kind, language, scheme, width, "scrolls sideways"))
    assert faults == []
