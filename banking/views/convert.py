"""The page that converts an agreement from the old format to ISO 20022."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from banking import conversions
from banking.views.lookup import found
from portal.access import guard
from portal.access.roles import Permission
from portal.people import changes
from portal.people.views.prove import decides


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
@decides
def page(request: HttpRequest, agreement: int) -> HttpResponse:
    """What is asked for in the new format; nothing is converted while payments are under way."""
    acting, row = guard.acting_of(request), found(request, agreement)
    back = redirect("banking:agreement", company=acting.company.public_id, agreement=row.pk)
    if not conversions.may_be(row):
        messages.error(request, _("Only an agreement in the old format can be converted."))
        return back
    form = conversions.ConvertForm(request.POST or None, row=row)
    if form.is_valid():
        try:
            conversions.convert(
                agreement=row, values=form.cleaned_data, acting=acting, by=changes.by(request)
            )
        except conversions.MovedOn:
            messages.error(request, _("Nothing was changed: somebody else has changed it already."))
            return back
        except conversions.Shared:
            messages.error(
                request,
                _(
                    "Nothing was changed: other companies pay on it. End the sharing first, and"
                    " share it again when it is converted."
                ),
            )
        except conversions.Unsettled:
            messages.error(request, _("Nothing was changed: payments are under way on it."))
        else:
            messages.success(request, _("The agreement sends ISO 20022 from now on."))
            return back
    context = {"row": row, "form": form, "unsettled": conversions.unsettled(row, acting)}
    status = 422 if form.is_bound else 200
    return render(request, "banking/convert.html", context, status=status)
