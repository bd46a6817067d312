"""The form of an agreement, step by step: what is written is kept, and the last step saves it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from banking import agreements, labels, lifecycle, profiles, setups
from banking.models import AgreementSetup, BankAgreement
from banking.setups import OVERVIEW, STEPS
from portal.access import guard
from portal.access.roles import Permission
from portal.people import changes
from portal.people.templatetags import kvitt

TITLES: dict[str, Any] = {
    "bank": gettext_lazy("Bank"),
    "account": gettext_lazy("Account"),
    "payer": gettext_lazy("Payer and approvers"),
    "services": gettext_lazy("Services"),
    OVERVIEW: gettext_lazy("Overview"),
}


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
def new(request: HttpRequest) -> HttpResponse:
    """The first step: which bank. Nothing is kept before it is chosen."""
    acting = guard.acting_of(request)
    form = setups.BankStep(request.POST or None)
    if request.method == "POST" and form.is_valid():
        setup = setups.begin(acting.company, guard.user_of(request))
        setups.keep(setup, "bank", request.POST)
        return _to(request, setup, "account")
    return _page(request, None, "bank", form)


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
def step(request: HttpRequest, setup: str, step: str) -> HttpResponse:
    """One step of a form that is begun."""
    row = _setup(request, setup)
    if row.saved_as is not None:
        return _saved(request, row.saved_as)
    if step == OVERVIEW:
        return _overview(request, row)
    if step not in STEPS:
        raise Http404
    try:
        form = setups.form(row, step, request.POST if request.method == "POST" else None)
    except setups.Unfinished as error:
        return _to(request, row, error.step)
    if request.method == "POST":
        if setups.keep(row, step, request.POST):
            told = _(
                "Another bank asks for other things: fill in the steps after the account again."
            )
            messages.warning(request, told)
        if request.POST.get("go") == "back" and step in STEPS[1:]:
            return _to(request, row, STEPS[STEPS.index(step) - 1])
        if request.POST.get("go") == "leave":
            messages.info(request, _("What you wrote is kept; go on with it whenever you like."))
            return redirect(
                "banking:agreements", company=guard.acting_of(request).company.public_id
            )
        if form.is_valid():
            return _to(request, row, [*STEPS, OVERVIEW][STEPS.index(step) + 1])
    return _page(request, row, step, form)


@require_POST
@guard.company(Permission.CHANGE_AGREEMENTS)
def discard(request: HttpRequest, setup: str) -> HttpResponse:
    """Throws away a form that is begun; the agreement that it would change stays as it is."""
    row = _setup(request, setup)
    if row.saved_as is not None:
        return _saved(request, row.saved_as)
    row.delete()
    messages.success(request, _("What was written is thrown away."))
    return redirect("banking:agreements", company=guard.acting_of(request).company.public_id)


@require_POST
@guard.company(Permission.CHANGE_AGREEMENTS)
def begin(request: HttpRequest, agreement: int) -> HttpResponse:
    """Begins a form with an agreement: to change a draft, or to copy one."""
    acting = guard.acting_of(request)
    rows = BankAgreement.objects.of(acting.company).select_related("account")
    row = get_object_or_404(rows, pk=agreement)
    copy = request.POST.get("act") == "copy"
    if row.share_id is not None:
        messages.error(request, _("A shared agreement is as its owner has made it."))
        return redirect("banking:agreement", company=acting.company.public_id, agreement=row.pk)
    if not copy and row.status != lifecycle.DRAFT:
        text = _("Only a draft is changed. Copy the agreement, and change the copy.")
        messages.error(request, text)
        return redirect("banking:agreement", company=acting.company.public_id, agreement=row.pk)
    setup = setups.begin_from(row, guard.user_of(request), copy=copy)
    return _to(request, setup, OVERVIEW)


def _setup(request: HttpRequest, public_id: str) -> AgreementSetup:
    rows = AgreementSetup.objects.of(guard.acting_of(request).company)
    return get_object_or_404(
        rows.select_related("company", "agreement", "saved_as"), public_id=public_id
    )


def _saved(request: HttpRequest, row: BankAgreement) -> HttpResponse:
    """To the agreement of a form that is saved: somebody came back to it, or sent it twice."""
    messages.info(request, _("The form is saved already; this is the agreement."))
    company = guard.acting_of(request).company.public_id
    return redirect("banking:agreement", company=company, agreement=row.pk)


def _to(request: HttpRequest, setup: AgreementSetup, step: str) -> HttpResponse:
    return redirect(_address(request, setup, step))


def _address(request: HttpRequest, setup: AgreementSetup, step: str) -> str:
    words = {
        "company": guard.acting_of(request).company.public_id,
        "setup": setup.public_id,
        "step": step,
    }
    return reverse("banking:agreement-step", kwargs=words)


def _page(request: HttpRequest, setup: AgreementSetup | None, step: str, form: Any) -> HttpResponse:
    """A step, with what is known of the bank that it is about."""
    channel = setups.channel_of(setup) if setup else None
    profile = profiles.of(channel.bank) if channel else None
    number = STEPS.index(step)
    live = setups.live_of(setup) if setup else None
    context = {
        "form": form,
        "step": step,
        "title": TITLES[step],
        "steps": _steps(request, setup, step),
        "number": number + 1,
        "channel": channel,
        "ask": profile.ask["nb" if get_language() == "nb" else "en"] if profile else "",
        "setup": setup,
        "back": _address(request, setup, STEPS[number - 1]) if setup and number else "",
        "live": live,
        "holding": agreements.authorities_of(live.account) if live else (),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "banking/agreement_step.html", context, status=status)


def _steps(
    request: HttpRequest, setup: AgreementSetup | None, now: str
) -> list[tuple[Any, str, bool]]:
    """(title, address or empty, whether it is the present one) of every step."""
    kept = setup.values if setup else {}
    rows = []
    reached = True
    for step in (*STEPS, OVERVIEW):
        address = _address(request, setup, step) if setup and reached else ""
        rows.append((TITLES[step], address, step == now))
        reached = reached and step in kept
    return rows


def _overview(request: HttpRequest, setup: AgreementSetup) -> HttpResponse:
    """Everything that was written, with what the bank would refuse; saves it."""
    acting = guard.acting_of(request)
    try:
        values = setups.cleaned(setup)
        if request.method == "POST":
            row = setups.save(setup, by=changes.by(request))
            messages.success(request, _("The agreement is saved as a draft."))
            return redirect("banking:agreement", company=acting.company.public_id, agreement=row.pk)
    except setups.Unfinished as error:
        text = _("This step is not filled in rightly yet.")
        messages.error(request, text)
        return _to(request, setup, error.step)
    except setups.Saved as error:
        return _saved(request, error.agreement)
    except setups.MovedOn:
        text = _("Nothing was changed: the agreement is no draft any more.")
        messages.error(request, text)
        return redirect("banking:agreements", company=acting.company.public_id)
    payer, live = values["payer"], setups.live_of(setup)
    if live is not None:
        held = agreements.holders(live)
    else:
        people = setups.approvers(setup.company)
        held = sum(bool(payer.get(f"authority_{user.pk}")) for user in people)
    needed = payer["bank_approvers_required"]
    context = {
        "setup": setup,
        "steps": _steps(request, setup, OVERVIEW),
        "number": len(STEPS) + 1,
        "groups": [
            (TITLES[step], _address(request, setup, step), _facts(setup, step, values[step], live))
            for step in STEPS
        ],
        "sentence": agreements.approvers_sentence(payer["approvers_required"], needed),
        "warnings": agreements.authority_faults(needed, held),
        "live": live,
        "holding": agreements.authorities_of(live.account) if live else (),
        "back": _address(request, setup, STEPS[-1]),
    }
    return render(request, "banking/agreement_overview.html", context)


def _facts(
    setup: AgreementSetup, step: str, values: dict[str, Any], live: BankAgreement | None
) -> list[tuple[Any, str]]:
    """(label, value) in words of what was written in a step; of an account that is paid from now,
    what holds."""
    form = setups.form(setup, step)
    rows = []
    if step == "account" and live is not None:
        facts = {name: getattr(live.account, name) for name in setups.ACCOUNT_FIELDS}
        values = {**values, **facts, "account_name": live.account.name}
    for name, value in values.items():
        field = form.fields[name]
        if value in ("", None, []) or value is False:
            continue
        choices = dict(getattr(field, "choices", None) or {}) if name != "channel" else {}
        shown: Any = value
        if not isinstance(value, list):
            shown = choices.get(value, value)
        if value is True:
            shown = _("Yes")
        elif isinstance(value, list):
            shown = ", ".join(value)
        elif hasattr(value, "strftime"):
            shown = value.strftime("%d.%m.%Y")
        elif name in ("account_number", "iban"):
            shown = kvitt.account(value)
        rows.append((labels.FIELDS.get(name, field.label), str(shown)))
    return rows
