"""Sentences of Django's that our pages say in our own words: the catalogue comes first."""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

OURS = (
    _("This field is required."),
    _("Enter a valid email address."),
    _("Select a valid choice. %(value)s is not one of the available choices."),
    _("Enter a valid date."),
)
