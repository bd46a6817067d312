"""Asking the bank to stop what it has got: the request, every answer to it, and who may ask."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from django.test import Client

from banking import filestore, inbox, stops
from banking.iso20022 import camt055
from banking.iso20022.values import CancelledTransfer
from banking.models import BankAgreement, BankFile
from payments import cancelling, outcomes, policy, sending
from payments.models import CancellationAsk, Payment, PaymentLine
from portal import clock
from portal.access import actors, tenancy
from portal.access.roles import Role
from portal.events.models import Event
from portal.people import changes
from tests import kit
from tests.browser import scene_bank
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Line, Stage

REASON = "Sendt to ganger – se e-post fra Ødegård"


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank)
    made.users["ola"] = kit.person("ola", made.company, Role.ACCOUNTANT)
    made.users["lars"] = kit.person("lars", made.company, Role.PAYROLL_APPROVER)
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    return made


@pytest.fixture
def at_bank(made: Stage, bank: Bank) -> Stage:
    """Two payments that the bank has accepted, two lines and one."""
    job.upload(made)
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])
    job.send(made)
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}
    return made


def browser(made: Stage, name: str = "ola") -> Client:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


def payment(made: Stage, number: str) -> Payment:
    with made.scope():
        return Payment.objects.get(number=number)


def ask(made: Stage, number: str = "B1", name: str = "ola", reason: str = REASON) -> str:
    """Asks on the pages, as a person does; the page that it ends on."""
    base = f"/c/{made.company.public_id}/outgoing/"
    client = browser(made, name)
    pk = payment(made, number).pk
    page = client.post(f"{base}ask-bank/", {"payment": pk})
    if page.status_code != 302:
        return str(page.status_code)
    answer = client.post(page["Location"], {"seen": pk, "reason": reason}, follow=True)
    return " ".join(answer.content.decode().split())


def detail(made: Stage, number: str = "B1") -> str:
    address = f"/c/{made.company.public_id}/outgoing/{payment(made, number).pk}/"
    return " ".join(browser(made).get(address).content.decode().split())


def deliver(made: Stage) -> None:
    """Brings what waits to the bank, as the timetable does."""
    with made.scope():
        for file_id in sending.undelivered(company=made.company):
            sending.deliver(file_id=file_id)


def answered(made: Stage, bank: Bank) -> None:
    """The request goes, and the bank's answer comes."""
    deliver(made)
    bank.work()
    job.fetch(made)


def statuses(made: Stage) -> dict[str, str]:
    with made.scope():
        return dict(PaymentLine.objects.values_list("reference", "status"))


def asks(made: Stage) -> list[tuple[str, bool]]:
    with made.scope():
        rows = CancellationAsk.objects.order_by("line__reference")
        return [(row.answer, row.answered_at is not None) for row in rows]


def events(made: Stage, event: str) -> list[Event]:
    with made.scope():
        return list(Event.objects.filter(event=event).order_by("id"))


def at_the_bank(bank: Bank) -> dict[str, str]:
    return {row["end_to_end_id"]: row["status"] for row in bank.transfers()}


def request_file(made: Stage) -> BankFile:
    with made.scope():
        return BankFile.objects.get(kind__startswith="camt.055")


def lines_of(made: Stage, number: str) -> set[str]:
    with made.scope():
        rows = PaymentLine.objects.filter(payment__number=number)
        return set(rows.values_list("reference", flat=True))


def hear(made: Stage, name: str, content: str) -> BankFile:
    with tenancy.acting_for((), unclaimed=True):
        file, _new = inbox.keep(
            bank_channel=made.channel, name=name, content=io.BytesIO(content.encode())
        )
    outcomes.take_one(file.pk)
    with tenancy.acting_for([made.company], unclaimed=True):
        file.refresh_from_db()
    return file


