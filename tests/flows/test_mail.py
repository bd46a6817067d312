"""Mails: to approvers when payments wait, to readers when the bank rejects, by axis and language."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail as django_mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from banking.models import BankAgreement
from payments import notices
from payments.models import Payment, PaymentLine
from portal import clock
from portal.access import actors
from portal.access.roles import Role
from portal.events import moves
from portal.events.models import Event
from portal.mail import delivery
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Line, Stage


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank, balance="100.00")
    made.users["lars"] = kit.person("lars", made.company, Role.PAYROLL_APPROVER)
    made.users["bjorn"].language = "en"
    made.users["bjorn"].save(update_fields=["language"])
    return made


def receivers(made: Stage, words: str) -> set[str]:
    emails = {user.email: name for name, user in made.users.items()}
    return {emails[letter.address] for letter in kit.letters() if words in letter.subject}


def salary(made: Stage) -> None:
    """A salary payment with a name and a sum that supplier roles must not meet."""
    body = kit.pain001(
        {"LONN1": [Line("S1", "98765.43", kit.account(75), name="Hemmelig Ansatt")]},
        account=made.agreement.account.number,
        due=kit.soon(),
        category="SALA",
    )
    assert Erp(made).post("payments", body).status_code == 201


def test_approvers_are_told_of_what_waits_in_their_own_language(made: Stage) -> None:
    job.upload(made)
    assert receivers(made, "to approve") == {"bjorn"}
    assert receivers(made, "til godkjenning") == {"anne"}
    assert len(kit.letters()) == 2
    for letter in kit.letters(language="nb"):
        assert "2 betalinger for Prøve 1 AS venter på godkjenning." in letter.text
        assert f"{kit.soon():%d.%m.%Y}" in letter.text
        assert f"/c/{made.company.public_id}/approve/\n" in letter.text


def test_what_is_posted_is_sent(made: Stage) -> None:
    job.upload(made)
    assert delivery.deliver(now=timezone.now()) == 2
    assert {(letter.to[0], letter.subject) for letter in django_mail.outbox} == {
        (letter.address, letter.subject) for letter in kit.letters()
    }
    assert all(letter.sent_at for letter in kit.letters())


def test_an_upload_that_is_refused_leaves_no_letter(made: Stage) -> None:
    body = kit.pain001(
        {"B1": [Line("L1", "100.00", kit.account(70), message="En")]},
        account=made.agreement.account.number,
        due=kit.soon(),
        totals=(1, Decimal("7.00")),
    )
    assert Erp(made).post("payments", body).status_code == 422
    assert kit.letters() == []


def test_a_payment_that_is_stopped_whole_waits_for_nobody(made: Stage) -> None:
    body = kit.pain001(
        {
            "B1": [Line("L1", "100.00", kit.account(70), kid="1000422")],
            "B2": [Line("L2", "100.00", kit.account(71), message="To")],
        },
        account=made.agreement.account.number,
        due=kit.soon(),
    )
    assert Erp(made).post("payments", body).status_code == 201
    assert receivers(made, "1 betaling til godkjenning") == {"anne"}
    with made.scope():
        waiting = Payment.objects.get(number="B2")
    for letter in kit.letters():
        assert f"/outgoing/{waiting.pk}/\n" in letter.text


def test_salary_is_told_only_to_its_own_approvers(made: Stage) -> None:
    salary(made)
    assert {letter.address for letter in kit.letters()} == {made.users["lars"].email}
    for letter in kit.letters():
        for words in (letter.subject, letter.text, letter.html):
            assert "Hemmelig" not in words
            assert "98765" not in words
            assert "98\u00a0765" not in words


def test_a_rejected_salary_is_told_only_within_its_axis(made: Stage) -> None:
    salary(made)
    job.upload(made)
    with made.scope():
        payment = Payment.objects.get(number="LONN1")
        line = payment.lines.get()
        moves.record(
            company_id=made.company.pk,
            event="rejected",
            subject="line",
            subject_id=line.pk,
            group_id=payment.pk,
            number=payment.number,
            reasons=[{"code": "AC04", "text": ""}],
            by=actors.BANK,
            at=clock.now(),
        )
        at = Event.objects.get(event="rejected").at
        ids = list(Payment.objects.values_list("pk", flat=True))
        notices.rejected(company=made.company, payment_ids=ids, at=at)
    (told,) = kit.letters(kind="payments.rejected")
    assert told.address == made.users["lars"].email
    assert "Hemmelig Ansatt" in told.text
    assert "98\u00a0765,43\u00a0kr" in told.text
    for letter in kit.letters():
        if letter.user_id != made.users["lars"].pk:
            for words in (letter.subject, letter.text, letter.html):
                assert "Hemmelig" not in words
                assert "765,43" not in words
                assert "LONN1" not in words


def test_a_planted_salary_is_seen_nowhere_by_supplier_roles(made: Stage) -> None:
    salary(made)
    anne, lars = kit.signed_in(made.users["anne"]), kit.signed_in(made.users["lars"])
    base = f"/c/{made.company.public_id}/"
    theirs = lars.get(base + "outgoing/").content.decode()
    assert "98" in theirs
    assert "LONN1" in theirs
    page: Any = anne.get(base + "outgoing/")
    with made.scope():
        pk = Payment.objects.get().pk
    for text in (
        page.content.decode(),
        anne.get(f"{base}outgoing/{pk}/").content.decode(),
        anne.post(base + "outgoing/sign/", {"payment": pk}, follow=True).content.decode(),
    ):
        assert "Hemmelig" not in text
        assert "765,43" not in text
        assert "LONN1" not in text


def test_rejections_are_told_with_code_and_cure(made: Stage, bank: Bank) -> None:
    job.upload(made)
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])
    job.send(made)
    bank.pass_days()
    bank.work()
    job.fetch(made)
    told = kit.letters(kind="payments.rejected", user=made.users["bjorn"])
    assert len(told) == 1
    (letter,) = told
    assert letter.subject == f"The bank rejected a payment for {made.company.name}"
    with made.scope():
        line = PaymentLine.objects.get(status="rejected")
    for words in (letter.text, letter.html):
        assert "AM04" in words
        assert "Payment B2, reference L2" in words
        assert "Leverandør AS" in words
        assert "200,00\u00a0kr" in words
        assert line.why[0]["text"] in words
        assert "What to do:" in words
        assert f"/c/{made.company.public_id}/outgoing/{line.payment_id}/" in words
    assert "Banken avviste" in kit.letters(kind="payments.rejected", language="nb")[0].subject


@pytest.mark.parametrize("way", ["", "reversal"])
def test_money_that_comes_back_is_told_and_why_if_the_bank_says_so(
    made: Stage, bank: Bank, way: str
) -> None:
    on_lists(made)
    bank.ask("/scripts", {"what": "give_back", "line": "L1", "value": way} if way else
             {"what": "give_back", "line": "L1"})  # fmt: skip
    job.upload(made)
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    job.send(made)
    for _ in range(3):
        bank.work()
        bank.pass_days(2)
        bank.work()
        job.fetch(made)
    with made.scope():
        line = PaymentLine.objects.get(status="returned")
    told = kit.letters(kind="payments.returned")
    addresses = {letter.address for letter in told}
    assert {"feil@eksempel.no", made.users["anne"].email, made.users["bjorn"].email} <= addresses
    assert len(addresses) == len(told)
    english = kit.letters(kind="payments.returned", user=made.users["bjorn"])[0]
    assert english.subject == f"A payment of {made.company.name} has come back"
    for words in (english.text, english.html):
        assert f"reference {line.reference}" in words
        assert ("The bank does not say why" in words) == (not line.reasons)
        assert f"/outgoing/{line.payment_id}/" in words
    client = kit.signed_in(made.users["anne"])
    page = client.get(f"/c/{made.company.public_id}/outgoing/{line.payment_id}/").content.decode()
    assert "Årsak og løsning står på hver linje" not in page


def test_a_file_refused_whole_is_told_to_the_approvers_with_the_banks_reason(
    made: Stage, bank: Bank
) -> None:
    job.upload(made)
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])
    closed = {
        "customer_number": made.agreement.customer_number,
        "name": made.company.name,
        "organisation_number": made.company.organisation_number,
        "channel": "kvitt",
        "agreement_id": made.agreement.agreement_id,
        "active": False,
        "approvers_required": 1,
        "people": [],
        "accounts": [],
    }
    bank.ask("/setup", {"customers": [closed]})
    job.send(made)
    bank.work()
    job.fetch(made)
    told = kit.letters(kind="payments.sent_back")
    assert {letter.address for letter in told} == {
        made.users["anne"].email,
        made.users["bjorn"].email,
    }
    with made.scope():
        reason = Event.objects.filter(event="sent_back").first().reasons[0]  # type: ignore[union-attr, index]
    english = kit.letters(kind="payments.sent_back", language="en")[0]
    assert english.subject == f"The bank refused a file from {made.company.name}"
    for words in (english.text, english.html):
        assert "Payments: B1, B2" in words
        assert f"({reason['code']})" in words
        assert "Nothing in it has been paid" in words
        assert "Then approve the payments again." in words


def on_lists(made: Stage) -> None:
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(
            approve_mails=["regnskap@eksempel.no", made.users["anne"].email.upper()],
            reject_mails=["feil@eksempel.no"],
        )


def test_an_agreements_list_is_told_how_many_wait_and_nothing_of_them(made: Stage) -> None:
    on_lists(made)
    job.upload(made)
    salary(made)
    (told,) = kit.letters(kind="payments.list_to_approve")
    assert told.address == "regnskap@eksempel.no"  # who is told by a role is not told twice
    assert told.user_id is None
    assert "2 betalinger for Prøve 1 AS venter på godkjenning." in told.text
    assert "står på e-postlisten" in told.text
    for words in (told.subject, told.text, told.html):
        for secret in ("Leverandør AS", "100,00", "B1", "L1", "Hemmelig"):
            assert secret not in words
    delivery.deliver(now=timezone.now())
    assert "regnskap@eksempel.no" in {letter.to[0] for letter in django_mail.outbox}


def test_an_agreements_list_is_told_of_its_rejections_with_code_and_cure(
    made: Stage, bank: Bank
) -> None:
    on_lists(made)
    job.upload(made)
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])
    job.send(made)
    bank.pass_days()
    bank.work()
    job.fetch(made)
    (told,) = kit.letters(kind="payments.rejected", user=None)
    assert told.address == "feil@eksempel.no"
    assert "AM04" in told.text
    assert "Leverandør AS" in told.text
    assert "200,00\u00a0kr" in told.text
    assert "står på e-postlisten" in told.text
    assert "B1" not in told.text  # it was paid


def test_an_agreements_list_is_told_nothing_of_rejected_salary(made: Stage) -> None:
    on_lists(made)
    salary(made)
    with made.scope():
        payment = Payment.objects.get(number="LONN1")
        moves.record(
            company_id=made.company.pk,
            event="rejected",
            subject="line",
            subject_id=payment.lines.get().pk,
            group_id=payment.pk,
            number=payment.number,
            reasons=[{"code": "AC04", "text": ""}],
            by=actors.BANK,
            at=clock.now(),
        )
        at = Event.objects.get(event="rejected").at
        notices.rejected(company=made.company, payment_ids=[payment.pk], at=at)
    assert [letter.user_id for letter in kit.letters(kind="payments.rejected")] == [
        made.users["lars"].pk
    ]


def test_the_statements_of_a_notice_do_not_grow_with_its_readers(made: Stage) -> None:
    job.upload(made)
    counts = []
    with made.scope():
        ids = list(Payment.objects.values_list("pk", flat=True))
        for more in range(2):
            with CaptureQueriesContext(connection) as asked:
                notices.to_approve(company=made.company, payment_ids=ids)
            counts.append(len(asked))
            for n in range(10):
                kit.person(f"a{more}{n}", made.company, Role.APPROVER)
    assert counts[0] == counts[1]
