"""The signing key of a company's ERP: made, shown to its administrators, replaced; never logged."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.access.models import Company, SigningKey, new_signing_key
from portal.people import changes


def living(company: Company) -> SigningKey | None:
    """The key that works now; run it while acting for the company."""
    row: SigningKey | None = SigningKey.objects.of(company).filter(retired_at=None).first()
    return row


def make(*, company: Company, by: changes.By) -> SigningKey:
    """The first key of a company, or one where there is none."""
    row: SigningKey = SigningKey.objects.create(company=company, secret=new_signing_key())
    changes.record("key.made", by=by, customer=company.customer, company=company)
    return row


@transaction.atomic
def replace(*, company: Company, by: changes.By) -> SigningKey:
    """A new key; the old one signs nothing from now on."""
    Company.objects.select_for_update().get(pk=company.pk)
    old = SigningKey.objects.of(company).filter(retired_at=None)
    if not old.update(retired_at=timezone.now()):
        return make(company=company, by=by)
    row: SigningKey = SigningKey.objects.create(company=company, secret=new_signing_key())
    changes.record("key.replaced", by=by, customer=company.customer, company=company)
    return row
