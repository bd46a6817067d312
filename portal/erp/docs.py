"""The API described for people, from the same schema that machines read; no script, own styles."""

from __future__ import annotations

import functools
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.erp.api import api


def page(request: HttpRequest) -> HttpResponse:
    """Every operation with its parameters and answers."""
    schema = _schema()
    operations = []
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            operations.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "summary": operation["summary"],
                    "description": operation["description"],
                    "parameters": operation.get("parameters", []),
                    "bodies": list(operation.get("requestBody", {}).get("content", {})),
                    "fields": _fields(operation),
                    "answers": list(operation.get("responses", {})),
                }
            )
    context = {"info": schema["info"], "operations": operations}
    return render(request, "erp/docs.html", context)


@functools.cache
def _schema() -> dict[str, Any]:
    """The description, which never changes while the program runs; made in a tenth of a second."""
    return dict(api.get_openapi_schema())


def _fields(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of a JSON body that the schema tells: name, type, and whether it is needed."""
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    needed = schema.get("required", [])
    return [
        {"name": name, "type": field.get("type", ""), "needed": name in needed}
        for name, field in schema.get("properties", {}).items()
    ]
