"""Files that are read to their end and kept for the company whose accounts they tell of.

Statements and incoming payments: what they hold is checked and counted here, and booked nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from django.db import transaction

from banking import inbox
from banking.iso20022 import camt053
from banking.iso20022.values import Discrepancy, Entry, EntryDetail, Notification
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
    addressed: set[tuple[str, str]] = field(default_factory=set)
    transactions: int = 0
    has_debits: bool = False
    remarks: list[dict[str, Any]] = field(default_factory=list)

    def remark(self, code: str, **more: Any) -> None:
        if len(self.remarks) < REMARKS_MAX:
            self.remarks.append({"code": code, **more})


def read(file: BankFile, content: BinaryIO) -> None:
    """Keeps a camt.052, camt.053, OCR giro or AvtaleGiro file; raises Unreadable, NotOurs.

    One that tells of debits may tell of salary, so it is seen by those alone who see salary.
    """
    with transaction.atomic():
        found = _statement(content) if file.kind.startswith("camt") else _nets(content)
        owner = inbox.owner_of_accounts(file.channel_id, found.accounts, found.addressed)
        with tenancy.acting_for([owner], unclaimed=True):
            inbox.claim(file, company_id=owner, answers_to=None, salary=found.has_debits)
            inbox.finish(
                file,
                message_id=found.message_id,
                transactions=found.transactions,
                remarks=found.remarks,
            )
    faults.point("kept.read")


def _statement(content: BinaryIO) -> _Content:
    found = _Content()
    for _entry, details in _entries(content, found):
        found.transactions += max(1, details)
    return found


def _entries(content: BinaryIO, found: _Content) -> Iterator[tuple[Entry, int]]:
    """Each entry with the number of its details; the rest is gathered into `found`."""
    entry: Entry | None = None
    details = 0
    for value in camt053.read(content):
        if isinstance(value, EntryDetail):
            details += 1
        elif isinstance(value, Entry):
            if entry is not None:
                yield entry, details
            entry, details = value, 0
            found.has_debits = found.has_debits or not value.credit
        elif isinstance(value, Notification):
            found.message_id = found.message_id or value.message_id
            found.addressed.update(value.addressed)
            if value.account is not None:
                found.accounts.add(value.account.number)
        elif isinstance(value, Discrepancy):
            found.remark(
                "discrepancy",
                kind=value.kind,
                declared=str(value.declared),
                found=str(value.found),
            )
    if entry is not None:
        yield entry, details


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
