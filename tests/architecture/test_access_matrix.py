"""Every address × role → the expected code; an address without a row fails."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from banking.models import BankFile
from payments.models import Payment
from portal.access import guard, tenancy
from portal.access.models import Membership, RoleGrant, UserGroup
from portal.access.roles import CUSTOMER_ROLES, Role
from portal.jobs import work
from portal.mail.models import Letter
from portal.people.models import CompanyImport
from tests import kit
from tests.flows.test_main_job import upload
from tests.portal.jobs import sample_kinds

pytestmark = pytest.mark.django_db

ROLES = {
    "nobody": [],
    "stranger": [],
    "customer": [Role.CUSTOMER_ADMINISTRATOR],
    "support": [Role.SUPPORT_USER],
    "admin": [Role.AUTOPAY_ADMINISTRATOR],
    "approver": [Role.APPROVER],
    "accountant": [Role.ACCOUNTANT],
    "payroll": [Role.PAYROLL_APPROVER],
    "payclerk": [Role.PAYROLL_ACCOUNTANT],
    "uploader": [Role.UPLOADER],
    "collector": [Role.COLLECTION_ADMINISTRATOR],
    "cases": [Role.COLLECTION_HANDLER],
    "reader": [Role.COLLECTION_VIEWER],
    "agency": [Role.AGENCY_CASE_HANDLER],
}
ALL = tuple(ROLES)
INSIDE = tuple(name for name in ALL if name not in ("nobody", "stranger"))


def codes(default: int, **others: int) -> dict[str, int]:
    """Codes by role: nobody is sent to sign in, a stranger finds nothing."""
    return {"nobody": 302, "stranger": 404} | dict.fromkeys(INSIDE, default) | others


def at_customer(default: int, **others: int) -> dict[str, int]:
    """Codes below a customer: whoever has no role of the customer's own finds nothing."""
    inside = {"nobody": 302, "stranger": 404} | dict.fromkeys(INSIDE, 404)
    return inside | {"customer": default, "support": default} | others


OUTSIDE_AUTOPAY = ("customer", "support", "collector", "cases", "reader", "agency")
APPROVERS = dict.fromkeys(("customer", "support", "approver", "payroll"), 200)
SEERS = {"approver": 200, "accountant": 200, "payroll": 200, "payclerk": 200}
SUPPLIER_SEERS = {"approver": 200, "accountant": 200, "payroll": 404, "payclerk": 404}
AGREEMENT_SEERS = {
    "admin": 200, "approver": 200, "accountant": 200, "payroll": 200, "payclerk": 200,
    "uploader": 200,
}  # fmt: skip
ENDERS = ("approver", "accountant", "payroll", "payclerk")
FILE_SEERS = {"admin": 200, "uploader": 200}
EVERYBODY = dict.fromkeys(ALL, 200)
SIGNED_IN = EVERYBODY | {"nobody": 302}

