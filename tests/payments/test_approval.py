"""Approving and what stands against it: all or nothing, as shown, by whom it may, once."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import pytest
from django.conf import settings as live
from django.db import IntegrityError, transaction
from django.utils import timezone

from payments import approval, digest, lifecycle, sending, signable
from payments.models import Ceremony, Payment, PaymentLine, Signature
from portal.access import actors
from portal.access.models import Authenticator, User
from portal.access.roles import Role, permissions_of
from portal.access.secondfactor import Proof
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.flows.test_main_job import upload
from tests.kit import Stage
from tests.portal.events.test_moves import AT, lines_of, make, statuses
from tests.portal.events.threads import together

APPROVER = permissions_of([Role.APPROVER])
PAYROLL = permissions_of([Role.PAYROLL_APPROVER])


def proof_of(user: User) -> Proof:
    device = Authenticator.objects.get(user=user)
    return Proof("totp", device.pk, device, timezone.now())


def seen(*payments: Payment) -> dict[int, str]:
    """What a signing page that is opened now would show."""
    rows = Payment.objects.filter(pk__in=[p.pk for p in payments]).select_related(
        "agreement__account"
    )
    return {row.payment.pk: row.fingerprint() for row in signable.shown(list(rows))}


def sign(
    made: Stage,
    name: str,
    *payments: Payment,
    shown: dict[int, str] | None = None,
    permissions: Any = APPROVER,
) -> Ceremony:
    user = made.users[name]
    return approval.sign(
        company=made.company,
        user=user,
        permissions=permissions,
        fingerprints=seen(*payments) if shown is None else shown,
        proof=proof_of(user),
        at=AT,
    )


def common(made: Stage, permissions: Any = APPROVER) -> dict[str, Any]:
    return {
        "company": made.company,
        "user": made.users["anne"],
        "permissions": permissions,
        "at": AT,
    }


def on_lines(made: Stage, act: Any, payment: Payment, *places: int, **more: Any) -> int:
    """Holds, releases or cancels lines by their positions."""
    ids = list(lines_of(payment).filter(position__in=places).values_list("pk", flat=True))
    if act is not approval.release:
        more.setdefault("reason", "feil")
    result: int = act(**common(made), payment_id=payment.pk, line_ids=ids, **more)
    return result


def cancel(made: Stage, *payments: Payment, permissions: Any = APPROVER, **more: Any) -> int:
    return approval.cancel(
        company=made.company,
        by=actors.person(made.users["anne"]),
        permissions=permissions,
        payment_ids=[payment.pk for payment in payments],
        reason="feil",
        at=AT,
        **more,
    )


def refuse(made: Stage, *payments: Payment, permissions: Any = APPROVER) -> int:
    ids = [payment.pk for payment in payments]
    return approval.refuse(**common(made, permissions), payment_ids=ids, reason="ukjent")


def status_of(payment: Payment) -> str:
    payment.refresh_from_db()
    return payment.status


@pytest.fixture
def made(db: None) -> Any:
    stage = kit.stage()
    with stage.scope():
        yield stage


@pytest.fixture
def alone(db: None) -> Any:
    """A company where one approver is enough."""
    stage = kit.stage(approvers=1)
    with stage.scope():
        yield stage


def test_two_different_people_make_a_payment_approved(made: Stage) -> None:
    payment = make(made, "P1")
    sign(made, "anne", payment)
    assert status_of(payment) == "partly"
    sign(made, "bjorn", payment)
    assert status_of(payment) == "approved"
    told = list(
        Event.objects.filter(group_id=payment.pk).order_by("id").values_list("event", "actor_name")
    )
    assert told == [("signed_first", "Anne"), ("approved", "Bjorn")]


def test_where_one_is_enough_one_approves(alone: Stage) -> None:
    payment = make(alone, "P1")
    sign(alone, "anne", payment)
    assert status_of(payment) == "approved"


def test_many_are_signed_in_one_ceremony_with_what_was_covered(made: Stage) -> None:
    payments = [make(made, f"P{n}", lines=n) for n in range(1, 6)]
    ceremony = sign(made, "anne", *payments)
    assert (ceremony.payment_count, ceremony.line_count) == (5, 15)
    assert ceremony.totals == {"NOK": "15.00"}
    assert {status_of(payment) for payment in payments} == {"partly"}
    signatures = Signature.objects.filter(ceremony=ceremony)
    assert signatures.count() == 5
    for signature in signatures:
        assert digest.mac_holds(signature.statement, bytes(signature.mac), key=live.SIGNATURE_KEY)
        assert f"payment: {signature.payment.number}\n" in signature.statement
        assert made.users["anne"].email in signature.statement


def test_many_are_signed_in_as_many_statements_as_few_but_for_the_signatures(
    made: Stage, django_assert_max_num_queries: Any
) -> None:
    payments = [make(made, f"P{n}") for n in range(20)]
    shown = seen(*payments)
    with django_assert_max_num_queries(20 + 3 * 20):
        sign(made, "anne", *payments, shown=shown)


def test_one_that_changed_stops_them_all(made: Stage) -> None:
    payments = [make(made, f"P{n}") for n in range(3)]
    shown = seen(*payments)
    on_lines(made, approval.hold, payments[1], 2)
    with pytest.raises(approval.Changed) as refused:
        sign(made, "anne", *payments, shown=shown)
    assert refused.value.numbers == ["P1"]
    assert not Signature.objects.exists()
    assert not Ceremony.objects.exists()
    assert [status_of(payment) for payment in payments] == ["awaiting"] * 3


@pytest.mark.parametrize("act", [approval.hold, approval.cancel_lines])
def test_a_line_that_left_after_the_page_was_shown_is_noticed(act: Any, made: Stage) -> None:
    payment = make(made, "P1")
    shown = seen(payment)
    on_lines(made, act, payment, 3)
    with pytest.raises(approval.Changed):
        sign(made, "anne", payment, shown=shown)
    sign(made, "anne", payment)
    assert statuses(payment) == ["partly", "partly", act is approval.hold and "held" or "cancelled"]
    assert "left out: 3" in Signature.objects.get().statement
    assert "sums: 2.00 NOK" in Signature.objects.get().statement


def test_one_line_held_and_another_released_in_its_place_is_noticed(made: Stage) -> None:
    payment = make(made, "P1")
    on_lines(made, approval.hold, payment, 1)
    shown = seen(payment)
    on_lines(made, approval.release, payment, 1)
    on_lines(made, approval.hold, payment, 2)
    assert seen(payment) != shown
    with pytest.raises(approval.Changed):
        sign(made, "anne", payment, shown=shown)


def test_nobody_signs_twice(made: Stage) -> None:
    one, two = make(made, "P1"), make(made, "P2")
    sign(made, "anne", one)
    with pytest.raises(approval.AlreadySigned) as refused:
        sign(made, "anne", one, two)
    assert refused.value.numbers == ["P1"]
    assert (status_of(one), status_of(two)) == ("partly", "awaiting")
    assert Signature.objects.count() == 1


def test_the_database_refuses_a_second_living_signature_too(made: Stage) -> None:
    payment = make(made, "P1")
    sign(made, "anne", payment)
    first = Signature.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        first.pk = None
        first.save(force_insert=True)


@pytest.mark.parametrize("first", [refuse, cancel])
def test_what_has_ended_is_not_signed(first: Any, made: Stage) -> None:
    payment = make(made, "P1")
    shown = seen(payment)
    first(made, payment)
    with pytest.raises(approval.Changed):
        sign(made, "anne", payment, shown=shown)
    with pytest.raises(approval.Changed):
        sign(made, "anne", payment)


def test_what_is_not_there_or_not_the_companys_is_not_signed(made: Stage) -> None:
    other = kit.stage(place=2)
    with other.scope():
        theirs = make(other, "P1")
    mine = make(made, "P1")
    for wrong in ({theirs.pk: "x"}, {0: "x"}, seen(mine) | {theirs.pk: "x"}):
        with pytest.raises(approval.Changed):
            sign(made, "anne", shown=wrong)
    assert status_of(mine) == "awaiting"


def test_supplier_and_salary_are_approved_by_those_who_may(made: Stage) -> None:
    salary, supplier = make(made, "S1", kind="salary"), make(made, "P1")
    with pytest.raises(approval.NotYours):
        sign(made, "anne", supplier, salary)
    with pytest.raises(approval.NotYours):
        sign(made, "anne", supplier, salary, permissions=PAYROLL)
    assert not Signature.objects.exists()
    with pytest.raises(approval.NotYours):
        sign(made, "anne", salary, permissions=PAYROLL)  # what a page believed is asked anew
    kit.give(made.users["anne"], made.company, Role.PAYROLL_APPROVER)
    sign(made, "anne", salary, permissions=PAYROLL)
    assert (status_of(salary), status_of(supplier)) == ("partly", "awaiting")


@pytest.mark.parametrize("act", [refuse, cancel])
def test_supplier_roles_neither_refuse_nor_cancel_salary(act: Any, made: Stage) -> None:
    salary, supplier = make(made, "S1", kind="salary"), make(made, "P1")
    with pytest.raises(approval.NotYours):
        act(made, supplier, salary)
    with pytest.raises(approval.NotYours):
        act(made, supplier, salary, permissions=permissions_of([Role.UPLOADER]))
    assert (status_of(salary), status_of(supplier)) == ("awaiting", "awaiting")
    act(made, salary, permissions=PAYROLL)


def test_an_accountant_cancels_and_does_not_refuse_or_sign(made: Stage) -> None:
    accountant = permissions_of([Role.ACCOUNTANT])
    payment = make(made, "P1")
    with pytest.raises(approval.NotYours):
        refuse(made, payment, permissions=accountant)
    with pytest.raises(approval.NotYours):
        sign(made, "anne", payment, permissions=accountant)
    assert cancel(made, payment, permissions=accountant) == 3


def test_refusing_ends_whole_payments_with_the_reason_on_each_line(made: Stage) -> None:
    one, two = make(made, "P1"), make(made, "P2")
    sign(made, "bjorn", two)
    on_lines(made, approval.hold, one, 1)
    on_lines(made, approval.cancel_lines, one, 2)
    assert refuse(made, one, two) == 5
    assert statuses(one) == ["refused", "cancelled", "refused"]
    assert (status_of(one), status_of(two)) == ("ended", "refused")
    events = Event.objects.filter(event="refused")
    assert events.count() == 5
    assert {event.detail["reason"] for event in events} == {"ukjent"}
    assert {event.erp_code for event in events} == {4}
    with pytest.raises(approval.Changed):
        refuse(made, one)


def test_an_approved_payment_can_still_be_cancelled_and_a_sent_one_cannot(alone: Stage) -> None:
    early, late = make(alone, "P1"), make(alone, "P2")
    sign(alone, "anne", early, late)
    assert cancel(alone, early) == 3
    moves.move(lines_of(late), lifecycle.SEND, by=actors.CLOCK, at=AT, within=[late.pk])
    for act in (cancel, refuse):
        with pytest.raises(moves.Conflict):
            act(alone, late)
    assert status_of(late) == "sending"


def test_cancelling_several_is_all_or_nothing(alone: Stage) -> None:
    early, late = make(alone, "P1"), make(alone, "P2")
    sign(alone, "anne", late)
    moves.move(lines_of(late), lifecycle.SEND, by=actors.CLOCK, at=AT, within=[late.pk])
    with pytest.raises(moves.Conflict):
        cancel(alone, early, late)
    assert (status_of(early), status_of(late)) == ("awaiting", "sending")


def test_lines_are_cancelled_by_reference_and_unknown_ones_change_nothing(made: Stage) -> None:
    payment = make(made, "P1")
    assert cancel(made, payment, references=["L1", "L3"]) == 2
    assert statuses(payment) == ["cancelled", "awaiting", "cancelled"]
    with pytest.raises(approval.Changed):
        cancel(made, payment, references=["L9"])


def test_holding_and_cancelling_leave_the_others_signed(made: Stage) -> None:
    payment = make(made, "P1", lines=4)
    sign(made, "anne", payment)
    on_lines(made, approval.hold, payment, 1)
    on_lines(made, approval.cancel_lines, payment, 2)
    assert statuses(payment) == ["held", "cancelled", "partly", "partly"]
    assert Signature.objects.filter(voided_at=None).count() == 1
    sign(made, "bjorn", payment)
    assert statuses(payment) == ["held", "cancelled", "approved", "approved"]
    assert status_of(payment) == "approved"


def test_releasing_voids_the_approvals_and_all_open_lines_wait_again(made: Stage) -> None:
    payment = make(made, "P1")
    on_lines(made, approval.hold, payment, 1)
    sign(made, "anne", payment)
    sign(made, "bjorn", payment)
    on_lines(made, approval.release, payment, 1)
    assert statuses(payment) == ["awaiting"] * 3
    signatures = Signature.objects.filter(payment=payment)
    assert [s.void_reason for s in signatures] == ["released"] * 2
    assert all(s.voided_at == AT for s in signatures)
    sign(made, "anne", payment)
    sign(made, "bjorn", payment)
    assert statuses(payment) == ["approved"] * 3


@pytest.mark.parametrize("act", [approval.hold, approval.release, approval.cancel_lines])
def test_a_line_that_cannot_move_stops_the_whole_act(act: Any, made: Stage) -> None:
    payment = make(made, "P1")
    if act is approval.release:
        on_lines(made, approval.hold, payment, 1)
    else:
        on_lines(made, approval.cancel_lines, payment, 2)
    before = statuses(payment)
    with pytest.raises(moves.Conflict):
        on_lines(made, act, payment, 1, 2)
    assert statuses(payment) == before


def test_lines_of_another_payment_are_not_reached_through_one(made: Stage) -> None:
    one, two = make(made, "P1"), make(made, "P2")
    line = lines_of(two).first()
    assert line is not None
    with pytest.raises(moves.Conflict):
        approval.hold(**common(made), payment_id=one.pk, line_ids=[line.pk], reason="")
    assert statuses(two) == ["awaiting"] * 3


def test_a_payment_held_whole_waits_and_can_be_released_and_signed(made: Stage) -> None:
    payment = make(made, "P1")
    on_lines(made, approval.hold, payment, 1, 2, 3)
    assert status_of(payment) == "held"
    with pytest.raises(approval.Changed):
        sign(made, "anne", payment)
    on_lines(made, approval.release, payment, 1, 2, 3)
    sign(made, "anne", payment)
    assert status_of(payment) == "partly"


def test_a_held_line_cannot_follow_when_the_rest_has_been_sent(made: Stage) -> None:
    payment = make(made, "P1")
    on_lines(made, approval.hold, payment, 3)
    sign(made, "anne", payment)
    sign(made, "bjorn", payment)
    signed = lines_of(payment).filter(status="approved")
    moves.move(signed, lifecycle.SEND, by=actors.CLOCK, at=AT, within=[payment.pk])
    with pytest.raises(approval.PartlySent):
        on_lines(made, approval.release, payment, 3)
    assert statuses(payment) == ["sending", "sending", "held"]
    assert Signature.objects.filter(voided_at=None).count() == 2
    moves.move(lines_of(payment), lifecycle.SEND_BACK, by=actors.BANK, at=AT, within=[payment.pk])
    approval.void(payment_ids=[payment.pk], by=actors.BANK, at=AT, reason="refused by the bank")
    on_lines(made, approval.release, payment, 3)  # nothing of it is at the bank any more
    assert statuses(payment) == ["awaiting"] * 3
    assert not Signature.objects.filter(voided_at=None).exists()


def test_who_holds_no_authority_at_the_bank_is_warned(made: Stage) -> None:
    payment = make(made, "P1")
    stranger = kit.person("eva", made.company, Role.APPROVER)
    warned = signable.authority_warnings(user=stranger, payments=[payment])
    assert warned == [payment]
    assert signable.authority_warnings(user=made.users["anne"], payments=[payment]) == []


def test_several_currencies_are_summed_apart(made: Stage) -> None:
    payment = make(made, "P1")
    lines_of(payment).filter(position=3).update(currency="EUR")
    ceremony = sign(made, "anne", payment)
    assert ceremony.totals == {"EUR": "1.00", "NOK": "2.00"}
    assert "sums: 1.00 EUR, 2.00 NOK" in Signature.objects.get().statement


# Races: real commits, real threads.


def acting(made: Stage, work: Any) -> Any:
    """The work as another request does it: in the company's scope, on another connection."""

    def inside() -> Any:
        with made.scope():
            return work()

    return inside


