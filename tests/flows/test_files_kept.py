"""Statements, incoming payments and word of agreements, from the bank to the inbox."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.db import transaction

from banking import inbox, lifecycle
from banking.models import AgreementShare, Authority, BankAccount, BankAgreement, BankFile
from payments import outcomes
from portal import clock
from portal.access import actors, tenancy
from portal.access.roles import Role
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Stage


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    bank.pass_days(0)  # on a closed day nothing is booked, and these tests look at what is
    made = kit.stage(bank)
    account = {
        "number": made.agreement.account.number,
        "incoming": "ocr",
        "ocr_agreement": "123456789",
        "statements": 1,
    }
    told(bank, made, accounts=[account])
    return made


def told(bank: Bank, made: Stage, **changes: Any) -> None:
    customer = {
        "customer_number": made.agreement.customer_number,
        "name": made.company.name,
        "channel": "kvitt",
        "agreement_id": made.agreement.agreement_id,
        **changes,
    }
    bank.ask("/setup", {"customers": [customer]})


def files(made: Stage) -> list[tuple[str, str, int | None, bool]]:
    with made.scope(), tenancy.acting_for([made.company], unclaimed=True):
        rows = BankFile.objects.filter(direction="in").order_by("kind")
        return list(rows.values_list("kind", "status", "transactions", "salary"))


def test_statements_and_ocr_giro_are_kept_for_the_company(made: Stage, bank: Bank) -> None:
    number = made.agreement.account.number
    for amount, more in (("10", {"kid": "2345676"}), ("20", {"kid": "2345676"}), ("30", {})):
        bank.ask("/incoming", {"account": number, "amount": amount, **more})
    bank.work()
    bank.pass_days(1)
    bank.work()
    job.fetch(made)
    found = files(made)
    assert found[:2] == [("camt.053", "read", 3, False), ("camt.054", "read", 1, False)]
    assert ("ocr-giro", "read", 2, False) in found


def test_a_statement_with_debits_is_seen_by_those_alone_who_see_salary(
    made: Stage, bank: Bank
) -> None:
    payment = {"account": made.agreement.account.number, "amount": "10", "correction": True}
    bank.ask("/incoming", payment)
    bank.work()
    bank.pass_days(1)
    bank.work()
    job.fetch(made)
    statement = next(row for row in files(made) if row[0] == "camt.053")
    assert statement == ("camt.053", "read", 1, True)
    with made.scope():
        file = BankFile.objects.filter(kind="camt.053").order_by("pk")[0]
    address = f"/c/{made.company.public_id}/files/{file.pk}/"
    assert kit.signed_in(made.users["erp"]).get(address).status_code == 404
    payroll = kit.person("payroll", made.company, Role.PAYROLL_ACCOUNTANT, Role.UPLOADER)
    assert kit.signed_in(payroll).get(address).status_code == 200


@pytest.mark.parametrize(("what", "code"), [("ocr_no_end", "truncated"), ("ocr_totals", "totals")])
def test_a_broken_ocr_file_is_set_aside_and_the_next_is_read(
    made: Stage, bank: Bank, what: str, code: str
) -> None:
    bank.ask("/scripts", {"what": what, "times": 1})
    for _ in range(2):
        payment = {"account": made.agreement.account.number, "amount": "10", "kid": "2345676"}
        bank.ask("/incoming", payment)
        bank.work()
    job.fetch(made)
    with tenancy.acting_for([made.company], unclaimed=True):
        rows = list(BankFile.objects.filter(kind="ocr-giro").order_by("pk"))
    assert [row.status for row in rows] == ["set_aside", "read"]
    assert rows[0].error["code"] == code
    assert rows[0].error["place"].startswith("line ")


def test_totals_that_disagree_are_a_remark_on_the_statement(made: Stage, bank: Bank) -> None:
    bank.ask("/scripts", {"what": "totals"})
    bank.ask("/incoming", {"account": made.agreement.account.number, "amount": "10"})
    bank.work()
    bank.pass_days(1)
    bank.work()
    job.fetch(made)
    with made.scope():
        file = BankFile.objects.filter(kind="camt.053").order_by("pk")[0]
    assert file.status == "read"
    assert {remark["code"] for remark in file.remarks} == {"discrepancy"}


# --- agreements --------------------------------------------------------------------------------


def ordered(made: Stage) -> BankAgreement:
    """An agreement that has been ordered, on an account of its own."""
    number = kit.account(7)
    with made.scope():
        account = BankAccount.objects.create(company=made.company, number=number, name="Ny")
        return BankAgreement.objects.create(
            company=made.company,
            channel=made.channel,
            account=account,
            customer_number="NEW",
            agreement_id="NEW-1",
            status=lifecycle.ORDERED,
        )


def customer(row: BankAgreement) -> dict[str, Any]:
    return {
        "customer_number": row.customer_number,
        "name": "Ny",
        "channel": "kvitt",
        "agreement_id": row.agreement_id,
        "active": False,
        "accounts": [{"number": row.account.number}],
    }


def register(bank: Bank, row: BankAgreement) -> None:
    bank.ask("/setup", {"customers": [customer(row)]})


def word(bank: Bank, made: Stage, customer: str, *, active: bool = True) -> BankFile:
    """The bank's word, fetched and carried out."""
    bank.ask("/activate", {"customer": customer, "active": active})
    bank.work()
    job.fetch(made)
    with made.scope(), tenancy.acting_for([made.company], unclaimed=True):
        return BankFile.objects.filter(kind="agreement-status").latest("pk")


