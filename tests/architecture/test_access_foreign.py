"""Another customer's objects are as if they were not, whoever asks and however they are named."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.db.models import ForeignKey, Q
from django.http import HttpResponse
from django.utils import timezone
from django_otp_webauthn.models import WebAuthnCredential

from payments.models import Ceremony, Payment, PaymentLine, Signature
from portal import clock
from portal.access import guard, tenancy
from portal.access.models import (
    ApprovalLimit,
    Customer,
    CustomerKey,
    Deputy,
    SigningKey,
    User,
    new_signing_key,
)
from portal.access.roles import CUSTOMER_ROLES, Role
from portal.jobs.models import Job
from portal.lists.models import SavedView
from portal.people.models import CompanyImport
from portal.people.views import errors
from tests import kit
from tests.architecture.access_table import TABLE
from tests.architecture.test_access_matrix import (
    LAST,
    OTHER_WORDS,
    QUERIES,
    WORD,
    addresses,
    filled,
    staged,
)
from tests.flows.test_main_job import upload
from tests.kit import Erp, Stage

pytestmark = pytest.mark.django_db

OWNERS = {"customer", "company"}
# Words in addresses that name nothing of a customer's; the ERP's door is asked with its own keys.
NO_OBJECT = {"token", "way", "kept", "list_name", "letter", "service", "step"}
# A passkey is nobody's but its owner's: the page says nothing of others', there or not.
SILENT = {"people:passkey-remove": "/me/two-factor/"}
# What would do harm if it came through.
ACTS = {
    "people:user-change": "end",
    "people:group-change": "delete",
    "people:user-give": "take",
    "people:group-give": "take",
    "people:service": "off",
    "banking:agreement-change": "end",
    "payments:lines": "cancel",
}


def _theirs(mine: Stage) -> tuple[Stage, dict[str, Any]]:
    """Another customer with one of everything, and the words that name it.

    What belongs to a person there is of those who may open its like here: they were there once.
    """
    made, _clients, words = staged(place=2)
    upload(made, "F")
    owner = {"company": made.company}
    people = {"absent": made.users["approver"], "deputy": made.users["payroll"]}
    now, today = timezone.now(), clock.today()
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        ApprovalLimit.objects.create(**owner, user=people["absent"], per_payment=100)
        deputy = Deputy.objects.create(**owner, **people, from_date=today, to_date=today)
        ceremony = Ceremony.objects.create(
            **owner, user=mine.users["approver"], at=now, factor="totp", device_id=1, totals={},
            payment_count=0, line_count=0, act="of-theirs",
        )  # fmt: skip
        signature = Signature.objects.create(
            **owner, user=mine.users["approver"], payment=Payment.objects.all()[0],
            ceremony=ceremony, signed_at=now, statement="X", mac=b"0" * 32,
        )  # fmt: skip
        view = SavedView.objects.create(
            **owner, user=mine.users["accountant"], list_name="payments", name="V", query="tab=open"
        )
        beside = SavedView.objects.create(
            customer=made.company.customer, user=mine.users["customer"], list_name="users", name="V"
        )
        made.company.customer.groups.get().members.add(people["absent"])
        Job.objects.update(user=mine.users["accountant"])
        CompanyImport.objects.filter(customer=made.company.customer).update(
            user=mine.users["customer"]
        )
        CustomerKey.objects.create(customer=made.company.customer, secret=new_signing_key())
    with tenancy.acting_for([made.company], user=people["absent"]):
        at_all = SavedView.objects.create(
            user=people["absent"], list_name="payments_everywhere", name="V"
        )
    passkey = WebAuthnCredential.objects.create(
        user=made.users["approver"], name="P", confirmed=True, credential_id=b"2", public_key=b"2"
    )
    return made, words | {
        "user": people["absent"].pk,
        "deputy": deputy.pk,
        "ceremony": ceremony.pk,
        "view": view.pk,
        "passkey": passkey.pk,
        "number": "F1",
        "signing": ceremony.act,
        "signature": signature.pk,
        "customer-lists:delete-view": {"view": beside.pk},
        "all-lists:delete-view": {"view": at_all.pk},
    }


def _owned(made: Stage) -> dict[str, list[dict[str, Any]]]:
    """Every row of the customer, of its company and of its people, by the name of its table."""
    customer = made.company.customer
    users = User.objects.filter(memberships__customer=customer)
    whose = {"customer": [customer], "company": [made.company], "user": users, "usergroup": []}
    found = {}
    with tenancy.acting_for([made.company], customers=[customer], letters=True):
        whose["usergroup"] = list(customer.groups.all())
        for model in apps.get_models(include_auto_created=True):
            mine = Q(pk__in=[])
            for name in whose.keys() & {field.name for field in model._meta.fields}:
                mine |= Q(**{f"{name}__in": list(whose[name])})
            found[model._meta.label] = list(
                model._default_manager.filter(mine).order_by("pk").values()
            )
    return found | {
        "access.Customer": list(Customer.objects.filter(pk=customer.pk).values()),
        "access.User": list(users.order_by("pk").values()),
    }


def _body(theirs: Stage, words: dict[str, Any]) -> dict[str, Any]:
    """A form that fits many addresses, and names theirs wherever it names something."""
    with theirs.scope():
        lines = list(PaymentLine.objects.values_list("pk", flat=True))
        key = SigningKey.objects.get()
    people = [theirs.users[who].pk for who in ("approver", "payroll")]
    return {
        "payment": words["payment"],
        "line": lines,
        "member": [*people, words["member"]],
        "absent": people[0],
        "deputy": people[1],
        "company": theirs.company.public_id,
        "key": key.pk,
        "wanted": f"payments.rejected|{theirs.company.public_id}",
        "name": "Endret",
        "organisation_number": kit.organisation(9),
        "address": "Storgata 1",
        "reason": "Feil",
        "per_payment": "1",
        "from_date": f"{clock.today():%d.%m.%Y}",
        "to_date": f"{clock.today():%d.%m.%Y}",
        "language": "nb",
        "format": "csv",
        "on": "yes",
        "right": "1",
        **{role.value: "on" for role in Role},
    }


def _asked() -> dict[str, tuple[str, list[str]]]:
    """Name → route, and the words of it that name an object, of what a browser is answered."""
    return {
        name: (route, [word for word in WORD.findall(route) if word not in NO_OBJECT])
        for name, route in addresses().items()
        if not name.startswith(f"{guard.MACHINES}:")
    }


@pytest.fixture
def _bare_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Error pages without the frame, which is most of what they cost."""
    monkeypatch.setattr(
        errors, "_page", lambda _request, status, *_told: HttpResponse(status=status)
    )


