"""The payment that an address names, where the user's axes reach it."""

from __future__ import annotations

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from payments import queries
from payments.models import Payment
from portal.access import guard


def found(request: HttpRequest, pk: int) -> Payment:
    """The payment with what its page shows of it; 404 outside the company and the axes."""
    acting = guard.acting_of(request)
    rows = queries.visible(company=acting.company, permissions=acting.permissions)
    rows = rows.select_related(
        "account", "agreement__account", "agreement__channel", "bank_file", "upload__user"
    )
    return get_object_or_404(rows, pk=pk)
