"""Agreements: the form that makes one, activating, deactivating, and who must approve."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from banking import agreements, channel, lifecycle, profiles, stops
from banking.models import (
    AgreementSetup,
    Authority,
    BankAccount,
    BankAgreement,
    BankChannel,
    ConnectionTest,
)
from portal import clock
from portal.access import tenancy
from portal.access.roles import Role
from portal.events import moves
from portal.events.models import Event
from portal.people import changes as change_log
from portal.people.models import Change
from portal.people.templatetags import kvitt
from tests import kit
from tests.kit import Erp, Line, Stage

FREE = kit.account(500)


@pytest.fixture
def made(db: None) -> Stage:
    stage = kit.stage()
    stage.users["kari"] = kit.person("kari", stage.company, Role.AUTOPAY_ADMINISTRATOR)
    stage.users["lars"] = kit.person("lars", stage.company, Role.PAYROLL_APPROVER)
    return stage


@pytest.fixture
def kari(made: Stage) -> Client:
    client = kit.signed_in(made.users["kari"])
    client.cookies["kvitt_language"] = "en"
    return client


def base(made: Stage) -> str:
    return f"/c/{made.company.public_id}/agreements/"


STEP_OF = {
    "bank": ("channel",),
    "account": ("account_number", "iban", "account_name", "bic", "currency", "description"),
    "services": ("pain_version", "file_format", "remittance", "settlement_return", "erp_name",
                 "incoming", "split_incoming", "statements", "cut_over_date"),
}  # fmt: skip


def filled(made: Stage, **changes: Any) -> dict[str, Any]:
    """All steps as an administrator fills them in; None leaves a field out."""
    anne, bjorn = made.users["anne"].pk, made.users["bjorn"].pk
    values = {
        "channel": made.channel.pk,
        "account_number": FREE,
        "account_name": "Lønn",
        "bic": "DNBANOKK",
        "currency": "NOK",
        "description": "Lønnskonto",
        "customer_number": "C1",
        "agreement_id": "A1",
        "approvers_required": "2",
        "bank_approvers_required": "2",
        "bank_approval": "none",
        f"identity_{anne}": "ANNE-1",
        f"authority_{anne}": "on",
        f"identity_{bjorn}": "BJORN-1",
        f"authority_{bjorn}": "on",
        "pain_version": "pain.001.001.03",
        "file_format": "iso20022",
        "remittance": "on",
        "settlement_return": "on",
    } | changes
    return {name: value for name, value in values.items() if value is not None}


def of_step(step: str, values: dict[str, Any]) -> dict[str, Any]:
    elsewhere = {name for other in STEP_OF.values() for name in other}
    if step == "payer":
        return {name: value for name, value in values.items() if name not in elsewhere}
    return {name: value for name, value in values.items() if name in STEP_OF[step]}


def through(made: Stage, kari: Client, **changes: Any) -> Any:
    """The answer of the first step that is refused, or the page of the overview's address."""
    values = filled(made, **changes)
    address = base(made) + "new/"
    for step in ("bank", "account", "payer", "services"):
        answer = kari.post(address, of_step(step, values))
        if answer.status_code != 302:
            return answer
        address = answer["Location"]
    return kari.get(address)


def drafted(made: Stage, kari: Client, **changes: Any) -> BankAgreement:
    page = through(made, kari, **changes)
    assert page.status_code == 200, page.content.decode()
    answer = kari.post(page.wsgi_request.path)
    assert answer.status_code == 302, answer.content.decode()
    with made.scope():
        return BankAgreement.objects.select_related("account").latest("pk")


def act(made: Stage, client: Client, agreement: BankAgreement, act: str) -> str:
    answer = client.post(
        f"{base(made)}{agreement.pk}/change/", {"act": act, "confirmed": "1"}, follow=True
    )
    return answer.content.decode()


def status_of(made: Stage, agreement: BankAgreement) -> str:
    with made.scope():
        agreement.refresh_from_db()
    return agreement.status


