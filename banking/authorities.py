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
from banking.models import Authority, BankAccount
from banking.setup_forms import identifier, twice
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
    account, company = form.account, form.company
    Company.objects.select_for_update().get(pk=company.pk)
    rows = {row.user_id: row for row in Authority.objects.filter(account=account)}
    changed = 0
    for user in form.approvers:
        identity = form.cleaned_data[f"identity_{user.pk}"]
        holds = form.cleaned_data[f"authority_{user.pk}"]
        row = rows.get(user.pk)
        before = _told(row)
        if identity:
            row, _made = Authority.objects.update_or_create(
                company=company,
                account=account,
                user=user,
                defaults={"bank_identity": identity, "holds_authority": holds},
            )
        elif row is not None:
            row.delete()
            row = None
        was, now = changes.differing(before, _told(row))
        if not now:
            continue
        changed += 1
        changes.record(
            "agreement.authority",
            by=by,
            customer=company.customer,
            company=company,
            about=user,
            name=user.name,
            before=was,
            after=now | {"account": account.number},
        )
    return changed


def _told(row: Authority | None) -> dict[str, Any]:
    return {
        "identity": row.bank_identity if row else "",
        "authority": row.holds_authority if row else False,
    }
