"""Mails: to approvers when payments wait, to readers when the bank rejects, by axis and language."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from portal.access.roles import Role
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
    return {emails[letter.to[0]] for letter in mail.outbox if words in letter.subject}


def test_approvers_are_told_of_what_waits_in_their_own_language(made: Stage) -> None:
    job.upload(made)
    assert receivers(made, "to approve") == {"bjorn"}
    assert {letter.to[0] for letter in mail.outbox} == {
        made.users["anne"].email,
        made.users["bjorn"].email,
    }


def test_salary_is_told_only_to_its_own_approvers(made: Stage) -> None:
    body = kit.pain001(
        {"LONN1": [Line("S1", "98765.43", kit.account(75), name="Hemmelig Ansatt")]},
        account=made.agreement.account.number,
        due=kit.soon(),
        category="SALA",
    )
    assert Erp(made).post("payments", body).status_code == 201
    assert {letter.to[0] for letter in mail.outbox} == {made.users["lars"].email}
    for letter in mail.outbox:
        assert "Hemmelig" not in letter.body
        assert "98765" not in letter.body


def test_a_planted_salary_is_seen_nowhere_by_supplier_roles(made: Stage) -> None:
    body = kit.pain001(
        {"LONN1": [Line("S1", "98765.43", kit.account(75), name="Hemmelig Ansatt")]},
        account=made.agreement.account.number,
        due=kit.soon(),
        category="SALA",
    )
    assert Erp(made).post("payments", body).status_code == 201
    anne, lars = kit.signed_in(made.users["anne"]), kit.signed_in(made.users["lars"])
    base = f"/c/{made.company.public_id}/"
    theirs = lars.get(base + "outgoing/").content.decode()
    assert "98" in theirs
    assert "LONN1" in theirs
    page: Any = anne.get(base + "outgoing/")
    with made.scope():
        from payments.models import Payment

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
    mail.outbox.clear()
    job.fetch(made)
    told = [letter for letter in mail.outbox if letter.to[0] == made.users["bjorn"].email]
    assert len(told) == 1
    assert "rejected" in told[0].subject
    assert "AM04" in told[0].body
    assert "200.00 NOK" in told[0].body
    assert made.company.public_id in told[0].body
