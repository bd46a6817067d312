"""What the frame of every page shows: company, menu, what waits; one place, constant queries."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from portal.access import tenancy
from portal.access.guard import Acting, began, seconds_left
from portal.events import questions


def frame(request: HttpRequest) -> dict[str, Any]:
    """`company`, `menu` and `waiting` when the page acts for a company; the rest always."""
    acting: Acting | None = getattr(request, "acting", None)
    context: dict[str, Any] = {
        "support": settings.SUPPORT_CONTACT,
        "demo": settings.DEMO,
        "request_id": getattr(request, "request_id", ""),
    }
    left = seconds_left(request)
    if left:
        context |= {"session_left": left, "session_began": began(request)}
    if acting is None or getattr(request, "htmx", False):
        return context
    # An error page may be made when the work for the company is over: then nothing is seen of it.
    inside = acting.company.pk in tenancy.current().companies
    waiting = waiting_here(request, acting) if inside else None
    return {
        **context,
        "company": acting.company,
        "menu": _menu(request, acting, waiting),
        "waiting": waiting,
    }


def waiting_here(request: HttpRequest, acting: Acting) -> dict[str, Any] | None:
    """What waits for the user in this company, with the address to go to; None for others."""
    found = questions.waiting.first(acting=acting, user=request.user)
    if found is None:
        return None
    return {
        "count": found.count,
        "capped": found.capped,
        "name": found.address_name,
        "address": reverse(found.address_name, kwargs={"company": acting.company.public_id}),
    }


def menu_of(acting: Acting) -> list[questions.MenuItem]:
    """The menu that these roles open, in its order."""
    return sorted(row for rows in questions.menu.ask(acting.permissions) for row in rows)


def _menu(
    request: HttpRequest, acting: Acting, waiting: dict[str, Any] | None
) -> list[dict[str, Any]]:
    rows = []
    for item in menu_of(acting):
        address = reverse(item.address_name, kwargs={"company": acting.company.public_id})
        here = waiting is not None and item.address_name == waiting["name"] and waiting["count"]
        badge = f"{waiting['count']}{'+' if waiting['capped'] else ''}" if waiting and here else ""
        rows.append(
            {
                "address": address,
                "label": item.label,
                "icon": item.icon,
                "here": request.path.startswith(address),
                "badge": badge,
            }
        )
    return rows
