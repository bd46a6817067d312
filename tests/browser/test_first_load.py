"""What the first page weighs, and that a browser without scripts can do the main things."""

from __future__ import annotations

from typing import Any

import pytest

from tests import kit
from tests.browser import chromium, scene
from tests.browser.site import Site

pytestmark = pytest.mark.stack
FIRST_LOAD_MAX = 120_000  # bytes over the wire, beside the font


@pytest.fixture(scope="module")
def browser() -> Any:
    with chromium.running() as running:
        yield running


def opened(browser: Any, site: Site, **options: Any) -> Any:
    context = browser.new_context(**options)
    context.add_cookies(site.cookies(scene.ALL, "nb"))
    return context.new_page()


def test_the_first_load_of_the_overview_is_light(site: Site, browser: Any) -> None:
    page = opened(browser, site)
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    kinds: dict[str, tuple[str, str]] = {}
    weights: dict[str, float] = {}

    def answered(event: Any) -> None:
        kinds[event["requestId"]] = (event["type"], event["response"]["url"])

    def ended(event: Any) -> None:
        weights[event["requestId"]] = event["encodedDataLength"]

    session.on("Network.responseReceived", answered)
    session.on("Network.loadingFinished", ended)
    page.goto(f"{site.url}/c/{site.scene.companies['main']}/overview/", wait_until="networkidle")
    rows = [(weights.get(key, 0), kind, url) for key, (kind, url) in kinds.items()]
    heavy = sorted((row for row in rows if row[1] != "Font"), reverse=True)
    total = sum(weight for weight, _kind, _url in heavy)
    told = "\n".join(f"{weight:>8.0f} {kind:<12} {url}" for weight, kind, url in heavy)
    print(f"first load of the overview: {total / 1000:.1f} kB beside the font\n{told}")
    assert any("designsystemet" in url for _weight, _kind, url in heavy), told
    assert total < FIRST_LOAD_MAX, told


def test_without_scripts_one_filters_chooses_all_and_comes_to_sign(
    site: Site, browser: Any
) -> None:
    page = opened(browser, site, java_script_enabled=False)
    base = f"{site.url}/c/{site.scene.companies['main']}"
    page.goto(f"{base}/outgoing/")
    page.click("#filters > summary")
    page.fill("#filters [name=number]", "M000")
    page.click("#filters button")
    assert "number=M000" in page.url
    page.check("td.pick input >> nth=0")
    page.click("button[formaction$='/sign/']")
    assert page.locator("main h1").inner_text() == "Godkjenn 1 betaling"
    page.goto(f"{base}/outgoing/?tab=open&select=all")
    assert "er valgt" in page.inner_text(".bar")
    page.click("button[formaction$='/cancel/']")
    assert page.locator("main h1").inner_text().startswith("Opphev")
    page.goto(f"{base}/search/?q=")
    page.fill("#search-text", "Avtaler")
    page.keyboard.press("Enter")
    page.click("#found a")
    assert page.url.endswith("/agreements/")
    page.click("button[lang=en]")
    assert page.locator("html").get_attribute("lang") == "en"


def test_the_menu_and_the_switcher_open_without_scripts_when_narrow(
    site: Site, browser: Any
) -> None:
    page = opened(browser, site, java_script_enabled=False, viewport={"width": 320, "height": 700})
    page.goto(f"{site.url}/c/{site.scene.companies['main']}/overview/")
    assert not page.is_visible("#menu")
    page.click(".menu-button")
    page.click("#menu a[href$='/agreements/']")
    assert page.url.endswith("/agreements/")
    page.click(".acting")
    page.fill("#company-search", "åpen")
    page.keyboard.press("Enter")
    page.click(f"main .choices a:has-text('{scene.EMPTY}')")
    assert site.scene.companies["empty"] in page.url
    assert kit.PASSWORD not in page.content()
