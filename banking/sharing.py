"""An agreement that a company shares with another one, named by its organisation number.

What is shared is paying from the account, and nothing else: settlements, incoming payments and
statements stay with the owner. The other company uses it through an agreement of its own, which
ends with the share.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from banking import agreement_events, lifecycle, numbers
from banking.models import AgreementShare, BankAccount, BankAgreement
from portal.access import actors, tenancy
from portal.access.models import Company, Customer, User
from portal.events import moves
from portal.lists import widgets
from portal.people import changes, companies

# Kept as the reason of the event by which the other's agreement ends.
SHARE_ENDED = "share ended"
SHARE_ENDED_TOLD = gettext_lazy("the owner shares the account no more")


class Already(Exception):
    """It is shared with that company, or used by it, already."""


class Ended(Exception):
    """The share has ended, or the agreement is not active any more."""


class OldFormat(Exception):
    """In the old format the bank tells of settled payments only, and tells the owner alone."""


class ShareForm(forms.Form):
    """With whom an agreement is to be shared."""

    organisation_number = forms.CharField(
        label=gettext_lazy("Organisation number"),
        max_length=20,
        help_text=gettext_lazy(
            "Of the company that may pay from the account: nine digits. Not that of its accounting"
            " bureau."
        ),
    )

    def __init__(self, *args: Any, company: Company, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.company = company

    def clean_organisation_number(self) -> str:
        try:
            number = numbers.organisation_number(self.cleaned_data["organisation_number"])
        except numbers.InvalidNumber as error:
            raise forms.ValidationError(
                _("An organisation number has nine digits, and these do not fit together.")
            ) from error
        if number == self.company.organisation_number:
            raise forms.ValidationError(_("This is the company's own number."))
        customer = self.company.customer
        if customer.kind == Customer.Kind.BUREAU and number == customer.organisation_number:
            raise forms.ValidationError(
                _("This is the accounting bureau's number. Write that of the company.")
            )
        return str(number)


class UseForm(forms.Form):
    """How many must approve here what is paid from a shared account."""

    approvers_required = forms.TypedChoiceField(
        label=gettext_lazy("Approvers in the portal"),
        choices=BankAgreement.Approvers.choices,
        coerce=int,
        initial=2,
        widget=widgets.Select,
    )

    def __init__(self, *args: Any, least: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.least = least

    def clean_approvers_required(self) -> int:
        wanted: int = self.cleaned_data["approvers_required"]
        if wanted < self.least:
            raise forms.ValidationError(
                _("The owner of the account lets two approve, so two must approve here as well.")
            )
        return wanted


def of(agreement: BankAgreement) -> list[AgreementShare]:
    """The shares of the agreement that hold, oldest first."""
    rows = AgreementShare.objects.filter(agreement=agreement, ended_at=None)
    return list(rows.select_related("made_by").order_by("pk"))


def share(
    *,
    agreement: BankAgreement,
    organisation_number: str,
    user: User,
    at: dt.datetime,
    by: changes.By,
) -> AgreementShare:
    """Offers the agreement to the company with that number. Raises Already, Ended, OldFormat."""
    if agreement.file_format == BankAgreement.Format.NETS:
        raise OldFormat
    if agreement.status != lifecycle.ACTIVE or agreement.share_id is not None:
        raise Ended
    try:
        with transaction.atomic():
            row: AgreementShare = AgreementShare.objects.create(
                company_id=agreement.company_id,
                agreement=agreement,
                organisation_number=organisation_number,
                made_at=at,
                made_by=user,
            )
            _log("agreement.shared", agreement, organisation_number, by)
    except IntegrityError as error:
        raise Already from error
    return row


def end(*, row: AgreementShare, user: User, at: dt.datetime, by: changes.By) -> None:
    """Takes the share back: what the other company has made of it is deactivated with it.

    Raises Ended.
    """
    with transaction.atomic():
        changed = AgreementShare.objects.filter(pk=row.pk, ended_at=None)
        if not changed.update(ended_at=at, ended_by=user):
            raise Ended
        _deactivate_uses([row.pk], at)
        _log("agreement.unshared", row.agreement, row.organisation_number, by)


def end_all(*, agreement: BankAgreement, user: User | None, at: dt.datetime) -> None:
    """Ends every share of an agreement that is being deactivated, in the caller's transaction."""
    rows = AgreementShare.objects.filter(agreement=agreement, ended_at=None)
    ids = list(rows.values_list("pk", flat=True))
    rows.update(ended_at=at, ended_by=user)
    _deactivate_uses(ids, at)


def _deactivate_uses(share_ids: list[int], at: dt.datetime) -> None:
    if not share_ids:
        return
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        uses = BankAgreement.objects.filter(share__in=share_ids)
        open_ones = uses.exclude(status=lifecycle.DEACTIVATED)
        rows = list(
            open_ones.select_related("company__customer", "account", "channel", "share__company")
        )
        ended = {"reason": SHARE_ENDED}
        moves.move(open_ones, lifecycle.DEACTIVATE, by=actors.CLOCK, at=at, detail=ended)
        for row in rows:
            changes.record(
                "agreement.deactivated",
                by=changes.By(None, str(row.share.company if row.share else ""), None, at),
                customer=row.company.customer,
                company=row.company,
                name=str(row),
                after={"reason": str(SHARE_ENDED_TOLD)},
            )


