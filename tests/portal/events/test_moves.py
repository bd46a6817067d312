"""Moves: all or nothing, only where lawful, told once, and quick for any number of rows."""

from __future__ import annotations

import datetime as dt
import json
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from psycopg import errors

from banking import lifecycle as banking_lifecycle
from banking.models import BankAgreement
from payments import lifecycle
from payments.models import Payment, PaymentLine
from portal.access import actors
from portal.access.actors import Actor, ActorKind
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.kit import Stage
from tests.portal.events.threads import together

AT = dt.datetime(2026, 11, 23, 9, 0, tzinfo=dt.UTC)
ANNE = Actor(ActorKind.USER, 7, "Anne")


def make(made: Stage, number: str, *, lines: int = 3, kind: str = "supplier") -> Payment:
    """A payment of lines L1, L2 … that await approval. In the company's scope."""
    payment = Payment.objects.create(
        company=made.company,
        number=number,
        agreement=made.agreement,
        account=made.agreement.account,
        due_date=dt.date(2026, 11, 25),
        kind=kind,
        created_at=AT,
        line_count=lines,
        totals={"NOK": f"{lines}.00"},
        digest=b"\0" * 32,
    )
    PaymentLine.objects.bulk_create(
        PaymentLine(
            company=made.company,
            payment=payment,
            position=place,
            reference=f"L{place}",
            amount=1,
            currency="NOK",
            payee_name="Leverandør AS",
            payee_account=kit.account(70),
            payee_account_kind="BBAN",
            status=lifecycle.AWAITING,
        )
        for place in range(1, lines + 1)
    )
    moves.recount(PaymentLine, [payment.pk])
    payment.refresh_from_db()
    return payment


def lines_of(*payments: Payment) -> QuerySet[PaymentLine]:
    return PaymentLine.objects.filter(payment__in=payments)


def go(rows: Any, change: Any, *payments: Payment, by: Actor = ANNE, **more: Any) -> moves.Moved:
    return moves.move(rows, change, by=by, at=AT, within=[p.pk for p in payments], **more)


def statuses(payment: Payment) -> list[str]:
    return list(lines_of(payment).order_by("position").values_list("status", flat=True))


@pytest.fixture
def made(db: None) -> Any:
    stage = kit.stage()
    with stage.scope():
        yield stage


def test_only_rows_in_a_lawful_status_move_and_the_others_are_left(made: Stage) -> None:
    payment = make(made, "P1")
    go(lines_of(payment).filter(position=2), lifecycle.HOLD, payment)
    moved = go(lines_of(payment), lifecycle.APPROVE, payment)
    assert (moved.rows, moved.groups) == (2, (payment.pk,))
    assert statuses(payment) == ["approved", "held", "approved"]


def test_when_fewer_rows_can_move_than_expected_nothing_changes(made: Stage) -> None:
    payment = make(made, "P1")
    go(lines_of(payment).filter(position=2), lifecycle.HOLD, payment)
    events = Event.objects.count()
    with pytest.raises(moves.Conflict) as refused:
        go(lines_of(payment), lifecycle.APPROVE, payment, expected=3)
    assert (refused.value.wanted, refused.value.possible) == (3, 2)
    assert statuses(payment) == ["awaiting", "held", "awaiting"]
    assert Event.objects.count() == events
    payment.refresh_from_db()
    assert payment.line_counts == {"awaiting": 2, "held": 1}


def test_a_move_that_moves_nothing_writes_no_event(made: Stage) -> None:
    payment = make(made, "P1")
    assert go(lines_of(payment), lifecycle.RELEASE, payment).rows == 0
    assert go(lines_of(payment).none(), lifecycle.APPROVE, payment).rows == 0
    assert not Event.objects.filter(group_id=payment.pk).exists()


@pytest.mark.parametrize(
    ("change", "by"),
    [
        (lifecycle.APPROVE, actors.BANK),
        (lifecycle.APPROVE, actors.CLOCK),
        (lifecycle.APPROVE, actors.erp(None, company_name="x")),
        (lifecycle.SETTLE, ANNE),
        (lifecycle.REJECT, actors.CLOCK),
        (lifecycle.REFUSE, actors.erp(None)),
    ],
)
def test_an_actor_of_the_wrong_kind_moves_nothing(change: Any, by: Actor, made: Stage) -> None:
    payment = make(made, "P1")
    with pytest.raises(moves.NotLawful):
        go(lines_of(payment), change, payment, by=by)
    assert statuses(payment) == ["awaiting"] * 3


def test_a_move_of_another_lifecycle_is_refused(made: Stage) -> None:
    payment = make(made, "P1")
    with pytest.raises(moves.NotLawful):
        go(lines_of(payment), banking_lifecycle.ACTIVATE, payment)


