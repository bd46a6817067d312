"""Holds the closing of each account's bank days; must not write any message."""

import datetime
import sqlite3

from .clock import BankDays

SUMS = (
    "SELECT COALESCE((SELECT SUM(CASE direction WHEN 'in' THEN amount ELSE -amount END)"
    " FROM credits WHERE account = :account AND status = 'booked' AND booked_date {0} :day), 0)"
    " - COALESCE((SELECT SUM(amount) FROM postings WHERE account = :account"
    " AND booked_date {0} :day), 0)"
)


def due(
    books: sqlite3.Connection, today: datetime.date, days: BankDays
) -> list[tuple[sqlite3.Row, datetime.date]]:
    """Accounts with statements, and the bank days that are over and not yet told; oldest first."""
    accounts = books.execute(
        "SELECT a.*, (SELECT MAX(day) FROM statements WHERE account = a.number) AS last"
        " FROM accounts a WHERE statements = 1 ORDER BY number"
    ).fetchall()
    found = []
    for account in accounts:
        day = datetime.date.fromisoformat(account["opened_on"])
        if account["last"]:
            day = datetime.date.fromisoformat(account["last"]) + datetime.timedelta(days=1)
        while day < today:
            if days.is_open(day):
                found.append((account, day))
            day += datetime.timedelta(days=1)
    return sorted(found, key=lambda one: (one[1], one[0]["number"]))


def close(
    books: sqlite3.Connection, account: sqlite3.Row, day: datetime.date, outgoing_id: int
) -> None:
    """Keeps a day's opening and closing balances, in the caller's transaction."""
    asked = {"account": account["number"], "day": day.isoformat()}
    before = books.execute(SUMS.format("<"), asked).fetchone()[0]
    on_the_day = books.execute(SUMS.format("="), asked).fetchone()[0]
    opening = account["opening"] + before
    number = books.execute(
        "SELECT COUNT(*) + 1 FROM statements WHERE account = ?", (account["number"],)
    ).fetchone()[0]
    books.execute(
        "INSERT INTO statements VALUES (?, ?, ?, ?, ?, ?)",
        (account["number"], asked["day"], number, opening, opening + on_the_day, outgoing_id),
    )
