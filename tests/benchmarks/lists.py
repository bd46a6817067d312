"""The list of outgoing payments over many rows, beside a bare template page of the same rows.

    python -m tests.benchmarks.lists 10000 1000000

Prints, per page (first, next, middle, last, each filter and order), the median and slowest server
time in ms of the whole request with signed-in session, the number of queries, and the ratio to
the bare page: the same middleware, guard and keyset query, and a plain Django template that loops
over the same fifty rows and columns, without filters, counts, choosing, menu or anything else.
"""

from __future__ import annotations

import logging
import statistics
import sys
import time
from typing import Any, NamedTuple

TIMES = 15


class Timed(NamedTuple):
    """Milliseconds, the number of queries, and how many bare pages the median is."""

    median: float
    slowest: float
    queries: int
    of_bare: float


FILL_PAYMENTS = """
INSERT INTO payments_payment (company_id, number, agreement_id, account_id, due_date, kind, urgent,
  source, created_at, line_count, totals, digest, status, line_counts)
SELECT %(company)s, 'B' || lpad(n::text, 9, '0'), %(agreement)s, %(account)s,
  date '2024-01-01' + (n * 7919 %% 1100)::int, CASE WHEN n %% 199 = 0 THEN 'salary' ELSE 'supplier' END,
  n %% 97 = 0, 'erp', timestamptz '2024-01-01 08:00+01' + n * interval '97 seconds', 1,
  jsonb_build_object(CASE WHEN n %% 23 = 0 THEN 'EUR' ELSE 'NOK' END, (100 + n %% 90000)::text || '.50'),
  decode(md5(n::text) || md5((n + 1)::text), 'hex'), s.status, jsonb_build_object(s.status, 1)
FROM generate_series(%(first)s::bigint, %(last)s::bigint) n,
  LATERAL (SELECT CASE WHEN n %% 100 < 94 THEN 'settled' WHEN n %% 100 = 94 THEN 'awaiting'
    WHEN n %% 100 = 95 THEN 'partly' WHEN n %% 100 = 96 THEN 'accepted'
    WHEN n %% 100 = 97 THEN 'rejected' WHEN n %% 100 = 98 THEN 'cancelled'
    ELSE 'ended' END AS status) s
"""
FILL_LINES = """
INSERT INTO payments_paymentline (company_id, payment_id, position, reference, instruction_id,
  amount, currency, payee_name, payee_account, payee_account_kind, payee_bic, kid, message, status,
  bank_reference)
SELECT company_id, id, 1, number || '-1', '', 100.50, 'NOK', 'Mottaker ' || id, '97100500012',
  'BBAN', '', '', 'Faktura', CASE WHEN status = 'ended' THEN 'settled' ELSE status END, ''
FROM payments_payment WHERE company_id = %(company)s
"""
FILL_SIGNATURES = """
WITH c AS (INSERT INTO payments_ceremony (company_id, user_id, at, factor, device_id, totals,
  payment_count, line_count) VALUES (%(company)s, %(user)s, now(), 'totp', 1, '{}', 1, 1) RETURNING id)
INSERT INTO payments_signature (company_id, payment_id, ceremony_id, user_id, signed_at, statement,
  mac, amount, void_reason)
SELECT %(company)s, p.id, c.id, %(user)s, now(), 'x', '\\x00', 100.50, '' FROM payments_payment p, c
WHERE p.company_id = %(company)s AND p.status = 'partly'
"""


def main(sizes: list[int]) -> None:
    """Starts servers of its own, fills a company of each size, and measures its pages."""
    from tests.benchmarks.servers import standing

    with standing() as (_folder, urls):
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        call_command("collectstatic", interactive=False, verbosity=0)
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        settings.ALLOWED_HOSTS = ["*"]
        settings.ROOT_URLCONF = "tests.benchmarks.bare_urls"
        logging.disable(logging.WARNING)
        measured = {n: _one_size(n, place, urls.owner) for place, n in enumerate(sizes, 1)}
    _report(measured)


def _one_size(n: int, place: int, owner: str) -> dict[str, Timed]:
    import psycopg

    from portal.access import tenancy
    from portal.access.models import RoleGrant
    from portal.access.roles import Role
    from tests import kit

    made = kit.stage(place=place)
    began = time.monotonic()
    with tenancy.acting_for([made.company]):
        RoleGrant.objects.create(
            user=made.users["anne"], company=made.company, role=Role.PAYROLL_APPROVER
        )
    words = {
        "company": made.company.pk,
        "agreement": made.agreement.pk,
        "account": made.agreement.account_id,
        "user": made.users["bjorn"].pk,
        "first": 1,
        "last": n,
    }
    with psycopg.connect(owner, autocommit=True) as db:
        db.execute("SELECT set_config('kvitt.companies', %s, false)", [f"{{{made.company.pk}}}"])
        for statement in (FILL_PAYMENTS, FILL_LINES, FILL_SIGNATURES):
            db.execute(statement, words)
        db.execute("VACUUM (ANALYZE) payments_payment, payments_paymentline, payments_signature")
    print(
        f"{n:>9,} payments with a line each: filled in {time.monotonic() - began:.0f} s", flush=True
    )
    return _pages(made)


