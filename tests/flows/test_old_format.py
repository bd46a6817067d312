"""An agreement in the old format: sent as Direkte remittering, settled by what comes back."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest

from banking import inbox, tables
from banking.models import BankAgreement, BankFile
from banking.nets import reader as nets
from banking.nets.values import Order
from payments import outcomes, remittance
from payments.models import PaymentLine
from portal.access import tenancy
from portal.access.roles import Role
from tests import kit
from tests.flows import test_main_job as job
from tests.flows import test_owning as owning
from tests.kit import Bank, Erp, Line, Stage

NUMBERS = {"customer_number": "00012345", "agreement_id": "000123456"}


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank, approvers=2)
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(file_format="nets", **NUMBERS)
    made.agreement = BankAgreement(pk=made.agreement.pk, account=made.agreement.account, **NUMBERS)
    tell(bank, made, balance="1000000.00")
    return made


def tell(bank: Bank, made: Stage, **account: Any) -> None:
    number = made.agreement.account.number
    customer = {
        **NUMBERS,
        "name": made.company.name,
        "channel": "kvitt",
        "format": "nets",
        "accounts": [{"number": number, "reset": True, **account}],
    }
    bank.ask("/setup", {"customers": [customer]})


def approved(made: Stage, lines: list[Line], number: str = "B1") -> dict[str, Any]:
    body = kit.pain001({number: lines}, account=made.agreement.account.number, due=kit.soon())
    answer = Erp(made).post("payments", body)
    assert answer.status_code == 201, answer.content
    job.sign(made, made.users["anne"])
    job.sign(made, made.users["bjorn"])
    return dict(answer.json())


def settle(made: Stage, bank: Bank) -> None:
    bank.work()
    bank.pass_days()
    bank.work()
    job.fetch(made)


LINES = [
    Line("L1", "100.50", kit.account(70), kid="2345676"),
    Line("L2", "200.00", kit.account(71), message="Faktura æøå 12 " * 8),
    Line("L3", "0.01", kit.account(72), name="Et navn som er lengre enn de tretti tegnene"),
]


def test_payments_are_sent_as_direkte_remittering_and_settled_by_what_comes_back(
    made: Stage, bank: Bank
) -> None:
    approved(made, LINES)
    (file_id,) = job.send(made)
    with made.scope():
        file = BankFile.objects.get(pk=file_id)
        assert (file.kind, file.name[-4:], file.status) == (
            "direkte-remittering",
            ".txt",
            "delivered",
        )
        with inbox.opened(file) as content:
            orders = [one for one in nets.read(content) if isinstance(one, Order)]
    assert [(one.amount, one.kid) for one in orders] == [
        (Decimal("100.50"), "2345676"),
        (Decimal("200.00"), None),
        (Decimal("0.01"), None),
    ]
    assert " ".join(orders[1].message) == ("Faktura æøå 12 " * 8).strip()
    assert orders[2].name == "Et navn som er lengre enn de t"
    assert set(job.statuses(made).values()) == {"sent"}
    settle(made, bank)
    assert set(job.statuses(made).values()) == {"settled"}
    with made.scope():
        line = PaymentLine.objects.order_by("position")[0]
        assert line.booked_date is not None
        assert line.bank_reference
        back = BankFile.objects.get(direction="in")
        assert (back.kind, back.status, back.remarks) == ("direkte-remittering", "read", None)
        assert (tables.kind_of(file), tables.kind_of(back)) == (
            "Betalinger (Direkte remittering)",
            "Utførte betalinger (Direkte remittering)",
        )


def test_only_ones_own_lines_as_sent_show_whose_a_settlement_is(made: Stage, bank: Bank) -> None:
    """The format has no receipt: where people alone have activated the agreement, the lines that
    the bank tells of, as they were sent, are what shows that the account is the company's."""
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    number = kit.account(78)
    mine = owning.written(made, "active", number=number, file_format="nets", **NUMBERS)
    other = kit.stage(place=2)
    other.channel = made.channel
    other.users["kari"] = kit.person("lise", other.company, Role.AUTOPAY_ADMINISTRATOR)
    owning.written(other, "ordered", number=number, file_format="nets")
    with made.scope():
        mine = BankAgreement.objects.select_related("account").get(pk=mine.pk)
        assert not BankAgreement.objects.filter(inbox.known_by_bank(), pk=mine.pk).exists()
    made.agreement = mine
    tell(bank, made, balance="1000000.00")
    approved(made, [LINES[0]])
    job.send(made)
    bank.work()
    bank.pass_days()
    bank.work()
    with tenancy.acting_for((), unclaimed=True):
        inbox.poll(made.channel.pk)
        (whole,) = BankFile.objects.filter(direction="in", kind="direkte-remittering")
        with inbox.opened(whole) as content:
            raw = content.read()
        changed = raw.replace(b"00000000000010050", b"00000000000010051")
        assert changed != raw
        odd, _new = inbox.keep(
            bank_channel=made.channel, name="odd.txt", content=io.BytesIO(changed)
        )
    outcomes.take_one(odd.pk)
    outcomes.take_one(whole.pk)
    with tenancy.acting_for([made.company], unclaimed=True):
        odd.refresh_from_db()
        whole.refresh_from_db()
    assert odd.error is not None
    assert (odd.company_id, odd.error["code"]) == (None, "unconfirmed-account")
    assert (whole.company_id, whole.status, whole.remarks) == (made.company.pk, "read", None)
    assert job.statuses(made) == {"L1": "settled"}


