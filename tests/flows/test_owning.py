"""Whose an account is: the bank's own word decides, and not who has filled in a form."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from banking import inbox, lifecycle
from banking.iso20022 import queries
from banking.models import BankAccount, BankAgreement, BankFile, ConnectionTest
from payments import outcomes
from portal import clock
from portal.access import actors, tenancy
from portal.access.models import Company
from portal.access.roles import Role
from portal.events import moves
from portal.people.models import Change
from tests import kit
from tests.banking import test_agreements as forms
from tests.browser import scene_bank as scene
from tests.flows import test_main_job as job
from tests.flows.test_booked import accepted, advice, each, entry, remarks, statement
from tests.flows.test_sent_exactly_once import approved
from tests.kit import Bank, Stage

pytestmark = pytest.mark.usefixtures("own_database")
NUMBER = kit.account(77)


@pytest.fixture
def made(bank: Bank, own_database: None) -> Stage:
    made = kit.stage(bank)
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    return made


@pytest.fixture
def other(made: Stage) -> Stage:
    """A company of another customer, at the same bank."""
    row = kit.stage(place=2)
    row.channel = made.channel
    row.users["kari"] = kit.person("lise", row.company, Role.AUTOPAY_ADMINISTRATOR)
    return row


def written(
    made: Stage, status: str = "draft", *, number: str = NUMBER, **more: str
) -> BankAgreement:
    """An agreement on an account, with these numbers and what else it says; its status as if people had set it."""
    values = {"customer_number": "K1", "agreement_id": "A1"} | more
    with made.scope():
        account, _made = BankAccount.objects.get_or_create(
            company=made.company, number=number, defaults={"name": "Konto"}
        )
        row: BankAgreement = BankAgreement.objects.create(
            company=made.company, channel=made.channel, account=account, **values
        )
        if status in ("ordered", "active"):
            change = lifecycle.ORDER if status == "ordered" else lifecycle.ACTIVATE
            user = made.users["kari"]
            rows = BankAgreement.objects.filter(pk=row.pk)
            moves.move(rows, change, by=actors.person(user), at=clock.now(), expected=1)
    return row


def word(
    made: Stage, *accounts: str, customer: str = "K1", agreement: str = "A1", status: str = "ACTIVE"
) -> BankFile:
    """The bank's word of an agreement, carried out."""
    inner = "".join(f"<Account>{one}</Account>" for one in accounts)
    content = (
        f"<AgreementStatus><MessageId>W{clock.now().timestamp()}</MessageId>"
        f"<CustomerNumber>{customer}</CustomerNumber><AgreementId>{agreement}</AgreementId>"
        f"<Status>{status}</Status>{f'<Accounts>{inner}</Accounts>' if inner else ''}"
        "</AgreementStatus>"
    )
    return seen(scene.fetched(made, f"w{clock.now().timestamp()}.xml", content.encode()))


def seen(file: BankFile) -> BankFile:
    """A fetched file as it stands when it has been carried out."""
    outcomes.take_one(file.pk)
    with tenancy.acting_for(Company.objects.values_list("pk", flat=True), unclaimed=True):
        file.refresh_from_db()
    return file


def again(file: BankFile) -> BankFile:
    """A file that was set aside, when all that waits has been taken."""
    outcomes.take_answers()
    with tenancy.acting_for(Company.objects.values_list("pk", flat=True), unclaimed=True):
        file.refresh_from_db()
    return file


def told(made: Stage, number: str = NUMBER) -> BankFile:
    """A statement that names no customer."""
    content = statement(made, entry("4500.00", way="CRDT"))
    content = content.replace(made.agreement.account.number.encode(), number.encode())
    content = content.replace(b"<MsgId>", f"<MsgId>{clock.now().timestamp()}".encode())
    return seen(scene.fetched(made, f"s{clock.now().timestamp()}.xml", content))


def sent_on(made: Stage, row: BankAgreement) -> BankFile:
    """The file of the company's first payment, sent on this agreement."""
    with made.scope():
        made.agreement = BankAgreement.objects.select_related("account", "channel").get(pk=row.pk)
    approved(made, "A")
    job.send(made)
    with made.scope():
        return BankFile.objects.get(direction="out")


def status_of(row: BankAgreement) -> str:
    with tenancy.acting_for(Company.objects.values_list("pk", flat=True)):
        row.refresh_from_db()
    return str(row.status)


def code(file: BankFile) -> Any:
    return file.error["code"] if file.error else None


# --- files ----------------------------------------------------------------------------------------


