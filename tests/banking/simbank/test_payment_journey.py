"""Holds journeys of a payment through the bank that end well, or for one line badly."""

import urllib.request

import pytest

LINE = {"id": "E1", "amount": "1500.50"}


def send(bank, who, text, name="F1.xml"):
    bank.upload(who.user, name, text)
    return bank.work()


def account_of(bank, who):
    rows = bank.get("/books/accounts")["accounts"]
    return next(row for row in rows if row["number"] == who.account)


def test_a_file_is_received_accepted_booked_and_advised(bank, open_customer, order):
    who = open_customer(bank)
    done = send(bank, who, order(who, "J1", [{"id": "PAY1", "lines": [LINE]}]))
    assert (done["taken"], done["booked"], done["no_cover"]) == (1, 1, 0)
    received, accepted = bank.fetch(who.user, "pain002")
    assert received.text("OrgnlMsgId") == "J1"
    assert received.text("OrgnlMsgNmId") == "pain.001.001.09"
    assert received.text("GrpSts") == "ACTC"
    assert received.all("OrgnlPmtInfAndSts") == []
    assert accepted.texts("OrgnlPmtInfAndSts/PmtInfSts") == ["ACCP"]
    assert accepted.all("TxInfAndSts") == []
    (advice,) = bank.fetch(who.user, "camt054")
    assert advice.text("GrpHdr/AddtlInf") == "/DEBT/"
    assert advice.text("TtlDbtNtries/Sum") == advice.text("Ntry/Amt") == "1500.50"
    (transfer,) = bank.transfers(msg_id="J1")
    assert transfer["status"] == "booked"
    names = ("MsgId", "PmtInfId", "InstrId", "EndToEndId", "AcctSvcrRef")
    refs = {name: advice.text(f"TxDtls/Refs/{name}") for name in names}
    assert refs == {
        "MsgId": "J1",
        "PmtInfId": "PAY1",
        "InstrId": "I-E1",
        "EndToEndId": "E1",
        "AcctSvcrRef": transfer["bank_reference"],
    }
    account = account_of(bank, who)
    assert account["balance"] == "98499.50"
    assert account["agrees"]
    with bank.sftp(who.user) as sftp:
        assert sftp.listdir("pain001") == []
        assert sftp.listdir("archive") == ["F1.xml"]


@pytest.mark.parametrize("version", ["03", "09"])
@pytest.mark.parametrize(
    ("pain002", "camt054"),
    [("pain.002.001.03", "camt.054.001.02"), ("pain.002.001.10", "camt.054.001.08")],
)
def test_every_message_is_valid_in_every_version(
    bank, open_customer, order, schemas, version, pain002, camt054
):
    who = open_customer(bank, pain002_version=pain002, camt054_version=camt054)
    lines = [
        LINE,
        {"id": "E2", "amount": "10", "kid": "123456782"},
        {"id": "E3", "amount": "10", "kid": "123"},
        {"id": "E4", "amount": "20", "to": "DE89370400440532013000", "currency": "EUR"},
        {"id": "E5", "amount": "99999999"},
    ]
    salary = [{"id": f"S{place}", "amount": "100"} for place in range(3)]
    text = order(
        who,
        "V1",
        [{"id": "SUP", "lines": lines}, {"id": "SAL", "salary": True, "lines": salary}],
        version=version,
    )
    send(bank, who, text)
    answers = bank.fetch(who.user, "pain002")
    assert [answer.text("GrpSts") for answer in answers] == ["ACTC", "PART", None]
    assert answers[2].texts("Rsn/Cd") == ["AM04"]
    (advice,) = bank.fetch(who.user, "camt054")
    assert {answer.root.nsmap[None].rpartition(":")[2] for answer in answers} == {pain002}
    assert advice.root.nsmap[None].endswith(camt054)
    assert advice.texts("Btch/PmtInfId") == ["SAL"]
    assert advice.texts("Btch/TtlAmt") == ["300.00"]
    assert advice.text("TtlDbtNtries/NbOfNtries") == str(len(advice.all("Ntry"))) == "4"
    assert advice.text("TtlDbtNtries/Sum") == "2040.50"
    assert advice.text("CcyXchg/XchgRate") == "11.500000"
    assert len(advice.all("TxDtls")) == 6
    bank.upload(who.user, "again.xml", text)
    bank.upload(who.user, "broken.xml", "no xml")
    bank.work()
    assert [answer.text("GrpSts") for answer in bank.fetch(who.user, "pain002")] == ["RJCT"] * 2