# Address name → method → role → code. A 302 inside is an act's way back to its page.
TABLE: dict[str, dict[str, dict[str, int]]] = {
    "healthz": {"get": EVERYBODY},
    "erp-docs": {"get": EVERYBODY},
    "erp:openapi-json": {"get": EVERYBODY},
    "erp:api-root": {"get": dict.fromkeys(ALL, 404)},
    "erp:ping": {"get": dict.fromkeys(ALL, 401)},
    "erp:events": {"get": dict.fromkeys(ALL, 401)},
    "erp:upload": {"post": dict.fromkeys(ALL, 401)},
    "erp:ask": {"get": dict.fromkeys(ALL, 401)},
    "erp:cancel": {"post": dict.fromkeys(ALL, 401)},
    "erp:companies_of": {"get": dict.fromkeys(ALL, 401)},
    "erp:company_make": {"post": dict.fromkeys(ALL, 401)},
    "erp:service_on": {"post": dict.fromkeys(ALL, 401)},
    "people:start": {"get": dict.fromkeys(ALL, 302) | {"stranger": 200}},
    "people:sign-in": {"get": EVERYBODY},
    "people:sign-in-code": {"get": dict.fromkeys(ALL, 302)},
    "people:sign-out": {"post": dict.fromkeys(ALL, 302)},
    "people:language": {"post": dict.fromkeys(ALL, 302)},
    "people:company": {"get": codes(302)},
    "people:customer": {"get": at_customer(200)},
    "people:customer-edit": {"get": at_customer(200, support=403)},
    "people:companies": {"get": at_customer(200)},
    "people:company-new": {"get": at_customer(200, support=403)},
    "people:company-import": {"get": at_customer(200, support=403)},
    "people:company-import-empty": {"get": at_customer(200, support=403)},
    "people:company-import-check": {"get": at_customer(200, support=403)},
    "people:company-import-faults": {"get": at_customer(200, support=403)},
    "people:users": {"get": at_customer(200)},
    "people:invite": {"get": at_customer(200, support=403)},
    "people:user": {"get": at_customer(200)},
    "people:user-change": {"post": at_customer(302, support=403)},
    "people:user-roles": {"get": at_customer(200, support=403)},
    "people:user-give": {"get": at_customer(200, support=403)},
    "people:roles": {"get": at_customer(200)},
    "people:groups": {"get": at_customer(200)},
    "people:group-new": {"get": at_customer(200, support=403)},
    "people:group": {"get": at_customer(200)},
    "people:group-change": {"post": at_customer(302, support=403)},
    "people:group-people": {"get": at_customer(200, support=403)},
    "people:group-roles": {"get": at_customer(200, support=403)},
    "people:group-give": {"get": at_customer(200, support=403)},
    "people:support-code": {"get": at_customer(403, support=200)},
    "people:invitation": {"get": dict.fromkeys(ALL, 410)},
    "people:another-way": {"get": dict.fromkeys(ALL, 302)},
    "people:way": {"get": dict.fromkeys(ALL, 302)},
    "people:passkey-begin": {"post": EVERYBODY},
    "people:passkey-finish": {"post": dict.fromkeys(ALL, 422)},
    "people:forgotten": {"get": EVERYBODY},
    "people:password-reset": {"get": dict.fromkeys(ALL, 410)},
    "people:email-confirm": {"get": dict.fromkeys(ALL, 410)},
    "people:email-undo": {"get": dict.fromkeys(ALL, 410)},
    "people:me": {"get": SIGNED_IN},
    "people:password": {"get": SIGNED_IN},
    "people:email": {"get": SIGNED_IN},
    "people:session-end": {"post": dict.fromkeys(ALL, 302)},
    "people:notifications": {"get": SIGNED_IN},
    "people:two-factor": {"get": SIGNED_IN},
    "people:prove": {"get": SIGNED_IN},
    "people:authenticator": {"get": SIGNED_IN},
    "people:recovery": {"get": SIGNED_IN},
    "people:phone": {"get": SIGNED_IN},
    "people:lost": {"get": SIGNED_IN},
    "people:passkey-new": {"post": SIGNED_IN},
    "people:passkey-add": {"post": dict.fromkeys(ALL, 422) | {"nobody": 302}},
    "people:passkey-remove": {"post": dict.fromkeys(ALL, 302)},
    "people:phone-remove": {"post": dict.fromkeys(ALL, 302)},
    # Last: without an authenticator these sessions are over.
    "people:app-remove": {"post": dict.fromkeys(ALL, 302)},
    "people:log": {"get": at_customer(200)},
    "people:customer-key": {"get": at_customer(200, support=403)},
    "people:terms": {"get": at_customer(200), "post": at_customer(302, support=403)},
    "customer-lists:save-view": {"post": at_customer(302)},
    "customer-lists:delete-view": {"post": at_customer(404)},
    "customer-lists:export": {"post": at_customer(200)},
    "people:administration": {"get": codes(200)},
    "people:company-edit": {"get": codes(403, customer=200)},
    "people:service": {"post": codes(403, customer=302)},
    "people:deputies": {"get": codes(403, **APPROVERS)},
    "people:limit": {"get": codes(403, customer=200)},
    "people:deputy-end": {
        "post": codes(403, **dict.fromkeys(("customer", "approver", "payroll"), 404))
    },
    "people:ask-two": {"post": codes(403, customer=302)},
    "people:key": {"get": codes(403, admin=200)},
    "people:key-new": {"get": codes(403, admin=200)},
    "people:company-log": {"get": codes(403, customer=200, support=200, admin=200)},
    "people:search": {"get": codes(200)},
    "people:session": {"get": dict.fromkeys(ALL, 200) | {"nobody": 302}},
    "people:shortcuts": {"get": dict.fromkeys(ALL, 200) | {"nobody": 302}},
    "overview:page": {"get": codes(200, **dict.fromkeys(OUTSIDE_AUTOPAY, 403))},
    "lists:save-view": {"post": codes(403, **dict.fromkeys(SEERS, 302))},
    "lists:delete-view": {"post": codes(404)},
    "lists:export": {"post": codes(403, **SEERS)},
    "payments:list": {"get": codes(403, **SEERS)},
    "payments:approve": {"get": codes(403, approver=200, payroll=200)},
    "payments:update": {"post": codes(403, **dict.fromkeys(SEERS, 302))},
    "payments:sign": {"post": codes(403, approver=302, payroll=302)},
    "payments:sign-page": {"get": codes(403, approver=302, payroll=302)},
    "payments:sign-passkey": {"post": codes(403, approver=409, payroll=409)},
    "payments:refuse": {"post": codes(403, approver=302, payroll=302)},
    "payments:refuse-page": {"get": codes(403, approver=302, payroll=302)},
    "payments:cancel": {"post": codes(403, **dict.fromkeys(ENDERS, 302))},
    "payments:cancel-page": {"get": codes(403, **dict.fromkeys(ENDERS, 302))},
    "payments:receipt": {"get": codes(403, approver=404, payroll=404)},
    "payments:detail": {"get": codes(403, **SUPPLIER_SEERS)},
    "payments:lines": {"post": codes(403, approver=302, accountant=302, payroll=404, payclerk=404)},
    "payments:send-again": {
        "post": codes(403, approver=302, accountant=302, payroll=404, payclerk=404)
    },
    "banking:agreements": {"get": codes(403, **AGREEMENT_SEERS)},
    "banking:agreement-new": {"get": codes(403, admin=200)},
    "banking:agreement": {"get": codes(403, **AGREEMENT_SEERS)},
    "banking:agreement-change": {"post": codes(403, admin=302)},
    "banking:files": {"get": codes(403, **FILE_SEERS)},
    "banking:file": {"get": codes(403, **FILE_SEERS)},
    "banking:file-download": {"get": codes(403, **FILE_SEERS)},
    "jobs:list": {"get": codes(200)},
    "jobs:job": {"get": codes(404, accountant=200)},
    "jobs:progress": {"get": codes(404, accountant=302)},
    "jobs:stop": {"post": codes(404, accountant=302)},
    "jobs:again": {"post": codes(404, accountant=302)},
    "jobs:file": {"get": codes(404, accountant=200)},
    "demo:page": {"get": EVERYBODY},
    "demo:act": {"post": dict.fromkeys(ALL, 302)},
    "demo:mails": {"get": EVERYBODY},
    "demo:mail": {"get": EVERYBODY},
    "demo:mail-html": {"get": EVERYBODY},
}


