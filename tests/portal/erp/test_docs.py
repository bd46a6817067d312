"""The API described: for machines as OpenAPI, for people as a page, both open to all."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from banking import agreements, lifecycle
from banking.models import BankAgreement
from payments import checks, jsonfile
from portal import clock
from portal.access import actors
from portal.access.roles import Role
from portal.events import moves
from tests import kit
from tests.portal.erp import servers

GUIDE = (Path(kit.ROOT) / "docs" / "erp-api.md").read_text()

OPERATIONS = {
    ("get", "/api/erp/v1/ping"),
    ("get", "/api/erp/v1/events"),
    ("post", "/api/erp/v1/payments"),
    ("get", "/api/erp/v1/payments/{number}"),
    ("post", "/api/erp/v1/payments/{number}/cancel"),
    ("get", "/api/erp/v1/agreements"),
    ("get", "/api/erp/v1/agreements/{agreement}"),
    ("post", "/api/erp/v1/agreements/{agreement}/activate"),
    ("get", "/api/erp/v1/customer/agreements"),
    ("post", "/api/erp/v1/customer/companies/{company}/agreements/{agreement}/activate"),
}


@pytest.fixture
def schema(db: None) -> dict[str, Any]:
    answer = Client().get(kit.API + "openapi.json")
    assert answer.status_code == 200
    told: dict[str, Any] = answer.json()
    return told


def test_the_schema_names_every_operation(schema: dict[str, Any]) -> None:
    told = {(method, path) for path, all_of in schema["paths"].items() for method in all_of}
    assert OPERATIONS <= told
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation["summary"], path
            assert operation["security"], path


def test_the_schema_tells_both_formats_of_an_upload(schema: dict[str, Any]) -> None:
    upload = schema["paths"]["/api/erp/v1/payments"]["post"]
    assert set(upload["requestBody"]["content"]) == {"application/xml", "application/json"}
    assert {"200", "201"} <= set(map(str, upload["responses"]))


def test_the_page_shows_every_operation(db: None) -> None:
    answer = Client().get(kit.API + "docs")
    assert answer.status_code == 200
    text = answer.content.decode()
    for method, path in OPERATIONS:
        assert path in text
        assert method.upper() in text


def blocks(language: str) -> list[str]:
    """The guide's pieces of code in one language."""
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def test_the_guide_names_every_code_that_stops_a_line() -> None:
    ours = set(checks.EXPLANATIONS) - {"signature-broken", "file-not-made"}
    assert {code for code in ours if f"`{code}`" not in GUIDE} == set()


def test_the_guide_names_every_code_that_keeps_an_agreement_from_being_active() -> None:
    table = GUIDE.split("## When a request is refused")[1].split("## Asking")[0]
    section = GUIDE.split("## Agreements")[1].split("## Companies")[0]
    ours = {agreements.authority_missing("").code, agreements.another(None).code}
    ours |= {agreements.deactivated().code}
    assert {
        code for code in ours if f"`{code}`" not in table or f"`{code}`" not in section
    } == set()
    others = "unknown-agreement unknown-company code-missing code-wrong code-wait code-not-set-up"
    assert {code for code in others.split() if f"`{code}`" not in table} == set()


def test_the_guide_shows_every_field_of_the_json_form() -> None:
    form = json.loads(blocks("json")[0])
    (payment,) = form["payments"]
    assert set(payment) == jsonfile.HEAD_FIELDS
    fields = {field for line in payment["lines"] for field in line}
    assert fields | {"message"} == jsonfile.LINE_FIELDS
    assert set(payment["lines"][0]["payee"]) == jsonfile.PAYEE_FIELDS


@pytest.mark.stack
def test_the_guides_example_works_as_it_stands(own_database: str) -> None:
    made = kit.stage()
    code, _use = blocks("python")
    assert len(code.splitlines()) <= 40
    with servers.running(own_database) as port:
        example: dict[str, Any] = {}
        exec(compile(code, "docs/erp-api.md", "exec"), example)  # noqa: S102
        example |= {"PORTAL": f"http://127.0.0.1:{port}", "COMPANY": made.company.public_id}
        example |= {"KEY": made.key, "USER": made.users["erp"].email}
        call = example["call"]
        status, told = call("GET", "ping")
        assert (status, told["company"]["public_id"]) == (200, made.company.public_id)

        form = json.loads(blocks("json")[0])
        payment = form["payments"][0]
        payment["debit_account"] = made.agreement.account.number
        payment["due_date"] = str(clock.today() + dt.timedelta(days=3))
        for line in payment["lines"]:
            line["account"] = kit.account(70) if line["account"][0] == "1" else line["account"]
        payment["lines"][0]["kid"] = "1000422"
        body = json.dumps(form).encode()
        status, told = call("POST", "payments", body, key="k1")
        assert (status, told["erp_code"]) == (201, 3), told
        answer = json.loads(blocks("json")[1])
        assert set(told) == set(answer)
        assert set(told["payments"][0]) == set(answer["payments"][0])
        stopped, shown = told["payments"][0]["stopped"], answer["payments"][0]["stopped"]
        assert [set(row) for row in stopped] == [set(row) for row in shown]
        for field in ("code", "field", "place", "reference"):
            assert stopped[0][field] == shown[0][field]
        assert call("POST", "payments", body, key="k1") == (200, told)

        status, told = call("POST", "payments", body.replace(b"1000.00", b"0.00"), key="k2")
        assert (status, set(told)) == (422, set(json.loads(blocks("json")[2])))
        cancelling = b'{"reason": "Sent twice", "references": ["10022"]}'
        status, told = call("POST", "payments/P-1001/cancel", cancelling)
        assert (status, told) == (200, {"number": "P-1001", "cancelled": 1, "asked": 0})
        status, told = call("GET", "events?after=0")
        final = {event["reference"]: event["erp_code"] for event in told["events"]}
        assert (status, final["10022"]) == (200, 4)
        status, told = call("GET", "payments/P-1001")
        assert [line["status"] for line in told["lines"]] == ["stopped", "cancelled", "awaiting"]

        kari = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
        with made.scope():
            row = BankAgreement.objects.get()
            second = BankAgreement.objects.create(
                company=made.company, channel=made.channel, account=row.account
            )
        example["USER"] = kari.email
        status, listed = call("GET", "agreements?status=draft")
        assert (status, [int(one["id"]) for one in listed["agreements"]]) == (200, [second.pk])
        assert shape(listed["agreements"][0]) == shape(json.loads(blocks("json")[3]))
        path = f"agreements/{second.pk}/activate"
        status, told = call("POST", path, b"{}", code=kit.code_of(kari))
        assert (status, told["problems"][0]["existing"]) == (409, str(row.pk))
        with made.scope():
            move = {"by": actors.person(kari), "at": clock.now()}
            moves.move(BankAgreement.objects.filter(pk=row.pk), lifecycle.DEACTIVATE, **move)
        status, told = call("POST", path, b"{}", code=kit.code_of(kari))
        assert (status, told["status"]) == (200, "active")
        assert call("GET", f"agreements/{second.pk}") == (200, told)


def shape(told: Any) -> Any:
    """The fields of what is told, without what stands in them."""
    if isinstance(told, dict):
        return {name: shape(value) for name, value in told.items()}
    return [shape(told[0])] if isinstance(told, list) else None
