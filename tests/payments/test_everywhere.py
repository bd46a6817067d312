"""Payments of all of a person's companies: seen and signed at once, and still each company's own."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from payments import digest, lifecycle, lists
from payments.models import Ceremony, Payment, Signature
from portal import clock
from portal.access import grants, tenancy
from portal.access.models import ApprovalLimit, Deputy, RoleGrant, User, UserGroup
from portal.access.roles import Role
from portal.events.models import Event
from portal.lists import keyset
from portal.lists.models import SavedView
from tests import kit
from tests.kit import Stage
from tests.portal.events.test_moves import go, lines_of, make, statuses

pytestmark = pytest.mark.django_db

LIST, APPROVE = "/all/outgoing/", "/all/approve/"


@pytest.fixture
def sara() -> User:
    """Somebody who approves in several companies; `stages` says in which."""
    return kit.person("sara", kit.company(9, "Byrået AS"))


def stages(user: User, *roles: Role, approvers: int = 2) -> list[Stage]:
    """A company for each of these roles, which the user has there; the first is the first."""
    made = []
    for place, role in enumerate(roles, start=1):
        stage = kit.stage(place=place, approvers=approvers)
        kit.give(user, stage.company, role)
        stage.users["sara"] = user
        made.append(stage)
    return made


def with_payment(made: Stage, number: str, **more: Any) -> Payment:
    with made.scope():
        return make(made, number, **more)


def browser(user: User) -> Client:
    client = kit.signed_in(user)
    client.cookies["kvitt_language"] = "en"
    return client


def text_of(answer: Any) -> str:
    assert answer.status_code == 200, answer.content[:500]
    return str(answer.content.decode())


def shown(client: Client, *payments: Payment) -> tuple[str, list[str]]:
    """The address of the signing page of these, and what it showed."""
    answer = client.post("/all/outgoing/sign/", {"payment": [p.pk for p in payments]}, follow=True)
    return answer.request["PATH_INFO"], re.findall(r'name="seen" value="([^"]+)"', text_of(answer))


def confirm(client: Client, user: User, address: str, seen: list[str]) -> str:
    code = kit.code_of(user)
    return text_of(client.post(address, {"seen": seen, "code": code}, follow=True))


def status_of(made: Stage, payment: Payment) -> str:
    with made.scope():
        payment.refresh_from_db()
    return payment.status


def test_each_company_shows_the_axis_that_the_role_opens_there(sara: User) -> None:
    one, two = stages(sara, Role.APPROVER, Role.PAYROLL_APPROVER)
    other = kit.stage(place=3)
    for place, made in enumerate((one, two, other), start=1):
        with_payment(made, f"SUPPLIER-{place}")
        with_payment(made, f"SALARY-{place}", kind="salary")
    client = browser(sara)
    for address in (LIST, APPROVE):
        page = text_of(client.get(address))
        assert set(re.findall(r"S(?:UPPLIER|ALARY)-\d", page)) == {"SUPPLIER-1", "SALARY-2"}
        assert "2 companies" in page
    one_only = text_of(client.get(APPROVE, {"company": one.company.public_id}))
    assert set(re.findall(r"S(?:UPPLIER|ALARY)-\d", one_only)) == {"SUPPLIER-1"}


def test_what_is_signed_at_once_is_each_companys_own(sara: User) -> None:
    one, two = stages(sara, Role.APPROVER, Role.APPROVER, approvers=1)
    payments = [with_payment(one, "P1"), with_payment(two, "P1", lines=2)]
    client = browser(sara)
    address, seen = shown(client, *payments)
    page = text_of(client.get(address))
    assert "Prøve 1 AS" in page
    assert "Prøve 2 AS P1" in page
    receipt = confirm(client, sara, address, seen)
    assert "You have approved 2 payments" in receipt
    assert "Nobody else needs to approve" in receipt
    with tenancy.acting_for([one.company, two.company]):
        mine, theirs = Ceremony.objects.order_by("company")
        assert mine.act == theirs.act != ""
        assert (mine.totals, theirs.totals) == ({"NOK": "3.00"}, {"NOK": "2.00"})
        for made, payment, ceremony in ((one, payments[0], mine), (two, payments[1], theirs)):
            (signature,) = Signature.objects.filter(ceremony=ceremony)
            assert (signature.payment, signature.company) == (payment, made.company)
            assert status_of(made, payment) == "approved"
    for made, ceremony in ((one, mine), (two, theirs)):
        path = f"/c/{made.company.public_id}/outgoing/receipts/{ceremony.pk}/"
        assert path in receipt
        assert "You have approved 1 payment" in text_of(client.get(path))
    # Back leads to the receipt, and another act's receipt is not found.
    assert "You have approved 2 payments" in text_of(client.get(address, follow=True))
    for act in ("", "gone", "0"):
        assert client.get(f"/all/outgoing/receipts/{act or 'x'}/").status_code == 404


def test_what_stands_in_the_way_in_one_company_stops_only_that(sara: User) -> None:
    one, two = stages(sara, Role.APPROVER, Role.APPROVER, approvers=1)
    first, second = with_payment(one, "P1"), with_payment(two, "P2")
    client = browser(sara)
    address, seen = shown(client, first, second)
    with two.scope():
        go(lines_of(second).filter(position=1), lifecycle.HOLD, second)
    receipt = confirm(client, sara, address, seen)
    assert "You have approved 1 payment" in receipt
    assert "In 1 company nothing is approved" in receipt
    assert "Prøve 2 AS" in receipt
    assert "changed after the page was shown" in receipt
    assert status_of(one, first) == "approved"
    with two.scope():
        assert statuses(second) == ["held", "awaiting", "awaiting"]
        assert not Signature.objects.exists()
    # And where nothing can be signed anywhere, the page comes again with the reasons.
    address, seen = shown(client, second)
    with two.scope():
        go(lines_of(second).filter(position=2), lifecycle.HOLD, second)
    told = confirm(client, sara, address, seen)
    assert "Prøve 2 AS: The payments changed after the page was shown." in told


def ending(client: Client, act: str, *payments: Payment) -> tuple[str, str]:
    """The address of the page that refuses or cancels these, and the page."""
    ids = [payment.pk for payment in payments]
    answer = client.post(f"/all/outgoing/{act}/", {"payment": ids}, follow=True)
    return answer.request["PATH_INFO"], text_of(answer)


def end(client: Client, address: str, *payments: Payment, reason: str = "Feil") -> str:
    sent = {"seen": [payment.pk for payment in payments], "reason": reason}
    page = text_of(client.post(address, sent, follow=True))
    return " ".join(page.replace("&#x27;", "'").split())


@pytest.mark.parametrize(
    ("act", "done", "status"),
    [("refuse", "refused", "refused"), ("cancel", "cancelled", "cancelled")],
)
def test_what_is_refused_or_cancelled_at_once_is_each_companys_own(
    sara: User, act: str, done: str, status: str
) -> None:
    one, two = stages(sara, Role.APPROVER, Role.APPROVER)
    payments = [with_payment(one, "P1"), with_payment(two, "P1", lines=2)]
    client = browser(sara)
    assert "Refuse" in text_of(client.get(APPROVE))
    address, page = ending(client, act, *payments)
    assert page.count("Prøve 1 AS") == page.count("Prøve 2 AS") == 1
    assert "Write a reason first" in end(client, address, *payments, reason=" ")
    told = end(client, address, *payments)
    assert f"2 payments are {done} (5 lines): Prøve 1 AS P1, Prøve 2 AS P1" in told
    for made, payment in zip((one, two), payments, strict=True):
        assert status_of(made, payment) == status
        with made.scope():
            event = Event.objects.filter(group_id=payment.pk).latest("id")
        assert (event.company, event.actor_id) == (made.company, sara.pk)
        assert (event.detail or {})["reason"] == "Feil"
    assert "is ended or forgotten" in text_of(client.get(address, follow=True))


def test_what_has_moved_on_in_one_company_ends_nothing_of_that_alone(sara: User) -> None:
    one, two = stages(sara, Role.APPROVER, Role.APPROVER, approvers=1)
    first, second, third = (
        with_payment(one, "P1"),
        with_payment(two, "P2"),
        with_payment(two, "P3"),
    )
    client = browser(sara)
    address, _page = ending(client, "refuse", first, second, third)
    with two.scope():
        go(lines_of(second), lifecycle.CANCEL, second)
    told = end(client, address, first, second, third)
    assert "1 payment is refused (3 lines): Prøve 1 AS P1" in told
    assert "Prøve 2 AS: Nothing was changed" in told
    assert status_of(one, first) == "refused"
    assert status_of(two, third) == "awaiting"
    # Where nothing at all could be ended, the page comes again and tells it.
    address, _page = ending(client, "refuse", third)
    with two.scope():
        go(lines_of(third), lifecycle.CANCEL, third)
    assert "Nothing was changed" in end(client, address, third)


def test_nobody_ends_what_is_not_theirs_to_end(sara: User) -> None:
    one, two = stages(sara, Role.APPROVER, Role.ACCOUNTANT)
    other = kit.stage(place=3)
    mine, theirs = with_payment(one, "P1"), with_payment(two, "P2")
    strange = with_payment(other, "P3")
    client = browser(sara)
    address, page = ending(client, "refuse", mine, theirs, strange)
    assert "Prøve 1 AS" in page
    assert "Prøve 2 AS" not in page  # there nobody may refuse by this role
    assert "Prøve 3 AS" not in page
    for named in ([mine, theirs], [mine, strange]):
        end(client, address, *named)
        assert status_of(two, theirs) == "awaiting"
        assert status_of(other, strange) == "awaiting"
        address, _page = ending(client, "refuse", mine, theirs)
    # An accountant may cancel, and so in both.
    address, _page = ending(client, "cancel", theirs)
    assert "1 payment is cancelled" in end(client, address, theirs)


def test_a_limit_in_one_company_says_nothing_of_another(sara: User) -> None:
    one, two = stages(sara, Role.APPROVER, Role.APPROVER, approvers=1)
    first, second = with_payment(one, "P1"), with_payment(two, "P2")
    with one.scope():
        ApprovalLimit.objects.create(company=one.company, user=sara, per_payment=2)
    client = browser(sara)
    address, seen = shown(client, first, second)
    assert [value.split("|")[0] for value in seen] == [two.company.public_id]
    page = text_of(client.get(address))
    assert "Prøve 1 AS P1" in page  # left out, with the reason
    assert "larger than the 2,00 kr" in page.replace("\u00a0", " ")
    confirm(client, sara, address, seen)
    assert (status_of(one, first), status_of(two, second)) == ("awaiting", "approved")


def test_what_is_not_the_persons_to_sign_cannot_be_named(sara: User) -> None:
    (one,) = stages(sara, Role.APPROVER, approvers=1)
    other = kit.stage(place=2, approvers=1)
    mine, theirs = with_payment(one, "P1"), with_payment(other, "P2")
    client = browser(sara)
    assert len(shown(client, mine, theirs)[1]) == 1
    address, seen = shown(client, mine)
    fingerprint = seen[0].rpartition("|")[2]
    for company in (other.company.public_id, one.company.public_id, "x"):
        told = confirm(client, sara, address, [f"{company}|{theirs.pk}|{fingerprint}"])
        assert "changed after the page was shown" in told
    assert (status_of(one, mine), status_of(other, theirs)) == ("awaiting", "awaiting")


def test_pages_make_as_many_queries_for_many_companies_as_for_two(sara: User) -> None:
    made = stages(sara, *[Role.APPROVER] * 6, approvers=1)
    counts: dict[str, list[int]] = {"list": [], "approve": [], "page": [], "sign": []}
    client = browser(sara)
    for some, size in ((made[:2], 1), (made, 5)):
        payments = [with_payment(one, f"P{size}-{n}", lines=2) for one in some for n in range(size)]
        with CaptureQueriesContext(connection) as captured:
            text_of(client.get(LIST))
        counts["list"].append(len(captured))
        with CaptureQueriesContext(connection) as captured:
            text_of(client.get(APPROVE))
        counts["approve"].append(len(captured))
        address, seen = shown(client, *payments)
        with CaptureQueriesContext(connection) as captured:
            text_of(client.get(address))
        counts["page"].append(len(captured))
        body = {"seen": seen, "code": kit.code_of(sara)}
        with CaptureQueriesContext(connection) as captured:
            assert client.post(address, body).status_code == 302
        counts["sign"].append(len(captured))
        assert all(
            status_of(one, row) == "approved"
            for one in some
            for row in payments[:1]
            if row.company_id == one.company.pk
        )
    assert all(two == six for two, six in counts.values()), counts
    assert max(counts["list"] + counts["approve"]) <= 30, counts
    assert max(counts["page"] + counts["sign"]) <= 62, counts


def test_all_that_match_are_chosen_at_once_up_to_what_is_signed_at_a_time(
    sara: User, settings: Any
) -> None:
    settings.SIGN_AT_ONCE_MAX = 3
    one, two = stages(sara, Role.APPROVER, Role.APPROVER, approvers=1)
    for made in (one, two):
        for number in range(2):
            with_payment(made, f"P{number}")
    client = browser(sara)
    page = text_of(client.get(APPROVE, {"select": "all"}))
    assert "All 4 that match are chosen" in page
    body = {"all": "1", "query": "", "list": "to_approve_everywhere"}
    answer = client.post("/all/outgoing/sign/", body, follow=True)
    assert len(re.findall(r'name="seen"', text_of(answer))) == 3
    assert "You chose 4 payments. At most 3 are approved at a time" in text_of(answer)


def test_views_are_the_persons_own_and_exports_name_the_company(sara: User) -> None:
    one, two = stages(sara, Role.APPROVER, Role.APPROVER)
    with_payment(one, "P1")
    with_payment(two, "P2")
    client = browser(sara)
    answer = client.post(
        "/all/lists/payments_everywhere/export/", {"format": "csv", "query": "number=P"}
    )
    body = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = [line.split(";") for line in body.splitlines()]
    assert rows[0][:3] == ["Company", "Organisation number", "Payment"]
    assert {(row[0], row[2]) for row in rows[1:]} == {("Prøve 1 AS", "P1"), ("Prøve 2 AS", "P2")}
    assert "kvitt-payments-everywhere-all-" in answer["Content-Disposition"]
    saved = {"name": "Mine", "query": "number=P1"}
    page = text_of(client.post("/all/lists/payments_everywhere/views/", saved, follow=True))
    assert "The view “Mine” is saved." in page
    assert "Mine" not in text_of(browser(_colleague(one)).get(LIST))
    with tenancy.acting_for((), user=sara):
        view = SavedView.objects.get()
    assert client.post(f"/all/views/{view.pk}/delete/", follow=True).status_code == 200


def _colleague(made: Stage) -> User:
    return made.users["anne"]


def test_the_first_of_each_company_are_merged_as_one_list_would_be(sara: User) -> None:
    made = stages(sara, *[Role.APPROVER] * 4)
    chance = random.Random(20261128)  # noqa: S311 - a repeatable order
    for number in range(40):
        payment = with_payment(chance.choice(made), f"P{chance.randrange(10**6):06}", lines=1)
        payment.due_date = clock.today().replace(day=chance.randrange(1, 28))
        with tenancy.acting_for([one.company for one in made]):
            payment.save(update_fields=["due_date"])
    owners = [one.company.pk for one in made]
    with tenancy.acting_for(owners):
        rows = Payment.objects.filter(company__in=owners)
        for order in lists.PAYMENTS.table.orders.values():
            for used in (order, order.reversed()):
                whole = list(rows.order_by(*used.terms()).values_list("pk", flat=True))
                walked = keyset.walk(rows=rows, order=used, size=7, owners=owners)
                assert [row.pk for some in walked for row in some] == whole
                last = keyset.page(rows=rows, order=used, size=7, before="last", owners=owners)
                assert [row.pk for row in last.rows] == whole[-7:]
                before = keyset.page(
                    rows=rows, order=used, size=7, before=last.before or "", owners=owners
                )
                assert [row.pk for row in before.rows] == whole[-14:-7]


def test_roles_everywhere_are_those_of_each_company(sara: User) -> None:
    made = stages(sara, Role.APPROVER, Role.ACCOUNTANT, Role.UPLOADER)
    lent, grouped, lost = kit.stage(place=4), kit.stage(place=5), kit.stage(place=6)
    today = clock.today()
    for stage in (lent, grouped):
        kit.join(sara, stage.company.customer)
    with lent.scope():
        Deputy.objects.create(
            company=lent.company, absent=lent.users["anne"], deputy=sara,
            from_date=today, to_date=today,
        )  # fmt: skip
    with tenancy.acting_for([grouped.company], customers=[grouped.company.customer]):
        group = UserGroup.objects.create(customer=grouped.company.customer, name="Alle")
        group.members.add(sara)
        RoleGrant.objects.create(company=grouped.company, group=group, role=Role.PAYROLL_APPROVER)
    with lost.scope():  # a role, but no member any more
        RoleGrant.objects.create(company=lost.company, user=sara, role=Role.APPROVER)
    kit.give_at(sara, made[2].company.customer, Role.CUSTOMER_ADMINISTRATOR)
    companies = [one.company for one in (*made, lent, grouped, lost)]
    with tenancy.acting_for(companies, user=sara):
        each = {one: grants.roles_in(user=sara, company=one) for one in companies}
        together = grants.roles_everywhere(user=sara)
    assert together == {one: roles for one, roles in each.items() if roles}
    assert together[lent.company] == {Role.APPROVER}
    assert together[grouped.company] == {Role.PAYROLL_APPROVER}
    assert lost.company not in together


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9, 300])
def test_each_part_leads_to_the_one_digest_and_no_other_does(n: int) -> None:
    parts = [digest.shown({pk: f"fingerprint {pk}"}) for pk in range(n)]
    root = digest.together(parts)
    for place in {0, n // 2, n - 1}:
        way = digest.path(parts, place)
        assert digest.climb(parts[place], way) == root
        assert digest.climb(digest.shown({0: "another"}), way) != root
        assert len(way) <= 9
    assert digest.together([*parts, digest.shown({n: "more"})]) != root


def test_whoever_has_one_company_or_none_is_led_nowhere_else(sara: User) -> None:
    client = browser(sara)
    assert client.get(LIST).status_code == 403
    assert "/all/outgoing/" not in text_of(client.get("/", {"all": "1"}))
    one, two = stages(sara, Role.APPROVER, Role.ACCOUNTANT)
    page = text_of(client.get("/", {"all": "1"}))
    assert LIST in page
    assert APPROVE in page
    assert APPROVE in text_of(
        client.get(reverse("payments:approve", kwargs={"company": one.company.public_id}))
    )
    with_payment(one, "P1")
    with_payment(two, "P2")
    assert set(re.findall(r">(P\d)<", text_of(client.get(LIST)))) == {"P1", "P2"}
    assert set(re.findall(r">(P\d)<", text_of(client.get(APPROVE)))) == {"P1"}
