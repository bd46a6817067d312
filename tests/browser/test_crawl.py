"""Every page as everybody gets it, looked at quickly: `./test --crawl` looks at all of it.

Each page as the richest view, in one look, so that its neighbours have the others; of the many
objects at one address only so many, and each state in one of the languages; in English for its texts
and its shape alone, since the rest knows no language. Then as each other role every third page that
the access matrix opens to it, and of the objects at one address, the states and the closed pages,
which all look alike, only some. What is known and not yet mended stands in `known`; anything else
fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.access_table import ROLES as MATRIX
from tests.architecture.access_table import TABLE
from tests.browser import chromium
from tests.browser.crawler import Crawler, InFolder
from tests.browser.findings import LOOKS, PLAIN, Finding, table, unknown
from tests.browser.known import KNOWN
from tests.browser.places import STATES, Place, few, places
from tests.browser.scene import ALL, NOBODY, ROLES
from tests.browser.site import Site

pytestmark = pytest.mark.stack
PARTS = 8  # so that test workers share the richest view
# Objects at one address that are looked at, and the share of the states, in each language.
RICHEST = {"nb": (2, slice(0, None, 2)), "en": (1, slice(1, None, 2))}
# Narrow and dark at once shows the quick crawl nothing that the others do not.
IN_TURNS = {"nb": (LOOKS[0], LOOKS[3], LOOKS[1]), "en": (LOOKS[0], LOOKS[3])}
OBJECTS, SHARES = 1, 14  # of those at one address, and of the states, for all other views
OPEN, CLOSED = 3, 16  # one in so many of the pages that are open and closed to a role


@pytest.fixture(scope="module")
def crawler(site: Site) -> Iterator[Crawler]:
    """What one test worker has looked at, no other looks at again: their scenes are the same."""
    folder = Path(os.environ["KVITT_DATA_DIR"]) / "looked-at"
    folder.mkdir(exist_ok=True)
    with chromium.running() as browser:
        crawler = Crawler(browser, site, seen=InFolder(folder))
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
    total = 0
    for turn, look in enumerate(IN_TURNS[language]):
        share = chosen[turn :: len(IN_TURNS[language])]
        seen = crawler.crawl(share, role=role, language=language, looks=(look,))
        total += seen.looks + seen.same
        nothing_new(seen.findings)
    assert total > len(chosen) // 3, "hardly a page was reached"


def part_of(all_of_them: list[Place], part: int) -> list[Place]:
    return all_of_them[part::PARTS]


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("language", ["nb", "en"])
def test_every_page_of_the_richest_view(crawler: Crawler, language: str, part: int) -> None:
    everything = places(crawler.site.scene)
    chosen = part_of(few(everything, *RICHEST[language]), part)
    in_turns(crawler, chosen, ALL, language)


@pytest.mark.parametrize("language", ["nb", "en"])
def test_every_page_of_signing_in(crawler: Crawler, language: str) -> None:
    chosen = [place for place in places(crawler.site.scene) if place.apart]
    chosen = chosen if language == "nb" else chosen[::2]
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
