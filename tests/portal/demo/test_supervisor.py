"""Programs under one watch, as real processes: how they stop, and that none is ever left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from portal.demo import servers, supervisor
from portal.demo.bootstrap import SetupFailed

ROOT = Path(__file__).resolve().parents[3]

# A supervisor in miniature: its first argument is the log folder, the others are programs.
MINIATURE = """
import os, sys
from pathlib import Path
from portal.demo import supervisor
from portal.demo.supervisor import ProgramEnded, StopAsked, Supervisor, guarded

supervisor.STOP_SECONDS = 1.0

def work():
    watch = Supervisor(Path(sys.argv[1]))
    watch.listen()
    try:
        for number, source in enumerate(sys.argv[3:]):
            watch.start(f"p{number}", [sys.executable, "-c", source, sys.argv[2]], os.environ)
        watch.until(lambda: len(list(Path(sys.argv[1]).glob("up-*"))) == len(sys.argv) - 3, "all")
        watch.say(f"ready {os.getpid()}")
        watch.watch()
    except StopAsked:
        return 0
    except ProgramEnded as ended:
        watch.say(str(ended))
        return 1
    finally:
        watch.stop()

sys.exit(guarded(work))
"""
UP = "import os, pathlib, signal, subprocess, sys, time; mark = sys.argv[1]; "
READY = "pathlib.Path(mark, f'up-{os.getpid()}').touch(); "
SLEEPER = UP + READY + "time.sleep(60)"
# Like a web server with workers: its own child knows nothing of the supervisor.
WITH_CHILD = (
    UP
    + "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', mark]); "
    + READY
    + "time.sleep(60)"
)
STUBBORN = UP + "signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY + "time.sleep(60)"
# A daemon: in a session of its own, and its parent is gone.
RUNAWAY = (
    UP
    + "subprocess.Popen([sys.executable, '-c', \"import subprocess, sys; "
    + "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', sys.argv[1]], "
    + 'start_new_session=True)", mark]).wait(); '
    + READY
    + "time.sleep(60)"
)


def marked(mark: Path) -> list[int]:
    """The living processes that carry this folder among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if os.fsencode(mark) in words:
            found.append(int(entry.name))
    return found


def wait_for(what: Callable[[], bool], seconds: float = 10.0) -> float:
    """Seconds until it was so; fails when it never was."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


def _hears_all() -> None:
    """Where the tests themselves run under nohup, their children would be deaf to SIGHUP."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def running(mark: Path, *programs: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The outer process of a miniature stack, and the number of the inner one."""
    command = [sys.executable, "-c", MINIATURE, str(mark), str(mark), *programs]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=_hears_all
    ) as outer:
        assert outer.stdout is not None
        inner = next(int(line.split()[1]) for line in outer.stdout if line.startswith("ready"))
        yield outer, inner
        wait_for(lambda: not marked(mark))


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_cleanly(tmp_path: Path, asked: signal.Signals) -> None:
    with running(tmp_path, SLEEPER, WITH_CHILD) as (outer, _):
        assert len(marked(tmp_path)) == 5
        outer.send_signal(asked)
        assert outer.wait(5) == 0


def test_a_program_that_will_not_stop_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, STUBBORN) as (outer, _):
        began = time.monotonic()
        outer.terminate()
        assert outer.wait(10) == 0
        assert 0.9 < time.monotonic() - began < 3


@pytest.mark.parametrize("program", [SLEEPER, WITH_CHILD, STUBBORN, RUNAWAY])
@pytest.mark.parametrize("killed", ["outer", "inner"])
def test_nothing_is_left_when_either_half_is_killed(
    tmp_path: Path, program: str, killed: str
) -> None:
    with running(tmp_path, program) as (outer, inner):
        os.kill(outer.pid if killed == "outer" else inner, signal.SIGKILL)
        # A runaway whose guard is dead is out of reach: only the system could follow it.
        if killed == "outer" and program is RUNAWAY:
            wait_for(lambda: len(marked(tmp_path)) == 1)
            os.kill(marked(tmp_path)[0], signal.SIGKILL)
        wait_for(lambda: not marked(tmp_path))


