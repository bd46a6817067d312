"""Goes from place to place as one person after another, and gathers what the eye finds.

The same page (but for tokens and the name of who looks) is looked at once, whoever gets it.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Error

from tests.browser.eye import Care, Eye
from tests.browser.findings import Finding, Look
from tests.browser.places import Place, Visit
from tests.browser.scene import ALL, NOBODY, STRANGER
from tests.browser.site import Site

TOKENS = re.compile(
    r'(name="csrfmiddlewaretoken" value=")[^"]*'
    r"|(<code>)[0-9a-f]{12}(?=</code>)"  # the reference of an error page
    r'|(name="next" value=")[^"]*'  # where one came from
    r'|(data-code-of="[^"]*">)\d+|\b\d{1,2} (?:sekund(?:er)?|seconds?)\b'
)
STOPS, STOPS_QUICK = 80, 40  # how far a page is walked by keyboard, each way
STEPS_MAX, FORBIDDEN, OF_A_KIND = 5, 403, 10
PAINTED = """() => new Promise((done) => {
  window.scrollTo(0, 0);
  requestAnimationFrame(() => requestAnimationFrame(done));
})"""
TIMEOUT_MS = 120_000  # a busy machine is slow, and that is no fault of a page
JUDGED, NARROW = "nb", 320
DOWNLOAD, EMPTY = "Download is starting", "ERR_HTTP_RESPONSE_CODE_FAILURE"


@dataclass
class Seen:
    """What came of one or many places: findings, and how much was done."""

    findings: list[Finding] = field(default_factory=list)
    shots: list[Path] = field(default_factory=list)
    pages: int = 0
    same: int = 0
    looks: int = 0
    links: int = 0

    def add(self, other: Seen) -> None:
        self.findings += other.findings
        self.shots += other.shots
        self.pages += other.pages
        self.same += other.same
        self.looks += other.looks
        self.links += other.links


class Register(Protocol):
    """Whether a page is seen, or a link asked, for the first time; each fingerprint is new once."""

    def new(self, fingerprint: str) -> bool: ...


class InMemory:
    """For one process."""

    def __init__(self) -> None:
        self.known: set[str] = set()

    def new(self, fingerprint: str) -> bool:
        new = fingerprint not in self.known
        self.known.add(fingerprint)
        return new


class InFolder:
    """For several processes: whoever makes the file first looks at the page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new(self, fingerprint: str) -> bool:
        try:
            (self.folder / fingerprint).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def fingerprint(page: str, language: str, names: Iterable[str]) -> str:
    """The same for pages that differ only in tokens and in who looks at them."""
    plain = TOKENS.sub(lambda found: next(filter(None, found.groups()), ""), page)
    for name in names:
        plain = plain.replace(html.escape(name), "")
    return hashlib.sha256(f"{language}\n{plain}".encode()).hexdigest()