def test_an_agreement_that_people_alone_have_activated_opens_no_file_of_the_account(
    made: Stage,
) -> None:
    file = told(made)
    assert (file.company_id, code(file)) == (None, "unknown-account")
    row = written(made, "active")
    outcomes.take_answers()
    file = told(made)
    assert (file.company_id, code(file)) == (None, "unconfirmed-account")
    # The bank says that it knows it; what lay aside is read by itself.
    assert remarks(word(made, NUMBER)) == []
    file = again(file)
    assert (file.company_id, file.status) == (made.company.pk, "read")
    assert status_of(row) == "active"
    kari = kit.signed_in(made.users["kari"])
    kari.cookies["kvitt_language"] = "en"
    page = kari.get(f"/c/{made.company.public_id}/agreements/{row.pk}/").content.decode()
    assert "Confirmed by the bank" in page
    assert remarks(word(made, NUMBER)) == ["already-active"]


def test_the_first_payments_that_the_bank_receives_confirm_the_account(
    made: Stage, bank: Bank
) -> None:
    row = written(made, "active")
    file = told(made)
    assert (file.company_id, code(file)) == (None, "unconfirmed-account")
    sent = sent_on(made, row)
    assert again(file).company_id is None
    scene.hear(made, "actc.xml", scene.status_report(sent.message_id, group="ACTC"))
    file = again(file)
    assert (file.company_id, file.status) == (made.company.pk, "read")


def by_hand(made: Stage, name: str, content: bytes) -> BankFile:
    """A file as it stands when kari has brought it in and it has been read."""
    kari = made.users["kari"]
    with made.scope():
        file = inbox.bring_in(
            company=made.company,
            bank_channel=made.channel,
            name=name,
            content=io.BytesIO(content),
            user=kari,
        )
    return seen(file)


def test_no_word_of_an_agreement_counts_that_somebody_has_brought_in(made: Stage) -> None:
    row = written(made)
    content = (
        b"<AgreementStatus><CustomerNumber>K1</CustomerNumber><AgreementId>A1</AgreementId>"
        b"<Status>ACTIVE</Status></AgreementStatus>"
    )
    file = by_hand(made, "word.xml", content)
    assert (file.status, code(file)) == ("set_aside", "not-by-hand")
    assert status_of(row) == "draft"
    kari = kit.signed_in(made.users["kari"])
    page = kari.get(f"/c/{made.company.public_id}/files/{file.pk}/").content.decode()
    assert "teller bare når de er hentet fra banken" in page
    # The same bytes from the bank itself count.
    assert seen(scene.fetched(made, "word.xml", content)).status == "read"
    assert status_of(row) == "active"


def test_a_receipt_that_somebody_has_brought_in_does_not_show_whose_an_account_is(
    made: Stage, bank: Bank
) -> None:
    row = written(made, "active")
    file = told(made)
    sent = sent_on(made, row)
    receipt = scene.status_report(sent.message_id, group="ACTC")
    assert by_hand(made, "mine.xml", receipt).status == "read"
    with made.scope():
        sent.refresh_from_db()
    assert sent.status == "received"
    assert code(told(made)) == "unconfirmed-account"
    # The bank's own receipt, later, shows it.
    scene.hear(made, "actc.xml", receipt.replace(b"<MsgId>", b"<MsgId>B"))
    assert again(file).company_id == made.company.pk


def test_an_answer_to_a_test_that_somebody_has_brought_in_shows_nothing(made: Stage) -> None:
    row = written(made, "active")
    with made.scope():
        request = BankFile.objects.create(
            company=made.company,
            channel=made.channel,
            agreement=row,
            direction="out",
            name="ask.xml",
            kind=queries.VERSION,
            message_id="ASK1",
            sha256=b"0" * 32,
            size=1,
            status="delivered",
            created_at=clock.now(),
        )
        test = ConnectionTest.objects.create(
            company=made.company,
            agreement=row,
            asked_at=clock.now(),
            asked_by=made.users["kari"],
            request=request,
        )
    answer = (
        f"<Document><BkToCstmrAcctRpt><GrpHdr><MsgId>X1</MsgId><OrgnlBizQry><MsgId>ASK1</MsgId>"
        f"</OrgnlBizQry></GrpHdr><Rpt><Id>1</Id><Acct><Id><Othr><Id>{NUMBER}</Id></Othr></Id></Acct>"
        "</Rpt></BkToCstmrAcctRpt></Document>"
    )
    file = by_hand(made, "answer.xml", answer.encode())
    assert code(file) == "not-by-hand"
    with made.scope():
        test.refresh_from_db()
    assert test.ended_at is None
    assert code(told(made)) == "unconfirmed-account"


