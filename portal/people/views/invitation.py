"""The page behind the link of an invitation: who invites, to what, and the way in."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.access import guard, links, tenancy
from portal.people import changes, members
from portal.people.user_forms import AcceptForm


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Accepts; a person without an account chooses a password on the way."""
    try:
        link = links.find(purpose=links.Purpose.INVITATION, token=token)
        with tenancy.acting_for((), user=link.user):
            return _open(request, link)
    except links.Dead as error:
        used = error.link is not None and error.link.used_at is not None
        return render(request, "people/invitation_dead.html", {"used": used}, status=410)


def _open(request: HttpRequest, link: links.OneTimeLink) -> HttpResponse:
    rows = link.user.memberships.select_related("customer", "invited_by")
    membership = rows.get(links=link)
    new = not link.user.has_usable_password()
    first = {
        "name": membership.invited_name,
        "phone": link.user.phone,
        "language": link.user.language,
    }
    form = AcceptForm(request.POST or None, user=link.user, initial=first) if new else None
    if request.method == "POST" and (form is None or form.is_valid()):
        values = form.cleaned_data if form else {}
        with tenancy.acting_for((), user=link.user, customers=[membership.customer]):
            members.accept(link=link, values=values, by=changes.by(request, link.user))
        if request.user == link.user and guard.entered(request):
            text = _("You are a user at %(customer)s now.")
            messages.success(request, text % {"customer": membership.customer})
            return redirect("people:start")
        if request.user.is_authenticated:
            logout(request)  # somebody else, who was told so
        text = _("You are a user at %(customer)s now. Sign in to begin.")
        messages.success(request, text % {"customer": membership.customer})
        return redirect("people:sign-in")
    somebody_else = request.user if request.user.is_authenticated else None
    context = {
        "form": form,
        "membership": membership,
        "invited": link.user,
        "somebody_else": None if somebody_else == link.user else somebody_else,
    }
    status = 422 if form is not None and form.is_bound else 200
    return render(request, "people/invitation.html", context, status=status)
