"""The real web server as a process, for tests that need a socket."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from portal.demo import bootstrap
from tests import kit


@contextlib.contextmanager
def running(
    database: str,
    *,
    application: str = "portal.wsgi:application",
    workers: int = 1,
    log: Path = Path(os.devnull),
    **more: str,
) -> Iterator[int]:
    """The server over that database, at its own address; its port. `more` is for its environment."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    url = bootstrap.with_database(os.environ["DATABASE_URL"], database)
    own = {"DATABASE_URL": url, "KVITT_BASE_URL": f"http://localhost:{port}"}
    command = f"-m gunicorn {application} --no-control-socket --workers {workers}"
    command += f" --worker-class gthread --threads 4 --bind 127.0.0.1:{port}"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *command.split()],
            cwd=kit.ROOT,
            env=os.environ | own | more,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError("the server did not start") from error
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(20)