def test_programs_end_even_when_both_halves_are_killed_at_once(tmp_path: Path) -> None:
    with running(tmp_path, SLEEPER, STUBBORN) as (outer, inner):
        os.kill(outer.pid, signal.SIGKILL)
        os.kill(inner, signal.SIGKILL)
        wait_for(lambda: not marked(tmp_path))


def test_when_one_ends_all_end_and_its_last_lines_are_told(tmp_path: Path) -> None:
    failing = UP + READY + "time.sleep(0.3); print('the reason', flush=True); sys.exit(7)"
    with running(tmp_path, SLEEPER, failing) as (outer, _):
        assert outer.stdout is not None
        told = outer.stdout.read()
        assert outer.wait(5) == 1
    assert "p1           | the reason" in told
    assert "p1 ended with code 7. Its last lines:\n    the reason" in told
    assert (tmp_path / "p1.log").read_text() == "the reason\n"


def test_a_step_that_fails_says_so_and_one_that_works_is_over(tmp_path: Path) -> None:
    watch = supervisor.Supervisor(tmp_path, out=(tmp_path / "out").open("w"))
    works = watch.start("works", [sys.executable, "-c", "print(1)"], os.environ, runs_on=False)
    watch.finish([works])
    assert watch.children == []
    fails = watch.start("fails", [sys.executable, "-c", "1 / 0"], os.environ, runs_on=False)
    with pytest.raises(supervisor.ProgramEnded, match=r"(?s)fails ended.*ZeroDivisionError"):
        watch.finish([fails])
    watch.stop()
    assert (tmp_path / "out").read_text().startswith("works        | 1\n")


def test_what_is_not_ready_in_time_is_told(tmp_path: Path) -> None:
    watch = supervisor.Supervisor(tmp_path)
    with pytest.raises(supervisor.ProgramEnded, match="The bank was not ready within 0 seconds"):
        watch.until(lambda: False, "The bank", 0.1)


def test_a_data_folder_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    with supervisor.hold(tmp_path):
        (tmp_path / "stack.json").write_text('{"base_url": "http://localhost:8000"}')
        with pytest.raises(SetupFailed, match="already running.*at http://localhost:8000"):
            supervisor.hold(tmp_path)
    supervisor.hold(tmp_path).close()


def test_a_management_command_needs_a_stack_that_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert supervisor.main(["--data", str(tmp_path), "manage", "bankfile", "aside"]) == 1
    assert "Start it with ./run first" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        supervisor.main(["--data", str(tmp_path), "menage"])


def test_a_taken_port_is_passed_over_and_a_wanted_one_refused(tmp_path: Path) -> None:
    port = servers.free_port()
    assert servers.is_free(port)
    with HTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler):
        assert not servers.is_free(port)
        with pytest.raises(SetupFailed, match=f"Port {port} is taken"):
            supervisor.Stack(tmp_path, port=port)


def test_a_stack_keeps_its_ports(tmp_path: Path) -> None:
    port = servers.free_port()
    first = supervisor.Stack(tmp_path, port=port).ports
    assert supervisor.Stack(tmp_path, port=port).ports == first
    assert len(set(first)) == 4


def test_ready_means_an_answer_of_200() -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" else 503)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    port = servers.free_port()
    assert not supervisor.answers_200(port, "/healthz")
    with HTTPServer(("127.0.0.1", port), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        assert supervisor.answers_200(port, "/healthz")
        assert not supervisor.answers_200(port, "/other")
        server.shutdown()
        thread.join()


def test_the_programs_get_no_administrators_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://admin:word@db.example/x")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    env = supervisor.clean_environment()
    assert "DATABASE_URL" not in env
    assert "PYTHONDONTWRITEBYTECODE" not in env
