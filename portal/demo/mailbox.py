"""Everybody's mailbox in the demo: the outbox, open to all; nothing here is served elsewhere."""

from __future__ import annotations

from csp.constants import NONE, UNSAFE_INLINE
from csp.decorators import csp
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from portal.access import tenancy
from portal.access.models import User
from portal.mail import delivery
from portal.mail.models import Letter

MAILS_PER_PAGE = 50
ID_DIGITS_MAX = 18


def latest(*, count: int, to: str = "", before: int | None = None) -> list[Letter]:
    """The newest letters to everybody, or to one address; of those older than `before`."""
    letters = Letter.objects.select_related("company").defer("text", "html").order_by("-id")
    if to:
        letters = letters.filter(user__email=to)
    if before is not None:
        letters = letters.filter(pk__lt=before)
    with tenancy.acting_for((), letters=True):
        return list(letters[:count])


def _number(given: str) -> int | None:
    usable = given.isascii() and given.isdigit() and len(given) <= ID_DIGITS_MAX
    return int(given) if usable else None


def _letter(pk: int) -> Letter:
    with tenancy.acting_for((), letters=True):
        found = Letter.objects.select_related("company").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


@never_cache
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    to = request.GET.get("to", "")
    before = _number(request.GET.get("before", ""))
    found = latest(count=MAILS_PER_PAGE + 1, to=to, before=before)
    more = len(found) > MAILS_PER_PAGE
    found = found[:MAILS_PER_PAGE]
    context = {
        "mails": found,
        "to": to,
        "before": before,
        "older": found[-1].pk if more else None,
        "people": User.objects.order_by("name", "id"),
    }
    return render(request, "demo/mails.html", context)


@never_cache
@require_GET
def one(request: HttpRequest, letter: int) -> HttpResponse:
    found = _letter(letter)
    message = delivery.message_of(found)
    headers = {
        _("Sender"): message.from_email,
        _("Recipient"): found.address,
        _("Subject"): found.subject,
    }
    context = {"mail": found, "headers": {**headers, **message.extra_headers}}
    return render(request, "demo/mail.html", context)


# Nothing but the letter's own styles: no script, no picture, no form, an origin of its own.
@csp({"default-src": [NONE], "style-src": [UNSAFE_INLINE], "sandbox": [True]})  # type: ignore[arg-type]
@never_cache
@require_GET
def html(request: HttpRequest, letter: int) -> HttpResponse:
    return HttpResponse(_letter(letter).html)
