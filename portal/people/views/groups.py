"""User groups of a customer: people who are given roles together, in many companies at once."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal.access import guard
from portal.access.models import UserGroup
from portal.access.roles import Permission
from portal.people import changes, granting, held, lists, members
from portal.people.granting import Holder
from portal.people.user_forms import TAKEN, GroupForm
from portal.people.views import users
from portal.people.views.prove import decides

GROUPS_MAX = 200


def _groups(request: HttpRequest) -> Any:
    return UserGroup.objects.filter(customer=guard.customer_of(request).customer)


def _address(request: HttpRequest, group: UserGroup) -> str:
    return guard.customer_of(request).address("people:group", group=group.pk)


@require_GET
@guard.customer(Permission.SEE_CUSTOMER)
def index(request: HttpRequest) -> HttpResponse:
    rows = _groups(request).annotate(
        people=Count("members", distinct=True), places=Count("grants__company", distinct=True)
    )
    context = {
        "groups": rows.order_by("name")[:GROUPS_MAX],
        "manages": guard.customer_of(request).may(Permission.MANAGE_CUSTOMER),
    }
    return render(request, "people/groups.html", context)


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def new(request: HttpRequest) -> HttpResponse:
    taken = list(_groups(request).values_list("name", flat=True))
    form = GroupForm(request.POST or None, taken=taken)
    if request.method == "POST" and form.is_valid():
        if len(taken) >= GROUPS_MAX:
            text = _("A customer has at most %(n)s groups. Delete one that is not used.")
            form.add_error(None, text % {"n": GROUPS_MAX})
        else:
            try:
                group = granting.create_group(
                    customer=guard.customer_of(request).customer,
                    name=form.cleaned_data["name"],
                    by=changes.by(request),
                )
            except granting.GroupTaken:
                form.add_error("name", TAKEN)
            else:
                messages.success(request, _("The group is created. Add people, and give it roles."))
                return redirect(_address(request, group))
    status = 422 if form.is_bound else 200
    return render(request, "people/group_form.html", {"form": form}, status=status)


@require_GET
@guard.customer(Permission.SEE_CUSTOMER)
def one(request: HttpRequest, group: int) -> HttpResponse:
    acting = guard.customer_of(request)
    row = get_object_or_404(_groups(request), pk=group)
    holder = Holder(group=row)
    people = lists.members_of(acting.customer).filter(user_groups=row)
    context = {
        "group": row,
        "people": people.order_by("name_key", "id"),
        "grid": held.grid(acting.customer, holder),
        "manages": acting.may(Permission.MANAGE_CUSTOMER),
    }
    return render(request, "people/group.html", context)


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def people(request: HttpRequest, group: int) -> HttpResponse:
    """Who is in the group."""
    acting = guard.customer_of(request)
    row = get_object_or_404(_groups(request), pk=group)
    all_of_them: Any = lists.members_of(acting.customer)
    everybody = list(all_of_them.filter(ended_at=None).order_by("name_key", "id"))
    if request.method == "POST":
        chosen = set(request.POST.getlist("member"))
        shown = [int(pk) for pk in request.POST.getlist("seen") if pk.isascii() and pk.isdigit()]
        seen = shown if "shown" in request.POST else None
        wanted = [user for user in everybody if str(user.pk) in chosen]
        # Who is deactivated stays in the group, and is back in it when taken up again.
        away = [user for user in row.members.all() if user not in everybody]
        try:
            granting.set_members(
                group=row, users=[*wanted, *away], by=changes.by(request), seen=seen
            )
        except members.LastAdministrator:
            messages.error(request, users.LAST)
        else:
            messages.success(request, _("The group is changed, and holds at once."))
        return redirect(_address(request, row))
    inside = set(row.members.values_list("pk", flat=True))
    context = {"group": row, "everybody": everybody, "inside": inside}
    return render(request, "people/group_people.html", context)


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def roles(request: HttpRequest, group: int) -> HttpResponse:
    """The group's roles in one place."""
    row = get_object_or_404(_groups(request), pk=group)
    back = _address(request, row)
    return users.edit_roles(request, Holder(group=row), name=row.name, back=back)


@require_http_methods(["GET", "POST"])
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def give(request: HttpRequest, group: int) -> HttpResponse:
    """Roles for the group in many companies at once."""
    row = get_object_or_404(_groups(request), pk=group)
    back = _address(request, row)
    return users.give_roles(request, Holder(group=row), name=row.name, back=back)


@require_POST
@guard.customer(Permission.MANAGE_CUSTOMER)
@decides
def change(request: HttpRequest, group: int) -> HttpResponse:
    """Renames or deletes a group."""
    acting = guard.customer_of(request)
    row = get_object_or_404(_groups(request), pk=group)
    if request.POST.get("act") == "delete":
        try:
            granting.delete_group(group=row, by=changes.by(request))
        except members.LastAdministrator:
            messages.error(request, users.LAST)
            return redirect(_address(request, row))
        text = _("The group “%(name)s” is deleted, and the roles it gave have ended.")
        messages.success(request, text % {"name": row.name})
        return redirect(acting.address("people:groups"))
    taken = _groups(request).exclude(pk=row.pk).values_list("name", flat=True)
    form = GroupForm(request.POST, taken=list(taken))
    if form.is_valid():
        try:
            if form.cleaned_data["name"] != row.name:
                granting.rename_group(
                    group=row, name=form.cleaned_data["name"], by=changes.by(request)
                )
            messages.success(request, _("The group is renamed."))
        except granting.GroupTaken:
            messages.error(request, TAKEN)
    else:
        told = [str(text) for texts in form.errors.values() for text in texts]
        messages.error(request, " ".join(told))
    return redirect(_address(request, row))
