"""A real web server over a scene of its own, and browsers signed in to it as anybody there.

Static files, content security policy and middleware are the real ones; only the password is
never typed: the session is opened by Django's test client and its cookie given to the browser.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import redis
from django.conf import settings
from django.db import connection
from django.test import Client, override_settings

from portal.access import secondfactor
from portal.access.models import User
from tests import conftest, kit
from tests.browser import scene
from tests.browser.scene import NOBODY, Scene
from tests.portal.erp import servers

TRIES = 3
TOKEN = "crawl" + "0" * 27  # as long as Django's own; the cookie and the form say the same


def _signed_in(user: User) -> Client:
    """Once more where another process has just used up the same code of the same person."""
    for _n in range(TRIES - 1):
        try:
            return kit.signed_in(user)
        except secondfactor.WrongCode:
            time.sleep(1)
    return kit.signed_in(user)


@dataclass(frozen=True)
class Site:
    """Where the server is, and what stands in its database."""

    url: str
    scene: Scene

    def cookies(self, role: str, language: str) -> list[dict[str, Any]]:
        """What a browser of this person's holds, signed in since now."""
        held = {"kvitt_language": language, "kvitt_csrf": TOKEN}
        if role != NOBODY:
            with _connected(), override_settings(**scene.QUICK):
                client = _signed_in(self._user(role))
            held["kvitt_session"] = client.cookies["kvitt_session"].value
        return [{"name": name, "value": value, "url": self.url} for name, value in held.items()]

    def names(self, role: str) -> list[str]:
        """What a person is called on the pages that they see."""
        if role == NOBODY:
            return []
        with _connected():
            user = self._user(role)
        return [user.name, user.email]

    def _user(self, role: str) -> User:
        return User.objects.get(email=self.scene.people[role])

    def ask(self, path: str, cookies: dict[str, str]) -> tuple[int, str, str]:
        """A plain request with these cookies: status, where it leads on to, and the text."""
        asked = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            told = "; ".join(f"{name}={value}" for name, value in cookies.items())
            asked.request("GET", path, headers={"Cookie": told})
            answer = asked.getresponse()
            kind = answer.getheader("Content-Type", "")
            body = answer.read().decode(errors="replace") if "html" in kind else ""
            return answer.status, answer.getheader("Location", ""), body
        finally:
            asked.close()


@contextlib.contextmanager
def _connected() -> Iterator[None]:
    """Leaves no connection behind: Django keeps one apart for the browser's event loop, which
    would outlive the database that it leads to.
    """
    try:
        yield
    finally:
        connection.close()


@contextlib.contextmanager
def over_the_scene(worker: str, folder: Path) -> Iterator[tuple[str, Site]]:
    """A site over a database of its own with the scene in it, and that database's name."""
    conftest.once("scene", _filled)
    with conftest.own(worker, of=_scene()) as database, running(database, folder) as site:
        yield database, site


def _scene() -> str:
    return f"{conftest.bootstrap_name()}_scene"


def _filled() -> str:
    """Fills the database that each site gets a clone of; its facts."""
    conftest.clone(_scene())
    with conftest.on(_scene()), _quietly():
        return scene.make().written()


@contextlib.contextmanager
def running(database: str, folder: Path, *, workers: int = 2) -> Iterator[Site]:
    """The site over this database, a clone of the scene's, which Django is connected to.

    What the server writes (its log) lies in the folder.
    """
    (folder / "static").symlink_to(settings.STATIC_ROOT)
    with servers.running(
        database,
        application="tests.browser.wsgi:application",
        workers=workers,
        log=folder / "web.log",
        KVITT_DATA_DIR=str(folder),
        REDIS_URL=settings.REDIS_URL,
        SIMERP_URL="http://localhost:1",
        SIMBANK_CONTROL_URL="http://localhost:1",
    ) as port:
        try:
            yield Site(f"http://localhost:{port}", Scene.read(conftest.once("scene", _filled)))
        finally:
            # «Update now» and the like leave tasks that no worker of this database will take.
            redis.Redis.from_url(settings.REDIS_URL).flushdb()


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The scene is full of faults on purpose; what they write would hide a test's own words."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