def answer(made: Stage, *, conf: str = "", groups: str = "") -> str:
    """A camt.029 written by hand."""
    confirmation = f"<Sts><Conf>{conf}</Conf></Sts>" if conf else ""
    return (
        "<Document><RsltnOfInvstgtn><Assgnmt><Id>R1</Id></Assgnmt>"
        f"<RslvdCase><Id>{request_file(made).message_id}</Id></RslvdCase>{confirmation}"
        f"{groups}</RsltnOfInvstgtn></Document>"
    )


# --- asked and answered --------------------------------------------------------------------------


def test_what_the_bank_stops_is_cancelled_at_the_bank_and_never_paid(
    at_bank: Stage, bank: Bank
) -> None:
    made = at_bank
    assert "Ask the bank to stop it" in detail(made)
    assert "The bank is asked to stop 1 payment" in ask(made)
    lines, others = lines_of(made, "B1"), lines_of(made, "B2")
    assert {statuses(made)[one] for one in lines} == {"accepted"}, "the bank has not answered"
    page = detail(made)
    assert "has been asked to stop" in page
    assert "The bank was asked to stop it" in page
    assert "Ødegård" in page
    answered(made, bank)
    assert {statuses(made)[one] for one in lines} == {"cancelled_bank"}
    assert {at_the_bank(bank)[one] for one in lines} == {"cancelled"}
    assert {statuses(made)[one] for one in others} == {"accepted"}
    assert asks(made) == [("ACCR", True)] * len(lines)
    told = [row for row in Erp(made).events() if row["event"] == "cancelled_bank"]
    assert {(row["number"], row["erp_code"]) for row in told} == {("B1", 4)}
    bank.pass_days()
    bank.work()
    job.fetch(made)
    assert {statuses(made)[one] for one in lines} == {"cancelled_bank"}
    assert "Ask the bank to stop it" not in detail(made)


def test_what_is_paid_already_goes_on_and_the_cause_is_told(at_bank: Stage, bank: Bank) -> None:
    made = at_bank
    bank.pass_days()
    bank.work()  # booked there, and not heard of here
    ask(made)
    deliver(made)
    bank.work()
    job.fetch(made)
    assert {statuses(made)[one] for one in lines_of(made, "B1")} == {"settled"}
    (refused,) = events(made, "cancel_refused")
    assert [reason["code"] for reason in refused.reasons or []] == ["PTNA"]
    page = detail(made)
    assert "The bank did not stop it" in page
    assert "Too late: the payment is carried out" in page
    assert "Ask the payee to pay the money back." in page
    assert {row[0] for row in asks(made)} == {"RJCR"}
    with made.scope():
        assert Payment.objects.get(number="B1").status == "settled"


def test_the_request_names_each_line_as_it_was_sent(at_bank: Stage, bank: Bank) -> None:
    made = at_bank
    ask(made)
    file = request_file(made)
    with made.scope(), filestore.open_content(file) as content:
        values = list(camt055.read(content))
    transfers = [one for one in values if isinstance(one, CancelledTransfer)]
    assert {one.end_to_end_id for one in transfers} == lines_of(made, "B1")
    assert file.kind == "camt.055.001.01"
    assert file.transactions == len(transfers)
    with made.scope():
        sent = Payment.objects.get(number="B1").bank_file
    assert sent is not None
    head = values[1]
    assert (head.message_id, head.message_name) == (sent.message_id, sent.kind)  # type: ignore[union-attr]
    assert head.reason.text == REASON.replace("–", "-")  # type: ignore[union-attr]


def test_the_same_line_is_asked_about_once(at_bank: Stage, bank: Bank) -> None:
    made = at_bank
    ask(made)
    count = len(asks(made))
    assert "asked, and has not answered" in detail(made)
    assert "Nothing was changed" in ask(made)
    assert len(asks(made)) == count
    answered(made, bank)
    with made.scope():
        assert BankFile.objects.filter(kind__startswith="camt.055").count() == 1


