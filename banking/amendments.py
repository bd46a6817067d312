"""What may be changed on an agreement in use: its name, codes at upload, mail lists, its last day.

All else is what the bank has agreed to, and takes a new agreement.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from django import forms
from django.db import transaction
from django.utils import formats
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from banking import lifecycle, setups, sharing
from banking.models import BankAgreement
from banking.setup_forms import MAILS_MAX, MailsField, PayerStep, carried, mark_of
from portal.access import grants, tenancy
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.lists import widgets
from portal.people import changes

FIELDS = ("description", "two_factor_to_upload", "approve_mails", "reject_mails", "cut_over_date")
ADD, REMOVE, REPLACE, EMPTY = "add", "remove", "replace", "empty"
LISTS = ("approve_mails", "reject_mails")


class MovedOn(Exception):
    """The agreement is deactivated, so nothing more is changed on it."""


class AmendForm(forms.Form):
    """The fields that an agreement in use may change, asked as its first form asks."""

    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=140,
        required=False,
        help_text=gettext_lazy("What the agreement is called in lists. Empty: bank and account."),
    )
    two_factor_to_upload = PayerStep.base_fields["two_factor_to_upload"]
    approve_mails = PayerStep.base_fields["approve_mails"]
    reject_mails = PayerStep.base_fields["reject_mails"]
    cut_over_date = forms.DateField(
        label=gettext_lazy("Last day of this agreement"),
        required=False,
        input_formats=["%d.%m.%Y", "%Y-%m-%d"],
        widget=widgets.Date,
        help_text=gettext_lazy(
            "Where another agreement takes over: nothing is paid on this one after that day."
        ),
    )

    def __init__(self, *args: Any, row: BankAgreement, today: dt.date, **kwargs: Any) -> None:
        kept = {name: getattr(row, name) for name in FIELDS}
        kept |= {name: "\n".join(kept[name]) for name in LISTS}
        kwargs["initial"] = kept
        super().__init__(*args, **kwargs)
        self.row, self.today = row, today
        self.mark = mark_of(kept)

    @property
    def stale(self) -> bool:
        """Whether the agreement has been changed since the page was shown that was sent."""
        return self.is_bound and self.data.get("mark") != self.mark

    def clean_description(self) -> str:
        return carried(self.cleaned_data["description"])

    def clean_cut_over_date(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["cut_over_date"]
        if day is not None and day < self.today and day != self.row.cut_over_date:
            raise forms.ValidationError(
                _("The day has passed. Choose today or later, or deactivate the agreement.")
            )
        latest = sharing.last_day(self.row)
        if latest is not None and (day is None or day > latest):
            told = _("The company that shares the account ends it on %(day)s: no day after that.")
            raise forms.ValidationError(told % {"day": formats.date_format(latest, "d.m.Y")})
        return day


class MailsForm(forms.Form):
    """The same addresses put on, or taken off, the lists of many agreements."""

    act = forms.ChoiceField(
        label=gettext_lazy("What should be done?"),
        choices=[
            (ADD, gettext_lazy("Add the addresses")),
            (REMOVE, gettext_lazy("Take the addresses off")),
            (REPLACE, gettext_lazy("Let the lists hold these addresses only")),
            (EMPTY, gettext_lazy("Empty the lists")),
        ],
        initial=ADD,
    )
    lists = forms.MultipleChoiceField(
        label=gettext_lazy("Which lists?"),
        choices=[
            ("approve_mails", gettext_lazy("Mail about payments to approve")),
            ("reject_mails", gettext_lazy("Mail about rejected payments")),
        ],
        error_messages={"required": gettext_lazy("Choose at least one list.")},
    )
    addresses = MailsField(
        label=gettext_lazy("Addresses"),
        help_text=gettext_lazy("One address on each line. Being on the list gives no rights."),
    )
    agreements = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Which agreements?"),
        queryset=BankAgreement.objects.none(),
        error_messages={
            "required": gettext_lazy("Choose at least one agreement."),
            "invalid_choice": gettext_lazy(
                "One of the agreements is deactivated or not yours to change any more. The page"
                " shows those that are: choose again."
            ),
        },
    )

    def __init__(self, *args: Any, companies: Iterable[Company], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast("Any", self.fields["agreements"]).queryset = in_use(companies)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        empty = not cleaned.get("addresses") and "addresses" not in self.errors
        if empty and cleaned.get("act") in (ADD, REMOVE, REPLACE):
            self.add_error("addresses", _("Write at least one address."))
        elif cleaned.get("act") == ADD and not self.errors:
            addresses = cleaned["addresses"]
            for row in cleaned["agreements"]:
                if any(
                    len(_listed(row, name, ADD, addresses)) > MAILS_MAX for name in cleaned["lists"]
                ):
                    told = _("A list of %(name)s would be longer than %(n)s addresses.")
                    self.add_error("addresses", told % {"name": row, "n": MAILS_MAX})
        return cleaned


def in_use(companies: Iterable[Company]) -> Any:
    """The companies' agreements that are not deactivated, company by company."""
    rows = BankAgreement.objects.filter(company__in=list(companies))
    rows = rows.exclude(status=lifecycle.DEACTIVATED).select_related(
        "account", "channel", "company__customer"
    )
    return rows.order_by("company__name_key", "company_id", "account_number", "pk")


