"""The end of a session: a warning in time, and work that is kept until one is back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.scene import ALL
from tests.browser.site import Site

pytestmark = pytest.mark.stack
WORDS = "Avtale for husleie"


@pytest.fixture
def page(browser: Any, site: Site) -> Iterator[Any]:
    context = browser.new_context(locale="nb-NO")
    context.add_cookies(site.cookies(ALL, "nb"))
    page = context.new_page()
    page.clock.install()
    page.goto(f"{site.url}/c/{site.scene.companies['main']}/agreements/new/")
    page.get_by_role("button", name="Neste").click()
    page.get_by_label("Beskrivelse").fill(WORDS)
    yield page
    context.close()


def dialog(page: Any, name: str) -> Any:
    return page.get_by_role("dialog", name=name)


def test_a_warning_comes_in_time_and_one_press_puts_the_end_off(page: Any) -> None:
    page.clock.fast_forward("12:50")
    assert not dialog(page, "Du blir snart logget ut").is_visible()
    page.clock.fast_forward("00:15")
    dialog(page, "Du blir snart logget ut").wait_for()
    page.get_by_role("button", name="Forbli innlogget").click()
    dialog(page, "Du blir snart logget ut").wait_for(state="hidden")
    page.clock.fast_forward("12:00")  # past the first end
    assert not page.locator("#session").is_visible()
    assert page.get_by_label("Beskrivelse").input_value() == WORDS


def test_work_is_kept_when_the_session_is_over_and_goes_on_after_signing_in_again(
    page: Any, site: Site
) -> None:
    page.clock.fast_forward("13:05")
    page.context.clear_cookies()
    page.clock.fast_forward("02:00")
    over = dialog(page, "Du er logget ut")
    over.wait_for()
    page.keyboard.press("Escape")
    assert over.is_visible()  # what stands on the page is not shown to whoever comes by
    page.get_by_role("button", name="Fortsett her").click()
    over.get_by_text("Du er ikke logget inn ennå.").wait_for()
    page.context.add_cookies(site.cookies(ALL, "nb"))
    fresh = "n" * 32
    page.context.add_cookies([{"name": "kvitt_csrf", "value": fresh, "url": site.url}])
    page.get_by_role("button", name="Fortsett her").click()
    over.wait_for(state="hidden")
    assert page.get_by_label("Beskrivelse").input_value() == WORDS
    with page.expect_navigation() as sent:
        page.get_by_role("button", name="Neste").click()
    assert sent.value.status == 422  # the form was trusted and judged: other fields are empty
    assert page.get_by_label("Beskrivelse").input_value() == WORDS


def test_another_person_in_the_other_tab_does_not_go_on_with_the_page(
    page: Any, site: Site
) -> None:
    page.clock.fast_forward("15:05")
    page.context.clear_cookies()
    page.context.add_cookies(site.cookies("support_user", "nb"))
    page.get_by_role("button", name="Fortsett her").click()
    page.get_by_text("En annen er logget inn nå.").wait_for()
    assert dialog(page, "Du er logget ut").is_visible()
