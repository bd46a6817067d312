"""A check that stops: nobody signs before an administrator lets the line pass, and says why."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from payments import approval, deciding, guards, lifecycle
from payments.models import Finding, GuardSetting, Payment, PaymentLine
from portal import clock
from portal.access import grants, tenancy
from portal.access.roles import Role, permissions_of
from portal.events.models import Event
from portal.people import changes
from portal.people.models import Change
from tests import kit
from tests.kit import Erp, Line, Stage

CHANGED = "account-changed"
NAME = "Strøm og Nett AS"
REASON = "Ringte leverandøren; kontoen er riktig"


@pytest.fixture
def made(db: None) -> Stage:
    return staged()


def staged() -> Stage:
    """A company where a payee's other account stops a payment: the first line of N."""
    made = kit.stage()
    made.users["chief"] = kit.person("chief", made.company, Role.AUTOPAY_ADMINISTRATOR)
    set_to(made, "stop")
    send(made, "B", Line("b", "100.00", kit.account(70), name=NAME, message="F1"))
    send(made, "N", line("n"), Line("m", "5.00", kit.account(70), name=NAME, message="F3"))
    return made


def line(reference: str) -> Line:
    return Line(reference, "100.00", kit.account(72), name=NAME, message="F2")


def set_to(made: Stage, severity: str, code: str = CHANGED) -> None:
    chief = made.users["chief"]
    with made.scope():
        wanted = deciding.settings(company=made.company) | {code: severity}
        by = changes.By(chief, str(chief), None, clock.now())
        deciding.choose(company=made.company, wanted=wanted, by=by)


def send(made: Stage, number: str, *lines: Line, category: str = "SUPP") -> None:
    body = kit.pain001(
        {number: list(lines)},
        account=made.agreement.account.number,
        due=kit.soon(),
        category=category,
    )
    answer = Erp(made).post("payments", body)
    assert answer.status_code == 201, answer.content


def client_of(made: Stage, name: str) -> Client:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


def at(made: Stage, path: str) -> str:
    return f"/c/{made.company.public_id}/{path}"


def payment(made: Stage, number: str = "N") -> Payment:
    return Payment.objects.of(made.company).get(number=number)


def stop(made: Stage) -> Finding:
    with made.scope():
        return deciding.waiting(company=made.company).get()


def let_pass(made: Stage, reason: str = REASON, name: str = "chief") -> Any:
    return client_of(made, name).post(
        at(made, f"checks/{stop(made).pk}/pass/"), {"reason": reason}, follow=True
    )


def sign(made: Stage, name: str = "anne", *, number: str = "N") -> None:
    """As the page does it, with what the page would show."""
    from payments import signable
    from portal.access import secondfactor

    user = made.users[name]
    with made.scope():
        (row,) = signable.shown([payment(made, number)])
        approval.sign(
            company=made.company,
            user=user,
            permissions=permissions_of(grants.roles_in(user=user, company=made.company)),
            fingerprints={row.payment.pk: row.fingerprint()},
            proof=secondfactor.verify(user=user, code=kit.code_of(user)),
            at=clock.now(),
        )


def test_what_a_check_stops_cannot_be_signed_before_it_is_let_pass(made: Stage) -> None:
    with pytest.raises(approval.StoppedByCheck) as caught:
        sign(made)
    assert caught.value.numbers == ["N"]
    let_pass(made)
    sign(made)
    with made.scope():
        assert payment(made).status == lifecycle.PARTLY


def test_the_approver_is_told_who_can_let_it_pass(made: Stage) -> None:
    anne = client_of(made, "anne")
    with made.scope():
        ids = {name: payment(made, name).pk for name in "BN"}
    page = anne.get(at(made, f"outgoing/{ids['N']}/")).content.decode()
    assert "Stopped by a check</span> <strong>The payee&#x27;s account has changed" in page
    assert "An AutoPay Administrator can let it pass, with a reason" in page
    chosen = {"payment": list(ids.values())}
    page = anne.post(at(made, "outgoing/sign/"), chosen, follow=True).content.decode()
    assert "Approve 1 payment" in page
    assert "An AutoPay Administrator can let it pass, with a reason" in page  # of the other
    refused = anne.post(at(made, "outgoing/sign/"), {"payment": ids["N"]}, follow=True)
    assert "A check stops it" in refused.content.decode()


def test_an_administrator_sees_what_is_stopped_and_lets_it_pass_with_a_reason(made: Stage) -> None:
    chief = client_of(made, "chief")
    overview = chief.get(at(made, "overview/")).content.decode()
    assert "A check stops 1 line" in overview
    page = chief.get(at(made, "checks/")).content.decode()
    assert NAME in page
    assert "Compare with B" in page
    assert "Write why it may pass." in let_pass(made, "  ").content.decode()
    found = stop(made)
    page = let_pass(made).content.decode()
    assert "N may pass. Your reason stands beside it." in page
    assert "No payment is stopped by a check." in page
    with made.scope():
        found.refresh_from_db()
        assert (found.passed_by, found.pass_reason) == (made.users["chief"], REASON)
        event = Event.objects.get(event=deciding.PASSED)
        assert event.detail == {"reason": REASON, "check": CHANGED, "reference": "n"}
        pk = payment(made).pk
    told = client_of(made, "anne").get(at(made, f"outgoing/{pk}/")).content.decode()
    assert REASON in told
    assert "An administrator let it pass a check that stops" in told
    again = chief.post(at(made, f"checks/{found.pk}/pass/"), {"reason": "x"}, follow=True)
    assert "it does not stop anything any more" in again.content.decode()


