"""Accepting the terms of service for a customer: once a version, with who, when and from where."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from portal.access.models import Customer
from portal.people import changes
from portal.people.models import TermsAcceptance


@transaction.atomic
def accept(*, customer: Customer, by: changes.By) -> bool:
    """Accepts the present version; answers whether it was not accepted before."""
    row = Customer.objects.select_for_update().get(pk=customer.pk)
    if row.accepted_terms == settings.TERMS_VERSION:
        return False
    assert by.user is not None
    TermsAcceptance.objects.create(
        customer=row, version=settings.TERMS_VERSION, user=by.user, at=by.at, address=by.address
    )
    Customer.objects.filter(pk=row.pk).update(accepted_terms=settings.TERMS_VERSION)
    changes.record("terms.accepted", by=by, customer=row, after={"version": settings.TERMS_VERSION})
    return True