def test_a_form_makes_account_agreement_and_authorities_in_draft(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari, account_number=f" {FREE[:4]}.{FREE[4:6]}.{FREE[6:]} ")
    assert agreement.status == "draft"
    assert agreement.account.number == FREE
    assert agreement.account.iban.startswith("NO")
    assert (agreement.approvers_required, agreement.bank_approvers_required) == (2, 2)
    assert agreement.pain_version == "pain.001.001.03"
    with made.scope():
        rows = Authority.objects.filter(account=agreement.account).order_by("bank_identity")
        assert [(row.bank_identity, row.holds_authority) for row in rows] == [
            ("ANNE-1", True),
            ("BJORN-1", True),
        ]


def test_the_form_asks_about_every_approver_supplier_and_salary(made: Stage, kari: Client) -> None:
    values = filled(made)
    account = kari.post(base(made) + "new/", of_step("bank", values))["Location"]
    payer = kari.post(account, of_step("account", values))["Location"]
    page = kari.get(payer).content.decode()
    for name in ("anne", "bjorn", "lars"):
        assert f'name="identity_{made.users[name].pk}"' in page
    assert f'name="identity_{made.users["erp"].pk}"' not in page


WRONG = FREE[:-1] + str((int(FREE[-1]) + 1) % 10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"account_number": WRONG}, "right check digit"),
        ({"account_number": "123"}, "right check digit"),
        ({"account_number": ""}, "11 digits"),
        ({"approvers_required": "1"}, "two must approve here as well"),
        ({"approvers_required": "3"}, "valid choice"),
        ({"pain_version": "pain.001.001.99"}, "valid choice"),
        ({"channel": "999999"}, "valid choice"),
        ({"customer_number": None}, "required"),
        ({"iban": "NO9386011117948"}, "IBAN is wrong"),
        ({"iban": "NO9386011117947"}, "another account"),
        ({"reject_mails": "a@example.org, nei"}, "nei is no e-mail address"),
        ({"remittance": None}, "at least one"),
        ({"split_incoming": "on"}, "of incoming payments"),
        ({"cut_over_date": "31.02.2027"}, "valid date"),
        ({"agreement_id": None}, "required"),
    ],
)
def test_a_form_that_cannot_be_right_is_refused_and_keeps_what_was_written(
    changes: dict[str, Any], said: str, made: Stage, kari: Client
) -> None:
    answer = through(made, kari, **changes)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert said in text
    with made.scope():
        kept = AgreementSetup.objects.first()
    if kept is not None:  # what was written is there when one comes back
        address = f"{base(made)}setup/{kept.public_id}/account/"
        written = changes.get("description", "Lønnskonto")
        assert f'value="{written}"' in kari.get(address).content.decode()
    with made.scope():
        assert BankAgreement.objects.count() == 1
        assert not BankAccount.objects.filter(number=FREE).exists()


def test_whoever_holds_authority_must_have_an_identity_at_the_bank(
    made: Stage, kari: Client
) -> None:
    answer = through(made, kari, **{f"identity_{made.users['anne'].pk}": ""})
    assert answer.status_code == 422
    assert "Write who the person is at the bank" in answer.content.decode()


def test_an_account_that_is_known_gets_a_new_agreement_and_new_facts(
    made: Stage, kari: Client
) -> None:
    known = made.agreement.account
    act(made, kari, made.agreement, "end")
    agreement = drafted(made, kari, account_number=known.number, account_name="Nytt navn")
    assert agreement.account_id == known.pk
    assert agreement.account.name == "Nytt navn"


def test_activating_and_deactivating_are_told_and_kept_as_events(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari)
    assert "is active" in act(made, kari, agreement, "activate")
    assert status_of(made, agreement) == "active"
    page = act(made, kari, agreement, "end")
    assert "is deactivated" in page
    assert 'value="activate"' not in page
    assert status_of(made, agreement) == "deactivated"
    with made.scope():
        told = Event.objects.filter(subject="agreement", subject_id=agreement.pk).order_by("id")
        assert [(e.event, e.actor_name) for e in told] == [
            ("agreement_made", "Kari"),
            ("activated", "Kari"),
            ("deactivated", "Kari"),
        ]


def test_a_deactivated_agreement_is_never_active_again_and_the_page_says_so(
    made: Stage, kari: Client
) -> None:
    agreement = drafted(made, kari)
    act(made, kari, agreement, "end")
    for wish in ("activate", "deactivate"):
        page = act(made, kari, agreement, wish)
        assert "Nothing was changed" in page
        assert "is active" not in page
    assert status_of(made, agreement) == "deactivated"