def test_of_two_that_a_file_may_be_written_to_it_goes_to_the_one_that_the_bank_knows(
    made: Stage, other: Stage
) -> None:
    mine = written(made, "active", customer_number="SAME")
    assert remarks(word(made, NUMBER, customer="SAME")) == []
    with made.scope():
        moves.move(
            BankAgreement.objects.filter(pk=mine.pk),
            lifecycle.DEACTIVATE,
            by=actors.person(made.users["kari"]),
            at=clock.now(),
            expected=1,
        )
    written(other, "active", customer_number="SAME")
    content = statement(made, entry("4500.00", way="CRDT"))
    content = content.replace(made.agreement.account.number.encode(), NUMBER.encode())
    content = content.replace(
        b"</MsgId>",
        b"</MsgId><MsgRcpt><Id><OrgId><Othr><Id>SAME</Id><SchmeNm><Cd>CUST</Cd></SchmeNm></Othr>"
        b"</OrgId></Id></MsgRcpt>",
        1,
    )
    file = seen(scene.fetched(made, "named.xml", content))
    assert (file.company_id, code(file)) == (made.company.pk, None)


def test_a_test_that_the_bank_has_answered_confirms_the_account(made: Stage) -> None:
    row = written(made, "active")
    assert code(told(made)) == "unconfirmed-account"
    with made.scope():
        ConnectionTest.objects.create(
            company=made.company,
            agreement=row,
            asked_at=clock.now(),
            asked_by=made.users["kari"],
            steps=[{"step": "account", "ok": True, "ms": None, "code": "", "detail": ""}],
        )
    assert told(made).company_id == made.company.pk


def test_who_takes_over_an_account_gets_nothing_of_what_was_before(
    made: Stage, other: Stage, bank: Bank
) -> None:
    """An ended agreement's files are its company's, whoever says that they have the account now."""
    accepted(made, bank, "A")
    number = made.agreement.account.number
    with made.scope():
        moves.move(
            BankAgreement.objects.filter(pk=made.agreement.pk),
            lifecycle.DEACTIVATE,
            by=actors.CLOCK,
            at=clock.now(),
        )
    row = written(other, "active", number=number)
    file = seen(scene.fetched(made, "advice.xml", advice(made, *each(made, "A"))))
    assert (file.company_id, file.status) == (made.company.pk, "read")
    assert set(job.statuses(made).values()) == {"settled"}
    assert status_of(row) == "active"


# --- activating -----------------------------------------------------------------------------------


def test_an_account_that_another_customer_has_ordered_takes_the_banks_word(
    made: Stage, other: Stage
) -> None:
    theirs = written(made, "ordered")
    lise = kit.signed_in(other.users["kari"])
    lise.cookies["kvitt_language"] = "en"
    row = forms.drafted(other, lise, account_number=NUMBER, customer_number="X", agreement_id="Y")
    page = forms.act(other, lise, row, "activate")
    assert "Only the bank&#x27;s own word can make it active here" in page
    assert status_of(row) == "draft"
    assert word(made, NUMBER).company_id == made.company.pk
    assert status_of(theirs) == "active"


def test_the_banks_word_ends_what_another_company_has_activated_by_itself(
    made: Stage, other: Stage
) -> None:
    guessed = written(other, "active", customer_number="X", agreement_id="Y")
    mine = written(made, "ordered")
    file = word(made, NUMBER)
    assert (file.company_id, remarks(file)) == (made.company.pk, [])
    assert (status_of(mine), status_of(guessed)) == ("active", "deactivated")
    lise = kit.signed_in(other.users["kari"])
    lise.cookies["kvitt_language"] = "en"
    page = lise.get(f"/c/{other.company.public_id}/agreements/{guessed.pk}/").content.decode()
    assert "the bank has said that another company has the account" in page
    with other.scope(), tenancy.acting_for([other.company], customers=[other.company.customer]):
        assert Change.objects.filter(act="agreement.deactivated").exists()
    assert kit.letters(kind="banking.bank_word")


def test_the_banks_word_does_not_end_what_the_bank_knows(made: Stage, other: Stage) -> None:
    known = written(other, "active", customer_number="X", agreement_id="Y")
    assert word(made, NUMBER, customer="X", agreement="Y").company_id == other.company.pk
    mine = written(made, "ordered")
    file = word(made, NUMBER)
    assert (file.status, code(file)) == ("set_aside", "another-active")
    assert (status_of(mine), status_of(known)) == ("ordered", "active")


