"""What is changed on agreements in use: name, mail lists, codes at upload, the last day."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from banking import amendments, setup_forms
from banking.models import BankAgreement
from payments.models import Payment
from portal import clock
from portal.access.models import Company
from portal.access.roles import Role
from portal.people.models import Change
from tests import kit
from tests.kit import Erp, Line, Stage


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


def base(made: Stage) -> str:
    return f"/c/{made.company.public_id}/agreements/"


def read(made: Stage, pk: int | None = None) -> BankAgreement:
    with made.scope():
        return BankAgreement.objects.get(pk=pk or made.agreement.pk)


def amend(made: Stage, kari: Client, **values: Any) -> Any:
    row = read(made)
    mark = amendments.AmendForm(row=row, today=clock.today()).mark
    return kari.post(
        f"{base(made)}{made.agreement.pk}/amend/", {"mark": mark, **values}, follow=True
    )


def another(made: Stage, **facts: Any) -> BankAgreement:
    with made.scope():
        row = BankAgreement.objects.get(pk=made.agreement.pk)
        row.pk, row._state.adding, row.status = None, True, "draft"
        for name, value in facts.items():
            setattr(row, name, value)
        row.save(force_insert=True)
        return row


def logged(made: Stage) -> list[dict[str, str]]:
    with made.scope():
        rows = Change.objects.filter(act="agreement.changed").order_by("id")
        return list(rows.values_list("after", flat=True))


def test_an_active_agreement_changes_its_name_lists_code_and_last_day(
    made: Stage, kari: Client
) -> None:
    day = clock.today() + dt.timedelta(days=30)
    page = amend(
        made,
        kari,
        description="Leverandører",
        two_factor_to_upload="on",
        approve_mails="Sjef@Eksempel.no\nregnskap@eksempel.no, sjef@eksempel.no",
        reject_mails="feil@eksempel.no",
        cut_over_date=f"{day:%d.%m.%Y}",
    ).content.decode()
    row = read(made)
    assert row.description == "Leverandører"
    assert row.two_factor_to_upload
    assert row.approve_mails == ["sjef@eksempel.no", "regnskap@eksempel.no"]
    assert row.reject_mails == ["feil@eksempel.no"]
    assert row.cut_over_date == day
    assert "The agreement is changed." in page
    (after,) = logged(made)
    assert after["cut_over_date"] == day.isoformat()
    assert after["approve_mails"] == "sjef@eksempel.no, regnskap@eksempel.no"


def test_what_is_the_same_is_not_logged(made: Stage, kari: Client) -> None:
    row = read(made)
    page = amend(made, kari, description=row.description).content.decode()
    assert "There was nothing to change." in page
    assert logged(made) == []


def test_a_day_that_has_passed_is_refused_and_nothing_is_changed(made: Stage, kari: Client) -> None:
    yesterday = clock.today() - dt.timedelta(days=1)
    answer = amend(made, kari, description="Ny", cut_over_date=f"{yesterday:%d.%m.%Y}")
    assert answer.status_code == 422
    assert "The day has passed." in answer.content.decode()
    assert read(made).cut_over_date is None
    assert read(made).description != "Ny"


def test_a_deactivated_agreement_is_not_changed(made: Stage, kari: Client) -> None:
    row = another(made, status="deactivated")
    page = kari.post(f"{base(made)}{row.pk}/amend/", {"description": "Ny"}, follow=True)
    assert "copy it instead" in page.content.decode()
    assert read(made, row.pk).description != "Ny"


def bulk(made: Stage, kari: Client, *rows: BankAgreement, **values: Any) -> Any:
    values = {
        "act": "add",
        "lists": ["approve_mails", "reject_mails"],
        "addresses": "ny@eksempel.no",
        "agreements": [row.pk for row in rows],
    } | values
    return kari.post(f"{base(made)}mails/", values, follow=True)


def test_a_bureaus_administrator_changes_lists_in_many_companies_at_once(
    made: Stage, kari: Client
) -> None:
    second, third, foreign = (kit.stage(place=place) for place in (2, 3, 4))
    for stage in (second, third):
        Company.objects.filter(pk=stage.company.pk).update(customer=made.company.customer)
        stage.company.refresh_from_db()
    kit.give(made.users["kari"], second.company, Role.AUTOPAY_ADMINISTRATOR)
    kit.give(made.users["kari"], third.company, Role.ACCOUNTANT)
    page = kari.get(f"{base(made)}mails/").content.decode()
    assert second.company.name in page
    assert f'value="{third.agreement.pk}"' not in page
    assert f'value="{foreign.agreement.pk}"' not in page
    bulk(made, kari, made.agreement, second.agreement)
    assert read(second).reject_mails == read(made).reject_mails == ["ny@eksempel.no"]
    assert len(logged(second)) == len(logged(made)) == 1
    for closed in (third, foreign):
        answer = bulk(made, kari, second.agreement, closed.agreement, addresses="x@eksempel.no")
        assert answer.status_code == 422
        assert read(closed).reject_mails == []
    assert read(second).reject_mails == ["ny@eksempel.no"]


def test_addresses_are_added_taken_off_and_replaced_on_many_agreements(
    made: Stage, kari: Client
) -> None:
    first = another(made, approve_mails=["a@eksempel.no"], reject_mails=["b@eksempel.no"])
    second = another(made, approve_mails=["ny@eksempel.no"])
    left = another(made, approve_mails=["c@eksempel.no"])
    page = bulk(made, kari, first, second).content.decode()
    assert "The mail lists of 2 agreements are changed." in page
    assert read(made, first.pk).approve_mails == ["a@eksempel.no", "ny@eksempel.no"]
    assert read(made, first.pk).reject_mails == ["b@eksempel.no", "ny@eksempel.no"]
    assert read(made, second.pk).approve_mails == ["ny@eksempel.no"]
    assert read(made, second.pk).reject_mails == ["ny@eksempel.no"]
    bulk(made, kari, first, act="remove", lists=["approve_mails"], addresses="A@eksempel.no")
    assert read(made, first.pk).approve_mails == ["ny@eksempel.no"]
    assert read(made, first.pk).reject_mails == ["b@eksempel.no", "ny@eksempel.no"]
    bulk(made, kari, first, second, act="empty", lists=["reject_mails"], addresses="")
    assert read(made, first.pk).reject_mails == read(made, second.pk).reject_mails == []
    assert read(made, left.pk).approve_mails == ["c@eksempel.no"]
    assert len(logged(made)) == 5


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"addresses": ""}, "Write at least one address."),
        ({"addresses": "ikke en adresse"}, "is no e-mail address"),
        ({"lists": []}, "Choose at least one list."),
        ({"agreements": []}, "Choose at least one agreement."),
        ({"agreements": ["999999999"]}, "not yours to change any more"),
        (
            {"addresses": " ".join(f"n{n}@eksempel.no" for n in range(setup_forms.MAILS_MAX))},
            "longer than",
        ),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    made: Stage, kari: Client, values: dict[str, Any], said: str
) -> None:
    row = another(made, approve_mails=["a@eksempel.no"])
    answer = bulk(made, kari, row, **values)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert read(made, row.pk).approve_mails == ["a@eksempel.no"]


def send(made: Stage, number: str, due: dt.date, **words: Any) -> Any:
    rows = {number: [Line(f"{number}-1", "10.00", kit.account(70), message="x")]}
    body = kit.pain001(rows, account=made.agreement.account.number, due=due)
    return Erp(made).post("payments", body, **words)


def test_what_is_due_after_the_last_day_is_stopped_with_the_cure(made: Stage) -> None:
    last = kit.soon()
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(cut_over_date=last)
    assert send(made, "ON", last).json()["payments"][0]["stopped"] == []
    (taken,) = send(made, "AFTER", last + dt.timedelta(days=1)).json()["payments"]
    (fault,) = taken["stopped"]
    assert (fault["code"], fault["field"]) == ("cut-over", "ReqdExctnDt")
    assert taken["erp_code"] == 10
    with made.scope():
        assert Payment.objects.get(number="ON").status == "awaiting"
        assert Payment.objects.get(number="AFTER").status == "stopped"


def test_an_agreement_that_asks_for_a_code_asks_at_every_upload(made: Stage) -> None:
    row = another(made, two_factor_to_upload=True)  # in draft: it asks for nothing yet
    assert send(made, "A", kit.soon()).status_code == 201
    with made.scope():
        BankAgreement.objects.filter(pk=row.pk).delete()
        BankAgreement.objects.filter(pk=made.agreement.pk).update(two_factor_to_upload=True)
    refused = send(made, "B", kit.soon())
    assert refused.status_code == 403
    assert refused.json()["problems"][0]["code"] == "code-missing"
    with made.scope():
        assert not Payment.objects.filter(number="B").exists()
    assert send(made, "B", kit.soon(), code=kit.code_of(made.users["erp"])).status_code == 201
