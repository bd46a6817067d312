"""Payments abroad, from the ERP to what the bank has debited: SEPA, another currency, and a payee
whose country has no IBAN."""

from __future__ import annotations

from decimal import Decimal
from html import unescape
from typing import Any

import pytest
from lxml import etree

from banking import inbox
from banking.models import BankFile
from payments.models import Payment, PaymentLine
from tests import kit
from tests.flows import test_main_job as job
from tests.flows.test_corrections import as_json
from tests.kit import Bank, Erp, Stage

pytestmark = pytest.mark.usefixtures("own_database")
LINES: list[dict[str, Any]] = [
    {
        "reference": "SEPA-1",
        "amount": "1234.56",
        "currency": "EUR",
        "account": "DE89370400440532013000",
        "bic": "DEUTDEFF",
        "payee": {
            "name": "Müller GmbH",
            "street": "Hauptstraße",
            "building": "7",
            "post_code": "10115",
            "town": "BERLIN",
            "country": "DE",
        },
        "message": "Rechnung 77",
    },
    {
        "reference": "SEK-1",
        "amount": "990.00",
        "currency": "SEK",
        "account": "SE4550000000058398257466",
        "bic": "ESSESESS",
        "payee": {"name": "Ångström AB", "town": "GÖTEBORG", "country": "SE"},
        "message": "Faktura 78",
    },
    {
        "reference": "USD-1",
        "amount": "50.00",
        "currency": "USD",
        "account": "123456789",
        "bic": "CHASUS33",
        "payee": {
            "name": "Tools Inc",
            "street": "Main St",
            "building": "1",
            "town": "NEW YORK",
            "country": "US",
        },
        "message": "Order 79",
    },
    {
        "reference": "HOME-1",
        "amount": "100.00",
        "account": kit.account(70),
        "payee": {"name": "Leverandør AS", "town": "OSLO", "country": "NO"},
        "message": "Faktura 80",
    },
]


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    return kit.stage(bank, balance="1000000.00")


def upload(made: Stage, **more: Any) -> Payment:
    row = {
        "number": "F1",
        "due_date": str(kit.soon()),
        "debit_account": made.agreement.account.number,
        "lines": LINES,
        **more,
    }
    answer = Erp(made).post("payments", as_json([row]), media_type="application/json")
    assert answer.status_code == 201, answer.content
    assert not answer.json().get("stopped"), answer.content
    with made.scope():
        return Payment.objects.get(number="F1")


def sign(made: Stage) -> None:
    for name in ("anne", "bjorn"):
        job.sign(made, made.users[name])


def page(made: Stage, address: str) -> str:
    client = kit.signed_in(made.users["anne"])
    client.cookies["kvitt_language"] = "en"
    answer = client.get(f"/c/{made.company.public_id}/{address}")
    assert answer.status_code == 200
    return unescape(" ".join(answer.content.decode().split()))


def test_payments_abroad_are_sent_booked_in_the_accounts_currency_and_settled(
    made: Stage, bank: Bank
) -> None:
    payment = upload(made)
    assert payment.totals == {"NOK": "100.00", "EUR": "1234.56", "SEK": "990.00", "USD": "50.00"}
    sign(made)
    (file_id,) = job.send(made)
    with made.scope():
        file = BankFile.objects.get(pk=file_id)
        with inbox.opened(file) as content:
            sent = etree.parse(content)
    found = {tx.findtext(".//{*}EndToEndId"): tx for tx in sent.iterfind(".//{*}CdtTrfTxInf")}
    assert {one: next(tx.iter("{*}InstdAmt")).get("Ccy") for one, tx in found.items()} == {
        "SEPA-1": "EUR",
        "SEK-1": "SEK",
        "USD-1": "USD",
        "HOME-1": "NOK",
    }
    berlin, york = found["SEPA-1"], found["USD-1"]
    assert berlin.findtext(".//{*}CdtrAcct//{*}IBAN") == "DE89370400440532013000"
    assert berlin.findtext(".//{*}CdtrAgt//{*}BICFI") == "DEUTDEFF"
    assert berlin.findtext(".//{*}Cdtr/{*}PstlAdr/{*}TwnNm") == "BERLIN"
    assert berlin.findtext(".//{*}Cdtr/{*}PstlAdr/{*}Ctry") == "DE"
    assert york.findtext(".//{*}CdtrAcct//{*}Othr/{*}Id") == "123456789"
    assert york.findtext(".//{*}CdtrAgt//{*}BICFI") == "CHASUS33"
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"accepted"}
    bank.pass_days()
    bank.work()
    job.fetch(made)
    assert set(job.statuses(made).values()) == {"settled"}
    with made.scope():
        lines = list(PaymentLine.objects.order_by("position"))
        assert all(line.booked_date and line.bank_reference for line in lines)
        assert [
            remark
            for one in BankFile.objects.filter(direction="in")
            for remark in one.remarks or []
        ] == []
    booked = {row["end_to_end_id"]: row for row in bank.transfers()}
    assert Decimal(str(booked["SEPA-1"]["amount"])) == Decimal("1234.56")
    events = Erp(made).get("events?after=0").json()["events"]
    settled = {one["reference"] for one in events if one["event"] == "settled"}
    assert settled == {"SEPA-1", "SEK-1", "USD-1", "HOME-1"}


def test_what_goes_abroad_is_shown_as_the_bank_will_get_it_before_it_is_signed(made: Stage) -> None:
    payment = upload(made)
    told = page(made, f"outgoing/{payment.pk}/")
    for text in ("DE89 3704 0044 0532 0130 00", "DEUTDEFF", "BERLIN", "1 234,56 EUR", "CHASUS33"):
        assert text in told.replace("\u00a0", " "), text