@pytest.mark.parametrize("wish", ["", "delete", "ACTIVATE"])
def test_an_act_that_is_not_known_changes_nothing(wish: str, made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari)
    assert "Nothing was changed" in act(made, kari, agreement, wish)
    assert status_of(made, agreement) == "draft"


def test_an_account_has_one_active_agreement_at_a_time(made: Stage, kari: Client) -> None:
    first = drafted(made, kari)
    second = drafted(made, kari)
    assert "is active" in act(made, kari, first, "activate")
    assert "IBAN and key exist already" in act(made, kari, second, "activate")
    assert status_of(made, second) == "draft"
    with made.scope():
        with pytest.raises(agreements.AnotherIsActive) as refused:
            agreements.activate(
                agreement=second,
                by=agreements.actors.person(made.users["kari"]),
                told=change_log.By(None, "Kari", None, timezone.now()),
            )
        assert refused.value.other == first
        with pytest.raises(IntegrityError), transaction.atomic():
            moves.move(
                BankAgreement.objects.filter(pk=second.pk),
                lifecycle.ACTIVATE,
                by=agreements.actors.BANK,
                at=timezone.now(),
            )
    act(made, kari, first, "end")
    assert "is active" in act(made, kari, second, "activate")


def test_a_draft_never_touches_an_account_with_an_active_agreement(
    made: Stage, kari: Client
) -> None:
    number = made.agreement.account.number
    changes = {f"identity_{made.users['anne'].pk}": "ANNE-9"}
    page = through(made, kari, account_number=number, account_name="Kapret", **changes)
    assert "has an active agreement now" in page.content.decode()
    assert kari.post(page.wsgi_request.path).status_code == 302
    with made.scope():
        made.agreement.account.refresh_from_db()
        assert made.agreement.account.name == "Drift"
        assert not Authority.objects.filter(bank_identity="ANNE-9").exists()
        second = BankAgreement.objects.latest("pk")
    page = kari.get(f"{base(made)}{second.pk}/").content.decode()
    assert "IBAN and key exist already" in page
    # The way out stands there: deactivate the other from this page, and come back to it.
    other = f"{base(made)}{made.agreement.pk}/change/"
    answer = kari.post(other, {"act": "end", "back": second.pk})
    assert answer["Location"] == f"{base(made)}{second.pk}/"
    assert "is active" in act(made, kari, second, "activate")


def test_another_company_cannot_activate_an_agreement_for_the_same_account(
    made: Stage, kari: Client
) -> None:
    other = kit.stage(place=2)
    with other.scope(), pytest.raises(IntegrityError), transaction.atomic():
        account = other.agreement.account
        account.number = made.agreement.account.number
        account.save(update_fields=["number"])
        BankAgreement.objects.create(
            company=other.company,
            channel=other.channel,
            account=account,
            customer_number="C",
            agreement_id="A",
        )
        moves.move(
            BankAgreement.objects.filter(agreement_id="A"),
            lifecycle.ACTIVATE,
            by=agreements.actors.BANK,
            at=timezone.now(),
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [("bic", "not a bic"), ("customer_number", "№ 7"), ("agreement_id", "A\u2028B¤")],
)
def test_what_would_not_fit_in_a_bank_file_is_refused_in_the_form(
    field: str, value: str, made: Stage, kari: Client
) -> None:
    assert through(made, kari, **{field: value}).status_code == 422


def test_an_agreement_that_the_bank_would_refuse_is_not_activated(
    made: Stage, kari: Client
) -> None:
    bjorn = made.users["bjorn"].pk
    agreement = drafted(made, kari, **{f"authority_{bjorn}": None})
    page = kari.get(f"{base(made)}{agreement.pk}/").content.decode()
    assert "The bank will refuse the payments." in page
    assert "2 with authority" in act(made, kari, agreement, "activate")
    assert status_of(made, agreement) == "draft"


def test_the_database_refuses_more_approvers_at_the_bank_than_here(made: Stage) -> None:
    with made.scope(), pytest.raises(IntegrityError), transaction.atomic():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(
            approvers_required=1, bank_approvers_required=2
        )


