"""A bureau's ERP makes companies with the customer's own key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from portal.access import tenancy
from portal.access.models import Company, Customer, CustomerKey, SigningKey, new_signing_key
from portal.access.roles import Role
from portal.people.models import Change
from tests import kit
from tests.kit import Erp, Stage

WHOLE = {
    "name": "Havn og Vei AS",
    "organisation_number": "923 609 016",
    "address": "Storgata 1",
    "postal_code": "0155",
    "city": "Oslo",
}


@pytest.fixture
def made(db: None, settings: Any) -> Stage:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    made = kit.stage()
    kit.give_at(made.users["anne"], made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    return made


@pytest.fixture
def bureau(made: Stage) -> Erp:
    customer = made.company.customer
    with tenancy.acting_for((), customers=[customer]):
        key = CustomerKey.objects.create(customer=customer, secret=new_signing_key())
    return Erp(made, key_id=customer.public_id, secret=str(key.secret))


def send(erp: Erp, body: Any = WHOLE, to: str = "customer/companies", **spoil: Any) -> Any:
    user = spoil.pop("user", erp.made.users["anne"].email)
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return erp.post(to, raw, media_type="application/json", user=user, **spoil)


def told(answer: Any) -> list[tuple[str, str]]:
    return [(one["place"], one["code"]) for one in answer.json()["problems"]]


def test_a_company_is_made_switched_on_and_pays_with_the_key_handed_back(bureau: Erp) -> None:
    answer = send(bureau, WHOLE | {"services": ["autopay"]})
    assert answer.status_code == 201, answer.content.decode()
    found = answer.json()
    row = Company.objects.get(public_id=found["company"]["public_id"])
    assert row.customer == bureau.made.company.customer
    assert (row.name, row.organisation_number) == ("Havn og Vei AS", "923609016")
    assert found["company"]["services"] == ["autopay"]
    assert (found["company"]["missing"], found["company"]["key"]) == ([], "unused")
    own = Erp(bureau.made, key_id=row.public_id, secret=found["signing_key"])
    assert own.get("ping").json()["company"]["name"] == "Havn og Vei AS"
    listed = bureau.get("customer/companies").json()["companies"]
    assert [one["key"] for one in listed if one["public_id"] == row.public_id] == ["used"]
    assert found["signing_key"] not in json.dumps(listed)


def test_the_log_tells_who_and_that_it_was_the_erp(bureau: Erp) -> None:
    send(bureau, WHOLE | {"services": ["autopay"]})
    with tenancy.acting_for((), customers=[bureau.made.company.customer]):
        rows = {row.act: row for row in Change.objects.order_by("-id")[:3]}
    assert set(rows) == {"company.created", "service.on", "key.made"}
    anne = bureau.made.users["anne"]
    assert {(row.user_id, row.user_name) for row in rows.values()} == {(anne.pk, f"{anne} (ERP)")}


def test_every_fault_is_told_at_once_and_nothing_is_made(bureau: Erp) -> None:
    before = Company.objects.count()
    wrong = {"name": "", "organisation_number": "923609017", "postal_code": "15"}
    answer = send(bureau, wrong | {"services": ["autopay", "gull"]})
    assert answer.status_code == 422
    assert told(answer) == [
        ("name", "empty"),
        ("organisation_number", "check-digit"),
        ("postal_code", "not-four-digits"),
        ("services", "unknown-service"),
        ("address", "service-needs"),
        ("city", "service-needs"),
    ]
    assert Company.objects.count() == before


def test_faults_of_shape_and_of_content_are_told_together_and_in_the_language(
    bureau: Erp,
) -> None:
    wrong = {"name": 5, "organisation_number": "923609017", "postal_code": "15", "x": 1}
    answer = send(bureau, wrong | {"services": ["gull"]})
    assert answer.status_code == 422
    assert told(answer) == [
        ("organisation_number", "check-digit"),
        ("postal_code", "not-four-digits"),
        ("name", "invalid"),
        ("x", "invalid"),
        ("services", "unknown-service"),
        ("address", "service-needs"),
        ("city", "service-needs"),
    ]
    words = [one["problem"] for one in answer.json()["problems"] if one["code"] == "invalid"]
    assert words == ["Det må være tekst.", "Det finnes ikke noe felt med dette navnet."]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"null", "body"),
        (b"[]", "body"),
        (b"{", "body"),
        (b"[" * 200_000, "body"),
        (b'{"name": 5, "organisation_number": "923609016"}', "name"),
        (b'{"name": "A", "organisation_number": "923609016", "nmae": ""}', "nmae"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_by_place(bureau: Erp, body: bytes, place: str) -> None:
    answer = send(bureau, body)
    assert answer.status_code == 422, answer.content
    assert told(answer)[0] == (place, "invalid")


def test_sent_again_it_tells_which_company_is_there(bureau: Erp) -> None:
    first = send(bureau).json()["company"]["public_id"]
    again = send(bureau)
    assert again.status_code == 409
    assert told(again) == [("organisation_number", "taken")]
    assert first in again.json()["problems"][0]["cure"]
    assert again.json()["problems"][0]["existing"] == first
    assert Company.objects.filter(organisation_number="923609016").count() == 1


def test_a_service_is_switched_on_later_and_the_key_comes_once(bureau: Erp) -> None:
    company = send(bureau).json()["company"]
    assert (company["services"], company["key"]) == ([], "none")
    address = f"customer/companies/{company['public_id']}/services/autopay"
    first, again = send(bureau, {}, address), send(bureau, {}, address)
    assert (first.status_code, again.status_code) == (200, 200)
    assert len(first.json()["signing_key"]) > 30
    assert again.json()["signing_key"] is None
    with tenancy.acting_for(Company.objects.filter(public_id=company["public_id"])):
        assert SigningKey.objects.get(retired_at=None).secret == first.json()["signing_key"]


def test_a_company_that_lacks_fields_tells_them_all(bureau: Erp) -> None:
    bare = {"name": "Fjord AS", "organisation_number": "923609016"}
    company = send(bureau, bare).json()["company"]
    assert company["missing"] == ["address", "postal_code", "city"]
    answer = send(bureau, {}, f"customer/companies/{company['public_id']}/services/autopay")
    assert answer.status_code == 422
    assert [place for place, _code in told(answer)] == ["address", "postal_code", "city"]
    unknown = send(bureau, {}, f"customer/companies/{company['public_id']}/services/gull")
    assert told(unknown) == [("service", "unknown-service")]


def test_another_customers_company_is_not_there(bureau: Erp) -> None:
    foreign = kit.stage(place=2).company
    assert foreign.customer != bureau.made.company.customer
    answer = send(bureau, {}, f"customer/companies/{foreign.public_id}/services/autopay")
    assert answer.status_code == 404
    listed = bureau.get("customer/companies").json()["companies"]
    assert [one["public_id"] for one in listed] == [bureau.made.company.public_id]


def test_the_keys_open_only_their_own_doors(bureau: Erp) -> None:
    company = Erp(bureau.made)
    assert company.get("ping").status_code == 200
    assert company.get("customer/companies").status_code == 401
    assert bureau.get("customer/companies").status_code == 200
    assert bureau.get("ping").status_code == 401
    assert bureau.get("customer/companies", nonce="n" * 20).status_code == 200
    assert told(bureau.get("customer/companies", nonce="n" * 20)) == [
        ("Signature-Input", "replayed")
    ]


@pytest.mark.parametrize("name", ["bjorn", "erp", "nobody@example.org"])
def test_only_an_administrator_of_the_customer_may(bureau: Erp, name: str) -> None:
    users = bureau.made.users
    email = users[name].email if name in users else name
    answer = send(bureau, user=email)
    assert (answer.status_code, told(answer)) == (403, [("Kvitt-User", "user-may-not")])
    assert not Company.objects.filter(organisation_number="923609016").exists()


def test_nothing_before_the_terms_are_accepted_nor_with_a_dead_key(bureau: Erp) -> None:
    customer = bureau.made.company.customer
    Customer.objects.filter(pk=customer.pk).update(accepted_terms="")
    assert told(send(bureau)) == [("", "terms")]
    assert told(bureau.get("customer/companies")) == [("", "terms")]
    with tenancy.acting_for((), customers=[customer]):
        CustomerKey.objects.update(retired_at=timezone.now())
    assert told(send(bureau)) == [("Signature", "signature")]


def asked(erp: Erp, path: str) -> tuple[int, Any]:
    """How many queries an answer takes, and the answer."""
    seen = []

    def count(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(count):
        answer = erp.get(path)
    return len(seen), answer.json()


def test_the_list_goes_on_after_a_cursor_in_constant_queries(
    bureau: Erp,
) -> None:
    for number in ("923609016", "974760673"):
        assert send(bureau, WHOLE | {"organisation_number": number}).status_code == 201
    few, first = asked(bureau, "customer/companies?limit=2")
    assert (len(first["companies"]), first["more"]) == (2, True)
    rest = bureau.get(f"customer/companies?limit=2&after={first['next_after']}").json()
    assert (len(rest["companies"]), rest["more"]) == (1, False)
    numbers = [one["organisation_number"] for one in first["companies"] + rest["companies"]]
    assert numbers == sorted(set(numbers))
    many, everything = asked(bureau, "customer/companies")
    assert len(everything["companies"]) == 3
    assert many == few > 5


def test_the_page_makes_a_key_shows_it_once_and_ends_the_old(made: Stage) -> None:
    customer = made.company.customer
    client: Client = kit.signed_in(made.users["anne"])
    address = f"/customers/{customer.public_id}/key/"
    assert "Lag nøkkelen" in client.get(address).content.decode()
    answer = client.post(address, {"key": ""})
    with tenancy.acting_for((), customers=[customer]):
        first = CustomerKey.objects.get(retired_at=None)
    assert str(first.secret) in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert str(first.secret) not in client.get(address).content.decode()
    client.post(address, {"key": ""})  # as reloading the page would
    with tenancy.acting_for((), customers=[customer]):
        assert CustomerKey.objects.get().pk == first.pk
    client.post(address, {"key": first.pk})
    with tenancy.acting_for((), customers=[customer]):
        assert CustomerKey.objects.get(retired_at=None).pk != first.pk
        acts = Change.objects.filter(act__startswith="customer_key.").order_by("id")
        assert [row.act for row in acts] == ["customer_key.made", "customer_key.replaced"]
    old = Erp(made, key_id=customer.public_id, secret=str(first.secret))
    assert old.get("customer/companies").status_code == 401
