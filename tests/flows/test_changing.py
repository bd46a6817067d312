"""What people change before a payment is sent: their own approval, its date, a note beside it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from banking import calendar
from banking import lifecycle as banking_lifecycle
from banking.models import BankAgreement
from payments import approval, changing, lifecycle, sending, signable
from payments.models import Payment, Signature
from portal import clock
from portal.access import actors, secondfactor
from portal.access.roles import Role, permissions_of
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Stage


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank)
    made.users["ola"] = kit.person("ola", made.company, Role.ACCOUNTANT)
    made.users["lars"] = kit.person("lars", made.company, Role.PAYROLL_APPROVER)
    job.upload(made)
    return made


def browser(made: Stage, name: str) -> Client:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


def payment(made: Stage, number: str = "B1") -> Payment:
    with made.scope():
        return Payment.objects.get(number=number)


def address(made: Stage, number: str = "B1") -> str:
    return f"/c/{made.company.public_id}/outgoing/{payment(made, number).pk}/"


def page(made: Stage, name: str, number: str = "B1") -> str:
    return " ".join(browser(made, name).get(address(made, number)).content.decode().split())


def withdraw(made: Stage, name: str, number: str = "B1") -> str:
    answer = browser(made, name).post(address(made, number) + "withdraw/", follow=True)
    return " ".join(answer.content.decode().split())


def move(made: Stage, to: Any, *, name: str = "ola", reason: str = "Venter på vare") -> Any:
    day = to.strftime("%d.%m.%Y") if isinstance(to, dt.date) else to
    values = {"due_date": day, "reason": reason}
    return browser(made, name).post(address(made) + "due-date/", values, follow=True)


def living(made: Stage, number: str = "B1") -> list[str]:
    with made.scope():
        rows = Signature.objects.filter(payment__number=number, voided_at=None)
        return sorted(rows.values_list("user__name", flat=True))


def happened(made: Stage, number: str = "B1") -> list[str]:
    with made.scope():
        rows = Event.objects.filter(group_id=payment(made, number).pk).order_by("id")
        return list(rows.values_list("event", flat=True))


# --- one's own approval --------------------------------------------------------------------------


def test_the_first_of_two_takes_the_approval_back_and_may_give_it_again(made: Stage) -> None:
    anne = made.users["anne"]
    job.sign(made, anne)
    assert payment(made).status == lifecycle.PARTLY
    assert "Take back your approval" in page(made, "anne")
    assert "Take back your approval" not in page(made, "bjorn")
    assert "Your approval is taken back" in withdraw(made, "anne")
    assert (payment(made).status, living(made)) == (lifecycle.AWAITING, [])
    assert payment(made, "B2").status == lifecycle.PARTLY, "the other payment is as it was"
    shown = page(made, "anne")
    assert "Approval withdrawn" in shown
    assert "whoever gave it took it back" in shown
    job.sign(made, anne)
    assert living(made) == ["Anne"]


def test_one_of_two_taken_back_leaves_the_others_and_stops_the_sending(
    made: Stage, bank: Bank
) -> None:
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    assert payment(made).status == lifecycle.APPROVED
    withdraw(made, "anne")
    assert (payment(made).status, living(made)) == (lifecycle.PARTLY, ["Bjorn"])
    job.send(made)
    assert payment(made).status == lifecycle.PARTLY
    assert payment(made, "B2").status == lifecycle.SENT
    job.sign(made, made.users["anne"])
    job.send(made)
    assert payment(made).status == lifecycle.SENT


def test_what_has_been_sent_and_what_is_not_ones_own_stays(made: Stage) -> None:
    job.sign(made, made.users["anne"])
    assert "you have not approved it" in withdraw(made, "bjorn")
    assert living(made) == ["Anne"]
    job.sign(made, made.users["bjorn"])
    job.send(made)
    assert "has been sent or ended" in withdraw(made, "anne")
    assert living(made) == ["Anne", "Bjorn"]
    assert "Take back your approval" not in page(made, "anne")
    with made.scope(), pytest.raises(changing.NotYours):
        changing.withdraw(
            company=made.company,
            user=made.users["ola"],
            payment_ids=[payment(made).pk],
            at=clock.now(),
        )


def test_who_lost_the_role_can_still_take_the_approval_back(made: Stage) -> None:
    """The approval is that person's own; keeping it alive is what takes a role."""
    job.sign(made, made.users["anne"])
    with made.scope():
        made.users["anne"].grants.filter(role=Role.APPROVER).delete()
    kit.give(made.users["anne"], made.company, Role.ACCOUNTANT)
    withdraw(made, "anne")
    assert living(made) == []


