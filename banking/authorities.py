"""Who each approver is at the bank, and whether the bank lets them dispose of an account.

The bank has the last word; what stands here is what its files are told and what people are warned
by. Every change is logged.
"""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext as _

from banking import setups
from banking.models import BankAccount
from banking.setup_forms import identifier, mark_of, twice
from portal.access.models import Company, User
from portal.people import changes


class AuthorityForm(forms.Form):
    """Identity and authority of everybody who may approve in the account's company."""

    def __init__(self, *args: Any, account: BankAccount, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.company = Company.objects.get(pk=account.company_id)
        self.approvers = setups.approvers(self.company)
        held = {row.user_id: row for row in account.authorities.all()}
        for user in self.approvers:
            row = held.get(user.pk)
            words = {"name": user.name}
            self.fields[f"identity_{user.pk}"] = forms.CharField(
                label=_("%(name)s: identity at the bank") % words,
                max_length=35,
                required=False,
                initial=row.bank_identity if row else "",
            )
            self.fields[f"authority_{user.pk}"] = forms.BooleanField(
                label=_("%(name)s holds authority on the account at the bank") % words,
                required=False,
                initial=bool(row and row.holds_authority),
            )

        known = {pk: [row.bank_identity, row.holds_authority] for pk, row in held.items()}
        self.mark = mark_of({str(user.pk): known.get(user.pk) for user in self.approvers})

    @property
    def stale(self) -> bool:
        """Whether something of it has been changed since the page was shown that was sent."""
        return self.is_bound and self.data.get("mark") != self.mark

    @property
    def people(self) -> list[tuple[User, Any, Any]]:
        """(person, identity, authority)."""
        return [
            (user, self[f"identity_{user.pk}"], self[f"authority_{user.pk}"])
            for user in self.approvers
        ]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for user in self.approvers:
            name = f"identity_{user.pk}"
            try:
                text = cleaned[name] = identifier(cleaned.get(name, ""))
            except forms.ValidationError as error:
                self.add_error(name, error)
                continue
            if cleaned.get(f"authority_{user.pk}") and not text:
                told = _(
                    "Write who the person is at the bank; the bank checks it against authority."
                )
                self.add_error(name, told)
        for name, told in twice(cleaned, self.approvers).items():
            self.add_error(name, told)
        return cleaned


@transaction.atomic
def save(form: AuthorityForm, *, by: changes.By) -> int:
    """Makes the account's authorities as the form says; answers how many people's differ."""
    Company.objects.select_for_update().get(pk=form.company.pk)
    return setups.keep_authorities(form.account, form.approvers, form.cleaned_data, by)
