"""An agreement shared by organisation number: offered, used for payments alone, and taken back."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from banking import agreement_events, inbox, lifecycle
from banking.models import AgreementShare, Authority, BankAgreement, BankFile
from payments.models import PaymentLine
from portal import clock
from portal.access import actors, tenancy
from portal.access.roles import Role
from portal.people.models import Change
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Line, Stage


@pytest.fixture
def owner(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank)
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    return made


@pytest.fixture
def other(owner: Stage) -> Stage:
    """Another customer's company, which pays nothing yet."""
    made = kit.stage(place=2)
    made.channel = owner.channel
    made.users["lise"] = kit.person("lise", made.company, Role.AUTOPAY_ADMINISTRATOR)
    with made.scope():
        BankAgreement.objects.filter(company=made.company).update(status="deactivated")
    return made


def browser(user: Any) -> Client:
    client = kit.signed_in(user)
    client.cookies["kvitt_language"] = "en"
    return client


def base(made: Stage) -> str:
    return f"/c/{made.company.public_id}/agreements/"


def share(owner: Stage, number: str) -> Any:
    kari = browser(owner.users["kari"])
    address = f"{base(owner)}{owner.agreement.pk}/share/"
    return kari.post(address, {"organisation_number": number}, follow=True)


def used(owner: Stage, other: Stage, *, approvers: int = 2) -> BankAgreement:
    """The other company's own agreement on the shared account, activated on its page."""
    share(owner, other.company.organisation_number)
    lise = browser(other.users["lise"])
    with owner.scope():
        offer = AgreementShare.objects.get(ended_at=None)
    page = lise.post(
        f"{base(other)}shared/", {"share": offer.pk, "approvers_required": approvers}, follow=True
    )
    assert "A draft is made." in page.content.decode()
    with other.scope():
        row: BankAgreement = BankAgreement.objects.select_related("account", "channel").get(
            share=offer
        )
        for name in ("anne", "bjorn"):
            Authority.objects.create(
                company=other.company,
                account=row.account,
                user=other.users[name],
                bank_identity=f"{name}-1".upper(),  # as the owner's bank knows them
                holds_authority=True,
            )
    page = lise.post(
        f"{base(other)}{row.pk}/change/", {"act": "activate", "confirmed": "1"}, follow=True
    )
    assert "The agreement is active" in page.content.decode()
    with other.scope():
        row = BankAgreement.objects.select_related("account", "channel").get(pk=row.pk)
    assert row.status == lifecycle.ACTIVE
    other.agreement = row
    return row


def pay(other: Stage) -> None:
    lines = [Line("D1", "100.00", kit.account(70), message="Delt")]
    body = kit.pain001({"DELT": lines}, account=other.agreement.account.number, due=kit.soon())
    answer = Erp(other).post("payments", body)
    assert answer.status_code == 201, answer.content
    job.sign(other, other.users["anne"])
    job.sign(other, other.users["bjorn"])


def test_another_company_pays_from_the_shared_account_and_settles_on_the_banks_word(
    owner: Stage, other: Stage, bank: Bank
) -> None:
    row = used(owner, other)
    assert (row.settlement_return, row.incoming, row.statements) == (False, False, False)
    pay(other)
    bank.ask("/scripts", {"what": "acsc"})
    assert len(job.send(other)) == 1
    bank.work()
    job.fetch(other)
    assert job.statuses(other) == {"D1": "accepted"}
    bank.pass_days()
    bank.work()
    job.fetch(other)
    assert job.statuses(other) == {"D1": "settled"}
    with other.scope():
        line = PaymentLine.objects.get(reference="D1")
        assert [reason["code"] for reason in line.reasons] == ["on-word"]
        assert line.why[0]["title"]
        # What is booked on the account is told to its owner alone.
        assert not BankFile.objects.filter(kind="camt.054").exists()
    with owner.scope():
        advice = BankFile.objects.get(kind="camt.054")
        assert advice.company == owner.company


def test_the_owner_still_owns_what_comes_in(owner: Stage, other: Stage, bank: Bank) -> None:
    used(owner, other)
    number = owner.agreement.account.number
    assert inbox.owner_of_accounts(owner.channel.pk, [number]) == owner.company.pk


def test_where_settlements_come_a_last_status_settles_nothing(owner: Stage, bank: Bank) -> None:
    job.upload(owner)
    job.sign(owner, owner.users["anne"])
    job.sign(owner, owner.users["bjorn"])
    bank.ask("/scripts", {"what": "dt06", "value": "ACSC"})
    job.send(owner)
    bank.work()
    job.fetch(owner)
    assert set(job.statuses(owner).values()) == {"accepted"}