def test_approve_and_cancel_at_once_end_in_one_lawful_way(own_database: str) -> None:
    made = kit.stage(approvers=1)
    ways: Counter[str] = Counter()
    for turn in range(20):
        with made.scope():
            payment = make(made, f"R{turn}")
            shown = seen(payment)
        works = [
            acting(made, lambda: sign(made, "bjorn", payment, shown=shown)),
            acting(made, lambda: cancel(made, payment)),
        ]
        signed, cancelled = together(*works)
        with made.scope():
            kept = Signature.objects.filter(payment=payment).count()
            told = list(
                Event.objects.filter(group_id=payment.pk)
                .order_by("id")
                .values_list("event", flat=True)
            )
            # An approved payment may still be cancelled, so cancelling always comes through.
            assert cancelled == 3, cancelled
            assert status_of(payment) == "cancelled"
            if isinstance(signed, Ceremony):
                assert (kept, told) == (1, ["approved", *["cancelled"] * 3])
            else:
                assert isinstance(signed, approval.Changed), signed
                assert (kept, told) == (0, ["cancelled"] * 3)
                assert not Ceremony.objects.filter(signatures__payment=payment).exists()
            ways["signed" if kept else "refused"] += 1
    assert sum(ways.values()) == 20
    with made.scope():
        assert Ceremony.objects.count() == ways["signed"]


