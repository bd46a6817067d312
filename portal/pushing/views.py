"""The pages of the push: the address and its secret, how it goes, and sending once more."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from portal import clock
from portal.access import guard
from portal.access.roles import Permission
from portal.erp import posting, push
from portal.erp.models import PushWaiting
from portal.erp.tasks import push_one
from portal.events import seal
from portal.lists import keyset, selection, widgets
from portal.lists.pages import ListPage
from portal.people import changes
from portal.people.views.prove import decides
from portal.pushing import lists, services, words

OPENS = guard.company(Permission.MANAGE_KEYS)


class TargetForm(forms.Form):
    """Where events are pushed to."""

    address = forms.CharField(
        label=gettext_lazy("The ERP's address for events"),
        max_length=posting.LENGTH_MAX,
        help_text=gettext_lazy("Your ERP's supplier tells you. It begins with https://."),
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language of texts in the messages"),
        choices=[("nb", gettext_lazy("Norwegian")), ("en", gettext_lazy("English"))],
        widget=widgets.Select,
    )

    def clean_address(self) -> str:
        return str(self.cleaned_data["address"]).strip()


class SinceForm(forms.Form):
    """From which day messages are sent once more."""

    first_day = forms.DateField(
        label=gettext_lazy("From and with"),
        input_formats=["%d.%m.%Y", "%Y-%m-%d"],
        widget=widgets.Date,
    )


def _back(request: HttpRequest, name: str = "push:page") -> HttpResponse:
    return redirect(guard.acting_of(request).address(name))


def _go(request: HttpRequest) -> None:
    push_one.delay(guard.acting_of(request).company.pk)


@never_cache
@require_http_methods(["GET", "POST"])
@OPENS
@decides
def page(request: HttpRequest) -> HttpResponse:
    """How the push goes, and the form of its address."""
    company = guard.acting_of(request).company
    row = services.of(company)
    initial = {
        "address": row.address if row else "",
        "language": row.language if row else (get_language() or "nb")[:2],
    }
    form = TargetForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            services.set_up(company=company, **form.cleaned_data, by=changes.by(request))
        except posting.BadAddress as error:
            form.add_error("address", words.unfit(error.code))
        else:
            messages.success(request, _("Saved. Events are sent to the address from now on."))
            _go(request)
            return _back(request)
    context = {"form": form, "target": row, **(_how_it_goes(company, row) if row else {})}
    return render(request, "push/page.html", context, status=422 if form.errors else 200)


def _how_it_goes(company: Any, row: Any) -> dict[str, Any]:
    seal.number_committed()
    waiting = PushWaiting.objects.of(company)
    rows = lists.feed.told_to(company).filter(sequence__gt=row.cursor)
    return {
        "why": words.answer(row.answer) if row.answer else "",
        "waits": keyset.count(rows, cap=10_000).shown + waiting.filter(given_up_at=None).count(),
        "given_up": waiting.filter(given_up_at__isnull=False).count(),
    }


@require_POST
@OPENS
@decides
def change(request: HttpRequest) -> HttpResponse:
    """Switches it on or off, makes a new secret, tests the address, or tries at once."""
    company, by, act = (
        guard.acting_of(request).company,
        changes.by(request),
        request.POST.get("act"),
    )
    try:
        if act in ("on", "off"):
            services.switch(company=company, on=act == "on", by=by)
            told = _("Events are sent again.") if act == "on" else _("No events are sent any more.")
            messages.success(request, told)
        elif act == "secret":
            services.replace_secret(company=company, by=by)
            told = _("The new secret signs from now on; the former one does too for a day.")
            messages.success(request, told)
        elif act == "test":
            _test(request, company)
        elif act == "try":
            services.try_now(company=company, at=by.at)
            messages.success(request, _("Trying again. Load the page again in a moment."))
        else:
            messages.error(request, _("Nothing was changed: choose what to do first."))
    except services.Off:
        messages.error(request, _("Nothing was changed: no address is set up."))
    if act in ("on", "try"):
        _go(request)
    return _back(request)


def _test(request: HttpRequest, company: Any) -> None:
    row = services.of(company)
    if row is None:
        raise services.Off
    answer = push.test(target=row)
    if answer.outcome == posting.TAKEN:
        messages.success(request, _("The ERP took the test message. The push works."))
    else:
        told = _("The ERP did not take the test message: %(why)s.")
        messages.error(request, told % {"why": words.answer(answer.code)})


@require_GET
@OPENS
def messages_list(request: HttpRequest) -> HttpResponse:
    """The messages, and whether the ERP has them."""
    seal.number_committed()
    company = guard.acting_of(request).company
    context = {
        "list": ListPage(request, lists.MESSAGES),
        "target": services.of(company),
        "form": SinceForm(),
    }
    return render(request, "push/messages.html", context)


@require_POST
@OPENS
@decides
def again(request: HttpRequest) -> HttpResponse:
    """Sends chosen messages once more."""
    company = guard.acting_of(request).company
    if services.of(company) is None:
        messages.error(request, _("Nothing was sent: no address is set up."))
        return _back(request)
    chosen, _all = selection.chosen(request, lists.MESSAGES)
    count = push.again(company=company, events=chosen.order_by(), at=clock.now())
    if not count:
        messages.error(request, _("Nothing was sent: choose messages first."))
    else:
        told = ngettext(
            "%(n)s message is sent once more.", "%(n)s messages are sent once more.", count
        )
        messages.success(request, told % {"n": count})
        _go(request)
    return _back(request, "push:messages")


@require_POST
@OPENS
@decides
def since(request: HttpRequest) -> HttpResponse:
    """Sends all messages since a day once more."""
    company, form = guard.acting_of(request).company, SinceForm(request.POST)
    if services.of(company) is None:
        messages.error(request, _("Nothing was sent: no address is set up."))
        return _back(request)
    if not form.is_valid():
        messages.error(request, _("Nothing was sent: write the day as 24.11.2026."))
        return _back(request, "push:messages")
    day: dt.date = form.cleaned_data["first_day"]
    if day > clock.today():
        messages.error(request, _("Nothing was sent: the day has not come yet."))
        return _back(request, "push:messages")
    start = dt.datetime.combine(day, dt.time(), tzinfo=clock.OSLO)
    push.again_since(company=company, since=start, at=clock.now())
    told = _("All that has happened since %(day)s is sent once more, in its order.")
    messages.success(request, told % {"day": f"{day:%d.%m.%Y}"})
    _go(request)
    return _back(request, "push:messages")