@pytest.mark.parametrize("first", ["draft", "ordered", "active"])
@pytest.mark.parametrize("second", ["draft", "ordered"])
def test_with_the_same_numbers_on_an_account_the_word_is_neithers(
    made: Stage, other: Stage, first: str, second: str
) -> None:
    mine, theirs = written(made, first), written(other, second)
    for status in ("ACTIVE", "CLOSED"):
        file = word(made, NUMBER, status=status)
        assert (file.company_id, code(file)) == (None, "unknown-agreement")
    assert (status_of(mine), status_of(theirs)) == (first, second)


def test_the_agreement_id_goes_before_a_division_of_the_same_name(made: Stage) -> None:
    numbers = [kit.account(place) for place in (71, 72, 73)]
    rows = [
        written(made, "ordered", number=number, agreement_id=name, division=division)
        for number, name, division in zip(
            numbers, ("VA", "VB", "D1"), ("D1", "D1", ""), strict=True
        )
    ]
    word(made, agreement="D1")
    assert [status_of(row) for row in rows] == ["ordered", "ordered", "active"]
    word(made, agreement="VB")
    assert [status_of(row) for row in rows] == ["ordered", "active", "active"]


# --- what nobody asked for ------------------------------------------------------------------------


def test_a_report_of_a_day_that_is_not_over_is_kept_and_settles_nothing(
    made: Stage, bank: Bank
) -> None:
    accepted(made, bank, "A")
    content = statement(made, *each(made, "A"))
    content = content.replace(b"BkToCstmrStmt", b"BkToCstmrAcctRpt").replace(b"Stmt>", b"Rpt>")
    file = scene.hear(made, "report.xml", content)
    assert (file.kind[:8], file.status, code(file)) == ("camt.052", "read", None)
    assert (file.company_id, file.transactions, file.salary) == (made.company.pk, 3, True)
    assert set(job.statuses(made).values()) == {"accepted"}


# --- where the bank never says that it knows an agreement ------------------------------------------


def test_who_runs_kvitt_writes_down_what_the_bank_has_confirmed(made: Stage) -> None:
    written(made, "active", number=NUMBER)
    file = told(made)
    assert code(file) == "unconfirmed-account"
    number = made.company.organisation_number
    asked = [number, f"{NUMBER[:4]}.{NUMBER[4:6]}.{NUMBER[6:]}", "--told", "Kari i banken 28.11."]
    call_command("confirm_agreement", *asked, stdout=io.StringIO())
    assert again(file).company_id == made.company.pk
    with pytest.raises(CommandError, match="shown before"):
        call_command("confirm_agreement", *asked)
    with pytest.raises(CommandError, match="no active agreement"):
        call_command("confirm_agreement", number, kit.account(99), "--told", "x")
    with pytest.raises(CommandError, match="no organisation number"):
        call_command("confirm_agreement", "123", NUMBER, "--told", "x")


@pytest.mark.parametrize("status", ["ACSP", "ACSC", "PDNG"])
def test_a_status_of_a_single_line_shows_that_the_bank_knows_the_agreement(
    made: Stage, bank: Bank, status: str
) -> None:
    row = written(made, "active")
    file = told(made)
    sent = sent_on(made, row).message_id
    refused = scene.Said(lines={"A-0": ("RJCT", [("AC02", "")])})
    scene.hear(made, "rjct.xml", scene.status_report(sent, payments={"A": refused}))
    assert again(file).company_id is None
    taken = scene.Said(lines={"A-1": (status, [])})
    scene.hear(made, "taken.xml", scene.status_report(sent, payments={"A": taken}))
    assert again(file).company_id == made.company.pk


def test_word_of_payments_that_were_sent_from_here_shows_whose_they_are(
    made: Stage, bank: Bank
) -> None:
    """A debit advice that comes before any report, with the id of the file that was sent."""
    row = written(made, "active")
    sent_on(made, row)
    content = advice(made, *each(made, "A"))
    file = seen(scene.fetched(made, "unnamed.xml", content))
    assert (file.company_id, code(file)) == (None, "unconfirmed-account")
    with made.scope():
        sent = BankFile.objects.get(direction="out").message_id
    named = content.replace(b"<PmtInfId>", f"<MsgId>{sent}</MsgId><PmtInfId>".encode())
    file = seen(scene.fetched(made, "named.xml", named))
    assert (file.company_id, remarks(file)) == (made.company.pk, [])
    assert set(job.statuses(made).values()) == {"settled"}
