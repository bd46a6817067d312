"""Holds who banks here: channels, customers, accounts, payees; must not read or book payments."""

import datetime
import json
import re
import sqlite3
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import asyncssh

from . import books as ledger
from . import numbers

USER_SHAPE = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
# Where each kind of message is fetched; requests for a kind that shares a folder stand beside it.
OUT = {
    "pain002": "out/pain002",
    "camt029": "out/camt029",
    "camt052": "out/camt052",
    "camt053": "out/camt053",
    "camt054": "out/camt054",
    "admi002": "out/camt052",
    "ocr": "out/nets",
    "settlement": "out/nets",
    "agreement": "out/agreement",
}
FOLDERS = ("pain001", "archive", *dict.fromkeys(OUT.values()))
PAIN002_VERSIONS = ("pain.002.001.03", "pain.002.001.10")
CAMT054_VERSIONS = ("camt.054.001.02", "camt.054.001.08")
CAMT053_VERSIONS = ("camt.053.001.02", "camt.053.001.08")
# What an account's incoming payments come in: KID payments by OCR giro, all by camt.054, or both.
INCOMING = ("camt054", "ocr", "both", "none")
CLOSED_DAY = ("roll", "tell", "reject")
AFTER_CUT_OFF = ("tell", "reject")
CUT_OFFS = ("domestic", "urgent", "foreign")
RULES: dict[str, Any] = {"closed_day": "roll", "after_cut_off": "tell", "cut_offs": {}, "seed": 0}


class SetupRefusedError(Exception):
    """The setup holds something that the bank cannot register; says what."""


def set_up(
    books: sqlite3.Connection, channels: Path, wanted: dict[str, Any], today: datetime.date
) -> None:
    """Upserts all of it or nothing; an existing balance stands unless "reset" is given."""
    unknown = set(wanted) - {"rates", "channels", "customers", "payees", *RULES}
    if unknown:
        raise SetupRefusedError(f"unknown: {', '.join(sorted(unknown))}")
    try:
        with ledger.transaction(books):
            for currency, nok in wanted.get("rates", {}).items():
                books.execute(
                    "INSERT INTO rates VALUES (?, ?)"
                    " ON CONFLICT (currency) DO UPDATE SET nok = excluded.nok",
                    (currency, str(Decimal(nok))),
                )
            for channel in wanted.get("channels", []):
                _channel(books, channel)
            for customer in wanted.get("customers", []):
                try:
                    _customer(books, customer, today)
                except KeyError as missing:
                    number = customer.get("customer_number", "without a number")
                    raise SetupRefusedError(f"customer {number}: missing {missing}") from missing
            for payee in wanted.get("payees", []):
                _payee(books, payee)
            for name in set(wanted) & set(RULES):
                _rule(books, name, wanted[name])
    except KeyError as missing:
        raise SetupRefusedError(f"{missing} is missing") from missing
    except (sqlite3.IntegrityError, InvalidOperation, ValueError) as fault:
        raise SetupRefusedError(str(fault)) from fault
    for (user,) in books.execute("SELECT user FROM channels"):
        make_folders(channels / user)


def make_folders(root: Path) -> None:
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True, exist_ok=True)


def _channel(books: sqlite3.Connection, channel: dict[str, Any]) -> None:
    if not USER_SHAPE.fullmatch(channel["user"]):
        raise SetupRefusedError(f"channel user {channel['user']!r} is not a plain name")
    try:
        asyncssh.import_public_key(channel["public_key"])
    except asyncssh.KeyImportError as fault:
        raise SetupRefusedError(f"channel {channel['user']}: {fault}") from fault
    books.execute(
        "INSERT INTO channels VALUES (?, ?)"
        " ON CONFLICT (user) DO UPDATE SET public_key = excluded.public_key",
        (channel["user"], channel["public_key"]),
    )


def _rule(books: sqlite3.Connection, name: str, value: Any) -> None:
    """One of RULES, for the whole bank; cut-offs are {"domestic": "14:00", …}, Oslo time."""
    if name == "cut_offs":
        if set(value) - set(CUT_OFFS):
            raise SetupRefusedError(f"cut_offs: {', '.join(CUT_OFFS)}")
        value = {kind: _time(text) for kind, text in value.items()}
    elif name == "seed":
        value = int(value)
    elif value not in (CLOSED_DAY if name == "closed_day" else AFTER_CUT_OFF):
        raise SetupRefusedError(f"{name}: {value!r}")
    _put(books, name, value)


def _time(text: str) -> str:
    try:
        return datetime.time.fromisoformat(text).isoformat(timespec="minutes")
    except ValueError as fault:
        raise SetupRefusedError(f"cut_offs: {text!r} is no time as 14:00") from fault


def rules(books: sqlite3.Connection) -> dict[str, Any]:
    """The bank's own rules as they stand."""
    return {name: setting(books, name, value) for name, value in RULES.items()}


