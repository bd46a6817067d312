"""Acting for companies: what is seen inside, nested, after failures and after reconnecting."""

from __future__ import annotations

import threading

import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction
from django.utils import timezone

from banking.models import BankFile
from portal.access import grants, tenancy
from portal.access.models import Company, RoleGrant, SigningKey, User, UserGroup
from portal.access.roles import Permission, Role
from tests import kit
from tests.portal.events.threads import together


def two_companies() -> tuple[Company, Company]:
    pair = (kit.company(1, "Én AS"), kit.company(2, "To AS"))
    for company in pair:
        with tenancy.acting_for([company]):
            SigningKey.objects.create(company=company, secret="x")
    return pair


def seen() -> set[int]:
    return set(SigningKey.objects.values_list("company_id", flat=True))


@pytest.fixture
def pair(db: None) -> tuple[Company, Company]:
    return two_companies()


def nested(one: Company, two: Company) -> None:
    """The same steps with and without a transaction around."""
    assert seen() == set()
    with tenancy.acting_for([one]):
        assert seen() == {one.pk}
        with tenancy.acting_for([two.pk]):
            assert seen() == {two.pk}
            with tenancy.acting_for(()):
                assert seen() == set()
            assert seen() == {two.pk}
        with tenancy.acting_for([one, two.pk, one]):
            assert seen() == {one.pk, two.pk}
            assert tenancy.current().companies == tuple(sorted({one.pk, two.pk}))
        assert seen() == {one.pk}
    assert seen() == set()
    assert tenancy.current() == tenancy.NOBODY


def failing(one: Company, two: Company) -> None:
    with tenancy.acting_for([one]):
        with pytest.raises(ZeroDivisionError), tenancy.acting_for([one, two]):
            raise ZeroDivisionError
        assert seen() == {one.pk}
        with pytest.raises(DatabaseError), tenancy.acting_for([two]):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0")
        assert seen() == {one.pk}
        assert tenancy.current().companies == (one.pk,)
    assert seen() == set()


def test_nested_scopes_replace_each_other_and_come_back(pair: tuple[Company, Company]) -> None:
    nested(*pair)


def test_failures_leave_the_outer_scope_inside_a_transaction(
    pair: tuple[Company, Company],
) -> None:
    failing(*pair)


def test_the_same_holds_without_a_transaction_and_over_reconnecting(own_database: str) -> None:
    one, two = two_companies()
    nested(one, two)
    failing(one, two)
    with tenancy.acting_for([one]):
        connection.close()
        assert seen() == {one.pk}
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            with tenancy.acting_for([two]):
                assert seen() == {two.pk}
            assert seen() == {one.pk}
            raise ZeroDivisionError
        assert seen() == {one.pk}
        with tenancy.acting_for([two]):
            connection.close()
            assert seen() == {two.pk}
        assert seen() == {one.pk}
        connection.close()
    assert seen() == set()
    with pytest.raises(ZeroDivisionError), tenancy.acting_for([one]), transaction.atomic():
        raise ZeroDivisionError
    assert seen() == set()


def test_a_savepoint_that_is_rolled_back_takes_no_scope_with_it(
    pair: tuple[Company, Company],
) -> None:
    one, two = pair
    with tenancy.acting_for([one]):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            SigningKey.objects.update(secret="y")
            raise ZeroDivisionError
        assert seen() == {one.pk}
        assert SigningKey.objects.get().secret == "x"


def test_another_thread_stands_in_no_scope(own_database: str) -> None:
    one, two = two_companies()
    inside, looked = threading.Event(), threading.Event()

    def stand() -> set[int]:
        with tenancy.acting_for([one, two]):
            inside.set()
            assert looked.wait(20)
            return seen()

    def look() -> set[int]:
        assert inside.wait(20)
        try:
            return seen()
        finally:
            looked.set()

    assert together(stand, look) == [{one.pk, two.pk}, set()]


