"""What stands of an agreement is what was meant: its account, its authorities, and its log."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from banking import lifecycle, setup_forms
from banking.models import Authority, BankAccount, BankAgreement
from portal.access import actors
from portal.access.roles import Role
from portal.events import moves
from portal.people.models import Change
from tests import kit
from tests.banking.test_agreements import FREE, base, drafted, filled, of_step, through
from tests.kit import Stage


@pytest.fixture
def made(db: None) -> Stage:
    stage = kit.stage()
    stage.users["kari"] = kit.person("kari", stage.company, Role.AUTOPAY_ADMINISTRATOR)
    return stage


@pytest.fixture
def kari(made: Stage) -> Client:
    client = kit.signed_in(made.users["kari"])
    client.cookies["kvitt_language"] = "en"
    return client


@pytest.mark.parametrize("iban", ["DE89370400440532013000", "GB33BUKB20201555555555"])
def test_an_iban_of_another_country_is_no_account_that_is_paid_from(
    made: Stage,
    kari: Client,
    iban: str,
) -> None:
    for number in (FREE, ""):
        page = through(made, kari, account_number=number, iban=iban)
        assert page.status_code == 422
        told = page.content.decode()
        assert "its IBAN begins with NO" in told or "Write the account number" in told
    with made.scope():
        assert not BankAccount.objects.filter(iban=iban).exists()


def changed(made: Stage, kari: Client, row: BankAgreement, **changes: Any) -> None:
    """The draft changed through its form, step by step, and saved."""
    answer = kari.post(f"{base(made)}{row.pk}/begin/", {"act": "change"})
    address = answer["Location"].replace("overview", "{step}")
    values = filled(made, **changes)
    for step in ("bank", "account", "payer", "services"):
        answer = kari.post(address.format(step=step), of_step(step, values))
        assert answer.status_code == 302, answer.content.decode()
    assert kari.post(address.format(step="overview")).status_code == 302


def logged(made: Stage, act: str) -> list[Change]:
    with made.scope():
        return list(Change.objects.filter(act=act).order_by("pk"))


def test_an_authority_that_is_taken_out_of_the_form_is_gone_and_logged(
    made: Stage,
    kari: Client,
) -> None:
    row, anne = drafted(made, kari), made.users["anne"]
    given = logged(made, "agreement.authority")
    assert [change.subject_name for change in given] == [anne.name, made.users["bjorn"].name]
    changed(made, kari, row, **{f"identity_{anne.pk}": "", f"authority_{anne.pk}": None})
    with made.scope():
        rows = Authority.objects.filter(account=row.account)
        assert [one.user.name for one in rows] == [made.users["bjorn"].name]
    last = logged(made, "agreement.authority")[-1]
    assert (last.subject_name, last.before["identity"]) == (anne.name, "ANNE-1")


def test_the_log_tells_what_was_changed_on_the_account(made: Stage, kari: Client) -> None:
    row = drafted(made, kari)
    (first,) = logged(made, "agreement.made")
    assert (first.after["bic"], first.after["account_name"]) == ("DNBANOKK", "Lønn")
    changed(made, kari, row, bic="NDEANOKK", account_name="Skatt", currency="EUR")
    (change,) = logged(made, "agreement.changed")
    assert change.before == {"bic": "DNBANOKK", "account_name": "Lønn", "currency": "NOK"}
    assert change.after == {"bic": "NDEANOKK", "account_name": "Skatt", "currency": "EUR"}


def test_what_is_ordered_from_the_bank_stands_whatever_is_drafted_on_the_account(
    made: Stage,
    kari: Client,
) -> None:
    row = drafted(made, kari)
    with made.scope():
        by = actors.person(made.users["kari"])
        moves.move(
            BankAgreement.objects.filter(pk=row.pk), lifecycle.ORDER, by=by, at=row.created_at
        )
    page = through(made, kari, bic="NDEANOKK", account_name="Helt annet navn", currency="EUR")
    assert "is ordered from the bank" in page.content.decode()
    assert kari.post(page.wsgi_request.path).status_code == 302
    with made.scope():
        account = BankAccount.objects.get(pk=row.account_id)
        assert (account.bic, account.name, account.currency) == ("DNBANOKK", "Lønn", "NOK")


def test_a_division_is_a_name_and_keeps_its_spaces() -> None:
    assert setup_forms.identifier(" Avdeling  Nord ", "division") == "Avdeling Nord"
    assert setup_forms.identifier("00 123 456", "customer_number") == "00123456"


def mark(client: Client, address: str) -> str:
    page = client.get(address).content.decode()
    return page.split('name="mark" value="')[1].split('"')[0]


def test_a_page_that_is_older_than_the_agreement_changes_nothing(
    made: Stage,
    kari: Client,
) -> None:
    address = f"{base(made)}{made.agreement.pk}/amend/"
    old = mark(kari, address)
    with made.scope():
        BankAgreement.objects.update(approve_mails=["a@example.no"])
    answer = kari.post(address, {"mark": old, "description": "Ny"}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    with made.scope():
        row = BankAgreement.objects.get(pk=made.agreement.pk)
        assert (row.description, row.approve_mails) == ("", ["a@example.no"])
    sent = {"mark": mark(kari, address), "description": "Ny", "approve_mails": "a@example.no"}
    assert "The agreement is changed." in kari.post(address, sent, follow=True).content.decode()


def test_a_page_that_is_older_than_the_authorities_changes_nothing(
    made: Stage,
    kari: Client,
) -> None:
    address = f"{base(made)}{made.agreement.pk}/authority/"
    old = mark(kari, address)
    with made.scope():
        Authority.objects.filter(user=made.users["anne"]).update(bank_identity="NY-ID")
    answer = kari.post(address, {"mark": old}, follow=True)
    assert "Nothing was changed" in answer.content.decode()
    with made.scope():
        assert Authority.objects.filter(bank_identity="NY-ID").exists()


def test_a_list_is_not_emptied_by_an_empty_field(made: Stage, kari: Client) -> None:
    with made.scope():
        BankAgreement.objects.update(approve_mails=["a@example.no"])
    sent = {"act": "replace", "lists": "approve_mails", "agreements": made.agreement.pk}
    answer = kari.post(f"{base(made)}mails/", sent)
    assert answer.status_code == 422
    assert "Write at least one address." in answer.content.decode()
    with made.scope():
        assert BankAgreement.objects.get(pk=made.agreement.pk).approve_mails == ["a@example.no"]


def test_the_list_tells_that_sending_on_an_agreement_is_stopped(made: Stage, kari: Client) -> None:
    assert "all sending is stopped" not in kari.get(base(made)).content.decode()
    kari.post(
        f"{base(made)}sending/?agreement={made.agreement.pk}", {"act": "stop", "reason": "Prøve"}
    )
    assert "all sending is stopped" in kari.get(base(made)).content.decode()
    assert kit.account(1) == made.agreement.account.number
