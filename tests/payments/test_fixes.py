"""What a corrected draft proposes, and that nothing is paid twice by one."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from banking import numbers
from banking.iso20022 import codes
from payments import checks, fixes, lifecycle
from payments.models import Draft, Payment, PaymentLine
from portal import clock
from portal.access import actors
from portal.access.roles import Role
from portal.events import moves
from tests import kit
from tests.kit import Line, Stage
from tests.payments.test_drafting import at, client_of, text

KID = numbers.make_kid("1234", modulus="MOD10")


def test_every_fix_that_the_data_names_is_known() -> None:
    reasons = tomllib.loads(codes.REASONS.read_text("utf-8"))
    others = tomllib.loads(codes.OTHERS.read_text("utf-8"))
    tables = [
        *reasons["reasons"].values(),
        *reasons["texts"].values(),
        *others["families"].values(),
    ]
    named = {table["fix"] for table in tables if "fix" in table} | set(others["fixes"].values())
    assert named <= fixes.NAMES
    assert set(fixes.OF_CHECKS.values()) <= fixes.NAMES
    assert set(fixes.OF_CHECKS) <= set(checks.EXPLANATIONS)
    assert set(others["fixes"]) <= set(others["codes"])


# --- division of invoices -------------------------------------------------------------------


def document(place: int, amount: int, kind: str = "CINV") -> dict[str, Any]:
    return {"kind": kind, "number": str(place), "amount": f"{amount}.00", "currency": "NOK", "kid": None}  # fmt: skip


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=90),
    st.lists(st.integers(1, 20), max_size=8),
    st.integers(2, 25),
)
def test_divided_lines_hold_the_same_invoices_and_the_same_money(
    invoices: list[int], credits: list[int], most: int
) -> None:
    documents = [document(place, amount) for place, amount in enumerate(invoices)]
    documents += [document(1000 + p, amount, "CREN") for p, amount in enumerate(credits)]
    whole = Decimal(sum(invoices) - sum(credits))
    row = {"amount": fixes.written(whole), "documents": documents, "notes": [], "corrects": 1}
    parts = fixes._divided(row, most)
    amounts = [Decimal(part["amount"].replace(",", ".")) for part in parts]
    held = [one["number"] for part in parts for one in part["documents"]]
    assert sorted(held) == sorted(one["number"] for one in documents)
    assert sum(amounts) == whole
    if len(parts) > 1:
        assert all(len(part["documents"]) <= most for part in parts)
        assert min(amounts) > 0
        for part, amount in zip(parts, amounts, strict=True):
            assert sum(fixes._signed(one) for one in part["documents"]) == amount
    else:
        assert credits or len(documents) <= most


def test_a_line_whose_invoices_have_no_amounts_is_left_whole() -> None:
    documents = [{**document(place, 1), "amount": None} for place in range(30)]
    row = {"amount": "30,00", "documents": documents, "notes": []}
    assert fixes._divided(row, 25) == [row]


@pytest.mark.parametrize(
    ("told", "basic"),
    [("Åse Øst & Ærlig", "Ase Ost   AErlig"), ("Müller – 7", "Muller   7"), ("Plain/7", "Plain/7")],
)
def test_letters_are_written_with_those_that_every_bank_takes(told: str, basic: str) -> None:
    assert fixes.basic(told) == basic


# --- drafts ---------------------------------------------------------------------------------


@pytest.fixture
def made(db: None) -> Stage:
    made = kit.stage(approvers=1)
    made.users["unni"] = kit.person("unni", made.company, Role.UPLOADER, Role.ACCOUNTANT)
    made.users["kari"] = kit.person("kari", made.company, Role.ACCOUNTANT)
    return made


def refused(made: Stage, *lines: Line, number: str = "R1", code: str = "AC03") -> Payment:
    """A payment whose lines the bank has refused."""
    body = kit.pain001({number: list(lines)}, account=made.agreement.account.number, due=kit.soon())
    answer = kit.Erp(made).post("payments", body)
    assert answer.status_code == 201, answer.content
    with made.scope():
        payment = Payment.objects.get(number=number)
        end(payment, code)
        return Payment.objects.get(number=number)


def end(payment: Payment, code: str, change: Any = lifecycle.REJECT) -> None:
    """As if its file had been sent, and the bank had refused its lines."""
    rows = PaymentLine.objects.filter(payment=payment)
    on_way = (lifecycle.APPROVE, lifecycle.SEND, lifecycle.SENT_TO_BANK)
    for step, by in zip(on_way, (someone(), actors.CLOCK, actors.CLOCK), strict=True):
        moves.move(rows, step, by=by, at=clock.now(), within=[payment.pk])
    table = moves.stage()
    with connection.cursor() as cursor:
        for row in rows:
            cursor.execute(
                f"INSERT INTO {table} (row_id, reasons) VALUES (%s, %s::jsonb)",
                [row.pk, f'[{{"code": "{code}"}}]'],
            )
    staged = moves.Staged(PaymentLine, table, columns=("reasons",))
    moves.move(staged, change, by=actors.BANK, at=clock.now(), within=[payment.pk])


def someone() -> Any:
    return actors.Actor(actors.ActorKind.USER, "0", "Anne")


def draft_of(made: Stage, payment: Payment, **posted: Any) -> str:
    answer = client_of(made, "unni").post(at(made, f"{payment.pk}/correct/"), posted)
    assert answer.status_code == 302
    return str(answer["Location"])


def rows_of(made: Stage) -> list[dict[str, Any]]:
    with made.scope():
        return list(Draft.objects.get(payment=None).values["lines"])


def two() -> tuple[Line, Line]:
    return (
        Line("a", "10.00", kit.account(70), name="Alfa AS", message="1"),
        Line("b", "20.00", kit.account(71), name="Beta AS", message="2"),
    )


def sent_of(made: Stage, go: str = "hand-in", **changed: str) -> dict[str, Any]:
    """What a browser sends of the one open draft, with fields changed in every line."""
    with made.scope():
        draft = Draft.objects.get(payment=None)
    sent: dict[str, Any] = {"version": draft.version, "go": go}
    sent |= {name: draft.values[name] for name in ("account", "due_date", "kind", "urgent")}
    sent["row"] = [str(row["row"]) for row in draft.values["lines"]]
    for row in draft.values["lines"]:
        told = {name: value for name, value in row.items() if isinstance(value, str)}
        sent |= {f"line-{row['row']}-{name}": value for name, value in {**told, **changed}.items()}
    return sent


def test_all_refused_lines_go_into_one_draft_and_it_is_found_again(made: Stage) -> None:
    payment = refused(made, *two())
    with made.scope():
        first = payment.lines.order_by("position")[0]
    address = draft_of(made, payment, line=first.pk)
    assert [row["payee"] for row in rows_of(made)] == ["Alfa AS"]
    assert draft_of(made, payment) == address
    assert [row["payee"] for row in rows_of(made)] == ["Alfa AS", "Beta AS"]
    assert draft_of(made, payment) == address
    assert len(rows_of(made)) == 2


def test_what_was_refused_must_be_changed_or_said_to_be_right(made: Stage) -> None:
    payment = refused(made, two()[0])
    client, address = client_of(made, "unni"), draft_of(made, payment)
    page = text(client.get(address))
    assert "This account was refused. Ask the payee for the right one." in page
    answer = client.post(address, sent_of(made))
    assert answer.status_code == 422
    assert "Change this, or tick that what was refused is right." in text(answer)
    answer = client.post(address, sent_of(made, right="on"), follow=True)
    assert "is handed in" in text(answer)
    with made.scope():
        new = PaymentLine.objects.get(corrects__isnull=False)
        assert new.corrects is not None
        assert (new.corrects.reference, new.payee_account) == ("a", kit.account(70))


def test_the_two_payments_lead_to_each_other_and_the_line_is_paid_once(made: Stage) -> None:
    payment = refused(made, *two())
    client, address = client_of(made, "unni"), draft_of(made, payment)
    client.post(address, sent_of(made, account=kit.account(77)), follow=True)
    with made.scope():
        new = Payment.objects.get(source="hand")
    old_page = text(client.get(at(made, f"{payment.pk}/")))
    assert f"Paid instead by <a class=\"ds-link\" href=\"{at(made, f'{new.pk}/')}\">{new.number}</a>" in old_page  # fmt: skip
    assert "Make a corrected draft" not in old_page
    new_page = text(client.get(at(made, f"{new.pk}/")))
    assert "Paid instead of lines of" in new_page
    assert ">R1</a>" in new_page
    answer = client.post(at(made, f"{payment.pk}/correct/"), follow=True)
    assert "There is nothing to correct" in text(answer)
    with made.scope():
        assert not Draft.objects.filter(payment=None).exists()
    erp, own = kit.Erp(made), f"{new.number}-1"
    told = [event for event in erp.events() if event["event"] == "corrects"]
    assert [(event["number"], event["erp_code"], event["lines"]) for event in told] == [
        (new.number, 2, 2)
    ]
    instead_of = {"number": "R1", "reference": "a"}
    assert told[0]["corrects"][0] == {"reference": own, "instead_of": instead_of}
    lines = erp.get(f"payments/{new.number}").json()["lines"]
    assert [line["instead_of"] for line in lines][0] == instead_of


def test_a_line_whose_correction_was_refused_too_can_be_written_once_more(made: Stage) -> None:
    payment = refused(made, two()[0])
    client, address = client_of(made, "unni"), draft_of(made, payment)
    client.post(address, sent_of(made, account=kit.account(77)), follow=True)
    with made.scope():
        end(Payment.objects.get(source="hand"), "AC04")
    assert draft_of(made, payment) != address


def test_of_two_drafts_of_one_line_only_one_is_handed_in(made: Stage) -> None:
    payment = refused(made, two()[0])
    client, first = client_of(made, "unni"), draft_of(made, payment)
    with made.scope():
        kept = Draft.objects.get()
        kept.pk, kept.public_id, kept.key = None, "another000", "another"
        kept.save(force_insert=True)
        second = Draft.objects.get(public_id="another000")
    sent = sent_of_draft(second, account=kit.account(78))
    assert "is handed in" in text(
        client.post(first, {**sent, "line-1-account": kit.account(77)}, follow=True)
    )
    answer = client.post(at(made, "drafts/another000/"), sent, follow=True)
    assert "is paid instead of a line of it already" in text(answer)
    with made.scope():
        assert PaymentLine.objects.filter(corrects__isnull=False).count() == 1


def sent_of_draft(draft: Draft, **changed: str) -> dict[str, Any]:
    (row,) = draft.values["lines"]
    told = {name: value for name, value in row.items() if isinstance(value, str)} | changed
    sent = {f"line-{row['row']}-{name}": value for name, value in told.items()}
    head = {name: draft.values[name] for name in ("account", "due_date", "kind", "urgent")}
    return {"version": draft.version, "go": "hand-in", "row": str(row["row"]), **head, **sent}


def test_whoever_may_not_write_payments_is_told_who_may(made: Stage) -> None:
    payment = refused(made, two()[0])
    client = client_of(made, "kari")
    page = text(client.get(at(made, f"{payment.pk}/")))
    assert "Make a corrected draft" in page
    assert "It takes the role AutoPay Uploader." in page
    assert client.post(at(made, f"{payment.pk}/correct/")).status_code == 403


def test_the_account_that_the_payee_was_paid_on_before_is_told(made: Stage) -> None:
    name = "Alfa AS"
    paid = Line("p", "10.00", kit.account(79), name=name, message="0")
    earlier = refused(made, paid, number="P1", code="")
    with made.scope():
        PaymentLine.objects.filter(payment=earlier).update(booked_date=clock.today())
        settled(earlier)
    payment = refused(made, two()[0])
    draft_of(made, payment)
    codes_told = [note["code"] for note in rows_of(made)[0]["notes"]]
    assert codes_told == ["account", "paid-before"]
    assert rows_of(made)[0]["notes"][1]["params"]["account"] == numbers.format_account(
        kit.account(79)
    )


def settled(payment: Payment) -> None:
    """Sets the lines settled, whatever was told before: only what was paid is looked at here."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_paymentline SET status = 'settled' WHERE payment_id = %s", [payment.pk]
        )


