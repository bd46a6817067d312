"""Holds money that comes in or comes back, statements, and advices with oddities."""

from decimal import Decimal

import pytest

LINE = {"id": "E1", "amount": "100"}
SALARY = [{"id": "S1", "amount": "30"}, {"id": "S2", "amount": "70"}]


@pytest.fixture
def bank(own_bank):
    """A bank of the test's own on a quiet Tuesday, whose clock stands."""
    bank = own_bank()
    bank.post("/clock", {"to": "2031-02-04T09:00:00"})
    bank.post("/clock", {"stand": True})
    return bank


@pytest.fixture
def customer(bank, open_customer):
    def register(**account):
        who = open_customer(bank)
        who.setup["customers"][0]["accounts"][0] |= account
        bank.post("/setup", who.setup)
        return who

    return register


def pay(bank, who, order, lines=(LINE,), salary=False, msg_id="M1"):
    payment = {"id": f"P-{msg_id}", "lines": list(lines), "salary": salary}
    bank.upload(who.user, "F.xml", order(who, msg_id, [payment]))
    return bank.work()


def advices(bank, who):
    return bank.fetch(who.user, "camt054")


def account_of(bank, who):
    rows = bank.get("/books/accounts")["accounts"]
    return next(row for row in rows if row["number"] == who.account)


# --- money in ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kid", ["0012345674", "1" * 24 + "-", "9" * 25])
def test_a_kid_comes_in_as_it_was_given(bank, customer, kid):
    who = customer()
    payment = {"account": who.account, "amount": "12.50", "kid": kid, "payer_name": "Åse Ås"}
    bank.post("/incoming", payment)
    assert bank.work()["received"] == 1
    (advice,) = advices(bank, who)
    assert advice.text("GrpHdr/AddtlInf") == "/CRED/"
    assert advice.text("CdtrRefInf/Ref") == kid
    assert advice.text("Ntry/Amt") == "12.50"
    assert advice.text("Ntry/CdtDbtInd") == "CRDT"
    assert advice.text("Dbtr/Pty/Nm") == "Åse Ås"
    assert advice.text("Refs/EndToEndId") == "NOTPROVIDED"
    assert account_of(bank, who) | {"balance": "100012.50", "agrees": True} == account_of(bank, who)


def test_the_kid_may_stand_in_the_text_or_nowhere(bank, customer):
    who = customer()
    bank.script("kid_as_text", customer=who.customer)
    bank.post("/incoming", {"account": who.account, "amount": "1", "kid": "2345676"})
    bank.post("/incoming", {"account": who.account, "amount": "1", "message": "Takk"})
    bank.work()
    (advice,) = advices(bank, who)
    assert advice.texts("Ustrd") == ["KID 2345676", "Takk"]
    assert advice.all("CdtrRefInf") == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"account": "12345678903", "amount": "1"},
        {"amount": "0"},
        {"amount": "x"},
        {"amount": "1", "kid": "12-3"},
        {"amount": "1", "type": "99"},
        {"amount": "1", "date": "2031-02-03"},
        {"amount": "1", "date": "i morgen"},
        {"amount": "1", "message": "a\x01b"},
        {"amount": "1", "message": "x" * 141},
        {"amount": "1", "payer_name": "Linje\nto"},
        {"amount": "1", "colour": "red"},
    ],
)
def test_a_wrong_incoming_payment_is_refused_and_nothing_entered(bank, customer, wrong):
    who = customer()
    assert bank.ask("/incoming", {"account": who.account, **wrong})[0] == 400
    assert bank.get("/books/credits")["credits"] == []


def records(raw):
    lines = raw.decode("iso-8859-1").split("\r\n")
    assert lines.pop() == ""
    assert {len(line) for line in lines} == {80}
    return lines