def test_a_move_of_a_group_is_told_once_with_its_rows_counted(made: Stage) -> None:
    one, two = make(made, "P1"), make(made, "P2", lines=2, kind="salary")
    go(lines_of(one, two), lifecycle.APPROVE, one, two, detail={"x": 1})
    events = {event.group_id: event for event in Event.objects.filter(event="approved")}
    assert {pk: (e.rows, e.number, e.salary) for pk, e in events.items()} == {
        one.pk: (3, "P1", False),
        two.pk: (2, "P2", True),
    }
    event = events[one.pk]
    assert (event.subject, event.subject_id, event.reference) == ("payment", one.pk, "")
    assert (event.status, event.erp_code, event.told) == ("approved", 2, True)
    assert (event.actor_kind, event.actor_id, event.actor_name) == ("user", 7, "Anne")
    assert (event.at, event.detail, event.reasons) == (AT, {"x": 1}, None)
    assert event.company_id == made.company.pk


def test_rows_that_depart_are_told_one_by_one(made: Stage) -> None:
    payment = make(made, "P1")
    go(
        lines_of(payment).exclude(position=1),
        lifecycle.CANCEL,
        payment,
        reasons=[{"code": "x"}],
        detail={"reason": "feil"},
    )
    rows = Event.objects.filter(event="cancelled").order_by("reference")
    assert [(e.reference, e.rows, e.subject, e.group_id, e.number) for e in rows] == [
        ("L2", 1, "line", payment.pk, "P1"),
        ("L3", 1, "line", payment.pk, "P1"),
    ]
    assert {e.subject_id for e in rows} == set(
        lines_of(payment).filter(status="cancelled").values_list("pk", flat=True)
    )
    assert all((e.reasons, e.detail) == ([{"code": "x"}], {"reason": "feil"}) for e in rows)


def test_the_payment_counts_its_lines_and_derives_its_status(made: Stage) -> None:
    one, two = make(made, "P1"), make(made, "P2")
    assert (one.status, one.line_counts) == ("awaiting", {"awaiting": 3})
    go(lines_of(one, two), lifecycle.APPROVE, one, two)
    go(lines_of(one).filter(position=1), lifecycle.HOLD, one)
    for payment in (one, two):
        payment.refresh_from_db()
    assert (one.status, one.line_counts) == ("approved", {"approved": 2, "held": 1})
    assert (two.status, two.line_counts) == ("approved", {"approved": 3})
    go(lines_of(one).filter(status="approved"), lifecycle.CANCEL, one)
    one.refresh_from_db()
    assert (one.status, one.line_counts) == ("held", {"cancelled": 2, "held": 1})


def test_further_columns_are_written_with_the_status(made: Stage) -> None:
    payment = make(made, "P1")
    sets = {"booked_date": dt.date(2026, 11, 26), "bank_reference": "B7"}
    go(lines_of(payment).filter(position=1), lifecycle.APPROVE, payment, sets=sets)
    rows = lines_of(payment).order_by("position").values_list("booked_date", "bank_reference")
    assert list(rows) == [(sets["booked_date"], "B7"), (None, ""), (None, "")]


def test_staged_reasons_are_copied_to_each_row_and_its_event(made: Stage) -> None:
    payment = make(made, "P1")
    go(lines_of(payment), lifecycle.APPROVE, payment)
    go(lines_of(payment), lifecycle.SEND, payment, by=actors.CLOCK)
    keys = dict(lines_of(payment).values_list("position", "pk"))
    table = moves.stage()
    with connection.cursor() as cursor:
        for place, code in ((1, "AM04"), (2, "AC01")):
            cursor.execute(
                f"INSERT INTO {table} (row_id, code, reasons, detail) VALUES (%s, 'RJCT', %s, %s)",
                [keys[place], json.dumps([{"code": code}]), json.dumps({"place": place})],
            )
        cursor.execute(f"INSERT INTO {table} (row_id, code) VALUES (%s, 'ACCP')", [keys[3]])
    rows = moves.Staged(PaymentLine, table, "code = %s", ["RJCT"], columns=("reasons",))
    assert go(rows, lifecycle.REJECT, payment, by=actors.BANK).rows == 2
    kept = dict(lines_of(payment).values_list("position", "reasons"))
    assert kept == {1: [{"code": "AM04"}], 2: [{"code": "AC01"}], 3: None}
    events = Event.objects.filter(event="rejected").values_list("reference", "reasons", "detail")
    assert sorted(events) == [
        ("L1", [{"code": "AM04"}], {"place": 1}),
        ("L2", [{"code": "AC01"}], {"place": 2}),
    ]
    assert statuses(payment) == ["rejected", "rejected", "sending"]


def test_staging_again_begins_empty(made: Stage) -> None:
    table = moves.stage()
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} (row_id) VALUES (1)")
        moves.stage()
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == (0,)


