"""What the simulated bank refuses, from its file to the page: cause, cure, and who must act."""

from __future__ import annotations

from html import unescape
from typing import NamedTuple

import pytest

from banking import numbers
from payments.models import PaymentLine
from tests import kit
from tests.flows import test_main_job as job
from tests.kit import Bank, Erp, Line, Stage


class Situation(NamedTuple):
    """What the bank says of a line, and by it (code and text), which words people read."""

    value: str
    who: str
    nb: str
    en: str


ERP, ADMINISTRATOR = "whoever makes payments in the ERP", "an AutoPay Administrator"
APPROVER, BANK, SUPPORT = "an approver", "the bank, when somebody asks it", "support"
NORWEGIAN = {
    ERP: "den som lager betalinger i økonomisystemet",
    ADMINISTRATOR: "en AutoPay-administrator",
    APPROVER: "en godkjenner",
    BANK: "banken, når noen spør den",
    SUPPORT: "brukerstøtte",
}
S = Situation
SITUATIONS = {
    "payee account unknown": S("AC01", ERP, "Kontonummer er feil", "Account number is wrong"),
    "debit account not tied": S(
        "AC02", ADMINISTRATOR, "Belastningskontoen er feil", "Debit account is wrong"),
    "payee account wrong": S("AC03", ERP, "Mottakerens konto er feil", "Payee account is wrong"),
    "payee account closed": S("AC04", ERP, "Kontoen er avsluttet", "Account is closed"),
    "account blocked": S("AC06 Sperret", ERP, "Kontoen er sperret", "Account is blocked"),
    "payee account ended": S(
        "AC07", ERP, "Mottakerens konto er avsluttet", "account is closed"),
    "kind not allowed": S("AG01", ADMINISTRATOR, "Ikke tillatt for kontoen", "Not allowed on"),
    "kind not supported": S("AG03", ADMINISTRATOR, "støttes ikke på kontoen", "is not supported"),
    "debit blocked": S("AG07", BANK, "kan ikke belastes", "cannot be debited"),
    "amount zero": S("AM01", ERP, "Beløpet er null", "The amount is zero"),
    "amount too large": S("AM02", BANK, "Beløpet er for stort", "Amount is too large"),
    "currency not agreed": S("AM03", ADMINISTRATOR, "Valutaen er ikke avtalt", "Currency is not in the agreement"),
    "no cover": S("AM04", ERP, "Manglende dekning", "Not enough money"),
    "possible double": S("AM05", ERP, "dobbel", "Possible double payment"),
    "amount wrong": S("AM09", ERP, "Beløpet", "Amount does not match"),
    "sum wrong": S("AM10", APPROVER, "Kontrollsummen", "Control sum does not match"),
    "currency wrong": S("AM11", ERP, "Valutaen", "Currency is invalid"),
    "beyond a limit": S("AM14", BANK, "er avtalt med banken", "limit agreed with the bank"),
    "payee address": S("BE04", ERP, "adresse", "Payee address is missing"),
    "customer unknown": S("BE06", ADMINISTRATOR, "Ukjent kunde", "Customer unknown to the bank"),
    "payee name": S("BE22", ERP, "navn", "Payee name is missing"),
    "date too far": S("CH03", ERP, "Dato", "Date is too far ahead"),
    "content": S("CH16", ERP, "Innholdet i et felt er feil", "What stands in a field is wrong"),
    "too few approvers": S("DS0A", ADMINISTRATOR, "godkjenn", "Too few approvers"),
    "unknown approver": S("DS0G", APPROVER, "godkjenner", "Unknown approver"),
    "no authority": S("DS0H", APPROVER, "fullmakt", "Approver lacks authority"),
    "date wrong": S("DT01", ERP, "Dato", "Date is invalid"),
    "closed day": S("DT03", ERP, "ingen bankdag", "The date is no bank day"),
    "after cut-off": S("DT05", ERP, "frist", "Arrived after the cut-off"),
    "payment sent before": S("DU02", ERP, "før", "Payment was sent before"),
    "line sent before": S("DU03", ERP, "før", "Payment line was sent before"),
    "reference used": S("DU04", ERP, "Referanse", "Reference was used before"),
    "file format": S("FF01", SUPPORT, "format", "Fault in the file format"),
    "by the payee": S("MS02", ERP, "uten", "Rejected by the customer, no reason given"),
    "by the bank": S("MS03", BANK, "uten", "Rejected by the bank, no reason given"),
    "free text": S("NARR Ring oss", ERP, "banken", "Explanation from the bank"),
    "KID required": S("NARR KID required", ERP, "Mottakeren krever KID", "demands a KID"),
    "KID and modulus": S("NARR KID fails its modulus", ERP, "KID-en er ugyldig", "is not valid"),
    "IBAN needed": S("NARR IBAN needed", ERP, "må ha IBAN", "The payment needs an IBAN"),
    "agreement id": S(
        "NARR Invalid agreement id", ADMINISTRATOR, "Avtale-ID-en er feil", "agreement id is wrong"),
    "codes together": S(
        "NARR Invalid combination of codes", SUPPORT, "passer ikke sammen", "do not fit together"),
    "BIC malformed": S("RC01", ERP, "kode", "Bank code is malformed"),
    "BIC wrong": S("RC07", ERP, "BIC", "BIC is wrong"),
    "clearing code": S("RC10", ERP, "learing", "Clearing code is wrong"),
    "payee details": S("RR03", ERP, "mottaker", "Payee details are missing"),
    "by law": S("RR04", BANK, "lov", "Stopped by law or regulation"),
    "remittance": S("RR07", ERP, "Betalingsinformasjonen er feil", "Remittance information is wrong"),
    "no KID agreement": S(
        "RR07 Mottaker har ikke KID-avtale", ERP, "ingen KID-avtale", "has no KID agreement"),
    "too many invoices": S(
        "RR07 More than 25 structured documents", ERP, "For mange fakturaer", "Too many invoices"),
    "structured wanted": S(
        "RR07 Single structured remittance must be present", ERP, "strukturert melding",
        "needs structured remittance"),
    "KID wrong": S("RR09", ERP, "KID", "KID is wrong or missing"),
    "characters": S("RR10", ERP, "tegn som ikke kan brukes", "characters that cannot be used"),
    "too late in the day": S("TM01", ERP, "sent", "Arrived too late in the day"),
}  # fmt: skip


