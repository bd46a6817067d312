"""Holds requests to cancel and to tell a balance, and the messages about agreements."""

import datetime
import re

import pytest
from lxml import etree

LINES = [{"id": "E1", "amount": "100"}, {"id": "E2", "amount": "50"}]
AGREEMENT = "CCM-1"


def party(who, customer=None, agreement=AGREEMENT):
    return (
        f"<Pty><Id><OrgId><Othr><Id>{customer or who.customer}</Id><SchmeNm><Cd>CUST</Cd></SchmeNm>"
        f"</Othr><Othr><Id>{agreement}</Id><SchmeNm><Cd>BANK</Cd></SchmeNm></Othr></OrgId></Id></Pty>"
    )


def cancellation(who, request, payments, *, msg_id="M1", version="09", **changes):
    """A camt.055 for payments: {number: [EndToEndId …]}, where no line means all of it."""
    blocks = "".join(
        f"<OrgnlPmtInfAndCxl><OrgnlPmtInfId>{number}</OrgnlPmtInfId>"
        f"<PmtInfCxl>{'false' if lines else 'true'}</PmtInfCxl>"
        + "".join(f"<TxInf><OrgnlEndToEndId>{line}</OrgnlEndToEndId></TxInf>" for line in lines)
        + "</OrgnlPmtInfAndCxl>"
        for number, lines in payments.items()
    )
    return (
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.055.001.{version}"><CstmrPmtCxlReq>'
        f"<Assgnmt><Id>{request}</Id><Assgnr>{party(who, **changes)}</Assgnr></Assgnmt><Undrlyg>"
        f"<OrgnlGrpInfAndCxl><OrgnlMsgId>{msg_id}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09"
        f"</OrgnlMsgNmId></OrgnlGrpInfAndCxl>{blocks}</Undrlyg></CstmrPmtCxlReq></Document>"
    )


@pytest.fixture
def sent(bank, open_customer, order):
    """A customer with two payments that are accepted for tomorrow."""
    who = open_customer(bank)
    day = datetime.date.fromisoformat(bank.now()[:10]) + datetime.timedelta(days=1)
    payments = [
        {"id": "P1", "lines": LINES, "date": day},
        {"id": "P2", "lines": [LINES[0]], "date": day},
    ]
    bank.upload(who.user, "F.xml", order(who, "M1", payments))
    bank.work()
    return who


def answered(bank, who, text, name="C.xml"):
    bank.upload(who.user, name, text)
    bank.work()
    return bank.fetch(who.user, "camt029")[-1]


@pytest.mark.parametrize("version", ["01", "08", "09"])
def test_a_payment_is_cancelled_before_it_is_booked(bank, sent, version, schemas):
    answer = answered(bank, sent, cancellation(sent, "R1", {"P1": []}, version=version))
    assert answer.text("RslvdCase/Id") == "R1"
    assert answer.text("RsltnOfInvstgtn/Sts/Conf") == "CNCL"
    assert answer.texts("PmtInfCxlSts") == ["ACCR"]
    assert answer.texts("TxCxlSts") == ["ACCR", "ACCR"]
    bank.next_days(4)
    rows = {(row["payment"], row["status"]) for row in bank.transfers(customer=sent.customer)}
    assert rows == {("P1", "cancelled"), ("P2", "booked")}


def test_one_line_is_cancelled_and_the_others_are_paid(bank, sent):
    answer = answered(bank, sent, cancellation(sent, "R1", {"P1": ["E2"], "P2": []}))
    assert answer.texts("PmtInfCxlSts") == ["PACR", "ACCR"]
    bank.next_days(4)
    rows = bank.transfers(customer=sent.customer)
    assert [row["status"] for row in rows] == ["booked", "cancelled", "cancelled"]


def test_what_is_paid_or_cancelled_or_unknown_is_not_cancelled(bank, sent):
    answered(bank, sent, cancellation(sent, "R1", {"P2": []}))
    bank.next_days(4)
    asked = cancellation(sent, "R2", {"P1": ["E1", "E9"], "P2": [], "P9": []})
    answer = answered(bank, sent, asked, "D.xml")
    assert answer.text("RsltnOfInvstgtn/Sts/Conf") == "RJCR"
    assert answer.texts("TxCxlSts") == ["RJCR"] * 3
    assert answer.texts("CxlStsRsnInf/Rsn/Cd") == ["PTNA", "NOOR", "ARDT", "NOOR"]


