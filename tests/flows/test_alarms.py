"""What people are told by themselves: of a bank that closes an agreement, and of files that lie
aside; on pages, in events and by mail, and to nobody whom it does not concern."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import pytest
import time_machine
from django.test import Client

from banking import inbox, lifecycle, stops
from banking.models import BankFile
from payments import outcomes
from portal import clock
from portal.access import tenancy
from portal.access.roles import Role
from portal.events.models import Event
from portal.people import changes
from tests import kit
from tests.flows import test_files_kept as kept
from tests.flows import test_main_job as job
from tests.flows.test_sent_exactly_once import approved
from tests.kit import Bank, Erp, Stage

OPERATORS = ("drift@kvitt.example", "vakt@kvitt.example")


@pytest.fixture
def made(own_database: str, bank: Bank, settings: Any) -> Stage:
    settings.OPERATORS = OPERATORS
    made = kit.stage(bank)
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    return made


def browser(made: Stage, name: str = "kari") -> Client:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


def page(made: Stage, address: str, name: str = "kari") -> str:
    answer = browser(made, name).get(f"/c/{made.company.public_id}/{address}")
    assert answer.status_code == 200, address
    return " ".join(answer.content.decode().split())


def happened(made: Stage, event: str) -> list[str]:
    with made.scope():
        rows = Event.objects.filter(subject="agreement", event=event)
        return list(rows.values_list("actor_name", flat=True))


def the_bank_says(made: Stage, bank: Bank, *, active: bool) -> BankFile:
    return kept.word(bank, made, made.agreement.customer_number, active=active)


# --- an agreement that the bank has closed --------------------------------------------------------


def test_a_bank_that_closes_an_agreement_is_told_wherever_it_matters(
    made: Stage, bank: Bank
) -> None:
    job.upload(made)
    the_bank_says(made, bank, active=False)
    assert happened(made, "agreement_closed") == [made.channel.name]
    agreement = page(made, f"agreements/{made.agreement.pk}/")
    assert "has closed the agreement" in agreement
    assert "the bank says that it is closed" in agreement
    assert "Closed, says the bank" in agreement
    assert "Payments can be sent on this agreement" not in agreement
    assert "closed, says the bank" in page(made, "agreements/")
    assert "says that an agreement is closed" in page(made, "overview/")
    assert "says that an agreement is closed" in page(made, "outgoing/", "anne")
    anne = browser(made, "anne")
    with made.scope():
        ids = [payment.pk for payment in job.Payment.objects.all()]
    signing = anne.post(
        f"/c/{made.company.public_id}/outgoing/sign/", {"payment": ids}, follow=True
    ).content.decode()
    assert "is closed.</strong> It will probably refuse" in " ".join(signing.split())
    assert "says that the agreement is closed" in page(made, f"outgoing/{ids[0]}/", "anne")
    (letter,) = kit.letters(kind="banking.bank_word")
    assert letter.user_id == made.users["kari"].pk
    assert "avsluttet" in letter.subject
    assert f"/agreements/{made.agreement.pk}/" in letter.text
    told = Erp(made).get(f"agreements/{made.agreement.pk}").json()
    assert told["closed_by_bank_at"] is not None
    assert told["status"] == "active"


def test_the_same_word_again_tells_nobody_anew(made: Stage, bank: Bank) -> None:
    the_bank_says(made, bank, active=False)
    the_bank_says(made, bank, active=False)
    assert len(kit.letters(kind="banking.bank_word")) == 1
    assert len(happened(made, "agreement_closed")) == 1


def test_the_banks_word_that_it_is_open_takes_the_warnings_away(made: Stage, bank: Bank) -> None:
    the_bank_says(made, bank, active=False)
    file = the_bank_says(made, bank, active=True)
    assert [remark["code"] for remark in file.remarks] == ["bank-opened"]
    assert happened(made, "agreement_open") == [made.channel.name]
    assert "is closed" not in page(made, "overview/")
    assert Erp(made).get(f"agreements/{made.agreement.pk}").json()["closed_by_bank_at"] is None


def test_an_administrator_says_that_it_is_open_and_nobody_else_can(made: Stage, bank: Bank) -> None:
    the_bank_says(made, bank, active=False)
    address = f"/c/{made.company.public_id}/agreements/{made.agreement.pk}/change/"
    assert browser(made, "anne").post(address, {"act": "reopened"}).status_code == 403
    answer = browser(made).post(address, {"act": "reopened"}, follow=True).content.decode()
    assert "told as open at the bank again" in answer
    assert happened(made, "agreement_open") == ["Kari"]
    again = browser(made).post(address, {"act": "reopened"}, follow=True).content.decode()
    assert "Nothing was changed" in again
    assert happened(made, "agreement_open") == ["Kari"]


def test_a_bank_that_opens_what_is_deactivated_here_is_told_by_mail(
    made: Stage, bank: Bank
) -> None:
    browser(made).post(
        f"/c/{made.company.public_id}/agreements/{made.agreement.pk}/change/", {"act": "end"}
    )
    file = the_bank_says(made, bank, active=True)
    assert [remark["code"] for remark in file.remarks] == ["deactivated"]
    (letter,) = kit.letters(kind="banking.bank_word")
    assert "deaktivert i Kvitt" in letter.text


def test_a_stop_on_a_deactivated_agreement_is_no_alarm(made: Stage) -> None:
    kari = made.users["kari"]
    with made.scope():
        stops.stop(
            company=made.company,
            agreement=made.agreement,
            reason="Feil i kjøringen",
            user=kari,
            at=clock.now(),
            by=changes.By(kari, "Kari", None, clock.now()),
        )
    assert "Feil i kjøringen" in page(made, "overview/")
    shown = page(made, f"agreements/{made.agreement.pk}/")
    assert "Somebody has stopped all sending" in shown
    assert "Payments can be sent on this agreement" not in shown
    browser(made).post(
        f"/c/{made.company.public_id}/agreements/{made.agreement.pk}/change/", {"act": "end"}
    )
    assert "Feil i kjøringen" not in page(made, "overview/")
    with made.scope():
        assert stops.companies_stopped([made.company]) == set()
        assert stops.holds(company_id=made.company.pk, agreement_id=made.agreement.pk)


# --- files that lie aside -------------------------------------------------------------------------


def keep(made: Stage, name: str, content: bytes) -> int:
    with tenancy.acting_for((), unclaimed=True):
        file, _new = inbox.keep(bank_channel=made.channel, name=name, content=io.BytesIO(content))
    return file.pk


def half_an_answer(made: Stage, bank: Bank, *, of: str = "") -> bytes:
    """The beginning of a status report about a file that was sent, which ends in the middle."""
    approved(made, "A1")
    (file_id,) = job.send(made)
    with made.scope():
        sent = BankFile.objects.get(pk=file_id)
    return (
        "<Document><CstmrPmtStsRpt><GrpHdr><MsgId>X</MsgId></GrpHdr><OrgnlGrpInfAndSts>"
        f"<OrgnlMsgId>{of or sent.message_id}</OrgnlMsgId><OrgnlMsgNmId>p</OrgnlMsgNmId>"
        "</OrgnlGrpInfAndSts><OrgnlPmtInfAndSts>"
    ).encode()


def test_an_unreadable_answer_belongs_to_the_company_that_it_answers(
    made: Stage, bank: Bank
) -> None:
    other = kit.stage(place=2)
    other.users["eva"] = kit.person("eva", other.company, Role.AUTOPAY_ADMINISTRATOR)
    keep(made, "halv.xml", half_an_answer(made, bank))
    outcomes.take_answers()
    with made.scope():
        file = BankFile.objects.get(name="halv.xml")
    assert (file.status, file.company) == (lifecycle.SET_ASIDE, made.company)
    assert file.error["code"] == "truncated"
    assert "1 file from the bank could not be carried out" in page(made, "overview/")
    shown = page(made, f"files/{file.pk}/")
    assert "The file ends in the middle" in shown
    assert "Read it again" in shown
    (letter,) = kit.letters(kind="banking.set_aside")
    assert letter.user_id == made.users["kari"].pk
    assert "slutter midt" in letter.text or "Filen" in letter.text
    assert "?status=set_aside" in letter.text
    assert kit.letters(kind="banking.unclaimed") == []
    assert "could not be" not in page(other, "overview/", "eva")
    # It stands in the list for good, and is told of for a week.
    with time_machine.travel(clock.now() + dt.timedelta(days=8)):
        assert "could not be carried out" not in page(made, "overview/")
        assert "halv.xml" in page(made, "files/?status=set_aside")


def test_many_files_aside_are_one_letter(made: Stage, bank: Bank) -> None:
    half = half_an_answer(made, bank)
    for n in range(3):
        keep(made, f"halv-{n}.xml", half + b"<x>" * n)
    outcomes.take_answers()
    assert "3 files from the bank could not be carried out" in page(made, "overview/")
    assert len(kit.letters(kind="banking.set_aside")) == 1


def test_salary_that_lies_aside_is_told_of_to_those_who_see_salary(made: Stage, bank: Bank) -> None:
    half = half_an_answer(made, bank)
    with made.scope():
        BankFile.objects.filter(direction="out").update(salary=True)
    keep(made, "lønn.xml", half)
    outcomes.take_answers()
    assert "could not be carried out" not in page(made, "overview/", "anne")
    with made.scope():
        assert BankFile.objects.get(name="lønn.xml").salary


def test_a_file_that_is_nobodys_is_told_to_those_who_run_kvitt_and_its_bank_to_companies(
    made: Stage, bank: Bank
) -> None:
    elsewhere = kit.company(3, "Uten avtale AS")
    eva = kit.person("eva", elsewhere, Role.AUTOPAY_ADMINISTRATOR)
    pk = keep(made, "rart.xml", b"<Document><broken")
    outcomes.take_answers()
    letters = kit.letters(kind="banking.unclaimed")
    assert {letter.address for letter in letters} == set(OPERATORS)
    assert {letter.company_id for letter in letters} == {None}
    for part in ("rart.xml", str(pk), "bankfile again", "unknown-kind"):
        assert part in letters[0].text
    shown = page(made, "overview/")
    assert f"A file from {made.channel.name} could not be carried out" in shown
    assert "rart.xml" not in shown
    client = kit.signed_in(eva)
    there = client.get(f"/c/{elsewhere.public_id}/overview/").content.decode()
    assert made.channel.name not in there
    keep(made, "rarere.xml", b"<Document><broken again")
    outcomes.take_answers()
    assert len(kit.letters(kind="banking.unclaimed")) == len(OPERATORS)


def test_an_answer_to_several_companies_files_is_given_to_none(made: Stage, bank: Bank) -> None:
    half = half_an_answer(made, bank)
    keep(made, "to.xml", half.replace(b"</OrgnlGrpInfAndSts>", b"</OrgnlGrpInfAndSts>"
         b"<OrgnlGrpInfAndSts><OrgnlMsgId>ANOTHER</OrgnlMsgId></OrgnlGrpInfAndSts>"))  # fmt: skip
    outcomes.take_answers()
    with tenancy.acting_for((), unclaimed=True):
        assert BankFile.objects.get(name="to.xml").company_id is None
