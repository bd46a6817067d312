"""What looks like a mistake or a fraud among payments that have come in, before anybody signs.

A guard compares new lines with what the company has paid before, and with each other. It tells,
beside what it compared with, and people decide. A company chooses whether a guard informs, warns
or stops: then an administrator must let the line pass before it is signed (payments.deciding). A
salary payment is never stopped, since no administrator may see it. Each guard is one statement for
all lines of an upload, and so is the choice; what was found stays as it was found. What was paid
as salary is compared with salary alone, and so shown to nobody else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Min, QuerySet
from django.utils.translation import gettext_lazy as _

from payments import lifecycle
from payments.models import Finding, Payment, PaymentLine

STOP, WARN, INFORM = Finding.Severity.STOP, Finding.Severity.WARN, Finding.Severity.INFORM
SEVERITIES = {str(INFORM): _("Inform"), str(WARN): _("Warn"), str(STOP): _("Stop")}
DUPLICATE, NEAR_KID, SAME_AMOUNT = "possible-duplicate", "near-kid", "same-amount"
ACCOUNT_CHANGED, FIRST_PAYMENT, UNUSUAL = "account-changed", "first-payment", "unusual-amount"
# The same KID or text to the same account is looked for so far back, and so far ahead.
SAME_REFERENCE_DAYS, SAME_AMOUNT_DAYS = 400, 5
# An amount is unusual when it is so many times the largest that the account has got, among so many
# payments at least, and large enough to matter (kroner, or as many of another currency).
UNUSUAL_TIMES, UNUSUAL_AFTER, UNUSUAL_FROM = 5, 4, 20_000
HISTORY_MAX = 50
# Lines that were never paid prove nothing of a payee, and are no payment that could be repeated.
NEVER_PAID = [
    lifecycle.STOPPED,
    lifecycle.REJECTED,
    lifecycle.CANCELLED,
    lifecycle.CANCELLED_AT_BANK,
    lifecycle.REFUSED,
]


@dataclass(frozen=True, slots=True)
class Words:
    """A finding in words: what it is, what to do before signing, and what the guard does where a
    company has chosen nothing else."""

    title: Any
    cure: Any
    severity: str = WARN


WORDS = {
    DUPLICATE: Words(
        _("It may have been paid already"),
        _("The same payee, amount and reference stand in another payment. Compare them."),
    ),
    NEAR_KID: Words(
        _("Almost the same KID and the same amount"),
        _("One of the two may be typed wrong. Compare both with the invoices."),
    ),
    SAME_AMOUNT: Words(
        _("The same amount to the same account within days"),
        _("Check that these are two different invoices."),
        INFORM,
    ),
    ACCOUNT_CHANGED: Words(
        _("The payee's account has changed"),
        _(
            "Call the payee on a number that you know from before, and not on one that stands in"
            " the invoice or in an e-mail: a changed account is a common way of fraud."
        ),
    ),
    FIRST_PAYMENT: Words(
        _("First payment to this account"),
        _("Check the account with the payee where the amount matters."),
        INFORM,
    ),
    UNUSUAL: Words(
        _("The amount is unusual for this payee"),
        _("Compare with the invoice: a digit or a decimal point may be wrong."),
    ),
}

AS_CHOSEN = """
UPDATE payments_finding f
SET severity = CASE WHEN p.kind = 'salary' AND s.severity = 'stop' THEN 'warn' ELSE s.severity END
FROM payments_guardsetting s, payments_payment p
WHERE s.company_id = %(company)s AND f.payment_id = ANY(%(ids)s)
  AND p.id = f.payment_id AND s.code = f.code
"""
HEAD = """
INSERT INTO payments_finding
  (company_id, payment_id, line_id, code, severity, other_id, facts, found_at)
"""
# The new lines. Their ids are above those of all lines that stood here before.
NEW = """
WITH n AS MATERIALIZED (
  SELECT l.id, l.company_id, l.payment_id, l.payee_account, l.payee_key, l.amount, l.currency,
         l.kid, l.message, l.documents, p.kind, p.due_date
  FROM payments_paymentline l JOIN payments_payment p ON p.id = l.payment_id
  WHERE l.payment_id = ANY(%(ids)s) AND l.status <> 'stopped')
"""
# Those of them that go to an account which has never got money from the company. Each account is
# looked up once; a subquery with a limit is planned by itself, along the index that it names.
FRESH = """,
account AS MATERIALIZED (SELECT DISTINCT payee_account FROM n),
known AS MATERIALIZED (
  SELECT a.payee_account FROM account a CROSS JOIN LATERAL (
    SELECT 1 FROM payments_paymentline o
    WHERE o.company_id = %(company)s AND o.payee_account = a.payee_account AND o.id < %(first)s
      AND o.status <> ALL(%(never)s)
    ORDER BY o.company_id, o.payee_account, o.id DESC LIMIT 1) seen),
