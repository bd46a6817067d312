"""What the frame does by hand: search by arrows and Enter, chips, print, and a header for phones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.scene import ALL
from tests.browser.site import Site

pytestmark = pytest.mark.stack
A4_WIDTH = 703  # pixels between margins of 12 mm
FOCUSED = "document.activeElement.textContent.trim()"
# Whether anything of the page lies over the middle of it.
BARE = """(element) => {
  const box = element.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return element.contains(top);
}"""
TOPS = """(head) => [...head.querySelectorAll("a, button")]
  .map((one) => one.getBoundingClientRect()).filter((box) => box.width)
  .map((box) => [Math.round((box.top + box.bottom) / 2), box.width, box.height])"""


@pytest.fixture
def page(browser: Any, site: Site) -> Iterator[Any]:
    context = browser.new_context(locale="nb-NO", viewport={"width": 1280, "height": 800})
    context.add_cookies(site.cookies(ALL, "nb"))
    page = context.new_page()
    page.goto(f"{site.url}{listed(site)}")
    yield page
    context.close()


def listed(site: Site, query: str = "") -> str:
    return f"/c/{site.scene.companies['main']}/outgoing/{query}"


def test_arrows_go_through_what_the_search_found_and_enter_opens_it(page: Any) -> None:
    page.keyboard.press("Control+k")
    page.locator("#palette-found a").first.wait_for()
    with page.expect_response("**/search/?q=M00*"):
        page.keyboard.type("M00")
    page.locator("#palette-found a", has_text="M00").first.wait_for()
    names = [text.split()[0] for text in page.locator("#palette-found a").all_inner_texts()]
    for name in names[:2]:
        page.keyboard.press("ArrowDown")
        assert page.evaluate(FOCUSED).startswith(name)
    for _ in names[:2]:
        page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "palette-text"
    page.keyboard.press("ArrowDown")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.get_by_role("heading", level=1).inner_text().endswith(names[0])


def test_enter_waits_for_what_is_found_of_the_text_that_stands_there(page: Any) -> None:
    page.keyboard.press("Control+k")
    page.locator("#palette-found a").first.wait_for()  # what stood there before is not opened
    with page.expect_navigation():
        page.keyboard.type("B-partly-mine")
        page.keyboard.press("Enter")
    assert "B-partly-mine" in page.get_by_role("heading", level=1).inner_text()


def test_a_chip_takes_its_own_filter_away_and_leaves_the_others(page: Any, site: Site) -> None:
    page.goto(f"{site.url}{listed(site, '?number=B-&kind=supplier&sort=-due_date')}")
    chips = page.get_by_role("list", name="Filtre i bruk").get_by_role("link")
    assert chips.count() == 2
    with page.expect_navigation():
        chips.filter(has_text="B-").click()
    assert "kind=supplier" in page.url
    assert "sort=-due_date" in page.url
    assert "number=" not in page.url
    assert chips.count() == 1


def test_what_is_wrong_with_a_filter_is_not_covered_by_the_filters(page: Any, site: Site) -> None:
    page.goto(f"{site.url}{listed(site, '?due_from=i+morgen')}")
    assert page.locator("#filters form").is_visible()
    assert page.locator("main [role=alert]").evaluate(BARE)


def test_on_a_phone_the_header_is_two_rows_of_things_that_a_finger_can_hit(page: Any) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    tops = page.locator("header.head").evaluate(TOPS)
    assert len(tops) >= 6
    assert len({top for top, _width, _height in tops}) == 2  # all tools, then the company
    assert min(min(width, height) for _top, width, height in tops) >= 24


def test_print_shows_the_company_and_the_table_and_nothing_that_one_presses(page: Any) -> None:
    page.emulate_media(media="print")
    assert page.locator(".acting-name").is_visible()
    assert page.locator("#list-form thead").is_visible()
    for hidden in ("nav.side", ".tools", ".list-tools", ".bar", "td.pick", ".tabs", "footer"):
        assert not page.locator(hidden).first.is_visible(), hidden


@pytest.mark.parametrize("address", ["outgoing/", "approve/", "files/", "agreements/", "overview/"])
def test_print_has_room_for_every_column_on_a_page(page: Any, site: Site, address: str) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": A4_WIDTH, "height": 1000})
    page.goto(f"{site.url}/c/{site.scene.companies['main']}/{address}")
    assert page.evaluate("document.documentElement.scrollWidth") <= A4_WIDTH
    for sheet in page.locator(".sheet").all():
        assert sheet.evaluate("(one) => one.scrollWidth <= one.clientWidth + 1"), address


def test_two_tabs_in_two_companies_never_mix(page: Any, site: Site) -> None:
    other = page.context.new_page()
    shown = {}
    for tab, company in ((page, "main"), (other, "second"), (page, "main")):
        place = f"/c/{site.scene.companies[company]}/"
        tab.goto(f"{site.url}{place}approve/")
        shown[company] = (tab, place, tab.inner_text(".acting-name"))
        tab.locator("td.pick input").first.check()
    assert shown["main"][2] != shown["second"][2]
    for company in ("second", "main"):
        tab, place, name = shown[company]
        tab.get_by_role("button", name="Godkjenn").first.click()
        tab.locator("[name=code]").wait_for()
        assert place in tab.url
        assert tab.inner_text(".acting-name") == name
    for tab, place, name in (*shown.values(), *shown.values()):
        tab.reload()
        assert tab.inner_text(".acting-name") == name
        foreign = [
            href
            for href in tab.eval_on_selector_all("a", "rows => rows.map((row) => row.pathname)")
            if href.startswith("/c/") and not href.startswith(place)
        ]
        assert foreign == []
    # A form of one company, sent while the other was looked at last, acts for its own.
    other.go_back()
    assert other.inner_text(".acting-name") == shown["second"][2]
