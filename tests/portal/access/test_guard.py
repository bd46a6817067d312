"""The guard: what nobody declared stays shut, and nobody learns what exists."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

import portal.urls
from portal.access import guard, tenancy
from portal.access.models import RoleGrant, SigningKey, UserGroup
from portal.access.roles import Permission, Role
from tests import kit
from tests.kit import Stage


def undeclared(request: HttpRequest) -> HttpResponse:
    return HttpResponse("open")


@guard.signed_in
def declared(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(SigningKey.objects.count()))


@guard.company(Permission.MANAGE_KEYS, Permission.SEE_FILES)
def keys(request: HttpRequest) -> HttpResponse:
    acting: guard.Acting = request.acting  # type: ignore[attr-defined]
    told = f"{SigningKey.objects.count()} {sorted(acting.roles)} {acting.company.pk}"
    return HttpResponse(told)


urlpatterns = [
    *portal.urls.urlpatterns,
    path("undeclared/", undeclared, name="undeclared"),
    path("declared/", declared, name="declared"),
    path("c/<slug:company>/keys/", keys, name="keys"),
]
handler400, handler403 = portal.urls.handler400, portal.urls.handler403
handler404, handler500 = portal.urls.handler404, portal.urls.handler500


@pytest.fixture
def made(db: None, settings: Any) -> Stage:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.ROOT_URLCONF = __name__
    return kit.stage()


def test_a_page_that_does_not_say_whom_it_is_for_opens_to_nobody(made: Stage) -> None:
    anonymous = Client().get("/undeclared/")
    assert anonymous.status_code == 302
    assert anonymous["Location"] == "/sign-in/?next=/undeclared/"
    answer = kit.signed_in(made.users["anne"]).get("/undeclared/")
    assert answer.status_code == 403
    assert b"open" != answer.content


def test_a_page_for_everybody_signed_in_acts_for_no_company(made: Stage) -> None:
    anne = kit.signed_in(made.users["anne"])
    assert anne.get("/declared/").content == b"0"
    half = Client()
    half.post("/sign-in/", {"email": made.users["anne"].email, "password": kit.PASSWORD})
    assert half.get("/declared/").status_code == 302


def test_a_page_of_a_company_runs_acting_for_it_alone(made: Stage) -> None:
    kit.stage(place=2)
    erp = kit.signed_in(made.users["erp"])
    answer = erp.get(f"/c/{made.company.public_id}/keys/")
    assert answer.content.decode() == f"1 {[Role.UPLOADER]} {made.company.pk}"
    assert tenancy.current() == tenancy.NOBODY


def test_a_company_without_a_role_and_one_that_is_not_there_answer_alike(made: Stage) -> None:
    theirs = kit.stage(place=2)
    erp = kit.signed_in(made.users["erp"])
    other = erp.get(f"/c/{theirs.company.public_id}/keys/")
    none = erp.get("/c/0000000000/keys/")
    assert (other.status_code, none.status_code) == (404, 404)
    assert theirs.company.name not in other.content.decode()
    theirs_id, mine = theirs.company.public_id, "0000000000"
    text = other.content.decode().replace(theirs_id, mine)
    strip = [line for line in text.splitlines() if "csrf" not in line and "<code>" not in line]
    same = none.content.decode().splitlines()
    assert strip == [line for line in same if "csrf" not in line and "<code>" not in line]


def test_a_role_that_will_not_do_is_told_which_would(made: Stage) -> None:
    anne = kit.signed_in(made.users["anne"])
    anne.cookies["kvitt_language"] = "en"
    answer = anne.get(f"/c/{made.company.public_id}/keys/")
    assert answer.status_code == 403
    assert "AutoPay Uploader" in answer.content.decode()
    assert "AutoPay Administrator" in answer.content.decode()


def test_roles_by_group_and_at_the_customer_open_pages_too(made: Stage) -> None:
    carl, dina = kit.person("carl", made.company), kit.person("dina", made.company)
    address = f"/c/{made.company.public_id}/keys/"
    pages = {user: kit.signed_in(user) for user in (carl, dina)}
    assert [page.get(address).status_code for page in pages.values()] == [404, 404]
    group = UserGroup.objects.create(customer=made.company.customer, name="Filer")
    group.members.add(carl)
    with made.scope():
        RoleGrant.objects.create(group=group, company=made.company, role=Role.UPLOADER)
    RoleGrant.objects.create(
        user=dina, customer=made.company.customer, role=Role.AUTOPAY_ADMINISTRATOR
    )
    assert [page.get(address).status_code for page in pages.values()] == [200, 200]


def test_a_user_without_any_role_is_told_whom_to_ask(made: Stage) -> None:
    page = kit.signed_in(kit.person("eva", made.company)).get("/")
    assert page.status_code == 200
    assert b"/c/" not in page.content


def test_pages_wrapped_after_the_guard_still_say_whom_they_are_for() -> None:
    from banking.views import agreements, files
    from payments.views import detail, overview, signing
    from portal.people.views import start

    for module in (agreements, files, detail, overview, signing, start):
        for name, view in inspect.getmembers(module, inspect.isfunction):
            if view.__module__ == module.__name__ and not name.startswith("_"):
                assert getattr(view, "guarded", False), f"{module.__name__}.{name}"


def test_a_form_without_its_token_is_refused_with_a_page(made: Stage) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/sign-in/", {"email": "a@b.no", "password": "x"})
    assert answer.status_code == 403
    assert b"<main" in answer.content


def test_every_answer_has_an_id_and_the_protecting_headers(made: Stage) -> None:
    answer = Client().get("/sign-in/", headers={"x-request-id": "from-caller-1"})
    assert answer["X-Request-Id"] == "from-caller-1"
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    odd = Client().get("/sign-in/", headers={"x-request-id": "<script>"})
    assert "<" not in odd["X-Request-Id"]
