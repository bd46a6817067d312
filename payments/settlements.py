"""Settlements of the old format (Direkte remittering) carried out: a paid order settles its line.

What was refused is never told; an authorised person sets it by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.db import connection, transaction

from banking import inbox
from banking.models import BankFile
from banking.nets import reader as nets
from banking.nets.values import Assignment, Order, Transmission
from payments import advices, lifecycle, remittance, staging
from payments.models import PaymentLine
from portal import clock, faults
from portal.access import tenancy
from portal.access.models import Company
from portal.events import moves

log = structlog.get_logger(__name__)
SETTLED = {
    "payment_id": "bigint",
    "position": "integer",
    "account": "text",
    "amount": "numeric",
    "booked_date": "date",
    "bank_reference": "text",
}


@dataclass(slots=True)
class _Settlement:
    """What the file tells, gathered while it streams."""

    message_id: str = ""
    accounts: set[str] = field(default_factory=set)
    orders: int = 0


def read(file: BankFile, content: Any) -> None:
    """Settles the lines whose orders the file holds; raises Unreadable, NotOurs."""
    with transaction.atomic():
        found = _Settlement()
        found.orders = staging.fill("settled_order", SETTLED, _rows(found, content))
        company_id = inbox.owner_of_accounts(file.channel_id, found.accounts, answers=_paid())
        with tenancy.acting_for([company_id], unclaimed=True):
            _carry_out(file, company_id, found)
    faults.point("outcomes.settlement_read")


def _rows(found: _Settlement, content: Any) -> Iterator[tuple[Any, ...]]:
    account = ""
    for value in nets.read(content):
        if isinstance(value, Transmission):
            found.message_id = f"{value.sender}-{value.number}"
        elif isinstance(value, Assignment):
            account = value.account
            found.accounts.add(account)
        elif isinstance(value, Order):
            payment_id, position = remittance.parsed(value.own_reference) or (None, None)
            bank_reference = f"{found.message_id}-{value.number}"
            yield payment_id, position, account, value.amount, value.date, bank_reference[:35]


def _paid() -> set[int]:
    """Ids of the companies whose own lines the file tells of, as they were sent: the format has no
    receipt by which a bank could show before that it knows an agreement."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody), connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT p.company_id FROM settled_order s"
            " JOIN payments_payment p ON p.id = s.payment_id AND p.bank_file_id IS NOT NULL"
            " JOIN banking_bankaccount a ON a.id = p.account_id AND a.number = s.account"
            " JOIN payments_paymentline l ON l.payment_id = p.id AND l.position = s.position"
            " AND l.amount = s.amount"
        )
        return {row[0] for row in cursor.fetchall()}


def _carry_out(file: BankFile, company_id: int, found: _Settlement) -> None:
    at, by = clock.now(), inbox.speaker(file)
    table = moves.stage()
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (row_id, code, booked_date, bank_reference)"
            " SELECT l.id, CASE WHEN l.amount = s.amount THEN 'settled' ELSE 'differs' END,"
            " s.booked_date, s.bank_reference FROM settled_order s"
            " JOIN payments_payment p ON p.company_id = %s AND p.id = s.payment_id"
            " JOIN banking_bankaccount a ON a.id = p.account_id AND a.number = s.account"
            " JOIN payments_paymentline l ON l.payment_id = p.id AND l.position = s.position",
            [company_id],
        )
        matched = cursor.rowcount
        cursor.execute(f"SELECT count(*) FROM {table} WHERE code = 'differs'")
        differs = cursor.fetchone()[0]
        cursor.execute("SELECT DISTINCT payment_id FROM settled_order WHERE payment_id > 0")
        named = [row[0] for row in cursor.fetchall()]
    remarks: list[dict[str, Any]] = []
    if matched < found.orders:
        remarks.append({"code": "unmatched", "count": found.orders - matched})
    if differs:
        remarks.append({"code": "amount-differs", "count": differs})
        log.error("outcomes.amount_differs", company=company_id, count=differs)
    # What fits no payment of ours may be salary: it is seen by those alone who see salary.
    inbox.claim(file, company_id=company_id, answers_to=None, salary=matched < found.orders)
    columns = ("booked_date", "bank_reference")
    staged = moves.Staged(PaymentLine, table, "code = %s", ["settled"], columns=columns)
    told = inbox.named(file)
    moves.move(staged, lifecycle.SETTLE, by=by, at=at, within=named, detail=told)
    advices.alarm_unexpected(company_id, remarks)
    inbox.finish(file, message_id=found.message_id, transactions=found.orders, remarks=remarks)
