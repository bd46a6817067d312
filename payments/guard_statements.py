"""The guards as statements: each compares all new lines at once with what was paid before.

Every statement inserts findings of a code. It takes the ids of the new payments, their company, the
id of their first line (those of all lines that stood here before are below it), the statuses of
what was never paid, and the time. What the codes mean is told in payments.guards.
"""

from __future__ import annotations

from payments.models import Finding

STOP, WARN, INFORM = Finding.Severity.STOP, Finding.Severity.WARN, Finding.Severity.INFORM
DUPLICATE, NEAR_KID, SAME_AMOUNT = "possible-duplicate", "near-kid", "same-amount"
ACCOUNT_CHANGED, FIRST_PAYMENT, UNUSUAL = "account-changed", "first-payment", "unusual-amount"
SISTER, SPLIT, REFUSED_BEFORE = "sister-duplicate", "split", "refused-before"
# Codes by which a bank refuses an account, and those by which it refuses a KID, or that there is
# none: the next payment to the account meets the same, unless it is another in just that.
OF_THE_ACCOUNT = ("AC01", "AC03", "AC04", "AC06", "AC07")
OF_THE_KID = ("RR07", "RR09", "NARR")
# The same KID or text to the same account is looked for so far back, and so far ahead.
SAME_REFERENCE_DAYS, SAME_AMOUNT_DAYS = 400, 5
# What has come at least twice before, never nearer than this, comes by the month: a rent, a lease.
RHYTHM_DAYS = 20
# An amount is unusual when it is so many times the largest that the account has got, among so many
# payments at least, and large enough to matter (kroner, or as many of another currency).
UNUSUAL_TIMES, UNUSUAL_AFTER, UNUSUAL_FROM = 5, 4, 20_000
HISTORY_MAX = 50
# A payee is sought among so many of the last lines of an account that many share.
SHARED_MAX = 500