def _customer(books: sqlite3.Connection, customer: dict[str, Any], today: datetime.date) -> None:
    number = customer["customer_number"]
    pain002 = customer.get("pain002_version", PAIN002_VERSIONS[1])
    camt054 = customer.get("camt054_version", CAMT054_VERSIONS[1])
    camt053 = customer.get("camt053_version", CAMT053_VERSIONS[1])
    for version, known in (
        (pain002, PAIN002_VERSIONS),
        (camt054, CAMT054_VERSIONS),
        (camt053, CAMT053_VERSIONS),
    ):
        if version not in known:
            raise SetupRefusedError(f"customer {number}: no {version} here")
    channel = customer["channel"]
    if books.execute("SELECT 1 FROM channels WHERE user = ?", (channel,)).fetchone() is None:
        raise SetupRefusedError(f"customer {number}: no channel {channel!r} is set up")
    books.execute(
        "INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (customer_number) DO UPDATE SET name = excluded.name,"
        " organisation_number = excluded.organisation_number, channel = excluded.channel,"
        " agreement_id = excluded.agreement_id, active = excluded.active,"
        " approvers_required = excluded.approvers_required, format = excluded.format,"
        " unauthorised = excluded.unauthorised, net_bank_approval = excluded.net_bank_approval,"
        " pain002_version = excluded.pain002_version, camt054_version = excluded.camt054_version,"
        " camt053_version = excluded.camt053_version",
        (
            number,
            customer["name"],
            customer.get("organisation_number", ""),
            customer["channel"],
            customer["agreement_id"],
            int(customer.get("active", True)),
            customer.get("approvers_required", 1),
            customer.get("format", "iso"),
            customer.get("unauthorised", "rejects"),
            int(customer.get("net_bank_approval", False)),
            pain002,
            camt054,
            camt053,
        ),
    )
    if "people" in customer:
        books.execute("DELETE FROM people WHERE customer_number = ?", (number,))
        books.executemany(
            "INSERT INTO people VALUES (?, ?, ?)",
            [(number, person["id"], person.get("name", "")) for person in customer["people"]],
        )
    for account in customer.get("accounts", []):
        _account(books, number, account, today)


def activate(books: sqlite3.Connection, customer_number: str, *, active: bool) -> sqlite3.Row:
    """Opens or closes a customer's agreement, in the caller's transaction; returns the customer."""
    row: sqlite3.Row | None = books.execute(
        "UPDATE customers SET active = ? WHERE customer_number = ? RETURNING *",
        (int(active), customer_number),
    ).fetchone()
    if row is None:
        raise SetupRefusedError(f"unknown customer {customer_number!r}")
    return row


def _amount(number: str, told: object) -> Decimal:
    try:
        found = Decimal(str(told))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise SetupRefusedError(f"account {number}: balance {told!r} is no amount as 1000.00")
    return found


def _account(
    books: sqlite3.Connection, customer_number: str, account: dict[str, Any], today: datetime.date
) -> None:
    number = account["number"]
    if not numbers.account_fits(number):
        raise SetupRefusedError(f"account {number} fails its check digit")
    balance = ledger.minor_units(_amount(number, account.get("balance", "0")))
    known = books.execute("SELECT 1 FROM accounts WHERE number = ?", (number,)).fetchone()
    if known is None:
        books.execute(
            "INSERT INTO accounts (number, customer_number, currency, opening, balance, incoming,"
            " ocr_agreement, statements, traffic, opened_on, traffic_until)"
            " VALUES (?, ?, ?, ?, ?, 'camt054', '', 0, 0, ?, ?)",
            (
                number,
                customer_number,
                account.get("currency", "NOK"),
                balance,
                balance,
                today.isoformat(),
                (today - datetime.timedelta(days=1)).isoformat(),
            ),
        )
    else:
        books.execute(
            "UPDATE accounts SET customer_number = ?, currency = ? WHERE number = ?",
            (customer_number, account.get("currency", "NOK"), number),
        )
        if account.get("reset"):
            # The opening balance moves along, so that it still equals balance plus all debits.
            books.execute(
                "UPDATE accounts SET opening = opening + ? - balance, balance = ? WHERE number = ?",
                (balance, balance, number),
            )
    if account.get("incoming", "none") not in INCOMING:
        raise SetupRefusedError(f"account {number}: incoming is one of {', '.join(INCOMING)}")
    for name, kind in (("incoming", str), ("ocr_agreement", str), ("statements", int)):
        if name in account:
            books.execute(
                f"UPDATE accounts SET {name} = ? WHERE number = ?", (kind(account[name]), number)
            )
    if "traffic" in account:
        # Traffic that is switched on begins today, not on the days when there was none.
        books.execute(
            "UPDATE accounts SET traffic = ?, traffic_until = MAX(traffic_until, ?)"
            " WHERE number = ?",
            (
                int(account["traffic"]),
                (today - datetime.timedelta(days=1)).isoformat(),
                number,
            ),
        )
    if "authorities" in account:
        books.execute("DELETE FROM authorities WHERE account = ?", (number,))
        books.executemany(
            "INSERT INTO authorities VALUES (?, ?)",
            [(number, person) for person in set(account["authorities"])],
        )


def _payee(books: sqlite3.Connection, payee: dict[str, Any]) -> None:
    kid, modulus = payee.get("kid", "optional"), payee.get("modulus", "either")
    if kid not in ("none", "optional", "required") or modulus not in ("MOD10", "MOD11", "either"):
        raise SetupRefusedError(f"payee {payee['account']}: kid {kid!r}, modulus {modulus!r}")
    if not numbers.account_fits(payee["account"]):
        raise SetupRefusedError(f"payee account {payee['account']} fails its check digit")
    books.execute(
        "REPLACE INTO payees VALUES (?, ?, ?, ?, ?)",
        (payee["account"], payee.get("name", ""), kid, modulus, int(payee.get("closed", False))),
    )


def setting(books: sqlite3.Connection, name: str, default: object) -> Any:
    row = books.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
    return default if row is None else json.loads(row[0])


def set_setting(books: sqlite3.Connection, name: str, value: object) -> None:
    with ledger.transaction(books):
        _put(books, name, value)


def _put(books: sqlite3.Connection, name: str, value: object) -> None:
    books.execute("REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))
