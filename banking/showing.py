"""`manage.py bankfile show`: what a bank file says, for people and for programs.

It needs neither settings nor a database, so it runs on any machine that has the code; pure.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from banking import listing
from banking.iso20022.values import Balance, Party, Reason
from banking.listing import Row, Summary
from banking.located import Place, Unreadable

NO_FILE, UNREADABLE = 1, 2
SPOOL_BYTES = 8 * 1024 * 1024
HELP = """
Reads pain.001, pain.002, camt.052, camt.053, camt.054, camt.055, camt.029 (any version), OCR giro,
Direkte remittering and AvtaleGiro, and prints what they say. Nothing is stored.
"""
EPILOG = """
The JSON form (keys may be added, none is renamed or removed):

  kind, version        "pain.002", "03"; version is "" where the file tells none
  message_id, created  created is ISO 8601 with an offset, or null
  parties              [{role, name, ids: [{scheme, value}]}]
  number_of_transactions
  control_sum          [{currency, direction, status, amount}], one for each kind of amount;
                       direction is "debit" or "credit" of the customer's account
  balances             [{kind, date, amount, currency, direction}], statements only
  remarks              [{code, text, line, path}]: departures that did not stop the reading
  transactions         [{level, number, instruction_id, end_to_end_id, reference, date, amount,
                       currency, direction, debit_account, credit_account, name, kid,
                       creditor_reference, text, status,
                       reasons: [{code, proprietary, text}], line, path}]

level is "transaction", or "group" or "payment" for a status of more than one. Amounts are text with
a decimal point, or null. number is the payment's, or the transaction's own in Nets files. Dates are
YYYY-MM-DD or null. kid is null where there is none; creditor_reference is a structured reference
of another type, with its type before it, or "".

Exit: 0 read; 2 it cannot be read (place, cause and cure on standard error); 1 no such file.
"""
USAGE = """usage: manage.py bankfile show [--json] FILE   print a bank file; - for standard input
       manage.py bankfile aside               list the files that were set aside
       manage.py bankfile again ID …          read files again after what stopped them is mended

