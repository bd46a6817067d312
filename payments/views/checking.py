"""What an administrator decides of checks: what each of them does, and what may pass anyway."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from payments import deciding, guards
from payments.models import Finding
from portal import clock
from portal.access import guard
from portal.access.roles import Permission
from portal.lists import keyset
from portal.people import changes
from portal.people.forms import one_line

SHOWN = 50


class SettingsForm(forms.Form):
    """What each check does: a field for each."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for code, words in guards.WORDS.items():
            self.fields[code] = forms.ChoiceField(
                label=words.title,
                choices=list(guards.SEVERITIES.items()),
                help_text=gettext_lazy("Usual: %(severity)s")
                % {"severity": guards.SEVERITIES[words.severity]},
            )


class PassForm(forms.Form):
    """Why a line may pass."""

    reason = forms.CharField(
        label=gettext_lazy("Why may it pass?"),
        max_length=deciding.REASON_MAX,
        error_messages={"required": gettext_lazy("Write why it may pass.")},
    )

    def clean_reason(self) -> str:
        return one_line(self.cleaned_data["reason"], deciding.REASON_MAX)


@require_http_methods(["GET", "POST"])
@guard.company(Permission.DECIDE_CHECKS)
def checks(request: HttpRequest) -> HttpResponse:
    """What is stopped now, and what each check does; the latter can be changed."""
    company = guard.acting_of(request).company
    form = SettingsForm(request.POST or None, initial=deciding.settings(company=company))
    if form.is_valid():
        if deciding.choose(company=company, wanted=form.cleaned_data, by=changes.by(request)):
            told = _("Saved. It holds for payments that come in from now on.")
            messages.success(request, told)
        else:
            messages.info(request, _("Nothing was changed: it was set so already."))
        return redirect("payments:checks", company=company.public_id)
    waiting = deciding.waiting(company=company)
    context = {
        "form": form,
        "on": company.pre_approval,
        "stopped": guards.told(waiting[:SHOWN]),
        "count": keyset.count(waiting),
        "most": SHOWN,
        "reason_max": deciding.REASON_MAX,
    }
    return render(request, "payments/checks.html", context, status=422 if form.is_bound else 200)


@require_POST
@guard.company(Permission.DECIDE_CHECKS)
def let_pass(request: HttpRequest, finding: int) -> HttpResponse:
    """Lets one line pass, with the reason."""
    company, form = guard.acting_of(request).company, PassForm(request.POST)
    get_object_or_404(Finding.objects.of(company), pk=finding)
    if not form.is_valid():
        told = " ".join(str(error) for errors in form.errors.values() for error in errors)
        messages.error(request, _("Nothing was changed: %(why)s") % {"why": told})
        return redirect("payments:checks", company=company.public_id)
    try:
        number = deciding.let_pass(
            company=company,
            user=guard.user_of(request),
            finding_id=finding,
            reason=form.cleaned_data["reason"],
            at=clock.now(),
        )
        messages.success(
            request, _("%(number)s may pass. Your reason stands beside it.") % {"number": number}
        )
    except deciding.Gone:
        messages.error(request, _("Nothing was changed: it does not stop anything any more."))
    return redirect("payments:checks", company=company.public_id)