def test_the_banks_word_activates_an_ordered_agreement(made: Stage, bank: Bank) -> None:
    row = ordered(made)
    register(bank, row)
    file = word(bank, made, "NEW")
    assert (file.status, file.company, file.remarks) == ("read", made.company, None)
    with made.scope():
        row.refresh_from_db()
        assert row.status == lifecycle.ACTIVE
        event = Event.objects.get(subject="agreement", subject_id=row.pk, event="activated")
        assert event.actor_name == made.channel.name
    again = word(bank, made, "NEW")
    assert [remark["code"] for remark in again.remarks] == ["already-active"]


@pytest.mark.parametrize(
    "known_by",
    [
        {"customer_number": "", "signer_id": "NEW"},
        {"agreement_id": "", "division": "NEW-1"},
        {"customer_number": "", "signer_id": "NEW", "agreement_id": "", "division": "NEW-1"},
    ],
)
def test_the_banks_word_is_understood_by_whichever_numbers_the_bank_asks_for(
    made: Stage, bank: Bank, known_by: dict[str, str]
) -> None:
    row = ordered(made)
    register(bank, row)
    with made.scope():
        BankAgreement.objects.filter(pk=row.pk).update(**known_by)
    assert word(bank, made, "NEW").status == "read"
    with made.scope():
        row.refresh_from_db()
    assert row.status == lifecycle.ACTIVE


def test_word_that_it_is_closed_deactivates_nothing_and_is_told(made: Stage, bank: Bank) -> None:
    file = word(bank, made, made.agreement.customer_number, active=False)
    assert [remark["code"] for remark in file.remarks] == ["bank-closed"]
    with made.scope():
        assert BankAgreement.objects.get(pk=made.agreement.pk).status == lifecycle.ACTIVE
    page = kit.signed_in(made.users["erp"]).get(f"/c/{made.company.public_id}/files/{file.pk}/")
    assert "deaktiver avtalen hvis det stemmer" in page.content.decode()


def takes_in(bank: Bank, row: BankAgreement) -> None:
    """The bank tells what comes in on the agreement's account."""
    account = {"number": row.account.number, "incoming": "both", "ocr_agreement": "123456789"}
    bank.ask("/setup", {"customers": [customer(row) | {"active": True, "accounts": [account]}]})


def test_what_comes_with_the_word_that_opens_an_agreement_is_read_after_it(
    made: Stage, bank: Bank
) -> None:
    row = ordered(made)
    register(bank, row)
    takes_in(bank, row)
    bank.ask("/incoming", {"account": row.account.number, "amount": "10", "kid": "2345676"})
    bank.ask("/activate", {"customer": "NEW", "active": True})
    bank.work()
    job.fetch(made)
    with made.scope():
        assert BankAgreement.objects.get(pk=row.pk).status == lifecycle.ACTIVE
        kinds = set(BankFile.objects.filter(direction="in").values_list("kind", "status"))
    assert ("agreement-status", "read") in kinds
    assert {status for _kind, status in kinds} == {"read"}
    assert len(kinds) > 1


