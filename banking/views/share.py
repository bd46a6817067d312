"""Sharing an agreement by organisation number, and using what another company shares."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from banking import lifecycle, sharing
from banking.models import AgreementShare
from banking.views.lookup import found
from portal import clock
from portal.access import guard
from portal.access.roles import Permission
from portal.people import changes
from portal.people.views.prove import decides


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
@decides
def page(request: HttpRequest, agreement: int) -> HttpResponse:
    """With whom an agreement is shared; POST shares it with one more."""
    company, row = guard.acting_of(request).company, found(request, agreement)
    may_share = row.status == lifecycle.ACTIVE and row.share_id is None
    form = sharing.ShareForm(request.POST or None, company=company)
    if form.is_valid():
        try:
            sharing.share(
                agreement=row,
                organisation_number=form.cleaned_data["organisation_number"],
                user=guard.user_of(request),
                at=clock.now(),
                by=changes.by(request),
            )
        except sharing.Already:
            form.add_error("organisation_number", _("It is shared with that company already."))
        except sharing.OldFormat:
            form.add_error(
                None,
                _(
                    "In the old format the bank tells of settled payments only, and only the owner."
                    " Convert the agreement to ISO 20022 first."
                ),
            )
        except sharing.Ended:
            messages.error(request, _("Only an active agreement of one's own can be shared."))
            return redirect("banking:agreement-share", company=company.public_id, agreement=row.pk)
        else:
            messages.success(
                request,
                _("The agreement is shared. A company with that number finds it under Agreements."),
            )
            return redirect("banking:agreement-share", company=company.public_id, agreement=row.pk)
    context = {"row": row, "form": form, "shares": sharing.of(row), "may_share": may_share}
    status = 422 if form.is_bound else 200
    return render(request, "banking/share.html", context, status=status)


@require_POST
@guard.company(Permission.CHANGE_AGREEMENTS)
@decides
def end(request: HttpRequest, share: int) -> HttpResponse:
    """Takes a share back."""
    company = guard.acting_of(request).company
    rows = AgreementShare.objects.of(company).select_related("agreement__company")
    row = get_object_or_404(rows, pk=share)
    try:
        sharing.end(row=row, user=guard.user_of(request), at=clock.now(), by=changes.by(request))
        messages.success(request, _("It is shared no more; nothing new is sent by the other."))
    except sharing.Ended:
        messages.info(request, _("It had ended already."))
    return redirect(
        "banking:agreement-share", company=company.public_id, agreement=row.agreement_id
    )


@require_http_methods(["GET", "POST"])
@guard.company(Permission.CHANGE_AGREEMENTS)
@decides
def offers(request: HttpRequest) -> HttpResponse:
    """What other companies share with this one; POST makes an agreement of one of them."""
    company = guard.acting_of(request).company
    rows = sharing.offered(company)
    chosen = next((row for row in rows if str(row.pk) == request.POST.get("share")), None)
    least = chosen.agreement.approvers_required if chosen else 1
    form = sharing.UseForm(request.POST or None, least=least)
    if request.method == "POST" and chosen is None:
        messages.error(
            request, _("Nothing was made: it is in use here already, or not shared any more.")
        )
        return redirect("banking:agreement-offers", company=company.public_id)
    if form.is_valid() and chosen is not None:
        try:
            made = sharing.use(
                company=company,
                share_id=chosen.pk,
                approvers_required=form.cleaned_data["approvers_required"],
                by=changes.by(request),
            )
        except sharing.Ended:
            messages.error(request, _("It is not shared with this company any more."))
            return redirect("banking:agreement-offers", company=company.public_id)
        messages.success(
            request,
            _("A draft is made. Register who holds authority on the account, then activate it."),
        )
        return redirect("banking:agreement", company=company.public_id, agreement=made.pk)
    context = {"rows": rows, "form": form, "chosen": chosen}
    status = 422 if form.is_bound else 200
    return render(request, "banking/offers.html", context, status=status)