def _pages(made: Any) -> dict[str, Timed]:
    from payments.models import Payment
    from tests import kit

    anne, lars = (
        kit.signed_in(made.users["anne"]),
        kit.signed_in(kit.person("lars", made.company, kit.Role.PAYROLL_APPROVER)),
    )
    base = f"/c/{made.company.public_id}/"
    with made.scope():
        rows = Payment.objects.of(made.company).order_by("-due_date", "-id")
        middle = rows.filter(due_date__lte="2025-06-15").first()
        account = made.agreement.account_id
    assert middle is not None
    after = f"after={middle.pk},{middle.due_date.isoformat()}"
    pages = {
        "bare template page": (anne, f"{base}bare/"),
        "bare, middle": (anne, f"{base}bare/?{after}"),
        "first page": (anne, f"{base}outgoing/"),
        "middle page": (anne, f"{base}outgoing/?{after}"),
        "page before": (anne, f"{base}outgoing/?{after.replace('after', 'before')}"),
        "last page": (anne, f"{base}outgoing/?before=last"),
        "tab: to approve": (anne, f"{base}outgoing/?tab=open"),
        "tab: on the way": (anne, f"{base}outgoing/?tab=way"),
        "tab: deviations": (anne, f"{base}outgoing/?tab=deviating"),
        "tab: finished, middle": (anne, f"{base}outgoing/?tab=done&{after}"),
        "status: rejected": (anne, f"{base}outgoing/?status=rejected"),
        "status: none such": (anne, f"{base}outgoing/?status=undelivered"),
        "account": (anne, f"{base}outgoing/?account={account}"),
        "number begins": (anne, f"{base}outgoing/?number=B0000012"),
        "number, none such": (anne, f"{base}outgoing/?number=ZZ"),
        "due dates": (anne, f"{base}outgoing/?due_from=2025-01-01&due_to=2025-01-31"),
        "kind: salary": (anne, f"{base}outgoing/?kind=salary"),
        "salary and rejected": (anne, f"{base}outgoing/?kind=salary&status=rejected"),
        "all filters": (
            anne,
            f"{base}outgoing/?tab=deviating&status=rejected&account={account}&number=B0"
            "&due_from=2024-03-01&due_to=2026-01-31&kind=supplier",
        ),
        "salary role only": (lars, f"{base}outgoing/"),
        "salary role, last": (lars, f"{base}outgoing/?before=last"),
        "by number": (anne, f"{base}outgoing/?sort=number"),
        "by received, last": (anne, f"{base}outgoing/?sort=received&before=last"),
        "mine to sign": (anne, f"{base}approve/"),
        "overview": (anne, f"{base}overview/"),
        "choose all (tab)": (anne, f"{base}outgoing/?tab=open&due_from=2026-06-01&select=all"),
    }
    bare = f"{base}bare/"
    return {name: _time(client, address, bare) for name, (client, address) in pages.items()}


def _time(client: Any, address: str, bare: str) -> Timed:
    """Of one page: median ms, slowest ms, queries, and how many bare pages it takes.

    A bare page is asked for between each two, so that a machine that slows down slows both.
    """
    from django.db import connection

    asked = []

    def heard(execute: Any, sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(heard):
        answer = client.get(address)
    assert answer.status_code == 200, (address, answer.status_code)
    took: dict[str, list[float]] = {"page": [], "bare": []}
    for turn in range(TIMES + 1):
        for each, asked_for in (("page", address), ("bare", bare)):
            began = time.perf_counter()
            client.get(asked_for)
            if turn:  # the first warms up
                took[each].append((time.perf_counter() - began) * 1000)
    median = statistics.median(took["page"])
    return Timed(median, max(took["page"]), len(asked), median / statistics.median(took["bare"]))


def _report(measured: dict[int, dict[str, Timed]]) -> None:
    sizes = list(measured)
    largest, smallest = measured[sizes[-1]], measured[sizes[0]]
    head = "".join(f"{n:>11,} ms  slowest" for n in sizes)
    print(f"\n{'page':<24}{head}  queries  × bare  × {sizes[0]:,}")
    for name, (median, _slowest, queries, of_bare) in largest.items():
        cells = "".join(
            f"{rows[name][0]:>14.1f}{rows[name][1]:>9.1f}" for rows in measured.values()
        )
        grown = median / smallest[name][0]
        same = "" if queries == smallest[name][2] else f" ({smallest[name][2]} at {sizes[0]:,})"
        print(f"{name:<24}{cells}{queries:>9}{of_bare:>8.2f}{grown:>9.2f}{same}")


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [10_000, 1_000_000])