@pytest.mark.parametrize("name", ["anne", "bjorn", "erp"])
def test_nobody_else_lets_anything_pass(made: Stage, name: str) -> None:
    number = stop(made).pk
    answer = client_of(made, name).post(at(made, f"checks/{number}/pass/"), {"reason": "x"})
    assert answer.status_code == 403
    assert stop(made).pk == number


def test_another_companys_stop_is_not_there(made: Stage) -> None:
    other = kit.stage(place=2)
    other.users["boss"] = kit.person("boss", other.company, Role.AUTOPAY_ADMINISTRATOR)
    boss = client_of(other, "boss")
    answer = boss.post(at(other, f"checks/{stop(made).pk}/pass/"), {"reason": "x"})
    assert answer.status_code == 404
    assert stop(made).passed_at is None


def test_the_rest_of_the_payment_goes_on_when_the_line_is_held(made: Stage) -> None:
    with made.scope():
        row = payment(made)
        held = PaymentLine.objects.get(payment=row, reference="n")
        approval.hold(
            company=made.company,
            user=made.users["anne"],
            permissions=permissions_of([Role.APPROVER]),
            payment_id=row.pk,
            line_ids=[held.pk],
            reason="",
            at=clock.now(),
        )
    sign(made)
    with made.scope():
        assert deciding.waiting(company=made.company).count() == 0
        approval.release(
            company=made.company,
            user=made.users["anne"],
            permissions=permissions_of([Role.APPROVER]),
            payment_id=row.pk,
            line_ids=[held.pk],
            at=clock.now(),
        )
    with pytest.raises(approval.StoppedByCheck):
        sign(made)


def test_what_is_stopped_is_not_counted_among_what_waits_for_me(made: Stage) -> None:
    anne = client_of(made, "anne")
    assert "1 waits for you" in anne.get(at(made, "overview/")).content.decode()
    let_pass(made)
    assert "2 wait for you" in anne.get(at(made, "overview/")).content.decode()


def test_lists_show_what_is_stopped_and_find_it(made: Stage) -> None:
    anne = client_of(made, "anne")
    page = anne.get(at(made, "outgoing/")).content.decode()
    assert page.count("<small>Stopped by a check</small>") == 1
    page = anne.get(at(made, "outgoing/?checks=stop")).content.decode()
    assert ">N</a>" in page
    assert ">B</a>" not in page
    page = anne.get(at(made, "approve/")).content.decode()
    assert ">N</a>" not in page
    assert "A check stops 1 payment more." in page
    let_pass(made)
    page = anne.get(at(made, "approve/")).content.decode()
    assert "Look at the warnings" in page
    assert "1 payment more" not in page
    assert ">N</a>" in anne.get(at(made, "outgoing/?checks=warn")).content.decode()


def test_administrators_are_told_by_mail_what_is_stopped(made: Stage) -> None:
    from portal.mail.models import Letter

    with made.scope(), tenancy.acting_for([made.company], letters=True):
        (letter,) = Letter.objects.filter(kind="payments.stopped")
    assert letter.user == made.users["chief"]
    assert "/checks/" in letter.text


def test_a_choice_is_logged_and_holds_for_what_comes_in_afterwards(made: Stage) -> None:
    chief = client_of(made, "chief")
    address = at(made, "checks/")
    assert chief.post(address, {CHANGED: "no"}).status_code == 422
    with made.scope():
        now = deciding.settings(company=made.company)
    page = chief.post(address, now | {CHANGED: "inform"}, follow=True).content.decode()
    assert "It holds for payments that come in from now on." in page
    assert (
        "it was set so already"
        in chief.post(address, now | {CHANGED: "inform"}, follow=True).content.decode()
    )
    with made.scope():
        log = Change.objects.filter(act="checks.changed").order_by("-pk")[0]
        assert (log.before, log.after) == ({CHANGED: "stop"}, {CHANGED: "inform"})
    assert stop(made).severity == "stop"  # as it was found
    send(made, "M", Line("k", "7.00", kit.account(73), name=NAME, message="F4"))
    with made.scope():
        assert Finding.objects.get(payment__number="M", code=CHANGED).severity == "inform"
        assert GuardSetting.objects.count() == 1


def test_a_salary_payment_is_warned_of_and_never_stopped(made: Stage) -> None:
    set_to(made, "stop", guards.DUPLICATE)
    for number in ("S1", "S2"):
        wage = Line(number, "9.00", kit.account(74), name="Ola", message="Lønn")
        send(made, number, wage, category="SALA")
    with made.scope():
        found = Finding.objects.filter(payment__number="S2").values_list("code", "severity")
        assert dict(found)[guards.DUPLICATE] == "warn"


@pytest.mark.parametrize("code", guards.WORDS)
def test_every_check_can_stop(made: Stage, code: str) -> None:
    set_to(made, "stop", code)
    with made.scope():
        assert deciding.settings(company=made.company)[code] == "stop"


def test_two_who_let_the_same_pass_at_once_make_one_decision(own_database: str) -> None:
    made = staged()
    number, outcomes = stop(made).pk, []

    def decide(name: str) -> None:
        try:
            with made.scope():
                deciding.let_pass(
                    company=made.company,
                    user=made.users["chief"],
                    finding_id=number,
                    reason=name,
                    at=clock.now(),
                )
            outcomes.append("passed")
        except deciding.Gone:
            outcomes.append("gone")
        finally:
            connection.close()

    both = [threading.Thread(target=decide, args=(name,)) for name in "ab"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert sorted(outcomes) == ["gone", "passed"]
    with made.scope():
        assert Event.objects.filter(event=deciding.PASSED).count() == 1
