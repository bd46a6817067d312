"""The way in after sign-in: choose the company to act for; search; keyboard shortcuts."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import grants, guard, norwegian
from portal.access.models import Company, User
from portal.access.roles import APPROVE_PAYMENTS, SEE_PAYMENTS, Permission, permissions_of
from portal.events import questions
from portal.people import context, lists
from portal.people.templatetags.kvitt import organisation

COMPANIES_SHOWN = 50
FOUND_SHOWN = 8
TEXT_MAX = 60


def _text(request: HttpRequest) -> str:
    """What is searched for; the database holds no NUL, so nothing is called so."""
    return request.GET.get("q", "").replace("\0", "").strip()[:TEXT_MAX]


def _companies(request: HttpRequest, text: str) -> QuerySet[Company]:
    """The user's companies whose name holds the text, or whose number begins with it."""
    return lists.named(grants.companies_of(guard.user_of(request)), text)


@require_GET
@guard.signed_in
def start(request: HttpRequest) -> HttpResponse:
    """The companies in which the user has a role; straight on when there is only one."""
    text = _text(request)
    rows = list(_companies(request, text)[: COMPANIES_SHOWN + 1])
    customers = list(grants.customers_of(guard.user_of(request))[:COMPANIES_SHOWN])
    found = {
        "customers": customers,
        "companies": rows[:COMPANIES_SHOWN],
        "more": len(rows) > COMPANIES_SHOWN,
        "text": text,
    }
    if len(rows) > 1 and not text:
        found |= _at_once(guard.user_of(request))
    if getattr(request, "htmx", False):
        return render(request, "people/companies.html", found)
    if "all" not in request.GET and not text and len(customers) == 1 and not rows:
        return redirect("people:companies", customer=customers[0].public_id)
    if len(rows) == 1 and not text and "all" not in request.GET:
        return redirect("people:company", company=rows[0].public_id)
    return render(request, "people/start.html", found)


def _at_once(user: User) -> dict[str, bool]:
    """Whether the user sees payments in several companies, and approves them, all at once."""
    held = permissions_of(grants.roles_anywhere(user))
    return {"several": bool(held & SEE_PAYMENTS), "approves": bool(held & APPROVE_PAYMENTS)}


@require_GET
@guard.company(Permission.SEE_COMPANY)
def company(request: HttpRequest) -> HttpResponse:
    """The first page of a company that the user's roles open."""
    acting = guard.acting_of(request)
    return redirect(context.address_of(context.menu_of(acting)[0], acting))


@require_GET
@guard.company(Permission.SEE_COMPANY)
def search(request: HttpRequest) -> HttpResponse:
    """Pages, whatever the apps find by the text, and companies; the palette shows the same."""
    acting = guard.acting_of(request)
    text = _text(request)
    groups: list[dict[str, Any]] = [{"label": _("Pages"), "hits": _pages(acting, text)}]
    if text:
        answers = questions.search.ask(acting=acting, user=request.user, text=text)
        groups += [{"label": _("Payments"), "hits": hits} for hits in answers]
    companies = [
        questions.Hit(row.name, organisation(row.organisation_number), _address(row))
        for row in _companies(request, text)[: FOUND_SHOWN + 1]
        if row != acting.company
    ]
    groups.append({"label": _("Companies"), "hits": companies[:FOUND_SHOWN]})
    found = {"groups": [group for group in groups if group["hits"]], "text": text}
    name = "people/found.html" if getattr(request, "htmx", False) else "people/search.html"
    return render(request, name, found)


def _pages(acting: guard.Acting, text: str) -> list[questions.Hit]:
    key = norwegian.key(text)
    return [
        questions.Hit(str(item.label), "", context.address_of(item, acting))
        for item in context.menu_of(acting)
        if key in norwegian.key(str(item.label))
    ]


def _address(row: Company) -> str:
    return reverse("people:company", kwargs={"company": row.public_id})


@require_http_methods(["GET", "POST"])
@guard.signed_in
def shortcuts(request: HttpRequest) -> HttpResponse:
    """The keyboard shortcuts, and the switch that turns them off or on for this user."""
    user = guard.user_of(request)
    if request.method == "POST":
        user.shortcuts = request.POST.get("shortcuts") == "on"
        user.save(update_fields=["shortcuts"])
        return redirect("people:shortcuts")
    return render(request, "people/shortcuts.html")