@pytest.fixture
def made(own_database: str, bank: Bank) -> Stage:
    return kit.stage(bank, balance="1000000.00")


def pages(made: Stage, number: str) -> dict[str, str]:
    """The week's rejections in each language, as text."""
    client = kit.signed_in(made.users["anne"])
    found = {}
    for language in ("nb", "en"):
        client.cookies["kvitt_language"] = language
        page = client.get(f"/c/{made.company.public_id}/{number}/").content.decode()
        found[language] = unescape(" ".join(page.split()))
    return found


def piece(page: str, code: str, name: str) -> str:
    """The card of a cause: from its heading to the line that met it."""
    end = page.index(f"<small>{name}</small>")
    return page[page.rindex('<li class="ds-card stack apart-', 0, end) : end]


def test_each_code_that_the_bank_refuses_with_is_told_with_cause_cure_and_who(
    made: Stage, bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    references = {f"R{place}": name for place, name in enumerate(SITUATIONS)}
    for reference, name in references.items():
        bank.ask(
            "/scripts",
            {"what": "refuse_line", "value": SITUATIONS[name].value, "line": reference},
        )
    lines = [
        Line(reference, f"{place + 1}.00", kit.account(300 + place), message=f"Nr {place}")
        for place, reference in enumerate(references)
    ]
    body = kit.pain001({"R": lines}, account=made.agreement.account.number, due=kit.soon())
    assert Erp(made).post("payments", body).status_code == 201
    pay(made, bank)
    with made.scope():
        rows = {row.reference: row for row in PaymentLine.objects.all()}
    assert {row.status for row in rows.values()} == {"rejected"}
    told = pages(made, "rejections")
    for reference, name in references.items():
        wanted = SITUATIONS[name]
        code, _, text = wanted.value.partition(" ")
        assert rows[reference].reasons[0]["code"] == code, name
        for language, words, who in (
            ("nb", wanted.nb, NORWEGIAN[wanted.who]), ("en", wanted.en, wanted.who),
        ):  # fmt: skip
            card = piece(told[language], code, reference)
            assert words in card, (name, language, card)
            assert f": {who}." in card, (name, language, card)
            assert text in card, (name, language, card)
            assert {"nb": "Gjør dette:", "en": "What to do:"}[language] in card
    with capsys.disabled():
        print(f"\n{len(SITUATIONS)} situations, each with cause, cure and who must act, nb and en")
    assert len(SITUATIONS) >= 40


def pay(made: Stage, bank: Bank) -> None:
    """Signs all that waits, sends it, and fetches what the bank says the next day."""
    for person in ("anne", "bjorn"):
        job.sign(made, made.users[person])
    job.send(made)
    bank.pass_days(1)
    bank.work()
    job.fetch(made)


def test_what_the_bank_refuses_by_itself_is_understood(made: Stage, bank: Bank) -> None:
    """A payee without a KID agreement, one that demands a KID, and one whose account is closed."""
    payees = {"K": kit.account(310), "N": kit.account(311), "C": kit.account(312)}
    bank.ask("/setup", {"payees": [
        {"account": payees["K"], "kid": "required"}, {"account": payees["N"], "kid": "none"},
        {"account": payees["C"], "closed": True},
    ]})  # fmt: skip
    kid = numbers.make_kid("1234567", modulus="MOD10")
    lines = [
        Line("K", "10.00", payees["K"], message="Uten KID"), Line("N", "20.00", payees["N"], kid=kid),
        Line("C", "30.00", payees["C"], message="Avsluttet"),
    ]  # fmt: skip
    body = kit.pain001({"R": lines}, account=made.agreement.account.number, due=kit.soon())
    assert Erp(made).post("payments", body).status_code == 201
    pay(made, bank)
    told = pages(made, "rejections")["en"]
    for reference, words in (
        ("K", "The payee demands a KID"), ("N", "The payee has no KID agreement"),
        ("C", "Account is closed"),
    ):  # fmt: skip
        assert words in piece(told, "", reference)
