"""The browser on this machine: where it is, how it is started, and one run of it at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
MISSING = "there is no Chromium on this machine"


def found() -> str | None:
    """Where the browser is, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextlib.contextmanager
def running() -> Iterator[Any]:
    """The browser, by Playwright; raises AssertionError where there is none."""
    from playwright.sync_api import sync_playwright

    path = found()
    assert path is not None, MISSING
    # Playwright runs an event loop in this thread; Django's guard against that is not meant for us.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