def test_a_share_that_is_taken_back_stops_what_has_been_signed(
    owner: Stage, other: Stage, bank: Bank
) -> None:
    row = used(owner, other)
    pay(other)
    with owner.scope():
        offer = AgreementShare.objects.get()
    kari = browser(owner.users["kari"])
    page = kari.post(f"{base(owner)}shared/{offer.pk}/end/", follow=True)
    assert "It is shared no more" in page.content.decode()
    with other.scope():
        row.refresh_from_db()
        assert row.status == lifecycle.DEACTIVATED
    told = browser(other.users["lise"]).get(f"{base(other)}{row.pk}/").content.decode()
    assert f"The account was shared by {owner.company}, and is not any more" in told
    assert job.send(other) == []
    assert bank.transfers() == []
    with owner.scope():
        acts = list(Change.objects.order_by("id").values_list("act", flat=True))
    assert acts[-2:] == ["agreement.shared", "agreement.unshared"]


def test_an_owner_who_deactivates_ends_what_is_shared(owner: Stage, other: Stage) -> None:
    row = used(owner, other)
    kari = browser(owner.users["kari"])
    address = f"{base(owner)}{owner.agreement.pk}/change/"
    asked = kari.post(address, {"act": "deactivate"}).content.decode()
    assert "It is shared with 1 company" in asked
    with owner.scope():
        assert BankAgreement.objects.get(pk=owner.agreement.pk).status == lifecycle.ACTIVE
    kari.post(address, {"act": "end"})
    with other.scope():
        row.refresh_from_db()
        assert row.status == lifecycle.DEACTIVATED
        page = browser(other.users["lise"]).get(f"{base(other)}shared/").content.decode()
    assert "No company shares an agreement" in page


@pytest.mark.parametrize("number", ["", "123456789", "own"])
def test_a_wrong_or_own_number_is_refused(owner: Stage, number: str) -> None:
    text = owner.company.organisation_number if number == "own" else number
    assert share(owner, text).status_code == 422
    with owner.scope():
        assert not AgreementShare.objects.exists()


def test_the_bureaus_own_number_is_refused(owner: Stage) -> None:
    customer = owner.company.customer
    customer.kind, customer.organisation_number = "bureau", kit.organisation(55)
    customer.save()
    answer = share(owner, kit.organisation(55))
    assert answer.status_code == 422
    assert "accounting bureau&#x27;s number" in answer.content.decode()


def test_the_same_company_twice_is_refused(owner: Stage, other: Stage) -> None:
    share(owner, other.company.organisation_number)
    answer = share(owner, other.company.organisation_number)
    assert answer.status_code == 422
    assert "shared with that company already" in answer.content.decode()


def test_nobody_else_sees_or_uses_the_offer(owner: Stage, other: Stage) -> None:
    third = kit.stage(place=3)
    user = kit.person("nils", third.company, Role.AUTOPAY_ADMINISTRATOR)
    share(owner, other.company.organisation_number)
    with owner.scope():
        offer = AgreementShare.objects.get()
    nils = browser(user)
    assert owner.company.name not in nils.get(f"{base(third)}shared/").content.decode()
    nils.post(f"{base(third)}shared/", {"share": offer.pk, "approvers_required": 2})
    with third.scope():
        assert not BankAgreement.objects.filter(share__isnull=False).exists()
    # An offer is ended by its owner alone.
    assert nils.post(f"{base(third)}shared/{offer.pk}/end/").status_code == 404


def test_a_shared_agreement_is_neither_copied_changed_nor_shared_on(
    owner: Stage, other: Stage
) -> None:
    row = used(owner, other)
    lise = browser(other.users["lise"])
    page = lise.get(f"{base(other)}{row.pk}/").content.decode()
    assert f"The account is shared by {owner.company.name}" in page
    assert "Share it with another company" not in page
    answer = lise.post(f"{base(other)}{row.pk}/begin/", {"act": "copy"}, follow=True)
    assert "as its owner has made it" in answer.content.decode()
    third = kit.organisation(9)
    answer = lise.post(f"{base(other)}{row.pk}/share/", {"organisation_number": third}, follow=True)
    assert "Only an active agreement of one&#x27;s own" in answer.content.decode()
    with other.scope():
        assert not AgreementShare.objects.filter(company=other.company).exists()


def test_the_database_lets_no_shared_agreement_have_more_than_payments(
    owner: Stage, other: Stage
) -> None:
    row = used(owner, other)
    with other.scope(), pytest.raises(IntegrityError, match="payments_only"), transaction.atomic():
        BankAgreement.objects.filter(pk=row.pk).update(statements=True)


def test_no_fewer_approve_than_at_the_owner(owner: Stage, other: Stage) -> None:
    assert owner.agreement.approvers_required == 2
    share(owner, other.company.organisation_number)
    with owner.scope():
        offer = AgreementShare.objects.get()
    lise = browser(other.users["lise"])
    answer = lise.post(f"{base(other)}shared/", {"share": offer.pk, "approvers_required": 1})
    assert answer.status_code == 422
    assert "two must approve here" in answer.content.decode()


