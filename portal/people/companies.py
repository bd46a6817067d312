"""Companies of a customer: what is asked of one, how one or many are made, and how one is changed.

The form and the import read the same rules, so that a row fails for the reasons a field does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.access import organisations
from portal.access.models import Company, Customer, ServiceActivation
from portal.people import changes

FIELDS = ("name", "organisation_number", "address", "postal_code", "city")
# What a service needs before it can be switched on; name and number no company is without.
NEEDED = FIELDS
NAMES: dict[str, Any] = {
    "name": gettext_lazy("Name"),
    "organisation_number": gettext_lazy("Organisation number"),
    "address": gettext_lazy("Address"),
    "postal_code": gettext_lazy("Postal code"),
    "city": gettext_lazy("City"),
}
LONGEST: dict[str, int] = {
    name: getattr(Company._meta.get_field(name), "max_length", 0) for name in FIELDS
}
_POSTAL_CODE = re.compile(r"[0-9]{4}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field, and what to do; `code` is for machines."""

    field: str
    code: str
    text: str


class Unfit(Exception):
    """The values make no company; `faults` says why, all of them at once."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.code}" for fault in faults))
        self.faults = faults


def checked(values: Mapping[str, str]) -> tuple[dict[str, str], list[Fault]]:
    """The values as they are kept, and every fault in them; a field with a fault stays as it was.

    Name and organisation number are needed; what else is given must be right.
    """
    kept = {name: _one_line(values.get(name, "")) for name in FIELDS}
    faults = []
    if not kept["name"]:
        faults.append(Fault("name", "empty", _("Write the company's name.")))
    for name in FIELDS:
        if name != "organisation_number" and len(kept[name]) > LONGEST[name]:
            text = _("At most %(n)s characters are kept here; this has %(has)s. Shorten it.")
            words = {"n": LONGEST[name], "has": len(kept[name])}
            faults.append(Fault(name, "too-long", text % words))
    try:
        kept["organisation_number"] = organisations.number(kept["organisation_number"])
    except organisations.NotANumber as error:
        faults.append(Fault("organisation_number", error.code, _why(error.code)))
    code = kept["postal_code"]
    if code and not _POSTAL_CODE.fullmatch(code):
        text = _("A Norwegian postal code has four digits, such as 0155.")
        faults.append(Fault("postal_code", "not-four-digits", text))
    return kept, faults


def _one_line(text: str) -> str:
    """Without control characters, and with single spaces."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())


def _why(code: organisations.Code) -> str:
    return {
        "empty": _("Write the organisation number: nine digits."),
        "characters": _("An organisation number is nine digits and nothing else."),
        "length": _("An organisation number has nine digits; one is too few or too many."),
        "check-digit": _("A digit is wrong: the check digit does not fit. Look it up anew."),
    }[code]


def taken(number: str) -> Fault:
    """That the customer has a company with this number already."""
    text = _("The customer already has a company with this organisation number.")
    return Fault("organisation_number", "taken", text)


def missing(company: Company) -> list[str]:
    """The fields that a service needs and this company lacks, by their code."""
    return [name for name in NEEDED if not getattr(company, name)]


def create(*, customer: Customer, values: Mapping[str, str], by: changes.By) -> Company:
    """One company; raises Unfit."""
    return create_many(customer=customer, rows=[values], by=by)[0]


@transaction.atomic
def create_many(
    *, customer: Customer, rows: Iterable[Mapping[str, str]], by: changes.By
) -> list[Company]:
    """All of the companies or none; raises Unfit with the faults of the first that cannot be."""
    # One at a time for a customer: two imports of the same list must not both look first.
    Customer.objects.select_for_update().get(pk=customer.pk)
    known = set(customer.companies.values_list("organisation_number", flat=True))
    made = []
    for values in rows:
        kept, faults = checked(values)
        if kept["organisation_number"] in known:
            faults.append(taken(kept["organisation_number"]))
        if faults:
            raise Unfit(faults)
        known.add(kept["organisation_number"])
        made.append(Company(customer=customer, **kept))
    Company.objects.bulk_create(made)
    changes.write(
        changes.change("company.created", by=by, customer=customer, company=row, after=_filled(row))
        for row in made
    )
    return made


def _filled(row: Company) -> dict[str, str]:
    return {name: getattr(row, name) for name in FIELDS if getattr(row, name)}


@transaction.atomic
def edit(
    *,
    company: Company,
    values: Mapping[str, str],
    by: changes.By,
    seen: Mapping[str, str] | None = None,
) -> bool:
    """Changes a company; answers whether anything differs. Raises Unfit.

    The organisation number stays: it is what agreements at the bank are made out to. With `seen`,
    what the page showed, only the fields that were changed on it are.
    """
    row = Company.objects.select_for_update().get(pk=company.pk)
    now = {name: getattr(row, name) for name in FIELDS}
    wanted = {
        name: now[name] if seen is not None and seen.get(name) == text else text
        for name, text in values.items()
        if name in now
    }
    kept, faults = checked({**wanted, "organisation_number": row.organisation_number})
    if ServiceActivation.objects.filter(company=row, deactivated_at=None).exists():
        wrong = {fault.field for fault in faults}
        text = _("A service that is on needs this. Write it, or switch the service off first.")
        faults += [
            Fault(name, "needed", text)
            for name in NEEDED
            if now[name] and not kept[name] and name not in wrong
        ]
    if faults:
        raise Unfit(faults)
    before, after = changes.differing(now, kept)
    if not after:
        return False
    Company.objects.filter(pk=row.pk).update(**after)
    changes.record(
        "company.changed",
        by=by,
        customer=row.customer,
        company=row,
        name=kept["name"],
        before=before,
        after=after,
    )
    return True


# What a company may ask a second factor for; signing asks for it anyway.
ASKED_FOR = {"sign-in": "two_factor_to_sign_in", "upload": "two_factor_to_upload"}


def set_two_factor(*, company: Company, asked_for: str, on: bool, by: changes.By) -> bool:
    """Whether a second factor is asked for, by a key of ASKED_FOR; answers whether it differs."""
    return set_choice(company=company, field=ASKED_FOR[asked_for], on=on, by=by)


@transaction.atomic
def set_choice(*, company: Company, field: str, on: bool, by: changes.By) -> bool:
    """What a company has chosen, by the name of the field; answers whether it differs."""
    row = Company.objects.select_for_update().get(pk=company.pk)
    if getattr(row, field) == on:
        return False
    before, after = changes.differing({field: getattr(row, field)}, {field: on})
    Company.objects.filter(pk=row.pk).update(**{field: on})
    changes.record(
        "company.changed",
        by=by,
        customer=row.customer,
        company=row,
        before=before,
        after=after,
    )
    return True