# What must stand behind an address for it to show something.
QUERIES = dict.fromkeys(("people:user-roles", "people:group-roles"), "?place=all")
# Addresses that are filled with other words than the rest.
OTHER_WORDS = dict.fromkeys(
    ("customer-lists:save-view", "customer-lists:export"), {"list_name": "companies"}
)


def addresses() -> dict[str, Any]:
    """Name → pattern of every address there is."""
    found: dict[str, Any] = {}

    def walk(patterns: Any, names: tuple[str, ...], route: str) -> None:
        for pattern in patterns:
            here = route + str(pattern.pattern)
            if hasattr(pattern, "url_patterns"):
                space = (*names, pattern.namespace) if pattern.namespace else names
                walk(pattern.url_patterns, space, here)
            else:
                found[":".join((*names, pattern.name or here))] = here

    walk(get_resolver().url_patterns, (), "/")
    return found


def test_every_address_has_a_row() -> None:
    assert set(addresses()) == set(TABLE)


def test_every_row_names_every_role() -> None:
    for name, methods in TABLE.items():
        for method, expected in methods.items():
            assert set(expected) == set(ALL), f"{name} {method}"


def test_the_public_pages_are_a_short_list() -> None:
    assert set(guard.PUBLIC) == {
        "people:sign-in",
        "people:sign-in-code",
        "people:sign-out",
        "people:language",
        "people:invitation",
        "people:another-way",
        "people:way",
        "people:passkey-begin",
        "people:passkey-finish",
        "people:forgotten",
        "people:password-reset",
        "people:email-confirm",
        "people:email-undo",
        "healthz",
        "erp-docs",
    }
    assert set(guard.PUBLIC) <= set(TABLE)
    assert not [name for name in guard.PUBLIC if name.startswith(guard.DEMO)]


