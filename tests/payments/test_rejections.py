"""The week's rejections by cause: what is told together, what is not told, and to whom."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from payments import lifecycle, rejections
from payments.models import Payment, PaymentLine
from portal import clock
from portal.access import actors
from portal.access.roles import Permission, Role
from portal.events import moves
from tests import kit
from tests.kit import Stage
from tests.payments.test_guards import line, send

SUPPLIER = frozenset({Permission.SEE_SUPPLIER})
BOTH = SUPPLIER | {Permission.SEE_SALARY}


@pytest.fixture
def made(db: None) -> Stage:
    made = kit.stage()
    made.users["payroll"] = kit.person("payroll", made.company, Role.PAYROLL_ACCOUNTANT)
    return made


def meet(
    made: Stage,
    number: str,
    move: Any,
    *reasons: dict[str, Any],
    at: dt.datetime | None = None,
    only: str = "",
) -> None:
    """Brings a payment's lines to the bank, and then this upon them or one of them."""
    when = at or clock.now()
    with made.scope():
        ids = [Payment.objects.get(number=number).pk]
        rows = PaymentLine.objects.filter(payment__in=ids)
        if rows.filter(status=lifecycle.AWAITING).exists():
            by = actors.person(made.users["anne"])
            for step, actor in (
                (lifecycle.APPROVE, by),
                (lifecycle.SEND, actors.CLOCK),
                (lifecycle.SENT_TO_BANK, actors.CLOCK),
            ):
                moves.move(rows, step, by=actor, at=when, within=ids)
        if only:
            rows = rows.filter(reference=only)
        moves.move(rows, move, by=actors.BANK, at=when, within=ids, reasons=list(reasons) or None)


def week(made: Stage, last: dt.date | None = None, permissions: Any = SUPPLIER) -> rejections.Week:
    with made.scope():
        return rejections.week(
            company=made.company, permissions=permissions, last=last or clock.today()
        )


def told(week: rejections.Week) -> list[tuple[str, int, str]]:
    """(code, lines, who must act) of each cause in turn."""
    return [(one.why[0]["code"] if one.why else "", one.lines, one.who) for one in week.causes]


def test_lines_with_one_cause_stand_together_and_the_bank_last(made: Stage) -> None:
    send(made, "A", line("a1", "100.00", kid="1000042"[:0]), line("a2", "50.00"))
    send(made, "B", line("b1", "25.00"), line("b2", "5.00"), line("b3", "1.00"))
    meet(made, "A", lifecycle.REJECT, {"code": "AC04", "text": "Creditor account 1 is closed"})
    meet(made, "B", lifecycle.REJECT, {"code": "AC04", "text": "closed"}, only="b1")
    meet(made, "B", lifecycle.REJECT, {"code": "MS03"}, only="b2")
    meet(made, "B", lifecycle.REJECT, {"code": "AC02"}, only="b3")
    found = week(made)
    assert told(found) == [("AC04", 3, "erp"), ("AC02", 1, "administrator"), ("MS03", 1, "bank")]
    assert found.causes[0].sums == {"NOK": Decimal("175.00")}
    assert found.causes[0].why[0]["text"] == "", "the bank wrote different things"
    assert [row.line.reference for row in found.causes[0].rows if row.line] == ["b1", "a2", "a1"]
    assert (found.lines, found.cut) == (5, False)


def test_what_the_bank_writes_parts_causes_with_one_code(made: Stage) -> None:
    send(made, "A", line("a1", "100.00"), line("a2", "50.00"), line("a3", "5.00"))
    meet(made, "A", lifecycle.REJECT, {"code": "NARR", "text": "KID required"}, only="a1")
    meet(made, "A", lifecycle.REJECT, {"code": "NARR", "text": "IBAN needed"}, only="a2")
    meet(made, "A", lifecycle.REJECT, {"code": "ZZ99", "text": "Nytt"}, only="a3")
    found = week(made)
    titles = {one.why[0]["title"]: one.why[0]["text"] for one in found.causes}
    assert titles == {
        "Mottakeren krever KID": "KID required",
        "Betalingen må ha IBAN": "IBAN needed",
        "": "Nytt",
    }
    assert told(found)[-1] == ("ZZ99", 1, ""), "nobody knows who must act"


