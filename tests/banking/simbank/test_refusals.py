"""Holds every refusal of the bank: of a file, of a payment, of a line."""

import pytest

LINE = {"id": "E1", "amount": "100"}
DOCTYPE = '<!DOCTYPE x [<!ENTITY a "b">]>'


def answers_to(bank, who, text):
    bank.upload(who.user, "F.xml", text)
    bank.work()
    return bank.fetch(who.user, "pain002")


def refuse_whole(bank, who, text):
    (answer,) = answers_to(bank, who, text)
    assert answer.text("OrgnlGrpInfAndSts/GrpSts") == "RJCT"
    assert answer.all("OrgnlPmtInfAndSts") == []
    assert bank.transfers(customer=who.customer) == []
    assert bank.fetch(who.user, "camt054") == []
    return answer.text("Rsn/Cd")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"version": "11"}, "FF01"),
        ({"customer": "NOBODY"}, "BE06"),
        ({"agreement": "OTHER"}, "BE06"),
        ({"count": 2}, "AM18"),
        ({"total": "99.99"}, "AM10"),
        ({"approvers": ["P1", "P9"]}, "DS0G"),
        ({"approvers": []}, "DS0A"),
    ],
)
def test_a_file_with_a_wrong_header_is_refused_whole(bank, open_customer, order, changes, code):
    who = open_customer(bank)
    assert (
        refuse_whole(bank, who, order(who, "H1", [{"id": "P", "lines": [LINE]}], **changes)) == code
    )


@pytest.mark.parametrize("text", ["", "%PDF-1.4", "<Document/>", DOCTYPE + "<Document/>"])
def test_what_is_not_a_payment_file_is_refused_whole(bank, open_customer, text):
    assert refuse_whole(bank, open_customer(bank), text) == "FF01"


def test_a_document_type_declaration_is_refused(bank, open_customer, order):
    who = open_customer(bank)
    assert (
        refuse_whole(bank, who, DOCTYPE + order(who, "DT", [{"id": "P", "lines": [LINE]}]))
        == "FF01"
    )


