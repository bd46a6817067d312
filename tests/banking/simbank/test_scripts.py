"""Holds the misbehaviour that is scripted at the bank's door and in its answers."""

import time

import paramiko
import pytest

LINE = {"id": "E1", "amount": "100"}
CUT = (OSError, EOFError, paramiko.SSHException)


def payment_file(order, who, msg_id="M1", payment="P1"):
    return order(who, msg_id, [{"id": payment, "lines": [LINE]}])


def test_a_lost_reply_leaves_the_file_with_the_bank(bank, open_customer, order):
    who = open_customer(bank)
    bank.post("/scripts", {"what": "lose_reply", "times": 1})
    with pytest.raises(CUT):
        bank.upload(who.user, "F.xml", payment_file(order, who))
    assert bank.get("/scripts")["scripts"] == []
    bank.work()
    with bank.sftp(who.user) as sftp:
        assert sftp.listdir("pain001") == []
        assert sftp.listdir("archive") == ["F.xml"]
    assert [row["status"] for row in bank.transfers(customer=who.customer)] == ["booked"]


def test_a_cut_upload_leaves_no_final_file(bank, open_customer, order):
    who = open_customer(bank)
    bank.post("/scripts", {"what": "cut_upload", "times": 1})
    with pytest.raises(CUT):
        bank.upload(who.user, "F.xml", payment_file(order, who))
    bank.work()
    with bank.sftp(who.user) as sftp:
        assert sftp.listdir("pain001") == ["F.xml.part"]
        assert 0 < sftp.stat("pain001/F.xml.part").st_size < len(payment_file(order, who))
        assert sftp.listdir("archive") == []
    bank.upload(who.user, "F.xml", payment_file(order, who))
    assert bank.work()["booked"] == 1


def test_a_silent_bank_takes_files_and_answers_later(bank, open_customer, order):
    who = open_customer(bank)
    bank.post("/scripts", {"what": "silent"})
    bank.upload(who.user, "F.xml", payment_file(order, who))
    bank.work()
    with bank.sftp(who.user) as sftp:
        assert sftp.listdir("archive") == ["F.xml"]
    assert bank.fetch(who.user, "pain002") == []
    bank.post("/scripts/remove", {})
    bank.work()
    assert len(bank.fetch(who.user, "pain002")) == 2
    assert len(bank.fetch(who.user, "camt054")) == 1


def test_late_refusals_for_want_of_cover_come_hours_after_acceptance(
    own_bank, open_customer, order
):
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-04T09:00:00+01:00"})
    who = open_customer(bank, balance="1.00")
    bank.post("/scripts", {"what": "late_am04"})
    bank.upload(who.user, "F.xml", payment_file(order, who))
    bank.work()
    assert len(bank.fetch(who.user, "pain002")) == 2
    assert bank.transfers()[0]["status"] == "pending"
    bank.post("/clock", {"advance_seconds": 3 * 3600})
    bank.work()
    (late,) = bank.fetch(who.user, "pain002")
    assert late.text("Rsn/Cd") == "AM04"
    assert bank.fetch(who.user, "camt054") == []


def test_a_pending_line_is_booked_when_cover_comes_in_time(own_bank, open_customer, order):
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-04T09:00:00+01:00"})
    who = open_customer(bank, balance="1.00")
    bank.post("/scripts", {"what": "late_am04"})
    bank.upload(who.user, "F.xml", payment_file(order, who))
    bank.work()
    who.setup["customers"][0]["accounts"][0] |= {"balance": "1000.00", "reset": True}
    bank.post("/setup", who.setup)
    assert bank.work()["booked"] == 1


def test_a_moved_date_is_told_as_dt06_and_booked_a_bank_day_later(own_bank, open_customer, order):
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-07T09:00:00+01:00"})
    who = open_customer(bank)
    bank.post("/scripts", {"what": "dt06"})
    bank.upload(who.user, "F.xml", payment_file(order, who))
    assert bank.work()["booked"] == 0
    _, answer = bank.fetch(who.user, "pain002")
    assert (answer.text("TxSts"), answer.text("Rsn/Cd")) == ("ACWC", "DT06")
    assert "2031-02-10" in answer.text("AddtlInf")
    bank.post("/clock", {"advance_days": 3})
    assert bank.work()["booked"] == 1


def test_answers_may_come_twice_under_different_names(bank, open_customer, order):
    who = open_customer(bank)
    bank.post("/scripts", {"what": "answer_twice"})
    bank.upload(who.user, "F.xml", payment_file(order, who))
    bank.work()
    answers = bank.fetch(who.user, "pain002")
    assert [answer.text("GrpSts") for answer in answers] == ["ACTC", "ACTC", "ACCP", "ACCP"]
    assert len({answer.name for answer in answers}) == 4
    assert len({answer.text("GrpHdr/MsgId") for answer in answers}) == 2


def test_the_debit_advice_may_come_before_the_last_answer(bank, open_customer, order):
    who = open_customer(bank)
    bank.post("/scripts", {"what": "camt_first"})
    bank.upload(who.user, "F.xml", payment_file(order, who))
    bank.work()
    assert [answer.text("GrpSts") for answer in bank.fetch(who.user, "pain002")] == ["ACTC"]
    assert len(bank.fetch(who.user, "camt054")) == 1
    bank.work()
    assert [answer.text("GrpSts") for answer in bank.fetch(who.user, "pain002")] == ["ACCP"]


def test_an_unknown_fault_is_refused(bank):
    assert bank.ask("/scripts", {"what": "sulk"})[0] == 400
    assert bank.ask("/scripts", {"what": "silent", "value": "loud"})[0] == 400


def test_a_slow_bank_makes_its_customers_wait(bank, open_customer):
    who = open_customer(bank)
    with bank.sftp(who.user) as sftp:
        bank.post("/scripts", {"what": "slow", "value": 300})
        started = time.monotonic()
        sftp.listdir("pain001")
        assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"what": "refuse_line", "has": "town"}, "'town' is not one of date, payee"),
        ({"what": "refuse_line", "has": "kid=*; foo=bar"}, "'foo=bar' is not one of"),
        ({"what": "refuse_line", "value": "toolongcode"}, "does not begin with a code as AC03"),
        ({"what": "refuse_file", "value": "ac03 sentence"}, "does not begin with a code"),
    ],
)
def test_a_script_that_would_never_hold_is_refused(bank, wanted, told):
    code, answer = bank.ask("/scripts", wanted)
    assert code == 400
    assert told in answer["error"]
    assert bank.get("/scripts")["scripts"] == []


def test_what_comes_on_a_closed_day_is_booked_on_the_next(own_bank, open_customer):
    bank = own_bank()
    who = open_customer(bank)
    saturday, monday = "2031-02-08", "2031-02-10"
    bank.post("/incoming", {"account": who.account, "amount": "5", "date": saturday})
    (credit,) = bank.get("/books/credits")["credits"]
    assert credit["booked_date"] == monday
