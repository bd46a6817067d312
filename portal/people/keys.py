"""The signing keys of ERPs, a company's and a customer's: made, shown, replaced; never logged."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from portal.access.models import Company, Customer, CustomerKey, SigningKey, new_signing_key
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


def of_customer(customer: Customer) -> CustomerKey | None:
    """The customer's key that works now; run it while acting for the customer."""
    return CustomerKey.objects.filter(customer=customer, retired_at=None).first()


class Stale(Exception):
    """Somebody else has made a key since the page was shown."""


@transaction.atomic
def new_for_customer(*, customer: Customer, seen: str, by: changes.By) -> CustomerKey:
    """A new key for a customer; the old one signs nothing from now on.

    `seen` is the primary key of the key that the page was shown with, "" for none. Raises Stale.
    """
    Customer.objects.select_for_update().get(pk=customer.pk)
    old = of_customer(customer)
    if str(old.pk if old else "") != seen:
        raise Stale
    if old is not None:
        CustomerKey.objects.filter(pk=old.pk).update(retired_at=timezone.now())
    row = CustomerKey.objects.create(customer=customer, secret=new_signing_key())
    changes.record(
        "customer_key.replaced" if old else "customer_key.made", by=by, customer=customer
    )
    return row