def test_half_a_file_is_refused_and_may_come_again_whole(bank, open_customer, order):
    who = open_customer(bank)
    text = order(who, "HALF", [{"id": "P", "lines": [LINE]}])
    assert refuse_whole(bank, who, text[: len(text) // 2 + 300]) == "FF01"
    assert len(answers_to(bank, who, text)) == 2


def test_an_inactive_agreement_is_refused(bank, open_customer, order):
    who = open_customer(bank, active=False)
    assert refuse_whole(bank, who, order(who, "IN", [{"id": "P", "lines": [LINE]}])) == "BE06"


def test_another_channels_customer_is_unknown(bank, open_customer, order):
    who, other = open_customer(bank), open_customer(bank)
    text = order(who, "OC", [{"id": "P", "lines": [LINE]}], customer=other.customer)
    assert refuse_whole(bank, who, text) == "BE06"


@pytest.mark.parametrize("approvers", [["P1"], ["P1", "P1"]])
def test_two_different_approvers_are_needed_where_two_are_registered(
    bank, open_customer, order, approvers
):
    who = open_customer(bank, approvers_required=2)
    text = order(who, "TWO", [{"id": "P", "lines": [LINE]}], approvers=approvers)
    assert refuse_whole(bank, who, text) == "DS0A"


def test_a_repeated_message_id_books_nothing_more(bank, open_customer, order):
    who = open_customer(bank)
    text = order(who, "DUP", [{"id": "P", "lines": [LINE]}])
    before = bank.get("/books/summary")["duplicates_refused"]
    answers_to(bank, who, text)
    (answer,) = answers_to(bank, who, text)
    assert (answer.text("GrpSts"), answer.text("Rsn/Cd")) == ("RJCT", "DU01")
    assert answer.text("OrgnlMsgId") == "DUP"
    assert len(bank.transfers(msg_id="DUP")) == 1
    assert bank.get("/books/duplicates") == {"duplicates": []}
    assert bank.get("/books/summary")["duplicates_refused"] == before + 1
    with bank.sftp(who.user) as sftp:
        assert sorted(sftp.listdir("archive")) == ["F.xml", "F.xml.1"]


def refuse_payment(bank, who, text):
    _, answer = answers_to(bank, who, text)
    assert answer.text("GrpSts") is None
    assert answer.texts("PmtInfSts") == ["RJCT"]
    assert answer.all("TxInfAndSts") == []
    return answer.text("OrgnlPmtInfAndSts/StsRsnInf/Rsn/Cd")


@pytest.mark.parametrize(
    ("payment", "header", "code"),
    [
        ({"account": "15034040505"}, {}, "AC02"),
        ({}, {"approvers": ["P3"]}, "DS0H"),
        ({"date": "2020-01-02"}, {}, "DT01"),
        ({"date": "2099-01-02"}, {}, "DT01"),
    ],
)
def test_a_payment_is_refused_by_itself(bank, open_customer, order, payment, header, code):
    who = open_customer(bank)
    text = order(who, "PR", [{"id": "P", "lines": [LINE], **payment}], **header)
    assert refuse_payment(bank, who, text) == code
    (transfer,) = bank.transfers(customer=who.customer)
    assert (transfer["status"], transfer["reason_code"]) == ("rejected", code)


def test_both_approvers_need_authority_where_two_are_required(bank, open_customer, order):
    who = open_customer(bank, approvers_required=2)
    text = order(who, "BOTH", [{"id": "P", "lines": [LINE]}], approvers=["P1", "P3"])
    assert refuse_payment(bank, who, text) == "DS0H"
    text = order(who, "BOTH2", [{"id": "P", "lines": [LINE]}], approvers=["P2", "P1"])
    assert answers_to(bank, who, text)[1].text("GrpSts") == "ACCP"


def test_a_payment_number_is_used_once_but_a_refused_file_uses_none(bank, open_customer, order):
    who = open_customer(bank)
    payments = [{"id": "ONCE", "lines": [LINE]}]
    assert refuse_whole(bank, who, order(who, "N1", payments, agreement="WRONG")) == "BE06"
    assert len(answers_to(bank, who, order(who, "N2", payments))) == 2
    assert refuse_payment(bank, who, order(who, "N3", payments)) == "DU02"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ({"to": "12345678901"}, "AC03"),
        ({"to": "1503404050"}, "AC03"),
        ({"to": "NO9386011117948"}, "AC03"),
        ({"amount": "0"}, "AM09"),
        ({"amount": "-5"}, "AM09"),
        ({"amount": "1.005"}, "AM09"),
        ({"currency": "XXX"}, "AM11"),
        ({"kid": "123456789"}, "RR07"),
        ({"id": "GOOD"}, "DU04"),
    ],
)
def test_a_bad_line_is_refused_and_the_others_are_booked(bank, open_customer, order, line, code):
    who = open_customer(bank)
    lines = [{"id": "GOOD", "amount": "7"}, {**LINE, **line}]
    _, answer = answers_to(bank, who, order(who, "BL", [{"id": "P", "lines": lines}]))
    assert (answer.text("GrpSts"), answer.text("PmtInfSts")) == ("PART", "PART")
    assert len(answer.all("TxInfAndSts")) == 1
    assert answer.text("TxInfAndSts/StsRsnInf/Rsn/Cd") == code
    statuses = [row["status"] for row in bank.transfers(customer=who.customer)]
    assert statuses == ["booked", "rejected"]


def test_a_good_kid_of_either_modulus_is_paid(bank, open_customer, order):
    who = open_customer(bank)
    lines = [
        {"id": kid, "amount": "1", "kid": kid}
        for kid in ("123456782", "123456785", "0000000000000000000000000")
    ]
    assert (
        answers_to(bank, who, order(who, "KID", [{"id": "P", "lines": lines}]))[1].text("GrpSts")
        == "ACCP"
    )


def test_payees_have_their_own_rules(bank, open_customer, order, account_number):
    who = open_customer(bank)
    closed, needs, plain = (account_number(place) for place in (90_001, 90_002, 90_003))
    bank.post(
        "/setup",
        {
            "payees": [
                {"account": closed, "name": "Borte AS", "closed": True},
                {"account": needs, "name": "Nett AS", "kid": "required", "modulus": "MOD11"},
                {"account": plain, "name": "Uten AS", "kid": "none"},
            ]
        },
    )
    lines = [
        {"id": "1", "amount": "1", "to": closed},
        {"id": "2", "amount": "1", "to": needs},
        {"id": "3", "amount": "1", "to": needs, "kid": "123456782"},
        {"id": "4", "amount": "1", "to": needs, "kid": "123456785"},
        {"id": "5", "amount": "1", "to": plain, "kid": "123456782"},
        {"id": "6", "amount": "1", "to": plain},
    ]
    _, answer = answers_to(bank, who, order(who, "PAYEE", [{"id": "P", "lines": lines}]))
    assert answer.texts("TxInfAndSts/OrgnlEndToEndId") == ["1", "2", "3", "5"]
    assert answer.texts("TxInfAndSts/StsRsnInf/Rsn/Cd") == ["AC04", "NARR", "RR07", "RR07"]
    assert answer.texts("TxInfAndSts/StsRsnInf/AddtlInf")[1:3] == ["KID required", "Ugyldig KID"]
