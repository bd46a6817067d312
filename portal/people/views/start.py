"""The way in after sign-in: choose the company to act for."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET

from portal.access import grants, guard
from portal.access.models import User
from portal.access.roles import Permission
from portal.events import questions

COMPANIES_SHOWN = 300


@require_GET
@guard.signed_in
def start(request: HttpRequest) -> HttpResponse:
    """The companies in which the user has a role; straight on when there is only one."""
    user = request.user
    assert isinstance(user, User)
    companies = list(grants.companies_of(user)[:COMPANIES_SHOWN])
    if len(companies) == 1:
        return redirect("people:company", company=companies[0].public_id)
    return render(request, "people/start.html", {"companies": companies})


@require_GET
@guard.company(Permission.SEE_COMPANY)
def company(request: HttpRequest) -> HttpResponse:
    """The first page of a company that the user's roles open; else who can give a role."""
    acting = guard.acting_of(request)
    rows = sorted(row for rows in questions.menu.ask(acting.permissions) for row in rows)
    if rows:
        return redirect(rows[0][1], company=acting.company.public_id)
    return render(request, "people/no_service.html")