@pytest.mark.usefixtures("_bare_errors")
@pytest.mark.parametrize("method", ["get", "post"])
def test_what_is_another_customers_is_not_found(method: str) -> None:
    mine, clients, own = staged()
    theirs, foreign = _theirs(mine)
    words = {word for _route, named in _asked().values() for word in named}
    assert {word for word in words if foreign[word] == own[word]} == set()
    before, body = _owned(theirs), _body(theirs, foreign)
    for client in clients.values():
        client.raise_request_exception = False  # a wall that breaks the fall is no answer
    wrong = []
    for name, (route, words) in _asked().items():
        alone = [{word} for word in words]
        for away in alone if len(words) < 2 else [*alone, set(words)]:
            named = {word: foreign.get(name, foreign).get(word, foreign[word]) for word in away}
            address = filled(route, own | OTHER_WORDS.get(name, {}) | named)
            address += QUERIES.get(name, "")
            sent = body | {"act": ACTS.get(name, "")} if method == "post" else {}
            for role, code in TABLE[name].get(method, {}).items():
                answer = getattr(clients[role], method)(address, sent)
                told = (answer.status_code, answer.get("Location", "").split("?")[0])
                refused = (404, "") if away & OWNERS or code != 403 else (403, "")
                if role == "nobody":
                    refused = (302, "/sign-in/")
                elif name in SILENT:
                    refused = (302, SILENT[name])
                if told != refused:
                    wrong.append(f"{name} {method} {role} {sorted(away)}: {told}")
    assert wrong == []
    assert _owned(theirs) == before


def _crossing(ours: dict[str, list[Any]], theirs: dict[str, list[Any]]) -> list[str]:
    """Where a row of ours names a row of theirs."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                to = field.related_model
                known = {row[to._meta.pk.attname] for row in theirs[to._meta.label]}
                named = {row[field.attname] for row in ours[model._meta.label]}
                found += [f"{model._meta.label}.{field.name}"] * bool(named & known)
    return found


def test_a_form_that_names_what_is_anothers_does_nothing_there() -> None:
    """Sent by somebody who may do everything here, to addresses of their own."""
    mine, _clients, own = staged()
    theirs, foreign = _theirs(mine)
    boss = kit.person("boss", mine.company, *(role for role in Role if role not in CUSTOMER_ROLES))
    kit.give_at(boss, mine.company.customer, *CUSTOMER_ROLES)
    client = kit.signed_in(boss)
    before, body = _owned(theirs), _body(theirs, foreign) | {"act": "cancel"}
    for name, (route, _words) in _asked().items():
        if "post" in TABLE[name] and (name, "post") not in LAST:
            address = filled(route, own | OTHER_WORDS.get(name, {})) + QUERIES.get(name, "")
            client.post(address, body)
    assert _owned(theirs) == before
    assert _crossing(_owned(mine), before) == []
    place = filled(addresses()["people:user-roles"], own) + f"?place={theirs.company.public_id}"
    assert client.get(place).status_code == 404
    assert client.post(place, body).status_code == 404


def test_an_erp_reaches_nothing_of_another_customers() -> None:
    mine, _clients, own = staged()
    theirs, foreign = _theirs(mine)
    customer = mine.company.customer
    with tenancy.acting_for((), customers=[customer]):
        key = CustomerKey.objects.create(customer=customer, secret=new_signing_key())
    bureau = Erp(mine, key_id=customer.public_id, secret=str(key.secret))
    before = _owned(theirs)
    asked = {}
    for name, route in addresses().items():
        if not name.startswith(f"{guard.MACHINES}:") or not WORD.findall(route):
            continue
        erp, user = (bureau, "customer") if "company" in WORD.findall(route) else (Erp(mine), "erp")
        user = "admin" if "activate" in name else user
        path = filled(route, own | foreign).removeprefix(kit.API)
        json = {"media_type": "application/json", "user": mine.users[user].email}
        for method in TABLE[name]:
            answer = erp.get(path) if method == "get" else erp.post(path, b"{}", **json)
            asked[f"{name} {method}"] = answer.status_code
    reached = ("ask get", "cancel post", "service_on post", "agreement_one get")
    reached += ("agreement_activate post", "agreement_activate_at post")
    assert asked == {f"{guard.MACHINES}:{one}": 404 for one in reached}
    for spoilt in (theirs.company, theirs.company.customer):
        for erp in (Erp(mine), bureau):
            other = Erp(mine, key_id=spoilt.public_id, secret=erp.secret or mine.key)
            assert other.get("ping").status_code == 401
            assert other.get("customer/companies").status_code == 401
    assert _owned(theirs) == before
