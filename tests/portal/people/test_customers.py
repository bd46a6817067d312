"""Customers: made by a command with their first administrator, seen and changed."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from portal.access import tenancy
from portal.access.models import Customer, User, UserGroup
from portal.access.roles import Role
from portal.mail.models import Letter
from portal.people import changes, granting
from portal.people.models import Change
from tests import kit
from tests.kit import Stage

pytestmark = pytest.mark.django_db
NUMBER = kit.organisation(900)


@pytest.fixture
def made() -> Stage:
    made = kit.stage()
    made.users["boss"] = kit.person("boss", made.company)
    kit.give_at(made.users["boss"], made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    return made


@pytest.fixture
def boss(made: Stage) -> Client:
    client = kit.signed_in(made.users["boss"])
    client.cookies["kvitt_language"] = "en"
    return client


def at(made: Stage, path: str = "") -> str:
    return f"/customers/{made.company.customer.public_id}/{path}"


def create(name: str = "Nytt byrå AS", number: str = NUMBER, **options: Any) -> str:
    out = StringIO()
    words = {"administrator": "ny@example.org", "called": "Ny Leder", "kind": "bureau", **options}
    call_command("create_customer", name, number, stdout=out, **words)
    return out.getvalue()


def test_the_command_makes_a_customer_whose_administrator_gets_in_by_the_mailed_link() -> None:
    assert "invitation is on its way to ny@example.org" in create()
    customer, user = Customer.objects.get(), User.objects.get()
    assert (customer.organisation_number, customer.kind) == (NUMBER, "bureau")
    with tenancy.acting_for((), letters=True):
        letter = Letter.objects.get(kind="people.invitation")
    (link,) = re.findall(r"/invitation/\S+", letter.text)
    fields = {"name": "Ny Leder", "phone": "", "language": "nb", "password": "fjord kaffe lampe"}
    assert Client().post(link, fields).status_code == 302
    client = Client()
    client.post("/sign-in/", {"email": user.email, "password": "fjord kaffe lampe"})
    address = f"/customers/{customer.public_id}/companies/"
    assert client.get(address)["Location"].startswith("/me/two-factor/app/")
    with tenancy.acting_for((), customers=[customer]):
        acts = list(Change.objects.order_by("id").values_list("act", "user_name"))
    assert acts == [
        ("customer.created", "Kvitt"),
        ("user.invited", "Kvitt"),
        ("role.granted", "Kvitt"),
        ("user.accepted", "Ny Leder"),
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"number": "123456789"}, "organisation_number"),
        ({"name": " "}, "name"),
        ({"administrator": "nobody"}, "no e-mail address"),
        ({"called": " "}, "--called"),
    ],
)
def test_the_command_tells_what_is_wrong_and_makes_nothing(words: Any, told: str) -> None:
    with pytest.raises(CommandError, match=told):
        create(**words)
    assert not Customer.objects.exists()
    assert not User.objects.exists()


def test_the_command_makes_no_customer_twice() -> None:
    create()
    with pytest.raises(CommandError, match="already"):
        create(name="Et annet navn AS", administrator="to@example.org")
    assert Customer.objects.count() == User.objects.count() == 1


def test_a_customer_is_seen_by_those_who_see_it_and_changed_by_its_administrators(
    made: Stage, boss: Client
) -> None:
    page = boss.get(at(made, "about/")).content.decode()
    assert made.company.customer.name in page
    assert "Company</dd>" in page
    assert boss.post(at(made, "about/edit/"), {"name": " ", "kind": "bureau"}).status_code == 422
    assert (
        boss.post(at(made, "about/edit/"), {"name": "Byrå AS", "kind": "club"}).status_code == 422
    )
    assert (
        boss.post(at(made, "about/edit/"), {"name": "Byrå AS", "kind": "bureau"}).status_code == 302
    )
    again = boss.post(at(made, "about/edit/"), {"name": "Byrå AS", "kind": "bureau"}, follow=True)
    assert "There was nothing to change" in again.content.decode()
    customer = Customer.objects.get(pk=made.company.customer.pk)
    assert (customer.name, customer.kind) == ("Byrå AS", "bureau")
    with tenancy.acting_for((), customers=[customer]):
        (change,) = Change.objects.filter(act="customer.changed")
    assert change.after == {"name": "Byrå AS", "kind": "bureau"}
    assert "Accounting bureau" in boss.get(at(made, "log/")).content.decode()
    helper = kit.person("helper", made.company)
    kit.give_at(helper, customer, Role.SUPPORT_USER)
    client = kit.signed_in(helper)
    assert client.get(at(made, "about/")).status_code == 200
    assert client.post(at(made, "about/edit/"), {"name": "X", "kind": "bureau"}).status_code == 403


def test_terms_stand_before_the_administration_of_a_company_too(made: Stage, boss: Client) -> None:
    edit = f"/c/{made.company.public_id}/administration/edit/"
    assert boss.get(edit).status_code == 200
    Customer.objects.update(accepted_terms="2020-01")
    assert boss.get(edit)["Location"] == at(made, "terms/")
    assert boss.post(edit, {"name": "X"})["Location"] == at(made, "terms/")
    anne = kit.signed_in(made.users["anne"])
    assert anne.get(f"/c/{made.company.public_id}/outgoing/").status_code == 200


def test_a_group_made_meanwhile_under_the_same_name_is_told(made: Stage) -> None:
    customer = made.company.customer
    by = changes.By(made.users["boss"], "Boss", None, timezone.now())
    with tenancy.acting_for((), customers=[customer]):
        first = granting.create_group(customer=customer, name="Lønn", by=by)
        with pytest.raises(granting.GroupTaken):
            granting.create_group(customer=customer, name="Lønn", by=by)
        other = granting.create_group(customer=customer, name="Inkasso", by=by)
        with pytest.raises(granting.GroupTaken):
            granting.rename_group(group=other, name="Lønn", by=by)
        assert UserGroup.objects.get(pk=first.pk).name == "Lønn"
        assert Change.objects.filter(act__startswith="group.").count() == 2


def test_the_log_of_a_customer_is_filtered_by_company_and_address(
    made: Stage, boss: Client
) -> None:
    edit = f"/c/{made.company.public_id}/administration/edit/"
    full = {"address": "Storgata 1", "postal_code": "0155", "city": "OSLO"}
    boss.post(edit, {"name": "Endret AS", **full})
    boss.post(at(made, "about/edit/"), {"name": "Kunden AS", "kind": "ordinary"})

    def rows(query: str) -> str:
        page = boss.get(at(made, f"log/?{query}")).content.decode()
        return page[page.index("<tbody") : page.index("</tbody>")] if "<tbody" in page else ""

    assert "Customer changed" in rows("")
    ours = rows(f"company={made.company.public_id}")
    assert ("Company changed" in ours, "Customer changed" in ours) == (True, False)
    assert "Customer changed" in rows("address=127.0")
    assert rows("address=192.0.2") == ""
