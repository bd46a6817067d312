"""Limits and deputies of a company's approvers: the pages where they are seen and set."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from portal import clock
from portal.access import grants, guard
from portal.access.models import ApprovalLimit, Deputy, User
from portal.access.roles import APPROVE_PAYMENTS, Permission
from portal.lists import widgets
from portal.people import authority, changes
from portal.people.forms import AmountField, one_line
from portal.people.views.prove import decides, decides_when_sent, prove_address

READERS = (Permission.MANAGE_CUSTOMER, Permission.SEE_CUSTOMER, *sorted(APPROVE_PAYMENTS))
WRITERS = (Permission.MANAGE_CUSTOMER, *sorted(APPROVE_PAYMENTS))
MOST = Decimal("9999999999999.99")


def approvers(request: HttpRequest) -> list[User]:
    """Everybody who approves something in the company, by name."""
    company = guard.acting_of(request).company
    found = {
        user.pk: user
        for permission in sorted(APPROVE_PAYMENTS)
        for user in grants.holders(company=company, permission=permission)
    }
    return sorted(found.values(), key=lambda user: user.name)


class DeputyForm(forms.Form):
    """Who is away, who stands in, and when."""

    absent = forms.TypedChoiceField(label=gettext_lazy("Who is away"), coerce=int)
    deputy = forms.TypedChoiceField(label=gettext_lazy("Who approves instead"), coerce=int)
    from_date = forms.DateField(
        label=gettext_lazy("First day"),
        widget=widgets.Date,
        input_formats=["%d.%m.%Y", "%Y-%m-%d", "%d.%m.%y"],
    )
    to_date = forms.DateField(
        label=gettext_lazy("Last day"),
        widget=widgets.Date,
        input_formats=["%d.%m.%Y", "%Y-%m-%d", "%d.%m.%y"],
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=140,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(
        self, *args: Any, absentees: list[User], others: list[User], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        nobody: Any = ("", _("Choose …")) if len(absentees) > 1 else None
        choices: Any = [(user.pk, user.name) for user in absentees]
        choices = [nobody, *choices] if nobody else choices
        cast("Any", self.fields["absent"]).choices = choices
        others_named: Any = [("", _("Choose …"))]
        others_named += [(user.pk, f"{user.name} ({user.email})") for user in others]
        cast("Any", self.fields["deputy"]).choices = others_named


WHY = {
    "same": gettext_lazy("Nobody stands in for themselves. Choose another."),
    "turned": gettext_lazy("The last day is before the first."),
    "past": gettext_lazy("The last day is over already."),
    "absent": gettext_lazy(
        "This person approves nothing in the company, so there is nothing to stand in for."
    ),
    "twice": gettext_lazy(
        "The same deputy is named for some of these days already. Choose other days, or end that"
        " first."
    ),
    "long": gettext_lazy("A deputy stands in for at most a year. Choose an earlier last day."),
    "deputy": gettext_lazy(
        "This person cannot stand in: uploaders, support users and people at collection agencies"
        " do not approve for others."
    ),
}

# Where a fault is told, if not at the last day.
FIELDS = {"same": "deputy", "deputy": "deputy", "absent": "absent", "twice": "from_date"}


@require_http_methods(["GET", "POST"])
@guard.company(*READERS)
@decides_when_sent
def index(request: HttpRequest) -> HttpResponse:
    """Deputies now and to come, everybody's limits, and the form for a new deputy."""
    acting = guard.acting_of(request)
    user = guard.user_of(request)
    may_write = bool(acting.permissions & set(WRITERS))
    everybody = approvers(request)
    # An approver names a deputy for themselves, an administrator for anybody.
    manages = acting.may(Permission.MANAGE_CUSTOMER)
    # An own role is stood in for; one that is lent already is not lent on.
    own = grants.approvers(company=acting.company, among=everybody)
    absentees = own if manages else [one for one in own if one == user]
    form, asked = None, ""
    if may_write and not guard.strong(request):
        asked = prove_address(request)
    elif may_write:
        data = request.POST if request.method == "POST" else None
        form = DeputyForm(
            data, absentees=absentees, others=grants.may_stand_in(company=acting.company)
        )
    if request.method == "POST" and form is None:
        raise guard.Needs(WRITERS)
    sent = request.method == "POST" and form is not None and form.is_valid()
    if sent and form is not None and _named(request, form):
        return redirect(acting.address("people:deputies"))
    today = clock.today()
    rows = Deputy.objects.of(acting.company).filter(ended_at=None, to_date__gte=today)
    now = list(grants.standing_in(company=acting.company).select_related("absent"))
    limits = {row.user_id: row for row in ApprovalLimit.objects.of(acting.company)}
    context = {
        "form": form,
        "rows": [
            (row, row.from_date <= today, manages or row.absent_id == user.pk)
            for row in rows.select_related("absent", "deputy").order_by("from_date", "pk")
        ],
        "approvers": [
            (
                one,
                limits.get(one.pk),
                [row.absent.name for row in now if row.deputy_id == one.pk],
                one in own,
            )
            for one in everybody
        ],
        "manages": manages,
        "asked": asked,
    }
    status = 422 if form is not None and form.is_bound else 200
    return render(request, "people/deputies.html", context, status=status)