def test_a_draft_that_holds_what_its_author_may_not_see_any_more_is_closed(made: Stage) -> None:
    payment = refused(made, two()[0])
    address = draft_of(made, payment)
    made.users["other"] = kit.person("other", made.company, Role.UPLOADER)
    assert client_of(made, "other").get(address).status_code == 404
    assert client_of(made, "unni").get(address).status_code == 200


def test_more_invoices_than_the_bank_takes_are_divided_and_handed_in(made: Stage) -> None:
    documents = [{"kind": "CINV", "number": str(n), "amount": "10.00"} for n in range(30)]
    line = {"reference": "d", "amount": "300.00", "payee": {"name": "Mange AS"},
            "account": kit.account(70), "documents": documents}  # fmt: skip
    number = made.agreement.account.number
    body = {"totals": {"lines": 1, "sum": "300.00"}, "payments": [
        {"number": "D1", "due_date": str(kit.soon()), "debit_account": number, "lines": [line]}]}  # fmt: skip
    answer = kit.Erp(made).post(
        "payments", json.dumps(body).encode(), media_type="application/json"
    )  # fmt: skip
    assert answer.json()["erp_code"] == 10
    with made.scope():
        payment = Payment.objects.get(number="D1")
    client, address = client_of(made, "unni"), draft_of(made, payment)
    assert len(rows_of(made)) == 2
    assert "so they are divided" in text(client.get(address))
    answer = client.post(address, sent_of(made), follow=True)
    assert "is handed in" in text(answer)
    with made.scope():
        new = PaymentLine.objects.filter(corrects__payment=payment).order_by("position")
        assert [len(row.documents or []) for row in new] == [15, 15]
        assert sum(row.amount for row in new) == Decimal("300.00")


def test_a_cancelled_payment_can_be_written_anew(made: Stage) -> None:
    body = kit.pain001({"C1": list(two())}, account=made.agreement.account.number, due=kit.soon())
    assert kit.Erp(made).post("payments", body).status_code == 201
    assert kit.Erp(made).post("payments/C1/cancel", b'{"reason": "Feil dato"}').status_code == 200
    with made.scope():
        payment = Payment.objects.get(number="C1")
    client, address = client_of(made, "unni"), draft_of(made, payment)
    assert "is handed in" in text(client.post(address, sent_of(made), follow=True))
    with made.scope():
        assert PaymentLine.objects.filter(corrects__payment=payment).count() == 2
