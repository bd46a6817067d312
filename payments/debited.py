"""How lines were debited at the bank, and the alarm when one is debited again."""

from __future__ import annotations

import json
from typing import Any

import structlog
from django.db import connection
from django.db.models import QuerySet

from banking.iso20022.values import Entry
from payments import lifecycle
from payments.models import Payment, PaymentLine
from portal.events import moves

log = structlog.get_logger(__name__)
# In the detail of the event of a return: how the line had been debited.
DEBIT = "debit"
# The debit of a line: what it tells itself, or told before it was returned.
DEBITED = """
SELECT l.id, l.payment_id, l.currency, l.reference,
  CASE WHEN l.status = %(settled)s THEN l.booked_date
    ELSE (e.detail #>> ARRAY[%(debit)s, 'date'])::date END AS booked_date,
  CASE WHEN l.status = %(settled)s THEN l.bank_reference
    ELSE e.detail #>> ARRAY[%(debit)s, 'reference'] END AS bank_reference
FROM payments_paymentline l
LEFT JOIN events_event e ON l.status = %(returned)s AND e.group_id = l.payment_id
  AND e.subject = 'line' AND e.subject_id = l.id AND e.event = %(return)s
WHERE l.status IN (%(settled)s, %(returned)s)
"""
WORDS = {
    "settled": lifecycle.SETTLED,
    "returned": lifecycle.RETURNED,
    "return": lifecycle.RETURN.name,
    "debit": DEBIT,
}


def keep(told: dict[str, Any]) -> None:
    """Of the staged lines that are returned, keeps in the detail of the event, beside what is
    `told`, how they were debited: the line itself tells of the return from now on."""
    returned = moves.Staged(PaymentLine, moves.STAGED, "code = %s", ["returned"])
    settled = PaymentLine.objects.filter(pk__in=returned.ids(), status=lifecycle.SETTLED)
    ids = list(settled.values_list("pk", flat=True))
    if not ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {moves.STAGED} s SET detail = %s::jsonb || jsonb_build_object(%s::text,"
            " jsonb_build_object('date', l.booked_date, 'reference', l.bank_reference))"
            " FROM payments_paymentline l"
            " WHERE l.id = s.row_id AND s.code = 'returned' AND l.id = ANY(%s)",
            [json.dumps(told), DEBIT, ids],
        )


def kept(lines: QuerySet[PaymentLine]) -> dict[str, Any] | None:
    """The same of lines that were debited together, for the events of their return."""
    found = lines.values_list("booked_date", "bank_reference").first()
    return {DEBIT: {"date": found[0], "reference": found[1]}} if found else None


def alarm_again(company_id: int, remarks: list[dict[str, Any]]) -> None:
    """Remarks the staged lines that were debited before, on another day and under another reference
    of the bank's."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT d.reference FROM {moves.STAGED} s JOIN ({DEBITED}) d ON d.id = s.row_id"
            " WHERE s.code = 'settled' AND d.booked_date <> s.booked_date"
            " AND d.bank_reference <> s.bank_reference AND '' NOT IN (d.bank_reference,"
            " s.bank_reference) ORDER BY d.id",
            WORDS,
        )
        again = [row[0] for row in cursor.fetchall()]
    if again:
        remarks.append({"code": "debited-again", "count": len(again), "references": again[:10]})
        log.critical("outcomes.debited_again", company=company_id, lines=again[:10])


def before(payment: Payment, entry: Entry) -> list[str]:
    """References of the payment's lines in the entry's currency, where every one of them has been
    debited on another day than the entry, and under another reference of the bank's."""
    if not entry.bank_reference or entry.booking_date is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.reference,"
            " d.booked_date <> %(day)s AND d.bank_reference NOT IN ('', %(name)s)"
            f" FROM ({DEBITED}) d WHERE d.payment_id = %(payment)s AND d.currency = %(currency)s"
            " ORDER BY d.id",
            WORDS
            | {
                "payment": payment.pk,
                "currency": entry.currency,
                "day": entry.booking_date,
                "name": entry.bank_reference[:35],
            },
        )
        rows = cursor.fetchall()
    return [name for name, _other in rows] if all(other for _name, other in rows) else []
