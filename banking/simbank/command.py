"""Holds the commands that steer a running bank over its control door; they know no books."""

import argparse
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from .scripts import FACTS, KNOWN, SCOPES

COMMANDS = (
    "script",
    "scripts",
    "clock",
    "work",
    "incoming",
    "give-back",
    "net-bank",
    "activate",
    "setup",
    "books",
)
WAIT_SECONDS = 300
NOT_REACHED, REFUSED = 3, 2


def run(words: list[str]) -> int:
    """Does one command and prints the bank's answer (JSON); 2: it refuses, 3: it is silent."""
    arguments = _parser().parse_args(words)
    try:
        path, body = _REQUESTS[arguments.command](arguments)
    except (OSError, ValueError) as fault:
        print(f"It cannot be asked: {fault}", file=sys.stderr)
        return REFUSED
    try:
        base = arguments.url or _base(arguments.data)
        answer = _ask(base + path, body)
    except urllib.error.HTTPError as fault:
        told = json.loads(fault.read() or b"{}").get("error", fault.reason)
        print(f"The bank refuses: {told}", file=sys.stderr)
        return REFUSED
    except (OSError, ValueError) as fault:
        print(f"The bank cannot be reached: {fault}", file=sys.stderr)
        return NOT_REACHED
    try:
        print(json.dumps(answer, ensure_ascii=False, indent=2), flush=True)
    except BrokenPipeError:  # whoever reads has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _base(data: Path | None) -> str:
    if data is None:
        raise ValueError("give --data DIR, or --url of its control door")
    ready = json.loads((data / "ready.json").read_text())
    return f"http://127.0.0.1:{ready['control_port']}"