def test_what_the_bank_refuses_stays_sent_and_the_rest_is_settled(made: Stage, bank: Bank) -> None:
    bank.ask("/scripts", {"what": "refuse_line", "value": "AC04", "line": "*-1"})
    approved(made, [LINES[0], LINES[2]])
    job.send(made)
    settle(made, bank)
    assert job.statuses(made) == {"L1": "sent", "L3": "settled"}


def set_by_hand(
    made: Stage, act: str, *, name: str = "anne", reason: str = "Avvist i nettbanken"
) -> tuple[str, str]:
    """Chooses the first line on the payment's page and presses a button; both pages."""
    with made.scope():
        line = PaymentLine.objects.select_related("payment").get(reference="L1")
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    address = f"/c/{made.company.public_id}/outgoing/{line.payment_id}/"
    page = client.get(address).content.decode()
    sent = {"line": line.pk, "act": act, "seen_at_bank": reason}
    return page, client.post(address + "lines/", sent, follow=True).content.decode()


@pytest.mark.parametrize(
    ("act", "status", "code"),
    [
        ("set_rejected", "rejected", 7),
        ("set_settled", "settled", 5),
        ("set_cancelled", "cancelled_bank", 4),
    ],
)
def test_what_the_bank_does_not_tell_is_set_by_hand_with_a_reason(
    made: Stage, bank: Bank, act: str, status: str, code: int
) -> None:
    bank.ask("/scripts", {"what": "refuse_line", "value": "AC04", "line": "*-1"})
    approved(made, [LINES[0], LINES[2]])
    job.send(made)
    settle(made, bank)
    page, _told = set_by_hand(made, "nothing")
    assert "Set by hand what the bank did" in page
    assert "bank tells of settled payments only" in page
    _page, told = set_by_hand(made, act, reason=" ")
    assert "write why first" in told
    assert job.statuses(made)["L1"] == "sent"
    _page, told = set_by_hand(made, act)
    assert "1 line is set by hand" in told
    assert job.statuses(made) == {"L1": status, "L3": "settled"}
    (event,) = [row for row in Erp(made).events() if row["event"] == act]
    assert (event["reference"], event["erp_code"]) == ("L1", code)
    assert [reason["code"] for reason in event["reasons"]] == ["by-hand"]
    assert event["reasons"][0]["text"] == "Avvist i nettbanken"
    _page, told = set_by_hand(made, "set_settled")
    assert "has moved on" in told
    assert job.statuses(made)["L1"] == status


def test_nothing_is_set_by_hand_where_the_bank_tells(made: Stage, bank: Bank) -> None:
    approved(made, [LINES[0]])
    job.send(made)
    with made.scope():
        BankAgreement.objects.filter(pk=made.agreement.pk).update(file_format="iso20022")
    page, told = set_by_hand(made, "set_settled")
    assert "Set by hand what the bank did" not in page
    assert "has moved on" in told
    assert job.statuses(made)["L1"] == "sent"


def test_the_same_settlement_again_changes_nothing_and_another_amount_settles_nothing(
    made: Stage, bank: Bank
) -> None:
    approved(made, [LINES[0]])
    job.send(made)
    settle(made, bank)
    with made.scope():
        line = PaymentLine.objects.get()
        back = BankFile.objects.get(direction="in")
        with inbox.opened(back) as content:
            raw = content.read()
    with tenancy.acting_for((), unclaimed=True):
        again, new = inbox.keep(
            bank_channel=made.channel, name="again.txt", content=io.BytesIO(raw)
        )
        assert new
    job.outcomes.take_answers()
    with made.scope():
        again.refresh_from_db()
        assert again.status == "read"
        assert PaymentLine.objects.get().booked_date == line.booked_date
    changed = raw.replace(b"00000000000010050", b"00000000000010051")
    assert changed != raw
    approved(made, [LINES[0]], "B2")
    with tenancy.acting_for((), unclaimed=True):
        odd, _new = inbox.keep(
            bank_channel=made.channel, name="odd.txt", content=io.BytesIO(changed)
        )
    job.outcomes.take_answers()
    with made.scope():
        odd.refresh_from_db()
        assert [remark["code"] for remark in odd.remarks] == ["amount-differs"]


def test_what_the_old_format_cannot_say_is_stopped_with_the_cure(made: Stage, bank: Bank) -> None:
    lines = [
        Line("EUR", "10.00", kit.account(70), currency="EUR", message="x"),
        Line("ABROAD", "10.00", "SE4550000000058398257466", message="x"),
        Line("FITS", "10.00", kit.account(71), message="x"),
    ]
    body = kit.pain001({"S1": lines}, account=made.agreement.account.number, due=kit.soon())
    body = body.replace(
        b"<Othr><Id>SE4550000000058398257466</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr>",
        b"<IBAN>SE4550000000058398257466</IBAN>",
    )
    answer = Erp(made).post("payments", body).json()
    stopped = [
        (line["reference"], line["code"], line["field"])
        for payment in answer["payments"]
        for line in payment["stopped"]
    ]
    assert stopped == [
        ("EUR", "old-format", "InstdAmt/@Ccy"),
        ("ABROAD", "old-format", "CdtrAcct"),
    ]
    assert job.statuses(made)["FITS"] == "awaiting"


@pytest.mark.parametrize("text", ["", "-", "1-", "-1", "a-1", "1-a", "1-2-3", "9" * 24 + "-1"])
def test_a_reference_that_is_not_ours_is_none(text: str) -> None:
    assert remittance.parsed(text) is None


def test_a_reference_comes_back_as_it_went() -> None:
    assert remittance.parsed(remittance.reference(12345678, 99999)) == (12345678, 99999)