def test_whoever_is_not_signed_in_opens_only_public_pages_the_machines_door_and_the_demo() -> None:
    let_in = {
        name
        for name, methods in TABLE.items()
        if any(expected["nobody"] not in (302, 401) for expected in methods.values())
    }
    spaces = (f"{guard.MACHINES}:", f"{guard.DEMO}:")
    assert {name for name in let_in if not name.startswith(spaces)} <= set(guard.PUBLIC)


def test_outside_the_demo_its_pages_are_as_shut_as_any(settings: Any) -> None:
    settings.DEMO = False
    for name in addresses():
        if name.startswith(f"{guard.DEMO}:"):
            answer = Client().get(_fill(addresses()[name], {"letter": 1}))
            assert answer.status_code == 302, name
            assert answer["Location"].startswith("/sign-in/"), name


@pytest.fixture(scope="module")
def _filled() -> None:
    """Marks that each test fills its own stage; the database is empty again after each."""


def _stage() -> tuple[kit.Stage, dict[str, Client], dict[str, Any]]:
    made = kit.stage()
    upload(made)
    clients: dict[str, Client] = {"nobody": Client()}
    for name, roles in ROLES.items():
        if name == "nobody":
            continue
        mine = [role for role in roles if role not in CUSTOMER_ROLES]
        user = kit.person(name, made.company, *mine)
        kit.give_at(user, made.company.customer, *(set(roles) - set(mine)))
        made.users[name] = user
        clients[name] = kit.signed_in(user)
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        payment = Payment.objects.first()
        letter = Letter.objects.first()
        assert payment is not None
        assert letter is not None
        file = BankFile.objects.create(
            company=made.company,
            channel=made.channel,
            direction="out",
            name="x",
            message_id="X",
            sha256=bytes.fromhex(
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            ),
            size=0,
            status="stored",
            created_at=payment.created_at,
        )
        job = work.start(
            company=made.company,
            user=made.users["accountant"],
            kind=sample_kinds.EXPORT,
            params={"rows": 1},
        )
        work.run(company_id=made.company.pk, job_id=job.pk)
        imported = CompanyImport.objects.create(
            customer=made.company.customer,
            user=made.users["customer"],
            file_name="x.csv",
            rows=[[2, {"name": "X"}]],
            at=payment.created_at,
        )
        member = Membership.objects.get(user=made.users["approver"])
        group = UserGroup.objects.create(customer=made.company.customer, name="Regnskap")
    words = {
        "member": member.pk,
        "group": group.pk,
        "token": "none",
        "way": "recovery",
        "passkey": 1,
        "user": made.users["approver"].pk,
        "deputy": 1,
        "customer": made.company.customer.public_id,
        "company": made.company.public_id,
        "payment": payment.pk,
        "agreement": made.agreement.pk,
        "file": file.pk,
        "letter": letter.pk,
        "ceremony": 1,
        "kept": "gone",
        "imported": imported.public_id,
        "list_name": "payments",
        "view": 1,
        "job": job.public_id,
        "number": payment.number,
    }
    return made, clients, words