@pytest.mark.parametrize(
    ("here", "bank", "said"),
    [
        (1, 1, "One person approves"),
        (2, 1, "at least one of them"),
        (2, 2, "both must hold authority"),
    ],
)
def test_who_must_approve_is_one_sentence(
    here: int, bank: int, said: str, made: Stage, kari: Client
) -> None:
    changes = {"approvers_required": str(here), "bank_approvers_required": str(bank)}
    agreement = drafted(made, kari, **changes)
    assert said in kari.get(f"{base(made)}{agreement.pk}/").content.decode()


def test_the_list_shows_all_and_an_empty_one_tells_what_to_do(made: Stage, kari: Client) -> None:
    drafted(made, kari)
    page = kari.get(base(made)).content.decode()
    assert "2 agreements" in page
    assert "Lønnskonto" in page
    other = kit.company(3, "Tom AS")
    eva = kit.signed_in(kit.person("eva", other, Role.AUTOPAY_ADMINISTRATOR, Role.APPROVER))
    eva.cookies["kvitt_language"] = "en"
    assert "No agreement yet" in eva.get(f"/c/{other.public_id}/agreements/").content.decode()


def test_others_see_agreements_and_change_nothing(made: Stage) -> None:
    anne = kit.signed_in(made.users["anne"])
    page = anne.get(f"{base(made)}{made.agreement.pk}/").content.decode()
    assert 'value="deactivate"' not in page
    answer = anne.post(f"{base(made)}{made.agreement.pk}/change/", {"act": "end"})
    assert answer.status_code == 403
    assert anne.get(base(made) + "new/").status_code == 403
    assert status_of(made, made.agreement) == "active"


# --- the form, step by step ----------------------------------------------------------------------


def begun(made: Stage) -> AgreementSetup:
    with made.scope():
        return AgreementSetup.objects.latest("pk")


def test_what_is_begun_is_kept_listed_and_thrown_away_on_wish(made: Stage, kari: Client) -> None:
    values = filled(made)
    account = kari.post(base(made) + "new/", of_step("bank", values))["Location"]
    assert (
        kari.post(account, of_step("account", values | {"account_number": "1"})).status_code == 422
    )
    page = kari.get(base(made)).content.decode()
    assert "Go on with what Kari wrote" in page
    overview = kari.get(account.replace("account/", "overview/"))
    assert overview["Location"] == account  # the first step that is not right yet
    assert 'value="1"' in kari.get(account).content.decode()
    with made.scope():
        assert BankAgreement.objects.count() == 1
    kari.post(account.replace("account/", "discard/"))
    assert "Go on with" not in kari.get(base(made)).content.decode()
    assert kari.get(account).status_code == 404


def test_forms_that_are_begun_are_told_apart(made: Stage, kari: Client) -> None:
    through(made, kari)
    through(made, kari, account_number=kit.account(501), description="Driftskonto")
    page = kari.get(base(made)).content.decode()
    assert f"Prøvebanken, {kvitt.account(FREE)}, Lønnskonto" in page
    assert f"Prøvebanken, {kvitt.account(kit.account(501))}, Driftskonto" in page


def test_whoever_comes_back_to_a_saved_form_finds_the_agreement(made: Stage, kari: Client) -> None:
    """The browser's Back, a second tab, and a button that is pressed twice."""
    overview = through(made, kari).wsgi_request.path
    saved = kari.post(overview)["Location"]
    with made.scope():
        count = BankAgreement.objects.count()
    for answer in (
        kari.get(overview, follow=True),
        kari.post(overview, follow=True),
        kari.get(overview.replace("overview/", "payer/"), follow=True),
        kari.post(overview.replace("overview/", "discard/"), follow=True),
    ):
        assert answer.redirect_chain[-1][0] == saved
        assert "The form is saved already" in answer.content.decode()
    with made.scope():
        assert BankAgreement.objects.count() == count
        assert begun(made).values == {}
    assert "Go on with" not in kari.get(base(made)).content.decode()