def test_a_file_that_never_came_cannot_be_cancelled(bank, sent):
    answer = answered(bank, sent, cancellation(sent, "R1", {"P1": []}, msg_id="OTHER"))
    assert (answer.text("GrpCxlSts"), answer.text("Rsn/Cd")) == ("RJCR", "NOOR")


def report_request(who, msg_id, account, **changes):
    return (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.060.001.05"><AcctRptgReq><GrpHdr>'
        f"<MsgId>{msg_id}</MsgId><MsgSndr>{party(who, **changes)}</MsgSndr></GrpHdr><RptgReq>"
        f"<ReqdMsgNmId>camt.052.001.08</ReqdMsgNmId><Acct><Id><Othr><Id>{account}</Id></Othr></Id>"
        "</Acct></RptgReq></AcctRptgReq></Document>"
    )


def test_a_balance_is_told_on_request(bank, open_customer):
    who = open_customer(bank, balance="12.50")
    bank.upload(who.user, "R.xml", report_request(who, "R1", who.account))
    bank.work()
    (answer,) = bank.fetch(who.user, "camt052")
    assert answer.text("OrgnlBizQry/MsgId") == "R1"
    assert answer.text("Bal/Amt") == "12.50"


@pytest.mark.parametrize(
    ("changes", "account", "code"),
    [
        ({"customer": "NOBODY"}, "", "BE06"),
        ({"agreement": "OTHER"}, "", "BE06"),
        ({}, "15030000019", "AC02"),
        ({"active": False}, "", "AG01"),
    ],
)
def test_a_request_that_the_bank_does_not_take_is_told_why(
    bank, open_customer, changes, account, code
):
    who = open_customer(bank, **{key: changes[key] for key in ("active",) if key in changes})
    changes = {key: value for key, value in changes.items() if key != "active"}
    text = report_request(who, "R1", account or who.account, **changes)
    bank.upload(who.user, "R.xml", text)
    bank.work()
    ((name, raw),) = bank.fetch_raw(who.user, "camt052")
    assert name.startswith("admi002")
    told = raw.decode()
    assert re.search("<Ref>(.*)</Ref>", told)[1] == "R1"
    assert re.search("<RjctgPtyRsn>(.*)</RjctgPtyRsn>", told)[1] == code


def test_the_same_request_twice_is_refused(bank, open_customer):
    who = open_customer(bank)
    for name in ("A.xml", "B.xml"):
        bank.upload(who.user, name, report_request(who, "R1", who.account))
    bank.work()
    kinds = [name.partition("_")[0] for name, _ in bank.fetch_raw(who.user, "camt052")]
    assert kinds == ["camt052", "admi002"]


def test_what_is_not_xml_or_asks_for_nothing_is_told_so(bank, open_customer):
    who = open_customer(bank)
    bank.upload(who.user, "A.xml", "<Document><AcctRptgReq><GrpHdr>")
    bank.upload(who.user, "B.xml", "<Document><CstmrPmtCxlReq/></Document>")
    bank.work()
    raw = bank.fetch_raw(who.user, "camt052")
    assert [b"FF01" in content for _, content in raw] == [True, True]


def test_an_agreement_that_is_opened_or_closed_is_told_in_a_message(bank, open_customer, order):
    who = open_customer(bank, active=False)
    assert bank.ask("/activate", {"customer": "NOBODY"})[0] == 400
    bank.post("/activate", {"customer": who.customer})
    bank.work()
    bank.post("/activate", {"customer": who.customer, "active": False})
    bank.work()
    told = [etree.fromstring(raw) for _, raw in bank.fetch_raw(who.user, "agreement")]
    namespace = "{urn:simbank:agreement-status:1}"
    assert [one.findtext(f"{namespace}Status") for one in told] == ["ACTIVE", "CLOSED"]
    fields = {etree.QName(element).localname: element.text for element in told[0]}
    assert fields["CustomerNumber"] == who.customer
    assert fields["AgreementId"] == AGREEMENT
    assert fields["Account"] == who.account
    bank.upload(who.user, "F.xml", order(who, "M1", [{"id": "P1", "lines": [LINES[0]]}]))
    bank.work()
    assert bank.fetch(who.user, "pain002")[-1].text("Rsn/Cd") == "BE06"