def test_the_same_person_signing_twice_at_once_signs_once(own_database: str) -> None:
    made = kit.stage()
    for turn in range(5):
        with made.scope():
            payment = make(made, f"R{turn}")
            shown = seen(payment)
        work = acting(made, lambda: sign(made, "anne", payment, shown=shown))
        answers = together(work, work, work)
        with made.scope():
            assert Signature.objects.filter(payment=payment).count() == 1
            assert status_of(payment) == "partly"
        assert sum(isinstance(answer, Ceremony) for answer in answers) == 1
        assert all(isinstance(answer, Ceremony | approval.AlreadySigned) for answer in answers), (
            answers
        )


def test_both_approvers_at_once_make_it_approved(own_database: str) -> None:
    made = kit.stage()
    for turn in range(5):
        with made.scope():
            payment = make(made, f"R{turn}")
            shown = seen(payment)
        answers = together(
            acting(made, lambda: sign(made, "anne", payment, shown=shown)),
            acting(made, lambda: sign(made, "bjorn", payment, shown=shown)),
        )
        assert all(isinstance(answer, Ceremony) for answer in answers), answers
        with made.scope():
            assert status_of(payment) == "approved"


def test_many_signed_and_held_in_opposite_orders_never_stand_still(own_database: str) -> None:
    made = kit.stage(approvers=1)
    with made.scope():
        payments = [make(made, f"R{turn}") for turn in range(8)]
        shown = seen(*payments)
        lines = {p.pk: [line.pk for line in lines_of(p).filter(position=1)] for p in payments}

    def hold_backwards() -> int:
        return sum(
            approval.hold(**common(made), payment_id=pk, line_ids=lines[pk], reason="x")
            for pk in reversed(lines)
        )

    signed, held = together(
        acting(made, lambda: sign(made, "bjorn", *payments, shown=shown)),
        acting(made, hold_backwards),
    )
    assert held == 8
    with made.scope():
        expected = "approved" if isinstance(signed, Ceremony) else "awaiting"
        assert isinstance(signed, Ceremony | approval.Changed), signed
        assert {status_of(payment) for payment in payments} == {expected}


def test_cancel_and_send_at_once_never_both(own_database: str) -> None:
    made = kit.stage(approvers=1)
    for turn in range(6):
        upload(made, f"U{turn}-")
        with made.scope():
            payments = list(Payment.objects.filter(number__startswith=f"U{turn}-"))
            sign(made, "anne", *payments)
        cancelled, files = together(
            acting(made, lambda: cancel(made, *payments)),
            acting(made, lambda: sending.make_files(company=made.company)),
        )
        assert isinstance(files, list), files
        with made.scope():
            standing = {status_of(payment) for payment in payments}
            rows = PaymentLine.objects.filter(payment__bank_file__in=files).count()
        if files:
            assert isinstance(cancelled, moves.Conflict), cancelled
            assert (standing, rows) == ({"sending"}, 2)
        else:
            assert (cancelled, standing) == (2, {"cancelled"})


def test_the_time_of_a_signature_is_the_business_time_given(made: Stage) -> None:
    payment = make(made, "P1")
    sign(made, "anne", payment)
    signature = Signature.objects.get()
    assert signature.signed_at == AT
    assert f"at: {AT.astimezone(dt.UTC).isoformat()}" in signature.statement
