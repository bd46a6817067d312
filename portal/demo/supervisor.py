"""What `./run` does once there is a virtualenv: servers, set-up, then the programs under one watch.

It holds the table of programs and how they live and die together; what they do is not its affair.
"""

from __future__ import annotations

import argparse
import collections
import fcntl
import http.client
import json
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, NoReturn
from urllib.parse import unquote, urlsplit

from portal.demo import bootstrap
from portal.demo.bootstrap import ROOT, SetupFailed
from portal.demo.guardian import guarded, heard
from portal.demo.servers import Postgres, Server, Valkey, child_setup, free_port, is_free


class Program(NamedTuple):
    """A program of the stack: its name in the output, and what `python` is given."""

    name: str
    command: str


BANK = Program(
    "bank", "-m banking.simbank --data {data}/bank --sftp-port {sftp} --control-port {control}"
)
WEB = Program(
    "web",
    "-m gunicorn portal.wsgi:application --bind 127.0.0.1:{web} --no-control-socket"
    " --workers 2 --worker-class gthread --threads 4 --timeout 120 --graceful-timeout 3",
)
PROGRAMS = (
    Program(
        "worker",
        "-m celery -A portal.celery worker -Q default,bank -c 2 --loglevel INFO"
        " --without-gossip --without-mingle",
    ),
    # Exports and the like, apart: however many people ask for, nothing of the money waits for them.
    Program(
        "jobs",
        "-m celery -A portal.celery worker -Q jobs -c 1 --loglevel INFO"
        " --without-gossip --without-mingle -n jobs@%h",
    ),
    Program("beat", "-m celery -A portal.celery beat --schedule {data}/beat --pidfile="),
    Program("erp", "-m portal.simerp serve --data {data}/erp --portal {portal} --port {erp}"),
)
MIGRATE = Program("migrate", "manage.py migrate --no-input")
TRANSLATIONS = Program("translations", "-m portal.translations compile")
ASSETS = Program("assets", "-m portal.assets build")
STATIC = Program("static", "manage.py collectstatic --no-input")
LOAD = Program("demo", "manage.py demo load signins")

# What `stack.json` tells of the environment, under the same names in lower case.
TOLD = "KVITT_BASE_URL KVITT_DATA_DIR SIMBANK_CONTROL_URL SIMBANK_SFTP_PORT SIMERP_URL"
TOLD += " DATABASE_URL DATABASE_OWNER_URL REDIS_URL"
FIRST_PORT = 8000
READY_SECONDS, STOP_SECONDS, TAIL_LINES = 90.0, 4.0, 30  # what has not stopped then is killed


class StopAsked(Exception):
    """Somebody pressed Ctrl-C, or sent SIGTERM or SIGHUP."""


class ProgramEnded(Exception):
    """A program that should run on has ended, or a step of the set-up has failed."""


