"""Looks at one page and says what is wrong with it; knows nothing of Kvitt's addresses.

A page is opened once; what does not depend on the look (words, links, structure) is judged once,
the rest in each look: axe, overflow, focus, targets.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT

from tests.browser import words
from tests.browser.findings import Finding, Look

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]  # axe's rules that depend on the scheme
AT_ONCE = 10
LINES_OF_AXE = 3
SEES = Path(__file__).with_name("sees.js")
LISTEN = """
window.kvittRefused = [];
document.addEventListener('securitypolicyviolation', (event) => window.kvittRefused.push(
  `${event.effectiveDirective} refuses ${event.blockedURI || 'inline'} ${event.sample}`.trim()));
"""
# What sticks while one scrolls lies over something, and over what is chance: for axe it lies still.
AXE = """([type, values, without]) => {
  const sticks = [...document.querySelectorAll('main *')].filter(
    (one) => getComputedStyle(one).position === 'sticky');
  for (const one of sticks) one.style.position = 'static';
  return axe.run(document, {
  runOnly: { type, values }, resultTypes: ['violations'], preload: false,
  rules: Object.fromEntries(without.map((rule) => [rule, { enabled: false }])),
}).then((found) => found.violations.map((one) => ({
  id: one.id, help: one.help, nodes: one.nodes.map((node) => [
    node.target.flat().join(' '),
    [...node.any, ...node.all, ...node.none].map((check) => check.message).join('; '),
  ]),
}))).finally(() => { for (const one of sticks) one.style.position = ''; });
}"""
ABORTED = "net::ERR_ABORTED"
# What Chromium writes of each answer that is not 2xx: `response` tells the same, with more.
ECHO = "Failed to load resource: the server responded with a status of"


class Care(enum.Flag):
    """What of one look is judged; axe's rules on colours take three quarters of the time."""

    RULES = enum.auto()  # axe, but for colours
    COLOURS = enum.auto()
    SHAPE = enum.auto()  # overflow and targets
    FORWARDS = enum.auto()  # the walk by Tab
    BACKWARDS = enum.auto()
    ALL = RULES | COLOURS | SHAPE | FORWARDS | BACKWARDS


@functools.cache
def _script(path: Path) -> str:
    return path.read_text(encoding="utf-8")


class Eye:
    """A page of the browser, with everything it says of itself collected."""

    def __init__(self, context: Any, url: str, *, data: Iterable[str] = ()) -> None:
        """`data` are names on the pages that are of no language."""
        self.host = urlsplit(url).netloc
        self.data = sorted(data, key=len, reverse=True)
        self.heard: list[tuple[str, str]] = []
        self.on: Look | None = None
        self.page = context.new_page()
        self.page.add_init_script(LISTEN)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.heard.append(("console", str(error))))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._response)
        self.page.on("request", self._request)

    # What the browser tells while a page loads

    def _console(self, message: Any) -> None:
        if message.type not in ("error", "warning") or message.text.startswith(ECHO):
            return
        kind = "csp" if "Content Security Policy" in message.text else "console"
        self.heard.append((kind, message.text))

    def _failed(self, request: Any) -> None:
        # What a page still asked for when it was left is no fault.
        if not request.is_navigation_request() and ABORTED not in (request.failure or ""):
            self.heard.append(("network", f"failed: {request.url} {request.failure}"))

    def _response(self, response: Any) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self.heard.append(("network", f"{response.status}: {response.url}"))

    def _request(self, request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.host:
            self.heard.append(("network", f"asks another host: {request.url}"))

    def open(self, go: Callable[[], Any]) -> Any:
        """Lets `go` bring the page up; its answer. What is heard from then on is this page's."""
        self.heard.clear()
        answer = go()
        self.page.wait_for_load_state("load")
        return answer

    def whole(self, language: str) -> list[Finding]:
        """What is the same in every look; the page should be in `language`."""
        page = self.page
        page.evaluate("() => document.fonts.ready.then(() => true)")
        page.evaluate(_script(SEES))
        found = [Finding("structure", text) for text in self._sees("structure")]
        found += [Finding("link", text) for text in self._sees("anchors")]
        return found + list(self._language(language))

    def said(self) -> list[Finding]:
        """What the browser has told since the page was opened; ask when all looks are done."""
        refused = self.page.evaluate("window.kvittRefused")
        heard = [*self.heard, *(("csp", text) for text in refused)]
        return [Finding(kind, text) for kind, text in dict.fromkeys(heard)]

    def _language(self, language: str) -> Iterable[Finding]:
        told = self.page.evaluate("document.documentElement.lang")
        if told != language:
            yield Finding("language", f"html lang is «{told}»")
        for text, own in self._sees("texts"):
            for name in self.data:
                text = text.replace(name, "")
            fault = words.raw(text)
            if fault:
                yield Finding("raw", fault)
            # What says it is in another language (the switch's own words) is judged as that.
            spoken = own if own in ("nb", "en") and own != told else language
            fault = words.known().foreign(text, spoken)
            if fault:
                yield Finding("language", fault)

    def _sees(self, what: str, argument: Any = None) -> Any:
        return self.page.evaluate(f"(argument) => kvittSees.{what}(argument)", argument)

    def links(self) -> list[str]:
        """The page's links to other pages of this site."""
        found: list[str] = self._sees("links")
        return sorted(link for link in found if urlsplit(link).netloc == self.host)

    # One look

    def turn(self, look: Look) -> None:
        """Takes on the look; it stays until the next, on other pages too."""
        if look != self.on:
            self.page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
            self.page.set_viewport_size({"width": look.width, "height": look.height})
            self.on = look
        self.page.evaluate("window.scrollTo(0, 0)")

    def look(self, look: Look, *, care: Care, stops: int) -> list[Finding]:
        """What is wrong with the open page in this look; so many stops by Tab each way."""
        self.turn(look)
        found = [("axe", text) for text in self._axe(care)]
        if Care.SHAPE in care:
            found += [(kind, text) for kind in ("overflow", "targets") for text in self._sees(kind)]
        found += [("focus", text) for text in self._walk(care, stops)]
        return [Finding(kind, text, look=str(look)) for kind, text in found]

    def _axe(self, care: Care) -> Iterable[str]:
        if not care & (Care.RULES | Care.COLOURS):
            return
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE_SCRIPT)
        only = ["tag", TAGS] if Care.RULES in care else ["rule", COLOURS]
        without = [] if Care.COLOURS in care else COLOURS
        for violation in self.page.evaluate(AXE, [*only, without]):
            nodes = violation["nodes"]
            for target, why in nodes[:LINES_OF_AXE]:
                yield f"{violation['id']}: {target}: {why}"
            if len(nodes) > LINES_OF_AXE:
                yield f"{violation['id']}: and {len(nodes) - LINES_OF_AXE} more elements"

    def _walk(self, care: Care, stops: int) -> list[str]:
        """Tab from the top and Shift+Tab from the end: is what has the focus seen?"""
        wrong: dict[str, None] = {}
        keyboard = self.page.keyboard
        for way in (Care.FORWARDS, Care.BACKWARDS):
            if way not in care:
                continue
            self._sees("begin", way is Care.BACKWARDS)
            if way is Care.BACKWARDS:
                keyboard.down("Shift")
            for stop in range(1, stops + 2):  # each is judged when the next leaves it
                keyboard.press("Tab")
                if stop % AT_ONCE == 0 and self._sees("walked")["ended"]:
                    break
            if way is Care.BACKWARDS:
                keyboard.up("Shift")
            wrong |= dict.fromkeys(self._sees("walked")["wrong"])
            self._sees("finish")
        return list(wrong)