def test_a_future_payment_is_accepted_now_and_booked_on_its_date(own_bank, open_customer, order):
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-04T09:00:00+01:00"})
    who = open_customer(bank)
    payment = {"id": "LATER", "date": "2031-02-10", "lines": [LINE]}
    send(bank, who, order(who, "FUT", [payment]))
    assert len(bank.fetch(who.user, "pain002")) == 2
    assert bank.transfers()[0]["status"] == "accepted"
    bank.post("/clock", {"advance_days": 5})
    assert bank.work()["booked"] == 0
    bank.post("/clock", {"advance_days": 1})
    assert bank.work()["booked"] == 1
    assert bank.transfers()[0]["booked_date"] == "2031-02-10"
    assert len(bank.fetch(who.user, "camt054")) == 1


def test_a_payment_on_christmas_eve_is_booked_on_the_next_bank_day(own_bank, open_customer, order):
    bank = own_bank()
    bank.post("/clock", {"to": "2030-12-20T09:00:00+01:00"})
    who = open_customer(bank)
    payment = {"id": "XMAS", "date": "2030-12-24", "lines": [LINE]}
    send(bank, who, order(who, "X1", [payment]))
    bank.post("/clock", {"to": "2030-12-26T23:00:00+01:00"})
    assert bank.work()["booked"] == 0
    bank.post("/clock", {"to": "2030-12-27T00:01:00+01:00"})
    assert bank.work()["booked"] == 1
    assert bank.transfers()[0]["booked_date"] == "2030-12-27"


def test_the_clock_goes_forward_only_and_survives_a_restart(own_bank):
    bank = own_bank()
    later = bank.post("/clock", {"to": "2031-03-01T12:00:00+01:00"})["now"]
    assert later.startswith("2031-03-01T12:00:0")
    assert bank.ask("/clock", {"to": "2031-02-28T12:00:00+01:00"})[0] == 409
    assert bank.ask("/clock", {"advance_seconds": -60})[0] == 409
    host_key = bank.ready["host_key"]
    assert bank.stop() == 0
    bank.start()
    assert bank.now() >= later
    assert bank.ready["host_key"] == host_key


def test_lines_without_cover_are_refused_and_smaller_later_ones_are_booked(
    bank, open_customer, order
):
    who = open_customer(bank, balance="100.00")
    lines = [
        {"id": "A", "amount": "60"},
        {"id": "B", "amount": "60"},
        {"id": "C", "amount": "40"},
    ]
    send(bank, who, order(who, "AM", [{"id": "NOCOVER", "lines": lines}]))
    _, accepted, refused = bank.fetch(who.user, "pain002")
    assert accepted.text("PmtInfSts") == "ACCP"
    assert refused.texts("TxInfAndSts/OrgnlEndToEndId") == ["B"]
    assert refused.text("TxSts") == "RJCT"
    assert refused.text("Rsn/Cd") == "AM04"
    booked = {row["end_to_end_id"]: row["status"] for row in bank.transfers(msg_id="AM")}
    assert booked == {"A": "booked", "B": "rejected", "C": "booked"}


def test_five_thousand_transfers_go_through_quickly(bank, open_customer, order):
    who = open_customer(bank, balance="9999999.00")
    lines = [{"id": f"E{place}", "amount": "1.10"} for place in range(5000)]
    done = send(bank, who, order(who, "BIG", [{"id": "BIG", "lines": lines}]))
    assert done["booked"] == 5000
    (advice,) = bank.fetch(who.user, "camt054")
    assert advice.text("TtlDbtNtries/Sum") == "5500.00"
    assert len(advice.all("Ntry")) == 5000


def test_the_page_for_people_shows_the_books(bank, open_customer):
    who = open_customer(bank)
    with urllib.request.urlopen(f"http://127.0.0.1:{bank.ready['control_port']}/") as answer:
        assert who.account in answer.read().decode()


def test_setup_leaves_a_balance_alone_unless_reset(bank, open_customer, order):
    who = open_customer(bank, balance="500.00")
    send(bank, who, order(who, "SET", [{"id": "SET", "lines": [{"id": "1", "amount": "100"}]}]))
    bank.post("/setup", who.setup)
    assert account_of(bank, who)["balance"] == "400.00"
    who.setup["customers"][0]["accounts"][0]["reset"] = True
    bank.post("/setup", who.setup)
    assert account_of(bank, who)["balance"] == "500.00"
    assert account_of(bank, who)["agrees"]
