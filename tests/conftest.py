"""Databases, simulators and people that tests share.

Each worker clones a template database; tests that need real commits get a clone of their own,
because events refuse to be flushed. The application role is used throughout.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from django.conf import settings
from django.db import connection
from django.test import signals
from django.utils import translation
from hypothesis import settings as trials
from pytest_django import DjangoDbBlocker
from whitenoise import WhiteNoise

from portal import celery, env
from tests import kit

ROOT = Path(__file__).resolve().parent.parent
_numbers = itertools.count(1)
# How long an example takes is the machine's affair: a test fails for what is wrong, not for a pause.
trials.register_profile("kvitt", deadline=None)
trials.load_profile("kvitt")


def once(what: str, make: Callable[[], str]) -> str:
    """What the first worker to ask makes, for all of them: `make`'s words, kept for this run."""
    with (Path(os.environ["KVITT_DATA_DIR"]) / f"{what}.once").open("a+") as note:
        fcntl.flock(note, fcntl.LOCK_EX)
        note.seek(0)
        made = note.read()
        if not made:
            made = make()
            note.write(made)
    return made


def _template() -> str:
    """The migrated database that all others are cloned from."""
    return once("template", _migrated)


def _migrated() -> str:
    environment = os.environ | {"DATABASE_URL": os.environ["DATABASE_OWNER_URL"]}
    command = [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return bootstrap_name()


def bootstrap_name() -> str:
    """The name of the database that the run was given."""
    return unquote(urlsplit(os.environ["DATABASE_URL"]).path.lstrip("/"))


def clone(name: str, *, of: str = "") -> None:
    """Makes a database as a copy of the template, or of another that nobody is signed in to."""
    owner = urlsplit(os.environ["DATABASE_OWNER_URL"]).username
    kit.administer(
        f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)',
        # Copying files is quicker than logging every page, where nothing need survive a crash.
        f'CREATE DATABASE "{name}" TEMPLATE "{of or _template()}" OWNER "{owner}" STRATEGY FILE_COPY',
    )


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: object, worker_id: str) -> Iterator[None]:
    name = f"{bootstrap_name()}_{worker_id}"
    clone(name)
    connection.close()
    settings.DATABASES["default"]["NAME"] = name
    connection.settings_dict["NAME"] = name
    settings.REDIS_URL = kit.redis_url(worker_id)
    settings.CELERY_BROKER_URL = celery.app.conf.broker_url = env.broker_url(settings.REDIS_URL)
    yield
    connection.close()
    kit.administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session", autouse=True)
def _all_addresses() -> None:
    """Addresses are read once: as the demo has them, before any test turns the demo off."""
    importlib.import_module(settings.ROOT_URLCONF)


@pytest.fixture(scope="session", autouse=True)
def _static_files_once() -> Iterator[None]:
    """The static files are looked up once a process, and not for each of thousands of clients."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    look = WhiteNoise.update_files_dictionary

    def look_once(self: WhiteNoise, root: str, prefix: str) -> None:
        before = set(self.files)
        if (root, prefix) not in found:
            look(self, root, prefix)
            found[root, prefix] = {url: self.files[url] for url in set(self.files) - before}
        self.files.update(found[root, prefix])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoise, "update_files_dictionary", look_once)
        yield


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """Django's client leaves the language of its last page behind, for whichever test is next."""
    translation.deactivate()
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Any) -> None:
    """Argon2 takes a tenth of a second and 100 MiB a time; its own test sets it again."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _frame_is_the_frames() -> Iterator[None]:
    """No page gives a word of its own a name that the frame around it uses."""
    signals.template_rendered.connect(_check_frame)
    yield
    signals.template_rendered.disconnect(_check_frame)


def _check_frame(template: Any, context: Any, **_more: Any) -> None:
    if template.name != "base.html":
        return
    frame = context.dicts[context._processors_index]
    over = [name for name, value in frame.items() if context[name] is not value]
    assert not over, f"a page's own {over} hides the frame's"


@pytest.fixture
def own_database(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, worker_id: str
) -> Iterator[str]:
    """A clone of the template for one test, with real commits; gone afterwards."""
    with django_db_blocker.unblock(), own(worker_id) as name:
        yield name


@contextlib.contextmanager
def own(worker: str, *, of: str = "") -> Iterator[str]:
    """Puts Django on a clone of the template or of another; its name. It is gone afterwards."""
    name = f"{bootstrap_name()}_{worker}_{next(_numbers)}"
    clone(name, of=of)
    try:
        with on(name):
            yield name
    finally:
        kit.administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def on(name: str) -> Iterator[None]:
    """Django is on this database, and afterwards on the one before."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[kit.Bank]:
    """A simulated bank in a process of its own, that works only when told to."""
    with kit.Bank(tmp_path / "bank") as running:
        yield running
