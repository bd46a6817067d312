"""What an administrator has done: companies changed and imported, services and keys, the log."""

from __future__ import annotations

import io

from portal.access import tenancy
from portal.access.models import Company, Customer, User
from portal.clock import now
from portal.people import changes, companies, importing, keys, services, terms
from portal.people.models import CompanyImport
from tests import kit
from tests.kit import Stage

LIST = """Navn;Organisasjonsnummer;Adresse;Postnummer;Poststed
Kværnbekken Sag og Høvleri AS;{0};Møllerveien 4;2480;KOPPANG
Ørnes Mekaniske Verksted AS;NO {1} MVA;Havnegata 1;8150;ØRNES
;12345;;99;
Kværnbekken Sag og Høvleri Avdeling Sør-Østerdal Eiendomsutvikling AS;{0};;;
"""


def by(user: User) -> changes.By:
    """The administrator, from an address of the documentation's."""
    return changes.By(user, str(user), "192.0.2.44", now())


def fill(made: Stage, user: User, imports: dict[str, str]) -> str:
    """Two files read, one of them imported; a company changed, services on, a new key.

    Answers the public id of a company that has just been made ready.
    """
    customer = made.company.customer
    ids = list(customer.companies.values_list("pk", flat=True))
    with tenancy.acting_for(ids, customers=[customer]):
        Customer.objects.filter(pk=customer.pk).update(accepted_terms="")
        terms.accept(customer=customer, by=by(user))
        address = {"address": "Fiskebryggen 12", "postal_code": "9008", "city": "TROMSØ"}
        row = Company.objects.get(pk=made.company.pk)
        companies.edit(company=row, values={"name": row.name, **address}, by=by(user))
        keys.replace(company=row, by=by(user))
        services.switch_on(
            company=Company.objects.get(pk=row.pk), service="autocollect", by=by(user)
        )
        for place, label in ((300, "done"), (320, "faults")):
            imports[label] = _read(customer, user, place).public_id
        done = CompanyImport.objects.get(public_id=imports["done"])
        rows = [importing.Row(number, values) for number, values in done.rows]
        right = [row.values for row in importing.check(rows, customer=customer) if row.right]
        made_rows = companies.create_many(customer=customer, rows=right, by=by(user))
        done.made, done.done_at = len(made_rows), now()
        done.save(update_fields=["made", "done_at"])
    with tenancy.acting_for(made_rows, customers=[customer]):
        services.switch_on(company=made_rows[0], service="autopay", by=by(user))
    return made_rows[0].public_id


def _read(customer: Customer, user: User, place: int) -> CompanyImport:
    text = LIST.format(kit.organisation(place), kit.organisation(place + 1))
    rows = importing.read(io.BytesIO(text.encode()))
    return CompanyImport.objects.create(
        customer=customer,
        user=user,
        file_name=f"klienter-{place}.csv",
        rows=[[row.number, row.values] for row in rows],
        at=now(),
    )