def test_an_account_that_is_paid_from_is_shown_as_it_is_and_not_asked_for(
    made: Stage, kari: Client
) -> None:
    """What would not be saved must not be open to write in."""
    number, anne = made.agreement.account.number, made.users["anne"].pk
    page = through(
        made, kari, account_number=number, account_name="Et annet navn", bank_approvers_required="2"
    )
    shown = page.content.decode()
    assert "stand here as they are" in shown
    assert made.agreement.account.name in shown
    assert "Et annet navn" not in shown
    assert "ANNE-1 · Holds authority" in " ".join(shown.split())
    payer = kari.get(page.wsgi_request.path.replace("overview/", "payer/")).content.decode()
    assert f"identity_{anne}" not in payer
    assert "What holds today:" in payer
    assert "ANNE-1 · Holds authority" in " ".join(payer.split())
    with made.scope():
        Authority.objects.filter(account=made.agreement.account).update(holds_authority=False)
    assert "The bank will refuse the payments" in kari.get(page.wsgi_request.path).content.decode()


def test_what_is_pasted_too_long_is_told_and_not_cut(made: Stage, kari: Client) -> None:
    page = through(made, kari, account_name="x" * 81)
    assert page.status_code == 422
    text = page.content.decode()
    assert "x" * 81 in text
    assert "at most 80 characters" in text
    assert "maxlength" not in text


def test_banks_that_kvitt_knows_and_is_not_connected_to_are_named(
    made: Stage, kari: Client
) -> None:
    kit.channel_of_bank("dnb", "DNB")
    page = kari.get(base(made) + "new/").content.decode()
    assert "Kvitt is not connected to these yet: Danske Bank, Nordea" in page


@pytest.mark.parametrize(
    ("changes", "step", "said"),
    [
        ({"file_format": "nets", "customer_number": "00910000077", "agreement_id": "123"},
         "services", "at most 8 digits"),
        ({"file_format": "nets", "customer_number": "123", "agreement_id": "NORD-1"},
         "services", "nothing but digits"),
        ({"cut_over_date": "01.01.2020"}, "services", "The day has passed"),
        ({"channel": "dnb", "bic": "NDEANOKK"}, "account", "not a BIC of DNB"),
    ],
)  # fmt: skip
def test_what_would_fail_later_is_refused_in_the_form(
    changes: dict[str, str], step: str, said: str, made: Stage, kari: Client
) -> None:
    if changes.get("channel"):
        changes |= {"channel": kit.channel_of_bank("dnb", "DNB").pk}
    page = through(made, kari, **changes)
    assert page.status_code == 422
    assert page.wsgi_request.path.endswith(f"/{step}/")
    assert said in page.content.decode()


def test_an_agreement_that_would_fail_is_not_activated(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari)
    with made.scope():
        BankAgreement.objects.filter(pk=agreement.pk).update(file_format="nets")
    assert "at most 8 digits" in act(made, kari, agreement, "activate")
    with made.scope():
        BankAgreement.objects.filter(pk=agreement.pk).update(
            file_format="iso20022", cut_over_date=dt.date(2020, 1, 1)
        )
    assert "The last day of the agreement has passed" in act(made, kari, agreement, "activate")
    assert status_of(made, agreement) == "draft"


