"""Holds who banks here: channels, customers, accounts, payees; must not read or book payments."""

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
FOLDERS = ("pain001", "archive", "out/pain002", "out/camt054")
PAIN002_VERSIONS = ("pain.002.001.03", "pain.002.001.10")
CAMT054_VERSIONS = ("camt.054.001.02", "camt.054.001.08")


class SetupRefusedError(Exception):
    """The setup holds something that the bank cannot register; says what."""


def set_up(books: sqlite3.Connection, channels: Path, wanted: dict[str, Any]) -> None:
    """Upserts all of it or nothing; an existing balance stands unless "reset" is given."""
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
                _customer(books, customer)
            for payee in wanted.get("payees", []):
                _payee(books, payee)
    except KeyError as missing:
        raise SetupRefusedError(f"missing {missing}") from missing
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


def _customer(books: sqlite3.Connection, customer: dict[str, Any]) -> None:
    number = customer["customer_number"]
    pain002 = customer.get("pain002_version", PAIN002_VERSIONS[1])
    camt054 = customer.get("camt054_version", CAMT054_VERSIONS[1])
    if pain002 not in PAIN002_VERSIONS or camt054 not in CAMT054_VERSIONS:
        raise SetupRefusedError(f"customer {number}: no {pain002} or {camt054} here")
    books.execute(
        "INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (customer_number) DO UPDATE SET name = excluded.name,"
        " organisation_number = excluded.organisation_number, channel = excluded.channel,"
        " agreement_id = excluded.agreement_id, active = excluded.active,"
        " approvers_required = excluded.approvers_required,"
        " pain002_version = excluded.pain002_version, camt054_version = excluded.camt054_version",
        (
            number,
            customer["name"],
            customer.get("organisation_number", ""),
            customer["channel"],
            customer["agreement_id"],
            int(customer.get("active", True)),
            customer.get("approvers_required", 1),
            pain002,
            camt054,
        ),
    )
    if "people" in customer:
        books.execute("DELETE FROM people WHERE customer_number = ?", (number,))
        books.executemany(
            "INSERT INTO people VALUES (?, ?, ?)",
            [(number, person["id"], person.get("name", "")) for person in customer["people"]],
        )
    for account in customer.get("accounts", []):
        _account(books, number, account)


def _account(books: sqlite3.Connection, customer_number: str, account: dict[str, Any]) -> None:
    number = account["number"]
    if not numbers.account_fits(number):
        raise SetupRefusedError(f"account {number} fails its check digit")
    balance = ledger.minor_units(Decimal(account.get("balance", "0")))
    known = books.execute("SELECT 1 FROM accounts WHERE number = ?", (number,)).fetchone()
    if known is None:
        books.execute(
            "INSERT INTO accounts VALUES (?, ?, ?, ?, ?)",
            (number, customer_number, account.get("currency", "NOK"), balance, balance),
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
        books.execute("REPLACE INTO settings VALUES (?, ?)", (name, json.dumps(value)))
