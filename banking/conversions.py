"""An agreement in the old format becomes one in ISO 20022, and keeps its number.

Nothing may be unsettled on it: what the bank gives back afterwards answers the new format alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django import forms
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from banking import agreement_events, amendments, lifecycle, profiles, sharing
from banking.models import BankAgreement
from banking.setup_forms import CALLED, identifier
from portal.access.guard import Acting
from portal.events import questions
from portal.lists import widgets
from portal.people import changes


class MovedOn(Exception):
    """The agreement is deactivated, or no longer in the old format."""


class Unsettled(Exception):
    """Payments are under way on the agreement."""


class Shared(Exception):
    """Other companies pay on it: what they send would be in the old format still."""


class ConvertForm(forms.Form):
    """What the bank knows the customer by in the new format, and the version."""

    pain_version = forms.ChoiceField(label=_("Version"), widget=widgets.Select)

    def __init__(self, *args: Any, row: BankAgreement, **kwargs: Any) -> None:
        profile = profiles.of(row.channel.bank)
        kept = {one.field: getattr(row, one.field) for one in profile.identifiers}
        kwargs["initial"] = {"pain_version": profile.messages[0], **kept}
        super().__init__(*args, **kwargs)
        versions: Any = [(name, name) for name in profile.messages]
        cast("Any", self.fields["pain_version"]).choices = versions
        for one in profile.identifiers:
            label, help_text = CALLED[one.field]
            self.fields[one.field] = forms.CharField(
                label=label, help_text=help_text, max_length=35, required=one.required
            )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        for name in set(cleaned) & set(profiles.IDENTIFIERS):
            try:
                cleaned[name] = identifier(cleaned[name], name)
            except forms.ValidationError as error:
                self.add_error(name, error)
        return cleaned


def may_be(row: BankAgreement) -> bool:
    """Whether the agreement is one that can be converted at all: one of the company's own."""
    old = row.file_format == BankAgreement.Format.NETS
    return old and row.share_id is None and row.status != lifecycle.DEACTIVATED


def unsettled(row: BankAgreement, acting: Acting) -> questions.Unsettled:
    """What is under way on the agreement, as far as whoever acts here may see it."""
    found: questions.Unsettled | None = questions.unsettled.first(row.pk, acting)
    return found or questions.Unsettled(0, [])


@transaction.atomic
def convert(
    *, agreement: BankAgreement, values: Mapping[str, Any], acting: Acting, by: changes.By
) -> None:
    """Lets the agreement send ISO 20022 from now on. Raises MovedOn, Shared, Unsettled."""
    rows = BankAgreement.objects.select_for_update(of=("self",))
    row = rows.select_related("account", "channel", "company__customer").get(pk=agreement.pk)
    if not may_be(row):
        raise MovedOn
    if sharing.of(row):
        raise Shared
    if unsettled(row, acting).count:
        raise Unsettled
    wanted = {
        name: values[name] for name in ("pain_version", *profiles.IDENTIFIERS) if name in values
    }
    amendments.write(row, {"file_format": BankAgreement.Format.ISO, **wanted}, by)
    agreement_events.converted(row, by=by.actor, at=by.at)