def test_ocr_giro_has_an_assignment_for_each_account(bank, customer, account_number):
    who = customer(incoming="ocr", ocr_agreement="123456789")
    second = account_number(90_001)
    setup = who.setup["customers"][0]
    other = {"number": second, "incoming": "both", "ocr_agreement": "987654321"}
    setup["accounts"].append(other)
    bank.post("/setup", who.setup)
    for account, amount, more in (
        (who.account, "10", {"kid": "2345676"}),
        (who.account, "20", {"kid": "2345676", "type": "18", "correction": True}),
        (who.account, "30", {"message": "Uten KID"}),
        (second, "40", {"kid": "000123450", "type": "21", "message": "Kjøp på nett"}),
    ):
        bank.post("/incoming", {"account": account, "amount": amount, **more})
    bank.work()
    ((name, raw),) = bank.fetch_raw(who.user, "nets")
    assert name.endswith(".txt")
    lines = records(raw)
    assert [line[4:8] for line in lines] == [
        *("0010", "0020", "1030", "1031", "1830", "1831", "0088"),
        *("0020", "2130", "2131", "2132", "0088", "0089"),
    ]
    assert lines[4][31] == "-"
    assert lines[2][49:74] == f"{'2345676':>25}"
    assert lines[1][8:17] == "123456789"
    assert lines[10][15:55].rstrip() == "Kjøp på nett"
    # Totals add reversals.
    assert lines[6][8:41] == f"{2:08d}{6:08d}{3000:017d}"
    assert lines[12][8:41] == f"{3:08d}{13:08d}{7000:017d}"
    (advice,) = advices(bank, who)
    assert sorted(advice.texts("Ntry/Amt")) == ["30.00", "40.00"]
    assert account_of(bank, who)["balance"] == "100020.00"


@pytest.mark.parametrize("what", ["ocr_no_end", "ocr_totals"])
def test_ocr_giro_may_be_broken(bank, customer, what):
    who = customer(incoming="ocr")
    bank.script(what, account=who.account)
    bank.post("/incoming", {"account": who.account, "amount": "10", "kid": "2345676"})
    bank.work()
    ((_, raw),) = bank.fetch_raw(who.user, "nets")
    last = records(raw)[-1]
    assert last[6:8] == ("88" if what == "ocr_no_end" else "89")
    assert int(last[24:41]) == (1000 if what == "ocr_no_end" else 1100)


def test_random_traffic_follows_from_the_seed(bank, customer):
    bank.post("/setup", {"seed": 7})
    who = customer(traffic=5, statements=1)
    assert bank.work()["received"] == 5
    assert bank.work()["received"] == 0
    assert bank.next_days(6)["received"] == 4 * 5  # four bank days and a weekend
    rows = bank.get("/books/credits")["credits"]
    assert len({row["booked_date"] for row in rows}) == 5
    assert {row["account"] for row in rows} == {who.account}
    assert account_of(bank, who)["agrees"]


# --- what comes back ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["credit", "reversal"])
def test_scripted_payments_come_back_the_next_bank_day(bank, customer, order, how):
    who = customer()
    bank.script("give_back", value=how, customer=who.customer, line="E1")
    pay(bank, who, order, [LINE, {"id": "E2", "amount": "5"}])
    advices(bank, who)
    assert bank.next_days()["received"] == 1
    (advice,) = advices(bank, who)
    assert advice.text("Ntry/CdtDbtInd") == "CRDT"
    assert advice.text("Ntry/RvslInd") == ("true" if how == "reversal" else None)
    assert advice.text("RtrInf/Rsn/Cd") == ("AC04" if how == "credit" else None)
    assert (advice.text("Refs/PmtInfId"), advice.text("Refs/EndToEndId")) == ("P-M1", "E1")
    assert account_of(bank, who)["balance"] == "99995.00"