def test_the_log_tells_who_ordered_activated_and_ended_an_agreement(
    made: Stage, kari: Client
) -> None:
    agreement = drafted(made, kari)
    for wish in ("order", "activate", "end"):
        act(made, kari, agreement, wish)
    admin = kit.person("vera", made.company)
    kit.give_at(admin, made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    client = kit.signed_in(admin)
    client.cookies["kvitt_language"] = "en"
    log = f"/c/{made.company.public_id}/administration/log/"
    page = " ".join(client.get(log).content.decode().split())
    for words in ("Agreement ordered", "Agreement activated", "Agreement deactivated"):
        assert words in page
    assert "ISO 20022" in page
    assert "iso20022" not in page
    only = client.get(log + "?act=agreement.activated").content.decode()
    assert "1 change" in " ".join(only.split())


def test_an_account_that_is_active_in_another_company_of_ones_own_leads_there(
    made: Stage, kari: Client
) -> None:
    other = kit.company(3, "Søster AS")
    account = BankAccount(company=other, number=FREE, name="Felles")
    with tenancy.acting_for([other]):
        account.save()
        there = BankAgreement.objects.create(
            company=other, channel=made.channel, account=account, agreement_id="X"
        )
        BankAgreement.objects.filter(pk=there.pk).update(status="active")
    agreement = drafted(made, kari)
    address = f"{base(made)}{agreement.pk}/"
    assert "Søster AS" not in kari.get(address).content.decode(), "who may not there is told less"
    told = act(made, kari, agreement, "activate")
    assert "IBAN and key exist already" in told
    assert "in another company" in told
    kit.give(made.users["kari"], other, Role.AUTOPAY_ADMINISTRATOR)
    page = kari.get(address).content.decode()
    assert "Søster AS" in page
    assert f"/c/{other.public_id}/agreements/{there.pk}/" in page


def test_another_companys_form_is_not_found(made: Stage, kari: Client) -> None:
    through(made, kari)
    other = kit.company(3, "Tom AS")
    eva = kit.signed_in(kit.person("eva", other, Role.AUTOPAY_ADMINISTRATOR))
    address = f"/c/{other.public_id}/agreements/setup/{begun(made).public_id}/overview/"
    assert eva.get(address).status_code == 404
    assert eva.post(address).status_code == 404


def test_each_bank_asks_for_its_own_identifiers_and_another_bank_asks_anew(
    made: Stage, kari: Client
) -> None:
    nordea = kit.channel_of_bank("nordea", "Nordea")
    page = through(made, kari, bic=None)
    setup = begun(made)
    kari.post(f"{base(made)}setup/{setup.public_id}/bank/", {"channel": nordea.pk})
    payer = kari.get(f"{base(made)}setup/{setup.public_id}/payer/").content.decode()
    assert 'name="signer_id"' in payer
    assert 'name="customer_number"' not in payer
    assert "CCM" in payer
    assert kari.post(page.wsgi_request.path)["Location"].endswith("/payer/")
    agreement = drafted(
        made, kari, bic=None, channel=nordea.pk, customer_number=None, signer_id="S1"
    )
    assert (agreement.signer_id, agreement.customer_number) == ("S1", "")
    with made.scope():
        profile = profiles.of(agreement.channel.bank)
    assert profile.placed("InitgPty", agreement.identifiers) == (("CUST", "S1"),)
    assert profile.placed("Dbtr", agreement.identifiers) == (("BANK", "A1"),)


def test_a_draft_is_changed_an_active_one_is_copied(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari, reject_mails="okonomi@example.org\nkari@example.org")
    assert agreement.reject_mails == ["okonomi@example.org", "kari@example.org"]
    begin = f"{base(made)}{agreement.pk}/begin/"
    overview = kari.post(begin, {"act": "edit"})["Location"]
    page = kari.get(overview).content.decode()
    assert "okonomi@example.org, kari@example.org" in page
    values = filled(made, account_name="Ny lønn", description="Lønn 2027", erp_name="Hoved")
    for step in ("account", "services"):
        kari.post(overview.replace("overview", step), of_step(step, values))
    assert kari.post(overview).status_code == 302
    with made.scope():
        agreement.refresh_from_db()
        assert (agreement.description, agreement.erp_name) == ("Lønn 2027", "Hoved")
        assert agreement.account.name == "Ny lønn"
        changes = Change.objects.filter(act__startswith="agreement.").order_by("id")
        changes = changes.exclude(act="agreement.authority")
        assert [row.act for row in changes] == ["agreement.made", "agreement.changed"]
        assert changes[1].after == {
            "description": "Lønn 2027",
            "erp_name": "Hoved",
            "account_name": "Ny lønn",
        }
    act(made, kari, agreement, "activate")
    refused = kari.post(begin, {"act": "edit"}, follow=True).content.decode()
    assert "Only a draft is changed" in refused
    copied = kari.post(begin, {"act": "copy"})["Location"]
    assert kari.post(copied).status_code == 302
    with made.scope():
        copy = BankAgreement.objects.latest("pk")
    assert (copy.status, copy.erp_name, copy.pk != agreement.pk) == ("draft", "Hoved", True)
    assert copy.description == "Copy of Lønn 2027"


def test_a_draft_that_became_active_meanwhile_is_not_changed(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari)
    overview = kari.post(f"{base(made)}{agreement.pk}/begin/", {"act": "edit"})["Location"]
    act(made, kari, agreement, "activate")
    page = kari.post(overview, follow=True).content.decode()
    assert "is no draft any more" in page


def test_an_agreement_is_ordered_and_then_active(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari)
    assert "is ordered" in act(made, kari, agreement, "order")
    assert status_of(made, agreement) == "ordered"
    assert "is active" in act(made, kari, agreement, "activate")


# --- authorities ---------------------------------------------------------------------------------


def test_authorities_of_a_live_account_are_changed_on_their_page_and_logged(
    made: Stage, kari: Client
) -> None:
    anne, bjorn, lars = (made.users[name] for name in ("anne", "bjorn", "lars"))
    address = f"{base(made)}{made.agreement.pk}/authority/"
    page = kari.get(address).content.decode()
    assert f'name="identity_{lars.pk}"' in page
    mark = {"mark": page.split('name="mark" value="')[1].split('"')[0]}
    fields = mark | {f"identity_{anne.pk}": "ANNE", f"identity_{bjorn.pk}": "ANNE"}
    twice = kari.post(address, fields)
    assert twice.status_code == 422
    assert "Anne has this identity already" in twice.content.decode()
    fields = mark | {f"identity_{anne.pk}": "ANNE-7", f"authority_{anne.pk}": "on"}
    assert kari.post(address, fields).status_code == 302
    with made.scope():
        rows = Authority.objects.filter(account=made.agreement.account)
        assert [(r.user_id, r.bank_identity, r.holds_authority) for r in rows] == [
            (anne.pk, "ANNE-7", True)
        ]
        told = Change.objects.filter(act="agreement.authority").order_by("id")
        assert {row.subject_name for row in told} == {"Anne", "Bjorn"}
    assert kit.signed_in(anne).get(address).status_code == 403


# --- stopping all sending ------------------------------------------------------------------------


def test_the_company_or_one_agreement_is_stopped_with_a_reason_and_started(
    made: Stage, kari: Client
) -> None:
    address = base(made) + "sending/"
    assert kari.post(address, {"act": "stop", "reason": ""}).status_code == 422
    page = kari.post(address, {"act": "stop", "reason": "Mistenkt svindel"}, follow=True)
    text = page.content.decode()
    assert "All sending of the company is stopped" in text
    assert "Mistenkt svindel" in text
    again = kari.post(address, {"act": "stop", "reason": "x"}, follow=True).content.decode()
    assert "it is stopped already" in again
    one = f"{address}?agreement={made.agreement.pk}"
    kari.post(one, {"act": "stop", "reason": "Feil konto"})
    with made.scope():
        now = stops.now(made.company.pk)
        assert now.company is not None
        assert set(now.agreements) == {made.agreement.pk}
        assert stops.holds(company_id=made.company.pk, agreement_id=None)
    kari.post(address, {"act": "start"})
    kari.post(one, {"act": "start"})
    with made.scope():
        assert stops.now(made.company.pk).every() == []
        acts = Change.objects.filter(act__startswith="sending.").order_by("id")
        assert [row.act for row in acts] == ["sending.stopped"] * 2 + ["sending.started"] * 2
    assert (
        "it is not stopped any more"
        in kari.post(one, {"act": "start"}, follow=True).content.decode()
    )


def test_an_approver_may_stop_and_only_that_one_or_an_administrator_starts_again(
    made: Stage, kari: Client
) -> None:
    address = base(made) + "sending/"
    clients = {name: kit.signed_in(made.users[name]) for name in ("anne", "bjorn", "lars")}
    for client in clients.values():
        client.cookies["kvitt_language"] = "en"
    clients["anne"].post(address, {"act": "stop", "reason": "Looks odd"})
    for name in ("bjorn", "lars"):
        page = clients[name].get(address).content.decode()
        assert "or whoever stopped it, can start" in page
        assert "Start sending again</button>" not in page
        told = clients[name].post(address, {"act": "start"}, follow=True).content.decode()
        assert "or whoever stopped it, can start" in told
        with made.scope():
            assert stops.now(made.company.pk).company is not None
    clients["anne"].post(address, {"act": "start"})
    with made.scope():
        assert stops.now(made.company.pk).company is None
    clients["lars"].post(address, {"act": "stop", "reason": "Again"})
    kari.post(address, {"act": "start"})
    with made.scope():
        assert stops.now(made.company.pk).company is None
    overview = clients["anne"].get(f"/c/{made.company.public_id}/overview/").content.decode()
    assert address in overview


def test_nobody_activates_what_no_test_has_shown_to_be_open_without_saying_so(
    made: Stage, kari: Client
) -> None:
    agreement = drafted(made, kari)
    address = f"{base(made)}{agreement.pk}/change/"
    page = kari.post(address, {"act": "activate"}).content.decode()
    assert "Has the bank confirmed" in page
    assert "The connection has not been tested on this agreement." in page
    assert status_of(made, agreement) == "draft"
    with made.scope():
        test = ConnectionTest.objects.create(
            company=made.company, agreement=agreement, asked_at=clock.now(),
            asked_by=made.users["kari"], ended_at=clock.now(),
            steps=[{"step": "account", "ms": 1, "ok": False, "code": "", "detail": ""}],
        )  # fmt: skip
    page = kari.post(address, {"act": "activate"}).content.decode()
    assert "The latest test did not come all the way" in page
    with made.scope():
        test.steps[0]["ok"] = True
        test.save(update_fields=["steps"])
    assert "is active" in kari.post(address, {"act": "activate"}, follow=True).content.decode()
    assert status_of(made, agreement) == "active"


def test_two_people_are_not_one_at_the_bank_in_the_form_either(made: Stage, kari: Client) -> None:
    same = {f"identity_{made.users[name].pk}": "SAME" for name in ("anne", "bjorn")}
    page = through(made, kari, **same)
    assert page.status_code == 422
    assert "Anne has this identity already" in page.content.decode()


@pytest.mark.parametrize(("go", "leads_to"), [("back", "/bank/"), ("leave", "/agreements/")])
def test_what_is_written_is_kept_when_one_goes_back_or_leaves(
    made: Stage, kari: Client, go: str, leads_to: str
) -> None:
    address = kari.post(base(made) + "new/", {"channel": made.channel.pk})["Location"]
    answer = kari.post(address, {"account_name": "Halvveis", "go": go})
    assert answer["Location"].endswith(leads_to)
    assert 'value="Halvveis"' in kari.get(address).content.decode()


def test_signs_that_no_database_keeps_are_a_fault_of_the_field_and_no_crash(
    made: Stage, kari: Client
) -> None:
    address = kari.post(base(made) + "new/", {"channel": made.channel.pk})["Location"]
    answer = kari.post(address, {"account_name": "a\0b", "x\0y": "z"})
    assert answer.status_code == 422
    assert kari.get(f"{base(made)}setup/%00/bank/").status_code == 404


def test_another_bank_lets_go_of_what_only_the_first_asks_for_and_says_so(
    made: Stage, kari: Client
) -> None:
    other = BankChannel.objects.create(
        bank="dnb", name="DNB", username="x", host="x", private_key=channel.new_key()
    )
    through(made, kari)
    with made.scope():
        setup = AgreementSetup.objects.latest("pk")
    address = f"{base(made)}setup/{setup.public_id}/bank/"
    page = kari.post(address, {"channel": other.pk}, follow=True).content.decode()
    assert "fill in the steps after the account again" in page


def test_an_agreement_without_payments_takes_none(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari, remittance=None, incoming="on")
    assert "is taken in" in act(made, kari, agreement, "activate")
    body = kit.pain001({"P1": [Line("a", "1.00", kit.account(70))]}, account=FREE, due=kit.soon())
    answer = Erp(made).post("payments", body)
    assert answer.status_code == 422
    assert answer.json()["problems"][0]["code"] == "agreement-without-payments"


def test_numbers_in_groups_are_sent_without_the_spaces(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari, customer_number=" 900 100 ", agreement_id="NORD 2")
    assert (agreement.customer_number, agreement.agreement_id) == ("900100", "NORD2")


@pytest.mark.parametrize("back", ["9" * 5000, "2147483648", "x", "-1", ""])
def test_an_act_leads_back_to_a_page_of_ones_own(back: str, made: Stage, kari: Client) -> None:
    answer = kari.post(
        f"/c/{made.company.public_id}/agreements/{made.agreement.pk}/change/",
        {"act": "deactivate", "back": back},
    )
    assert answer.status_code == 200
    answer = kari.post(
        f"/c/{made.company.public_id}/agreements/{made.agreement.pk}/change/",
        {"act": "end", "back": back},
    )
    assert answer.status_code == 302
    assert answer["Location"].endswith(f"/agreements/{made.agreement.pk}/")
    page = f"/c/{made.company.public_id}/agreements/sending/"
    assert kari.get(page, {"agreement": "9" * 5000}).status_code == 200
