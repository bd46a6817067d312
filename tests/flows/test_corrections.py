"""What the bank refuses, written anew as a corrected draft: does the bank take it the next time?

Where the cure lies with the customer. A refusal holds as long as what it is about stands in the
payment, so that a draft which mends nothing is refused again.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from decimal import Decimal
from html import unescape
from typing import Any, NamedTuple

import pytest

from banking import calendar, numbers
from payments.models import Draft, Payment, PaymentLine
from portal import clock
from portal.access.roles import Role
from tests import kit
from tests.flows.test_main_job import fetch, send, sign
from tests.kit import Bank, Erp, Stage
from tests.payments.test_drafting import client_of

OTHER, KID, LONG_KID = kit.account(390), numbers.make_kid("77001", modulus="MOD10"), "1234567897"
BELGIAN = "BE68539007547034"


class Case(NamedTuple):
    """A line (fields of the JSON), the bank's refusal and what it holds for, and what a person
    writes where the draft asks; `tells` is what the draft's page says."""

    line: dict[str, Any]
    value: str
    has: str
    fill: dict[str, str]
    tells: str = ""
    script: str = "refuse_line"
    due: int = 0


def text(message: str = "Faktura 9", **more: Any) -> dict[str, Any]:
    return {"message": message, **more}


def abroad(bic: str) -> dict[str, Any]:
    payee = {"name": "Bel NV", "town": "BRUSSEL", "country": "BE"}
    return {"payee": payee, "account": BELGIAN, "bic": bic, "message": "Order 5"}


KID_LINE = {"kid": KID}
ONCE = "once"  # the refusal is of this payment alone: nothing of it is to be changed
CASES = {
    "payee account unknown": Case(text(), "AC01", "payee=", {"account": OTHER}, "Ask the payee for the right one"),
    "payee account wrong": Case(text(), "AC03", "payee=", {"account": OTHER}, "This account was refused"),
    "payee account closed": Case(text(), "AC04", "payee=", {"account": OTHER}, "This account was refused"),
    "account blocked": Case(text(), "AC06 Sperret", "payee=", {"account": OTHER}, "This account was refused"),
    "payee account ended": Case(text(), "AC07", "payee=", {"account": OTHER}, "This account was refused"),
    "amount zero": Case(text(), "AM01", "amount=", {"amount": "7,00"}, "This amount was refused"),
    "no cover": Case(text(), "AM04", ONCE, {}),
    "possible double": Case(text(), "AM05", ONCE, {}),
    "amount wrong": Case(text(), "AM09", "amount=", {"amount": "7,00"}, "This amount was refused"),
    "sum wrong": Case(text(), "AM10", ONCE, {}),
    "currency wrong": Case(text(currency="EUR"), "AM11", "currency=EUR", {"currency": "NOK"}, "This currency was refused"),
    "payee address": Case(text(), "BE04", "town=", {"town": "Bodø", "country": "NO"}, "The bank wants the payee's address"),
    "payee name": Case(text(), "BE22", "name=", {"payee": "Rett navn AS"}, "the payee's name"),
    "date too far": Case(text(), "CH03", "date=", {"due_date": "soon"}, "as too far ahead", "refuse_payment", 200),
    "content": Case(text(), "CH16", ONCE, {}),
    "unknown approver": Case(text(), "DS0G", ONCE, {}),
    "no authority": Case(text(), "DS0H", ONCE, {}),
    "date wrong": Case(text(), "DT01", "date=", {}, "is moved to the next bank day", "refuse_payment", 20),
    "closed day": Case(text(), "DT03", "date=", {}, "is moved to the next bank day", "refuse_payment", 40),
    "after cut-off": Case(text(), "DT05", "date=", {}, "is moved to the next bank day", "refuse_payment", 60),
    "too late in the day": Case(text(), "TM01", "date=", {}, "is moved to the next bank day", "refuse_payment", 80),
    "payment sent before": Case(text(), "DU02", ONCE, {}),
    "line sent before": Case(text(), "DU03", ONCE, {}),
    "reference used": Case(text(), "DU04", ONCE, {}),
    "by the payee": Case(text(), "MS02", ONCE, {}),
    "free text": Case(text(), "NARR Ring oss", ONCE, {}),
    "KID required": Case(text("Uten KID"), "NARR KID required", "kid=", {"kid": KID}, "The message was: Uten KID"),
    "KID and modulus": Case(KID_LINE, "NARR KID fails its modulus", f"kid={KID}", {"kid": LONG_KID}, "This KID was refused"),
    "IBAN needed": Case(text(), "NARR IBAN needed", "payee=[0-9]*", {}, "Written as IBAN"),
    "BIC malformed": Case(abroad("KREDBEBB"), "RC01", "bic=KREDBEBB", {"bic": "GKCCBEBB"}, "payee's bank was refused"),
    "BIC wrong": Case(abroad("KREDBEB1"), "RC07", "bic=KREDBEB1", {"bic": "GKCCBEBB"}, "payee's bank was refused"),
    "clearing code": Case(abroad("KREDBEB2"), "RC10", "bic=KREDBEB2", {"bic": "GKCCBEBB"}, "payee's bank was refused"),
    "payee details": Case(text(), "RR03", "town=", {"town": "Bodø", "country": "NO"}, "The bank wants the payee's address"),
    "remittance": Case(text("Rar tekst"), "RR07", "message=Rar tekst", {"message": "Faktura 9"}, "Write it another way"),
    "no KID agreement": Case(KID_LINE, "RR07 Mottaker har ikke KID-avtale", "kid=[0-9]*", {}, "so it stands as the message"),
    "structured wanted": Case(
        text("Fritekst"), "RR07 Single structured remittance must be present", "kid=", {"kid": KID}, "Fritekst"),
    "KID wrong": Case(KID_LINE, "RR09", f"kid={KID}", {"kid": LONG_KID}, "This KID was refused"),
    "KID and account": Case(KID_LINE, "RR09", "payee=", {"account": OTHER}, "This KID was refused"),
    "characters": Case(
        text("Ærlig", payee={"name": "Åse Øst", "town": "Bodø"}), "RR10", "name=*[ÅØ]*", {}, "written in another way"),
    "address known": Case(
        text(payee={"name": "Kjent AS"}), "BE04", "town=", {}, "Filled in from an earlier payment"),
}  # fmt: skip


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    made = kit.stage(bank, balance="10000000.00")
    made.users["unni"] = kit.person("unni", made.company, Role.UPLOADER, Role.ACCOUNTANT)
    return made


