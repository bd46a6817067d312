"""A person without a mouse: goes through pages by Tab, Enter, Space and letters alone."""

from __future__ import annotations

import re
from typing import Any

FOCUSED = """(elements) => {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return elements.includes(at);
}"""


class TooFar(AssertionError):
    """What was sought is not reached within the Tabs that a person would bear."""


class Keyboard:
    """The keys of one page. `most` is how many Tabs any one thing may be away; `tabs` is the sum.

    Things are named by role and accessible name, as a screen reader would say them.
    """

    def __init__(self, page: Any, *, most: int = 30) -> None:
        self.page, self.most, self.tabs = page, most, 0

    def to(self, role: str, name: str | re.Pattern[str], *, back: bool = False) -> None:
        """Tabs on (or back) until it has the focus; raises TooFar."""
        sought = self.page.get_by_role(role, name=name, exact=isinstance(name, str))
        for _tab in range(self.most + 1):
            if sought.evaluate_all(FOCUSED):
                return
            self.page.keyboard.press("Shift+Tab" if back else "Tab")
            self.tabs += 1
        there = sought.count()
        raise TooFar(f"{role} «{name}» ({there} on the page) is not within {self.most} Tabs")

    def follow(self, name: str | re.Pattern[str]) -> None:
        """Goes to a link and opens it."""
        self.to("link", name)
        self._enter()

    def push(self, name: str | re.Pattern[str]) -> None:
        """Goes to a button that leads on to a page, and presses it."""
        self.to("button", name)
        self._enter()

    def tick(self, name: str | re.Pattern[str]) -> None:
        """Goes to a box and ticks it."""
        self.to("checkbox", name)
        self.page.keyboard.press("Space")
        assert self.page.evaluate("document.activeElement.checked"), f"«{name}» is not ticked"

    def write(self, name: str | re.Pattern[str], text: str, *, send: bool = False) -> None:
        """Goes to a field and writes in it; `send` presses Enter there."""
        self.to("textbox", name)
        self.page.keyboard.type(text)
        if send:
            self._enter()

    def _enter(self) -> None:
        with self.page.expect_navigation(wait_until="load"):
            self.page.keyboard.press("Enter")