def test_rows_without_groups_are_told_one_by_one(made: Stage) -> None:
    moves.move(
        BankAgreement.objects.filter(pk=made.agreement.pk),
        banking_lifecycle.DEACTIVATE,
        by=ANNE,
        at=AT,
        expected=1,
    )
    event = Event.objects.filter(event="deactivated").get()
    assert (event.subject, event.subject_id, event.group_id) == (
        "agreement",
        made.agreement.pk,
        None,
    )
    assert (event.number, event.told) == (made.agreement.agreement_id, False)


def test_a_long_name_of_an_actor_is_cut_to_fit(made: Stage) -> None:
    payment = make(made, "P1", lines=1)
    go(lines_of(payment), lifecycle.APPROVE, payment, by=Actor(ActorKind.USER, 7, "x" * 500))
    assert len(Event.objects.get(event="approved").actor_name) == 140


def test_as_many_statements_for_a_thousand_lines_as_for_ten(made: Stage) -> None:
    counts = []
    for number, size in (("P1", 10), ("P2", 1000)):
        payment = make(made, number, lines=size)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            go(lines_of(payment), lifecycle.APPROVE, payment, expected=size)
            go(lines_of(payment), lifecycle.HOLD, payment, expected=size)
        counts.append(len(captured))
        assert Event.objects.filter(group_id=payment.pk, event="held").count() == size
    assert counts[0] == counts[1] <= 14


def test_locks_are_taken_by_id_and_only_on_what_may_be_seen(made: Stage) -> None:
    other = kit.stage(place=2)
    with other.scope():
        theirs = make(other, "P1")
    one, two = make(made, "P1"), make(made, "P2")
    assert moves.lock_groups(Payment, [two.pk, theirs.pk, one.pk, 0]) == [one.pk, two.pk]


def test_a_deadlock_is_tried_again_until_both_have_done_their_work(own_database: str) -> None:
    stage = kit.stage()
    with stage.scope():
        one, two = make(stage, "P1"), make(stage, "P2")
    met = threading.Barrier(2)
    tries: list[str] = []

    def worker(first: Payment, second: Payment) -> None:
        own_tries: list[int] = []

        @moves.retrying
        def work() -> None:
            own_tries.append(1)
            tries.append(first.number)
            with stage.scope(), transaction.atomic():
                mine = lines_of(first).filter(position=1)
                go(mine, lifecycle.HOLD, first)
                if len(own_tries) == 1:
                    met.wait(20)
                go(lines_of(second).filter(position=2), lifecycle.HOLD, second)

        work()

    assert together(lambda: worker(one, two), lambda: worker(two, one)) == [None, None]
    assert len(tries) == 3
    with stage.scope():
        for payment in (one, two):
            assert statuses(payment) == ["held", "held", "awaiting"]
            assert Event.objects.filter(group_id=payment.pk, event="held").count() == 2


def test_a_deadlock_inside_anothers_transaction_is_not_hidden(db: None) -> None:
    calls = []

    @moves.retrying
    def work() -> None:
        calls.append(1)
        raise OperationalError("deadlock") from errors.DeadlockDetected()

    with pytest.raises(OperationalError):
        work()
    assert len(calls) == 1


def test_a_deadlock_that_will_not_end_is_told_after_some_tries(own_database: str) -> None:
    calls = []

    @moves.retrying
    def work(error: Exception) -> None:
        calls.append(1)
        raise OperationalError("it") from error

    with pytest.raises(OperationalError):
        work(errors.DeadlockDetected())
    assert len(calls) == moves.ATTEMPTS
    calls.clear()
    with pytest.raises(OperationalError):
        work(errors.AdminShutdown())
    assert len(calls) == 1


def test_racing_moves_of_the_same_rows_move_each_row_once(own_database: str) -> None:
    stage = kit.stage()
    with stage.scope():
        payment = make(stage, "P1", lines=20)

    def hold() -> int:
        with stage.scope():
            return go(lines_of(payment), lifecycle.HOLD, payment).rows

    assert sorted(together(*[hold] * 4)) == [0, 0, 0, 20]
    with stage.scope():
        assert Event.objects.filter(event="held").count() == 20
        payment.refresh_from_db()
        assert payment.line_counts == {"held": 20}


def test_a_remark_changes_no_status_and_is_not_told(made: Stage) -> None:
    moves.record(
        company_id=made.company.pk,
        event="warned",
        subject="payment",
        subject_id=1,
        by=ANNE,
        at=timezone.now(),
        detail={"amount": dt.date(2026, 1, 1)},
    )
    event = Event.objects.get(event="warned")
    assert (event.status, event.told, event.erp_code) == ("", False, None)
    assert event.detail == {"amount": "2026-01-01"}
