"""Uploads of pain.001: what refuses the whole file, what stops one line, what is stored."""

from __future__ import annotations

import datetime as dt
import re
import socket
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from banking import numbers
from banking.models import BankAccount, BankAgreement
from payments.models import Payment, PaymentLine
from portal import clock
from portal.events.models import Event
from tests import kit
from tests.kit import Erp, Line, Stage

WRONG = kit.account(71)[:-1] + str((int(kit.account(71)[-1]) + 1) % 10)
GOOD = numbers.make_kid("100042", modulus="MOD10")


@pytest.fixture
def made(db: None, settings: Any) -> Stage:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return kit.stage()


@pytest.fixture
def erp(made: Stage) -> Erp:
    return Erp(made)


def lines() -> dict[str, list[Line]]:
    return {
        "B1": [
            Line("L1", "100.00", kit.account(70), kid=GOOD),
            Line("L2", "250.50", kit.account(71), message="Faktura 7"),
        ],
        "B2": [Line("L1", "12.00", kit.account(72), message="Faktura 8")],
    }


def file(
    made: Stage, payments: dict[str, list[Line]] | None = None, due: dt.date | None = None
) -> bytes:
    account = made.agreement.account.number
    when = due or clock.today() + dt.timedelta(days=3)
    return kit.pain001(payments or lines(), account=account, due=when)


def with_line(**changes: Any) -> dict[str, list[Line]]:
    """A payment of three lines whose middle one is other than it should be."""
    odd = {"reference": "L2", "amount": "20.00", "account": kit.account(71), "message": "7"}
    return {
        "B1": [
            Line("L1", "10.00", kit.account(70), message="Faktura 6"),
            Line(**(odd | changes)),
            Line("L3", "30.00", kit.account(72), message="Faktura 8"),
        ]
    }


def swap(old: str, new: str, count: int = -1) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        assert old.encode() in body, old
        return body.replace(old.encode(), new.encode(), count)

    return change


def laughs(body: bytes) -> bytes:
    bomb = '<!DOCTYPE x [<!ENTITY a0 "ha">' + "".join(
        f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12)
    )
    return swap("?>\n", f"?>\n{bomb}]>", 1)(swap("Leverandør AS", "&a11;")(body))


