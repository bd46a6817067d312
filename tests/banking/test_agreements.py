"""Agreements: the form that makes one, activating, deactivating, and who must approve."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from banking import agreements, lifecycle
from banking.models import Authority, BankAccount, BankAgreement
from portal.access.roles import Role
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.kit import Stage

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


def filled(made: Stage, **changes: Any) -> dict[str, Any]:
    """A form as an administrator fills it in; None leaves a field out."""
    anne, bjorn = made.users["anne"].pk, made.users["bjorn"].pk
    values = {
        "channel": made.channel.pk,
        "account_number": FREE,
        "account_name": "Lønn",
        "bic": "DNBANOKK",
        "customer_number": "C1",
        "agreement_id": "A1",
        "description": "Lønnskonto",
        "pain_version": "pain.001.001.03",
        "approvers_required": "2",
        "bank_approvers_required": "2",
        f"identity_{anne}": "ANNE-1",
        f"authority_{anne}": "on",
        f"identity_{bjorn}": "BJORN-1",
        f"authority_{bjorn}": "on",
    } | changes
    return {name: value for name, value in values.items() if value is not None}


def drafted(made: Stage, kari: Client, **changes: Any) -> BankAgreement:
    answer = kari.post(base(made) + "new/", filled(made, **changes))
    assert answer.status_code == 302, answer.content.decode()
    with made.scope():
        return BankAgreement.objects.select_related("account").latest("pk")


def act(made: Stage, client: Client, agreement: BankAgreement, act: str) -> str:
    answer = client.post(f"{base(made)}{agreement.pk}/change/", {"act": act}, follow=True)
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
    page = kari.get(base(made) + "new/").content.decode()
    for name in ("anne", "bjorn", "lars"):
        assert f'name="identity_{made.users[name].pk}"' in page
    assert f'name="identity_{made.users["erp"].pk}"' not in page


WRONG = FREE[:-1] + str((int(FREE[-1]) + 1) % 10)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"account_number": WRONG}, "right check digit"),
        ({"account_number": "123"}, "right check digit"),
        ({"account_number": ""}, "required"),
        ({"approvers_required": "1"}, "two must approve here as well"),
        ({"approvers_required": "3"}, "valid choice"),
        ({"pain_version": "pain.001.001.99"}, "valid choice"),
        ({"channel": "999999"}, "valid choice"),
        ({"customer_number": None}, "required"),
        ({"agreement_id": None}, "required"),
    ],
)
def test_a_form_that_cannot_be_right_is_refused_and_keeps_what_was_written(
    changes: dict[str, Any], said: str, made: Stage, kari: Client
) -> None:
    answer = kari.post(base(made) + "new/", filled(made, **changes))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert said in text
    assert 'value="Lønnskonto"' in text
    with made.scope():
        assert BankAgreement.objects.count() == 1
        assert not BankAccount.objects.filter(number=FREE).exists()


def test_whoever_holds_authority_must_have_an_identity_at_the_bank(
    made: Stage, kari: Client
) -> None:
    wrong = filled(made, **{f"identity_{made.users['anne'].pk}": ""})
    answer = kari.post(base(made) + "new/", wrong)
    assert answer.status_code == 422
    assert "Write who the person is at the bank" in answer.content.decode()


def test_an_account_that_is_known_gets_a_new_agreement_and_new_facts(
    made: Stage, kari: Client
) -> None:
    known = made.agreement.account
    act(made, kari, made.agreement, "deactivate")
    agreement = drafted(made, kari, account_number=known.number, account_name="Nytt navn")
    assert agreement.account_id == known.pk
    assert agreement.account.name == "Nytt navn"


def test_activating_and_deactivating_are_told_and_kept_as_events(made: Stage, kari: Client) -> None:
    agreement = drafted(made, kari)
    assert "is active" in act(made, kari, agreement, "activate")
    assert status_of(made, agreement) == "active"
    page = act(made, kari, agreement, "deactivate")
    assert "is deactivated" in page
    assert 'value="activate"' not in page
    assert status_of(made, agreement) == "deactivated"
    with made.scope():
        told = Event.objects.filter(subject="agreement", subject_id=agreement.pk).order_by("id")
        assert [(e.event, e.actor_name) for e in told] == [
            ("activated", "Kari"),
            ("deactivated", "Kari"),
        ]


def test_a_deactivated_agreement_is_never_active_again_and_the_page_says_so(
    made: Stage, kari: Client
) -> None:
    agreement = drafted(made, kari)
    act(made, kari, agreement, "deactivate")
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
    assert "has an active agreement already" in act(made, kari, second, "activate")
    assert status_of(made, second) == "draft"
    with made.scope():
        with pytest.raises(agreements.AnotherIsActive) as refused:
            agreements.activate(agreement=second, user=made.users["kari"], at=timezone.now())
        assert refused.value.other == first
        with pytest.raises(IntegrityError), transaction.atomic():
            moves.move(
                BankAgreement.objects.filter(pk=second.pk),
                lifecycle.ACTIVATE,
                by=agreements.actors.BANK,
                at=timezone.now(),
            )
    act(made, kari, first, "deactivate")
    assert "is active" in act(made, kari, second, "activate")


def test_a_draft_never_touches_an_account_with_an_active_agreement(
    made: Stage, kari: Client
) -> None:
    number = made.agreement.account.number
    answer = kari.post(
        base(made) + "new/",
        filled(
            made,
            account_number=number,
            account_name="Kapret",
            **{f"identity_{made.users['anne'].pk}": "ANNE-9"},
        ),
    )
    assert answer.status_code == 422
    assert "must not change who may approve" in answer.content.decode()
    with made.scope():
        made.agreement.account.refresh_from_db()
        assert made.agreement.account.name == "Drift"
        assert not Authority.objects.filter(bank_identity="ANNE-9").exists()


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
    answer = kari.post(base(made) + "new/", filled(made, **{field: value}))
    assert answer.status_code == 422


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
    answer = anne.post(f"{base(made)}{made.agreement.pk}/change/", {"act": "deactivate"})
    assert answer.status_code == 403
    assert anne.get(base(made) + "new/").status_code == 403
    assert status_of(made, made.agreement) == "active"
