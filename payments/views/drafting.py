"""Payments that people write or bring in as a file, and corrected drafts of what was not paid."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from payments import drafting, fixes, intake, lifecycle, policy, signable
from payments.draft_forms import HeadForm, LineForm, accounts
from payments.models import Draft, Payment, PaymentLine, Upload
from payments.views.lookup import found
from portal import clock
from portal.access import guard
from portal.access.roles import SEE_PAYMENTS, Permission
from portal.erp.problems import Refused
from portal.lists import selection
from portal.people.views import prove

SHOWN = 20
SHOWN_MAX = 100
OTHERS_SHOWN = 5
# By its ending, which media type a file of payments is.
TYPES = {"xml": intake.XML, "json": intake.JSON}


def _drafts(request: HttpRequest) -> QuerySet[Draft]:
    acting = guard.acting_of(request)
    rows = drafting.seen(
        company=acting.company, user=guard.user_of(request), permissions=acting.permissions
    )
    return rows.select_related("author", "payment", "corrects", "company")


@require_GET
@guard.company(Permission.UPLOAD)
def new(request: HttpRequest) -> HttpResponse:
    """The ways to make a payment here, what is being written, and what was handed in lately."""
    acting, user = guard.acting_of(request), guard.user_of(request)
    drafts = _drafts(request).order_by("-changed_at")
    files = Upload.objects.of(acting.company).filter(user=user, key__startswith="file ")
    context = {
        "begun": [_told(row) for row in drafts.filter(payment=None)[:SHOWN]],
        "done": drafts.exclude(payment=None)[:SHOWN],
        "files": files.order_by("-pk")[:SHOWN],
        "accounts": bool(accounts(acting.company)),
        "may_see": bool(acting.permissions & SEE_PAYMENTS),
    }
    return render(request, "payments/new.html", context)


def _told(row: Draft) -> dict[str, Any]:
    """A draft in the list: whom it pays first, and how many lines it has."""
    lines = row.values["lines"]
    payee = next((line["payee"] for line in lines if line["payee"]), "")
    return {"draft": row, "payee": payee, "lines": len(lines)}


@require_POST
@guard.company(Permission.UPLOAD)
def begin(request: HttpRequest) -> HttpResponse:
    """Begins an empty draft."""
    company = guard.acting_of(request).company
    row = drafting.begin(company=company, user=guard.user_of(request), at=clock.now())
    return redirect("payments:draft", company=company.public_id, draft=row.public_id)


@require_POST
@guard.company(Permission.UPLOAD)
def correct(request: HttpRequest, payment: int) -> HttpResponse:
    """Begins a draft instead of lines that were not paid: those named, else all of them."""
    row, company = found(request, payment), guard.acting_of(request).company
    named = selection.ids_of(request.POST.getlist("line"))
    every = row.lines.filter(status__in=drafting.NOT_PAID).order_by("position")
    ids = named or list(every.values_list("pk", flat=True)[: drafting.LINES_MAX])
    draft = drafting.correct(
        payment=row,
        user=guard.user_of(request),
        line_ids=ids,
        at=clock.now(),
        today=clock.today(),
    )
    if draft is None:
        told = _("There is nothing to correct: what was not paid is paid by another payment.")
        messages.error(request, told)
        return redirect("payments:detail", company=company.public_id, payment=row.pk)
    return redirect("payments:draft", company=company.public_id, draft=draft.public_id)


@require_http_methods(["GET", "POST"])
@guard.company(Permission.UPLOAD)
def draft(request: HttpRequest, draft: str) -> HttpResponse:
    """A draft as its form; once it is handed in, what became of it."""
    row = get_object_or_404(_drafts(request), public_id=draft)
    if row.payment is not None:
        return _receipt(request, row, row.payment)
    if request.method != "POST":
        return _page(request, row, *drafting.forms(row, bound=False))
    act = request.POST.get("go", "keep")
    try:
        row = drafting.write(
            draft_id=row.pk,
            user=guard.user_of(request),
            data=request.POST,
            version=request.POST.get("version", ""),
            act=act,
            at=clock.now(),
        )
    except drafting.HandedIn:
        return redirect(request.path)
    except drafting.Changed:
        told = _(
            "Nothing was kept: the draft has been changed since the page was shown, by somebody"
            " else or in another tab. This is how it stands now."
        )
        messages.error(request, told)
        return redirect(request.path)
    if act == "hand-in":
        if drafting.asks_for_code(row.company) and not guard.strong(request):
            return prove.to_prove(request)
        return _hand_in(request, row)
    if act == "leave":
        messages.info(request, _("What you wrote is kept; go on with it whenever you like."))
        return redirect("payments:new", company=row.company.public_id)
    return redirect(request.path + ("#new-line" if act == "add" else ""))


def _hand_in(request: HttpRequest, row: Draft) -> HttpResponse:
    try:
        payment = drafting.hand_in(
            draft_id=row.pk,
            user=guard.user_of(request),
            at=clock.now(),
            today=clock.today(),
        )
    except drafting.Faulty as faulty:
        return _page(request, row, faulty.head, faulty.lines)
    except drafting.HandedIn:
        return redirect(request.path)
    except drafting.ServiceOff:
        messages.error(request, policy.service_off())
        return redirect(request.path)
    except drafting.PaidInstead as other:
        told = _("Not handed in: %(number)s is paid instead of a line of it already.")
        messages.error(request, told % {"number": other.number})
        return redirect(request.path)
    messages.success(request, _("%(number)s is handed in.") % {"number": payment.number})
    return redirect(request.path)


def _page(request: HttpRequest, row: Draft, head: HeadForm, lines: list[LineForm]) -> HttpResponse:
    notes = [fixes.note_text(note) for note in row.values.get("notes", ())]
    context = {
        "draft": row,
        "head": head,
        "lines": lines,
        "notes": notes,
        "accounts": bool(accounts(row.company)),
        "full": len(lines) >= drafting.LINES_MAX,
        "lines_max": drafting.LINES_MAX,
        "may_see": bool(guard.acting_of(request).permissions & SEE_PAYMENTS),
        "faulty": bool(head.errors) or any(line.errors for line in lines),
    }
    status = 422 if head.is_bound else 200
    return render(request, "payments/draft.html", context, status=status)


def _receipt(request: HttpRequest, row: Draft, payment: Payment) -> HttpResponse:
    """What was handed in, where it stands, and who can approve it."""
    acting, user = guard.acting_of(request), guard.user_of(request)
    payment = Payment.objects.select_related("agreement__account").get(pk=payment.pk)
    waits = payment.state.code in lifecycle.PHASES[lifecycle.OPEN]
    context = {
        "draft": row,
        "row": payment,
        "state": payment.state,
        "waits": waits,
        "others": signable.others(
            company=acting.company, payments=[payment], but=[user.pk], most=OTHERS_SHOWN
        )
        if waits
        else [],
        "may_see": policy.see_permission(payment) in acting.permissions,
    }
    return render(request, "payments/handed_in.html", context)


@require_POST
@guard.company(Permission.UPLOAD)
def discard(request: HttpRequest, draft: str) -> HttpResponse:
    """Throws a draft away; what was handed in stays."""
    row = get_object_or_404(_drafts(request), public_id=draft)
    if row.payment is None:
        row.delete()
        messages.success(request, _("What was written is thrown away."))
    else:
        messages.error(request, _("Nothing was changed: it is handed in already."))
    return redirect("payments:new", company=row.company.public_id)


class FileForm(forms.Form):
    """A file of payments."""

    file = forms.FileField(
        label=gettext_lazy("The file"),
        max_length=200,
        help_text=gettext_lazy(
            "Payments as pain.001 (.xml), version 03 or 09, or as JSON (.json) as the ERP's API"
            " takes them."
        ),
        widget=forms.FileInput(attrs={"accept": ".xml,.json"}),
        error_messages={
            "required": gettext_lazy("Choose a file first."),
            "empty": gettext_lazy("The file is empty. Make it again in the system it is from."),
            "max_length": gettext_lazy("The file's name is too long. Give it a shorter one."),
        },
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.UPLOAD_MAX_BYTES:
            most = filesizeformat(settings.UPLOAD_MAX_BYTES)
            raise forms.ValidationError(_("The file is larger than %(most)s.") % {"most": most})
        if _ending(file.name) not in TYPES:
            raise forms.ValidationError(_("The file's name must end with .xml or .json."))
        return file


def _ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


@require_http_methods(["GET", "POST"])
@guard.company(Permission.UPLOAD)
def bring_in(request: HttpRequest) -> HttpResponse:
    """Takes a file of payments by hand, the way that an ERP's goes."""
    company = guard.acting_of(request).company
    if drafting.asks_for_code(company) and not guard.strong(request):
        return prove.to_prove(request)
    form = FileForm(request.POST or None, request.FILES or None)
    faults: list[str] = []
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            row, before = drafting.bring_in(
                company=company,
                user=guard.user_of(request),
                media_type=TYPES[_ending(file.name)],
                content=file.file,
                at=clock.now(),
                today=clock.today(),
            )
        except Refused as refused:
            faults = drafting.faults_told(refused)
            form.add_error(None, _("Nothing of the file is taken. Mend what stands below."))
        except drafting.ServiceOff:
            form.add_error(None, policy.service_off())
        else:
            if before:
                messages.info(request, _("This file is here already. Nothing was done again."))
            return redirect("payments:upload", company=company.public_id, upload=row.pk)
    context = {"form": form, "faults": faults}
    status = 422 if form.is_bound else 200
    return render(request, "payments/bring_in.html", context, status=status)


@require_GET
@guard.company(Permission.UPLOAD)
def upload(request: HttpRequest, upload: int) -> HttpResponse:
    """What came of a file that this user brought in."""
    acting = guard.acting_of(request)
    rows = Upload.objects.of(acting.company).filter(user=request.user, key__startswith="file ")
    row = get_object_or_404(rows.exclude(answer=None), pk=upload)
    payments = list(row.payments.select_related("account").order_by("pk")[: SHOWN_MAX + 1])
    # As the lines have it, and not as the answer was told: that was in the language of then.
    faulty = PaymentLine.objects.filter(payment__upload=row, status=lifecycle.STOPPED)
    stopped = faulty.select_related("payment").order_by("payment", "position")
    context = {
        "row": row,
        "payments": payments[:SHOWN_MAX],
        "cut": len(payments) > SHOWN_MAX,
        "stopped": stopped[:SHOWN_MAX],
        "unshown": max(0, faulty.count() - SHOWN_MAX),
        "seen": [p.pk for p in payments if policy.see_permission(p) in acting.permissions],
    }
    return render(request, "payments/brought_in.html", context)