def _ask(url: str, body: dict[str, Any] | None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:
        return json.load(answer)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m banking.simbank")
    parts = parser.add_subparsers(dest="command", required=True)
    made = {}
    for name in COMMANDS:
        made[name] = parts.add_parser(
            name,
            help=_REQUESTS[name].__doc__,
            description=_REQUESTS[name].__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made[name].add_argument("--data", type=Path, metavar="DIR", help="of the running bank")
        made[name].add_argument("--url", help="of its control door, instead of --data")
    script = made["script"]
    script.epilog = "What there is:\n" + "\n".join(
        f"  {name:<15}{kind.about}"
        + (f" ({', '.join(kind.values)})" if kind.values not in ((), ("on",)) else "")
        + (f" [{kind.default}]" if kind.default != "on" else "")
        for name, kind in KNOWN.items()
    )
    script.add_argument("what", choices=KNOWN, metavar="WHAT")
    script.add_argument("value", nargs="?")
    script.add_argument("--times", type=int, help="how often it holds; always, where none is given")
    for scope in SCOPES:
        told = f"only for this {scope}; * and ? stand for letters"
        if scope == "has":
            told = f"only where this holds, as 'kid=*; amount=5*': {', '.join(FACTS)}"
        script.add_argument(f"--{scope}", help=told)
    made["scripts"].add_argument(
        "--remove", metavar="ID", type=_script_id, help="takes one away by its number, or all"
    )
    _moving(made["clock"])
    _coming_in(made["incoming"])
    back = made["give-back"]
    for name in ("customer", "payment", "line"):
        back.add_argument(name)
    back.add_argument("--how", choices=("credit", "reversal"), default="credit")
    back.add_argument("--reason", default="AC04", help="a return reason code")
    made["net-bank"].add_argument("customer")
    made["net-bank"].add_argument("payment")
    made["net-bank"].add_argument("decision", choices=("approve", "refuse"))
    made["activate"].add_argument("customer")
    made["activate"].add_argument("--close", action="store_true", help="closes it instead")
    made["setup"].add_argument("file", type=argparse.FileType("r"), help="JSON, - for stdin")
    made["books"].add_argument(
        "what",
        choices=(
            "transfers",
            "summary",
            "files",
            "messages",
            "accounts",
            "customers",
            "credits",
            "duplicates",
        ),
    )
    return parser


def _moving(parser: argparse.ArgumentParser) -> None:
    clock = parser.add_mutually_exclusive_group()
    clock.add_argument("--to", metavar="MOMENT", help="as 2026-12-01T12:00, Oslo time; only on")
    clock.add_argument("--days", type=int, help="so many days on, each closed as it would be")
    clock.add_argument("--seconds", type=float, help="so many seconds on")
    clock.add_argument("--stand", choices=("yes", "no"), help="stops it where it is, or not")


def _coming_in(incoming: argparse.ArgumentParser) -> None:
    incoming.add_argument("account", help="11 digits, of a customer of the bank")
    incoming.add_argument("amount", help="in the account's currency, as 1500.00")
    for name, told in (
        ("kid", "the KID, if there is one"),
        ("message", "free text of at most 140 characters, if there is no KID"),
        ("payer-name", "who pays"),
        ("payer-account", "the payer's account"),
        ("end-to-end-id", "the payer's own reference"),
        ("type", "10 to 21, as OCR giro has them: 10 giro, 18 and 19 reversals, 20 a purchase"),
        ("date", "the day it is booked, as 2026-12-01; today where none is given"),
    ):
        incoming.add_argument(f"--{name}", help=told)
    incoming.add_argument("--correction", action="store_true", help="money goes out again")


def _script_id(text: str) -> str:
    if text != "all" and not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is neither the number of a script nor all")
    return text


Request = tuple[str, dict[str, Any] | None]


def _script(given: argparse.Namespace) -> Request:
    """lets the bank do something, for all or for those who are named"""
    names = ("what", "value", "times", *SCOPES)
    wanted = {name: getattr(given, name) for name in names}
    return "/scripts", {name: value for name, value in wanted.items() if value is not None}


def _scripts(given: argparse.Namespace) -> Request:
    """shows the scripts that hold, or takes one of them or "all" away"""
    if given.remove is None:
        return "/scripts", None
    return "/scripts/remove", {} if given.remove == "all" else {"id": int(given.remove)}


def _clock(given: argparse.Namespace) -> Request:
    """shows the bank's clock, or moves it on"""
    named = {"to": "to", "days": "advance_days", "seconds": "advance_seconds"}
    asked = {key: getattr(given, name) for name, key in named.items()}
    if given.stand is not None:
        asked["stand"] = given.stand == "yes"
    asked = {key: value for key, value in asked.items() if value is not None}
    return "/clock", asked or None


def _work(given: argparse.Namespace) -> Request:
    """does a round of work now"""
    return "/work", {}


def _incoming(given: argparse.Namespace) -> Request:
    """lets a payment come in"""
    apart = ("command", "data", "url")
    return "/incoming", {k: v for k, v in vars(given).items() if v and k not in apart}


def _give_back(given: argparse.Namespace) -> Request:
    """lets the money of a paid line come back"""
    names = ("customer", "payment", "line", "how", "reason")
    return "/give-back", {name: getattr(given, name) for name in names}


def _net_bank(given: argparse.Namespace) -> Request:
    """approves or refuses a parked payment, as its people do in the net bank"""
    approve = given.decision == "approve"
    return "/net-bank", {
        "customer": given.customer,
        "payment": given.payment,
        "approve": approve,
    }


def _activate(given: argparse.Namespace) -> Request:
    """opens a customer's agreement, or closes it, and tells the customer"""
    return "/activate", {"customer": given.customer, "active": not given.close}


def _setup(given: argparse.Namespace) -> Request:
    """registers channels, customers, accounts, payees and the bank's own rules"""
    return "/setup", json.load(given.file)


def _books(given: argparse.Namespace) -> Request:
    """shows what stands in the books"""
    return f"/books/{given.what}", None


_REQUESTS = {
    "script": _script,
    "scripts": _scripts,
    "clock": _clock,
    "work": _work,
    "incoming": _incoming,
    "give-back": _give_back,
    "net-bank": _net_bank,
    "activate": _activate,
    "setup": _setup,
    "books": _books,
}