@contextmanager
def acting_widely(*, company: Company, user: User) -> Iterator[list[Company]]:
    """Acting for all companies of this one's customer in which the user may change agreements."""
    customer = company.customer
    everywhere = customer.companies.values_list("pk", flat=True)
    with tenancy.acting_for(everywhere, user=user, customers=[customer]):
        wanted = Permission.CHANGE_AGREEMENTS
        rows = list(grants.companies_where(user=user, customer=customer, permission=wanted))
    with tenancy.acting_for(rows, user=user, customers=[customer]):
        yield rows


@transaction.atomic
def amend(*, agreement: BankAgreement, values: Mapping[str, Any], by: changes.By) -> bool:
    """Changes FIELDS of the agreement; answers whether anything differs. Raises MovedOn."""
    rows = BankAgreement.objects.select_for_update(of=("self",))
    row = rows.select_related("account", "channel").get(pk=agreement.pk)
    if lifecycle.AGREEMENT.statuses[row.status].final:
        raise MovedOn
    before = row.cut_over_date
    changed = write(row, {name: values[name] for name in FIELDS if name in values}, by)
    if changed and "cut_over_date" in values:
        sharing.hold_to_last_day(agreement=row, before=before, by=by)
    return changed


@transaction.atomic
def amend_lists(
    *,
    agreements: Iterable[BankAgreement],
    act: str,
    lists: Iterable[str],
    addresses: list[str],
    by: changes.By,
) -> int:
    """Adds to, takes off or replaces the mail lists of many agreements; answers how many differ."""
    rows = BankAgreement.objects.select_for_update(of=("self",)).exclude(
        status=lifecycle.DEACTIVATED
    )
    wanted = rows.filter(pk__in=[row.pk for row in agreements]).order_by("pk")
    lists = list(lists)
    return sum(
        write(row, {name: _listed(row, name, act, addresses) for name in lists}, by)
        for row in wanted.select_related("account", "channel", "company__customer")
    )


def _listed(row: BankAgreement, name: str, act: str, addresses: list[str]) -> list[str]:
    held: list[str] = getattr(row, name)
    if act == EMPTY:
        return []
    if act == REPLACE:
        return addresses
    if act == REMOVE:
        return [one for one in held if one not in addresses]
    return list(dict.fromkeys([*held, *addresses]))


def write(row: BankAgreement, values: Mapping[str, Any], by: changes.By) -> bool:
    """Writes fields of a locked agreement and logs what differs, in the caller's transaction."""
    before = setups.told(row)
    for name, value in values.items():
        setattr(row, name, value)
    was, now = changes.differing(before, setups.told(row))
    if not now:
        return False
    row.save(update_fields=list(values))
    changes.record(
        "agreement.changed",
        by=by,
        customer=row.company.customer,
        company=row.company,
        name=str(row),
        before=was,
        after=now,
    )
    return True