class Child:
    """A started program, with its output split into lines."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], *, runs_on: bool) -> None:
        self.name = name
        self.process = process
        self.runs_on = runs_on
        self.tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self.quiet, self.rest = False, b""

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def last_words(self) -> str:
        """A sentence about its end, with its last lines."""
        code = self.process.poll()
        lines = "\n".join(f"    {line}" for line in self.tail) or "    (it said nothing)"
        how = f"was killed by signal {-code}" if code and code < 0 else f"ended with code {code}"
        return f"{self.name} {how}. Its last lines:\n{lines}"


class Supervisor:
    """Starts programs, passes their output on, and stops all of them when one ends.

    One thread only: between fork and exec nothing may wait for another thread's lock.
    """

    def __init__(self, logs: Path, out: IO[str] | None = None) -> None:
        self.logs = logs
        self.out: IO[str] | None = out or sys.stdout
        self.children: list[Child] = []
        self.servers: list[Server] = []
        self._selector = selectors.DefaultSelector()
        self._asked = False
        logs.mkdir(parents=True, exist_ok=True)

    def listen(self) -> None:
        """From now on Ctrl-C, SIGTERM and SIGHUP end the next wait with `StopAsked`."""
        for number in heard():
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:
        self._asked = True

    def serve(self, server: Server) -> None:
        """Starts a database server; it is watched, and stopped after all programs."""
        self.servers.append(server)
        server.start()

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str], *, runs_on: bool = True
    ) -> Child:
        """Starts a program in a session of its own; its output goes to `logs` too."""
        (self.logs / f"{name}.log").write_bytes(b"")
        process = subprocess.Popen(
            command,
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=child_setup(signal.SIGKILL),
        )
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        child = Child(name, process, runs_on=runs_on)
        self.children.append(child)
        self._selector.register(process.stdout, selectors.EVENT_READ, child)
        return child

    def finish(self, children: Iterable[Child]) -> None:
        """Waits for steps to end; raises `ProgramEnded` when one fails."""
        for child in children:
            self.until(child.has_ended, child.name)
            self._read(child)
            self.children.remove(child)
            if child.process.returncode:
                raise ProgramEnded(child.last_words())

    def until(self, ready: Callable[[], bool], what: str, seconds: float = 600.0) -> None:
        """Passes output on until `ready` says so."""
        deadline = time.monotonic() + seconds
        while not ready():
            self.pump(0.03)
            if time.monotonic() > deadline:
                raise ProgramEnded(f"{what} was not ready within {seconds:.0f} seconds.")

    def watch(self) -> NoReturn:
        """Passes output on until something ends: `ProgramEnded` or `StopAsked`."""
        while True:
            self.pump(0.2)

    def pump(self, seconds: float) -> None:
        """Passes on what the programs say within this time, and looks after their health."""
        if self._asked:
            raise StopAsked
        for key, _ in self._selector.select(seconds):
            self._read(key.data)
        for child in self.children:
            if child.runs_on and child.has_ended():
                self._read(child)
                raise ProgramEnded(child.last_words())
        for server in self.servers:
            if server.poll() is not None:
                raise ProgramEnded(f"{server.name} has ended. Its last lines:\n{server.tail()}")

    def _read(self, child: Child) -> None:
        stream = child.process.stdout
        assert stream is not None
        while not stream.closed:
            piece = stream.read(65536)
            if piece is None:  # nothing more for now
                return
            lines = (child.rest + piece).split(b"\n")
            child.rest = lines.pop()
            if not piece:
                lines += [child.rest] if child.rest else []
                self._selector.unregister(stream)
                stream.close()
            with (self.logs / f"{child.name}.log").open("ab") as log:
                log.writelines(line + b"\n" for line in lines)
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                child.tail.append(text)
                if not child.quiet:
                    self.say(f"{child.name:<12} | {text}")

    def say(self, text: str) -> None:
        """Prints a line; a reader that has gone away means that we should stop."""
        if self.out is None:
            return
        try:
            print(text, file=self.out, flush=True)
        except OSError:
            self.out = None
            self._asked = True

    def stop(self) -> None:
        """Ends the programs, then the servers, in good order; by force after `STOP_SECONDS`."""
        running = [child for child in self.children if not child.has_ended()]
        for child in running:
            child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        while not all(c.has_ended() for c in running) and time.monotonic() < deadline:
            for key, _ in self._selector.select(0.05):
                self._read(key.data)
        for child in self.children:
            try:
                os.killpg(child.process.pid, signal.SIGKILL)
            except ProcessLookupError:  # the whole session has ended, as it should
                continue
            finally:
                child.process.wait()
                self._read(child)
        self.children.clear()
        while self.servers:
            self.servers.pop().stop()


class Ports(NamedTuple):
    """Where the programs listen, all on the loopback address."""

    web: int
    sftp: int
    control: int
    erp: int


class Stack:
    """One running Kvitt: everything it keeps is under `data`, everything it runs under `watch`."""

    def __init__(self, data: Path, *, port: int | None) -> None:
        self.data = data
        self.watch = Supervisor(data / "logs")
        self.ports = self._choose_ports(port)
        self.base_url = f"http://localhost:{self.ports.web}"
        self.env = clean_environment() | {
            "KVITT_DEMO": "1",
            "KVITT_DATA_DIR": str(data),
            "KVITT_BASE_URL": self.base_url,
            "SIMBANK_CONTROL_URL": f"http://127.0.0.1:{self.ports.control}",
            "SIMBANK_SFTP_PORT": str(self.ports.sftp),
            "SIMERP_URL": f"http://127.0.0.1:{self.ports.erp}",
        }

    def up(self, *, reset: bool) -> None:
        """Brings everything up, in the order in which one thing needs another."""
        began = time.monotonic()
        watch, bank_ready = self.watch, self.data / "bank" / "ready.json"
        admin_url, name, redis_url = self._servers()
        if reset:
            bootstrap.drop_own_database(admin_url, name)
        bank_ready.unlink(missing_ok=True)
        assets = self._start(ASSETS, self.env, runs_on=False)
        self._start(BANK, self.env)  # an outsider: it gets none of our secrets
        urls = bootstrap.prepare_database(admin_url, name, passwords=self.data / "passwords.json")
        env = self.env | {"REDIS_URL": redis_url} | bootstrap.database_environment(urls)
        env |= bootstrap.secrets_in(self.data / "secrets.json")
        steps = [self._start(MIGRATE, env | {"DATABASE_URL": urls.owner}, runs_on=False)]
        watch.finish([assets])  # its files are among those that the next steps read
        done = bootstrap.Done(self.data / "steps.json")
        for step, files in self._inputs().items():
            if not done.same(step.name, files):
                steps.append(self._start(step, env, runs_on=False))
        watch.finish(steps)
        done.note({step.name: files for step, files in self._inputs().items()})
        watch.until(bank_ready.exists, "The simulated bank", READY_SECONDS)
        self._start(WEB, env)  # it loads its code on one core while the data load on the other
        load = self._start(LOAD, env, runs_on=False)
        load.quiet = True  # who can sign in is told last
        watch.finish([load])
        for program in PROGRAMS:
            self._start(program, self.env if program.name == "erp" else env)
        watch.until(lambda: answers_200(self.ports.web, "/healthz"), "The web", READY_SECONDS)
        watch.until(lambda: not is_free(self.ports.erp), "The simulated ERP", READY_SECONDS)
        self._write_ready(env)
        took = time.monotonic() - began
        words = (watch.logs / "demo.log").read_text().rstrip()
        watch.say(f"\nKvitt is ready at {self.base_url} ({took:.1f} s)\n\n{words}\n")
        watch.say("Ctrl-C stops everything; ./run --reset starts over.\n")

    def down(self) -> None:
        """Stops everything."""
        (self.data / "stack.json").unlink(missing_ok=True)
        self.watch.stop()

    def _start(self, program: Program, env: Mapping[str, str], *, runs_on: bool = True) -> Child:
        places = self.ports._asdict() | {"data": self.data, "portal": self.base_url}
        words = [word.format(**places) for word in shlex.split(program.command)]
        return self.watch.start(program.name, [sys.executable, *words], env, runs_on=runs_on)

    def _servers(self) -> tuple[str, str, str]:
        """The administrator's address and the database's name, and Redis: given, or our own."""
        given = os.environ.get("REDIS_URL")
        if given is None:
            valkey = Valkey(self.data / "valkey", log=self.watch.logs / "valkey.log")
            self.watch.serve(valkey)
            given = valkey.url()
        url = os.environ.get("DATABASE_URL")
        if url is None:
            postgres = Postgres(self.data / "postgres", log=self.watch.logs / "postgres.log")
            self.watch.serve(postgres)
            return postgres.url(), "kvitt", given
        name = unquote(urlsplit(url).path.lstrip("/"))
        return url, "kvitt" if name in {"", "postgres", "template1"} else name, given

    def _choose_ports(self, wanted: int | None) -> Ports:
        """Those of the last time where they are free: data in the portal may name them."""
        note = self.data / "ports.json"
        last = json.loads(note.read_text()) if note.exists() else {}
        if wanted and not is_free(wanted):
            raise SetupFailed(f"Port {wanted} is taken. Give another with --port, or none.")
        web = wanted or next(filter(is_free, range(FIRST_PORT, FIRST_PORT + 1000)))
        for key in ("sftp", "control", "erp"):
            if last.get(key) == web or not is_free(last.get(key, 0)):
                last[key] = free_port()
        ports = Ports(**last | {"web": web})
        note.write_text(json.dumps(ports._asdict()))
        return ports

    def _inputs(self) -> dict[Program, list[Path]]:
        """The steps that are left out when nothing changed: what each reads, and has made."""
        static = [*(ROOT / "static").rglob("*"), ROOT / "portal" / "settings.py"]
        static += [*bootstrap.LOCKS.values(), self.data / "static" / "staticfiles.json"]
        return {TRANSLATIONS: [*ROOT.glob("portal/locale/*/*/*.[pm]o")], STATIC: static}

    def _write_ready(self, env: Mapping[str, str]) -> None:
        """`stack.json`: what another program needs to know of this one, once it can be used."""
        pids = {child.name: child.process.pid for child in self.watch.children if child.runs_on}
        pids |= {s.name: s.process.pid for s in self.watch.servers if s.process is not None}
        facts: dict[str, object] = {"pids": {"supervisor": os.getpid(), **pids}}
        facts |= {key.lower().removeprefix("kvitt_"): env[key] for key in TOLD.split()}
        bootstrap.write_secret(self.data / "stack.json", json.dumps(facts, indent=1))


def clean_environment() -> dict[str, str]:
    """Ours, less what would slow or mislead the programs, and less an administrator's address."""
    without = "PYTHONDONTWRITEBYTECODE PYTHONSAFEPATH DJANGO_SETTINGS_MODULE DATABASE_URL REDIS_URL"
    kept = {name: value for name, value in os.environ.items() if name not in without.split()}
    return kept | {"PYTHONUNBUFFERED": "1"}


