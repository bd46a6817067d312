"""The command line: `serve` and the same acts one by one; decides nothing about payments."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from portal.simerp import acts, books, companies, door, server

READY_FILE = "ready.json"
POLL_SECONDS = 2.0


def main(arguments: Sequence[str]) -> int:
    """Run one command; 0 when it was done, 1 when it was not."""
    options = _parser().parse_args(arguments)
    try:
        erp = acts.Erp(data=options.data, portal=options.portal)
        if options.command == "serve":
            return serve(erp, data=options.data, port=options.port, interval=options.interval)
        status, told = _act(erp, options)
    except books.Impossible as error:
        status, told = error.status, {"error": str(error)}
    print(json.dumps(told, ensure_ascii=False, indent=2))
    return 0 if status == acts.OK else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simerp", description="Simulert økonomisystem.")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", type=Path, required=True, help="mappen med bøkene")
    common.add_argument("--portal", type=_portal, help="adressen til Kvitt; huskes i bøkene")

    def command(name: str, help_text: str, company_required: bool | None) -> Any:
        made = commands.add_parser(name, parents=[common], help=help_text)
        if company_required is not None:
            made.add_argument("--company", required=company_required, help="selskapets public id")
        return made

    serving = command("serve", "kjør med styreadresse og side", None)
    serving.add_argument("--port", type=int, default=0, help="0 = en ledig port")
    serving.add_argument(
        "--interval", type=float, default=POLL_SECONDS, help="sekunder mellom henting; 0 = aldri"
    )
    setting_up = command("setup", "les inn selskaper og fakturaer", None)
    setting_up.add_argument("file", help="JSON-fil, eller - for standard inn")
    proposing = command("propose", "lag betalingsforslag", True)
    proposing.add_argument("--due-date", help="forfall til og med")
    proposing.add_argument("--pay-date", help="betalingsdato for alle")
    command("upload", "send til Kvitt", True)
    command("sync", "hent meldinger", False)
    cancelling = command("cancel", "opphev en betaling", True)
    cancelling.add_argument("--payment", required=True)
    cancelling.add_argument("--reason", required=True)
    command("ping", "test forbindelsen", True)
    command("show", "vis bøkene", False)
    return parser


def _portal(text: str) -> str:
    door.address(text)
    return text


def _act(erp: acts.Erp, options: argparse.Namespace) -> tuple[int, dict[str, Any]]:
    match options.command:
        case "setup":
            return erp.setup(_read(options.file))
        case "propose":
            return erp.propose(
                company=options.company, due_date=options.due_date, pay_date=options.pay_date
            )
        case "upload":
            return erp.upload(company=options.company)
        case "sync":
            return erp.sync(company=options.company)
        case "cancel":
            return erp.cancel(
                company=options.company,
                number=options.payment,
                reason=options.reason,
                references=None,
            )
        case "ping":
            return erp.ping(company=options.company)
        case _:
            return erp.show(company=options.company)


def _read(name: str) -> object:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise companies.Unusable(f"Kan ikke lese oppsettet {name}: {error}") from error


def serve(erp: acts.Erp, *, data: Path, port: int, interval: float) -> int:
    """Serve until SIGTERM or SIGINT; 1 when the poller failed in a way nobody foresaw."""
    stop, failed = threading.Event(), threading.Event()

    def asked_to_stop(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked_to_stop)

    def poll() -> None:
        try:
            while not stop.wait(interval):
                erp.sync(company=None)
        except BaseException:
            # A silent poller would look like a quiet portal: end the process instead.
            failed.set()
            stop.set()
            raise

    control = server.Control(port=port, erp=erp)
    # Daemons: a call to a slow portal must not hold the process, and the books need no farewell.
    threading.Thread(target=control.serve_forever, args=(0.1,), daemon=True).start()
    if interval > 0:
        threading.Thread(target=poll, daemon=True).start()
    ready = data / READY_FILE
    _write_whole(ready, json.dumps({"url": control.url, "pid": os.getpid()}))
    stop.wait()
    ready.unlink(missing_ok=True)
    control.shutdown()
    control.server_close()
    return 1 if failed.is_set() else 0


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