def test_rows_of_others_are_neither_updated_nor_deleted_nor_written(
    pair: tuple[Company, Company],
) -> None:
    one, two = pair
    with tenancy.acting_for([one]):
        assert SigningKey.objects.filter(company=two).update(secret="z") == 0
        assert SigningKey.objects.filter(company=two).delete()[0] == 0
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            SigningKey.objects.create(company=two, secret="z", retired_at=timezone.now())
        with pytest.raises(ProgrammingError, match="row-level security"), transaction.atomic():
            SigningKey.objects.update(company=two)


def granted(user: User) -> set[int]:
    with tenancy.acting_for((), user=user):
        return set(RoleGrant.objects.values_list("company_id", flat=True))


def test_a_user_sees_the_own_grants_before_any_company_is_chosen(
    pair: tuple[Company, Company],
) -> None:
    one, two = pair
    anne = kit.person("anne", one, Role.APPROVER)
    bjorn = kit.person("bjorn", two, Role.ACCOUNTANT)
    assert (granted(anne), granted(bjorn)) == ({one.pk}, {two.pk})
    assert RoleGrant.objects.count() == 0
    with tenancy.acting_for((), user=anne):
        assert [company.pk for company in grants.companies_of(anne)] == [one.pk]


def test_a_groups_grants_are_seen_and_held_by_its_members_only(
    pair: tuple[Company, Company],
) -> None:
    one, two = pair
    anne, bjorn = kit.person("anne", one), kit.person("bjorn", one)
    kit.join(anne, two.customer)
    group = UserGroup.objects.create(customer=one.customer, name="Regnskap")
    group.members.add(anne)
    with tenancy.acting_for([one, two]):
        for company in (one, two):
            RoleGrant.objects.create(group=group, company=company, role=Role.ACCOUNTANT)
    assert granted(anne) == {one.pk, two.pk}
    assert granted(bjorn) == set()
    with tenancy.acting_for([two], user=anne):
        assert grants.roles_in(user=anne, company=two) == {Role.ACCOUNTANT}
        assert grants.roles_in(user=bjorn, company=two) == set()
        assert list(grants.holders(company=two, permission=Permission.SEE_SUPPLIER)) == [anne]
    group.members.remove(anne)
    assert granted(anne) == set()


def test_a_role_at_the_customer_holds_in_each_of_its_companies(
    pair: tuple[Company, Company],
) -> None:
    one, two = pair
    anne = kit.person("anne", one)
    RoleGrant.objects.create(user=anne, customer=one.customer, role=Role.CUSTOMER_ADMINISTRATOR)
    with tenancy.acting_for([one], user=anne):
        assert grants.roles_in(user=anne, company=one) == {Role.CUSTOMER_ADMINISTRATOR}
        assert grants.roles_in(user=anne, company=two) == set()
        assert [company.pk for company in grants.companies_of(anne)] == [one.pk]


def test_files_that_nobody_owns_yet_are_seen_only_by_whoever_asks_for_them(
    pair: tuple[Company, Company],
) -> None:
    one, _two = pair

    def make() -> BankFile:
        return BankFile.objects.create(
            channel=kit.channel(),
            direction="in",
            name="f",
            sha256=b"x" * 32,
            size=0,
            status="fetched",
            created_at=timezone.now(),
        )

    with tenancy.acting_for([one]), pytest.raises(ProgrammingError), transaction.atomic():
        make()
    with tenancy.acting_for((), unclaimed=True):
        file = make()
    for companies in ((), (one,)):
        with tenancy.acting_for(companies):
            assert not BankFile.objects.exists()
    with tenancy.acting_for([one], unclaimed=True):
        assert BankFile.objects.get() == file
        BankFile.objects.update(company=one)
    with tenancy.acting_for((), unclaimed=True):
        assert not BankFile.objects.exists()
    with tenancy.acting_for([one]):
        assert BankFile.objects.get() == file
