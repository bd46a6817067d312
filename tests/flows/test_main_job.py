"""The main job through the ERP's API alone: upload, two approvers, bank, answers, feed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from banking import inbox
from payments import approval, outcomes, sending, signable
from payments.models import Payment, PaymentLine
from portal import clock
from portal.access import secondfactor
from portal.access.acting import Acting
from portal.access.models import User
from portal.access.roles import Role, permissions_of
from tests import kit
from tests.kit import Bank, Erp, Line, Stage


def upload(made: Stage, number: str = "B") -> None:
    """Two payments of one line each, uploaded by the ERP."""
    body = kit.pain001(
        {
            f"{number}1": [Line("L1", "100.00", kit.account(70), message="En")],
            f"{number}2": [Line("L2", "200.00", kit.account(71), message="To")],
        },
        account=made.agreement.account.number,
        due=kit.soon(),
    )
    answer = Erp(made).post("payments", body)
    assert answer.status_code == 201, answer.content


def sign(made: Stage, user: User) -> None:
    """Signs all that waits for this user, with a code."""
    proof = secondfactor.verify(user=user, code=kit.code_of(user))
    with made.scope():
        payments = list(Payment.objects.of(made.company).select_related("agreement__account"))
        rows = signable.by(
            rights=signable.rights(
                user=user,
                places=[Acting(made.company, frozenset(), permissions_of([Role.APPROVER]))],
                at=clock.now(),
            ),
            payments=signable.shown(payments),
        )
        approval.sign(
            company=made.company,
            user=user,
            permissions=permissions_of([Role.APPROVER]),
            fingerprints={row.payment.pk: row.fingerprint() for row in rows},
            proof=proof,
            at=clock.now(),
        )


def send(made: Stage) -> list[int]:
    with made.scope():
        files = sending.make_files(company=made.company)
        for file_id in files:
            sending.deliver(file_id=file_id)
    return files


def fetch(made: Stage) -> None:
    inbox.poll(made.channel.pk)
    outcomes.take_answers()


def statuses(made: Stage) -> dict[str, str]:
    with made.scope():
        return dict(PaymentLine.objects.values_list("reference", "status"))


def test_payments_go_from_the_erp_to_settled_and_back(own_database: str, bank: Bank) -> None:
    made = kit.stage(bank, balance="20000.00")
    erp = Erp(made)
    body = kit.pain001(
        {
            "B1": [
                Line("L1", "1000.00", kit.account(70), kid="1000421"),
                Line("L2", "2500.50", kit.account(71), message="Faktura 7"),
                Line("L3", "300.00", kit.account(72), kid="1000422"),
            ],
            "B2": [Line("L4", "900000.00", kit.account(73), message="Tomt")],
        },
        account=made.agreement.account.number,
        due=kit.soon(),
    )
    answer = erp.post("payments", body, key="k1")
    assert answer.status_code == 201, answer.content
    told = {row["number"]: row for row in answer.json()["payments"]}
    assert told["B1"]["erp_code"] == 3
    assert [(row["reference"], row["code"]) for row in told["B1"]["stopped"]] == [("L3", "kid")]
    assert told["B2"]["erp_code"] == 2
    again = erp.post("payments", body, key="k1")
    assert (again.status_code, again.json()) == (200, answer.json())

    sign(made, made.users["anne"])
    assert statuses(made) == {"L1": "partly", "L2": "partly", "L3": "stopped", "L4": "partly"}
    sign(made, made.users["bjorn"])
    assert statuses(made)["L1"] == "approved"
    assert len(send(made)) == 1
    assert statuses(made) == {"L1": "sent", "L2": "sent", "L3": "stopped", "L4": "sent"}

    bank.pass_days()
    bank.work()
    fetch(made)
    assert statuses(made) == {
        "L1": "settled",
        "L2": "settled",
        "L3": "stopped",
        "L4": "rejected",
    }
    events = erp.events()
    final = {e["reference"]: (e["erp_code"], e["status"]) for e in events if e["reference"]}
    assert final["L1"] == (5, "settled")
    assert final["L4"] == (7, "rejected")
    rejected = next(e for e in events if e["event"] == "rejected")
    assert rejected["reasons"][0]["code"] == "AM04"
    assert rejected["reasons"][0]["cure"]
    assert [e["sequence"] for e in events] == sorted({e["sequence"] for e in events})

    booked = [row for row in bank.transfers() if row["status"] == "booked"]
    assert sum(Decimal(row["amount"]) for row in booked) == Decimal("3500.50")
    assert bank.ask("/books/duplicates")["duplicates"] == []
    with made.scope():
        payment = Payment.objects.get(number="B1")
        assert payment.line_counts == {"settled": 2, "stopped": 1}
        assert payment.status == "stopped"
    assert isinstance(clock.now(), dt.datetime)
