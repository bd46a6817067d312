"""Error pages: what happened, a reference for support, and a way on."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from portal.access import roles
from portal.access.guard import Needs


def _page(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    context = {"title": title, "text": text, "request_id": getattr(request, "request_id", "")}
    return render(request, "people/error.html", context, status=status)


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    return _page(
        request, 400, _("The request could not be understood"), _("Go back and try again.")
    )


def forbidden(request: HttpRequest, exception: Any = None) -> HttpResponse:
    text = _("You do not have a role that may do this.")
    if isinstance(exception, Needs) and exception.roles:
        names = ", ".join(str(roles.NAMES[role]) for role in exception.roles)
        text = _("This needs one of these roles in the company: %(roles)s.") % {"roles": names}
        text += " " + _("Ask a customer administrator.")
    return _page(request, 403, _("You may not do this"), text)


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    text = _("The address is wrong, or what it showed is not yours to see.")
    return _page(request, 404, _("Nothing found here"), text)


def failed(request: HttpRequest) -> HttpResponse:
    text = _("The fault is ours, and it has been logged. Nothing was changed.")
    return _page(request, 500, _("Something went wrong"), text)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    text = _("The page was open too long, or cookies are blocked. Go back, reload and try again.")
    return _page(request, 403, _("The form could not be trusted"), text)
