"""The crawler sees what it should: each fault is planted on a tiny page, and must be found there.

A page without faults must have none, so that a finding means something.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.browser import chromium, words
from tests.browser.crawler import Crawler, Seen
from tests.browser.findings import LOOKS, PLAIN, Finding, Known, table, unknown
from tests.browser.places import Place, path
from tests.browser.scene import NOBODY, Scene
from tests.browser.site import Site

pytestmark = pytest.mark.stack
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'"
STYLE = """
body { font: 16px/1.5 sans-serif; margin: 1rem; background: #fff; color: #111; }
a { color: #00c; } button { min-height: 2rem; } :focus { outline: 3px solid #00c; }
.wide { width: 2000px; height: 1rem; background: #ddd; }
.scroller { overflow-x: auto; max-width: 15rem; }
.wide-when-narrow { height: 1rem; background: #ddd; }
@media (max-width: 400px) { .wide-when-narrow { width: 500px; } }
.bar { position: fixed; bottom: 0; left: 0; right: 0; height: 90%; background: #eee; }
.away { position: absolute; left: -300px; width: 100px; }
.bare:focus { outline: none; }
.dot { width: 14px; height: 14px; min-height: 0; padding: 0; margin: 0; border: 0; }
.far .dot { margin: 20px; }
.tall { height: 3000px; }
@media (prefers-color-scheme: dark) {
  body { background: #111; color: #eee; } a { color: #9cf; } .faint { color: #333; }
}
"""
SCRIPTS = {
    "/late.js": "addEventListener('focusin', () => console.error('planted late'));",
    "/throws.js": "throw new Error('planted');",
    "/complains.js": "console.error('planted');",
    "/traps.js": "addEventListener('keydown', (event) => event.key === 'Tab' &&"
    " document.activeElement.id === 'trap' && event.preventDefault());",
}
PAGE = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/page.css"></head>
<body><main>{h1}<p>Tekst</p>{body}</main></body></html>"""


def page(
    body: str = "", *, lang: str = "nb", title: str = "Prøve", h1: str = "<h1>Prøve</h1>"
) -> str:
    return PAGE.format(body=body, lang=lang, title=title, h1=h1)


class Planted(http.server.BaseHTTPRequestHandler):
    """Serves what the tests plant: path → (status, text)."""

    pages: ClassVar[dict[str, tuple[int, str]]] = {}

    def do_GET(self) -> None:
        if self.path == "/page.css":
            return self._send(200, STYLE, "text/css")
        if self.path in SCRIPTS:
            return self._send(200, SCRIPTS[self.path], "text/javascript")
        status, text = self.pages.get(self.path.split("?")[0], (404, page("<p>Ikke her</p>")))
        return self._send(status, text, "text/html; charset=utf-8")

    def _send(self, status: int, text: str, kind: str) -> None:
        body = text.encode()
        self.send_response(status)
        if body:
            self.send_header("Content-Type", kind)
        if self.path != "/lax":
            self.send_header("Content-Security-Policy", POLICY)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Planted) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture(scope="module")
def chromium_of_all() -> Iterator[Any]:
    if chromium.found() is None:
        pytest.skip(chromium.MISSING)
    with chromium.running() as running:
        yield running


Looking = Callable[..., Seen]


@pytest.fixture
def look(server: str, chromium_of_all: Any, tmp_path: Path) -> Iterator[Looking]:
    """Plants a page at an address, and looks at it as nobody, with all the care there is."""
    crawler = Crawler(chromium_of_all, Site(server, Scene()), thorough=True)
    Planted.pages.clear()

    def at(
        text: str,
        address: str = "/x",
        *,
        status: int = 200,
        expected: int = 200,
        language: str = "nb",
        looks: Any = PLAIN,
        keep: bool = False,
    ) -> Seen:
        crawler.keep = tmp_path if keep else None
        Planted.pages[address] = (status, text)
        # «apart», so that the answer's status is judged for nobody too.
        place = Place("planted", address.strip("/"), path(address), expected, apart=True)
        return crawler.crawl([place], role=NOBODY, language=language, looks=looks)

    yield at
    crawler.close()


def told(seen: Seen, kind: str) -> str:
    return "\n".join(finding.what for finding in seen.findings if finding.kind == kind)


GOOD = (
    '<form><label for="a">Navn</label> <input id="a"> <button>Send</button></form>'
    '<p>Her er en <a href="/x#here">lenke</a> midt i en <a href="/x?a=1#here">setning</a>.</p>'
    '<p id="here">Mål</p>'
    '<p lang="en">This is the text that you have asked for.</p>'
    '<div class="far"><button class="dot" aria-label="En"></button>'
    '<button class="dot" aria-label="To"></button></div>'
    '<div class="scroller" tabindex="0" role="region" aria-label="Bred">'
    '<div class="wide"></div></div>'
)


def test_a_page_without_faults_has_none_in_any_look(look: Looking) -> None:
    seen = look(page(GOOD), looks=LOOKS, keep=True)
    assert seen.findings == [], table(seen.findings)
    assert (seen.pages, seen.looks, len(seen.shots)) == (1, 4, 4)
    assert all(shot.stat().st_size > 1000 for shot in seen.shots)


@pytest.mark.parametrize(
    ("body", "kind", "what"),
    [
        ('<input name="q">', "structure", "no label: input[name=q]"),
        ('<p id="a">En</p><p id="a">To</p>', "structure", "the id a stands twice"),
        ("<h1>Enda en</h1>", "structure", "2 h1 elements"),
        ("<script>1</script>", "csp", "script-src-elem refuses inline"),
        ('<p style="color: red">Rød</p>', "csp", "style-src-attr refuses inline"),
        ('<script src="/throws.js"></script>', "console", "planted"),
        ('<script src="/complains.js"></script>', "console", "planted"),
        ('<button>En</button><script src="/late.js"></script>', "console", "planted late"),
        ('<img src="/gone.png" alt="">', "network", "404: "),
        ('<img src="http://other.invalid/a.png" alt="">', "csp", "img-src"),
        ('<a href="/gone">Borte</a>', "link", "leads to 404: /gone"),
        ('<a href="#gone">Borte</a>', "link", "#gone is not on the page"),
        ('<a href="/x?a=1#gone">Borte</a>', "link", "#gone is not on /x"),
        ('<img src="/page.css">', "axe", "image-alt"),
        ('<div class="wide"></div>', "overflow", "sticks out of the window: div.wide"),
        ('<div class="wide"></div>', "overflow", "px too wide"),
        ('<div class="scroller"><div class="wide"></div></div>', "overflow", "no key reaches it"),
        (
            '<a href="/x">En</a><div class="bar"></div>',
            "focus",
            "focus is covered: a «En» by div.bar",
        ),
        ('<button class="away">Borte</button>', "focus", "focus cannot be seen: button.away"),
        ('<button class="bare">Bar</button>', "focus", "focus leaves no mark: button.bare"),
        (
            '<button id="trap">Felle</button><script src="/traps.js"></script>',
            "focus",
            "Tab does not leave button#trap",
        ),
        (
            '<button class="dot" aria-label="En"></button>'
            '<button class="dot" aria-label="To"></button>',
            "targets",
            "14×14 px, too near another: button.dot «En»",
        ),
        ("<p>Outgoing payments</p>", "language", "left in en: «Outgoing payments»"),
        ("<p>12 lines are on hold.</p>", "language", "left in en"),
        ('<nav aria-label="Main menu">Meny</nav>', "language", "left in en: «Main menu»"),
        ("<p>Account number is wrong</p>", "language", "left in en"),
        ("<p>This is what you have not written yet.</p>", "language", "seems to be in en"),
        ("<p>%(n)s linjer</p>", "raw", "%(n)s linjer"),
        ("<p>Betalt: None</p>", "raw", "Betalt: None"),
        ("<td>None</td>", "raw", "None"),
        ("<p>{{ beløp }}</p>", "raw", "{{ beløp }}"),
        ('<button title="undefined">Knapp</button>', "raw", "undefined"),
    ],
)
def test_a_planted_fault_is_found(body: str, kind: str, what: str, look: Looking) -> None:
    assert what in told(look(page(body)), kind)


def test_norwegian_is_found_on_an_english_page_and_english_is_not(look: Looking) -> None:
    seen = look(
        page("<p>Betalinger ut</p><p>Outgoing payments</p>", lang="en", title="Trial"),
        language="en",
    )
    assert told(seen, "language") == "", "«Betalinger ut» is no text of the catalogue"
    norwegian = words.known().norwegian("Outgoing payments")
    seen = look(page(f"<p>{norwegian}</p>", lang="en", title="Trial"), "/y", language="en")
    assert told(seen, "language") == f"left in nb: «{norwegian}»"


def test_none_that_begins_an_english_sentence_is_no_fault(look: Looking) -> None:
    text = "None of the chosen payments waits for your approval; you may have given it."
    assert look(page(f"<p>{text}</p>", lang="en", title="Trial"), language="en").findings == []


@pytest.mark.parametrize(
    ("text", "kind", "what"),
    [
        (page(title=""), "structure", "1 title elements, or an empty one"),
        (page(h1=""), "structure", "0 h1 elements"),
        (page(lang="en"), "language", "html lang is «en»"),
        (page(lang=""), "language", "html lang is «»"),
    ],
)
def test_a_page_without_its_frame_is_found(text: str, kind: str, what: str, look: Looking) -> None:
    assert what in told(look(text), kind)


def test_a_request_to_another_host_is_found_where_the_policy_lets_it_through(look: Looking) -> None:
    seen = look(page('<img src="http://other.invalid/a.png" alt="">'), "/lax")
    assert "asks another host: http://other.invalid/a.png" in told(seen, "network")


def test_a_fault_of_one_look_is_told_of_that_look_alone(look: Looking) -> None:
    seen = look(page('<p class="faint">Svak</p><div class="wide-when-narrow"></div>'), looks=LOOKS)
    dark = {finding.look for finding in seen.findings if finding.kind == "axe"}
    narrow = {finding.look for finding in seen.findings if finding.kind == "overflow"}
    assert dark == {"dark-1280", "dark-320"}
    assert narrow == {"dark-320", "light-320"}


def test_an_answer_that_was_not_expected_is_found(look: Looking) -> None:
    assert told(look(page(), "/a", status=404), "status") == "answers 404, not 200"
    assert told(look(page(), "/b", status=500), "status") == "answers 500, not 200"
    assert look(page("<p>Nei</p>"), "/c", status=403, expected=403).findings == []
    assert "an empty page" in told(look("", "/d", status=405, expected=405), "status")


def test_the_same_page_is_looked_at_once_and_another_language_is_another_page(
    look: Looking,
) -> None:
    token = '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
    assert look(page(token.format("a" * 64)), "/a").looks == 1
    again = look(page(token.format("b" * 64)), "/b")
    assert (again.looks, again.same) == (0, 1)
    assert look(page("<p>Annet</p>"), "/c").looks == 1
    assert look(page(token.format("a" * 64)), "/a", language="en").looks == 1


def test_a_page_with_many_links_is_walked_from_both_ends(look: Looking) -> None:
    links = "".join(f'<p><a href="/x#{n}" id="{n}">Lenke {n}</a></p>' for n in range(200))
    seen = look(page(f'{links}<button class="bare">Siste</button>'))
    assert "focus leaves no mark: button.bare «Siste»" in told(seen, "focus")


def test_what_is_known_is_excused_and_nothing_else() -> None:
    one = Finding(
        "overflow", "the page is 12 px too wide", "payments:list", "all", "nb", "light-320"
    )
    other = Finding("overflow", "the page is 12 px too wide", "payments:detail[held]")
    known = [Known("overflow", "payments:list", r"the page is \d+ px too wide")]
    assert unknown([one, other], known) == [other]
    assert "2 × the page is 12 px too wide" in table([one, other])
