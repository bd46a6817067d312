"""A customer itself: its terms of service and its change log."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import guard
from portal.access.roles import Permission
from portal.lists.pages import ListPage
from portal.people import changes, lists, terms


@require_GET
@guard.customer(Permission.SEE_CUSTOMER)
def log(request: HttpRequest) -> HttpResponse:
    page = ListPage(request, lists.CUSTOMER_LOG)
    return render(request, "people/log.html", {"list": page})


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.SEE_CUSTOMER)
@guard.before_terms
def terms_of_service(request: HttpRequest) -> HttpResponse:
    """The terms, who accepted which version when, and the button that accepts."""
    acting = guard.customer_of(request)
    if request.method == "POST":
        if not acting.may(Permission.MANAGE_CUSTOMER):
            raise guard.Needs((Permission.MANAGE_CUSTOMER,))
        if request.POST.get("version") != settings.TERMS_VERSION:
            messages.error(request, _("The terms have changed since the page was shown. Read on."))
            return redirect(acting.address("people:terms"))
        if terms.accept(customer=acting.customer, by=changes.by(request)):
            messages.success(request, _("The terms are accepted."))
        return redirect(acting.address("people:companies"))
    context = {
        "version": settings.TERMS_VERSION,
        "accepted": acting.customer.accepted_terms == settings.TERMS_VERSION,
        "acceptances": acting.customer.terms.select_related("user").order_by("-at"),
    }
    return render(request, "people/terms.html", context)
