"""Proves anew that it is the person: before their factors, or the rights of others, are changed."""

from __future__ import annotations

import functools
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from portal.access import guard, secondfactor
from portal.access.guard import View
from portal.access.secondfactor import Factor, Held
from portal.people import entering, factors
from portal.people.forms import CodeForm, PasswordOnlyForm, WayForm

FOR_KEY, SENT_KEY, AUTHORITY = "for", "sent", "authority"


def needs_proof(view: View) -> View:
    """A page that opens to whoever has proved themselves within the last minutes."""

    @functools.wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if guard.fresh(request):
            return view(request, *args, **kwargs)
        back = request.get_full_path() if request.method == "GET" else reverse("people:two-factor")
        return redirect(f"{reverse('people:prove')}?{urlencode({'next': back})}")

    return asked


def decides(view: View) -> View:
    """A page where it is changed who may do what: it opens to whoever has shown a factor that
    signs, not long ago. Stands within the guard of the page."""

    @functools.wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return view(request, *args, **kwargs) if guard.strong(request) else to_prove(request)

    return asked


def decides_when_sent(view: View) -> View:
    """A page that anybody may read whom it opens to, with a form on it that `decides`."""

    @functools.wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST" or guard.strong(request):
            return view(request, *args, **kwargs)
        return to_prove(request)

    return asked


def to_prove(request: HttpRequest) -> HttpResponse:
    """To the page that asks for a factor that signs, and back from there; a form that was sent
    did nothing, and that is told."""
    return redirect(prove_address(request))


def prove_address(request: HttpRequest) -> str:
    """Where a factor that signs is asked for, before one comes back to this page."""
    words = {"next": guard.where(request), FOR_KEY: AUTHORITY}
    if request.method == "POST":
        words[SENT_KEY] = "1"
    return f"{reverse('people:prove')}?{urlencode(words)}"


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@guard.signed_in
def prove(request: HttpRequest) -> HttpResponse:
    """Asks for the best that the person has; others' rights are changed by what signs alone."""
    user, to = guard.user_of(request), entering.safe(request, request.GET.get("next", ""))
    held = secondfactor.held(user)
    authority = request.GET.get(FOR_KEY) == AUTHORITY
    form = _form(request, held, authority=authority)
    if request.method == "POST" and form is not None and form.is_valid() and _shown(request, form):
        return HttpResponseRedirect(to)
    context = {
        "form": form,
        "held": held,
        "to": to,
        "authority": authority,
        "sent": SENT_KEY in request.GET,
    }
    status = 422 if form is not None and form.is_bound else 200
    return render(request, "people/prove.html", context, status=status)


def _form(request: HttpRequest, held: Held, *, authority: bool) -> Any:
    """What is typed, if anything is: who has only passkeys shows one of these."""
    sent = request.POST or None
    if held.authenticator:
        return CodeForm(sent)
    if held.passkeys or authority:
        return None
    if held.recovery_left:
        return WayForm(sent, factor=Factor.RECOVERY)
    return PasswordOnlyForm(sent, user=guard.user_of(request))


def _shown(request: HttpRequest, form: Any) -> bool:
    """Whether what was typed is right; then the session is proved with it."""
    user = guard.user_of(request)
    if isinstance(form, PasswordOnlyForm):
        entering.with_password(request)
        return True
    recovery = isinstance(form, WayForm)
    proof = form.verify(user, secondfactor.verify_recovery) if recovery else form.verify(user)
    if proof is None:
        return False
    entering.prove(request, proof)
    if recovery:
        factors.used_another_way(request, user=user, factor=Factor.RECOVERY)
    return True
