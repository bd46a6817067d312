"""Payments in the format before ISO 20022 (Direkte remittering): what it carries, and its orders.

Pure. The bank gives nothing back but what it has paid, known again by each order's own reference.
"""

from __future__ import annotations

import datetime as dt
import textwrap
from decimal import Decimal
from typing import Any

from banking.iso20022.values import Transfer
from banking.nets import remittance
from banking.nets.records import ENCODING
from banking.nets.values import Order, Specified

NAME_MAX, TOWN_MAX, ADDRESS_MAX, SHORT_NAME_MAX = 30, 25, 30, 10
DOMESTIC = ("BBAN", "IBAN")
HOME = "NOK"


def not_carried(line: Transfer, *, salary: bool) -> list[tuple[str, str]]:
    """(field, value) of what the old format cannot say of a line; empty when it carries it."""
    found = []
    account = line.payee_account
    if salary:
        found.append(("PmtTpInf/CtgyPurp", "SALA"))
    if line.currency != HOME:
        found.append(("InstdAmt/@Ccy", line.currency))
    if account is not None and account.number and not _domestic(account.kind, account.number):
        found.append(("CdtrAcct", account.number))
    if any(document.kid is None or document.amount is None for document in line.documents):
        found.append(("RmtInf/Strd", "KID"))
    if any(document.currency not in ("", HOME) for document in line.documents):
        found.append(("RmtInf/Strd", "NOK"))
    text = "".join([line.payee.name, *line.message])
    odd = next((c for c in text if not c.encode(ENCODING, "ignore")), "")
    if odd:
        found.append(("Nm, Ustrd", odd))
    return found


def _domestic(kind: str, number: str) -> bool:
    return kind in DOMESTIC and (number.isdigit() or number.startswith("NO"))


def reference(payment_id: int, position: int) -> str:
    """The own reference of a line's order: at most 25 characters, another for every line."""
    return f"{payment_id}-{position}"


def parsed(own_reference: str) -> tuple[int, int] | None:
    """(payment's id, line's position) of an own reference; None for one that is not ours."""
    payment, dash, position = own_reference.partition("-")
    if not (dash and payment.isascii() and payment.isdigit()):
        return None
    if not (position.isascii() and position.isdigit()) or len(own_reference) > 25:
        return None
    return int(payment), int(position)


def order(row: dict[str, Any], *, payment_id: int, due_date: dt.date) -> Order:
    """A stored line (writing.FIELDS) as an order. What is longer than its field is cut, as the
    format has no room for it: the account and the KID decide where the money goes."""
    address = row["payee_address"] or {}
    documents = row["documents"] or []
    specified = tuple(
        Specified(one["kid"], Decimal(one["amount"]), one["kind"] == "CREN") for one in documents
    )
    kid = row["kid"] or None
    if any(one.credit for one in specified):
        kind = remittance.CREDIT_NOTES
    else:
        kind = remittance.KIDS if kid or specified else remittance.NOTICE
    street = " ".join(filter(None, [address.get("street", ""), address.get("building", "")]))
    lines = [street, *address.get("address_lines", [])]
    name = row["payee_name"]
    has_notice = kind == remittance.NOTICE
    return Order(
        type=kind,
        date=due_date,
        account=row["payee_account"][-11:],
        amount=row["amount"],
        own_reference=reference(payment_id, row["position"]),
        short_name=name[:SHORT_NAME_MAX],
        kid=kid,
        name=name[:NAME_MAX],
        post_code=address.get("post_code", "")[:4],
        town=address.get("town", "")[:TOWN_MAX],
        address=tuple(line[:ADDRESS_MAX] for line in lines if line)[:2] if has_notice else (),
        message=_message(row["message"]) if has_notice else (),
        specified=specified,
    )


def _message(text: str) -> tuple[str, ...]:
    lines = [
        part
        for line in text.split("\n")
        for part in textwrap.wrap(line, remittance.MESSAGE_LENGTH, break_long_words=True)
    ]
    return tuple(lines) or ("Betaling",)