def test_only_the_week_and_only_what_still_stands_is_told(made: Stage) -> None:
    now = clock.now()
    for number, days in (("OLD", 7), ("EDGE", 6), ("NEW", 0)):
        send(made, number, line(f"{number}-1"))
        meet(made, number, lifecycle.REJECT, {"code": "AC04"}, at=now - dt.timedelta(days=days))
    send(made, "BACK", line("r"))
    meet(made, "BACK", lifecycle.SETTLE)
    meet(made, "BACK", lifecycle.RETURN, {"code": "AC04"})
    send(made, "LATE", line("p"))
    meet(made, "LATE", lifecycle.PUZZLE, {"code": "ZZ99"})
    meet(made, "LATE", lifecycle.REJECT, {"code": "AC01"})
    found = week(made)
    assert sorted(told(found)) == [("AC01", 1, "erp"), ("AC04", 1, "erp"), ("AC04", 2, "erp")]
    assert [row.event.number for one in found.causes for row in one.rows if one.lines == 2] == [
        "NEW", "EDGE"]  # fmt: skip
    before = week(made, clock.today() - dt.timedelta(days=7))
    assert [row.event.number for one in before.causes for row in one.rows] == ["OLD"]


def test_salary_is_told_to_its_own_axis_alone(made: Stage) -> None:
    send(made, "L", line("s", "777.00", name="Hemmelig Ansatt"), salary=True)
    meet(made, "L", lifecycle.REJECT, {"code": "AC04"})
    assert week(made).causes == []
    assert told(week(made, permissions=BOTH)) == [("AC04", 1, "erp")]
    base = f"/c/{made.company.public_id}/rejections/"
    assert "Hemmelig" not in browser(made, "anne").get(base).content.decode()
    assert "Hemmelig" in browser(made, "payroll").get(base).content.decode()


def browser(made: Stage, name: str) -> Client:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


def test_the_page_tells_cause_cure_and_who_and_goes_back_in_time(made: Stage) -> None:
    send(made, "A", *[line(f"a{n}", f"{n + 1}.00") for n in range(rejections.SHOWN + 2)])
    meet(made, "A", lifecycle.REJECT, {"code": "RR09", "text": "Ugyldig KID"})
    base = f"/c/{made.company.public_id}/rejections/"
    text = " ".join(browser(made, "anne").get(base).content.decode().split())
    for words in (
        "The KID is not valid", "The bank writes: “Ugyldig KID”", "Who must act: whoever makes",
        "What else to try", "Check the payee&#x27;s account number first", "2 lines more have this",
    ):  # fmt: skip
        assert words in text, words
    assert "The week after" not in text
    week_ago = (clock.today() - dt.timedelta(days=7)).isoformat()
    assert f"?until={week_ago}" in text
    before = browser(made, "anne").get(base, {"until": week_ago}).content.decode()
    assert "Nothing was rejected" in before
    assert f"?until={clock.today().isoformat()}" in before
    for bad in ("2026-13-01", "yesterday", "9999-12-31", "0001-01-01", "\0"):
        assert browser(made, "anne").get(base, {"until": bad}).status_code == 200


def test_the_queries_do_not_grow_with_what_went_wrong(made: Stage) -> None:
    counts = []
    for number, size in (("A", 2), ("B", 40)):
        send(made, number, *[line(f"{number}{n}") for n in range(size)])
        meet(made, number, lifecycle.REJECT, {"code": "AC04"})
        with made.scope(), CaptureQueriesContext(connection) as asked:
            assert rejections.week(
                company=made.company, permissions=SUPPLIER, last=clock.today()
            ).lines
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 3


def test_a_payment_that_was_not_delivered_is_told_whole(made: Stage) -> None:
    send(made, "U", line("u1", "100.00"), line("u2", "50.00"))
    with made.scope():
        ids = [Payment.objects.get(number="U").pk]
        rows = PaymentLine.objects.filter(payment__in=ids)
        by = actors.person(made.users["anne"])
        for step, actor in (
            (lifecycle.APPROVE, by), (lifecycle.SEND, actors.CLOCK),
            (lifecycle.NOT_DELIVERED, actors.CLOCK),
        ):  # fmt: skip
            moves.move(rows, step, by=actor, at=clock.now(), within=ids)
    (cause,) = week(made).causes
    assert (cause.lines, cause.sums) == (2, {"NOK": Decimal("150.00")})
    assert cause.rows[0].line is None
    page = browser(made, "anne").get(f"/c/{made.company.public_id}/rejections/").content.decode()
    assert ">U</a>" in page
