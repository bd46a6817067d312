"""Error pages: what happened, a reference for support, and a way on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import get_template
from django.utils.translation import gettext as _

from portal.access import roles
from portal.access.guard import Needs

log = structlog.get_logger(__name__)


def _page(
    request: HttpRequest, status: int, title: str, text: str, cures: Sequence[str] = ()
) -> HttpResponse:
    context = {
        "title": title,
        "text": text,
        "cures": cures,
        "request_id": getattr(request, "request_id", ""),
    }
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
    cures = [
        _("Check that the whole address was copied."),
        _("If it is about another company, switch to that company first."),
        _("If you should see it, ask a customer administrator for the role."),
    ]
    return _page(request, 404, _("Nothing found here"), text, cures)


def not_allowed(request: HttpRequest) -> HttpResponse:
    """A form's own address opened as a page, as after signing in again on the way to it."""
    text = _("This address only takes a form that is sent to it. Go to the page that has the form.")
    return _page(request, 405, _("There is no page here"), text)


def failed(request: HttpRequest) -> HttpResponse:
    """Our own fault; told in plain words even where the page's frame cannot be made."""
    text = _("The fault is ours, and it has been logged.")
    title = _("Something went wrong")
    cures = [
        _("Look whether what you did was done before you do it again."),
        _("Wait a few minutes, and load the page again."),
        _("If it goes on, write to support."),
    ]
    try:
        return _page(request, 500, title, text, cures)
    except Exception:
        log.exception("error_page.failed")
        words = {
            "title": title,
            "text": text,
            "cures": cures,
            "request_id": getattr(request, "request_id", ""),
            "support": settings.SUPPORT_CONTACT,
        }
        # Without the request, so that nothing asks the database for what the frame shows.
        return HttpResponse(get_template("people/failed_bare.html").render(words), status=500)


class NotAllowedPage:
    """Puts a page in the place of an empty 405; the ERP's door answers for itself."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self.get_response(request)
        if answer.status_code != 405 or answer.content or request.path.startswith("/api/"):
            return answer
        page = not_allowed(request)
        page["Allow"] = answer["Allow"]
        return page


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    text = _("The page was open too long, or cookies are blocked. Go back, reload and try again.")
    return _page(request, 403, _("The form could not be trusted"), text)
