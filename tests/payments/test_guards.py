"""What looks like a mistake or a fraud: each guard alone, what it must not say, and who sees it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from banking import numbers
from payments import guards, lifecycle
from payments.models import Finding, Payment, PaymentLine
from portal import clock
from portal.access import actors
from portal.events import moves
from tests import kit
from tests.kit import Erp, Line, Stage

BEFORE, OTHER_ACCOUNT, NEW_ACCOUNT = kit.account(70), kit.account(71), kit.account(72)


def kid_of(text: str) -> str:
    return numbers.make_kid(text, modulus="MOD10")


INVOICE_KID = kid_of("00100176")
KID, KID_NEXT, FAR_KID = kid_of("1000042"), kid_of("1000043"), kid_of("9876501")


@pytest.fixture
def made(db: None) -> Stage:
    return kit.stage()


def send(made: Stage, number: str, *lines: Line, days: int = 0, salary: bool = False) -> None:
    body = kit.pain001(
        {number: list(lines)},
        account=made.agreement.account.number,
        due=kit.soon() + dt.timedelta(days=days),
        category="SALA" if salary else "SUPP",
    )
    answer = Erp(made).post("payments", body)
    assert answer.status_code == 201, answer.content


def line(reference: str, amount: str = "1000.00", account: str = BEFORE, **more: Any) -> Line:
    return Line(reference, amount, account, **({"name": "Strøm og Nett AS"} | more))


def found(made: Stage, number: str = "N") -> dict[str, str]:
    """Code → severity of what was found on a payment."""
    with made.scope():
        rows = Finding.objects.filter(payment__number=number)
        return dict(rows.values_list("code", "severity"))


def compared(made: Stage, code: str) -> str:
    with made.scope():
        row = Finding.objects.select_related("other").get(code=code, payment__number="N")
        return row.other.reference if row.other else ""


KNOWN = {"message": "Faktura 1"}
# name → (before, new line, days between, what is found)
CASES: dict[str, tuple[list[Line], Line, int, dict[str, str]]] = {
    "a new payee": ([], line("n"), 0, {"first-payment": "inform"}),
    "a known payee and another invoice": (
        [line("b", **KNOWN)], line("n", "900.00", message="Faktura 2"), 30, {}),
    "the same KID": (
        [line("b", kid=KID)], line("n", kid=KID), 30, {"possible-duplicate": "warn"}),
    "the same KID a year later": (
        [line("b", kid=KID)], line("n", kid=KID), 300, {"possible-duplicate": "warn"}),
    "the same KID and another amount": (
        [line("b", kid=KID)], line("n", "999.00", kid=KID), 30, {}),
    "the same KID with zeros before": (
        [line("b", kid=KID)], line("n", kid="00" + KID), 30, {"possible-duplicate": "warn"}),
    "the same text": (
        [line("b", **KNOWN)], line("n", **KNOWN), 30, {"possible-duplicate": "warn"}),
    "the same text in other letters": (
        [line("b", message="FAKTURA 1")], line("n", **KNOWN), 30,
        {"possible-duplicate": "warn"}),
    "another text the same week": (
        [line("b", **KNOWN)], line("n", message="Faktura 2"), 2, {"same-amount": "inform"}),
    "another text a month later": (
        [line("b", **KNOWN)], line("n", message="Faktura 2"), 30, {}),
    "almost the same KID the same week": (
        [line("b", kid=KID)], line("n", kid=KID_NEXT), 2, {"near-kid": "warn"}),
    "almost the same KID a month later": (
        [line("b", kid=KID)], line("n", kid=KID_NEXT), 30, {}),
    "quite another KID the same day": (
        [line("b", kid=KID)], line("n", kid=FAR_KID), 0, {}),
    "another account of a known payee": (
        [line("b", **KNOWN)], line("n", account=NEW_ACCOUNT, message="Faktura 2"), 30,
        {"account-changed": "warn"}),
    "another account, and the name written otherwise": (
        [line("b", **KNOWN)],
        line("n", account=NEW_ACCOUNT, name="STRØM OG NETT A.S.", message="Faktura 2"), 30,
        {"account-changed": "warn"}),
    "another account, and a payee of another name": (
        [line("b", **KNOWN)], line("n", account=NEW_ACCOUNT, name="Noen Andre AS"), 30,
        {"first-payment": "inform"}),
    "the same account in another payee's name": (
        [line("b", **KNOWN)], line("n", name="Strøm Nett", message="Faktura 2"), 30, {}),
    "two accounts that are both known": (
        [line("b", **KNOWN), line("c", account=OTHER_ACCOUNT, message="x")],
        line("n", "55.00", account=OTHER_ACCOUNT, message="y"), 30, {}),
    "far above all before": (
        [line(f"b{n}", f"{900 + n}.00", message=f"F{n}") for n in range(4)],
        line("n", "90000.00", message="F9"), 30, {"unusual-amount": "warn"}),
    "far above, but small": (
        [line(f"b{n}", f"{90 + n}.00", message=f"F{n}") for n in range(4)],
        line("n", "9000.00", message="F9"), 30, {}),
    "far above too few to know": (
        [line(f"b{n}", f"{900 + n}.00", message=f"F{n}") for n in range(3)],
        line("n", "90000.00", message="F9"), 30, {}),
    "four times the largest": (
        [line(f"b{n}", f"{9000 + n}.00", message=f"F{n}") for n in range(4)],
        line("n", "36000.00", message="F9"), 30, {}),
    "a comma too far right": (
        [line(f"b{n}", f"{4500 + n}.50", message=f"F{n}") for n in range(5)],
        line("n", "450250.00", message="F9"), 30, {"unusual-amount": "warn"}),
    "the same invoice number in other words the same week": (
        [line("b", message="Faktura 10017")], line("n", message="Fakt.nr. 10017 strøm"), 2,
        {"possible-duplicate": "warn"}),
    "the same number in other words a month later": (
        [line("b", message="Kunde 10017 mai")], line("n", message="Kunde 10017 juni"), 30, {}),
    "the same year in two texts": (
        [line("b", message="Vask 2026 uke 9")], line("n", message="Leie 2026"), 2,
        {"same-amount": "inform"}),
    "a text, and then the KID that holds its number": (
        [line("b", message="Faktura 100176")], line("n", kid=INVOICE_KID), 3,
        {"possible-duplicate": "warn"}),
    "a KID, and then a text with a number of it": (
        [line("b", kid=INVOICE_KID)], line("n", message="Faktura 100176"), 3,
        {"possible-duplicate": "warn"}),
    "a text, and a KID of another invoice": (
        [line("b", message="Faktura 100177")], line("n", kid=FAR_KID), 3,
        {"same-amount": "inform"}),
    "the same invoice as a document": (
        [line("b", invoice="F-77")], line("n", invoice="F-77"), 60,
        {"possible-duplicate": "warn"}),
    "another invoice as a document": (
        [line("b", invoice="F-77")], line("n", "900.00", invoice="F-78"), 60, {}),
    "a known payee on the account of another": (
        [line("b", **KNOWN), line("c", account=OTHER_ACCOUNT, name="Bo Rørlegger", message="x")],
        line("n", "55.00", account=OTHER_ACCOUNT, message="Faktura 3"), 30,
        {"account-changed": "warn"}),
    "the original is due later than the copy": (
        [line("b", kid=KID)], line("n", kid=KID), -3, {"possible-duplicate": "warn"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_named_case_is_told_and_no_more(made: Stage, name: str) -> None:
    before, new, days, wanted = CASES[name]
    if before:  # neither is due before today, whatever day it is
        send(made, "B", *before, days=max(0, -days))
    send(made, "N", new, days=max(0, days))
    assert found(made) == wanted


def test_the_same_twice_in_one_file_is_told_of_the_second(made: Stage) -> None:
    send(made, "B", line("b", "5.00", message="Kjent"))
    send(made, "N", line("n1", kid=KID), line("n2", kid=KID))
    assert found(made) == {"possible-duplicate": "warn"}
    assert compared(made, "possible-duplicate") == "n1"


@pytest.mark.parametrize(
    ("move", "actor"),
    [(lifecycle.CANCEL, actors.erp(None, company_name="x")), (lifecycle.STOP, actors.CLOCK)],
)
def test_what_was_never_paid_is_no_duplicate_and_proves_no_account(
    made: Stage, move: Any, actor: Any
) -> None:
    send(made, "B", line("b", kid=KID))
    with made.scope():
        rows = PaymentLine.objects.filter(payment__number="B")
        ids = [Payment.objects.get(number="B").pk]
        moves.move(rows, move, by=actor, at=clock.now(), within=ids)
    send(made, "N", line("n", kid=KID))
    assert found(made) == {"first-payment": "inform"}


def test_salary_is_compared_with_salary_alone_and_shown_to_its_axis(made: Stage) -> None:
    send(made, "L", line("s", name="Hemmelig Ansatt", message="Lønn"), salary=True)
    send(made, "N", line("n", account=NEW_ACCOUNT, name="Hemmelig Ansatt", message="Utlegg"))
    assert found(made) == {"first-payment": "inform"}, "nothing is told of what the employee gets"
    send(made, "L2", line("s2", account=OTHER_ACCOUNT, name="Hemmelig Ansatt"), salary=True)
    assert found(made, "L2") == {"account-changed": "warn"}


def test_another_companys_payments_are_nobodys_history(made: Stage) -> None:
    other = kit.stage(place=2)
    send(other, "B", line("b", kid=KID))
    send(made, "N", line("n", kid=KID))
    assert found(made) == {"first-payment": "inform"}


# --- where it is shown ---------------------------------------------------------------------------


def browser(made: Stage, name: str = "anne") -> Client:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


def test_warnings_stand_first_before_signing_with_what_they_were_compared_with(
    made: Stage,
) -> None:
    send(made, "B", line("b", message="Faktura 1"), line("c", "50.00", OTHER_ACCOUNT, name="Bo"))
    send(
        made, "N",
        line("n1", "70.00", account=kit.account(80), name="Bo", message="Ny konto"),
        line("n2", message="Faktura 1"),
        line("n3", account=kit.account(81), name="Ny leverandør"),
        days=30,
    )  # fmt: skip
    with made.scope():
        new = Payment.objects.get(number="N")
    base = f"/c/{made.company.public_id}/outgoing/"
    page = browser(made).post(f"{base}sign/", {"payment": new.pk}, follow=True).content.decode()
    text = " ".join(page.split())
    assert "Look at these first" in text
    assert text.index("It may have been paid already") < text.index("account has changed")
    assert "Call the payee on a number that you know from before" in text
    assert "First payment to this account" not in text, "it informs, and warns of nothing"
    detail = " ".join(browser(made).get(f"{base}{new.pk}/").content.decode().split())
    assert "First payment to this account" in detail
    assert "It may have been paid already" in detail


def test_the_statements_do_not_grow_with_the_lines(made: Stage) -> None:
    send(made, "B", *[line(f"b{n}", account=kit.account(100 + n)) for n in range(30)])
    counts = []
    for number, size in (("P5", 5), ("P30", 30)):
        send(made, number, *[
            line(f"{number}-{n}", account=kit.account(200 + n), kid=KID) for n in range(size)])  # fmt: skip
        with made.scope():
            row = Payment.objects.get(number=number)
            Finding.objects.filter(payment=row).delete()
            with CaptureQueriesContext(connection) as asked:
                guards.look([row.pk], company_id=made.company.pk, at=clock.now())
            counts.append(len(asked))
    assert counts[0] == counts[1] <= len(guards.GUARDS) + 4  # first line, sisters, choice, block
