"""Holds orders in the format before ISO 20022, and the settlements that alone answer them."""

import datetime

import pytest

AGREEMENT = "000123456"


def record(text):
    return f"{text:0<80}"


def old_file(who, orders, *, number=1, count=None, agreement=AGREEMENT):
    """Direkte remittering for orders (reference, øre, account, KID, day as DDMMYY)."""
    lines = [record(f"NY00001000008080{number:07d}00008080")]
    lines.append(record(f"NY040020{agreement}{number:07d}{who.account}"))
    for place, (reference, amount, account, kid, day) in enumerate(orders, 1):
        opening = f"NY04{'16' if kid else '03'}"
        lines.append(record(f"{opening}30{place:07d}{day}{account}{amount:017d}{kid:>25}"))
        lines.append(record(f"{opening}31{place:07d}{'Leverandør'}{reference:<25}{'':25}"))
        if not kid:
            lines.append(
                record(f"{opening}40{place:07d}{'Strøm og Nett AS':<30}0155   {'OSLO':<25}")
            )
            lines.append(record(f"{opening}49{place:07d}0011{'Faktura 12':<40}"))
    total = sum(order[1] for order in orders)
    told = len(orders) if count is None else count
    lines.append(record(f"NY040088{told:08d}{len(lines):08d}{total:017d}"))
    lines.append(record(f"NY000089{told:08d}{len(lines) + 1:08d}{total:017d}"))
    return "\r\n".join(lines) + "\r\n"


@pytest.fixture
def who(bank, open_customer):
    return open_customer(bank, format="nets", agreement_id=AGREEMENT, approvers_required=2)


def send(bank, who, text, name="R.txt"):
    with bank.sftp(who.user) as sftp, sftp.open(f"pain001/{name}", "wb") as remote:
        remote.write(text.encode("iso-8859-1"))
    return bank.work()


def day_of(bank, plus=0):
    day = datetime.date.fromisoformat(bank.now()[:10]) + datetime.timedelta(days=plus)
    return day.strftime("%d%m%y")


def test_what_is_paid_comes_back_as_a_settlement_and_nothing_else(bank, who, account_number):
    today = day_of(bank)
    orders = [
        ("OWN-1", 10050, account_number(500), "2345676", today),
        ("OWN-2", 5000, account_number(501), "", today),
        ("OWN-3", 700, account_number(502), "12345678", today),  # a wrong KID
    ]
    assert send(bank, who, old_file(who, orders))["booked"] == 2
    assert bank.fetch(who.user, "pain002") == []
    assert bank.fetch(who.user, "camt054") == []
    ((name, raw),) = bank.fetch_raw(who.user, "nets")
    assert name.startswith("settlement")
    lines = raw.decode("iso-8859-1").split("\r\n")[:-1]
    assert [line[25:50].strip() for line in lines if line[6:8] == "31"] == ["OWN-1", "OWN-2"]
    assert lines[-1][8:41] == f"{2:08d}{8:08d}{15050:017d}"
    rows = bank.transfers(customer=who.customer)
    assert [row["message"] for row in rows] == ["", "Faktura 12", ""]
    assert rows[2]["status"] == "rejected"


def test_orders_of_one_assignment_are_paid_on_their_own_days(bank, who, account_number):
    orders = [
        ("OWN-1", 100, account_number(500), "", day_of(bank)),
        ("OWN-2", 200, account_number(501), "", day_of(bank, 1)),
    ]
    send(bank, who, old_file(who, orders))
    bank.next_days(4)
    rows = bank.transfers(customer=who.customer)
    assert {row["status"] for row in rows} == {"booked"}
    assert rows[0]["booked_date"] < rows[1]["booked_date"]
    assert len(bank.fetch_raw(who.user, "nets")) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("NY000089", "NY000088"),
        lambda text: text[:300],
        lambda text: text.replace("NY0403", "XX0403"),
        lambda text: text.replace("NY040088", "NY040020"),
    ],
)
def test_a_broken_file_is_refused_without_a_word(bank, who, account_number, spoil):
    orders = [("OWN-1", 100, account_number(500), "", day_of(bank))]
    send(bank, who, spoil(old_file(who, orders)))
    (file,) = [row for row in bank.get("/books/files")["files"] if row["channel"] == who.user]
    assert (file["status"], file["code"]) == ("refused", "FF01")
    assert bank.fetch(who.user, "pain002") == []
    assert bank.fetch_raw(who.user, "nets") == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"count": 2}, "FF01"), ({"agreement": "999999999"}, "BE06")],
)
def test_wrong_totals_and_unknown_agreements_are_refused(bank, who, account_number, changes, code):
    orders = [("OWN-1", 100, account_number(500), "", day_of(bank))]
    send(bank, who, old_file(who, orders, **changes))
    (file,) = [row for row in bank.get("/books/files")["files"] if row["channel"] == who.user]
    assert (file["status"], file["code"]) == ("refused", code)


def test_an_old_agreement_takes_no_pain_001(bank, who, order):
    text = order(
        who, "M1", [{"id": "P", "lines": [{"id": "1", "amount": "1"}]}], agreement=AGREEMENT
    )
    bank.upload(who.user, "F.xml", text)
    bank.work()
    assert bank.fetch(who.user, "pain002")[-1].text("Rsn/Cd") == "AG01"