def test_the_same_answer_again_changes_nothing(at_bank: Stage, bank: Bank) -> None:
    made = at_bank
    ask(made)
    deliver(made)
    told = answer(made, conf="CNCL")
    assert hear(made, "first.xml", told).status == "read"
    again = hear(made, "second.xml", told + "\n")
    assert (again.status, again.remarks) == ("read", None)
    assert len(events(made, "cancelled_bank")) == len(lines_of(made, "B1"))
    assert asks(made) == [("ACCR", True)]


# --- answers as other banks give them ------------------------------------------------------------


def group(made: Stage, status: str) -> str:
    with made.scope():
        sent = Payment.objects.get(number="B1").bank_file
    assert sent is not None
    return (
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{sent.message_id}</OrgnlMsgId>"
        f"<OrgnlMsgNmId>pain.001</OrgnlMsgNmId>{status}</OrgnlGrpInfAndSts>"
    )


@pytest.mark.parametrize(
    ("conf", "inside", "ends"),
    [
        ("CNCL", "", "cancelled_bank"),
        ("RJCR", "", "accepted"),
        ("", "<GrpCxlSts>ACCR</GrpCxlSts>", "cancelled_bank"),
        ("", "payment:ACCR", "cancelled_bank"),
        ("", "payment:RJCR", "accepted"),
    ],
)
def test_an_answer_at_any_level_is_carried_out(
    at_bank: Stage, conf: str, inside: str, ends: str
) -> None:
    made = at_bank
    ask(made)
    deliver(made)
    groups = ""
    if inside.startswith("payment:"):
        status = f"<PmtInfCxlSts>{inside[8:]}</PmtInfCxlSts>"
        groups = (
            f"<CxlDtls>{group(made, '')}<OrgnlPmtInfAndSts><OrgnlPmtInfId>B1</OrgnlPmtInfId>"
            f"{status}</OrgnlPmtInfAndSts></CxlDtls>"
        )
    elif inside:
        groups = f"<CxlDtls>{group(made, inside)}</CxlDtls>"
    file = hear(made, "answer.xml", answer(made, conf=conf, groups=groups))
    assert file.status == "read", file.error
    assert {statuses(made)[one] for one in lines_of(made, "B1")} == {ends}
    assert all(done for _answer, done in asks(made))


@pytest.mark.parametrize("whose", ["payment", "line", "file"])
def test_an_answer_that_speaks_of_others_is_no_word_of_all_that_were_asked_for(
    at_bank: Stage, whose: str
) -> None:
    made = at_bank
    ask(made)
    deliver(made)
    inside = {
        "payment": "<OrgnlPmtInfAndSts><OrgnlPmtInfId>OTHER</OrgnlPmtInfId>"
        "<PmtInfCxlSts>ACCR</PmtInfCxlSts></OrgnlPmtInfAndSts>",
        "line": "<OrgnlPmtInfAndSts><OrgnlPmtInfId>B1</OrgnlPmtInfId><TxInfAndSts>"
        "<OrgnlEndToEndId>OTHER-1</OrgnlEndToEndId><TxCxlSts>ACCR</TxCxlSts></TxInfAndSts>"
        "</OrgnlPmtInfAndSts>",
        "file": "",
    }[whose]
    told = group(made, "<GrpCxlSts>ACCR</GrpCxlSts>" if whose == "file" else "")
    if whose == "file":
        told = re.sub("<OrgnlMsgId>[^<]+", "<OrgnlMsgId>ANOTHER", told)
    groups = f"<CxlDtls>{told}{inside}</CxlDtls>"
    file = hear(made, "odd.xml", answer(made, conf="CNCL", groups=groups))
    assert file.status == "read", file.error
    assert [one["code"] for one in file.remarks or []] == ["unmatched"]
    assert {statuses(made)[one] for one in lines_of(made, "B1")} == {"accepted"}
    assert not any(done for _answer, done in asks(made))
    # Of what it names itself its word holds.
    hear(made, "answer.xml", answer(made, conf="CNCL"))
    assert {statuses(made)[one] for one in lines_of(made, "B1")} == {"cancelled_bank"}


