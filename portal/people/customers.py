"""Customers: made with their first administrator, who is invited, and changed afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils.translation import gettext as _

from portal.access import tenancy
from portal.access.models import Customer, Membership
from portal.access.roles import Role
from portal.people import changes, companies, granting, members
from portal.people.companies import Fault, Unfit

FIELDS = ("name", "organisation_number", "kind")


def checked(values: Mapping[str, str]) -> tuple[dict[str, str], list[Fault]]:
    """The values as they are kept, and every fault in them; the rules are a company's."""
    kept, faults = companies.checked(values)
    found = {name: kept[name] for name in ("name", "organisation_number")}
    found["kind"] = values.get("kind", "")
    if found["kind"] not in Customer.Kind.values:
        faults.append(Fault("kind", "unknown", _("Choose company or accounting bureau.")))
    return found, [fault for fault in faults if fault.field in FIELDS]


@transaction.atomic
def create(
    *, values: Mapping[str, str], email: str, name: str, language: str, by: changes.By
) -> tuple[Customer, Membership]:
    """A customer whose first administrator is invited by mail. Raises Unfit, also where there is a
    customer with that organisation number already.
    """
    kept, faults = checked(values)
    if Customer.objects.filter(organisation_number=kept["organisation_number"]).exists():
        text = _("There is a customer with this organisation number already.")
        faults.append(Fault("organisation_number", "taken", text))
    if faults:
        raise Unfit(faults)
    customer = Customer.objects.create(**kept)
    with tenancy.acting_for((), customers=[customer]):
        changes.record("customer.created", by=by, customer=customer, after=kept)
        member = members.invite(
            customer=customer, email=email, name=name, phone="", language=language, by=by
        )
        granting.set_roles(
            customer=customer,
            holder=granting.Holder(user=member.user, called=name),
            company=None,
            roles={Role.CUSTOMER_ADMINISTRATOR},
            among={Role.CUSTOMER_ADMINISTRATOR},
            by=by,
        )
    return customer, member


@transaction.atomic
def edit(*, customer: Customer, values: Mapping[str, str], by: changes.By) -> bool:
    """Changes a customer's name and kind; answers whether anything differs. Raises Unfit.

    The organisation number stays: the contract is made out to it.
    """
    row = Customer.objects.select_for_update().get(pk=customer.pk)
    kept, faults = checked({**values, "organisation_number": row.organisation_number})
    if faults:
        raise Unfit(faults)
    before, after = changes.differing({name: getattr(row, name) for name in FIELDS}, kept)
    if not after:
        return False
    Customer.objects.filter(pk=row.pk).update(**after)
    changes.record(
        "customer.changed",
        by=by,
        customer=row,
        name=kept["name"],
        before=before,
        after=after,
    )
    return True