def _log(act: str, agreement: BankAgreement, organisation_number: str, by: changes.By) -> None:
    changes.record(
        act,
        by=by,
        customer=agreement.company.customer,
        company=agreement.company,
        name=str(agreement),
        after={"organisation_number": organisation_number},
    )


# --- the company that it is shared with -----------------------------------------------------------


def offered(company: Company) -> list[AgreementShare]:
    """What other companies share with this one and it does not use yet, oldest first."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = AgreementShare.objects.filter(
            organisation_number=company.organisation_number,
            ended_at=None,
            agreement__status=lifecycle.ACTIVE,
        ).exclude(company=company)
        used = BankAgreement.objects.filter(company=company, share__isnull=False)
        used = used.exclude(status=lifecycle.DEACTIVATED)
        rows = rows.exclude(pk__in=used.values("share_id"))
        return list(
            rows.select_related(
                "company", "agreement__account", "agreement__channel", "agreement__company"
            ).order_by("pk")
        )


@transaction.atomic
def use(
    *, company: Company, share_id: int, approvers_required: int, by: changes.By
) -> BankAgreement:
    """A draft of the company's own on the shared account, for payments alone. No fewer approve than
    at the owner. Raises Ended."""
    company = Company.objects.select_for_update().get(pk=company.pk)
    row = next((one for one in offered(company) if one.pk == share_id), None)
    if row is None:
        raise Ended
    theirs = row.agreement
    if not BankAgreement.objects.of(company).exists():
        companies.set_two_factor(company=company, asked_for="sign-in", on=True, by=by)
    account, _made = BankAccount.objects.get_or_create(
        company=company,
        number=theirs.account.number,
        defaults={
            name: getattr(theirs.account, name) for name in ("iban", "bic", "currency", "name")
        },
    )
    made: BankAgreement = BankAgreement.objects.create(
        company=company,
        channel=theirs.channel,
        account=account,
        share=row,
        description=_("%(bank)s, shared by %(company)s")
        % {"bank": theirs.channel, "company": row.company},
        approvers_required=max(approvers_required, theirs.approvers_required),
        bank_approvers_required=theirs.bank_approvers_required,
        bank_approval=theirs.bank_approval,
        file_format=theirs.file_format,
        pain_version=theirs.pain_version,
        settlement_return=False,
        cut_over_date=theirs.cut_over_date,
        **theirs.identifiers,
    )
    agreement_events.made(made, by=by.actor, at=by.at)
    changes.record(
        "agreement.made",
        by=by,
        customer=company.customer,
        company=company,
        name=str(made),
        after={"account": account.number, "shared_by": row.company.organisation_number},
    )
    return made


def owner_of(agreement: BankAgreement) -> Company | None:
    """The company that shares the account; None for an agreement of one's own."""
    if agreement.share_id is None:
        return None
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        row: AgreementShare = AgreementShare.objects.select_related("company").get(
            pk=agreement.share_id
        )
    return row.company


def last_day(agreement: BankAgreement) -> dt.date | None:
    """The last day of the owner's agreement, for one on an account that is shared; else None."""
    if agreement.share_id is None:
        return None
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        row = AgreementShare.objects.select_related("agreement").get(pk=agreement.share_id)
    day: dt.date | None = row.agreement.cut_over_date
    return day


def hold_to_last_day(*, agreement: BankAgreement, before: dt.date | None, by: changes.By) -> None:
    """Gives what others make of its shares the owner's last day, which was `before`, in the
    caller's transaction; who has chosen an earlier one keeps that."""
    day = agreement.cut_over_date
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        uses = BankAgreement.objects.filter(share__agreement=agreement, share__ended_at=None)
        uses = uses.exclude(status=lifecycle.DEACTIVATED)
        held = Q(cut_over_date=before)
        if day is not None:
            held |= Q(cut_over_date=None) | Q(cut_over_date__gt=day)
        uses = uses.filter(held)
        for use in uses.select_related("company__customer", "account", "channel"):
            was = {"cut_over_date": _date(use.cut_over_date)}
            BankAgreement.objects.filter(pk=use.pk).update(cut_over_date=day)
            changes.record(
                "agreement.changed",
                by=changes.By(None, str(agreement.company), None, by.at),
                customer=use.company.customer,
                company=use.company,
                name=str(use),
                before=was,
                after={"cut_over_date": _date(day)},
            )


def _date(day: dt.date | None) -> str:
    return day.isoformat() if day is not None else ""


def holds(agreement: BankAgreement) -> bool:
    """Whether payments may still be sent on it: on a shared one, as long as it is shared."""
    if agreement.share_id is None:
        return True
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = AgreementShare.objects.filter(
            pk=agreement.share_id, ended_at=None, agreement__status=lifecycle.ACTIVE
        )
        return bool(rows.exists())