HEAD = """
INSERT INTO payments_finding
  (company_id, payment_id, line_id, code, severity, other_id, facts, found_at)
"""
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
# Those that go to an account which has never got money in this payee's name.
STRANGE = f""",
pair AS MATERIALIZED (SELECT DISTINCT payee_account, payee_key FROM n WHERE payee_key <> ''),
met AS MATERIALIZED (
  SELECT a.payee_account, a.payee_key FROM pair a CROSS JOIN LATERAL (
    SELECT 1 FROM (
      SELECT * FROM payments_paymentline shared
      WHERE shared.company_id = %(company)s AND shared.payee_account = a.payee_account
        AND shared.id < %(first)s
      ORDER BY shared.company_id, shared.payee_account, shared.id DESC LIMIT {SHARED_MAX}) o
    WHERE o.payee_key = a.payee_key AND o.status <> ALL(%(never)s) LIMIT 1) seen),
strange AS MATERIALIZED (
  SELECT n.* FROM n WHERE n.payee_key <> '' AND (n.payee_account, n.payee_key) NOT IN (
    SELECT payee_account, payee_key FROM met))
"""
SAME_REFERENCE = """
  (n.kid || n.message <> '' AND ltrim(o.kid, '0') = ltrim(n.kid, '0')
   AND (n.kid <> '' OR lower(o.message) = lower(n.message)))
"""
SAME_INVOICE = """
  (n.documents IS NOT NULL AND o.documents IS NOT NULL AND EXISTS (
     SELECT FROM jsonb_array_elements(n.documents) a, jsonb_array_elements(o.documents) b
     WHERE a->>'kind' = 'CINV' AND b->>'kind' = 'CINV'
       AND (coalesce(a->>'number', '') <> '' AND a->>'number' = b->>'number'
            OR coalesce(a->>'kid', '') <> '' AND a->>'kid' = b->>'kid')))
"""
SAME_TEXT = (
    "(n.kid = '' AND o.kid = '' AND n.message <> '' AND lower(o.message) = lower(n.message))"
)
# Days apart, and a number in the one text that stands in the other's text or KID; a year is none.
SAME_NUMBER = """
  ((n.kid = '' OR o.kid = '') AND abs(q.due_date - n.due_date) <= %(near)s AND EXISTS (
     SELECT FROM regexp_matches(
       CASE WHEN n.kid = '' THEN n.message ELSE o.message END, '[0-9]{4,}', 'g') number
     WHERE number[1] !~ '^(19|20)[0-9][0-9]$' AND strpos(
       CASE WHEN n.kid <> '' THEN n.kid WHEN o.kid <> '' THEN o.kid ELSE o.message END,
       number[1]) > 0))
"""
ALMOST = """
  n.kid <> '' AND o.kid <> n.kid AND length(o.kid) = length(n.kid)
  AND abs(q.due_date - n.due_date) <= %(near)s
  AND (SELECT count(*) FROM generate_series(1, length(n.kid)) i
       WHERE substr(n.kid, i, 1) <> substr(o.kid, i, 1)) <= 2
"""
DAYS_APART = """
  n.kind = 'supplier' AND (n.kid = '' OR o.kid = '')
  AND abs(q.due_date - n.due_date) <= %(near)s
"""
# The last of the lines that were told alike, unless they come by the month, as this one does.
UNLESS_A_RHYTHM = f"""
  SELECT code, max(id) AS id FROM (
    SELECT *, due_date - lag(due_date) OVER (PARTITION BY code ORDER BY due_date) AS gap
    FROM judged) step
  GROUP BY code
  HAVING NOT (code = '{DUPLICATE}' AND count(*) > 1 AND min(gap) >= {RHYTHM_DAYS}
              AND min(abs(due_date - n.due_date)) >= {RHYTHM_DAYS})
"""
SAME_KID = f"""{NEW} {HEAD}
SELECT n.company_id, n.payment_id, n.id, '{DUPLICATE}', '{WARN}', f.id, '{{}}', %(at)s
FROM n CROSS JOIN LATERAL (
  WITH judged AS (
    SELECT o.id, '{DUPLICATE}' AS code, q.due_date FROM (
      SELECT * FROM payments_paymentline same
      WHERE same.company_id = %(company)s AND same.payee_account = n.payee_account
        AND same.kid <> '' AND ltrim(same.kid, '0') = ltrim(n.kid, '0')
      ORDER BY same.company_id, same.payee_account, ltrim(same.kid, '0') LIMIT {HISTORY_MAX}) o
    JOIN payments_payment q ON q.id = o.payment_id
    WHERE o.id < n.id AND o.amount = n.amount AND o.currency = n.currency
      AND o.status <> ALL(%(never)s) AND q.kind = n.kind
      AND abs(q.due_date - n.due_date) <= %(far)s)
  {UNLESS_A_RHYTHM}) f
WHERE n.kid <> ''
"""
# The same amount among the last lines to the account: by the same text or invoice, by a KID that
# differs in one or two places, or with no reference that tells them apart.
SAME_SUM = f"""{NEW} {HEAD}
SELECT n.company_id, n.payment_id, n.id, f.code,
       CASE WHEN f.code = '{SAME_AMOUNT}' THEN '{INFORM}' ELSE '{WARN}' END,
       f.id, '{{}}', %(at)s
FROM n CROSS JOIN LATERAL (
  WITH judged AS (
    SELECT * FROM (
      SELECT o.id, q.due_date,
             CASE WHEN {SAME_TEXT} OR {SAME_INVOICE} OR {SAME_NUMBER} THEN '{DUPLICATE}'
                  WHEN {ALMOST} THEN '{NEAR_KID}' WHEN {DAYS_APART} THEN '{SAME_AMOUNT}' END AS code
      FROM (SELECT * FROM payments_paymentline recent
            WHERE recent.company_id = %(company)s AND recent.payee_account = n.payee_account
              AND recent.id < n.id
            ORDER BY recent.company_id, recent.payee_account, recent.id DESC
            LIMIT {HISTORY_MAX}) o
      JOIN payments_payment q ON q.id = o.payment_id
      WHERE o.amount = n.amount AND o.currency = n.currency AND o.status <> ALL(%(never)s)
        AND q.kind = n.kind AND abs(q.due_date - n.due_date) <= %(far)s) alike
    WHERE code IS NOT NULL)
  {UNLESS_A_RHYTHM}
  ORDER BY array_position(ARRAY['{DUPLICATE}', '{NEAR_KID}', '{SAME_AMOUNT}'], code) LIMIT 1) f
ON CONFLICT DO NOTHING
"""
# Lines with one KID or text that are together what has been paid under it already. `part` are the
# new lines and those of the last days; the sum is told on the last of them, once.
IN_PARTS = f"""{NEW},
part AS MATERIALIZED (
  SELECT n.id AS told, sum(o.amount) AS total, count(*) AS parts, min(o.id) AS first
  FROM n CROSS JOIN LATERAL (
    SELECT * FROM payments_paymentline recent
    WHERE recent.company_id = %(company)s AND recent.payee_account = n.payee_account
      AND recent.id <= n.id
    ORDER BY recent.company_id, recent.payee_account, recent.id DESC LIMIT {HISTORY_MAX}) o
  JOIN payments_payment q ON q.id = o.payment_id
  WHERE {SAME_REFERENCE} AND o.currency = n.currency AND q.kind = n.kind
    AND o.status <> ALL(%(never)s) AND abs(q.due_date - n.due_date) <= %(near)s
  GROUP BY n.id
  HAVING count(*) > 1)
{HEAD}
SELECT n.company_id, n.payment_id, n.id, '{DUPLICATE}', '{WARN}', f.id,
       jsonb_build_object('parts', part.parts, 'sum', part.total::text), %(at)s
FROM part JOIN n ON n.id = part.told CROSS JOIN LATERAL (
  SELECT o.id FROM (
    SELECT * FROM payments_paymentline recent
    WHERE recent.company_id = %(company)s AND recent.payee_account = n.payee_account
      AND recent.id < part.first
    ORDER BY recent.company_id, recent.payee_account, recent.id DESC LIMIT {HISTORY_MAX}) o
  JOIN payments_payment q ON q.id = o.payment_id
  WHERE o.amount = part.total AND {SAME_REFERENCE} AND o.currency = n.currency
    AND q.kind = n.kind AND o.status <> ALL(%(never)s)
    AND abs(q.due_date - n.due_date) <= %(far)s
  ORDER BY o.id DESC LIMIT 1) f
ON CONFLICT DO NOTHING
"""
# The other way round: the whole, after its parts.
WHOLE_AGAIN = f"""{NEW} {HEAD}
SELECT n.company_id, n.payment_id, n.id, '{DUPLICATE}', '{WARN}', f.last,
       jsonb_build_object('parts', f.parts, 'sum', f.total::text), %(at)s
FROM n CROSS JOIN LATERAL (
  SELECT max(o.id) AS last, count(*) AS parts, sum(o.amount) AS total FROM (
    SELECT * FROM payments_paymentline recent
    WHERE recent.company_id = %(company)s AND recent.payee_account = n.payee_account
      AND recent.id < n.id
    ORDER BY recent.company_id, recent.payee_account, recent.id DESC LIMIT {HISTORY_MAX}) o
  JOIN payments_payment q ON q.id = o.payment_id
  WHERE o.amount < n.amount AND {SAME_REFERENCE} AND o.currency = n.currency
    AND q.kind = n.kind AND o.status <> ALL(%(never)s)
    AND abs(q.due_date - n.due_date) <= %(far)s) f
WHERE f.parts > 1 AND f.total = n.amount
ON CONFLICT DO NOTHING
"""
# A payee whose name is known, at an account where that name is not.
OTHER_ACCOUNT = f"""{NEW} {STRANGE} {HEAD}
SELECT n.company_id, n.payment_id, n.id, '{ACCOUNT_CHANGED}', '{WARN}', f.id, '{{}}', %(at)s
FROM strange n CROSS JOIN LATERAL (
  SELECT o.id FROM (
    SELECT * FROM payments_paymentline named
    WHERE named.company_id = %(company)s AND named.payee_key = n.payee_key
      AND named.id < %(first)s
    ORDER BY named.company_id, named.payee_key, named.id DESC LIMIT {HISTORY_MAX}) o
  JOIN payments_payment q ON q.id = o.payment_id
  WHERE q.kind = n.kind AND o.status <> ALL(%(never)s)
  ORDER BY o.id DESC LIMIT 1) f
"""
# An account that is new, of a payee who is new as well.
NEW_ACCOUNT = f"""{NEW} {FRESH} {HEAD}
SELECT n.company_id, n.payment_id, n.id, '{FIRST_PAYMENT}', '{INFORM}', NULL, '{{}}', %(at)s
FROM fresh n WHERE n.kind = 'supplier' AND n.id NOT IN (
  SELECT f.line_id FROM payments_finding f
  WHERE f.payment_id = ANY(%(ids)s) AND f.code = '{ACCOUNT_CHANGED}')
"""
# Far above all that the account has got.
FAR_ABOVE = f"""{NEW} {HEAD}
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
  AND n.amount > {UNUSUAL_TIMES} * h.largest
"""
# Several payments of the same days to one account, with nothing that tells them apart, of which
# each is within somebody's limit for a payment and all together are beyond it. Told on the last.
UNDER_A_LIMIT = f"""{NEW},
last AS MATERIALIZED (
  SELECT DISTINCT ON (payee_account) * FROM n
  WHERE kind = 'supplier' AND kid = '' AND documents IS NULL AND currency = 'NOK'
    AND EXISTS (SELECT FROM access_approvallimit
                WHERE company_id = %(company)s AND per_payment IS NOT NULL)
  ORDER BY payee_account, id DESC)
{HEAD}
SELECT n.company_id, n.payment_id, n.id, '{SPLIT}', '{WARN}', f.other,
       jsonb_build_object('payments', f.payments, 'sum', f.total::text, 'limit', limits.most::text),
       %(at)s
FROM last n CROSS JOIN LATERAL (
  SELECT sum(o.amount) AS total, count(DISTINCT q.id) AS payments,
         max(o.id) FILTER (WHERE o.payment_id <> n.payment_id) AS other,
         max((q.totals->>'NOK')::numeric) AS largest
  FROM (SELECT * FROM payments_paymentline recent
        WHERE recent.company_id = %(company)s AND recent.payee_account = n.payee_account
          AND recent.id <= n.id
        ORDER BY recent.company_id, recent.payee_account, recent.id DESC LIMIT {HISTORY_MAX}) o
  JOIN payments_payment q ON q.id = o.payment_id
  WHERE o.currency = 'NOK' AND o.kid = '' AND o.documents IS NULL AND q.kind = 'supplier'
    AND o.status <> ALL(%(never)s) AND abs(q.due_date - n.due_date) <= %(near)s) f
CROSS JOIN LATERAL (
  SELECT max(per_payment) AS most FROM access_approvallimit
  WHERE company_id = %(company)s AND per_payment >= f.largest AND per_payment < f.total) limits
WHERE f.payments > 1 AND limits.most IS NOT NULL
"""
# The last payment to the account of which the bank has told the end was refused for the account; or
# the last that had a KID, or none, as this one, for just that.
AS_BEFORE = f"""{NEW} {HEAD}
SELECT n.company_id, n.payment_id, n.id, '{REFUSED_BEFORE}', '{WARN}', o.id, '{{}}', %(at)s
FROM n CROSS JOIN LATERAL (
  SELECT max(o.id) AS any_way, max(o.id) FILTER (WHERE (o.kid = '') = (n.kid = '')) AS alike
  FROM (
    SELECT * FROM payments_paymentline recent
    WHERE recent.company_id = %(company)s AND recent.payee_account = n.payee_account
      AND recent.id < %(first)s
    ORDER BY recent.company_id, recent.payee_account, recent.id DESC LIMIT {HISTORY_MAX}) o
  JOIN payments_payment q ON q.id = o.payment_id
  WHERE q.kind = n.kind AND o.status IN ('accepted', 'settled', 'rejected')) last
JOIN payments_paymentline o ON o.id IN (last.any_way, last.alike) AND o.status = 'rejected'
WHERE EXISTS (
  SELECT FROM jsonb_array_elements(o.reasons) reason
  WHERE o.id = last.any_way AND reason->>'code' IN {OF_THE_ACCOUNT}
     OR o.id = last.alike AND reason->>'code' IN {OF_THE_KID})
ON CONFLICT DO NOTHING
"""
GUARDS = [
    SAME_KID,
    SAME_SUM,
    IN_PARTS,
    WHOLE_AGAIN,
    OTHER_ACCOUNT,
    NEW_ACCOUNT,
    FAR_ABOVE,
    UNDER_A_LIMIT,
    AS_BEFORE,
]