def answers_200(port: int, path: str) -> bool:
    """Whether the web answers; one second is enough to ask again."""
    connection = http.client.HTTPConnection("localhost", port, timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):  # not listening yet, or still loading
        return False
    finally:
        connection.close()


def hold(data: Path) -> IO[str]:
    """The lock of a data folder, held as long as the file is open by us or our children's guard."""
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        ready = data / "stack.json"
        where = f" at {json.loads(ready.read_text())['base_url']}" if ready.exists() else ""
        raise SetupFailed(
            f"Kvitt is already running with the data in {data}{where}. "
            "Stop that one first (Ctrl-C), or give this one --data with another folder."
        ) from error
    return lock


def main(arguments: Sequence[str]) -> int:
    """Returns 0 when it was asked to stop, 1 when something failed."""
    parser = argparse.ArgumentParser(prog="./run", description="Starts Kvitt with demo data.")
    parser.add_argument("--data", type=Path, default=ROOT / ".kvitt", help="where all data is kept")
    parser.add_argument("--port", type=int, help="of the portal; else the first free from 8000")
    parser.add_argument("--reset", action="store_true", help="throw the data away first")
    parser.add_argument(
        "manage",
        nargs=argparse.REMAINDER,
        help="manage WORDS: a management command in the stack that runs, as manage bankfile aside",
    )
    options = parser.parse_args(arguments)
    data = options.data.absolute()
    if options.manage[:1] == ["manage"]:
        return manage(data, options.manage[1:])
    if options.manage:
        parser.error(f"unknown: {' '.join(options.manage)}")
    try:
        with hold(data):
            return guarded(lambda: run(data, port=options.port, reset=options.reset))
    except SetupFailed as failure:
        print(f"{failure}", file=sys.stderr)
        return 1