def _fill(route: str, words: dict[str, Any]) -> str:
    for name, value in words.items():
        for kind in ("int:", "slug:", "str:", ""):
            route = route.replace(f"<{kind}{name}>", str(value)).replace(f"{{{name}}}", str(value))
    return route.replace("^", "").replace("$", "")


def test_every_address_answers_each_role_as_the_table_says() -> None:
    _made, clients, words = _stage()
    routes = addresses()
    wrong = []
    for name, methods in TABLE.items():
        if name in ("people:sign-out", "people:app-remove"):
            continue  # last: they end the sessions
        for method, expected in methods.items():
            address = _fill(routes[name], words | OTHER_WORDS.get(name, {}))
            address += QUERIES.get(name, "")
            for role, client in clients.items():
                body = {"payment": words["payment"], "language": "nb", "format": "csv"}
                body = body if method == "post" else {}
                answer = getattr(client, method)(address, body)
                if answer.status_code != expected[role]:
                    wrong.append(f"{name} {method} {role}: {answer.status_code}")
    for role, client in clients.items():
        address = _fill(routes["people:app-remove"], words)
        if client.post(address).status_code != TABLE["people:app-remove"]["post"][role]:
            wrong.append(f"app-remove {role}")
    for role, client in clients.items():
        if client.post("/sign-out/").status_code != TABLE["people:sign-out"]["post"][role]:
            wrong.append(f"sign-out {role}")
    assert wrong == []


def test_another_companys_objects_are_not_found_by_any_role() -> None:
    mine, clients, words = _stage()
    theirs = kit.stage(place=2)
    upload(theirs)
    with theirs.scope():
        other = Payment.objects.first()
        assert other is not None
        anne = theirs.users["anne"]
        job = work.start(company=theirs.company, user=anne, kind=sample_kinds.EXPORT)
    foreign = words | {
        "payment": other.pk,
        "agreement": theirs.agreement.pk,
        "job": job.public_id,
    }
    away = words | {"company": theirs.company.public_id}
    for role, client in clients.items():
        for name in ("payments:detail", "banking:agreement", "jobs:job", "jobs:file"):
            inside = client.get(_fill(addresses()[name], foreign)).status_code
            assert inside in ({302} if role == "nobody" else {403, 404}), (role, name)
        for name in ("payments:list", "payments:detail", "banking:files", "jobs:list", "jobs:job"):
            outside = client.get(_fill(addresses()[name], away)).status_code
            assert outside == (302 if role == "nobody" else 404), (role, name)
    assert mine.company.pk != theirs.company.pk


def test_a_session_with_only_a_password_opens_nothing() -> None:
    made = kit.stage()
    client = Client()
    client.post("/sign-in/", {"email": made.users["anne"].email, "password": kit.PASSWORD})
    answer = client.get(f"/c/{made.company.public_id}/outgoing/")
    assert answer.status_code == 302
    assert answer["Location"].startswith("/sign-in/")


def test_a_removed_role_is_refused_at_the_next_request() -> None:
    made = kit.stage()
    anne = kit.signed_in(made.users["anne"])
    address = f"/c/{made.company.public_id}/outgoing/"
    assert anne.get(address).status_code == 200
    with made.scope():
        RoleGrant.objects.filter(user=made.users["anne"]).delete()
    assert anne.get(address).status_code == 404


def test_a_deactivated_user_is_out_at_the_next_request() -> None:
    made = kit.stage()
    anne = kit.signed_in(made.users["anne"])
    made.users["anne"].is_active = False
    made.users["anne"].save(update_fields=["is_active"])
    assert anne.get(f"/c/{made.company.public_id}/outgoing/").status_code == 302
