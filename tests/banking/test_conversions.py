"""An agreement in the old format is converted to ISO 20022, when nothing is under way on it."""

from __future__ import annotations

import pytest
from django.test import Client

from banking.models import BankAgreement
from portal.access.roles import Role
from portal.people.models import Change
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Line, Stage

NUMBERS = {"customer_number": "00012345", "agreement_id": "000123456"}
NEW = {"pain_version": "pain.001.001.09", "customer_number": "CUST1", "agreement_id": "AGR1"}


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank)
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(file_format="nets", **NUMBERS)
    return made


@pytest.fixture
def kari(made: Stage) -> Client:
    client = kit.signed_in(made.users["kari"])
    client.cookies["kvitt_language"] = "en"
    return client


def address(made: Stage) -> str:
    return f"/c/{made.company.public_id}/agreements/{made.agreement.pk}/convert/"


def read(made: Stage) -> BankAgreement:
    with made.scope():
        return BankAgreement.objects.get(pk=made.agreement.pk)


def test_it_keeps_its_number_and_sends_iso_20022_from_then_on(
    made: Stage, kari: Client, bank: Bank
) -> None:
    page = kari.get(f"/c/{made.company.public_id}/agreements/{made.agreement.pk}/")
    assert "Convert it to ISO 20022" in page.content.decode()
    page = kari.post(address(made), NEW, follow=True).content.decode()
    assert "sends ISO 20022 from now on" in page
    row = read(made)
    assert (row.pk, row.status, row.file_format) == (made.agreement.pk, "active", "iso20022")
    with made.scope():
        change = Change.objects.get(act="agreement.changed")
    assert change.before["file_format"] == "nets"
    assert change.after["agreement_id"] == "AGR1"
    job.upload(made)
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])
    job.send(made)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}
    again = kari.post(address(made), NEW, follow=True).content.decode()
    assert "Only an agreement in the old format" in again


def test_it_is_refused_while_payments_are_unsettled_and_they_are_listed(
    made: Stage, kari: Client
) -> None:
    job.upload(made)
    kit.give(made.users["kari"], made.company, Role.ACCOUNTANT)
    page = kari.get(address(made)).content.decode()
    assert "2 payments are not settled yet" in page
    assert ">B1</a>" in page
    assert "<form class=" not in page.split("<main")[1]
    answer = kari.post(address(made), NEW)
    assert answer.status_code == 422
    assert read(made).file_format == "nets"


def test_salary_is_counted_and_not_listed_for_those_who_may_not_see_it(
    made: Stage, kari: Client
) -> None:
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(file_format="iso20022")
    lines = [Line("S1", "100.00", kit.account(70), message="x")]
    number = made.agreement.account.number
    body = kit.pain001({"LONN": lines}, account=number, due=kit.soon(), category="SALA")
    assert Erp(made).post("payments", body).status_code == 201
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(file_format="nets")
    kit.give(made.users["kari"], made.company, Role.ACCOUNTANT)
    page = kari.get(address(made)).content.decode()
    assert "1 payment is not settled yet" in page
    assert "LONN" not in page


def test_what_the_bank_asks_for_is_asked_for(made: Stage, kari: Client) -> None:
    answer = kari.post(address(made), {**NEW, "agreement_id": ""})
    assert answer.status_code == 422
    assert read(made).file_format == "nets"
