"""Finds what an address names, within the company the request is for."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from banking.models import BankAgreement
from portal.access import guard


def found(request: HttpRequest, pk: int) -> BankAgreement:
    """The company's agreement by its id; 404 where it has none such."""
    rows = BankAgreement.objects.of(guard.acting_of(request).company)
    return get_object_or_404(rows.select_related("account", "channel", "company"), pk=pk)
