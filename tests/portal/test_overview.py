"""The first page of a company: sums of what still stands, and what went wrong lately."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from payments import lifecycle, queries
from payments.models import Payment
from portal import clock
from portal.access import actors
from portal.access.roles import Role
from portal.events.models import Event
from tests import kit
from tests.kit import Stage
from tests.payments.test_pages import browser, text_of
from tests.portal.events.test_moves import go, lines_of, make


@pytest.fixture
def made(db: None) -> Any:
    stage = kit.stage()
    stage.users["lars"] = kit.person("lars", stage.company, Role.PAYROLL_APPROVER)
    with stage.scope():
        yield stage


@pytest.fixture
def anne(made: Stage) -> Client:
    return browser(made, "anne")


def page(made: Stage, client: Client) -> str:
    text = text_of(client.get(f"/c/{made.company.public_id}/overview/"))
    return re.sub(r"\s+", " ", re.sub(r"<(?!section)[^>]+>", " ", text)).replace("\u00a0", " ")


def soon(*payments: Payment) -> None:
    ids = [payment.pk for payment in payments]
    Payment.objects.filter(pk__in=ids).update(due_date=timezone.localdate() + dt.timedelta(days=2))


def test_lines_that_left_the_way_are_not_among_what_waits_or_is_due(
    made: Stage, anne: Client
) -> None:
    whole, mixed = make(made, "P1", lines=4), make(made, "P2", lines=5)
    soon(whole, mixed)
    go(lines_of(mixed).filter(position__lte=2), lifecycle.HOLD, mixed)
    text = page(made, anne)
    assert "Waits for your signature 2 7,00 kr" in text
    assert "7,00 kr waits for approval or is on its way" in text


def test_what_waits_past_its_due_date_is_told_with_its_sum(made: Stage, anne: Client) -> None:
    late, sent = make(made, "P1", lines=4), make(made, "P2", lines=2)
    soon(late, sent)
    assert "past its due date" not in page(made, anne)
    Payment.objects.update(due_date=clock.today() - dt.timedelta(days=1))
    go(lines_of(sent), lifecycle.APPROVE, sent)
    go(lines_of(late).filter(position=1), lifecycle.HOLD, late)
    text = page(made, anne)
    assert "1 payment is past its due date and waits for approval : 3,00 kr" in text


def test_what_went_wrong_is_told_however_the_rest_of_the_payment_stands(
    made: Stage, anne: Client
) -> None:
    payment = make(made, "P1", lines=4)
    go(lines_of(payment).filter(position__lte=3), lifecycle.STOP, payment, by=actors.CLOCK)
    assert Payment.objects.get(pk=payment.pk).phase == lifecycle.OPEN
    assert "P1 : 3 lines" in page(made, anne)
    other = make(made, "P2", lines=1)
    go(lines_of(other), lifecycle.STOP, other, by=actors.CLOCK)
    assert "P2 : Leverandør AS, 1,00 kr" in page(made, anne)
    go(lines_of(other), lifecycle.CANCEL, other)
    assert "P2 :" not in page(made, anne)  # it is over: nobody need look at it


def test_only_the_last_week_and_only_ones_own_axis(made: Stage, anne: Client) -> None:
    salary = make(made, "S1", kind="salary")
    go(lines_of(salary), lifecycle.STOP, salary, by=actors.CLOCK)
    assert "S1" not in page(made, anne)
    assert "S1 : 3 lines" in page(made, browser(made, "lars"))
    since = timezone.now() + dt.timedelta(seconds=1)
    found = queries.went_wrong(company=made.company, permissions=frozenset(), since=since, size=10)
    assert found == []


def test_the_overview_asks_as_many_questions_whatever_it_holds(made: Stage, anne: Client) -> None:
    def asked() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            page(made, anne)
        return len(seen)

    first = make(made, "P0", lines=2)
    soon(first)
    go(lines_of(first).filter(position=1), lifecycle.STOP, first, by=actors.CLOCK)
    asked()
    few = asked()
    for n in range(1, 12):
        payment = make(made, f"P{n}", lines=2)
        soon(payment)
        go(lines_of(payment).filter(position=1), lifecycle.STOP, payment, by=actors.CLOCK)
    assert asked() == few


def test_the_index_of_what_went_wrong_holds_the_same_names(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'event_went_wrong'")
        (told,) = cursor.fetchone()
    assert sorted(re.findall(r"'(\w+)'", told)) == sorted(queries.WRONG)
    assert Event._meta.db_table in told
