"""Support issues a one-time code to somebody who cannot sign in: with a reason, logged and told."""

from __future__ import annotations

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from portal.access import guard
from portal.access.models import Membership, SupportCode
from portal.access.roles import Permission
from portal.people import entering, factors
from portal.people.forms import one_line
from portal.people.views.prove import decides

REASON_MAX = 200
OWN = gettext_lazy("You cannot issue a code for yourself. Ask another support user.")


class ReasonForm(forms.Form):
    """Why a code is issued."""

    reason = forms.CharField(
        label=gettext_lazy("Why, and how you know that it is the right person"),
        max_length=REASON_MAX,
        help_text=gettext_lazy("It is kept in the change log."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_reason(self) -> str:
        return one_line(self.cleaned_data["reason"], REASON_MAX)


@never_cache
@require_http_methods(["GET", "POST"])
@guard.customer(Permission.ISSUE_CODES)
@decides
def issue(request: HttpRequest, member: int) -> HttpResponse:
    """Asks why, then shows the code this once: it is read to the person, never mailed."""
    acting = guard.customer_of(request)
    living = Membership.objects.living().filter(customer=acting.customer)
    row = get_object_or_404(living.select_related("user"), pk=member)
    form = ReasonForm(request.POST or None)
    kept = f"support_code_{member}"
    issued = "".join(entering.secret(request, kept)) if request.method == "GET" else ""
    own = row.user == guard.user_of(request)
    if request.method == "POST" and own:
        form.add_error(None, OWN)
    elif request.method == "POST" and form.is_valid():
        code = factors.issue_support_code(
            request, user=row.user, at=acting.customer, reason=form.cleaned_data["reason"]
        )
        entering.keep_secret(request, kept, [code])  # a reload issues no other
        return redirect(acting.address("people:support-code", member=row.pk))
    context = {
        "own": OWN if own else "",
        "member": row,
        "form": form,
        "code": issued,
        "minutes": int(SupportCode.LIFETIME.total_seconds() // 60),
    }
    status = 422 if form.is_bound and not issued else 200
    return render(request, "people/support_code.html", context, status=status)
