"""The daily check: what was sent, what the bank has debited, and what the ERP has fetched."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from banking import calendar
from banking.models import BankFile
from payments import tasks, threeway
from payments.models import DailyCheck, PaymentLine
from portal import clock
from portal.access.roles import Role
from portal.celery import timetable
from portal.erp.models import FeedPosition
from tests import kit
from tests.browser import scene_bank as scene
from tests.browser.scene_bank import Booked, Said
from tests.flows import test_main_job as job
from tests.flows.test_sent_exactly_once import approved
from tests.kit import Bank, Erp, Stage

pytestmark = pytest.mark.usefixtures("own_database")
KINDS = ["supplier", "salary"]


@pytest.fixture
def made(bank: Bank, own_database: None) -> Stage:
    return kit.stage(bank)


def sent(made: Stage) -> dict[str, str]:
    """Three lines that the bank has accepted; reference → amount."""
    approved(made, "A")
    job.send(made)
    with made.scope():
        file = BankFile.objects.get(direction="out")
        rows = list(PaymentLine.objects.order_by("position"))
    report = scene.status_report(file.message_id, payments={"A": Said("ACCP")})
    scene.hear(made, "accp.xml", report)
    return {row.reference: str(row.amount) for row in rows}


def debited(made: Stage, lines: dict[str, str], day: dt.date) -> None:
    booked = [Booked("A", reference, amount) for reference, amount in lines.items()]
    account = made.agreement.account.number
    advice = scene.debit_advice(account, booked, day=day.isoformat())
    scene.hear(made, f"paid-{len(lines)}-{day}.xml", advice)


def compared(made: Stage, day: dt.date) -> DailyCheck:
    with made.scope():
        return threeway.compare(company=made.company, day=day, at=clock.now())


def figures(check: DailyCheck) -> dict[str, tuple[int, dict[str, str]]]:
    names = (threeway.SENT, threeway.DEBITED, threeway.LATE, threeway.ODD)
    found = {name: threeway.figure(check, name, KINDS) for name in names}
    return {name: (one.lines, one.shown) for name, one in found.items() if one.lines}


def total(lines: dict[str, str]) -> dict[str, str]:
    return {"NOK": f"{sum(map(Decimal, lines.values())):.2f}"}


def test_each_day_has_what_was_sent_and_what_was_debited(made: Stage, bank: Bank) -> None:
    lines = sent(made)
    today, due = clock.today(), kit.soon()
    assert figures(compared(made, today)) == {"sent": (3, total(lines))}
    debited(made, lines, due)
    check = compared(made, due)
    assert figures(check) == {"debited": (3, total(lines))}
    assert not threeway.differs(check, KINDS)


def test_what_lies_at_the_bank_too_long_is_a_difference(made: Stage, bank: Bank) -> None:
    lines = sent(made)
    due = kit.soon()
    next_day = calendar.next_bank_day(due)
    assert figures(compared(made, due)).get("late") is None  # not before a bank day has passed
    first, *others = lines
    debited(made, {first: lines[first]}, due)
    check = compared(made, next_day)
    left = {reference: lines[reference] for reference in others}
    assert figures(check)["late"] == (2, total(left))
    assert threeway.differs(check, ["supplier"])
    assert not threeway.differs(check, ["salary"])
    debited(made, left, next_day)
    assert not threeway.differs(compared(made, next_day), KINDS)


def test_what_the_bank_tells_otherwise_is_a_difference(made: Stage, bank: Bank) -> None:
    lines = sent(made)
    reference = next(iter(lines))
    debited(made, {reference: "1.00"}, kit.soon())
    check = compared(made, clock.today())
    assert figures(check)["odd"] == (1, {})
    assert threeway.differs(check, KINDS)


def test_what_the_erp_has_not_fetched_in_a_day_is_a_difference(
    made: Stage, bank: Bank, settings: Any
) -> None:
    sent(made)
    assert compared(made, clock.today()).fetched_until is None  # it has never asked
    erp = Erp(made)
    told = erp.events()
    erp.events(after=told[0]["sequence"])
    with made.scope():
        assert FeedPosition.objects.get().cursor == told[0]["sequence"]
    assert compared(made, clock.today()).unfetched == 0  # they are of today
    settings.ERP_FETCHES_WITHIN_SECONDS = 0
    check = compared(made, clock.today())
    assert check.unfetched == len(told) - 1
    assert threeway.differs(check, ["supplier"])
    erp.events(after=told[-1]["sequence"])
    erp.events(after=0)  # once more from the beginning takes nothing back
    assert compared(made, clock.today()).unfetched == 0


def test_a_day_is_compared_once_and_a_difference_is_written_of(made: Stage, bank: Bank) -> None:
    kit.person("lise", made.company, Role.ACCOUNTANT)
    sent(made)
    at = dt.datetime.combine(
        calendar.next_bank_day(calendar.next_bank_day(kit.soon())), dt.time(9), clock.OSLO
    )
    with made.scope():
        check = threeway.run(company=made.company, at=at)
        assert check is not None
        assert check.day == calendar.next_bank_day(kit.soon())
        assert threeway.run(company=made.company, at=at) is None
        assert DailyCheck.objects.count() == 1
    letters = kit.letters(kind="payments.differs")
    assert letters
    client = kit.signed_in(made.users["anne"])
    client.cookies["kvitt_language"] = "en"
    page = client.get(f"/c/{made.company.public_id}/daily-check/").content.decode()
    assert "Differs" in page
    assert "Lies at the bank, and should have been debited" in page
    overview = client.get(f"/c/{made.company.public_id}/", follow=True).content.decode()
    assert "Bank, Kvitt and ERP did not agree on" in overview


def test_salary_is_for_those_alone_who_see_it(made: Stage, bank: Bank) -> None:
    with made.scope():
        DailyCheck.objects.create(
            company=made.company,
            day=kit.soon(),
            made_at=clock.now(),
            figures={"salary": {"late": {"lines": 2, "sums": {"NOK": "98765.00"}}}},
        )
    client = kit.signed_in(made.users["anne"])
    client.cookies["kvitt_language"] = "en"
    page = client.get(f"/c/{made.company.public_id}/daily-check/").content.decode()
    assert "98" not in page.split("<table", 1)[1].split("</table")[0]
    assert "Agrees" in page
    payroll = kit.person("per", made.company, Role.PAYROLL_APPROVER)
    client = kit.signed_in(payroll)
    client.cookies["kvitt_language"] = "en"
    page = client.get(f"/c/{made.company.public_id}/daily-check/").content.decode()
    assert "Differs" in page
    assert "98" in page.split("<table", 1)[1].split("</table")[0]


def test_the_timetable_has_every_company_compared_once_a_day(made: Stage, bank: Bank) -> None:
    assert "payments.compare" in timetable()
    for _time in range(2):
        tasks.compare_one(made.company.pk)
    with made.scope():
        (check,) = DailyCheck.objects.all()
    assert check.day < clock.today()
    assert check.made_at <= timezone.now()