fresh AS MATERIALIZED (
  SELECT n.* FROM n WHERE NOT EXISTS (
    SELECT FROM known WHERE known.payee_account = n.payee_account))
"""
SAME_TEXT = """
  (n.kid = '' AND o.kid = '' AND n.message <> '' AND lower(o.message) = lower(n.message))
  OR (n.documents IS NOT NULL AND o.documents IS NOT NULL AND EXISTS (
        SELECT FROM jsonb_array_elements(n.documents) a, jsonb_array_elements(o.documents) b
        WHERE a->>'kind' = 'CINV' AND b->>'kind' = 'CINV'
          AND (coalesce(a->>'number', '') <> '' AND a->>'number' = b->>'number'
               OR coalesce(a->>'kid', '') <> '' AND a->>'kid' = b->>'kid')))
"""
ALMOST = """
  n.kid <> '' AND o.kid <> n.kid AND length(o.kid) = length(n.kid)
  AND abs(q.due_date - n.due_date) <= %(near)s
  AND (SELECT count(*) FROM generate_series(1, length(n.kid)) i
       WHERE substr(n.kid, i, 1) <> substr(o.kid, i, 1)) <= 2
"""
DAYS_APART = """
  n.kind = 'supplier' AND n.kid = '' AND o.kid = '' AND abs(q.due_date - n.due_date) <= %(near)s
"""
GUARDS = [
    # The same account, amount and KID.
    f"""{NEW} {HEAD}
    SELECT n.company_id, n.payment_id, n.id, '{DUPLICATE}', '{WARN}', f.id, '{{}}', %(at)s
    FROM n CROSS JOIN LATERAL (
      SELECT o.id FROM (
        SELECT * FROM payments_paymentline same
        WHERE same.company_id = %(company)s AND same.payee_account = n.payee_account
          AND same.kid <> '' AND ltrim(same.kid, '0') = ltrim(n.kid, '0')
        ORDER BY same.company_id, same.payee_account, ltrim(same.kid, '0') LIMIT {HISTORY_MAX}) o
      JOIN payments_payment q ON q.id = o.payment_id
      WHERE o.id < n.id AND o.amount = n.amount AND o.currency = n.currency
        AND o.status <> ALL(%(never)s) AND q.kind = n.kind
        AND abs(q.due_date - n.due_date) <= %(far)s
      ORDER BY o.id DESC LIMIT 1) f
    WHERE n.kid <> ''""",
    # The same amount among the last lines to the account: by the same text or invoice, by a KID
    # that differs in one or two places, or with no reference that tells them apart.
    f"""{NEW} {HEAD}
    SELECT n.company_id, n.payment_id, n.id, f.code,
           CASE WHEN f.code = '{SAME_AMOUNT}' THEN '{INFORM}' ELSE '{WARN}' END,
           f.id, '{{}}', %(at)s
    FROM n CROSS JOIN LATERAL (
      SELECT id, code FROM (
        SELECT o.id, CASE WHEN {SAME_TEXT} THEN '{DUPLICATE}' WHEN {ALMOST} THEN '{NEAR_KID}'
                          WHEN {DAYS_APART} THEN '{SAME_AMOUNT}' END AS code
        FROM (SELECT * FROM payments_paymentline recent
              WHERE recent.company_id = %(company)s AND recent.payee_account = n.payee_account
                AND recent.id < n.id
              ORDER BY recent.company_id, recent.payee_account, recent.id DESC
              LIMIT {HISTORY_MAX}) o
        JOIN payments_payment q ON q.id = o.payment_id
        WHERE o.amount = n.amount AND o.currency = n.currency AND o.status <> ALL(%(never)s)
          AND q.kind = n.kind AND abs(q.due_date - n.due_date) <= %(far)s) judged
      WHERE code IS NOT NULL
      ORDER BY array_position(ARRAY['{DUPLICATE}', '{NEAR_KID}'], code), id DESC
      LIMIT 1) f
    ON CONFLICT DO NOTHING""",
    # A payee whose name is known, at an account that is not.
    f"""{NEW} {FRESH} {HEAD}
    SELECT n.company_id, n.payment_id, n.id, '{ACCOUNT_CHANGED}', '{WARN}', f.id, '{{}}', %(at)s
    FROM fresh n CROSS JOIN LATERAL (
      SELECT o.id FROM (
        SELECT * FROM payments_paymentline named
        WHERE named.company_id = %(company)s AND named.payee_key = n.payee_key
          AND named.id < %(first)s
        ORDER BY named.company_id, named.payee_key, named.id DESC LIMIT {HISTORY_MAX}) o
      JOIN payments_payment q ON q.id = o.payment_id
      WHERE q.kind = n.kind AND o.status <> ALL(%(never)s)
      ORDER BY o.id DESC LIMIT 1) f
    WHERE n.payee_key <> ''""",
    # An account that is new, of a payee who is new as well.
    f"""{NEW} {FRESH} {HEAD}
    SELECT n.company_id, n.payment_id, n.id, '{FIRST_PAYMENT}', '{INFORM}', NULL, '{{}}', %(at)s
    FROM fresh n WHERE n.kind = 'supplier' AND n.id NOT IN (
      SELECT f.line_id FROM payments_finding f
      WHERE f.payment_id = ANY(%(ids)s) AND f.code = '{ACCOUNT_CHANGED}')""",
    # Far above all that the account has got.
    f"""{NEW} {HEAD}
    SELECT n.company_id, n.payment_id, n.id, '{UNUSUAL}', '{WARN}', NULL,
           jsonb_build_object('largest', h.largest::text, 'payments', h.count), %(at)s
    FROM n CROSS JOIN LATERAL (
      SELECT count(*) AS count, max(o.amount) AS largest FROM (
        SELECT * FROM payments_paymentline recent
        WHERE recent.company_id = %(company)s AND recent.payee_account = n.payee_account
          AND recent.id < %(first)s
        ORDER BY recent.company_id, recent.payee_account, recent.id DESC
        LIMIT {HISTORY_MAX}) o
      JOIN payments_payment q ON q.id = o.payment_id
      WHERE q.kind = n.kind AND o.currency = n.currency AND o.status <> ALL(%(never)s)) h
    WHERE n.kind = 'supplier' AND n.amount >= {UNUSUAL_FROM} AND h.count >= {UNUSUAL_AFTER}
      AND n.amount > {UNUSUAL_TIMES} * h.largest""",
]


@dataclass(frozen=True, slots=True)
class Told:
    """A finding with its words."""

    row: Finding
    words: Words

    @property
    def field(self) -> str:
        """What the field for a reason to let it pass is called in a page with several."""
        return f"reason-{self.row.pk}"


def look(payment_ids: Sequence[int], *, company_id: int, at: dt.datetime) -> int:
    """Compares the lines of these payments, which have just been stored, with what was paid before;
    answers how many findings were kept. In the caller's transaction, acting for their company."""
    first = PaymentLine.objects.filter(payment__in=payment_ids).aggregate(first=Min("pk"))["first"]
    words: dict[str, Any] = {
        "ids": list(payment_ids),
        "company": company_id,
        "first": first or 0,
        "never": NEVER_PAID,
        "at": at,
        "far": SAME_REFERENCE_DAYS,
        "near": SAME_AMOUNT_DAYS,
    }
    found = 0
    with connection.cursor() as cursor:
        for guard in GUARDS:
            cursor.execute(guard, words)
            found += cursor.rowcount
        if found:
            cursor.execute(AS_CHOSEN, words)
    return found


