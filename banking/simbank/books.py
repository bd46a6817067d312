"""Holds the shape of the bank's books and opens them; must not hold any rule of the trade."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

SHAPE = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS channels (user TEXT PRIMARY KEY, public_key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS customers (
  customer_number TEXT PRIMARY KEY, name TEXT NOT NULL, organisation_number TEXT NOT NULL,
  channel TEXT NOT NULL REFERENCES channels, agreement_id TEXT NOT NULL,
  active INTEGER NOT NULL, approvers_required INTEGER NOT NULL CHECK (approvers_required IN (1, 2)),
  pain002_version TEXT NOT NULL, camt054_version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS people (
  customer_number TEXT NOT NULL REFERENCES customers, person_id TEXT NOT NULL,
  name TEXT NOT NULL, PRIMARY KEY (customer_number, person_id));
CREATE TABLE IF NOT EXISTS rates (currency TEXT PRIMARY KEY, nok TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
  number TEXT PRIMARY KEY, customer_number TEXT NOT NULL REFERENCES customers,
  currency TEXT NOT NULL REFERENCES rates, opening INTEGER NOT NULL, balance INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS authorities (
  account TEXT NOT NULL REFERENCES accounts, person_id TEXT NOT NULL,
  PRIMARY KEY (account, person_id));
CREATE TABLE IF NOT EXISTS payees (
  account TEXT PRIMARY KEY, name TEXT NOT NULL, kid TEXT NOT NULL, modulus TEXT NOT NULL,
  closed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, name TEXT NOT NULL,
  upload_name TEXT NOT NULL, size INTEGER NOT NULL, taken_at TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('taken', 'read', 'answered', 'refused')),
  msg_id TEXT NOT NULL DEFAULT '', message_name TEXT NOT NULL DEFAULT '',
  customer_number TEXT NOT NULL DEFAULT '', approvers TEXT NOT NULL DEFAULT '[]',
  transactions INTEGER NOT NULL DEFAULT 0, control_sum TEXT NOT NULL DEFAULT '0',
  code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '', UNIQUE (channel, name));
CREATE UNIQUE INDEX IF NOT EXISTS message_entered_once ON files (channel, msg_id)
  WHERE status IN ('read', 'answered');
CREATE INDEX IF NOT EXISTS files_by_message ON files (channel, msg_id);
CREATE INDEX IF NOT EXISTS files_by_status ON files (status);
CREATE TABLE IF NOT EXISTS payments (
  id INTEGER PRIMARY KEY AUTOINCREMENT, file_id INTEGER NOT NULL REFERENCES files,
  payment TEXT NOT NULL, customer_number TEXT NOT NULL, debit_account TEXT NOT NULL,
  requested_date TEXT NOT NULL, booking_date TEXT NOT NULL DEFAULT '',
  batch_booked INTEGER NOT NULL, salary INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('received', 'accepted', 'done', 'rejected')),
  code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX IF NOT EXISTS payment_entered_once ON payments (customer_number, payment)
  WHERE status <> 'rejected';
CREATE INDEX IF NOT EXISTS payments_by_file ON payments (file_id);
CREATE INDEX IF NOT EXISTS payments_due ON payments (booking_date) WHERE status = 'accepted';
CREATE TABLE IF NOT EXISTS transfers (
  id INTEGER PRIMARY KEY AUTOINCREMENT, file_id INTEGER NOT NULL REFERENCES files,
  payment_id INTEGER NOT NULL REFERENCES payments, instruction_id TEXT NOT NULL,
  end_to_end_id TEXT NOT NULL, amount INTEGER NOT NULL, currency TEXT NOT NULL,
  creditor_account TEXT NOT NULL, creditor_name TEXT NOT NULL, kid TEXT NOT NULL,
  message TEXT NOT NULL,
  status TEXT NOT NULL
    CHECK (status IN ('received', 'accepted', 'pending', 'rejected', 'booked')),
  code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '',
  pending_since TEXT NOT NULL DEFAULT '', told_in INTEGER);
CREATE UNIQUE INDEX IF NOT EXISTS reference_entered_once ON transfers (payment_id, end_to_end_id)
  WHERE code = '';
CREATE INDEX IF NOT EXISTS transfers_by_payment ON transfers (payment_id);
CREATE INDEX IF NOT EXISTS transfers_by_file ON transfers (file_id);
CREATE INDEX IF NOT EXISTS transfers_told ON transfers (told_in) WHERE told_in IS NOT NULL;
CREATE TABLE IF NOT EXISTS postings (
  id INTEGER PRIMARY KEY AUTOINCREMENT, transfer_id INTEGER NOT NULL UNIQUE REFERENCES transfers,
  payment_id INTEGER NOT NULL, account TEXT NOT NULL, amount INTEGER NOT NULL CHECK (amount > 0),
  currency TEXT NOT NULL, rate TEXT NOT NULL, booked_date TEXT NOT NULL,
  bank_reference TEXT NOT NULL UNIQUE, advised_in INTEGER NOT NULL REFERENCES outgoing);
CREATE INDEX IF NOT EXISTS postings_by_advice ON postings (advised_in);
CREATE INDEX IF NOT EXISTS postings_by_account ON postings (account);
CREATE TRIGGER IF NOT EXISTS postings_never_change BEFORE UPDATE ON postings
  BEGIN SELECT RAISE(ABORT, 'postings are append-only'); END;
CREATE TRIGGER IF NOT EXISTS postings_never_vanish BEFORE DELETE ON postings
  BEGIN SELECT RAISE(ABORT, 'postings are append-only'); END;
CREATE TABLE IF NOT EXISTS outgoing (
  id INTEGER PRIMARY KEY AUTOINCREMENT, source_id INTEGER, kind TEXT NOT NULL,
  channel TEXT NOT NULL, customer_number TEXT NOT NULL, version TEXT NOT NULL,
  name TEXT UNIQUE, file_id INTEGER, group_status TEXT NOT NULL DEFAULT '',
  code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '', created_at TEXT NOT NULL,
  held INTEGER NOT NULL DEFAULT 0,
  state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'staged', 'out')));
CREATE INDEX IF NOT EXISTS outgoing_waiting ON outgoing (id) WHERE state <> 'out';
CREATE TABLE IF NOT EXISTS outgoing_payments (
  outgoing_id INTEGER NOT NULL REFERENCES outgoing, payment_id INTEGER NOT NULL,
  status TEXT NOT NULL, code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '',
  moved_to TEXT NOT NULL DEFAULT '', PRIMARY KEY (outgoing_id, payment_id));
"""

RATES = {"NOK": "1", "EUR": "11.50", "USD": "10.40", "GBP": "13.60", "SEK": "1.03", "DKK": "1.54"}


def connect(path: Path) -> sqlite3.Connection:
    """One connection; transactions are always explicit, see `transaction`."""
    books = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
    books.row_factory = sqlite3.Row
    books.execute("PRAGMA journal_mode = WAL")
    books.execute("PRAGMA synchronous = FULL")
    books.execute("PRAGMA foreign_keys = ON")
    books.execute("PRAGMA cache_size = -32000")
    return books


def prepare(books: sqlite3.Connection) -> None:
    books.executescript(SHAPE)
    with transaction(books):
        books.executemany("INSERT OR IGNORE INTO rates VALUES (?, ?)", RATES.items())


@contextmanager
def transaction(books: sqlite3.Connection) -> Iterator[None]:
    books.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        books.execute("ROLLBACK")
        raise
    books.execute("COMMIT")


def minor_units(amount: Decimal) -> int:
    """Amounts are kept as whole hundredths; raises ValueError on a finer amount."""
    scaled = amount * 100
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{amount} has more than two decimals")
    return int(scaled)


def amount_text(minor: int) -> str:
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100}.{abs(minor) % 100:02d}"