# The same invoice among the supplier lines of the customer's other companies, by its KID, its
# number, or a text with a number in it. Which company and payment is kept as facts: the line itself
# stands behind the other company's wall. `there` are the accounts that the others have paid.
IN_A_SISTER = f"""{NEW},
account AS MATERIALIZED (SELECT DISTINCT payee_account FROM n WHERE kind = 'supplier'),
there AS MATERIALIZED (
  SELECT s.id AS company_id, a.payee_account
  FROM unnest(%(sisters)s::bigint[]) s(id) CROSS JOIN account a CROSS JOIN LATERAL (
    SELECT 1 FROM payments_paymentline o
    WHERE o.company_id = s.id AND o.payee_account = a.payee_account
    ORDER BY o.company_id, o.payee_account, o.id DESC LIMIT 1) seen)
{HEAD}
SELECT DISTINCT ON (n.id) n.company_id, n.payment_id, n.id, '{SISTER}', '{WARN}', NULL::bigint,
       jsonb_build_object('company', c.name, 'number', f.number, 'due', f.due_date,
                          'status', f.status), %(at)s
FROM n JOIN there ON there.payee_account = n.payee_account
JOIN access_company c ON c.id = there.company_id
CROSS JOIN LATERAL (
  SELECT o.status, q.number, q.due_date, o.id FROM (
    (SELECT * FROM payments_paymentline same
     WHERE same.company_id = there.company_id AND same.payee_account = n.payee_account
       AND same.kid <> '' AND ltrim(same.kid, '0') = ltrim(n.kid, '0')
     ORDER BY same.company_id, same.payee_account, ltrim(same.kid, '0') LIMIT {HISTORY_MAX})
    UNION ALL
    (SELECT * FROM payments_paymentline recent
     WHERE recent.company_id = there.company_id AND recent.payee_account = n.payee_account
       AND recent.kid = '' AND n.kid = ''
     ORDER BY recent.company_id, recent.payee_account, recent.id DESC LIMIT {HISTORY_MAX})) o
  JOIN payments_payment q ON q.id = o.payment_id
  WHERE o.amount = n.amount AND o.currency = n.currency AND o.status <> ALL(%(never)s)
    AND q.kind = 'supplier' AND abs(q.due_date - n.due_date) <= %(far)s
    AND (n.kid <> '' OR {SAME_INVOICE} OR ({SAME_TEXT} AND n.message ~ '[0-9]{{3}}'))
  ORDER BY o.id DESC LIMIT 1) f
WHERE n.kind = 'supplier'
ORDER BY n.id, f.id DESC
"""
AS_CHOSEN = """
UPDATE payments_finding f
SET severity = CASE WHEN p.kind = 'salary' AND s.severity = 'stop' THEN 'warn' ELSE s.severity END
FROM payments_guardsetting s, payments_payment p
WHERE s.company_id = %(company)s AND f.payment_id = ANY(%(ids)s)
  AND p.id = f.payment_id AND s.code = f.code
"""
