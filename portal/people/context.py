"""What the frame of every page shows: company, menu, language; one place, constant queries."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from portal.events import questions


def frame(request: HttpRequest) -> dict[str, Any]:
    """`company` and `menu` when the page acts for a company; `support` and `demo` always."""
    acting = getattr(request, "acting", None)
    context: dict[str, Any] = {
        "support": settings.SUPPORT_CONTACT,
        "demo": settings.DEMO,
        "request_id": getattr(request, "request_id", ""),
    }
    if acting is None:
        return context
    rows = sorted(row for rows in questions.menu.ask(acting.permissions) for row in rows)
    here = request.path
    menu = []
    for _place, name, label in rows:
        address = reverse(name, kwargs={"company": acting.company.public_id})
        menu.append({"address": address, "label": label, "here": here.startswith(address)})
    return {**context, "company": acting.company, "menu": menu}
