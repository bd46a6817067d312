"""Roles and memberships: where a role holds, and what ends it."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import ProgrammingError, transaction
from django.utils import timezone

from portal import clock
from portal.access import grants, tenancy
from portal.access.models import Company, Deputy, Membership, RoleGrant, User, UserGroup
from portal.access.roles import (
    APPROVE_PAYMENTS,
    CUSTOMER_ROLES,
    ROLES,
    Permission,
    Role,
    Section,
    roles_with,
)
from tests import kit

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return kit.company()


def held(user: User, company: Company) -> frozenset[Role]:
    with tenancy.acting_for([company], user=user):
        return grants.roles_in(user=user, company=company)


def end(user: User, company: Company, **fields: object) -> None:
    with tenancy.acting_for((), customers=[company.customer]):
        changed = Membership.objects.filter(user=user, customer=company.customer).update(**fields)
    assert changed == 1


def test_every_role_has_a_name_an_explanation_and_a_section() -> None:
    assert set(ROLES) == set(Role)
    assert all(facts.name and facts.explained for facts in ROLES.values())
    assert {role for role in Role if role.value.startswith("autopay")} == {
        role for role in Role if ROLES[role].section is Section.AUTOPAY
    }


def test_a_customers_roles_open_nothing_inside_a_service() -> None:
    for role in CUSTOMER_ROLES:
        assert {p.split(".")[0] for p in ROLES[role].permissions} == {"company", "customer"}


def test_only_support_issues_codes_and_only_administrators_change_the_customer() -> None:
    assert roles_with(Permission.ISSUE_CODES) == [Role.SUPPORT_USER]
    assert roles_with(Permission.MANAGE_CUSTOMER) == [Role.CUSTOMER_ADMINISTRATOR]


@pytest.mark.parametrize("fields", [{"ended_at": timezone.now()}, {"accepted_at": None}])
def test_a_role_holds_only_while_its_holder_is_a_member(
    company: Company, fields: dict[str, object]
) -> None:
    anne = kit.person("anne", company, Role.APPROVER)
    boss = kit.person("boss", company)
    kit.give_at(boss, company.customer, Role.CUSTOMER_ADMINISTRATOR)
    for user, permission in ((anne, Permission.APPROVE_SUPPLIER), (boss, Permission.SEE_COMPANY)):
        with tenancy.acting_for([company], user=user):
            assert user in grants.holders(company=company, permission=permission)
        end(user, company, **fields)
        assert held(user, company) == frozenset()
        with tenancy.acting_for([company], user=user):
            assert user not in grants.holders(company=company, permission=permission)
        with tenancy.acting_for((), user=user):
            assert list(grants.companies_of(user)) == []
            assert list(grants.customers_of(user)) == []
            assert grants.roles_at(user=user, customer=company.customer) == frozenset()


def test_taking_a_membership_up_again_brings_the_roles_back(company: Company) -> None:
    anne = kit.person("anne", company, Role.APPROVER)
    end(anne, company, ended_at=timezone.now())
    assert held(anne, company) == frozenset()
    end(anne, company, ended_at=None)
    assert held(anne, company) == {Role.APPROVER}


def test_who_approves_in_many_companies_is_who_approves_in_each(company: Company) -> None:
    second = Company.objects.create(
        customer=company.customer, name="Nummer to", organisation_number=kit.organisation(5)
    )
    other = kit.company(2, "Annen AS")
    people = {
        name: kit.person(name, company)
        for name in ("own", "payroll", "clerk", "grouped", "everywhere", "inactive", "left", "out",
                     "away", "stand_in", "past", "later", "ended", "of_left")
    }  # fmt: skip
    for name in ("own", "inactive", "left", "away"):
        kit.give(people[name], company, Role.APPROVER)
    kit.give(people["payroll"], second, Role.PAYROLL_APPROVER)
    kit.give(people["clerk"], company, Role.ACCOUNTANT, Role.AUTOPAY_ADMINISTRATOR)
    kit.give_at(people["everywhere"], company.customer, Role.APPROVER)
    kit.give(people["out"], other, Role.APPROVER)
    today, now = clock.today(), timezone.now()
    day = dt.timedelta(days=1)
    with tenancy.acting_for([company], customers=[company.customer]):
        group = UserGroup.objects.create(customer=company.customer, name="G")
        group.members.add(people["grouped"])
        RoleGrant.objects.create(group=group, company=company, role=Role.APPROVER)
        for absent, deputy, first, last, ended in (
            ("away", "stand_in", today, today, None),
            ("away", "past", today - 9 * day, today - day, None),
            ("away", "later", today + day, today + day, None),
            ("away", "ended", today, today, now),
            ("left", "of_left", today, today, None),
            ("stand_in", "out", today, today, None),
        ):
            Deputy.objects.create(
                company=company, absent=people[absent], deputy=people[deputy], from_date=first,
                to_date=last, ended_at=ended,
            )  # fmt: skip
    User.objects.filter(pk=people["inactive"].pk).update(is_active=False)
    end(people["left"], company, ended_at=now)
    every = [company, second, other]
    with tenancy.acting_for(every):
        together = grants.approver_ids(companies=every)
        apart = {
            one.pk: {
                user.pk
                for permission in APPROVE_PAYMENTS
                for user in grants.holders(company=one, permission=permission)
            }
            for one in every
        }
    assert together == apart
    named = {pk: {name for name in people if people[name].pk in ids} for pk, ids in apart.items()}
    assert named == {
        company.pk: {"own", "grouped", "everywhere", "away", "stand_in"},
        second.pk: {"payroll", "everywhere"},
        other.pk: {"out"},
    }


def test_a_membership_of_one_customer_says_nothing_at_another(company: Company) -> None:
    other = kit.company(2, "Annen AS")
    anne = kit.person("anne", company, Role.APPROVER)
    kit.give(anne, other, Role.ACCOUNTANT)
    end(anne, company, ended_at=timezone.now())
    assert held(anne, company) == frozenset()
    assert held(anne, other) == {Role.ACCOUNTANT}


def test_roles_at_a_customer_are_the_customers_own_ones(company: Company) -> None:
    boss = kit.person("boss", company, Role.APPROVER)
    kit.give_at(boss, company.customer, Role.CUSTOMER_ADMINISTRATOR, Role.UPLOADER)
    with tenancy.acting_for((), user=boss):
        roles = grants.roles_at(user=boss, customer=company.customer)
        assert roles == {Role.CUSTOMER_ADMINISTRATOR}
        assert list(grants.customers_of(boss)) == [company.customer]


def test_memberships_are_seen_by_the_customer_its_companies_and_the_person(
    company: Company,
) -> None:
    anne, other = kit.person("anne", company), kit.company(2, "Annen AS")
    assert Membership.objects.count() == 0
    for scope in (
        tenancy.acting_for([company]),
        tenancy.acting_for((), customers=[company.customer]),
        tenancy.acting_for((), user=anne),
    ):
        with scope:
            assert [row.user_id for row in Membership.objects.all()] == [anne.pk]
    with tenancy.acting_for([other], customers=[other.customer]):
        assert Membership.objects.count() == 0
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            Membership.objects.create(
                customer=company.customer, user=anne, invited_at=timezone.now()
            )