class Crawler:
    """One browser that looks at the site as anybody in it."""

    def __init__(
        self,
        browser: Any,
        site: Site,
        *,
        seen: Register | None = None,
        keep: Path | None = None,
        thorough: bool = False,
    ) -> None:
        self.browser, self.site, self.keep, self.thorough = browser, site, keep, thorough
        self.seen = seen or InMemory()
        self.asked: dict[str, Counter[str]] = {}
        self.at: Place | None = None
        self.barred: set[tuple[str, str]] = set()
        self._who: tuple[str, str] | None = None
        self._context: Any = None
        self._eye: Eye | None = None

    def crawl(
        self, places: Sequence[Place], *, role: str, language: str, looks: Sequence[Look]
    ) -> Seen:
        """All of these places as this person in this language, each in these looks."""
        total = Seen()
        for place in places:
            if place.is_for(role):
                self.at = place
                total.add(self._one(place, role, language, looks))
        return total

    def close(self) -> None:
        """Ends the browser's contexts; the browser itself is its maker's to close."""
        if self._context is not None:
            self._context.close()
        self._context = self._eye = self._who = None

    def _open(self, role: str, language: str, *, apart: bool) -> Eye:
        if apart or self._eye is None or self._who != (role, language):
            self.close()
            self._context = self.browser.new_context(
                locale=f"{language}-NO", accept_downloads=False
            )
            self._context.set_default_timeout(TIMEOUT_MS)
            self._context.add_cookies(self.site.cookies(role, language))
            self._eye = Eye(self._context, self.site.url, data=self.site.scene.names)
            self._who = (role, language)
        return self._eye

    def _one(self, place: Place, role: str, language: str, looks: Sequence[Look]) -> Seen:
        if (role, place.name) in self.barred and not (self.thorough or place.apart):
            return Seen(same=1, pages=1)
        seen = Seen(pages=1)
        eye = self._open(role, language, apart=place.apart)
        visit = Visit(eye.page, self.site, role, language)
        try:
            answer = eye.open(lambda: place.go(visit))
            found = self._of_answer(place, role, answer)
            if answer is not None and "html" in answer.headers.get("content-type", ""):
                found += self._look(place, visit, looks, seen)
        except Error as error:
            found = self._broken(error.message)
            answer = None
        if self._turned_away(place, role, answer, seen):
            self.barred.add((role, place.name))
        seen.findings += [_placed(one, place, role, language) for one in found]
        if place.apart:
            self.close()
        return seen

    @staticmethod
    def _turned_away(place: Place, role: str, answer: Any, seen: Seen) -> bool:
        """Whether all other objects at this address would answer the same: the role opens none."""
        outside = role in (STRANGER, NOBODY) and bool(seen.same)
        forbidden = answer is not None and answer.status == FORBIDDEN and place.name[0].isalpha()
        return outside or forbidden

    def _broken(self, message: str) -> list[Finding]:
        if DOWNLOAD in message:
            return []
        self.close()  # a new page is surer than one that shows the browser's own error
        if EMPTY in message:
            return [
                Finding("status", "an empty page: it says neither what happened nor what to do")
            ]
        return [Finding("broken", message[:300])]

    @staticmethod
    def _of_answer(place: Place, role: str, answer: Any) -> list[Finding]:
        """Whether the place was reached: only the richest view can tell what it should answer."""
        status = answer.status if answer is not None else None
        judged = role == ALL or (role == NOBODY and place.apart)
        if judged and place.status is not None and status != place.status:
            return [Finding("status", f"answers {status}, not {place.status}")]
        if status is not None and status >= 500 and status != place.status:
            return [Finding("status", f"answers {status}")]
        return []

    def _look(self, place: Place, visit: Visit, looks: Sequence[Look], seen: Seen) -> list[Finding]:
        assert self._eye is not None
        eye, role, language = self._eye, visit.role, visit.language
        eye.turn(looks[0])
        if not self.seen.new(fingerprint(eye.page.content(), language, self.site.names(role))):
            seen.same = 1
            return []
        found = eye.whole(language)
        found += self._links(eye.links(), role, seen)
        for look in looks:
            care = self._care(place, role, language, look)
            if not care:
                continue
            if place.fleeting and seen.looks:
                found += eye.said()
                eye.open(lambda: place.go(visit))
                eye.whole(language)
            if self.keep is not None:
                eye.turn(look)
                seen.shots.append(self._shot(place, role, language, look))
            found += eye.look(look, care=care, stops=STOPS if self.thorough else STOPS_QUICK)
            seen.looks += 1
        return found + eye.said()

    def _care(self, place: Place, role: str, language: str, look: Look) -> Care:
        """All; or quick: colours and keyboard in the richest view and one language, of each
        scheme its colours once, Tab at the one width and Shift+Tab at the other; axe's rules once,
        in that language; elsewhere the shape.
        """
        if self.thorough:
            return Care.ALL
        judged = language == JUDGED and (role == ALL or place.apart)
        wide = look.width > NARROW
        if look.scheme == "dark":
            return Care.COLOURS if judged and wide else Care(0)
        if judged:
            way = Care.FORWARDS if wide else Care.BACKWARDS
            once = Care.COLOURS if wide else Care(0)  # no width changes a colour
            return Care.RULES | Care.SHAPE | way | once
        return Care.RULES | Care.SHAPE if wide and language == JUDGED else Care.SHAPE

    def _links(self, links: Iterable[str], role: str, seen: Seen) -> list[Finding]:
        """Each link once for each person must lead to a page; quick: a few of those alike."""
        asked = self.asked.setdefault(role, Counter())
        cookies = {one["name"]: one["value"] for one in self._context.cookies()}
        found = []
        for link in links:
            shape = re.sub(r"\d+", "N", link)
            if asked[shape] >= OF_A_KIND and not self.thorough:
                continue
            if not self.seen.new(fingerprint(link, role, ())):
                continue
            asked[shape] += 1
            seen.links += 1
            status, body = self._lead(link, cookies)
            parts = urlsplit(link)
            if status >= 300:
                found.append(Finding("link", f"leads to {status}: {parts.path}"))
            elif parts.fragment and f'id="{parts.fragment}"' not in body:
                found.append(Finding("link", f"#{parts.fragment} is not on {parts.path}"))
        return found

    def _lead(self, link: str, cookies: dict[str, str]) -> tuple[int, str]:
        """Where a link ends after its redirects: status and page."""
        status, body, path = 0, "", link
        for _step in range(STEPS_MAX):
            parts = urlsplit(path)
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            status, onwards, body = self.site.ask(target, cookies)
            if not (300 <= status < 400 and onwards):
                break
            path = urljoin(path, onwards)
        return status, body

    def _shot(self, place: Place, role: str, language: str, look: Look) -> Path:
        assert self.keep is not None
        assert self._eye is not None
        path = self.keep / role / f"{file_name(str(place))}-{language}-{look}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._eye.page.evaluate(PAINTED)  # the look has been taken on, as a person would see it
        self._eye.page.screenshot(path=path, full_page=True)
        return path


def file_name(place: str) -> str:
    """A place as part of a file's name."""
    return re.sub(r"[^\w-]+", "-", place).strip("-")


def _placed(one: Finding, place: Place, role: str, language: str) -> Finding:
    return Finding(one.kind, one.what, str(place), role, language, one.look)