def stopping() -> QuerySet[Finding]:
    """What keeps lines from being signed: it stops, nobody has let it pass, and the line waits."""
    return Finding.objects.filter(
        severity=STOP, passed_at=None, line__status__in=lifecycle.PHASES[lifecycle.OPEN]
    )


def telling() -> QuerySet[Finding]:
    """What an approver is to look at: it warns or stops, and its line waits."""
    return Finding.objects.filter(
        severity__in=[STOP, WARN], line__status__in=lifecycle.PHASES[lifecycle.OPEN]
    )


def stops(payment_ids: Iterable[int]) -> dict[int, int]:
    """Payment id → how many findings keep it from being signed; in one query."""
    rows = stopping().filter(payment__in=list(payment_ids)).order_by()
    return dict(rows.values_list("payment_id").annotate(n=Count("id")))


def of(payments: Sequence[Payment], *, severities: Sequence[str] = (), size: int) -> list[Told]:
    """What was found on lines of these payments that may still be stopped, the largest amounts
    first, with what each was compared with; in one query."""
    rows = Finding.objects.filter(
        payment__in=list(payments), line__status__in=[*lifecycle.AT_HOME]
    ).exclude(line__status__in=[lifecycle.CANCELLED, lifecycle.REFUSED, lifecycle.STOPPED])
    if severities:
        rows = rows.filter(severity__in=severities)
    return told(rows.order_by("-line__amount", "line_id", "code")[:size])


def told(rows: QuerySet[Finding]) -> list[Told]:
    """Findings with their words, and all that is told of them at hand."""
    loaded = rows.select_related("line", "payment", "other__payment", "passed_by")
    return [Told(row, WORDS[row.code]) for row in loaded]
