"""Administration of one company: its details, services, signing key, and its change log."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.access import guard
from portal.access.models import ServiceActivation
from portal.access.roles import Permission
from portal.lists.pages import ListPage
from portal.people import changes, companies, keys, lists, services
from portal.people.company_forms import CompanyForm
from portal.people.views import deputies
from portal.people.views.prove import decides

TWO_FACTOR_TOLD = {
    ("sign-in", True): gettext_lazy(
        "Two-factor is asked for now. Who has none sets it up at the next page they open."
    ),
    ("sign-in", False): gettext_lazy(
        "Two-factor is not asked for at sign-in any more. Signing always asks for it."
    ),
    ("upload", True): gettext_lazy(
        "A code is asked for at each upload now. The ERP must send one along, or it is refused."
    ),
    ("upload", False): gettext_lazy("No code is asked for at upload any more."),
}


def _back(request: HttpRequest) -> HttpResponse:
    return redirect(guard.acting_of(request).address("people:administration"))


@require_GET
@guard.company(Permission.SEE_COMPANY)
def page(request: HttpRequest) -> HttpResponse:
    """What the company is, which services it uses, and who can change it."""
    company = guard.acting_of(request).company
    key = keys.living(company)
    context = {
        "missing": [companies.NAMES[name] for name in companies.missing(company)],
        "services": services.states(company),
        "key": key,
        "manages": guard.acting_of(request).may(Permission.MANAGE_CUSTOMER),
        "approves": bool(guard.acting_of(request).permissions & set(deputies.READERS)),
        "holds": guard.acting_of(request).may(Permission.MANAGE_KEYS),
        "fields": [(companies.NAMES[n], getattr(company, n), n) for n in companies.FIELDS],
    }
    return render(request, "people/administration.html", context)


@require_http_methods(["GET", "POST"])
@guard.company(Permission.MANAGE_CUSTOMER)
def edit(request: HttpRequest) -> HttpResponse:
    company = guard.acting_of(request).company
    initial = {name: getattr(company, name) for name in companies.FIELDS}
    form = CompanyForm(request.POST or None, initial=initial, fixed_number=True)
    if request.method == "POST" and form.is_valid():
        try:
            changed = companies.edit(
                company=company,
                values=form.cleaned_data,
                by=changes.by(request),
                seen={
                    name: request.POST[f"seen-{name}"]
                    for name in companies.FIELDS
                    if f"seen-{name}" in request.POST
                },
            )
        except companies.Unfit as error:
            form.add_faults(error.faults)
        else:
            text = _("The company is changed.") if changed else _("There was nothing to change.")
            messages.success(request, text)
            return _back(request)
    seen = [(name, request.POST.get(f"seen-{name}", initial[name])) for name in form.fields]
    status = 422 if form.is_bound else 200
    return render(
        request,
        "people/company_form.html",
        {"form": form, "edit": True, "seen": seen},
        status=status,
    )


@require_POST
@guard.company(Permission.MANAGE_CUSTOMER)
@decides
def two_factor(request: HttpRequest) -> HttpResponse:
    """Whether a second factor is asked for at sign-in, and at upload."""
    on, asked_for = request.POST.get("on") == "yes", request.POST.get("for", "")
    if asked_for not in companies.ASKED_FOR:
        messages.error(request, _("Nothing was changed: choose what to do first."))
        return _back(request)
    changed = companies.set_two_factor(
        company=guard.acting_of(request).company,
        asked_for=asked_for,
        on=on,
        by=changes.by(request),
    )
    if changed:
        messages.success(request, str(TWO_FACTOR_TOLD[asked_for, on]))
    return _back(request)


@require_POST
@guard.company(Permission.MANAGE_CUSTOMER)
@decides
def service(request: HttpRequest) -> HttpResponse:
    """Switches a service on or off."""
    company = guard.acting_of(request).company
    code, act = request.POST.get("service", ""), request.POST.get("act", "")
    if code not in ServiceActivation.Service.values or act not in ("on", "off"):
        messages.error(request, _("Nothing was changed: choose what to do first."))
        return _back(request)
    name = ServiceActivation.Service(code).label
    try:
        if act == "on":
            services.switch_on(company=company, service=code, by=changes.by(request))
            messages.success(request, _("%(service)s is on.") % {"service": name})
        else:
            services.switch_off(company=company, service=code, by=changes.by(request))
            messages.success(request, _("%(service)s is off.") % {"service": name})
    except services.Incomplete as error:
        fields = ", ".join(str(companies.NAMES[field]) for field in error.fields)
        text = _("%(service)s cannot be switched on yet. Fill in: %(fields)s.")
        messages.error(request, text % {"service": name, "fields": fields.lower()})
    except services.UnderWay as error:
        messages.error(request, " ".join(error.reasons))
    return _back(request)


@never_cache
@require_GET
@guard.company(Permission.MANAGE_KEYS)
@decides
def key(request: HttpRequest) -> HttpResponse:
    """The signing key, to be copied into the ERP."""
    company = guard.acting_of(request).company
    row = keys.living(company)
    context: dict[str, Any] = {"key": row, "on": services.active(company)}
    return render(request, "people/signing_key.html", context)


@require_http_methods(["GET", "POST"])
@guard.company(Permission.MANAGE_KEYS)
@decides
def key_new(request: HttpRequest) -> HttpResponse:
    """Asks first, saying what stops; then the old key is dead and the new one is shown."""
    company = guard.acting_of(request).company
    if ServiceActivation.Service.AUTOPAY not in services.active(company):
        raise Http404
    row = keys.living(company)
    if request.method == "GET":
        return render(request, "people/signing_key_new.html", {"key": row})
    if row is not None and request.POST.get("key") != str(row.pk):
        messages.error(
            request, _("Nothing was changed: somebody else has made a new key meanwhile.")
        )
    else:
        keys.replace(company=company, by=changes.by(request))
        messages.success(request, _("The new key works now. Copy it into the ERP."))
    return redirect(guard.acting_of(request).address("people:key"))


@require_GET
@guard.company(Permission.SEE_CUSTOMER, Permission.MANAGE_KEYS)
def log(request: HttpRequest) -> HttpResponse:
    page = ListPage(request, lists.COMPANY_LOG)
    return render(request, "people/log.html", {"list": page})
