"""Servers and a database of a benchmark's own, which end with it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def standing() -> Iterator[tuple[Path, Any]]:
    """The folder of the servers and the database's addresses; the environment is set, the tables
    are made, and Django is not set up yet."""
    from portal.demo import bootstrap
    from portal.demo.servers import Postgres, Valkey
    from tests.benchmarks.pipeline import _migrate

    with contextlib.ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="kvitt-bench-")))
        postgres = held.enter_context(Postgres(folder / "postgres", durable=False))
        valkey = held.enter_context(Valkey(folder / "valkey", durable=False))
        urls = bootstrap.prepare_database(postgres.url(), "bench", passwords=folder / "words.json")
        os.environ |= bootstrap.database_environment(urls)
        os.environ |= bootstrap.secrets_in(folder / "secrets.json")
        os.environ |= {
            "REDIS_URL": valkey.url(),
            "KVITT_DEMO": "1",
            "KVITT_DATA_DIR": str(folder),
            "KVITT_LOG_LEVEL": "ERROR",
            "DJANGO_SETTINGS_MODULE": "portal.settings",
        }
        _migrate(urls.owner)
        yield folder, urls
