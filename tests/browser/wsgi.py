"""The web server's entry, with one address more: a page that fails, for the page that says so."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import path

from portal.wsgi import application
from tests.browser import FAILS

__all__ = ["application"]


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("planted, so that the error page can be seen")


def _plant() -> None:
    from django.conf import settings

    from portal import urls
    from portal.access import guard

    # Short pages: fifty rows tell no more than twenty, and a picture of these can be looked at.
    settings.LIST_PAGE_SIZE = settings.LINES_PER_PAGE = 20
    urls.urlpatterns.append(path(FAILS.removeprefix("/"), guard.signed_in(fails)))


_plant()
