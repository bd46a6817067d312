"""A customer's users: the list, inviting, one user, and which roles they hold where."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.access import guard, secondfactor
from portal.access.models import Company, Membership
from portal.access.roles import CUSTOMER_ROLES, ROLES, Permission, Role
from portal.lists.pages import ListPage
from portal.people import changes, granting, held, lists, members, user_tables
from portal.people.granting import Holder
from portal.people.models import Change
from portal.people.user_forms import COMPANY_ROLES, InviteForm, RolesForm
from portal.people.views.prove import decides

CHANGES_SHOWN = 20
LAST = gettext_lazy(
    "Nothing was changed: the customer would have no administrator left. Give somebody else that"
    " role first."
)


@require_GET
@guard.customer(Permission.SEE_CUSTOMER)
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "people/users.html", {"list": ListPage(request, lists.USERS)})


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def invite(request: HttpRequest) -> HttpResponse:
    acting = guard.customer_of(request)
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            row = members.invite(
                customer=acting.customer, by=changes.by(request), **form.cleaned_data
            )
        except members.AlreadyMember as error:
            form.add_error("email", _("The person is a user here already."))
            form.found = error.membership  # type: ignore[attr-defined]
        else:
            text = _(
                "The invitation is sent to %(email)s. Give roles now; they hold when it is"
                " accepted."
            )
            messages.success(request, text % {"email": row.user.email})
            return redirect(acting.address("people:user", member=row.pk))
    status = 422 if form.is_bound else 200
    return render(request, "people/invite.html", {"form": form}, status=status)


def _member(request: HttpRequest, pk: int) -> Membership:
    rows = Membership.objects.filter(customer=guard.customer_of(request).customer)
    return get_object_or_404(rows.select_related("user", "customer", "invited_by"), pk=pk)


@require_GET
@guard.customer(Permission.SEE_CUSTOMER)
def one(request: HttpRequest, member: int) -> HttpResponse:
    acting = guard.customer_of(request)
    row = _member(request, member)
    holder = Holder(user=row.user)
    log = Change.objects.filter(customer=acting.customer, about=row.user)
    context = {
        "member": row,
        "called": members.called(row),
        "state": user_tables.tag(row),
        "standing": user_tables.state_of(row),
        "grid": held.grid(acting.customer, holder),
        "groups": row.user.user_groups.filter(customer=acting.customer).order_by("name"),
        "enrolled": bool(secondfactor.enrolled([row.user_id])),
        "log": log.select_related("company").order_by("-id")[:CHANGES_SHOWN],
        "manages": acting.may(Permission.MANAGE_CUSTOMER),
        "self": row.user == guard.user_of(request),
    }
    return render(request, "people/user.html", context)


def _to(request: HttpRequest, row: Membership) -> HttpResponse:
    return redirect(guard.customer_of(request).address("people:user", member=row.pk))


@require_POST
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def change(request: HttpRequest, member: int) -> HttpResponse:
    """Deactivates, activates again, or sends the invitation once more."""
    row, act = _member(request, member), request.POST.get("act")
    by = changes.by(request)
    try:
        if act == "end" and row.user == guard.user_of(request):
            messages.error(request, _("You cannot deactivate yourself; another administrator can."))
        elif act == "end":
            members.end(membership=row, by=by)
            messages.success(
                request, _("The user is deactivated: no role holds, and all sessions have ended.")
            )
        elif act == "resume":
            members.resume(membership=row, by=by)
            text = _("The user is active again, with the roles as they were.")
            if row.accepted_at is None:
                text = _("The user is taken up again, and a new invitation is sent.")
            messages.success(request, text)
        elif act == "again":
            members.invite_again(membership=row, by=by)
            messages.success(
                request, _("The invitation is sent again. The former link no longer works.")
            )
        else:
            messages.error(request, _("Nothing was changed: choose what to do first."))
    except members.LastAdministrator:
        messages.error(request, LAST)
    except members.NotInvited:
        messages.error(request, _("The invitation has been answered already."))
    return _to(request, row)


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def roles(request: HttpRequest, member: int) -> HttpResponse:
    """A user's roles in one place, to be changed."""
    row = _member(request, member)
    back = guard.customer_of(request).address("people:user", member=row.pk)
    return edit_roles(
        request,
        Holder(user=row.user, called=members.called(row)),
        name=members.called(row),
        back=back,
    )


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def give(request: HttpRequest, member: int) -> HttpResponse:
    """Roles for a user in many companies at once."""
    row = _member(request, member)
    back = guard.customer_of(request).address("people:user", member=row.pk)
    return give_roles(
        request,
        Holder(user=row.user, called=members.called(row)),
        name=members.called(row),
        back=back,
    )


def _sent(request: HttpRequest) -> Any:
    """What the form sent: no box at all is an answer too."""
    return request.POST if request.method == "POST" else None


def _seen(request: HttpRequest, offered: Collection[Role]) -> list[Role] | None:
    """The roles that the page showed as held, where it was the page that sent the form."""
    if "shown" not in request.POST:
        return None
    return [role for role in offered if role.value in request.POST.getlist("seen")]