def test_files_that_lay_aside_for_an_unknown_account_are_read_when_it_is_active(
    made: Stage, bank: Bank
) -> None:
    row = ordered(made)
    register(bank, row)
    takes_in(bank, row)
    bank.ask("/incoming", {"account": row.account.number, "amount": "10"})
    bank.work()
    job.fetch(made)
    with tenancy.acting_for((), unclaimed=True):
        aside = BankFile.objects.get(status="set_aside")
        assert aside.error["code"] == "unknown-account"
    admin = kit.person("astrid", made.company, Role.AUTOPAY_ADMINISTRATOR)
    with made.scope():
        Authority.objects.create(
            company=made.company, account=row.account, user=made.users["anne"],
            bank_identity="A", holds_authority=True,
        )  # fmt: skip
    address = f"/c/{made.company.public_id}/agreements/{row.pk}/change/"
    kit.signed_in(admin).post(address, {"act": "activate", "confirmed": "1"})
    outcomes.take_answers()
    with made.scope():
        assert BankFile.objects.get(pk=aside.pk).status == "read"


def test_word_of_an_agreement_that_nobody_has_is_set_aside(made: Stage, bank: Bank) -> None:
    row = ordered(made)
    register(bank, row)
    with made.scope():
        BankAgreement.objects.filter(pk=row.pk).update(agreement_id="WRITTEN-WRONG")
    file = word(bank, made, "NEW")
    assert (file.status, file.error["code"]) == ("set_aside", "unknown-agreement")
    with made.scope():
        BankAgreement.objects.filter(pk=row.pk).update(agreement_id="NEW-1")
    with tenancy.acting_for([made.company], unclaimed=True):
        with transaction.atomic():
            assert inbox.read_again(file, by=actors.CLOCK)
    outcomes.take_answers()
    with made.scope():
        assert BankAgreement.objects.get(pk=row.pk).status == lifecycle.ACTIVE


def test_a_second_active_agreement_on_an_account_is_set_aside(made: Stage, bank: Bank) -> None:
    with made.scope():
        second = BankAgreement.objects.create(
            company=made.company,
            channel=made.channel,
            account=made.agreement.account,
            customer_number="NEW",
            agreement_id="NEW-1",
            status=lifecycle.ORDERED,
        )
    bank.ask(
        "/setup",
        {
            "customers": [
                {
                    "customer_number": "NEW",
                    "name": "Ny",
                    "channel": "kvitt",
                    "agreement_id": "NEW-1",
                    "active": False,
                    "accounts": [{"number": made.agreement.account.number}],
                }
            ]
        },
    )
    file = word(bank, made, "NEW")
    assert (file.status, file.error["code"]) == ("set_aside", "another-active")
    with made.scope():
        second.refresh_from_db()
        assert second.status == lifecycle.ORDERED


@pytest.mark.parametrize(
    "content",
    [
        "<AgreementStatus><Status>ACTIVE</Status></AgreementStatus>",
        "<AgreementStatus><CustomerNumber>1</CustomerNumber><AgreementId>2</AgreementId>"
        "<Status>PERHAPS</Status></AgreementStatus>",
    ],
)
def test_word_that_cannot_be_understood_is_set_aside(made: Stage, content: str) -> None:
    with tenancy.acting_for((), unclaimed=True):
        file, _new = inbox.keep(
            bank_channel=made.channel, name="word.xml", content=io.BytesIO(content.encode())
        )
    outcomes.take_answers()
    with tenancy.acting_for((), unclaimed=True):
        file.refresh_from_db()
        assert file.status == "set_aside"
        assert file.error["cure"]