# --- the due date --------------------------------------------------------------------------------


def test_a_moved_date_makes_approvals_void_and_is_what_the_bank_gets(
    made: Stage, bank: Bank
) -> None:
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    to = calendar.roll(kit.soon() + dt.timedelta(days=9))
    text = " ".join(move(made, to).content.decode().split())
    assert "The due date is moved" in text
    assert f"{to:%d.%m.%Y}" in text
    assert "Venter på vare" in text
    row = payment(made)
    assert (row.due_date, row.status, living(made)) == (to, lifecycle.AWAITING, [])
    assert living(made, "B2") == ["Anne", "Bjorn"]
    (told,) = [row for row in Erp(made).events() if row["event"] == "due_date_moved"]
    assert (told["event"], told["number"], told["erp_code"]) == ("due_date_moved", "B1", 2)
    assert Erp(made).get("payments/B1").json()["due_date"] == to.isoformat()
    told = kit.letters(kind="payments.to_approve")
    assert {letter.user_id for letter in told} >= {made.users["anne"].pk, made.users["bjorn"].pk}
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    job.send(made)
    bank.work()
    job.fetch(made)
    assert payment(made).status == lifecycle.ACCEPTED
    (transfer,) = [row for row in bank.transfers() if row["end_to_end_id"] == "L1"]
    assert str(to) in map(str, transfer.values())


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("1.1.2020", "The day has passed"),
        ("31.12.2099", "more than a year ahead"),
        ("same", "This is its due date already"),
        ("i morgen", "Enter a valid date"),
    ],
)
def test_a_date_that_cannot_be_is_told_and_changes_nothing(made: Stage, to: str, said: str) -> None:
    job.sign(made, made.users["anne"])
    before = payment(made)
    answer = move(made, before.due_date if to == "same" else to)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    after = payment(made)
    assert (after.due_date, bytes(after.digest)) == (before.due_date, bytes(before.digest))
    assert living(made) == ["Anne"]


def test_a_date_after_the_last_day_of_the_agreement_is_refused(made: Stage) -> None:
    last = clock.today() + dt.timedelta(days=3)
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(cut_over_date=last)
    answer = move(made, last + dt.timedelta(days=1))
    assert answer.status_code == 422
    assert f"{last:%d.%m.%Y}, its last day" in answer.content.decode()


def test_it_takes_a_reason_a_role_and_a_payment_that_waits(made: Stage) -> None:
    to = kit.soon() + dt.timedelta(days=7)
    assert move(made, to, reason=" ").status_code == 422
    assert browser(made, "lars").get(address(made) + "due-date/").status_code == 404
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    job.send(made)
    assert "It has gone to the bank" in move(made, to).content.decode()
    assert "Move the due date" not in page(made, "ola")


def test_a_payment_whose_date_was_changed_behind_our_back_is_not_sent(made: Stage) -> None:
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    with made.scope():
        Payment.objects.filter(number="B1").update(due_date=kit.soon() + dt.timedelta(days=30))
        sending.make_files(company=made.company)
    assert payment(made).status == lifecycle.AWAITING
    assert payment(made, "B2").status in (lifecycle.SENDING, lifecycle.SENT)


# --- notes ---------------------------------------------------------------------------------------


def test_a_note_stands_among_the_events_for_those_who_see_the_payment(made: Stage) -> None:
    text = "Avklart med leverandøren på telefon <b>i dag</b>"
    answer = browser(made, "ola").post(address(made) + "note/", {"text": text}, follow=True)
    assert "The note stands among the events" in answer.content.decode()
    shown = page(made, "anne")
    assert "Avklart med leverandøren på telefon &lt;b&gt;i dag&lt;/b&gt;" in shown
    assert browser(made, "lars").post(address(made) + "note/", {"text": "x"}).status_code == 404
    assert [row["event"] for row in Erp(made).events()] == [], "the ERP is told nothing of it"