def test_a_company_that_is_not_here_yet_finds_the_offer_when_it_comes(owner: Stage) -> None:
    number = kit.organisation(44)
    share(owner, number)
    late = kit.stage(place=44)
    assert late.company.organisation_number == number
    user = kit.person("nils", late.company, Role.AUTOPAY_ADMINISTRATOR)
    page = browser(user).get(base(late)).content.decode()
    assert "Another company shares an agreement with this one." in page
    with tenancy.acting_for(()):
        assert not AgreementShare.objects.exists()  # the wall stands


# --- what the owner and the bank say reaches those who share -----------------------------------


def test_what_the_owner_has_stopped_does_not_leave_from_another_company(
    owner: Stage, other: Stage, bank: Bank
) -> None:
    row = used(owner, other)
    for path in (f"sending/?agreement={owner.agreement.pk}", "sending/"):
        kari = browser(owner.users["kari"])
        kari.post(f"{base(owner)}{path}", {"act": "stop", "reason": "Svindel"})
        lise = browser(other.users["lise"])
        page = lise.get(f"{base(other)}{row.pk}/").content.decode()
        assert "Sending on this agreement is stopped" in page
        assert owner.company.name in page
        assert "Svindel" not in page, "why is the owner's to tell"
        answer = lise.post(
            f"{base(other)}sending/?agreement={row.pk}", {"act": "start"}, follow=True
        )
        assert "The company that owns the account has stopped it" in answer.content.decode()
        if path == "sending/":
            pay(other)
        with other.scope():
            assert job.send(other) == []
        kari.post(f"{base(owner)}{path}", {"act": "start"})
    assert len(job.send(other)) == 1


def test_that_the_bank_has_closed_it_is_told_to_those_who_share_it(
    owner: Stage, other: Stage
) -> None:
    row = used(owner, other)
    with owner.scope():
        closed = agreement_events.closed_by_bank(
            agreement=owner.agreement, file="x.xml", at=clock.now()
        )
        assert closed
    lise = browser(other.users["lise"])
    assert (
        "that it has closed the agreement" in lise.get(f"{base(other)}{row.pk}/").content.decode()
    )
    with owner.scope():
        by = actors.person(owner.users["kari"])
        assert agreement_events.open_again(agreement=owner.agreement, by=by, at=clock.now())
    page = lise.get(f"{base(other)}{row.pk}/").content.decode()
    assert "that it has closed the agreement" not in page
    assert "Open again at the bank" in page


def test_a_company_whose_first_agreement_is_shared_is_asked_for_two_factors(
    owner: Stage, other: Stage
) -> None:
    third = kit.company(31, "Helt ny AS")
    lise = kit.person("ny", third, Role.AUTOPAY_ADMINISTRATOR)
    share(owner, third.organisation_number)
    with owner.scope():
        offer = AgreementShare.objects.get(ended_at=None)
    address = f"/c/{third.public_id}/agreements/shared/"
    browser(lise).post(address, {"share": offer.pk, "approvers_required": 2})
    third.refresh_from_db()
    assert third.two_factor_to_sign_in


def test_that_a_share_has_ended_stands_in_the_other_companys_log_with_why(
    owner: Stage, other: Stage
) -> None:
    row = used(owner, other)
    with owner.scope():
        offer = AgreementShare.objects.get()
    browser(owner.users["kari"]).post(f"{base(owner)}shared/{offer.pk}/end/")
    with other.scope():
        last = Change.objects.filter(act="agreement.deactivated").latest("pk")
        assert last.user_name == owner.company.name
    page = browser(other.users["lise"]).get(f"{base(other)}{row.pk}/").content.decode()
    assert "the owner shares the account no more" in page


def test_the_owners_page_tells_that_it_is_shared(owner: Stage, other: Stage) -> None:
    used(owner, other)
    kari = browser(owner.users["kari"])
    page = kari.get(f"{base(owner)}{owner.agreement.pk}/").content.decode()
    assert "Shared with 1 other company" in page


def test_the_old_format_is_not_shared_nor_converted_while_it_is(owner: Stage, other: Stage) -> None:
    row = used(owner, other)
    with owner.scope():
        BankAgreement.objects.filter(pk=owner.agreement.pk).update(file_format="nets")
    with other.scope():
        BankAgreement.objects.filter(pk=row.pk).update(file_format="nets")
    kari, lise = browser(owner.users["kari"]), browser(other.users["lise"])
    sent = {"pain_version": "pain.001.001.09", "customer_number": "1", "agreement_id": "2"}
    address = f"{base(owner)}{owner.agreement.pk}/convert/"
    assert "other companies pay on it" in kari.post(address, sent).content.decode()
    answer = lise.post(f"{base(other)}{row.pk}/convert/", sent, follow=True)
    assert "Only an agreement in the old format can be converted" in answer.content.decode()
    answer = share(owner, kit.organisation(77))
    assert "Convert the agreement to ISO 20022 first" in answer.content.decode()
