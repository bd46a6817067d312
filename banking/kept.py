"""Files that are read to their end and kept for the company whose accounts they tell of.

Incoming payments in the formats of Nets, and reports of a day that is not over: what they hold is
checked and counted here, and booked nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.db import transaction

from banking import inbox
from banking.iso20022 import camt053
from banking.iso20022.values import Entry, Notification
from banking.models import BankFile
from banking.nets import reader as nets
from banking.nets.values import Assignment, Mandate, Receipt, Skipped, Transmission
from portal import faults
from portal.access import tenancy

REMARKS_MAX = 50


@dataclass(slots=True)
class _Content:
    """What a file tells, gathered while it streams."""

    message_id: str = ""
    accounts: set[str] = field(default_factory=set)
    transactions: int = 0
    remarks: list[dict[str, Any]] = field(default_factory=list)

    def remark(self, code: str, **more: Any) -> None:
        if len(self.remarks) < REMARKS_MAX:
            self.remarks.append({"code": code, **more})


def read(file: BankFile, content: BinaryIO) -> None:
    """Keeps an OCR giro or AvtaleGiro file; raises Unreadable, NotOurs."""
    with transaction.atomic():
        found = _nets(content)
        owner = inbox.owner_of_accounts(file.channel_id, found.accounts)
        with tenancy.acting_for([owner], unclaimed=True):
            inbox.claim(file, company_id=owner, answers_to=None, salary=False)
            inbox.finish(
                file,
                message_id=found.message_id,
                transactions=found.transactions,
                remarks=found.remarks,
            )
    faults.point("kept.read")


def read_report(file: BankFile, content: BinaryIO) -> None:
    """Keeps a camt.052 that nobody asked for: what it tells may still change. It may tell of salary
    where it tells of debits, and is then seen by those alone who see salary. Raises Unreadable,
    NotOurs."""
    with transaction.atomic():
        found, addressed, debits = _Content(), set(), False
        for value in camt053.read(content):
            if isinstance(value, Entry):
                found.transactions += 1
                debits = debits or not value.credit
            elif isinstance(value, Notification):
                found.message_id = found.message_id or value.message_id
                addressed |= set(value.addressed)
                if value.account is not None:
                    found.accounts.add(value.account.number)
        owner = inbox.owner_of_accounts(file.channel_id, found.accounts, addressed)
        with tenancy.acting_for([owner], unclaimed=True):
            inbox.claim(file, company_id=owner, answers_to=None, salary=debits)
            inbox.finish(
                file, message_id=found.message_id, transactions=found.transactions, remarks=[]
            )
    faults.point("kept.read")


def _nets(content: BinaryIO) -> _Content:
    found, skipped, receipts = _Content(), set(), 0
    for value in nets.read(content):
        if isinstance(value, Transmission):
            found.message_id = f"{value.sender}-{value.number}"
        elif isinstance(value, Assignment):
            if value.account:
                found.accounts.add(value.account)
        elif isinstance(value, Receipt | Mandate):
            found.transactions += 1
            receipts += isinstance(value, Receipt)
        elif isinstance(value, Skipped):
            skipped.add(value.service)
    if receipts:
        found.remark("incoming", count=receipts)
    for service in sorted(skipped):
        found.remark("skipped", service=service)
    return found