def _named(request: HttpRequest, form: DeputyForm) -> bool:
    acting, data = guard.acting_of(request), form.cleaned_data
    people = User.objects.in_bulk([data["absent"], data["deputy"]])
    try:
        authority.stand_in(
            company=acting.company,
            absent=people[data["absent"]],
            deputy=people[data["deputy"]],
            from_date=data["from_date"],
            to_date=data["to_date"],
            reason=one_line(data["reason"], 140),
            today=clock.today(),
            by=changes.by(request),
        )
    except authority.Unfit as error:
        field = FIELDS.get(error.code, "to_date")
        form.add_error(field, WHY[error.code])
        return False
    messages.success(request, _("The deputy is named, and both are told by e-mail."))
    return True


@require_POST
@guard.company(*WRITERS)
@decides
def end(request: HttpRequest, deputy: int) -> HttpResponse:
    """Ends a deputy's time before its last day."""
    acting = guard.acting_of(request)
    rows = Deputy.objects.of(acting.company).select_related("absent", "deputy", "company__customer")
    if not acting.may(Permission.MANAGE_CUSTOMER):
        rows = rows.filter(absent=guard.user_of(request))
    authority.end_stand_in(deputy=get_object_or_404(rows, pk=deputy), by=changes.by(request))
    messages.success(request, _("The deputy approves no more."))
    return redirect(acting.address("people:deputies"))


def _limit_field(label: Any) -> AmountField:
    told = gettext_lazy("No limit can be that large. Leave it empty for none.")
    return AmountField(label=label, most=MOST, too_much=told)


class LimitForm(forms.Form):
    """How much somebody may approve."""

    per_payment = _limit_field(gettext_lazy("At most per payment, in kroner"))
    per_day = _limit_field(gettext_lazy("At most per day, in kroner"))


@require_http_methods(["GET", "POST"])
@guard.company(Permission.MANAGE_CUSTOMER)
@decides
def limit(request: HttpRequest, user: int) -> HttpResponse:
    """One approver's limit."""
    acting = guard.acting_of(request)
    person = next((one for one in approvers(request) if one.pk == user), None)
    person = person or get_object_or_404(User, pk=user, limits__company=acting.company)
    row = ApprovalLimit.objects.of(acting.company).filter(user=person).first()
    initial = {
        name: _written(getattr(row, name)) for name in ("per_payment", "per_day") if row is not None
    }
    sent = request.POST if request.method == "POST" else None
    form = LimitForm(sent, initial=initial)
    if request.method == "POST" and form.is_valid():
        changed = authority.set_limit(
            company=acting.company, user=person, by=changes.by(request), **form.cleaned_data
        )
        if changed:
            messages.success(request, _("The limit is changed, and holds at once."))
        else:
            messages.info(request, _("There was nothing to change."))
        return redirect(acting.address("people:deputies"))
    context = {"form": form, "person": person}
    return render(request, "people/limit.html", context, status=422 if form.is_bound else 200)


def _written(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:,.2f}".replace(",", " ").replace(".", ",")
