"""Changing an agreement in use, and the mail lists of many at once."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from banking import amendments
from banking.views.lookup import found
from portal import clock
from portal.access import guard
from portal.access.roles import Permission
from portal.people import changes

STALE = gettext_lazy(
    "Nothing was changed: somebody, or you in another tab, has changed it since the page was shown."
    " This is how it stands now."
)


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
def one(request: HttpRequest, agreement: int) -> HttpResponse:
    """What may be changed on one agreement in use."""
    company = guard.acting_of(request).company
    row = found(request, agreement)
    back = redirect("banking:agreement", company=company.public_id, agreement=row.pk)
    if row.state.final:
        messages.error(request, _("A deactivated agreement is not changed; copy it instead."))
        return back
    form = amendments.AmendForm(request.POST or None, row=row, today=clock.today())
    if form.stale:
        messages.error(request, STALE)
        return redirect(request.path)
    if form.is_valid():
        try:
            changed = amendments.amend(
                agreement=row, values=form.cleaned_data, by=changes.by(request)
            )
        except amendments.MovedOn:
            messages.error(request, _("Nothing was changed: the agreement is deactivated."))
            return back
        told = _("The agreement is changed.") if changed else _("There was nothing to change.")
        messages.success(request, told)
        return back
    status = 422 if form.is_bound else 200
    return render(request, "banking/amend.html", {"row": row, "form": form}, status=status)


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
def mails(request: HttpRequest) -> HttpResponse:
    """The same addresses on, or off, the lists of many agreements: of all companies of the customer
    in which the user may change agreements."""
    company, user = guard.acting_of(request).company, guard.user_of(request)
    with amendments.acting_widely(company=company, user=user) as companies:
        form = amendments.MailsForm(request.POST or None, companies=companies)
        if form.is_valid():
            _change_lists(request, form.cleaned_data)
            return redirect("banking:agreements", company=company.public_id)
        context = {
            "form": form,
            "rows": list(amendments.in_use(companies)),
            "several": len(companies) > 1,
            "chosen": form["agreements"].value() or [],
            "lists": form["lists"].value() or [],
        }
        status = 422 if form.is_bound else 200
        return render(request, "banking/mails.html", context, status=status)


def _change_lists(request: HttpRequest, wanted: dict[str, Any]) -> None:
    n = amendments.amend_lists(
        agreements=wanted["agreements"],
        act=wanted["act"],
        lists=wanted["lists"],
        addresses=wanted["addresses"],
        by=changes.by(request),
    )
    if n:
        told = ngettext(
            "The mail lists of %(n)s agreement are changed.",
            "The mail lists of %(n)s agreements are changed.",
            n,
        ) % {"n": n}
    else:
        told = _("There was nothing to change.")
    messages.success(request, told)
