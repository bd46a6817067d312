"""One payment before it is sent: taking one's approval back, moving its date, and notes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from payments import changing, policy
from payments.models import Payment
from payments.views.lookup import found
from portal import clock
from portal.access import guard
from portal.access.roles import CANCEL_PAYMENTS, SEE_PAYMENTS
from portal.lists import widgets
from portal.people.forms import one_line

REASON_MAX = 200
MOVED_ON = gettext_lazy("Nothing was changed: the payment has been sent or ended meanwhile.")


def _back(request: HttpRequest, row: Payment) -> HttpResponse:
    company = guard.acting_of(request).company.public_id
    return redirect("payments:detail", company=company, payment=row.pk)


@require_POST
@guard.company(*SEE_PAYMENTS)
def withdraw(request: HttpRequest, payment: int) -> HttpResponse:
    """Takes one's own approval back; it can be given again."""
    row = found(request, payment)
    try:
        changing.withdraw(
            company=guard.acting_of(request).company,
            user=guard.user_of(request),
            payment_ids=[row.pk],
            at=clock.now(),
        )
        messages.success(request, _("Your approval is taken back. You can approve it again."))
    except changing.NotYours:
        messages.error(request, _("Nothing was changed: you have not approved it."))
    except changing.MovedOn:
        messages.error(request, MOVED_ON)
    return _back(request, row)


class NoteForm(forms.Form):
    """A few words beside a payment."""

    text = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=changing.NOTE_MAX,
        help_text=gettext_lazy("Everybody who can open the payment sees it; the bank does not."),
        widget=forms.Textarea(attrs={"rows": 2}),
    )


@require_POST
@guard.company(*SEE_PAYMENTS)
def note(request: HttpRequest, payment: int) -> HttpResponse:
    """Writes a note among the payment's events."""
    row = found(request, payment)
    form = NoteForm(request.POST)
    if form.is_valid():
        changing.note(
            payment=row,
            user=guard.user_of(request),
            text=one_line(form.cleaned_data["text"], changing.NOTE_MAX),
            at=clock.now(),
        )
        messages.success(request, _("The note stands among the events."))
    else:
        told = " ".join(str(error) for errors in form.errors.values() for error in errors)
        messages.error(request, _("No note was written: %(why)s") % {"why": told})
    return _back(request, row)


@require_POST
@guard.company(*CANCEL_PAYMENTS)
def agreement(request: HttpRequest, payment: int) -> HttpResponse:
    """Moves what waits on a deactivated agreement to the one that has taken over."""
    row, acting = found(request, payment), guard.acting_of(request)
    try:
        new, count = changing.move_agreement(
            company=acting.company,
            user=guard.user_of(request),
            permissions=acting.permissions,
            payment_id=row.pk,
            at=clock.now(),
        )
    except changing.MovedOn:
        messages.error(
            request, _("Nothing was changed: no other agreement has taken over from it.")
        )
        return _back(request, row)
    text = ngettext(
        "%(n)s payment is moved to %(name)s, and waits for approval.",
        "%(n)s payments are moved to %(name)s, and wait for approval.",
        count,
    )
    messages.success(request, text % {"n": count, "name": new})
    return _back(request, row)


class DateForm(forms.Form):
    """Another due date, and why."""

    due_date = forms.DateField(
        label=gettext_lazy("New due date"),
        input_formats=["%d.%m.%Y", "%Y-%m-%d"],
        widget=widgets.Date,
    )
    reason = forms.CharField(
        label=gettext_lazy("Why is it moved?"),
        max_length=REASON_MAX,
        help_text=gettext_lazy("Everybody who opens the payment sees it."),
    )

    def clean_reason(self) -> str:
        return one_line(self.cleaned_data["reason"], REASON_MAX)


@require_http_methods(["GET", "POST"])
@guard.company(*CANCEL_PAYMENTS)
def due_date(request: HttpRequest, payment: int) -> HttpResponse:
    """Moves a payment's due date; approvals become void."""
    acting, row = guard.acting_of(request), found(request, payment)
    refusal = policy.moving_date(row, permissions=acting.permissions)
    if refusal is not None:
        messages.error(request, refusal.text)
        return _back(request, row)
    form: Any = DateForm(request.POST or None)
    if form.is_valid():
        try:
            changing.move_date(
                company=acting.company,
                user=guard.user_of(request),
                permissions=acting.permissions,
                payment_id=row.pk,
                to=form.cleaned_data["due_date"],
                reason=form.cleaned_data["reason"],
                today=clock.today(),
                at=clock.now(),
            )
            told = _("The due date is moved. The payment waits for approval.")
            messages.success(request, told)
            return _back(request, row)
        except changing.UnfitDate as error:
            form.add_error("due_date", str(error))
        except (changing.NotYours, changing.MovedOn):
            messages.error(request, MOVED_ON)
            return _back(request, row)
    context = {"row": row, "form": form}
    status = 422 if form.is_bound else 200
    return render(request, "payments/due_date.html", context, status=status)
