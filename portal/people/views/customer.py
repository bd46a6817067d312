"""A customer itself: its terms of service, its ERP's key and its change log."""

from __future__ import annotations

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from portal.access import guard
from portal.access.roles import Permission
from portal.lists.pages import ListPage
from portal.people import acts, changes, customers, keys, lists, terms
from portal.people.company_forms import CustomerForm
from portal.people.views.prove import decides_when_sent


@require_GET
@guard.customer(Permission.SEE_CUSTOMER)
def page(request: HttpRequest) -> HttpResponse:
    """Who the customer is: name, number, kind, terms, and the key of its own ERP."""
    acting = guard.customer_of(request)
    context = {
        "fields": [
            (acts.field(name), acts.value(name, getattr(acting.customer, name)), name)
            for name in customers.FIELDS
        ],
        "accepted": acting.customer.terms.select_related("user").order_by("-at").first(),
        "current": acting.customer.accepted_terms == settings.TERMS_VERSION,
        "key": keys.of_customer(acting.customer),
        "manages": acting.may(Permission.MANAGE_CUSTOMER),
    }
    return render(request, "people/customer.html", context)


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
def edit(request: HttpRequest) -> HttpResponse:
    """Name and kind."""
    acting = guard.customer_of(request)
    initial = {name: getattr(acting.customer, name) for name in ("name", "kind")}
    form = CustomerForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            changed = customers.edit(
                customer=acting.customer, values=form.cleaned_data, by=changes.by(request)
            )
        except customers.Unfit as error:
            form.add_faults(error.faults)
        else:
            text = _("The customer is changed.") if changed else _("There was nothing to change.")
            messages.success(request, text)
            return redirect(acting.address("people:customer"))
    status = 422 if form.is_bound else 200
    return render(request, "people/customer_form.html", {"form": form}, status=status)


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


@never_cache
@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides_when_sent
def key(request: HttpRequest) -> HttpResponse:
    """The key that the customer's own ERP makes companies with; shown once, when it is made."""
    acting = guard.customer_of(request)
    made = None
    if request.method == "POST":
        try:
            made = keys.new_for_customer(
                customer=acting.customer,
                seen=request.POST.get("key", ""),
                by=changes.by(request),
            )
        except keys.Stale:
            text = _("Nothing was changed: somebody has made a key since the page was shown.")
            messages.error(request, text)
            return redirect(acting.address("people:customer-key"))
    context = {"key": made or keys.of_customer(acting.customer), "made": made}
    return render(request, "people/customer_key.html", context)