def test_an_answer_that_waits_leaves_the_question_open(at_bank: Stage) -> None:
    made = at_bank
    ask(made)
    deliver(made)
    hear(made, "waits.xml", answer(made, conf="PDCR"))
    assert set(asks(made)) == {("PDCR", False)}
    assert "asked, and has not answered" in detail(made)
    hear(made, "done.xml", answer(made, conf="CNCL"))
    assert set(asks(made)) == {("ACCR", True)}
    assert {statuses(made)[one] for one in lines_of(made, "B1")} == {"cancelled_bank"}


def test_one_line_is_stopped_and_the_other_is_not(made: Stage, bank: Bank) -> None:
    lines = [Line("T1", "10.00", kit.account(70)), Line("T2", "20.00", kit.account(71))]
    body = kit.pain001({"T": lines}, account=made.agreement.account.number, due=kit.soon())
    assert Erp(made).post("payments", body).status_code == 201
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])
    job.send(made)
    bank.work()
    job.fetch(made)
    ask(made, "T")
    deliver(made)
    said = "".join(
        f"<TxInfAndSts><OrgnlEndToEndId>{name}</OrgnlEndToEndId><TxCxlSts>{status}</TxCxlSts>"
        + (f"<CxlStsRsnInf><Rsn><Cd>{why}</Cd></Rsn></CxlStsRsnInf>" if why else "")
        + "</TxInfAndSts>"
        for name, status, why in (("T1", "ACCR", ""), ("T2", "RJCR", "LEGL"))
    )
    with made.scope():
        sent = Payment.objects.get(number="T").bank_file
    assert sent is not None
    groups = (
        f"<CxlDtls><OrgnlGrpInfAndSts><OrgnlMsgId>{sent.message_id}</OrgnlMsgId>"
        "<OrgnlMsgNmId>pain.001</OrgnlMsgNmId></OrgnlGrpInfAndSts><OrgnlPmtInfAndSts>"
        f"<OrgnlPmtInfId>T</OrgnlPmtInfId><PmtInfCxlSts>PACR</PmtInfCxlSts>{said}"
        "</OrgnlPmtInfAndSts></CxlDtls>"
    )
    hear(made, "part.xml", answer(made, conf="PECR", groups=groups))
    assert statuses(made) == {"T1": "cancelled_bank", "T2": "accepted"}
    assert "The rules do not allow it" in detail(made, "T")


def test_an_answer_to_a_request_that_was_not_made_here_is_set_aside(at_bank: Stage) -> None:
    made = at_bank
    told = (
        "<Document><RsltnOfInvstgtn><Assgnmt><Id>R1</Id></Assgnmt><RslvdCase><Id>X</Id></RslvdCase>"
        "<Sts><Conf>CNCL</Conf></Sts></RsltnOfInvstgtn></Document>"
    )
    with tenancy.acting_for((), unclaimed=True):
        file, _new = inbox.keep(
            bank_channel=made.channel, name="odd.xml", content=io.BytesIO(told.encode())
        )
    outcomes.take_one(file.pk)
    with tenancy.acting_for((), unclaimed=True):
        file.refresh_from_db()
    assert file.status == "set_aside"
    assert (file.error or {})["code"] == "unknown-message"
    assert set(statuses(made).values()) == {"accepted"}


def test_a_request_that_the_bank_refuses_whole_is_told_with_its_reason(
    at_bank: Stage, bank: Bank
) -> None:
    made = at_bank
    ask(made)
    bank.ask("/activate", {"customer": made.agreement.customer_number, "active": False})
    answered(made, bank)
    (refused,) = events(made, "cancel_refused")
    assert refused.reasons
    assert {statuses(made)[one] for one in lines_of(made, "B1")} == {"accepted"}
    assert request_file(made).status == "refused"
    assert all(done for _answer, done in asks(made))


# --- who may, and what may be asked --------------------------------------------------------------


