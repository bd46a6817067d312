"""Every page as everybody gets it, looked at quickly: `./test --crawl` looks at all of it.

Each page once as the richest view, in one look, so that its neighbours have the other three; of the
many objects at one address only so many; in English for its texts and its shape alone, since the
rest knows no language. Then as each other role every other page that the access matrix opens to
it, and of the objects at one address, the states and the closed pages, which all look alike, only
some. What is known and not yet mended stands in `known`; anything else fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.architecture.test_access_matrix import ROLES as MATRIX
from tests.architecture.test_access_matrix import TABLE
from tests.browser import chromium
from tests.browser.crawler import Crawler
from tests.browser.findings import LOOKS, PLAIN, Finding, table, unknown
from tests.browser.known import KNOWN
from tests.browser.places import STATES, Place, few, places
from tests.browser.scene import ALL, NOBODY, ROLES
from tests.browser.site import Site

pytestmark = pytest.mark.stack
PARTS = 8  # so that test workers share the richest view
MOST, ALIKE = 2, 4  # objects at one address that are looked at in Norwegian, and in English
OBJECTS, SHARES = 1, 14  # of those at one address, and of the states, for all other views
OPEN, CLOSED = 2, 16  # one in so many of the pages that are open and closed to a role


@pytest.fixture(scope="module")
def crawler(site: Site) -> Iterator[Crawler]:
    with chromium.running() as browser:
        crawler = Crawler(browser, site)
        yield crawler
        crawler.close()


def nothing_new(findings: list[Finding]) -> None:
    """Fails with the table of what `known` does not excuse."""
    fresh = unknown(findings, KNOWN)
    assert not fresh, f"\n{table(fresh)}"


def mostly_open(chosen: list[Place], role: str) -> list[Place]:
    """Some of what is open to the role, and few of what is closed; each page comes to some roles."""
    name = next((name for name, held in MATRIX.items() if [role] == held), role)
    first = ROLES.index(role)
    return [
        place
        for at, place in enumerate(chosen)
        if (at + first) % CLOSED == 0
        or place in STATES
        or ((at + first) % OPEN == 0 and TABLE[place.name]["get"].get(name) == 200)
    ]


def in_turns(crawler: Crawler, chosen: list[Place], role: str, language: str) -> None:
    """Looks at each of these in one look, the next in the next one."""
    for turn, look in enumerate(LOOKS):
        share = chosen[turn :: len(LOOKS)]
        seen = crawler.crawl(share, role=role, language=language, looks=(look,))
        assert seen.looks + seen.same >= len(share) // 2, "hardly a page was reached"
        nothing_new(seen.findings)


def part_of(all_of_them: list[Place], part: int) -> list[Place]:
    return all_of_them[part::PARTS]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("language", ["nb", "en"])
def test_every_page_of_the_richest_view(crawler: Crawler, language: str, part: int) -> None:
    everything = places(crawler.site.scene)
    most = MOST if language == "nb" else ALIKE
    chosen = part_of(few(everything, most, slice(None)), part)
    in_turns(crawler, chosen, ALL, language)


@pytest.mark.parametrize("language", ["nb", "en"])
def test_every_page_of_signing_in(crawler: Crawler, language: str) -> None:
    chosen = [place for place in places(crawler.site.scene) if place.apart]
    in_turns(crawler, chosen, NOBODY, language)


@pytest.mark.parametrize("role", [role for role in ROLES if role != ALL])
def test_every_page_as_each_other_role(crawler: Crawler, role: str) -> None:
    share = slice(ROLES.index(role) % SHARES, None, SHARES)  # each state by some of the roles
    everything = [place for place in places(crawler.site.scene) if not place.apart]
    chosen = mostly_open(few(everything, OBJECTS, share), role)
    seen = crawler.crawl(chosen, role=role, language="nb", looks=PLAIN)
    assert seen.pages == len(chosen)
    assert seen.looks + seen.same, "no page was reached"
    nothing_new(seen.findings)
