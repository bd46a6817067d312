"""Amount limits and deputies of approvers: what they may sign, and when."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from payments import approval, limits, signable
from payments.models import Payment, Signature
from portal import clock
from portal.access import actors, grants, secondfactor, tenancy
from portal.access.models import ApprovalLimit, Deputy, User
from portal.access.roles import Permission, Role, permissions_of
from portal.mail.models import Letter
from portal.people import authority, changes
from portal.people.models import Change
from tests import kit
from tests.flows.test_main_job import upload
from tests.kit import Erp, Line, Stage

pytestmark = pytest.mark.django_db
APPROVER = permissions_of([Role.APPROVER])


@pytest.fixture
def made() -> Stage:
    return kit.stage()


def send(made: Stage, amounts: dict[str, str], *, currency: str = "NOK") -> None:
    rows = {
        number: [Line(f"{number}-1", amount, kit.account(70), message="x", currency=currency)]
        for number, amount in amounts.items()
    }
    body = kit.pain001(rows, account=made.agreement.account.number, due=kit.soon())
    assert Erp(made).post("payments", body).status_code == 201


def limit(
    made: Stage, user: User, per_payment: str | None = None, per_day: str | None = None
) -> None:
    with made.scope():
        ApprovalLimit.objects.create(
            company=made.company,
            user=user,
            per_payment=Decimal(per_payment) if per_payment else None,
            per_day=Decimal(per_day) if per_day else None,
        )


def sign(made: Stage, user: User, *numbers: str) -> None:
    proof = secondfactor.verify(user=user, code=kit.code_of(user))
    with made.scope():
        rows = signable.shown(
            list(Payment.objects.filter(number__in=numbers).select_related("agreement__account"))
        )
        approval.sign(
            company=made.company,
            user=user,
            permissions=APPROVER,
            fingerprints={row.payment.pk: row.fingerprint() for row in rows},
            proof=proof,
            at=clock.now(),
        )


def test_a_payment_above_the_limit_is_not_signed_and_one_at_it_is(made: Stage) -> None:
    send(made, {"A": "1000.00", "B": "1000.01"})
    limit(made, made.users["anne"], "1000.00")
    sign(made, made.users["anne"], "A")
    with pytest.raises(approval.OverLimit) as refused:
        sign(made, made.users["anne"], "B")
    assert refused.value.numbers == ["B"]
    sign(made, made.users["bjorn"], "B")


def test_a_days_limit_counts_all_that_was_signed_on_the_day(made: Stage) -> None:
    send(made, {"A": "600.00", "B": "500.00", "C": "400.00"})
    anne = made.users["anne"]
    limit(made, anne, None, "1000.00")
    with pytest.raises(approval.OverLimit):
        sign(made, anne, "A", "B")
    sign(made, anne, "A")
    with pytest.raises(approval.OverLimit):
        sign(made, anne, "B")
    sign(made, anne, "C")
    clock.advance(by=dt.timedelta(days=1))
    sign(made, anne, "B")


def test_another_currency_is_beyond_every_limit(made: Stage) -> None:
    asked = [limits.Asked(1, Permission.APPROVE_SUPPLIER, {"EUR": Decimal("1.00")})]
    own = frozenset({Permission.APPROVE_SUPPLIER})
    bound = {7: limits.Bound(Decimal(1000000), None, Decimal(0))}
    assert list(limits.judge(limits.Authority(7, own, bounds=bound), asked).refusals) == [1]
    assert limits.judge(limits.Authority(7, own), asked).refusals == {}


def test_the_pages_say_why_and_who_can(made: Stage) -> None:
    send(made, {"A": "2000.00", "B": "10.00"})
    limit(made, made.users["anne"], "1000.00")
    client = kit.signed_in(made.users["anne"])
    client.cookies["kvitt_language"] = "en"
    with made.scope():
        ids = dict(Payment.objects.values_list("number", "pk"))
    base = f"/c/{made.company.public_id}/outgoing/"
    page = client.get(f"{base}{ids['A']}/").content.decode()
    assert "larger than the 1\u00a0000,00 kr that you may approve at a time" in page
    answer = client.post(f"{base}sign/", {"payment": ids["A"]}, follow=True).content.decode()
    assert "larger than the 1\u00a0000,00 kr" in answer
    both = client.post(f"{base}sign/", {"payment": list(ids.values())}, follow=True)
    text = both.content.decode()
    assert "Approve 1 payment, 10,00" in text
    assert "larger than the 1\u00a0000,00 kr" in text


def test_who_else_can_approve_is_nobody_whose_limit_is_too_small(made: Stage) -> None:
    send(made, {"A": "2000.00", "B": "10.00"})
    limit(made, made.users["bjorn"], "1000.00")
    with made.scope():
        rows = {row.number: row for row in Payment.objects.all()}
        names = {
            number: signable.others(
                company=made.company, payments=[row], but=[made.users["anne"].pk], most=5
            )
            for number, row in rows.items()
        }
    assert names == {"A": [], "B": ["Bjorn"]}


def test_a_limit_is_set_by_an_administrator_logged_and_held_at_once(made: Stage) -> None:
    boss = kit.person("boss", made.company)
    kit.give_at(boss, made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    client = kit.signed_in(boss)
    anne = made.users["anne"]
    address = f"/c/{made.company.public_id}/administration/approvers/{anne.pk}/"
    assert client.post(address, {"per_payment": "mye", "per_day": "-1"}).status_code == 422
    assert client.post(address, {"per_payment": "84 300,00", "per_day": ""}).status_code == 302
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        row = ApprovalLimit.objects.get()
        change = Change.objects.get()
    assert (row.per_payment, row.per_day) == (Decimal("84300.00"), None)
    assert (change.act, change.after) == ("limit.changed", {"per_payment": "84300.00"})
    client.post(address, {"per_payment": "", "per_day": ""})
    with made.scope():
        assert not ApprovalLimit.objects.exists()
    assert kit.signed_in(anne).post(address, {"per_day": "1"}).status_code == 403


# --- deputies --------------------------------------------------------------------------------


def stand_in(made: Stage, absent: User, deputy: User, days: tuple[int, int]) -> Deputy:
    today = clock.today()
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        return authority.stand_in(
            company=made.company,
            absent=absent,
            deputy=deputy,
            from_date=today + dt.timedelta(days=days[0]),
            to_date=today + dt.timedelta(days=days[1]),
            reason="Ferie",
            today=today,
            by=changes.By(absent, absent.name, None, timezone.now()),
        )


def roles(made: Stage, user: User) -> frozenset[Role]:
    with tenancy.acting_for([made.company], user=user):
        return grants.roles_in(user=user, company=made.company)


def test_a_deputy_approves_on_the_days_of_the_absence_and_no_longer(made: Stage) -> None:
    carl = kit.person("carl", made.company, Role.ACCOUNTANT)
    stand_in(made, made.users["anne"], carl, (1, 2))
    assert roles(made, carl) == {Role.ACCOUNTANT}
    for day, held in enumerate([True, True, False], start=1):
        clock.advance(by=dt.timedelta(days=1))
        assert (Role.APPROVER in roles(made, carl)) is held, day
        with made.scope():
            holders = grants.holders(company=made.company, permission=Permission.APPROVE_SUPPLIER)
            assert (carl in holders) is held


def test_a_deputy_gets_the_roles_of_approval_only_and_loses_them_with_the_absent_one(
    made: Stage,
) -> None:
    anne = made.users["anne"]
    kit.give(anne, made.company, Role.AUTOPAY_ADMINISTRATOR)
    carl = kit.person("carl", made.company, Role.COLLECTION_VIEWER)
    row = stand_in(made, anne, carl, (0, 5))
    assert roles(made, carl) == {Role.APPROVER, Role.COLLECTION_VIEWER}
    with tenancy.acting_for((), user=carl):
        assert list(grants.companies_of(carl)) == [made.company]
    anne.is_active = False
    anne.save(update_fields=["is_active"])
    assert roles(made, carl) == {Role.COLLECTION_VIEWER}
    anne.is_active = True
    anne.save(update_fields=["is_active"])
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        authority.end_stand_in(deputy=row, by=changes.By(anne, "Anne", None, timezone.now()))
    assert roles(made, carl) == {Role.COLLECTION_VIEWER}


def test_a_deputy_is_bound_by_the_absent_ones_limit_and_signs_once(made: Stage) -> None:
    send(made, {"A": "2000.00", "B": "10.00"})
    carl = kit.person("carl", made.company, Role.COLLECTION_VIEWER)
    limit(made, made.users["anne"], "1000.00")
    stand_in(made, made.users["anne"], carl, (0, 1))
    with pytest.raises(approval.OverLimit):
        sign(made, carl, "A")
    sign(made, carl, "B")
    with pytest.raises(approval.AlreadySigned):
        sign(made, carl, "B")


def test_the_absent_one_and_their_deputies_share_one_day(made: Stage) -> None:
    send(made, {"A": "600.00", "B": "300.00", "C": "200.00", "D": "100.00"})
    anne = made.users["anne"]
    carl = kit.person("carl", made.company, Role.COLLECTION_VIEWER)
    dina = kit.person("dina", made.company, Role.COLLECTION_VIEWER)
    limit(made, anne, None, "1000.00")
    stand_in(made, anne, carl, (0, 1))
    stand_in(made, anne, dina, (0, 1))
    sign(made, carl, "A")
    sign(made, dina, "B")
    for who in (anne, carl, dina):
        with pytest.raises(approval.OverLimit):
            sign(made, who, "C")
    sign(made, anne, "D")
    with made.scope():
        lent = dict(Signature.objects.values_list("payment__number", "in_place_of"))
        pk = Payment.objects.get(number="A").pk
    assert lent == {"A": anne.pk, "B": anne.pk, "D": None}
    page = kit.signed_in(made.users["bjorn"]).get(f"/c/{made.company.public_id}/outgoing/{pk}/")
    assert "i stedet for Anne" in page.content.decode()


def test_standing_in_for_somebody_does_not_limit_what_is_ones_own(made: Stage) -> None:
    send(made, {"A": "5000.00"})
    limit(made, made.users["anne"], "1000.00")
    stand_in(made, made.users["anne"], made.users["bjorn"], (0, 1))
    sign(made, made.users["bjorn"], "A")


def test_an_approval_that_is_void_uses_up_no_limit(made: Stage) -> None:
    send(made, {"A": "600.00", "B": "600.00"})
    anne = made.users["anne"]
    limit(made, anne, None, "1000.00")
    sign(made, anne, "A")
    with pytest.raises(approval.OverLimit):
        sign(made, anne, "B")
    with made.scope(), transaction.atomic():
        payment = Payment.objects.select_for_update().get(number="A")
        approval.void(
            payment_ids=[payment.pk], by=actors.person(anne), at=clock.now(), reason="released"
        )
    sign(made, anne, "B")


def test_who_may_not_stand_in_is_refused_and_so_is_a_stay_of_years(made: Stage) -> None:
    anne, erp = made.users["anne"], made.users["erp"]
    carl = kit.person("carl", made.company, Role.ACCOUNTANT)
    helper = kit.person("helper", made.company)
    kit.give_at(helper, made.company.customer, Role.SUPPORT_USER)
    for deputy, days, why in (
        (erp, (0, 1), "deputy"),
        (helper, (0, 1), "deputy"),
        (carl, (0, 400), "long"),
        (carl, (-3, -1), "past"),
        (anne, (0, 1), "same"),
    ):
        with pytest.raises(authority.Unfit) as refused:
            stand_in(made, anne, deputy, days)
        assert refused.value.code == why
    with made.scope():
        named = [user.name for user in grants.may_stand_in(company=made.company)]
    assert named == ["Anne", "Bjorn", "Carl"]


def test_a_right_that_ends_between_the_page_and_the_code_signs_nothing(made: Stage) -> None:
    send(made, {"A": "10.00"})
    anne = made.users["anne"]
    carl = kit.person("carl", made.company, Role.COLLECTION_VIEWER)
    row = stand_in(made, anne, carl, (0, 1))
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        authority.end_stand_in(deputy=row, by=changes.By(anne, "Anne", None, timezone.now()))
    with pytest.raises(approval.NotYours):  # the page had believed in the approver's permissions
        sign(made, carl, "A")
    with tenancy.acting_for((), letters=True):
        kinds = set(Letter.objects.filter(user=carl).values_list("kind", flat=True))
    assert {"people.deputy", "people.deputy_ended"} <= kinds


def test_an_approver_and_a_deputy_with_a_lent_right_are_never_the_two_who_sign(
    made: Stage,
) -> None:
    send(made, {"A": "10.00", "B": "10.00", "C": "10.00"})
    anne, bjorn = made.users["anne"], made.users["bjorn"]
    carl, dina = (
        kit.person("carl", made.company, Role.COLLECTION_VIEWER),
        kit.person("dina", made.company, Role.COLLECTION_VIEWER),
    )
    row = stand_in(made, anne, carl, (0, 1))
    stand_in(made, anne, dina, (0, 1))
    sign(made, anne, "A")
    sign(made, carl, "B")
    with pytest.raises(approval.AlreadySigned):
        sign(made, carl, "A")
    with pytest.raises(approval.AlreadySigned):
        sign(made, dina, "B")
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        authority.end_stand_in(deputy=row, by=changes.By(anne, "Anne", None, timezone.now()))
    with pytest.raises(approval.AlreadySigned):
        sign(made, anne, "B")
    base = f"/c/{made.company.public_id}/outgoing/"
    with made.scope():
        ids = dict(Payment.objects.values_list("number", "pk"))
    page = kit.signed_in(dina).get(f"{base}{ids['A']}/").content.decode()
    assert "stedfortrederen regnes som én" in page
    sign(made, bjorn, "A", "B")
    # An approver in their own right stays one, whomever they stand in for.
    stand_in(made, anne, bjorn, (0, 1))
    sign(made, anne, "C")
    sign(made, bjorn, "C")
    with made.scope():
        assert set(Payment.objects.values_list("status", flat=True)) == {"approved"}


def test_an_approver_names_their_own_deputy_and_both_are_told(made: Stage) -> None:
    anne, carl = made.users["anne"], kit.person("carl", made.company, Role.ACCOUNTANT)
    client = kit.signed_in(anne)
    address = f"/c/{made.company.public_id}/administration/approvers/"
    today = clock.today()
    fields: dict[str, Any] = {
        "absent": anne.pk,
        "deputy": carl.pk,
        "from_date": f"{today:%d.%m.%Y}",
        "to_date": f"{today + dt.timedelta(days=3):%d.%m.%Y}",
    }
    assert client.post(address, {**fields, "deputy": anne.pk}).status_code == 422
    assert client.post(address, {**fields, "absent": made.users["bjorn"].pk}).status_code == 422
    assert client.post(address, {**fields, "to_date": "01.01.2020"}).status_code == 422
    assert client.post(address, fields).status_code == 302
    with made.scope():
        row = Deputy.objects.get()
        told = set(Letter.objects.filter(kind="people.deputy").values_list("user_id", flat=True))
    assert told == {anne.pk, carl.pk}
    end = f"/c/{made.company.public_id}/administration/deputies/{row.pk}/end/"
    assert kit.signed_in(made.users["bjorn"]).post(end).status_code == 404
    assert client.post(end).status_code == 302
    with made.scope():
        assert Deputy.objects.get().ended_at is not None
    upload(made)
