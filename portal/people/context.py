"""What the frame of every page shows: company, menu, what waits; one place, constant queries."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from portal.access import tenancy
from portal.access.acting import Acting, AtCustomer, Everywhere, Here
from portal.access.guard import began, seconds_left
from portal.events import questions


def frame(request: HttpRequest) -> dict[str, Any]:
    """`company`, `menu` and `waiting` when the page acts for a company, `customer` and `menu` when
    it acts for a customer, `everywhere` and `menu` when it acts for all the user's companies; the
    rest always."""
    acting: Here | None = getattr(request, "acting", None)
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
    if isinstance(acting, AtCustomer):
        return {**context, "customer": acting.customer, "menu": _menu(request, acting, None)}
    if isinstance(acting, Everywhere):
        return {**context, "everywhere": acting, "menu": _menu(request, acting, None)}
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
        "address": acting.address(found.address_name),
    }


def menu_of(acting: Here) -> list[questions.MenuItem]:
    """The menu that these roles open, in its order."""
    asked = questions.menu
    if isinstance(acting, AtCustomer):
        asked = questions.customer_menu
    elif isinstance(acting, Everywhere):
        asked = questions.everywhere_menu
    return sorted(row for rows in asked.ask(acting.permissions) for row in rows)


def address_of(item: questions.MenuItem, acting: Here) -> str:
    """Where a place in the menu leads."""
    if item.at_customer and not isinstance(acting, Everywhere):
        return reverse(item.address_name, kwargs={"customer": acting.customer.public_id})
    return acting.address(item.address_name)


def _menu(
    request: HttpRequest, acting: Here, waiting: dict[str, Any] | None
) -> list[dict[str, Any]]:
    rows = []
    for item in menu_of(acting):
        address = address_of(item, acting)
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