def test_money_comes_back_once_on_command(bank, customer, order):
    who = customer()
    pay(bank, who, order)
    asked = {"customer": who.customer, "payment": "P-M1", "line": "E1", "reason": "AC03"}
    assert bank.ask("/give-back", asked | {"line": "E9"})[0] == 400
    bank.post("/give-back", asked)
    assert bank.ask("/give-back", asked)[0] == 400
    bank.work()
    assert advices(bank, who)[-1].text("RtrInf/Rsn/Cd") == "AC03"


# --- oddities of advices ------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "status"), [("pending_first", "PDNG"), ("info_first", "INFO")])
def test_entries_may_come_before_they_are_booked(bank, customer, order, what, status):
    who = customer()
    bank.script(what, customer=who.customer)
    pay(bank, who, order)
    early, booked = advices(bank, who)
    assert (early.text("Ntry/Sts/Cd"), booked.text("Ntry/Sts/Cd")) == (status, "BOOK")
    assert early.text("EndToEndId") == booked.text("EndToEndId") == "E1"


def test_the_same_debit_may_be_advised_in_two_messages(bank, customer, order):
    who = customer()
    bank.script("advise_twice", account=who.account)
    pay(bank, who, order)
    first, second = advices(bank, who)
    assert first.text("GrpHdr/MsgId") != second.text("GrpHdr/MsgId")
    assert first.text("Refs/AcctSvcrRef") == second.text("Refs/AcctSvcrRef")


@pytest.mark.parametrize("version", ["camt.054.001.02", "camt.054.001.08"])
@pytest.mark.parametrize("what", ["no_details", "totals", "decimals", "not_provided"])
def test_a_batch_may_be_odd_and_is_still_valid(bank, customer, order, schemas, what, version):
    who = customer()
    who.setup["customers"][0]["camt054_version"] = version
    bank.post("/setup", who.setup)
    bank.script(what, customer=who.customer, **({"value": 5} if what == "decimals" else {}))
    pay(bank, who, order, SALARY, salary=True)
    (advice,) = advices(bank, who)
    assert len(advice.all("TxDtls")) == (0 if what == "no_details" else 2)
    total = Decimal(101) if what == "totals" else Decimal(100)
    assert Decimal(advice.text("Btch/TtlAmt")) == total
    assert advice.text("Ntry/Amt") == ("100.00000" if what == "decimals" else "100.00")
    if what == "not_provided":
        assert set(advice.texts("Refs/EndToEndId")) == {"NOTPROVIDED"}


# --- statements --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["camt.053.001.02", "camt.053.001.08"])
def test_each_bank_day_is_closed_with_a_statement(bank, customer, order, schemas, version):
    who = customer(statements=1)
    who.setup["customers"][0]["camt053_version"] = version
    bank.post("/setup", who.setup)
    pay(bank, who, order, SALARY, salary=True)
    bank.post("/incoming", {"account": who.account, "amount": "250", "kid": "2345676"})
    assert bank.work()["statements"] == 0
    assert bank.next_days()["statements"] == 1
    pay(bank, who, order, msg_id="M2")
    assert bank.next_days(6)["statements"] == 4  # over a weekend
    found = bank.fetch(who.user, "camt053")
    assert [one.text("ElctrncSeqNb") for one in found] == ["1", "2", "3", "4", "5"]
    balances = [one.texts("Bal/Amt") for one in found]
    assert balances[0] == ["100000.00", "100150.00"]
    assert balances[1] == ["100150.00", "100050.00"]
    assert balances[2] == ["100050.00", "100050.00"]
    assert len(found[0].all("Ntry")) == 2
    assert len(found[0].all("TxDtls")) == 3
    assert found[0].text("TtlCdtNtries/Sum") == "250.00"
    assert found[0].text("TtlDbtNtries/Sum") == "100.00"
    assert found[2].all("Ntry") == []


def test_a_statement_may_disagree_with_itself(bank, customer):
    who = customer(statements=1)
    bank.script("totals", account=who.account)
    bank.next_days()
    (found,) = bank.fetch(who.user, "camt053")
    assert found.texts("Bal/Amt") == ["100000.00", "100001.00"]