def situations(made: Stage) -> list[dict[str, Any]]:
    """A payment of one line for each case."""
    rows = []
    for place, (name, case) in enumerate(CASES.items()):
        line = {
            "reference": f"R{place}",
            "amount": f"{place + 100}.00",
            "payee": {"name": f"Mottaker {place}"},
            "account": kit.account(400 + place),
            **case.line,
        }
        due = calendar.roll(clock.today() + dt.timedelta(case.due)) if case.due else kit.soon()
        rows.append(payment(made, number_of(name), due, line))
    return rows


def as_json(rows: list[dict[str, Any]]) -> bytes:
    sums = [Decimal(line["amount"]) for row in rows for line in row["lines"]]
    totals = {"lines": len(sums), "sum": str(sum(sums, Decimal(0)))}
    return json.dumps({"totals": totals, "payments": rows}).encode()


def payment(made: Stage, number: str, due: Any, line: dict[str, Any]) -> dict[str, Any]:
    account = made.agreement.account.number
    return {"number": number, "due_date": str(due), "debit_account": account, "lines": [line]}


def number_of(name: str) -> str:
    return name.replace(" ", "-")


def script(bank: Bank, place: int, case: Case, due: str) -> None:
    """The refusal of this case, for as long as what it is about stands in its payment."""
    name = case.line.get("payee", {}).get("name", f"Mottaker {place}")
    facts = {
        "payee=": f"payee={kit.account(400 + place)}; name={name}",
        "amount=": f"amount={place + 100}.00; name={name}",
        "name=": f"name={name}",
        "date=": f"date={due}",
    }
    where = {"has": facts.get(case.has, f"{case.has}; name={name}")}
    if case.has == ONCE:
        where = {"line": f"R{place}"}
    bank.ask("/scripts", {"what": case.script, "value": case.value, **where})


def pay(made: Stage, bank: Bank) -> None:
    for person in ("anne", "bjorn"):
        sign(made, made.users[person])
    send(made)
    bank.work()
    fetch(made)


def correct(made: Stage, name: str, case: Case) -> str:
    """Makes the draft as a user does, and hands it in; what the page told."""
    client, company = client_of(made, "unni"), f"/c/{made.company.public_id}/outgoing"
    with made.scope():
        refused = Payment.objects.get(number=number_of(name))
    page = client.get(f"{company}/{refused.pk}/").content.decode()
    assert "Make a corrected draft" in page, name
    address = client.post(f"{company}/{refused.pk}/correct/")["Location"]
    told = unescape(" ".join(client.get(address).content.decode().split()))
    with made.scope():
        draft = Draft.objects.get(corrects=refused)
        (row,) = draft.values["lines"]
    fill = {**case.fill}
    if "due_date" in fill:
        fill["due_date"] = kit.soon().strftime("%d.%m.%Y")
    sent: dict[str, Any] = {"version": draft.version, "go": "hand-in", "row": "1"}
    sent |= {one: draft.values[one] for one in ("account", "due_date", "kind", "urgent")}
    sent |= {f"line-1-{one}": told for one, told in row.items() if isinstance(told, str)}
    sent |= {one if one == "due_date" else f"line-1-{one}": told for one, told in fill.items()}
    if fill.get("kid"):
        sent["line-1-message"] = ""
    answer = client.post(address, sent, follow=True)
    page = answer.content.decode()
    assert "is handed in" in page, (name, re.findall(r"<li>.*?</li>", page))
    return told


def test_a_corrected_draft_is_taken_at_the_next_try(
    made: Stage, bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"reference": "K", "amount": "5.00", "message": "Før", "account": kit.account(391)}
    known |= {"payee": {"name": "Kjent AS", "town": "HAMAR", "country": "NO"}}
    for rows in ([payment(made, "before", kit.soon(), known)], situations(made)):
        answer = Erp(made).post("payments", as_json(rows), media_type="application/json")
        assert answer.json()["erp_code"] == 2, answer.content
    for place, (case, row) in enumerate(zip(CASES.values(), rows, strict=True)):
        script(bank, place, case, row["due_date"])
    pay(made, bank)
    with made.scope():
        refused = {row.payment.number: row for row in lines("rejected")}
        assert set(refused) == set(map(number_of, CASES))
    for name, case in CASES.items():
        assert case.tells in correct(made, name, case), name
    pay(made, bank)
    with made.scope():
        taken = [row for row in lines("accepted") if row.corrects_id is not None]
        again = {row.payment.number: row.reasons for row in lines("rejected")}
        told = f"{len(taken)} of {len(CASES)} corrected drafts are accepted at the next try"
        assert len(taken) == len(CASES), [again[one] for one in again if one.startswith("H")]
        assert {row.corrects.payment.number for row in taken if row.corrects} == set(refused)
    with capsys.disabled():
        print(f"\n{told}")


def lines(status: str) -> list[PaymentLine]:
    rows = PaymentLine.objects.filter(status=status)
    return list(rows.select_related("payment", "corrects__payment"))
