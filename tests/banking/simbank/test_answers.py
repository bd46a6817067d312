"""Holds how the bank may answer: levels, odd words, scripted refusals, parked and late payments."""

import pytest

LINE = {"id": "E1", "amount": "100"}
TWO = [LINE, {"id": "E2", "amount": "50", "kid": "12345678"}]  # the KID's check digit is wrong


def send(bank, who, order, lines=(LINE,), **changes):
    bank.upload(
        who.user, "F.xml", order(who, "M1", [{"id": "P1", "lines": list(lines)}], **changes)
    )
    return bank.work()


def last_answer(bank, who):
    return bank.fetch(who.user, "pain002")[-1]


@pytest.mark.parametrize(
    ("levels", "group", "payment", "lines"),
    [
        (None, "PART", "PART", ["RJCT"]),
        ("group", "PART", "PART", ["RJCT"]),
        ("payment", None, "PART", ["RJCT"]),
        ("transaction", None, None, ["ACCP", "RJCT"]),
        ("payment+transaction", None, "PART", ["ACCP", "RJCT"]),
        ("all", "PART", "PART", ["ACCP", "RJCT"]),
    ],
)
def test_an_answer_speaks_at_the_scripted_levels(
    bank, open_customer, order, levels, group, payment, lines
):
    who = open_customer(bank)
    if levels:
        bank.script("levels", value=levels, customer=who.customer)
    send(bank, who, order, TWO)
    answer = last_answer(bank, who)
    assert answer.text("GrpSts") == group
    assert answer.text("PmtInfSts") == payment
    assert answer.texts("TxSts") == lines


def test_a_group_level_answer_says_no_more_where_all_went_well(bank, open_customer, order):
    who = open_customer(bank)
    bank.script("levels", value="group")
    send(bank, who, order)
    answer = last_answer(bank, who)
    assert answer.text("GrpSts") == "ACCP"
    assert answer.all("OrgnlPmtInfAndSts") == []


def test_scripts_hold_for_those_who_are_named_and_so_many_times(bank, open_customer, order):
    who, other = open_customer(bank), open_customer(bank)
    bank.script("refuse_line", value="AC06 Sperret", account=who.account, line="E*", times=1)
    for one in (who, other):
        send(bank, one, order, [LINE, {"id": "E2", "amount": "1"}])
    rows = [(row["status"], row["reason_code"]) for row in bank.transfers(customer=who.customer)]
    assert rows == [("rejected", "AC06"), ("booked", "")]
    assert {row["status"] for row in bank.transfers(customer=other.customer)} == {"booked"}
    assert last_answer(bank, who).text("AddtlInf") == "Sperret"
    assert bank.get("/scripts")["scripts"] == []


def test_a_refusal_holds_for_what_stands_in_the_transaction(bank, open_customer, order):
    who = open_customer(bank)
    bank.script("refuse_line", value="AM09", has="amount=100*; kid=", customer=who.customer)
    lines = [LINE, {"id": "E2", "amount": "1"}, {"id": "E3", "amount": "100", "kid": "1234566"}]
    send(bank, who, order, lines)
    rows = [(row["status"], row["reason_code"]) for row in bank.transfers(customer=who.customer)]
    assert rows == [("rejected", "AM09"), ("booked", ""), ("booked", "")]


@pytest.mark.parametrize("what", ["refuse_file", "refuse_payment"])
def test_whole_files_and_payments_are_refused_as_scripted(bank, open_customer, order, what):
    who = open_customer(bank)
    bank.script(what, value="MS03", customer=who.customer)
    send(bank, who, order)
    answer = last_answer(bank, who)
    assert answer.text("Rsn/Cd") == "MS03"
    assert answer.text("GrpSts" if what == "refuse_file" else "PmtInfSts") == "RJCT"
    assert "booked" not in {row["status"] for row in bank.transfers(customer=who.customer)}


def test_words_that_no_standard_has(bank, open_customer, order):
    who = open_customer(bank)
    for what, value in (
        ("message_name", "pain.001.001.09.xsd"),
        ("unknown_status", "WAIT"),
        ("not_provided", "on"),
        ("bom", "on"),
        ("no_receipt", "on"),
        ("acsc", "on"),
    ):
        bank.script(what, value=value, customer=who.customer)
    send(bank, who, order, TWO)
    raw = bank.fetch_raw(who.user, "pain002")
    assert all(content.startswith(b"\xef\xbb\xbf") for _, content in raw)
    told = b"".join(content for _, content in raw)
    assert told.count(b"<OrgnlMsgNmId>pain.001.001.09.xsd<") == len(raw) == 3
    assert b"ACTC" not in told
    assert b"<PmtInfSts>WAIT<" in told
    assert b"<OrgnlEndToEndId>NOTPROVIDED<" in told
    assert told.count(b"<TxSts>ACSC<") == 1


def test_silence_after_the_receipt_still_pays(bank, open_customer, order):
    who = open_customer(bank)
    bank.script("no_answer", customer=who.customer)
    assert send(bank, who, order)["booked"] == 1
    assert last_answer(bank, who).text("GrpSts") == "ACTC"


