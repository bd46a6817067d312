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
from payments.models import Finding, Payment, PreApproval
from portal.access import guard, tenancy
from portal.access.models import Authenticator, Membership, RoleGrant, User, UserGroup
from portal.access.roles import CUSTOMER_ROLES
from portal.jobs import work
from portal.mail.models import Letter
from portal.people.models import CompanyImport
from tests import kit
from tests.architecture.access_table import ALL, ROLES, TABLE
from tests.flows.test_main_job import upload
from tests.portal.jobs import sample_kinds

pytestmark = pytest.mark.django_db

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
) | dict.fromkeys(("all-lists:save-view", "all-lists:export"), {"list_name": "payments_everywhere"})


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
    invoice = PreApproval.objects.create(
        company=made.company,
        payee_name="Leverandør AS",
        payee_account=kit.account(70),
        payee_account_kind="BBAN",
        amount=1,
        currency="NOK",
        reference="1",
        valid_until=kit.soon(),
        made_by=made.users["approver"],
        made_at=payment.created_at,
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
        "invoice": invoice.pk,
        "upload": payment.upload.pk,
        "agreement": made.agreement.pk,
        "setup": setup.public_id,
        "share": share.pk,
        "step": "account",
        "file": file.pk,
        "letter": letter.pk,
        "ceremony": 0,
        "signing": "gone",
        "signature": 0,
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