def edit_roles(request: HttpRequest, holder: Holder, *, name: str, back: str) -> HttpResponse:
    """The form for the roles of a user or a group in one place, named by `place`."""
    customer = guard.customer_of(request).customer
    key = request.GET.get("place", "")
    company = None
    if key not in (held.EVERYWHERE, held.AT_CUSTOMER):
        company = get_object_or_404(Company, customer=customer, public_id=key)
    if key == held.AT_CUSTOMER and holder.group is not None:
        raise Http404  # a customer's own roles are given to persons, who answer for them
    offered = [r for r in Role if (r in CUSTOMER_ROLES) == (key == held.AT_CUSTOMER)]
    every = held.grants_of(customer, holder)
    rows = [row for row in every if (row.company == company if company else row.company is None)]
    mine = {Role(row.role) for row in rows if (row.group_id is None) == (holder.group is None)}
    form = RolesForm(_sent(request), offered=offered, initial={role.value: True for role in mine})
    if request.method == "POST" and form.is_valid():
        try:
            given, taken = granting.set_roles(
                customer=customer,
                holder=holder,
                company=company,
                roles=form.chosen(),
                among=offered,
                by=changes.by(request),
                seen=_seen(request, offered),
            )
        except members.LastAdministrator:
            form.add_error(None, LAST)
        else:
            if given or taken:
                messages.success(request, _("The roles are changed, and hold at once."))
                _warn_of_held(request, holder, [company], taken)
            else:
                messages.info(request, _("There was nothing to change."))
            return redirect(back)
    labels = {
        held.EVERYWHERE: _("all companies, those to come too"),
        held.AT_CUSTOMER: customer.name,
    }
    context = {
        "form": form,
        "seen": [role.value for role in offered if role in mine],
        "name": name,
        "place": company.name if company else labels[key],
        "elsewhere": (
            [] if key == held.AT_CUSTOMER else held.elsewhere(customer, holder, company, every)
        ),
        "back": back,
    }
    status = 422 if form.is_bound else 200
    return render(request, "people/roles.html", context, status=status)


def give_roles(request: HttpRequest, holder: Holder, *, name: str, back: str) -> HttpResponse:
    """The form that gives roles to a user or a group in many companies, or in all of them."""
    customer = guard.customer_of(request).customer
    companies = list(customer.companies.order_by("name_key", "id"))
    chosen = set(request.POST.getlist("company"))
    form = RolesForm(_sent(request), offered=COMPANY_ROLES)
    faults = []
    if request.method == "POST" and form.is_valid():
        wanted: list[Company | None] = [row for row in companies if row.public_id in chosen]
        if request.POST.get("everywhere"):
            wanted = [None]
        if not form.chosen():
            faults.append(_("Choose at least one role."))
        if not wanted:
            faults.append(_("Choose at least one company."))
        taking = request.POST.get("act") == "take"
        if taking and None in wanted:
            wanted = [None, *companies]
        if not faults:
            act = granting.take if taking else granting.give
            changed = act(
                customer=customer,
                holder=holder,
                companies=wanted,
                roles=form.chosen(),
                by=changes.by(request),
            )
            if changed or not taking:
                messages.success(request, _outcome(changed, taking=taking))
            if taking and not _warn_of_held(request, holder, wanted, form.chosen()) and not changed:
                messages.info(request, _("None of them was held there."))
            return redirect(back)
    context = {
        "form": form,
        "name": name,
        "companies": companies,
        "chosen": chosen,
        "everywhere": bool(request.POST.get("everywhere")),
        "faults": faults,
        "back": back,
    }
    status = 422 if faults else 200
    return render(request, "people/give_roles.html", context, status=status)


def _warn_of_held(
    request: HttpRequest,
    holder: Holder,
    companies: Collection[Company | None],
    roles: Collection[Role],
) -> bool:
    """Says which of the roles that were taken away are held there all the same, and how."""
    customer = guard.customer_of(request).customer
    rows = held.grants_of(customer, holder)
    still = {
        str(one)
        for company in companies
        for one in held.elsewhere(customer, holder, company, rows)
        if one.role in roles
    }
    if still:
        text = _("Still held there: %(roles)s. It is taken away where it was given.")
        messages.warning(request, text % {"roles": ", ".join(sorted(still))})
    return bool(still)


def _outcome(changed: int, *, taking: bool) -> str:
    if taking:
        text = ngettext("%(n)s role is taken away.", "%(n)s roles are taken away.", changed)
        return text % {"n": changed}
    if changed:
        return ngettext("%(n)s role is given.", "%(n)s roles are given.", changed) % {"n": changed}
    return _("They were all held already.")


@require_GET
@guard.customer(Permission.SEE_CUSTOMER)
def explained(request: HttpRequest) -> HttpResponse:
    """Every role: what it is for, and what it may do."""
    return render(request, "people/roles_explained.html", {"roles": ROLES.items()})
