"""Servers and a database of a benchmark's own, which end with it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def standing(*, durable: bool = False) -> Iterator[tuple[Path, Any]]:
    """The folder of the servers and the database's addresses; the environment is set, the tables
    are made, and Django is not set up yet. A `durable` database waits for its disk, as one in
    production does."""
    from portal.demo import bootstrap
    from portal.demo.servers import Postgres, Valkey

    with contextlib.ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="kvitt-bench-")))
        postgres = held.enter_context(Postgres(folder / "postgres", durable=durable))
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
        environment = os.environ | {"DATABASE_URL": urls.owner}
        command = [sys.executable, "manage.py", "migrate", "--no-input", "-v", "0"]
        subprocess.run(command, check=True, env=environment)
        yield folder, urls
