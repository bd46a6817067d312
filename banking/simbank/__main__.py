"""Holds the start and the clean stop of the simulated bank's process; no banking of its own."""

import argparse
import asyncio
import datetime
import fcntl
import json
import os
import signal
import sqlite3
import sys
import threading
import traceback
from pathlib import Path

from . import command, sftp
from .bank import Bank
from .control import ControlServer

STOP_SECONDS = 0.5


class Worker(threading.Thread):
    """Does the bank's round at every interval until told to stop."""

    def __init__(self, bank: Bank, interval_seconds: float) -> None:
        super().__init__(name="bank-work", daemon=True)
        self._bank = bank
        self._interval_seconds = interval_seconds
        self._stopping = threading.Event()
        self.trouble = ""

    def run(self) -> None:
        while not self._stopping.wait(self._interval_seconds):
            try:
                self._bank.work()
                self.trouble = ""
            # A full disk or busy books may pass, so the bank tries again; any other fault ends
            # this thread, and /health says so.
            except (sqlite3.Error, OSError) as fault:
                self.trouble = f"{type(fault).__name__}: {fault}"
                traceback.print_exc()

    def state(self) -> str:
        """What is wrong, or an empty string."""
        return self.trouble if self.is_alive() else "the bank's worker has stopped"

    def stop(self) -> bool:
        """Says whether the last round ended in time."""
        self._stopping.set()
        self.join(STOP_SECONDS)
        return not self.is_alive()


async def serve(arguments: argparse.Namespace) -> bool:
    data: Path = arguments.data
    bank = Bank(data, arguments.at)
    if bank.aside:
        print(f"Books of another version were put aside: {bank.aside}", file=sys.stderr)
    key = sftp.host_key(data)
    worker = Worker(bank, arguments.interval)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stop.set)
    acceptor = await sftp.listen(
        port=arguments.sftp_port,
        key=key,
        books_path=bank.path,
        channels=bank.channels,
        scripts=bank.scripts,
    )
    control = ControlServer(arguments.control_port, bank, worker.state)
    threading.Thread(target=control.serve_forever, args=(0.05,), daemon=True).start()
    worker.start()
    write_ready(
        data,
        {
            "sftp_port": acceptor.get_port(),
            "control_port": control.server_port,
            "host_key": key.export_public_key().decode().strip(),
            "pid": os.getpid(),
        },
    )
    await stop.wait()
    acceptor.close()
    control.shutdown()
    control.server_close()
    (data / "ready.json").unlink()
    return await asyncio.to_thread(worker.stop)


def write_ready(data: Path, ready: dict[str, object]) -> None:
    fresh = data / "ready.json.new"
    fresh.write_text(json.dumps(ready))
    fresh.replace(data / "ready.json")


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in command.COMMANDS:
        sys.exit(command.run(sys.argv[1:]))
    parser = argparse.ArgumentParser(
        prog="python -m banking.simbank",
        description="Starts a simulated bank on loopback. To steer one that runs: "
        f"python -m banking.simbank {{{','.join(command.COMMANDS)}}} --help",
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, metavar="DIR", help="its books, keys and files")
    add("--sftp-port", type=int, default=0, help="0: any that is free, told in DIR/ready.json")
    add("--control-port", type=int, default=0, help="HTTP: the page, and JSON for commands")
    add("--interval", type=float, default=0.5, metavar="SECONDS", help="between rounds of work")
    add(
        "--at",
        type=datetime.datetime.fromisoformat,
        metavar="MOMENT",
        help="a new bank's clock stands at this moment, Oslo time, until it is moved",
    )
    arguments = parser.parse_args()
    arguments.data = arguments.data.absolute()
    arguments.data.mkdir(parents=True, exist_ok=True)
    with (arguments.data / "lock").open("w") as lock:
        try:
            # Two banks on the same books would each trust only themselves.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"another simulated bank runs on {arguments.data}")
        # One left by a killed bank would send its customers to dead ports.
        (arguments.data / "ready.json").unlink(missing_ok=True)
        is_idle = asyncio.run(serve(arguments))
    sys.stderr.flush()
    if not is_idle:
        # A long round is left as a crash leaves it: the books roll back and take it up again.
        os._exit(0)


if __name__ == "__main__":
    main()