def test_acsc_with_dt06(bank, open_customer, order):
    who = open_customer(bank)
    bank.script("dt06", value="ACSC", customer=who.customer)
    send(bank, who, order)
    answer = last_answer(bank, who)
    assert (answer.text("TxSts"), answer.text("Rsn/Cd")) == ("ACSC", "DT06")


# --- the net bank ------------------------------------------------------------------------------


@pytest.mark.parametrize("approve", [True, False])
@pytest.mark.parametrize("why", ["script", "unauthorised", "always"])
def test_a_parked_payment_waits_for_the_net_bank(bank, open_customer, order, why, approve):
    changes = {"unauthorised": "parks"} if why == "unauthorised" else {}
    changes |= {"net_bank_approval": True} if why == "always" else {}
    who = open_customer(bank, **changes)
    if why == "script":
        bank.script("park", customer=who.customer)
    signer = ["P3"] if why == "unauthorised" else ["P1"]  # P3 has no authority
    send(bank, who, order, approvers=signer)
    assert last_answer(bank, who).text("PmtInfSts") == "PDNG"
    assert bank.transfers(customer=who.customer)[0]["status"] == "parked"
    asked = {"customer": who.customer, "payment": "P1", "approve": approve}
    bank.post("/net-bank", asked)
    assert bank.work()["booked"] == int(approve)
    answer = last_answer(bank, who)
    assert answer.text("PmtInfSts") == ("ACCP" if approve else "RJCT")
    assert bank.ask("/net-bank", asked)[0] == 400


def test_a_signer_without_authority_is_rejected_where_the_bank_does_not_park(
    bank, open_customer, order
):
    who = open_customer(bank)
    send(bank, who, order, approvers=["P3"])
    assert last_answer(bank, who).text("Rsn/Cd") == "DS0H"


@pytest.mark.parametrize(
    ("required", "approvers", "code"),
    [
        (1, ["P1"], None),
        (2, ["P1", "P2"], None),
        (2, ["P2", "P1"], None),
        (2, ["P1"], "DS0A"),
        (2, ["P1", "P1"], "DS0A"),
        (2, ["P1", "P3"], "DS0H"),
        (1, ["P3"], "DS0H"),
        (1, ["P3", "P1"], None),
        (1, ["X"], "DS0G"),
    ],
)
def test_the_banks_rule_on_approvers(bank, open_customer, order, required, approvers, code):
    who = open_customer(bank, approvers_required=required)
    send(bank, who, order, approvers=approvers)
    assert last_answer(bank, who).text("Rsn/Cd") == code


# --- days and hours ----------------------------------------------------------------------------


@pytest.fixture
def evening(own_bank):
    """A bank on a Friday after its cut-offs."""
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-07T16:00:00"})
    bank.post("/setup", {"cut_offs": {"domestic": "15:30", "urgent": "18:00"}})
    return bank


def test_what_comes_after_the_cut_off_moves_to_monday(evening, open_customer, order):
    who = open_customer(evening)
    assert send(evening, who, order)["booked"] == 0
    answer = last_answer(evening, who)
    assert (answer.text("TxSts"), answer.text("Rsn/Cd")) == ("ACWC", "DT06")
    assert evening.transfers()[0]["booking_date"] == "2031-02-10"


def test_another_bank_refuses_what_comes_after_the_cut_off(evening, open_customer, order):
    evening.post("/setup", {"after_cut_off": "reject"})
    who = open_customer(evening)
    send(evening, who, order)
    assert last_answer(evening, who).text("Rsn/Cd") == "DT05"


def test_each_kind_of_payment_has_its_own_cut_off(evening, open_customer, order):
    who = open_customer(evening)
    file = order(who, "U1", [{"id": "U1", "lines": [LINE]}]).replace("NURG", "URGP")
    evening.upload(who.user, "U.xml", file)
    assert evening.work()["booked"] == 1


@pytest.mark.parametrize(
    ("rule", "status", "code"),
    [("roll", "ACCP", None), ("tell", "ACWC", "DT06"), ("reject", "RJCT", "DT01")],
)
def test_a_closed_day(evening, open_customer, order, rule, status, code):
    evening.post("/setup", {"closed_day": rule})
    who = open_customer(evening)
    payment = {"id": "S1", "lines": [LINE], "date": "2031-02-08"}  # a Saturday
    evening.upload(who.user, "S.xml", order(who, "S1", [payment]))
    evening.work()
    answer = last_answer(evening, who)
    assert (answer.text("PmtInfSts"), answer.text("Rsn/Cd")) == (status, code)


def test_rules_that_the_bank_does_not_have_are_refused(bank):
    for wrong in (
        {"closed_day": "sleep"},
        {"cut_offs": {"domestic": "25:00"}},
        {"cut_offs": {"lunch": "12:00"}},
        {"holidays": []},
    ):
        assert bank.ask("/setup", wrong)[0] == 400