def entity(address: str) -> Callable[[bytes], bytes]:
    def change(body: bytes) -> bytes:
        told = f'?>\n<!DOCTYPE x [<!ENTITY e SYSTEM "{address}">]>'
        return swap("?>\n", told, 1)(swap("Leverandør AS", "&e;")(body))

    return change


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "not XML": (lambda _: b"Betal 100 kroner til Ola", "not-xml", "line 1"),
    "only blanks": (lambda _: b" \r\n" * 1000, "empty", "line 1"),
    "only a declaration": (lambda b: b[: b.index(b"<Doc")], "not-xml", "line "),
    "a zip": (lambda _: b"PK\x03\x04" + bytes(range(20, 256)), "not-xml", "line 1"),
    "UTF-16": (lambda b: b.decode().encode("utf-16"), "encoding", "line 1"),
    "an encoding unknown to banks": (swap("UTF-8", "UTF-7"), "encoding", "line 1"),
    "bytes that are not its encoding": (
        lambda b: b.replace("Leverandør".encode(), b"Leverand\xf8r"),
        "not-xml",
        "line ",
    ),
    "a pain.008": (swap("CstmrCdtTrfInitn", "CstmrDrctDbtInitn"), "unknown-message", "line 1"),
    "a pain.002": (swap("CstmrCdtTrfInitn", "CstmrPmtStsRpt"), "wrong-message", "line 1"),
    "the namespace of a pain.008": (
        swap("pain.001.001.09", "pain.008.001.02"),
        "wrong-namespace",
        "line 1",
    ),
    "a version that is not read": (
        swap("pain.001.001.09", "pain.001.001.12"),
        "wrong-namespace",
        "line 1",
    ),
    "another thing in XML": (lambda _: b"<html><p>404</p></html>", "unknown-message", "line 1"),
    "a fault of schema": (
        swap("<EndToEndId>L2</EndToEndId>", ""),
        "schema",
        "PmtInf[1]/CdtTrfTxInf[2]/PmtId",
    ),
    "a field that is not known": (
        swap("<PmtMtd>", "<Speed>fast</Speed><PmtMtd>", 1),
        "schema",
        "PmtInf[1]/Speed",
    ),
    "a date that is none": (
        lambda b: re.sub(rb"<Dt>[^<]+", b"<Dt>2027-02-29", b, count=1),
        "schema",
        "PmtInf[1]/ReqdExctnDt/Dt",
    ),
    "no payments": (
        lambda b: b[: b.index(b"<PmtInf>")] + b"</CstmrCdtTrfInitn></Document>",
        "schema",
        "CstmrCdtTrfInitn",
    ),
    "a wrong count": (swap("<NbOfTxs>3<", "<NbOfTxs>4<"), "totals", "GrpHdr"),
    "a wrong sum": (swap("<CtrlSum>362.50<", "<CtrlSum>362.51<"), "totals", "GrpHdr"),
    "a wrong count of a payment": (
        swap("</PmtMtd>", "</PmtMtd><NbOfTxs>1</NbOfTxs>", 1),
        "totals",
        "PmtInf[1]",
    ),
    "a wrong sum of a payment": (
        swap("</PmtMtd>", "</PmtMtd><CtrlSum>350.51</CtrlSum>", 1),
        "totals",
        "PmtInf[1]",
    ),
    "a number twice": (swap("B2<", "B1<"), "duplicate-number", "PmtInf[2]/PmtInfId"),
    "amount zero": (
        lambda b: swap("<CtrlSum>362.50<", "<CtrlSum>112.00<")(swap(">250.50<", ">0.00<")(b)),
        "amount",
        "PmtInf[1]/CdtTrfTxInf[2]/Amt",
    ),
    "a negative amount": (swap(">250.50<", ">-250.50<"), "schema", "InstdAmt"),
    "three decimals in NOK": (
        lambda b: swap("362.50<", "362.505<")(swap(">250.50<", ">250.505<")(b)),
        "decimals",
        "PmtInf[1]/CdtTrfTxInf[2]/Amt",
    ),
    "decimals in JPY": (
        lambda b: swap('Ccy="NOK">250', 'Ccy="JPY">250')(b),
        "decimals",
        "PmtInf[1]/CdtTrfTxInf[2]/Amt",
    ),
    "an amount no bank carries": (
        lambda b: swap("362.50<", "1000000000000112.00<")(
            swap(">250.50<", ">1000000000000000.00<")(b)
        ),
        "amount",
        "PmtInf[1]/CdtTrfTxInf[2]/Amt",
    ),
    "the largest amount that the schema lets through": (
        lambda b: swap("362.50<", "999999999999900112<")(
            swap(">250.50<", ">999999999999900000<")(b)
        ),
        "amount",
        "PmtInf[1]/CdtTrfTxInf[2]/Amt",
    ),
    "no reference": (
        swap("<EndToEndId>L2<", "<EndToEndId>NOTPROVIDED<"),
        "reference",
        "PmtInf[1]/CdtTrfTxInf[2]/PmtId/EndToEndId",
    ),
    "a reference twice": (
        swap("<EndToEndId>L2<", "<EndToEndId>L1<"),
        "reference",
        "PmtInf[1]/CdtTrfTxInf[2]/PmtId/EndToEndId",
    ),
    "a number on two lines": (
        swap("<PmtInfId>B2<", "<PmtInfId>B2\nleft out: -<"),
        "characters",
        "PmtInf[2]/PmtInfId",
    ),
    "a reference on two lines": (
        swap("<EndToEndId>L2<", "<EndToEndId>L2\nL3<"),
        "characters",
        "PmtInf[1]/CdtTrfTxInf[2]/PmtId/EndToEndId",
    ),
    "an XML bomb": (laughs, "doctype-forbidden", "line 2"),
    "an entity of a file": (entity("file:///etc/passwd"), "doctype-forbidden", "line 2"),
    "a DOCTYPE after much else": (
        lambda b: swap("?>\n", f"?>\n<!-- {'x' * 70_000} --><!DOCTYPE x>", 1)(b),
        "not-xml",
        "line 1",
    ),
    "an entity that is not declared": (swap("Leverandør", "&eacute;"), "not-xml", ""),
    "cut off": (lambda b: b[: len(b) * 2 // 3], "truncated", "line "),
    "cut off before the last tag": (lambda b: b[: b.rindex(b"</Document")], "truncated", "line "),
    "cut off inside a letter": (lambda b: b[: b.index("ø".encode()) + 1], "truncated", "line "),
    "two files in one": (lambda b: b + b, "not-xml", "line "),
    "nested deep": (
        lambda b: swap("<Dbtr>", "<Dbtr>" + "<a>" * 200_000 + "</a>" * 200_000, 1)(b),
        "not-xml",
        "line ",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_whole(erp: Erp, case: str) -> None:
    change, code, place = BROKEN[case]
    body = change(file(erp.made))
    before = kit.stored(erp.made)
    answer = erp.post("payments", body)
    kit.refusal(answer, 422, code, place=place)
    assert b"root:" not in answer.content
    assert kit.stored(erp.made) == before


def test_an_empty_file_is_refused(erp: Erp) -> None:
    before = kit.stored(erp.made)
    headers = {
        "Content-Type": "application/xml",
        "Kvitt-User": erp.made.users["erp"].email,
        "Idempotency-Key": "k1",
    }
    headers = erp.headers("POST", "payments", b"", headers)
    answer = erp.client.generic("POST", kit.API + "payments", b"", headers=headers)
    kit.refusal(answer, 422, "empty", place="line 1")
    assert kit.stored(erp.made) == before


def test_no_external_entity_is_fetched_over_the_network(erp: Erp) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.2)
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/evil.dtd"
        for spoil in (
            entity(address),
            swap("?>\n", f'?>\n<!DOCTYPE Document SYSTEM "{address}">', 1),
            swap(
                "<Document ",
                '<Document xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
                f' xsi:schemaLocation="urn:x {address}" ',
            ),
        ):
            erp.post("payments", spoil(file(erp.made)))
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_number_that_was_uploaded_before_is_refused(erp: Erp) -> None:
    assert erp.post("payments", file(erp.made)).status_code == 201
    before = kit.stored(erp.made)
    problem = kit.refusal(
        erp.post("payments", file(erp.made)), 422, "duplicate-number", place="PmtInf"
    )
    assert "B1" in problem["place"] + problem["problem"]
    assert kit.stored(erp.made) == before


def test_a_number_of_another_company_does_not_stand_in_the_way(erp: Erp) -> None:
    other = Erp(kit.stage(place=2))
    assert erp.post("payments", file(erp.made)).status_code == 201
    assert other.post("payments", file(other.made)).status_code == 201


def test_an_account_that_the_company_does_not_have_is_refused(erp: Erp) -> None:
    other = kit.stage(place=2)
    before = kit.stored(erp.made)
    for number in (kit.account(99), other.agreement.account.number):
        body = file(erp.made).replace(erp.made.agreement.account.number.encode(), number.encode())
        answer = erp.post("payments", body)
        kit.refusal(answer, 422, "unknown-account", place="PmtInf[1]/DbtrAcct")
        assert len(answer.json()["problems"]) == 2
    assert kit.stored(erp.made) == before


def test_an_account_without_an_active_agreement_is_refused_with_the_way_to_it(erp: Erp) -> None:
    number = kit.account(98)
    with erp.made.scope():
        BankAccount.objects.create(company=erp.made.company, number=number, name="Skatt")
    before = kit.stored(erp.made)
    body = file(erp.made).replace(erp.made.agreement.account.number.encode(), number.encode())
    answer = erp.post("payments", body)
    problem = kit.refusal(answer, 422, "agreement-not-active", place="PmtInf[1]/DbtrAcct")
    assert problem["cure"].endswith(f"/c/{erp.made.company.public_id}/agreements/")
    assert kit.stored(erp.made) == before
    # Where there is one, it is the latest: a draft that can be activated.
    with erp.made.scope():
        account = BankAccount.objects.get(number=number)
        common = {"company": erp.made.company, "channel": erp.made.channel, "account": account}
        rows = [BankAgreement.objects.create(**common, agreement_id=f"A{n}") for n in range(2)]
    problem = kit.refusal(erp.post("payments", body), 422, "agreement-not-active")
    assert problem["cure"].endswith(f"/agreements/{rows[1].pk}/")


def test_the_account_to_debit_may_be_an_iban(erp: Erp) -> None:
    body = file(erp.made).decode()
    account = erp.made.agreement.account
    old = f"<Othr><Id>{account.number}</Id><SchmeNm><Cd>BBAN</Cd></SchmeNm></Othr>"
    assert old in body
    answer = erp.post("payments", body.replace(old, f"<IBAN>{account.iban}</IBAN>").encode())
    assert answer.status_code == 201, answer.content


def test_more_lines_than_allowed_are_refused(erp: Erp, settings: Any) -> None:
    before = kit.stored(erp.made)
    settings.UPLOAD_MAX_LINES = 2
    answer = erp.post("payments", file(erp.made))
    kit.refusal(answer, 422, "too-many-lines", place="PmtInf[2]/CdtTrfTxInf[1]")
    assert kit.stored(erp.made) == before
    settings.UPLOAD_MAX_LINES = 3
    assert erp.post("payments", file(erp.made)).status_code == 201


def test_all_faults_that_refuse_a_file_are_told_at_once_up_to_a_bound(
    erp: Erp, settings: Any
) -> None:
    settings.UPLOAD_MAX_FAULTS_TOLD = 5
    rows = [Line("L", "0.00", kit.account(70), message="x") for _ in range(4)]
    answer = erp.post("payments", file(erp.made, {"B1": rows}))
    kit.refusal(answer, 422, "amount")
    told = answer.json()
    assert [p["code"] for p in told["problems"]] == ["amount", "amount", "reference"] + [
        "amount",
        "reference",
    ]
    assert told["more_problems"] == 2


BOTH = (
    "<RmtInf><Ustrd>Faktura 7</Ustrd><Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry>"
    f"</Tp><Ref>{GOOD}</Ref></CdtrRefInf></Strd></RmtInf>"
)
PAPERS = (
    "<RmtInf><Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CINV</Cd></CdOrPrtry></Tp><Nb>7</Nb></RfrdDocInf>"
    '<RfrdDocAmt><RmtdAmt Ccy="NOK">30.00</RmtdAmt></RfrdDocAmt></Strd>'
    "<Strd><RfrdDocInf><Tp><CdOrPrtry><Cd>CREN</Cd></CdOrPrtry></Tp><Nb>8</Nb></RfrdDocInf>"
    '<RfrdDocAmt><CdtNoteAmt Ccy="NOK">5.00</CdtNoteAmt></RfrdDocAmt></Strd></RmtInf>'
)
REMITTANCE = "<RmtInf><Ustrd>7</Ustrd></RmtInf>"
ODD: dict[str, tuple[dict[str, Any], Callable[[bytes], bytes], str]] = {
    "a wrong KID": ({"kid": GOOD[:-1] + "3"}, bytes, "kid"),
    "a KID of 35 digits": ({"kid": "1" * 35}, bytes, "kid"),
    "a KID with letters": ({"kid": "RF18539007547034"}, bytes, "kid"),
    "a wrong account": ({"account": WRONG}, bytes, "payee-account"),
    "an account too short": ({"account": "1503"}, bytes, "payee-account"),
    "an account too long": ({"account": "1" * 34}, bytes, "payee-account"),
    "a payee without a name": ({"name": " "}, bytes, "payee-name"),
    "both KID and message": ({}, swap(REMITTANCE, BOTH), "kid-and-message"),
    "a message too long": (
        {},
        swap(REMITTANCE, f"<RmtInf><Ustrd>{'x' * 140}</Ustrd><Ustrd>y</Ustrd></RmtInf>"),
        "message-too-long",
    ),
    "a message too long as the bank gets it": ({"message": "€" * 50}, bytes, "message-too-long"),
    "a name too long as the bank gets it": ({"name": "€" * 50}, bytes, "payee-name-too-long"),
    "a name of which nothing is left": ({"name": "\u200b\u200b"}, bytes, "payee-name"),
    "documents that do not add up": ({}, swap(REMITTANCE, PAPERS), "documents-sum"),
    "a currency that is not carried": ({"currency": "XAU"}, bytes, "currency"),
    "a field that is not carried": (
        {},
        swap(REMITTANCE, "<UltmtCdtr><Nm>Ola</Nm></UltmtCdtr>" + REMITTANCE),
        "not-carried",
    ),
}


@pytest.mark.parametrize("case", ODD)
def test_a_fault_in_a_line_stops_that_line_only(erp: Erp, case: str) -> None:
    changes, change, code = ODD[case]
    body = change(file(erp.made, with_line(**changes)))
    answer = erp.post("payments", body)
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert told["erp_code"] == 3
    (payment,) = told["payments"]
    assert (payment["number"], payment["erp_code"], payment["lines"]) == ("B1", 3, 3)
    (stopped,) = payment["stopped"]
    assert (stopped["reference"], stopped["code"]) == ("L2", code)
    assert "PmtInf[1]/CdtTrfTxInf[2]" in stopped["place"]
    assert "line " in stopped["place"]
    assert stopped["field"]
    assert stopped["problem"]
    assert stopped["cure"]
    with erp.made.scope():
        rows = dict(PaymentLine.objects.values_list("reference", "status"))
        assert rows == {"L1": "awaiting", "L2": "stopped", "L3": "awaiting"}
        assert Payment.objects.get().line_counts == {"awaiting": 2, "stopped": 1}
        line = PaymentLine.objects.get(reference="L2")
        assert [reason["code"] for reason in line.reasons] == [code]
        event = Event.objects.get(event="stopped")
        assert (event.reference, event.reasons[0]["code"]) == ("L2", code)
        assert event.actor_kind == "clock"  # our own check, not the ERP


@pytest.mark.parametrize("days", [-1, 366])
def test_a_due_date_out_of_reach_stops_all_lines_of_its_payment(erp: Erp, days: int) -> None:
    body = file(erp.made, due=clock.today() + dt.timedelta(days=days))
    answer = erp.post("payments", body)
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert told["erp_code"] == 10
    assert [payment["erp_code"] for payment in told["payments"]] == [10, 10]
    assert [row["code"] for row in told["payments"][0]["stopped"]] == ["due-date", "due-date"]
    with erp.made.scope():
        assert set(PaymentLine.objects.values_list("status", flat=True)) == {"stopped"}
        assert set(Payment.objects.values_list("status", flat=True)) == {"stopped"}


def test_a_due_date_today_is_good(erp: Erp) -> None:
    told = erp.post("payments", file(erp.made, due=clock.today())).json()
    assert told["erp_code"] == 2


def test_the_upload_has_code_3_when_some_payments_are_stopped_whole(erp: Erp) -> None:
    payments = lines()
    payments["B2"][0].account = WRONG
    told = erp.post("payments", file(erp.made, payments)).json()
    assert told["erp_code"] == 3
    assert [payment["erp_code"] for payment in told["payments"]] == [2, 10]


def test_a_line_with_two_faults_is_told_both_and_counted_once(erp: Erp) -> None:
    told = erp.post("payments", file(erp.made, with_line(account="1", name=" "))).json()
    (payment,) = told["payments"]
    assert payment["erp_code"] == 3
    assert [row["code"] for row in payment["stopped"]] == ["payee-account", "payee-name"]


def test_what_is_stored_is_what_the_bank_will_get(erp: Erp) -> None:
    payments = {"B1": [Line("L1", "100.10", "1503.00.00701", message="Żółw – 5 €", name="Łódź AS")]}
    account = kit.account(70)
    payments["B1"][0].account = f"{account[:4]} {account[4:6]} {account[6:]}"
    assert erp.post("payments", file(erp.made, payments)).status_code == 201
    with erp.made.scope():
        line = PaymentLine.objects.get()
        assert line.payee_account == account
        assert line.payee_name == "Lódz AS"
        assert line.message == "Zólw - 5 EUR"
        assert line.amount == Decimal("100.10")
        payment = Payment.objects.get()
        assert payment.totals == {"NOK": "100.10"}
        assert payment.upload.message_id == "ERP-1"
        assert payment.upload.user == erp.made.users["erp"]


def test_a_salary_is_marked_so(erp: Erp) -> None:
    body = file(erp.made).replace(b"<Cd>SUPP</Cd>", b"<Cd>SALA</Cd>")
    assert erp.post("payments", body).status_code == 201
    with erp.made.scope():
        assert set(Payment.objects.values_list("kind", flat=True)) == {"salary"}
        events = Event.objects.exclude(group_id=None)
        assert set(events.values_list("salary", flat=True)) == {True}
