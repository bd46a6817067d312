"""Every address × role → the expected code; an address without a row fails."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from banking import setups
from banking.models import AgreementShare, BankFile
from payments import drafting
from payments.models import Finding, Payment
from portal.access import guard, tenancy
from portal.access.models import Authenticator, Membership, RoleGrant, User, UserGroup
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


def form(opens: dict[str, int], sent: int) -> dict[str, dict[str, int]]:
    """A page with a form: whoever opens it may send it, which answers `sent`; nobody else may."""
    return {"get": opens, "post": {r: sent if code == 200 else code for r, code in opens.items()}}


OUTSIDE_AUTOPAY = ("customer", "support", "collector", "cases", "reader", "agency")
APPROVERS = dict.fromkeys(("customer", "support", "approver", "payroll"), 200)
NAMERS = dict.fromkeys(("customer", "approver", "payroll"), 422)
SEERS = {"approver": 200, "accountant": 200, "payroll": 200, "payclerk": 200}
SUPPLIER_SEERS = {"approver": 200, "accountant": 200, "payroll": 404, "payclerk": 404}
SUPPLIER_ACTORS = {"approver": 302, "accountant": 302, "payroll": 404, "payclerk": 404}
AGREEMENT_SEERS = {
    "admin": 200, "approver": 200, "accountant": 200, "payroll": 200, "payclerk": 200,
    "uploader": 200,
}  # fmt: skip
ENDERS = ("approver", "accountant", "payroll", "payclerk")
FILE_SEERS = {"admin": 200, "uploader": 200}
EVERYBODY = dict.fromkeys(ALL, 200)
SIGNED_IN = EVERYBODY | {"nobody": 302}

# Address name → method → role → code. A 302 inside is an act's way back to its page; forms are
# sent as good as empty.
TABLE: dict[str, dict[str, dict[str, int]]] = {
    "healthz": {"get": EVERYBODY, "post": EVERYBODY},
    "erp-docs": {"get": EVERYBODY, "post": EVERYBODY},
    "erp:openapi-json": {"get": EVERYBODY, "post": EVERYBODY},
    "erp:api-root": form(dict.fromkeys(ALL, 404), 404),
    "erp:ping": {"get": dict.fromkeys(ALL, 401)},
    "erp:events": {"get": dict.fromkeys(ALL, 401)},
    "erp:upload": {"post": dict.fromkeys(ALL, 401)},
    "erp:ask": {"get": dict.fromkeys(ALL, 401)},
    "erp:cancel": {"post": dict.fromkeys(ALL, 401)},
    "erp:companies_of": form(dict.fromkeys(ALL, 401), 401),
    "erp:company_make": form(dict.fromkeys(ALL, 401), 401),
    "erp:service_on": {"post": dict.fromkeys(ALL, 401)},
    "erp:agreements_of": {"get": dict.fromkeys(ALL, 401)},
    "erp:agreement_one": {"get": dict.fromkeys(ALL, 401)},
    "erp:agreement_activate": {"post": dict.fromkeys(ALL, 401)},
    "erp:agreements_at_customer": {"get": dict.fromkeys(ALL, 401)},
    "erp:agreement_activate_at": {"post": dict.fromkeys(ALL, 401)},
    "people:start": {"get": dict.fromkeys(ALL, 302) | {"stranger": 200}},
    "people:sign-in": form(EVERYBODY, 422),
    "people:sign-in-code": form(dict.fromkeys(ALL, 302), 302),
    "people:sign-out": {"post": dict.fromkeys(ALL, 302)},
    "people:language": form(dict.fromkeys(ALL, 302), 302),
    "people:company": {"get": codes(302)},
    "people:customer": {"get": at_customer(200)},
    "people:customer-edit": form(at_customer(200, support=403), 422),
    "people:companies": {"get": at_customer(200)},
    "people:company-new": form(at_customer(200, support=403), 422),
    "people:company-import": form(at_customer(200, support=403), 422),
    "people:company-import-empty": {"get": at_customer(200, support=403)},
    "people:company-import-check": form(at_customer(200, support=403), 302),
    "people:company-import-faults": {"get": at_customer(200, support=403)},
    "people:users": {"get": at_customer(200)},
    "people:invite": form(at_customer(200, support=403), 422),
    "people:user": {"get": at_customer(200)},
    "people:user-change": {"post": at_customer(302, support=403)},
    "people:user-roles": form(at_customer(200, support=403), 302),
    "people:user-give": form(at_customer(200, support=403), 422),
    "people:roles": {"get": at_customer(200)},
    "people:groups": {"get": at_customer(200)},
    "people:group-new": form(at_customer(200, support=403), 422),
    "people:group": {"get": at_customer(200)},
    "people:group-change": {"post": at_customer(302, support=403)},
    "people:group-people": form(at_customer(200, support=403), 302),
    "people:group-roles": form(at_customer(200, support=403), 302),
    "people:group-give": form(at_customer(200, support=403), 422),
    "people:support-code": form(at_customer(403, support=200), 422),
    "people:invitation": form(dict.fromkeys(ALL, 410), 410),
    "people:another-way": {"get": dict.fromkeys(ALL, 302)},
    "people:way": form(dict.fromkeys(ALL, 302), 302),
    "people:passkey-begin": {"post": EVERYBODY},
    "people:passkey-finish": {"post": dict.fromkeys(ALL, 422)},
    "people:forgotten": form(EVERYBODY, 422),
    "people:password-reset": form(dict.fromkeys(ALL, 410), 410),
    "people:email-confirm": form(dict.fromkeys(ALL, 410), 410),
    "people:email-undo": form(dict.fromkeys(ALL, 410), 410),
    "people:me": form(SIGNED_IN, 422),
    "people:password": form(SIGNED_IN, 422),
    "people:email": form(SIGNED_IN, 422),
    "people:session-end": {"post": dict.fromkeys(ALL, 302)},
    "people:notifications": form(SIGNED_IN, 302),
    "people:two-factor": {"get": SIGNED_IN},
    "people:prove": form(SIGNED_IN, 422),
    "people:authenticator": form(SIGNED_IN, 422),
    "people:recovery": form(SIGNED_IN, 302),
    "people:phone": form(SIGNED_IN, 422),
    "people:lost": form(SIGNED_IN, 302),
    "people:passkey-new": {"post": SIGNED_IN},
    "people:passkey-add": {"post": dict.fromkeys(ALL, 422) | {"nobody": 302}},
    "people:passkey-remove": {"post": dict.fromkeys(ALL, 302)},
    "people:phone-remove": {"post": dict.fromkeys(ALL, 302)},
    "people:app-remove": {"post": dict.fromkeys(ALL, 302)},
    "people:log": {"get": at_customer(200)},
    "people:customer-key": form(at_customer(200, support=403), 302),
    "people:terms": {"get": at_customer(200), "post": at_customer(302, support=403)},
    "customer-lists:save-view": {"post": at_customer(302)},
    "customer-lists:delete-view": {"post": at_customer(404)},
    "customer-lists:export": {"post": at_customer(200)},
    "people:administration": {"get": codes(200)},
    "people:company-edit": form(codes(403, customer=200), 422),
    "people:service": {"post": codes(403, customer=302)},
    "people:deputies": {"get": codes(403, **APPROVERS), "post": codes(403, **NAMERS)},
    "people:limit": form(codes(403, customer=200), 302),
    "people:deputy-end": {
        "post": codes(403, **dict.fromkeys(("customer", "approver", "payroll"), 404))
    },
    "people:ask-two": {"post": codes(403, customer=302)},
    "people:key": {"get": codes(403, admin=200)},
    "people:key-new": form(codes(403, admin=200), 302),
    "people:company-log": {"get": codes(403, customer=200, support=200, admin=200)},
    "people:search": {"get": codes(200)},
    "people:session": {"get": SIGNED_IN},
    "people:shortcuts": form(SIGNED_IN, 302),
    "overview:page": {"get": codes(200, **dict.fromkeys(OUTSIDE_AUTOPAY, 403))},
    "lists:save-view": {"post": codes(403, **dict.fromkeys(SEERS, 302))},
    "lists:delete-view": {"post": codes(404)},
    "lists:export": {"post": codes(403, **SEERS)},
    "payments:list": {"get": codes(403, **SEERS)},
    "payments:approve": {"get": codes(403, approver=200, payroll=200)},
    "payments:update": {"post": codes(403, **dict.fromkeys(SEERS, 302))},
    "payments:sign": {"post": codes(403, approver=302, payroll=302)},
    "payments:sign-page": form(codes(403, approver=302, payroll=302), 302),
    "payments:sign-passkey": {"post": codes(403, approver=409, payroll=409)},
    "payments:refuse": {"post": codes(403, approver=302, payroll=302)},
    "payments:refuse-page": form(codes(403, approver=302, payroll=302), 302),
    "payments:cancel": {"post": codes(403, **dict.fromkeys(ENDERS, 302))},
    "payments:cancel-page": form(codes(403, **dict.fromkeys(ENDERS, 302)), 302),
    "payments:ask-bank": {"post": codes(403, **dict.fromkeys(ENDERS, 302))},
    "payments:ask-bank-page": form(codes(403, **dict.fromkeys(ENDERS, 302)), 302),
    "payments:receipt": {"get": codes(403, approver=404, payroll=404)},
    "payments:detail": {"get": codes(403, **SUPPLIER_SEERS)},
    "payments:lines": {"post": codes(403, **SUPPLIER_ACTORS)},
    "payments:withdraw": {"post": codes(403, **SUPPLIER_ACTORS)},
    "payments:note": {"post": codes(403, **SUPPLIER_ACTORS)},
    "payments:due-date": form(codes(403, **SUPPLIER_SEERS), 422),
    "payments:new": {"get": codes(403, uploader=200)},
    "payments:draft-begin": {"post": codes(403, uploader=302)},
    "payments:draft": form(codes(403, uploader=200), 302),
    "payments:draft-discard": {"post": codes(403, uploader=302)},
    "payments:bring-in": form(codes(403, uploader=200), 422),
    "payments:upload": {"get": codes(403, uploader=404)},
    "payments:correct": {"post": codes(403, uploader=404)},
    "payments:move-agreement": {"post": codes(403, **SUPPLIER_ACTORS)},
    "payments:rejections": {"get": codes(403, **SEERS)},
    "payments:checks": form(codes(403, admin=200), 422),
    "payments:let-pass": {"post": codes(403, admin=302)},
    "payments:send-again": {"post": codes(403, **SUPPLIER_ACTORS)},
    "banking:agreements": {"get": codes(403, **AGREEMENT_SEERS)},
    "banking:agreement-new": form(codes(403, admin=200), 422),
    "banking:agreement": {"get": codes(403, **AGREEMENT_SEERS)},
    "banking:agreement-change": {"post": codes(403, admin=302)},
    "banking:agreement-step": form(codes(403, admin=200), 422),
    "banking:agreement-amend": form(codes(403, admin=200), 302),
    "banking:agreement-mails": form(codes(403, admin=200), 422),
    "banking:agreement-convert": form(codes(403, admin=302), 302),
    "banking:agreement-share": form(codes(403, admin=200), 422),
    "banking:agreement-unshare": {"post": codes(403, admin=302)},
    "banking:agreement-offers": form(codes(403, admin=200), 302),
    "banking:agreement-begin": {"post": codes(403, admin=302)},
    "banking:agreement-discard": {"post": codes(403, admin=302)},
    "banking:connection": form(codes(403, admin=200), 302),
    "banking:connection-steps": {"get": codes(403, admin=302)},
    "banking:order-form": {"get": codes(403, **AGREEMENT_SEERS)},
    "banking:authority": form(codes(403, admin=200), 302),
    "banking:sending": form(codes(403, admin=200, approver=200, payroll=200), 200),
    "banking:file-bring-in": form(codes(403, admin=200), 422),
    "banking:file-again": {"post": codes(403, admin=302)},
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


# Each of them ends the sessions, or what they are signed in with.
LAST = [
    *((f"banking:{name}", "post") for name in ("agreement-discard", "authority")),
    *((f"people:{name}", "post") for name in ("lost", "app-remove", "sign-out")),
]
# What is filled in, in the route of an address.
WORD = re.compile(r"<(?:\w+:)?(\w+)>")
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


def test_every_method_that_an_address_takes_has_a_row() -> None:
    """A view that refuses OPTIONS says what it takes; one that does not takes whatever comes."""
    client = kit.signed_in(kit.person("stranger", kit.company()))
    wrong = {}
    for name, route in addresses().items():
        answer = client.options(WORD.sub("1", route))
        told = answer["Allow"] if answer.status_code == 405 else "GET, POST"
        takes = set(told.lower().split(", ")) - {"head", "options"}
        if takes != set(TABLE[name]):
            wrong[name] = takes
    assert wrong == {}


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
            answer = Client().get(filled(addresses()[name], {"letter": 1}))
            assert answer.status_code == 302, name
            assert answer["Location"].startswith("/sign-in/"), name


@pytest.fixture(scope="module")
def _filled() -> None:
    """Marks that each test fills its own stage; the database is empty again after each."""


def staged(place: int = 1) -> tuple[kit.Stage, dict[str, Client], dict[str, Any]]:
    """A company with a person for every role, their browsers, and what addresses are filled with."""
    made = kit.stage(place=place)
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
        words = _words(made, place)
    return made, clients, words


def _words(made: kit.Stage, place: int) -> dict[str, Any]:
    """What addresses are filled with: one of each thing, in the company."""
    payment = Payment.objects.first()
    letter = Letter.objects.first()
    assert payment is not None
    assert letter is not None
    file = BankFile.objects.create(
        company=made.company,
        channel=made.channel,
        direction="out",
        name=f"x{place}",
        message_id=f"X{place}",
        sha256=bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
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
    setup = setups.begin_from(made.agreement, made.users["admin"], copy=True)
    share = AgreementShare.objects.create(
        company=made.company,
        agreement=made.agreement,
        organisation_number=kit.organisation(90),
        made_at=payment.created_at,
        made_by=made.users["admin"],
    )
    draft = drafting.begin(company=made.company, user=made.users["uploader"], at=payment.created_at)
    assert payment.upload is not None
    member = Membership.objects.get(user=made.users["approver"])
    finding = Finding.objects.first()
    assert finding is not None
    group = UserGroup.objects.create(customer=made.company.customer, name="Regnskap")
    return {
        "member": member.pk,
        "group": group.pk,
        "token": "none",
        "way": "recovery",
        "passkey": 0,
        "user": made.users["approver"].pk,
        "deputy": 0,
        "customer": made.company.customer.public_id,
        "company": made.company.public_id,
        "payment": payment.pk,
        "finding": finding.pk,
        "draft": draft.public_id,
        "upload": payment.upload.pk,
        "agreement": made.agreement.pk,
        "setup": setup.public_id,
        "share": share.pk,
        "step": "account",
        "file": file.pk,
        "letter": letter.pk,
        "ceremony": 0,
        "kept": "gone",
        "imported": imported.public_id,
        "list_name": "payments",
        "view": 0,
        "job": job.public_id,
        "number": payment.number,
        "service": "autopay",
    }


def filled(route: str, words: dict[str, Any]) -> str:
    return WORD.sub(lambda found: str(words[found[1]]), route)


def turned_back(answer: Any) -> bool:
    """Whether one is sent to sign in, or to prove oneself, in place of what was asked."""
    return str(answer.get("Location", "")).startswith(("/sign-in/?", "/me/prove/"))


def _anew(user: User | None) -> Client:
    """Signed in again, with a new app where the old one is gone."""
    if user is None:
        return Client()
    Authenticator.objects.get_or_create(user=user, name="test", confirmed=True)
    return kit.signed_in(user)


def test_every_address_answers_each_role_as_the_table_says() -> None:
    made, clients, words = staged()
    routes = addresses()
    wrong = []
    acts = [(name, method) for name in TABLE for method in TABLE[name]]
    for name, method in [act for act in acts if act not in LAST] + LAST:
        address = filled(routes[name], words | OTHER_WORDS.get(name, {}))
        address += QUERIES.get(name, "")
        body = {"payment": words["payment"], "language": "nb", "format": "csv", "key": "gone"}
        for role, client in clients.items():
            answer = getattr(client, method)(address, body if method == "post" else {})
            back = role != "nobody" and turned_back(answer)
            if answer.status_code != TABLE[name][method][role] or back:
                wrong.append(f"{name} {method} {role}: {answer.status_code} {back=}")
        if (name, method) in LAST:
            clients = {role: _anew(made.users.get(role)) for role in clients}
    assert wrong == []


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