def test_stopping_all_sending_does_not_hold_back_a_request_to_stop(
    at_bank: Stage, bank: Bank
) -> None:
    made, kari = at_bank, at_bank.users["kari"]
    with made.scope():
        stops.stop(
            company=made.company,
            agreement=None,
            reason="Svindel",
            user=kari,
            at=clock.now(),
            by=changes.By(kari, "Kari", None, clock.now()),
        )
    ask(made)
    answered(made, bank)
    assert {statuses(made)[one] for one in lines_of(made, "B1")} == {"cancelled_bank"}


@pytest.mark.parametrize(("name", "sees"), [("lars", ""), ("kari", "403")])
def test_others_cannot_ask(at_bank: Stage, name: str, sees: str) -> None:
    page = ask(at_bank, name=name)
    assert page == sees or "Choose at least one payment first" in page or "forgotten" in page
    assert asks(at_bank) == []


def test_it_takes_a_reason(at_bank: Stage) -> None:
    assert "Write a reason first" in ask(at_bank, reason="  ")
    assert asks(at_bank) == []


def test_a_bank_or_format_that_takes_no_request_is_told(at_bank: Stage) -> None:
    made = at_bank
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(file_format="nets")
    assert "Call the bank." in detail(made)
    ask(made)
    assert asks(made) == []
    with made.scope(), pytest.raises(cancelling.NothingToAsk):
        cancelling.ask(
            company=made.company,
            by=actors.person(made.users["ola"]),
            user=made.users["ola"],
            permissions=None,
            payment_ids=[payment(made, "B1").pk],
            reason="x",
            at=clock.now(),
        )


def test_what_is_on_its_way_this_moment_is_not_asked_about(made: Stage) -> None:
    job.upload(made)
    row = payment(made, "B1")
    with made.scope():
        row = Payment.objects.select_related("agreement__channel").get(pk=row.pk)
        assert policy.asking_bank(row, permissions=None) is not None


def test_an_erp_asks_by_cancelling_and_is_told_that_the_bank_decides(
    at_bank: Stage, bank: Bank
) -> None:
    made, erp = at_bank, Erp(at_bank)
    (one, *_more) = sorted(lines_of(made, "B1"))
    body = json.dumps({"reason": "Dobbelt", "references": [one]}).encode()

    def cancel() -> Any:
        return erp.post("payments/B1/cancel", body, media_type="application/json")

    answer = cancel()
    assert answer.status_code == 202
    assert answer.json() == {"number": "B1", "cancelled": 0, "asked": 1}
    kit.refusal(cancel(), 409, "too-late", place="number")
    answered(made, bank)
    assert statuses(made)[one] == "cancelled_bank"
    assert erp.get("payments/B1").json()["status"] in ("cancelled_bank", "accepted", "ended")


def test_a_request_that_cannot_be_delivered_is_told_and_can_be_made_again(
    at_bank: Stage, bank: Bank, settings: Any
) -> None:
    made = at_bank
    settings.CHANNEL_MAX_ATTEMPTS = 1
    ask(made)
    bank.stop()
    deliver(made)
    assert request_file(made).status == "undelivered"
    (told,) = events(made, "cancel_undelivered")
    assert told.number == "B1"
    assert "was not asked to stop it" in detail(made)
    bank.start(sftp_port=made.channel.port)
    assert "The bank is asked to stop 1 payment" in ask(made)


def test_a_cancellation_of_what_was_debited_is_an_alarm(at_bank: Stage) -> None:
    made = at_bank
    ask(made)
    deliver(made)
    with made.scope():
        rows = PaymentLine.objects.filter(payment__number="B1")
        booked = [
            scene_bank.Booked("B1", reference, str(amount))
            for reference, amount in rows.values_list("reference", "amount")
        ]
    account = made.agreement.account.number
    scene_bank.hear(made, "paid.xml", scene_bank.debit_advice(account, booked, day="2026-11-24"))
    file = hear(made, "answer.xml", answer(made, conf="CNCL"))
    assert file.remarks == [{"code": "refused-after-paid", "status": "CANC", "count": len(booked)}]
    assert {statuses(made)[one] for one in lines_of(made, "B1")} == {"settled"}