def test_a_file_to_another_customer_is_not_given_to_whoever_wrote_its_account_down(
    made: Stage, bank: Bank
) -> None:
    """An agreement that was activated by hand, with a number that is another's at the bank."""
    row = ordered(made)
    register(bank, row)
    takes_in(bank, row)
    with made.scope():
        BankAgreement.objects.filter(pk=row.pk).update(
            customer_number="INVENTED", agreement_id="INVENTED", status=lifecycle.ACTIVE
        )
    bank.ask("/incoming", {"account": row.account.number, "amount": "4321"})
    bank.work()
    bank.pass_days(1)
    bank.work()
    job.fetch(made)
    with tenancy.acting_for([made.company], unclaimed=True):
        aside = list(BankFile.objects.filter(status="set_aside", kind__startswith="camt"))
        assert aside
        assert {(file.error["code"], file.company) for file in aside} == {
            ("another-customer", None)
        }
        ours = BankFile.objects.filter(direction="in", company=made.company)
        assert not ours.exclude(kind="camt.053").exists()
    with made.scope():
        BankAgreement.objects.filter(pk=row.pk).update(customer_number="NEW")
    with tenancy.acting_for([made.company], unclaimed=True), transaction.atomic():
        for file in aside:
            assert inbox.read_again(file, by=actors.CLOCK)
    outcomes.take_answers()
    with made.scope():
        assert {BankFile.objects.get(pk=file.pk).status for file in aside} == {"read"}


def test_the_banks_word_reaches_the_owner_of_an_agreement_that_others_share(
    made: Stage, bank: Bank
) -> None:
    other = kit.stage(bank, place=2)
    with made.scope():
        share = AgreementShare.objects.create(
            company=made.company,
            agreement=made.agreement,
            organisation_number=other.company.organisation_number,
            made_at=clock.now(),
            made_by=made.users["anne"],
        )
    with tenancy.acting_for([made.company, other.company]):
        account = BankAccount.objects.create(
            company=other.company, number=made.agreement.account.number, name="Delt"
        )
        BankAgreement.objects.create(
            company=other.company,
            channel=made.channel,
            account=account,
            share=share,
            customer_number=made.agreement.customer_number,
            agreement_id=made.agreement.agreement_id,
            settlement_return=False,
        )
    file = word(bank, made, made.agreement.customer_number, active=False)
    assert (file.status, file.company) == ("read", made.company)
    assert [remark["code"] for remark in file.remarks] == ["bank-closed"]


def test_a_copy_that_waits_does_not_stand_in_the_way_of_the_banks_word(
    made: Stage, bank: Bank
) -> None:
    live = made.agreement
    with made.scope():
        copy = BankAgreement.objects.create(
            company=made.company,
            channel=made.channel,
            account=live.account,
            customer_number=live.customer_number,
            agreement_id=live.agreement_id,
        )
    word(bank, made, live.customer_number, active=False)
    file = word(bank, made, live.customer_number)
    assert (file.status, [remark["code"] for remark in file.remarks]) == ("read", ["bank-opened"])
    with made.scope():
        copy.refresh_from_db()
        live.refresh_from_db()
        assert (copy.status, live.status, live.closed_at) == ("draft", "active", None)


def test_where_two_companies_have_the_same_numbers_the_word_is_neithers(
    made: Stage, bank: Bank
) -> None:
    row = ordered(made)
    register(bank, row)
    other = kit.stage(bank, place=2)
    with other.scope():
        draft = BankAgreement.objects.create(
            company=other.company,
            channel=made.channel,
            account=BankAccount.objects.create(
                company=other.company, number=row.account.number, name="Gjettet"
            ),
            customer_number="NEW",
            agreement_id="NEW-1",
        )
    file = word(bank, made, "NEW")
    assert (file.status, file.company_id, file.error["code"]) == (
        "set_aside",
        None,
        "unknown-agreement",
    )
    with made.scope():
        row.refresh_from_db()
        assert row.status == lifecycle.ORDERED
    # Those who run Kvitt are told, and end what somebody has guessed; then it is read again.
    with other.scope():
        rows = BankAgreement.objects.filter(pk=draft.pk)
        moves.move(rows, lifecycle.DEACTIVATE, by=actors.CLOCK, at=clock.now())
    file = word(bank, made, "NEW")
    assert (file.status, file.company) == ("read", made.company)
    with made.scope():
        row.refresh_from_db()
        assert row.status == lifecycle.ACTIVE
