"""Everything that the simulated bank can be scripted to do to us, each to its right end.

The same journey for all: supplier and salary payments that two people have signed, sent, answered,
booked. Afterwards nothing final has been opened again, and nothing has been booked twice.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from banking.models import BankFile
from banking.simbank.scripts import KNOWN
from payments import approval, lifecycle, outcomes, sending, signable
from payments.models import Payment, PaymentLine
from portal import clock
from portal.access import secondfactor, tenancy
from portal.access.acting import Acting
from portal.access.roles import Role, permissions_of
from portal.events.models import Event
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Line, Stage

PERMISSIONS = permissions_of([Role.APPROVER, Role.PAYROLL_APPROVER])
LINES = ["S-1", "S-2", "S-3", "L-1", "L-2"]  # three to suppliers, two of salary in one batch
ALL_SETTLED = dict.fromkeys(LINES, "settled")


@dataclass(frozen=True)
class Case:
    """A script, and where it ends: lines, and files that came in by status."""

    script: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, str] = field(default_factory=lambda: dict(ALL_SETTLED))
    aside: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    balance: str = "1000000.00"


def but(**ends: str) -> dict[str, str]:
    return ALL_SETTLED | {name.replace("_", "-"): status for name, status in ends.items()}


SENT_BACK = dict.fromkeys(LINES, "awaiting")
# What one line brings the account's balance under, so that the last of the lines has no cover.
CASES: dict[str, Case] = {
    "lose_reply": Case({"times": 1}),
    "cut_upload": Case({"times": 1}),
    "cut_download": Case({"times": 1}),
    "slow": Case({"value": 5}),
    "silent": Case({"times": 6}),
    "no_receipt": Case(),
    "no_answer": Case(),
    "levels": Case({"value": "transaction"}),
    "list_all": Case(),
    "answer_twice": Case(),
    "camt_first": Case(),
    "acsc": Case(),
    "dt06": Case({"value": "ACSC"}),
    "late_am04": Case(lines=but(L_1="rejected", L_2="rejected"), balance="610.00"),
    "message_name": Case(),
    "unknown_status": Case(),
    "not_provided": Case(),
    "bom": Case(),
    "refuse_file": Case({"times": 2, "value": "BE06"}, lines=SENT_BACK),
    "refuse_payment": Case({"payment": "S"}, lines=but(S_1="rejected", S_2="rejected", S_3="rejected")),
    "refuse_line": Case({"line": "S-2"}, lines=but(S_2="rejected")),
    "park": Case({"payment": "S"}, lines=but(S_1="pending", S_2="pending", S_3="pending")),
    "advise_twice": Case(),
    "pending_first": Case(remarks=("not-booked",)),
    "info_first": Case(remarks=("not-booked",)),
    "no_details": Case(),
    "totals": Case(remarks=("discrepancy",)),
    "decimals": Case({"value": 5}),
    "give_back": Case({"line": "S-1"}, lines=but(S_1="returned")),
    "kid_as_text": Case(),
    "ocr_no_end": Case(aside=("ocr-giro",)),
    "ocr_totals": Case(aside=("ocr-giro",)),
}  # fmt: skip
# Other values of the same scripts.
MORE = [
    *(("levels", Case({"value": value})) for value in ("group", "payment", "payment+transaction", "all")),
    ("dt06", Case({"value": "ACWC"})),
    ("give_back", Case({"line": "S-1", "value": "reversal"}, lines=but(S_1="returned"))),
    ("decimals", Case({"value": 3})),
    ("give_back", Case({"line": "L-2"}, lines=but(L_2="returned"))),
]  # fmt: skip
EVERY = [*CASES.items(), *MORE]


def test_every_script_has_a_case() -> None:
    assert set(CASES) == set(KNOWN)


@pytest.fixture
def made(own_database: str, bank: Bank, settings: Any) -> Stage:
    settings.RECEIPT_WINDOW_SECONDS = 0
    settings.CHANNEL_TIMEOUT_SECONDS = 5
    made = kit.stage(bank)
    for name in ("anne", "bjorn"):
        kit.give(made.users[name], made.company, Role.PAYROLL_APPROVER)
    return made


def uploaded(made: Stage) -> None:
    number = made.agreement.account.number
    suppliers = [
        Line("S-1", "100.00", kit.account(70), kid="2345676"),
        Line("S-2", "200.00", kit.account(71), message="Faktura æøå"),
        Line("S-3", "300.00", kit.account(72), message="Tre"),
    ]
    salary = [
        Line("L-1", "20.00", kit.account(73), message="Lønn"),
        Line("L-2", "30.00", kit.account(74), message="Lønn"),
    ]
    for name, lines, kind in (("S", suppliers, "SUPP"), ("L", salary, "SALA")):
        body = kit.pain001({name: lines}, account=number, due=kit.soon(), category=kind)
        assert Erp(made).post("payments", body).status_code == 201
    for name in ("anne", "bjorn"):
        user = made.users[name]
        proof = secondfactor.verify(user=user, code=kit.code_of(user))
        with made.scope():
            payments = list(Payment.objects.of(made.company).select_related("agreement__account"))
            rows = signable.by(
                rights=signable.rights(
                    user=user,
                    places=[Acting(made.company, frozenset(), PERMISSIONS)],
                    at=clock.now(),
                ),
                payments=signable.shown(payments),
            )
            approval.sign(
                company=made.company,
                user=user,
                permissions=PERMISSIONS,
                fingerprints={row.payment.pk: row.fingerprint() for row in rows},
                proof=proof,
                at=clock.now(),
            )


def delivered(made: Stage) -> None:
    """As the timetable goes on, however often the line breaks."""
    for _ in range(20):
        with made.scope():
            sending.make_files(company=made.company)
            BankFile.objects.of(made.company).update(next_attempt_at=None)
            for file_id in sending.undelivered(company=made.company):
                sending.deliver(file_id=file_id)
            if not sending.undelivered(company=made.company):
                return
        time.sleep(0.05)
    raise AssertionError("not delivered")


def a_day(made: Stage, bank: Bank) -> None:
    bank.pass_days(1)
    for _ in range(2):
        bank.work()
        job.fetch(made)


@pytest.mark.parametrize(
    ("what", "case"), EVERY, ids=[f"{what}-{case.script.get('value', '')}" for what, case in EVERY]
)
def test_it_ends_as_it_should(what: str, case: Case, made: Stage, bank: Bank) -> None:
    kit.tell(bank, made, balance=case.balance)
    number = made.agreement.account.number
    account = {"number": number, "incoming": "both", "ocr_agreement": "123456789", "statements": 1}
    if case.balance != "1000000.00":
        account |= {"balance": case.balance, "reset": True}
    bank.ask("/setup", {"customers": [customer(made, account)]})
    bank.ask("/scripts", {"what": what, **case.script})
    uploaded(made)
    delivered(made)
    bank.ask("/incoming", {"account": number, "amount": "5", "kid": "2345676"})
    for _ in range(2):
        bank.work()
        job.fetch(made)
    for _ in range(4):
        a_day(made, bank)
    assert job.statuses(made) == case.lines
    judge(made, bank, case)


def customer(made: Stage, account: dict[str, Any]) -> dict[str, Any]:
    return {
        "customer_number": made.agreement.customer_number,
        "name": made.company.name,
        "channel": "kvitt",
        "agreement_id": made.agreement.agreement_id,
        "accounts": [account],
    }


def judge(made: Stage, bank: Bank, case: Case) -> None:
    """What must be true however the bank behaves."""
    booked = Counter(
        (row["payment"], row["end_to_end_id"])
        for row in bank.transfers()
        if row["status"] == "booked"
    )
    assert set(booked.values()) <= {1}
    assert bank.ask("/books/duplicates")["duplicates"] == []
    assert all(row["agrees"] for row in bank.ask("/books/accounts")["accounts"])
    with made.scope():
        ends: dict[int, list[str]] = {}
        final = {code for code, status in lifecycle.LINE.statuses.items() if status.final}
        for event in Event.objects.filter(subject="line").order_by("id"):
            move = lifecycle.LINE.moves.get(event.event)
            if move is not None:
                ends.setdefault(event.subject_id, []).append(move.target)
        for line, statuses in ends.items():
            at = [place for place, status in enumerate(statuses) if status in final]
            after = statuses[at[0] + 1 :] if at else []
            assert after in ([], ["returned"]), (line, statuses)
        settled = set(PaymentLine.objects.exclude(booked_date=None).values_list("pk", flat=True))
        were = {line for line, statuses in ends.items() if "settled" in statuses}
        assert settled == were
    with tenancy.acting_for([made.company], unclaimed=True):
        files = list(BankFile.objects.filter(direction="in"))
    assert {file.kind for file in files if file.status == "set_aside"} == set(case.aside)
    assert {file.status for file in files} <= {"read", "set_aside"}
    told = {remark["code"] for file in files for remark in file.remarks or []}
    assert set(case.remarks) <= told
    assert not told & {"debit-not-expected", "amount-differs", "unknown-payment"}, told


def test_a_parked_payment_goes_on_when_it_is_approved_in_the_net_bank(
    made: Stage, bank: Bank
) -> None:
    bank.ask("/scripts", {"what": "park"})
    uploaded(made)
    delivered(made)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"pending"}
    for payment, approve in (("S", True), ("L", False)):
        asked = {"customer": made.agreement.customer_number, "payment": payment}
        bank.ask("/net-bank", {**asked, "approve": approve})
    for _ in range(3):
        a_day(made, bank)
    assert job.statuses(made) == but(L_1="rejected", L_2="rejected")
    outcomes.take_answers()
