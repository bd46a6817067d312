"""Whoever writes in the database itself sends nothing: what is sent is what was signed.

    KVITT_ALTERED=1000 ./test tests/payments/test_altered.py -n0 -s

alters so many signed payments, each in one of the ways below; without it 66.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from django.db import connection

from banking.models import BankFile
from payments import lifecycle, sending
from payments.models import Payment
from tests import kit
from tests.flows.test_main_job import sign
from tests.kit import Erp, Line, Stage

ALTERED = int(os.environ.get("KVITT_ALTERED", "66"))
PER_FILE = 250
LINE = "UPDATE payments_paymentline SET {} WHERE payment_id = %(pk)s AND position = 1"
PAYMENT = "UPDATE payments_payment SET {} WHERE id = %(pk)s"
SIGNATURE = "UPDATE payments_signature SET {} WHERE payment_id = %(pk)s"
OTHER = kit.account(99)
# What somebody with the database's password could write, and hope that it is sent.
WAYS = {
    "amount": [LINE.format("amount = amount + 1")],
    "amount, and the sums": [
        LINE.format("amount = amount + 1"),
        PAYMENT.format("""totals = '{"NOK": "31.00"}'"""),
    ],
    "currency": [LINE.format("currency = 'EUR'")],
    "account": [LINE.format(f"payee_account = '{OTHER}'")],
    "kind of account": [LINE.format("payee_account_kind = 'OTHER'")],
    "name": [LINE.format("payee_name = 'En annen AS'")],
    "address": [LINE.format("""payee_address = '{"town": "BERGEN", "country": "NO"}'""")],
    "BIC": [LINE.format("payee_bic = 'NDEASESS'")],
    "message": [LINE.format("message = 'Noe annet'")],
    "KID for the message": [LINE.format("kid = '2345676', message = ''")],
    "reference": [LINE.format("reference = 'En-annen'")],
    "invoices": [
        LINE.format("""documents = '[{"kind": "CINV", "number": "1", "amount": "10.00", "currency":
        "NOK", "kid": null}]'"""),
    ],
    "more besides": [LINE.format("""extra = '{"charge_bearer": "DEBT"}'""")],
    "two lines in each other's place": [
        "UPDATE payments_paymentline SET position = position + 100 WHERE payment_id = %(pk)s",
        "UPDATE payments_paymentline SET position = 303 - position WHERE payment_id = %(pk)s",
        "UPDATE payments_paymentline SET position = position - 200 WHERE payment_id = %(pk)s",
    ],
    "date": [PAYMENT.format("due_date = due_date + 20")],
    "urgent": [PAYMENT.format("urgent = true")],
    "number": [PAYMENT.format("number = number || 'X'")],
    "salary": [PAYMENT.format("kind = 'salary'")],
    "the digest too": [
        LINE.format(f"payee_account = '{OTHER}'"),
        PAYMENT.format("digest = decode(repeat('ab', 32), 'hex')"),
    ],
    "what was signed": [SIGNATURE.format("statement = statement || ' '")],
    "its proof": [SIGNATURE.format("mac = decode(repeat('ab', 32), 'hex')")],
    "who signed": [
        "UPDATE payments_signature SET user_id = (SELECT id FROM access_user WHERE email LIKE"
        " 'erp%%') WHERE id = (SELECT min(id) FROM payments_signature WHERE payment_id = %(pk)s)"
    ],
}


@pytest.fixture
def made(own_database: str) -> Stage:
    return kit.stage()


def signed(made: Stage, number: str, count: int) -> list[int]:
    """So many payments of two lines that two people have approved."""
    rows = {
        f"{number}-{n}": [
            Line(f"{n}a", "10.00", kit.account(70), message=f"a{number}{n}"),
            Line(f"{n}b", "20.00", kit.account(71), message=f"b{number}{n}"),
        ]
        for n in range(count)
    }
    body = kit.pain001(rows, account=made.agreement.account.number, due=kit.soon())
    assert Erp(made).post("payments", body).status_code == 201
    for person in ("anne", "bjorn"):
        sign(made, made.users[person])
    with made.scope():
        return list(
            Payment.objects.filter(number__in=rows).order_by("pk").values_list("pk", flat=True)
        )


def test_nothing_that_was_altered_after_signing_is_sent(
    made: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = random.Random(3)
    used: Counter[str] = Counter()
    left = ALTERED
    while left:
        count = min(PER_FILE, left)
        ids = signed(made, f"A{left}", count)
        for place, pk in enumerate(ids):
            way = list(WAYS)[place % len(WAYS)] if place < len(WAYS) else rng.choice(list(WAYS))
            used[way] += 1
            with made.scope(), connection.cursor() as cursor:
                for statement in WAYS[way]:
                    cursor.execute(statement, {"pk": pk})
                    assert cursor.rowcount, way
        with made.scope():
            assert sending.make_files(company=made.company) == []
            assert not BankFile.objects.filter(direction="out").exists()
            statuses = Counter(Payment.objects.filter(pk__in=ids).values_list("status", flat=True))
            assert statuses == {lifecycle.AWAITING: count}
        left -= count
        cancel(made, ids)
    with capsys.disabled():
        print(f"\n{ALTERED} altered payments in {len(used)} ways: none sent. {dict(used)}")
    assert len(used) == len(WAYS)


def cancel(made: Stage, ids: list[int]) -> None:
    """Out of the way of the next ones, whose signers would sign these again."""
    with made.scope(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_paymentline SET status = 'cancelled' WHERE payment_id = ANY(%s)", [ids]
        )
        cursor.execute("UPDATE payments_payment SET status = 'cancelled' WHERE id = ANY(%s)", [ids])


def test_what_nobody_altered_is_sent(made: Stage) -> None:
    signed(made, "U", 3)
    with made.scope():
        assert len(sending.make_files(company=made.company)) == 1
        assert set(Payment.objects.values_list("status", flat=True)) == {lifecycle.SENDING}
