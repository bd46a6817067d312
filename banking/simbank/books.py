"""Holds the shape of the bank's books and opens them; must not hold any rule of the trade."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path

SHAPE = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS channels (user TEXT PRIMARY KEY, public_key TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS customers (
  customer_number TEXT PRIMARY KEY, name TEXT NOT NULL, organisation_number TEXT NOT NULL,
  channel TEXT NOT NULL REFERENCES channels, agreement_id TEXT NOT NULL,
  active INTEGER NOT NULL, approvers_required INTEGER NOT NULL CHECK (approvers_required IN (1, 2)),
  format TEXT NOT NULL CHECK (format IN ('iso', 'nets')),
  unauthorised TEXT NOT NULL CHECK (unauthorised IN ('rejects', 'parks')),
  net_bank_approval INTEGER NOT NULL,
  pain002_version TEXT NOT NULL, camt054_version TEXT NOT NULL, camt053_version TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS people (
  customer_number TEXT NOT NULL REFERENCES customers, person_id TEXT NOT NULL,
  name TEXT NOT NULL, PRIMARY KEY (customer_number, person_id));
CREATE TABLE IF NOT EXISTS rates (currency TEXT PRIMARY KEY, nok TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS accounts (
  number TEXT PRIMARY KEY, customer_number TEXT NOT NULL REFERENCES customers,
  currency TEXT NOT NULL REFERENCES rates, opening INTEGER NOT NULL, balance INTEGER NOT NULL,
  incoming TEXT NOT NULL CHECK (incoming IN ('camt054', 'ocr', 'both', 'none')),
  ocr_agreement TEXT NOT NULL, statements INTEGER NOT NULL, traffic INTEGER NOT NULL,
  opened_on TEXT NOT NULL, traffic_until TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS authorities (
  account TEXT NOT NULL REFERENCES accounts, person_id TEXT NOT NULL,
  PRIMARY KEY (account, person_id));
CREATE TABLE IF NOT EXISTS payees (
  account TEXT PRIMARY KEY, name TEXT NOT NULL, kid TEXT NOT NULL, modulus TEXT NOT NULL,
  closed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (
  id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, name TEXT NOT NULL,
  upload_name TEXT NOT NULL, size INTEGER NOT NULL, taken_at TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL CHECK (status IN ('taken', 'read', 'answered', 'refused')),
  msg_id TEXT NOT NULL DEFAULT '', message_name TEXT NOT NULL DEFAULT '',
  customer_number TEXT NOT NULL DEFAULT '', approvers TEXT NOT NULL DEFAULT '[]',
  transactions INTEGER NOT NULL DEFAULT 0, control_sum TEXT NOT NULL DEFAULT '0',
  code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '', UNIQUE (channel, name));
CREATE UNIQUE INDEX IF NOT EXISTS message_entered_once ON files (channel, kind, msg_id)
  WHERE status IN ('read', 'answered');
CREATE INDEX IF NOT EXISTS files_by_message ON files (channel, msg_id);
CREATE INDEX IF NOT EXISTS files_by_status ON files (status);
CREATE TABLE IF NOT EXISTS payments (
  id INTEGER PRIMARY KEY AUTOINCREMENT, file_id INTEGER NOT NULL REFERENCES files,
  payment TEXT NOT NULL, customer_number TEXT NOT NULL, debit_account TEXT NOT NULL,
  requested_date TEXT NOT NULL, booking_date TEXT NOT NULL DEFAULT '',
  batch_booked INTEGER NOT NULL, salary INTEGER NOT NULL, urgent INTEGER NOT NULL,
  park INTEGER NOT NULL, moved TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL CHECK
    (status IN ('received', 'parked', 'accepted', 'done', 'rejected', 'cancelled')),
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
  status TEXT NOT NULL CHECK
    (status IN ('received', 'parked', 'accepted', 'pending', 'rejected', 'booked', 'cancelled')),
  code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '',
  pending_since TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX IF NOT EXISTS reference_entered_once ON transfers (payment_id, end_to_end_id)
  WHERE code = '';
CREATE INDEX IF NOT EXISTS transfers_by_payment ON transfers (payment_id);
CREATE INDEX IF NOT EXISTS transfers_by_file ON transfers (file_id);
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
CREATE TABLE IF NOT EXISTS credits (
  id INTEGER PRIMARY KEY AUTOINCREMENT, account TEXT NOT NULL REFERENCES accounts,
  kind TEXT NOT NULL CHECK (kind IN ('incoming', 'return', 'reversal')),
  direction TEXT NOT NULL CHECK (direction IN ('in', 'out')),
  amount INTEGER NOT NULL CHECK (amount > 0), currency TEXT NOT NULL,
  booked_date TEXT NOT NULL, type TEXT NOT NULL, kid TEXT NOT NULL, message TEXT NOT NULL,
  payer_name TEXT NOT NULL, payer_account TEXT NOT NULL, end_to_end_id TEXT NOT NULL,
  posting_id INTEGER UNIQUE REFERENCES postings, reason TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL CHECK (status IN ('waiting', 'booked')),
  bank_reference TEXT UNIQUE, advised_in INTEGER, ocr_in INTEGER);
CREATE INDEX IF NOT EXISTS credits_due ON credits (booked_date) WHERE status = 'waiting';
CREATE INDEX IF NOT EXISTS credits_by_account ON credits (account, booked_date);
CREATE INDEX IF NOT EXISTS credits_by_advice ON credits (advised_in);
CREATE INDEX IF NOT EXISTS credits_by_ocr ON credits (ocr_in);
CREATE TRIGGER IF NOT EXISTS credits_never_change
  BEFORE UPDATE OF account, direction, amount, currency ON credits
  BEGIN SELECT RAISE(ABORT, 'credits are append-only'); END;
CREATE TRIGGER IF NOT EXISTS credits_never_vanish BEFORE DELETE ON credits
  BEGIN SELECT RAISE(ABORT, 'credits are append-only'); END;
CREATE TABLE IF NOT EXISTS statements (
  account TEXT NOT NULL REFERENCES accounts, day TEXT NOT NULL, number INTEGER NOT NULL,
  opening INTEGER NOT NULL, closing INTEGER NOT NULL, outgoing_id INTEGER NOT NULL,
  PRIMARY KEY (account, day));
CREATE TABLE IF NOT EXISTS outgoing (
  id INTEGER PRIMARY KEY AUTOINCREMENT, source_id INTEGER, kind TEXT NOT NULL,
  channel TEXT NOT NULL, customer_number TEXT NOT NULL, version TEXT NOT NULL,
  name TEXT UNIQUE, file_id INTEGER, group_status TEXT NOT NULL DEFAULT '',
  code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '', created_at TEXT NOT NULL,
  held INTEGER NOT NULL DEFAULT 0, like_id INTEGER, told TEXT NOT NULL DEFAULT '{}',
  state TEXT NOT NULL DEFAULT 'new' CHECK (state IN ('new', 'staged', 'out')));
CREATE INDEX IF NOT EXISTS outgoing_waiting ON outgoing (id) WHERE state <> 'out';
CREATE TABLE IF NOT EXISTS outgoing_payments (
  outgoing_id INTEGER NOT NULL REFERENCES outgoing, payment_id INTEGER NOT NULL,
  status TEXT NOT NULL, code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (outgoing_id, payment_id));
CREATE TABLE IF NOT EXISTS outgoing_transfers (
  outgoing_id INTEGER NOT NULL REFERENCES outgoing, transfer_id INTEGER NOT NULL,
  status TEXT NOT NULL, code TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (outgoing_id, transfer_id)) WITHOUT ROWID;
"""
# Of the shape above: books of another shape are put aside, never read wrongly.
VERSION = 2

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


def put_aside(path: Path) -> Path | None:
    """Moves books of another version out of the way; returns where they lie now, if there were."""
    if not path.exists():
        return None
    with closing(sqlite3.connect(path)) as books:
        version = books.execute("PRAGMA user_version").fetchone()[0]
        if version == VERSION:
            return None
        books.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    aside = path.with_name(f"{path.stem}-version-{version}{path.suffix}")
    path.replace(aside)
    for rest in ("-wal", "-shm"):
        path.with_name(path.name + rest).unlink(missing_ok=True)
    return aside


def prepare(books: sqlite3.Connection) -> None:
    books.executescript(SHAPE)
    books.execute(f"PRAGMA user_version = {VERSION}")
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
