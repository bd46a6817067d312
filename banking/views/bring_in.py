"""Bringing in a file from the net bank by hand, and reading one again that was set aside."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from banking import inbox, tasks
from banking.lists import files_seen
from banking.models import BankChannel
from portal.access import actors, guard
from portal.access.models import Company
from portal.access.roles import Permission
from portal.people.forms import one_line
from portal.people.views.prove import decides

NAME_MAX = 200


class BringInForm(forms.Form):
    """A file that was downloaded from the net bank, and which bank it is from."""

    channel = forms.ModelChoiceField(
        label=gettext_lazy("Bank"), queryset=BankChannel.objects.none(), empty_label=None
    )
    file = forms.FileField(
        label=gettext_lazy("The file from the net bank"),
        max_length=NAME_MAX,
        help_text=gettext_lazy(
            "What the bank has laid out, exactly as it was downloaded: status of payments"
            " (pain.002), booked payments (camt.054), statements (camt.053), OCR giro, or settled"
            " payments in the old format."
        ),
        widget=forms.FileInput(attrs={"accept": ".xml,.txt"}),
        error_messages={
            "required": gettext_lazy("Choose a file first."),
            "empty": gettext_lazy("The file is empty. Download it again from the net bank."),
            "max_length": gettext_lazy("The file's name is too long. Give it a shorter one."),
        },
    )

    def __init__(self, *args: Any, company: Company, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        banks = BankChannel.objects.filter(agreements__company=company).distinct()
        cast("Any", self.fields["channel"]).queryset = banks.order_by("name")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.BANK_FILE_MAX_BYTES:
            most = filesizeformat(settings.BANK_FILE_MAX_BYTES)
            raise forms.ValidationError(_("The file is larger than %(most)s.") % {"most": most})
        file.name = one_line(file.name, NAME_MAX) or "bank-file"
        return file


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
@decides
def bring_in(request: HttpRequest) -> HttpResponse:
    """Takes a file by hand; it goes the same way as one that was fetched."""
    company = guard.acting_of(request).company
    form = BringInForm(request.POST or None, request.FILES or None, company=company)
    if request.method == "POST" and form.is_valid():
        try:
            file = inbox.bring_in(
                company=company,
                bank_channel=form.cleaned_data["channel"],
                name=form.cleaned_data["file"].name,
                content=form.cleaned_data["file"].file,
                user=guard.user_of(request),
            )
        except inbox.KnownAlready as known:
            row = known.file
            if row is not None and files_seen(acting=guard.acting_of(request)).filter(pk=row.pk):
                messages.info(request, _("This file is here already. Nothing was done again."))
                return redirect("banking:file", company=company.public_id, file=row.pk)
            told = _("This file has been fetched already. Nothing was done again.")
            form.add_error("file", told)
        else:
            tasks.nudge_reading()
            messages.success(request, _("The file is kept, and is read within a minute."))
            return redirect("banking:file", company=company.public_id, file=file.pk)
    context = {"form": form, "banks": cast("Any", form.fields["channel"]).queryset.exists()}
    status = 422 if form.is_bound else 200
    return render(request, "banking/bring_in.html", context, status=status)


@require_POST
@guard.company(Permission.CHANGE_AGREEMENTS)
@decides
def again(request: HttpRequest, file: int) -> HttpResponse:
    """Reads a file again after what stopped it is mended."""
    acting = guard.acting_of(request)
    row = get_object_or_404(files_seen(acting=acting), pk=file)
    with transaction.atomic():
        done = inbox.read_again(row, by=actors.person(guard.user_of(request)))
        tasks.nudge_reading()
    if done:
        messages.success(request, _("The file is read again within a minute."))
    else:
        messages.error(request, _("Nothing was changed: the file does not lie aside any more."))
    return redirect("banking:file", company=acting.company.public_id, file=row.pk)