def manage(data: Path, words: Sequence[str]) -> int:
    """Runs a management command in the stack that runs with this data; answers its exit code."""
    ready = data / "stack.json"
    if not ready.exists():
        told = f"Kvitt is not running with the data in {data}. Start it with ./run first."
        print(told, file=sys.stderr)
        return 1
    facts = json.loads(ready.read_text())
    known = {name: str(facts[name.lower().removeprefix("kvitt_")]) for name in TOLD.split()}
    env = clean_environment() | bootstrap.secrets_in(data / "secrets.json") | known
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(command, cwd=ROOT, env=env | {"KVITT_DEMO": "1"}, check=False).returncode


def run(data: Path, *, port: int | None, reset: bool) -> int:
    """Runs the stack until it is asked to stop or something in it ends."""
    for entry in data.iterdir() if reset else ():
        if entry.name != "lock":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    (data / "stack.json").unlink(missing_ok=True)
    stack, ended = Stack(data, port=port), ""
    try:
        stack.watch.listen()
        stack.up(reset=reset)
        stack.watch.watch()
    except StopAsked:
        stack.watch.say("Stopping.")
    except (ProgramEnded, SetupFailed) as failure:
        ended = f"\nKvitt has stopped: {failure}"
    finally:
        stack.down()
    if not ended:
        return 0
    print(ended, file=sys.stderr)  # last, where it is read
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