@pytest.mark.parametrize("text", ["", "   ", "x" * 501])
def test_a_note_that_is_none_is_told(made: Stage, text: str) -> None:
    answer = browser(made, "ola").post(address(made) + "note/", {"text": text}, follow=True)
    assert "No note was written" in answer.content.decode()
    assert "note" not in happened(made)


# --- an agreement that another takes over from ---------------------------------------------------


def taken_over(made: Stage) -> BankAgreement:
    """The agreement is deactivated, and a copy of it is active on the same account."""
    with made.scope():
        old = BankAgreement.objects.filter(pk=made.agreement.pk)
        by = actors.person(made.users["anne"])
        moves.move(old, banking_lifecycle.DEACTIVATE, by=by, at=clock.now())
        copy = BankAgreement.objects.select_related("account").get(pk=made.agreement.pk)
        copy.pk, copy._state.adding, copy.status = None, True, "draft"
        copy.description = "Den nye"
        copy.save(force_insert=True)
        rows = BankAgreement.objects.filter(pk=copy.pk)
        moves.move(rows, banking_lifecycle.ACTIVATE, by=by, at=clock.now())
        return BankAgreement.objects.select_related("account", "channel").get(pk=copy.pk)


def test_nobody_signs_what_would_never_be_sent(made: Stage) -> None:
    with made.scope():
        old = BankAgreement.objects.filter(pk=made.agreement.pk)
        by = actors.person(made.users["anne"])
        moves.move(old, banking_lifecycle.DEACTIVATE, by=by, at=clock.now())
    assert "is not active any more, so it would never be sent" in page(made, "anne")
    with pytest.raises(approval.NoAgreement):
        sign_anyway(made)
    client = browser(made, "anne")
    company = f"/c/{made.company.public_id}/outgoing"
    answer = client.post(f"{company}/sign/", {"payment": payment(made).pk}, follow=True)
    assert "is not active any more, so it would never be sent" in answer.content.decode()
    # Where nothing has taken over, there is nowhere to move it.
    answer = client.post(address(made) + "agreement/", follow=True)
    assert "no other agreement has taken over from it" in answer.content.decode()


def sign_anyway(made: Stage) -> None:
    user = made.users["anne"]
    proof = secondfactor.verify(user=user, code=kit.code_of(user))
    with made.scope():
        rows = Payment.objects.select_related("agreement__account")
        seen = {row.payment.pk: row.fingerprint() for row in signable.shown(list(rows))}
        approval.sign(
            company=made.company,
            user=user,
            permissions=permissions_of([Role.APPROVER]),
            fingerprints=seen,
            proof=proof,
            at=clock.now(),
        )


def test_what_waits_is_moved_to_the_agreement_that_has_taken_over_and_is_paid_on_it(
    made: Stage, bank: Bank
) -> None:
    job.sign(made, made.users["anne"])
    new = taken_over(made)
    assert "Move it, and all that waits with it, to Den nye" in page(made, "ola")
    answer = browser(made, "ola").post(address(made) + "agreement/", follow=True)
    assert "2 payments are moved to Den nye, and wait for approval." in answer.content.decode()
    assert (living(made, "B1"), living(made, "B2")) == ([], [])
    with made.scope():
        assert {row.agreement_id for row in Payment.objects.all()} == {new.pk}
        assert Signature.objects.filter(void_reason=lifecycle.AGREEMENT_MOVED).count() == 2
    assert "agreement_moved" in happened(made, "B2")
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    assert len(job.send(made)) == 1
    bank.work()
    job.fetch(made)
    assert {payment(made, number).status for number in ("B1", "B2")} == {lifecycle.ACCEPTED}


def test_what_is_due_on_a_closed_day_is_asked_for_on_the_next_bank_day(
    made: Stage, bank: Bank
) -> None:
    bank.ask("/setup", {"closed_day": "reject"})
    saturday = kit.soon() + dt.timedelta(days=(5 - kit.soon().weekday()) % 7 + 7)
    move(made, saturday)
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    job.send(made)
    bank.work()
    job.fetch(made)
    assert (payment(made).due_date, payment(made).status) == (saturday, lifecycle.ACCEPTED)
    (transfer,) = [row for row in bank.transfers() if row["end_to_end_id"] == "L1"]
    assert str(calendar.roll(saturday)) in map(str, transfer.values())