show needs neither settings nor a database; `show --help` says what it reads and prints.
"""


class NotShown(Exception):
    """The file could not be shown; `code` is the exit code, and the text names file and cure."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def usage(*, asked: bool) -> int:
    """Prints what `bankfile` can do, as a fault where nobody `asked`; answers the exit code."""
    (sys.stdout if asked else sys.stderr).write(USAGE)
    return 0 if asked else 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `show` takes."""
    parser.add_argument("file", help="the file, or - for standard input")
    parser.add_argument("--json", action="store_true", help="as JSON, one object")


def main(words: Sequence[str]) -> int:
    """Runs `show` with these words of the command line; answers the exit code."""
    parser = argparse.ArgumentParser(
        prog="manage.py bankfile show",
        description=HELP,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    options = parser.parse_args(words)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    try:
        show(options.file, as_json=options.json, write=sys.stdout.write)
        sys.stdout.flush()
    except NotShown as fault:
        sys.stderr.write(f"{fault}\n")
        return fault.code
    except BrokenPipeError:
        # `| head` has what it wants; nothing more is written, not even at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def show(name: str, *, as_json: bool, write: Callable[[str], Any]) -> None:
    """Writes what the file says, piece by piece. Raises NotShown."""
    try:
        source = _opened(name)
    except OSError as error:
        raise NotShown(f"{name}: {error.strerror}", NO_FILE) from error
    try:
        with source:
            summary = listing.summarise(source)
            source.seek(0)
            rows = listing.rows(source)
            for piece in _as_json(summary, rows) if as_json else _as_text(summary, rows):
                write(piece)
    except Unreadable as fault:
        told = f"{name}: {_where(fault.place)}: {fault.problem} {fault.cure}"
        raise NotShown(told, UNREADABLE) from fault
    except IsADirectoryError as error:
        raise NotShown(f"{name}: {error.strerror}", NO_FILE) from error


def _opened(name: str) -> BinaryIO:
    """The file as something that can be read twice."""
    if name != "-":
        return Path(name).open("rb")
    content: BinaryIO = tempfile.SpooledTemporaryFile(SPOOL_BYTES)  # type: ignore[assignment]  # noqa: SIM115
    shutil.copyfileobj(sys.stdin.buffer, content)
    content.seek(0)
    return content


def _where(place: Place) -> str:
    parts = ([f"line {place.line}"] if place.line else []) + ([place.path] if place.path else [])
    return ", ".join(parts) or "the file as a whole"


def _party(role: str, party: Party) -> dict[str, Any]:
    ids = [{"scheme": scheme, "value": value} for scheme, value in party.identifiers]
    return {"role": role, "name": party.name, "ids": ids}


def _balance(one: Balance) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "date": one.date.isoformat() if one.date else None,
        "amount": f"{one.amount:f}",
        "currency": one.currency,
        "direction": listing.CREDIT if one.credit else listing.DEBIT,
    }


def _reason(reason: Reason) -> dict[str, Any]:
    return {"code": reason.code, "proprietary": reason.proprietary, "text": reason.text}


def _row(row: Row) -> dict[str, Any]:
    return {
        "level": row.level,
        "number": row.number,
        "instruction_id": row.instruction_id,
        "end_to_end_id": row.end_to_end_id,
        "reference": row.reference,
        "date": row.date.isoformat() if row.date else None,
        "amount": f"{row.amount:f}" if row.amount is not None else None,
        "currency": row.currency,
        "direction": row.direction,
        "debit_account": row.debit_account,
        "credit_account": row.credit_account,
        "name": row.name,
        "kid": row.kid,
        "creditor_reference": row.creditor_reference,
        "text": row.text,
        "status": row.status,
        "reasons": [_reason(reason) for reason in row.reasons],
        "line": row.place.line or None,
        "path": row.place.path,
    }


def _as_json(summary: Summary, rows: Iterator[Row]) -> Iterator[str]:
    head = {
        "kind": summary.kind,
        "version": summary.version,
        "message_id": summary.message_id,
        "created": summary.created_at.isoformat() if summary.created_at else None,
        "parties": [_party(role, party) for role, party in summary.parties],
        "number_of_transactions": summary.transactions,
        "control_sum": [
            {"currency": key[0], "direction": key[1], "status": key[2], "amount": f"{total:f}"}
            for key, total in sorted(summary.sums.items())
        ],
        "balances": [_balance(one) for one in summary.balances],
        "remarks": [
            {"code": one.code, "text": one.text, "line": one.place.line, "path": one.place.path}
            for one in summary.remarks
        ],
    }
    opened = json.dumps(head, ensure_ascii=False, indent=2).removesuffix("\n}")
    yield f'{opened},\n  "transactions": ['
    comma = ""
    for row in rows:
        yield f"{comma}\n    {json.dumps(_row(row), ensure_ascii=False)}"
        comma = ","
    yield "\n  ]\n}\n"


def _as_text(summary: Summary, rows: Iterator[Row]) -> Iterator[str]:
    version = f", version {summary.version}" if summary.version else ""
    yield f"{summary.kind}{version}\n"
    yield f"Message id    {summary.message_id or '–'}\n"
    created = summary.created_at
    yield f"Created       {created.isoformat(' ') if created else '–'}\n"
    for role, party in summary.parties:
        ids = ", ".join(f"{scheme} {value}".strip() for scheme, value in party.identifiers)
        yield f"{role:<13} {' · '.join(part for part in (party.name, ids) if part) or '–'}\n"
    yield f"Transactions  {summary.transactions}\n"
    for (currency, direction, status), total in sorted(summary.sums.items()):
        words = " ".join(part for part in (direction, status) if part)
        yield f"Control sum   {total:f} {currency} {words}".rstrip() + "\n"
    for one in summary.balances:
        way = listing.CREDIT if one.credit else listing.DEBIT
        yield f"Balance       {one.kind} {one.date or '–'} {one.amount:f} {one.currency} {way}\n"
    for remark in summary.remarks:
        yield f"Remark        {_where(remark.place)}: {remark.text}\n"
    for row in rows:
        yield f"\n{_line(row)}\n"
        for label, value in _facts(row):
            yield f"  {label:<14}{value}\n"


def _line(row: Row) -> str:
    """What a row is about, in one line."""
    amount = f"{row.amount:f} {row.currency} {row.direction}".strip() if row.amount else ""
    what = {"group": "The file as a whole", "payment": "Payment"}.get(row.level, "")
    names = [what, row.number if not what or row.level == "payment" else "", amount, row.status]
    return "  ".join(part for part in names if part) or "Transaction"


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    for label, value in (
        ("End-to-end id", row.end_to_end_id),
        ("Instruction", row.instruction_id),
        ("Reference", row.reference),
        ("Date", row.date.isoformat() if row.date else ""),
        ("From account", row.debit_account),
        ("To account", row.credit_account),
        ("Name", row.name),
        ("KID", row.kid or ""),
        ("Payee ref.", row.creditor_reference),
        ("Text", row.text),
    ):
        if value:
            yield label, value
    for reason in row.reasons:
        yield "Reason", " ".join(part for part in (reason.code, reason.text) if part)
