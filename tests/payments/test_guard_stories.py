"""Mistakes and frauds that take more than one payment, or more than one company, to see."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from payments import guards, lifecycle
from payments.models import Finding, Payment, PaymentLine
from portal import clock
from portal.access import actors
from portal.access.models import ApprovalLimit, Customer
from portal.events import moves
from tests import kit
from tests.kit import Stage
from tests.payments import test_guards
from tests.payments.test_fixes import end
from tests.payments.test_guards import FAR_KID, KID, KID_NEXT, found, line, send

DUPLICATE = {"possible-duplicate": "warn"}
TEXT = {"message": "Rammeavtale"}


class Step(NamedTuple):
    """One payment: days from the first day, and its lines."""

    days: int
    lines: list[kit.Line]


@pytest.fixture
def made(db: None) -> Stage:
    return kit.stage()


def rent(days: int, **more: Any) -> Step:
    return Step(days, [line("r", "12000.00", **more)])


# name → (the payments of one company in turn, what is found on the last)
STORIES: dict[str, tuple[list[Step], dict[str, str]]] = {
    "a rent of its second month": ([rent(0, kid=KID), rent(30, kid=KID)], DUPLICATE),
    "a rent of its third month": ([rent(0, kid=KID), rent(30, kid=KID), rent(60, kid=KID)], {}),
    "a rent of its third month, by text": (
        [rent(0, message="Leie"), rent(31, message="Leie"), rent(61, message="Leie")], {}),
    "a rent twice in its third month": (
        [rent(0, kid=KID), rent(30, kid=KID), rent(60, kid=KID), rent(62, kid=KID)], DUPLICATE),
    "a rent twice in its third month, by text": (
        [*(rent(30 * n, message="Leie") for n in range(3)), rent(61, message="Leie")], DUPLICATE),
    "a rent that was once paid twice": (
        [rent(0, kid=KID), rent(3, kid=KID), rent(60, kid=KID)], DUPLICATE),
    "in two parts what was paid whole": (
        [Step(0, [line("b", **TEXT)]),
         Step(30, [line("n1", "400.00", **TEXT), line("n2", "600.00", **TEXT)])], DUPLICATE),
    "in two parts what was paid whole, by KID": (
        [Step(0, [line("b", kid=KID)]), Step(30, [line("n1", "400.00", kid=KID)]),
         Step(32, [line("n2", "600.00", kid="0" + KID)])], DUPLICATE),
    "parts of another sum": (
        [Step(0, [line("b", **TEXT)]),
         Step(30, [line("n1", "400.00", **TEXT), line("n2", "500.00", **TEXT)])], {}),
    "whole again what was paid in parts": (
        [Step(0, [line("b1", "400.00", **TEXT)]), Step(20, [line("b2", "600.00", **TEXT)]),
         Step(40, [line("n", **TEXT)])], DUPLICATE),
    "whole again what was paid in parts, by KID": (
        [Step(0, [line("b1", "400.00", kid=KID), line("b2", "600.00", kid=KID)]),
         Step(40, [line("n", kid=KID)])], DUPLICATE),
    "the last of two parts": (
        [Step(0, [line("b1", "400.00", **TEXT)]), Step(20, [line("n", "600.00", **TEXT)])], {}),
    "the old account and a new one in one file": (
        [Step(0, [line("b", message="Faktura 1")]),
         Step(9, [line("n1", "70.00", message="A"),
                  line("n2", "80.00", test_guards.NEW_ACCOUNT, message="B")])],
        {"account-changed": "warn"}),
    "back on the old account": (
        [Step(0, [line("b", message="Faktura 1")]),
         Step(9, [line("c", "80.00", test_guards.NEW_ACCOUNT, message="B")]),
         Step(30, [line("n", "90.00", message="C")])], {}),
    "a changed account, and the invoice is paid already": (
        [Step(0, [line("b", message="Faktura 1"), line("x", "7.00", test_guards.NEW_ACCOUNT,
                                                       name="En annen", message="Q")]),
         Step(9, [line("n", account=test_guards.NEW_ACCOUNT, message="Faktura 1")])],
        {"account-changed": "warn"}),
    "almost the same KID twice in one file": (
        [Step(0, [line("b", "5.00", message="Før")]),
         Step(9, [line("n1", kid=KID), line("n2", kid=KID_NEXT)])], {"near-kid": "warn"}),
    "the same text twice in one file": (
        [Step(0, [line("b", "5.00", message="Før")]),
         Step(9, [line("n1", message="Faktura 4"), line("n2", message="Faktura 4")])], DUPLICATE),
    "three copies": (
        [Step(0, [line("b", kid=KID)]), Step(1, [line("c", kid=KID)]),
         Step(2, [line("n", kid=KID)])], DUPLICATE),
}  # fmt: skip
# In these an approver may approve 50,000 at a time.
LIMITED: dict[str, tuple[list[Step], dict[str, str]]] = {
    "two payments under a limit": (
        [Step(0, [line("b", "30000.00", message="Uke 1")]),
         Step(1, [line("n", "28000.00", message="Uke 2")])], {"split": "warn"}),
    "three payments under a limit": (
        [Step(0, [line("b", "19000.00", message="A")]), Step(2, [line("c", "18000.00", message="B")]),
         Step(4, [line("n", "17000.00", message="C")])], {"split": "warn"}),
    "together within the limit": (
        [Step(0, [line("b", "30000.00", message="A")]),
         Step(1, [line("n", "20000.00", message="B")])], {}),
    "each with a KID": (
        [Step(0, [line("b", "30000.00", kid=KID)]), Step(1, [line("n", "28000.00", kid=FAR_KID)])],
        {}),
    "in one payment, which the limit itself stops": (
        [Step(0, [line("b", "5.00", message="A")]),
         Step(9, [line("n1", "30000.00", message="B"), line("n2", "28000.00", message="C")])], {}),
    "weeks apart": (
        [Step(0, [line("b", "30000.00", message="A")]),
         Step(14, [line("n", "28000.00", message="B")])], {}),
}  # fmt: skip
# name → (what another company has paid, the new line, days between, whether it is told)
SISTERS: dict[str, tuple[kit.Line, kit.Line, int, bool]] = {
    "the same KID": (line("s", kid=KID), line("n", kid=KID), 20, True),
    "the same KID with zeros": (line("s", kid=KID), line("n", kid="0" + KID), 20, True),
    "the same numbered text": (
        line("s", message="Faktura 4711"), line("n", message="faktura 4711"), 20, True),
    "the same invoice": (line("s", invoice="F-9"), line("n", invoice="F-9"), 20, True),
    "the same KID in advance": (line("s", kid=KID), line("n", kid=KID), -3, True),
    "a text that all write": (line("s", message="Leie"), line("n", message="Leie"), 0, False),
    "another KID": (line("s", kid=FAR_KID), line("n", kid=KID), 0, False),
    "another amount": (line("s", "999.00", kid=KID), line("n", kid=KID), 0, False),
    "another account": (
        line("s", account=test_guards.NEW_ACCOUNT, kid=KID), line("n", kid=KID), 0, False),
}  # fmt: skip


def tell(made: Stage, steps: list[Step]) -> dict[str, str]:
    """What is found on the last payment, where the account is known but for the steps."""
    for place, step in enumerate(steps, 1):
        send(made, "N" if place == len(steps) else f"B{place}", *step.lines, days=step.days)
    return found(made)


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_told_and_no_more(made: Stage, name: str) -> None:
    steps, wanted = STORIES[name]
    assert tell(made, steps) == wanted


@pytest.mark.parametrize("name", LIMITED)
def test_what_is_divided_under_a_limit_is_told(made: Stage, name: str) -> None:
    steps, wanted = LIMITED[name]
    with made.scope():
        for person, most in (("anne", "50000.00"), ("bjorn", "1000000.00")):
            ApprovalLimit.objects.create(
                company=made.company, user=made.users[person], per_payment=Decimal(most)
            )
    assert tell(made, steps) == wanted
    if wanted:
        with made.scope():
            row = Finding.objects.select_related("other").get(code="split")
        assert (row.other.reference, row.facts["limit"]) == (
            steps[-2].lines[0].reference,
            "50000.00",
        )
        assert row.facts["payments"] == len(steps)


@pytest.mark.parametrize("name", SISTERS)
def test_an_invoice_of_a_sister_company_is_told(made: Stage, name: str) -> None:
    before, new, days, told = SISTERS[name]
    sister = sister_of(made)
    ahead = max(0, -days)
    send(sister, "S", before, days=ahead)
    send(made, "B", line("b", "5.00", message="Kjent"))
    send(made, "N", new, days=max(0, days))
    assert found(made) == ({"sister-duplicate": "warn"} if told else {})
    assert found(sister, "S") == {"first-payment": "inform"}, "the sister has been told of nothing"
    if told:
        with made.scope():
            (row,) = guards.told(Finding.objects.filter(code="sister-duplicate"))
        assert row.row.other is None
        assert row.elsewhere is not None
        assert (row.elsewhere.company, row.elsewhere.number) == ("Prøve 2 AS", "S")
        assert row.elsewhere.due_date == kit.soon() + dt.timedelta(days=ahead)
        assert str(row.elsewhere.state.label) == "Til godkjenning"


def sister_of(made: Stage) -> Stage:
    """A second company of the same customer."""
    other = kit.stage(place=2)
    other.company.customer = made.company.customer
    other.company.save(update_fields=["customer"])
    for user in other.users.values():
        kit.join(user, made.company.customer)
    return other


def test_a_bureaus_clients_are_strangers_to_each_other(made: Stage) -> None:
    sister = sister_of(made)
    Customer.objects.filter(pk=made.company.customer_id).update(kind=Customer.Kind.BUREAU)
    send(sister, "S", line("s", kid=KID))
    send(made, "N", line("n", kid=KID))
    assert found(made) == {"first-payment": "inform"}


def test_what_a_sister_did_not_pay_or_paid_as_salary_is_not_told(made: Stage) -> None:
    sister = sister_of(made)
    send(sister, "S", line("s", kid=KID))
    send(sister, "L", line("l", message="Oppgjør 8080"), salary=True)
    with sister.scope():
        moves.move(
            PaymentLine.objects.filter(payment__number="S"), lifecycle.CANCEL,
            by=actors.erp(None, company_name="x"), at=clock.now(),
            within=[Payment.objects.get(number="S").pk],
        )  # fmt: skip
    send(made, "N", line("n1", kid=KID), line("n2", message="Oppgjør 8080"))
    assert "sister-duplicate" not in found(made)


def test_the_sister_is_named_beside_the_line_and_no_line_of_it_is_shown(made: Stage) -> None:
    sister = sister_of(made)
    send(sister, "S-77", line("hemmelig", kid=KID))
    send(made, "N", line("n", kid=KID))
    with made.scope():
        payment = Payment.objects.get(number="N").pk
    base = f"/c/{made.company.public_id}/outgoing/"
    page = test_guards.browser(made).post(f"{base}sign/", {"payment": payment}, follow=True)
    text = " ".join(page.content.decode().split())
    assert "Another of your companies may have paid it" in text
    assert f'S-77</dt><dd>Prøve 2 AS<br>due <time datetime="{kit.soon()}">' in text
    assert "hemmelig" not in text


@pytest.mark.parametrize("until", [lifecycle.HOLD, lifecycle.APPROVE, lifecycle.SETTLE])
def test_a_copy_is_told_wherever_the_original_stands(made: Stage, until: Any) -> None:
    """Held, approved, and settled: what has been paid is the gravest to pay again."""
    send(made, "B", line("b", kid=KID))
    by = actors.person(made.users["anne"])
    settling = [
        (lifecycle.APPROVE, by), (lifecycle.SEND, actors.CLOCK),
        (lifecycle.SENT_TO_BANK, actors.CLOCK), (lifecycle.SETTLE, actors.BANK),
    ]  # fmt: skip
    with made.scope():
        ids = [Payment.objects.get(number="B").pk]
        for move, actor in [(lifecycle.HOLD, by)] if until is lifecycle.HOLD else settling:
            rows = PaymentLine.objects.filter(payment__in=ids)
            moves.move(rows, move, by=actor, at=clock.now(), within=ids)
            if move is until:
                break
    send(made, "N", line("n", kid=KID), days=3)
    assert found(made) == DUPLICATE
    with made.scope():
        (row,) = guards.told(Finding.objects.filter(payment__number="N"))
        assert row.row.other.status == until.target


def test_the_sum_of_parts_is_shown(made: Stage) -> None:
    tell(made, STORIES["in two parts what was paid whole"][0])
    with made.scope():
        payment = Payment.objects.get(number="N").pk
    page = test_guards.browser(made).get(f"/c/{made.company.public_id}/outgoing/{payment}/")
    text = " ".join(page.content.decode().split())
    assert "2 lines with this reference make" in text


# --- what the bank has refused before ------------------------------------------------------------


REFUSED = {
    "the account, and any line to it": ("AC04", {"message": "F1"}, {"kid": KID}, True),
    "the account, told again with the same text": (
        "AC01",
        {"message": "F1"},
        {"message": "F2"},
        True,
    ),
    "a KID, and another KID": ("RR07", {"kid": KID}, {"kid": FAR_KID}, True),
    "a KID, and a text instead": ("RR07", {"kid": KID}, {"message": "F2"}, False),
    "the lack of a KID, and another text": ("NARR", {"message": "F1"}, {"message": "F2"}, True),
    "the lack of a KID, and one": ("NARR", {"message": "F1"}, {"kid": KID}, False),
    "cover, which is no fault of the account": (
        "AM04",
        {"message": "F1"},
        {"message": "F2"},
        False,
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_was_refused_is_warned_of_where_it_is_the_same(made: Stage, name: str) -> None:
    code, before, after, warned = REFUSED[name]
    send(made, "B", line("b", "10.00", **before))
    with made.scope():
        end(Payment.objects.get(number="B"), code)
    send(made, "N", line("n", "77.00", **after), days=40)
    assert (guards.REFUSED_BEFORE in found(made)) is warned, found(made)


def test_what_has_been_accepted_since_is_warned_of_no_more(made: Stage) -> None:
    send(made, "B", line("b", "10.00", message="F1"))
    send(made, "C", line("c", "11.00", message="F2"), days=20)
    with made.scope():
        end(Payment.objects.get(number="B"), "AC04")
        end(Payment.objects.get(number="C"), "", lifecycle.ACCEPT)
    send(made, "N", line("n", "77.00", message="F3"), days=40)
    assert guards.REFUSED_BEFORE not in found(made)


def test_at_least_thirty_named_cases_warn_and_each_code_is_as_grave_as_its_words(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Of those in this file and in test_guards; what a code does is what its words say."""
    found_by_name = {name: case[3] for name, case in test_guards.CASES.items()}
    found_by_name |= {name: case[1] for name, case in (STORIES | LIMITED).items()}
    found_by_name |= {
        f"sister: {name}": {"sister-duplicate": "warn"} if case[3] else {}
        for name, case in SISTERS.items()
    }
    found_by_name |= {
        f"refused: {name}": {guards.REFUSED_BEFORE: "warn"} if case[3] else {}
        for name, case in REFUSED.items()
    }
    seen = {pair for told in found_by_name.values() for pair in told.items()}
    assert seen == {(code, str(words.severity)) for code, words in guards.WORDS.items()}
    warned = [name for name, told in found_by_name.items() if "warn" in told.values()]
    with capsys.disabled():
        print(f"\n{len(warned)} of {len(found_by_name)} named cases warn")
    assert len(warned) >= 30
