"""The demo page: everybody's codes, the latest mails, and the clock of bank, portal and ERP."""

from __future__ import annotations

import datetime as dt
import time

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST
from django_otp.oath import TOTP

from banking import calendar
from banking import tasks as banking_tasks
from payments import tasks as payment_tasks
from portal import clock
from portal.access.models import Authenticator
from portal.demo import cast, dataset, mailbox

MAILS_SHOWN = 10
DAYS_MAX = 400


def code_of(device: Authenticator) -> str:
    """The code that the authenticator app would show now."""
    totp = TOTP(bytes.fromhex(device.secret), device.STEP_SECONDS, 0, device.DIGITS, 0)
    totp.time = time.time()
    return f"{totp.token():06d}"


@never_cache
@require_GET
def page(request: HttpRequest) -> HttpResponse:
    step = Authenticator.STEP_SECONDS
    people = []
    for device in Authenticator.objects.select_related("user").order_by("user__name"):
        used = device.last_step >= int(time.time()) // step
        people.append({"user": device.user, "code": code_of(device), "used": used})
    context = {
        "people": people,
        "password": cast.PASSWORD,
        "left": step - int(time.time()) % step,
        "mails": mailbox.latest(count=MAILS_SHOWN),
        "now": clock.now(),
        "next_bank_day": calendar.next_bank_day(clock.today()),
        "erp": settings.SIMERP_URL,
        "bank": settings.SIMBANK_CONTROL_URL,
    }
    return render(request, "demo/page.html", context)


@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Moves the clock forward: the bank's first, then the portal's, then the ERP reads."""
    now = clock.now()
    if request.POST.get("to") == "next-bank-day":
        day = calendar.next_bank_day(clock.today())
        wanted = dt.datetime.combine(day, dt.time(9, 0), clock.OSLO)
    else:
        days = request.POST.get("days", "")
        count = int(days) if days.isascii() and days.isdigit() and len(days) < 4 else 0
        wanted = now + dt.timedelta(days=min(count, DAYS_MAX))
    if wanted <= now:
        messages.error(request, _("The clock only moves forward."))
        return redirect("demo:page")
    try:
        dataset.ask_bank("/clock", {"to": wanted.isoformat()})
        clock.advance(by=wanted - clock.now())
        dataset.ask_bank("/work", {})
        banking_tasks.poll_banks.delay()
        payment_tasks.send_due.delay()
        dataset.ask_erp("/sync", {})
    except (dataset.Silent, clock.OnlyForward) as error:
        text = _("The clock was not moved all the way (%(why)s). Look at it, then try again.")
        messages.error(request, text % {"why": error})
        return redirect("demo:page")
    messages.success(
        request,
        _("It is now %(when)s.") % {"when": f"{wanted.astimezone(clock.OSLO):%d.%m.%Y %H:%M}"},
    )
    return redirect("demo:page")
