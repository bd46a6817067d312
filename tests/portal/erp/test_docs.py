"""The API described: for machines as OpenAPI, for people as a page, both open to all."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests import kit

OPERATIONS = {
    ("get", "/api/erp/v1/ping"),
    ("get", "/api/erp/v1/events"),
    ("post", "/api/erp/v1/payments"),
    ("get", "/api/erp/v1/payments/{number}"),
    ("post", "/api/erp/v1/payments/{number}/cancel"),
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
