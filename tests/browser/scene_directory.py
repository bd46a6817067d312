"""What an administrator has done: companies changed and imported, services and keys, the log."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any

from portal.access import links, secondfactor, tenancy
from portal.access.models import Company, Customer, Membership, User
from portal.access.roles import Role
from portal.clock import now, today
from portal.people import (
    authority,
    changes,
    companies,
    factors,
    granting,
    importing,
    keys,
    members,
    services,
    terms,
)
from portal.people.granting import Holder
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


def people(made: Stage, user: User, scene: Any) -> None:
    """Users in every state, groups with and without people, roles given and taken, invitations."""
    customer = made.company.customer
    rows = list(customer.companies.order_by("pk"))
    with tenancy.acting_for(rows, customers=[customer]):
        approver = made.users["autopay_approver"]
        scene.members["active"] = Membership.objects.get(customer=customer, user=approver).pk
        scene.members["self"] = Membership.objects.get(customer=customer, user=user).pk
        for label, name in (("invited", "Åshild Brønnøy-Sæterdal"), ("ended", "Øyvind Sluttet")):
            row = members.invite(
                customer=customer,
                email=f"{label}-{customer.public_id}@example.org",
                name=name,
                phone="+4791234567",
                language="nb",
                by=by(user),
            )
            scene.members[label] = row.pk
            if label == "ended":
                members.end(membership=row, by=by(user))
        full = granting.create_group(customer=customer, name="Lønn og regnskap", by=by(user))
        bare = granting.create_group(customer=customer, name="Uten folk", by=by(user))
        scene.groups |= {"full": full.pk, "bare": bare.pk}
        granting.set_members(group=full, users=[approver, user], by=by(user))
        granting.give(
            customer=customer,
            holder=Holder(group=full),
            companies=rows[1:6],
            roles=[Role.ACCOUNTANT, Role.PAYROLL_ACCOUNTANT],
            by=by(user),
        )
        granting.set_roles(
            customer=customer,
            holder=Holder(user=approver),
            company=rows[2],
            roles=[Role.UPLOADER],
            among=list(Role),
            by=by(user),
        )
        granting.set_roles(
            customer=customer,
            holder=Holder(user=approver),
            company=rows[2],
            roles=[],
            among=[Role.UPLOADER],
            by=by(user),
        )
        invited = Membership.objects.get(pk=scene.members["invited"])
        scene.tokens |= {"new": _link(invited), "dead": "opens-nothing"}
        for label, purpose in (
            ("password", links.Purpose.PASSWORD),
            ("email", links.Purpose.EMAIL),
            ("undo", links.Purpose.EMAIL_UNDO),
        ):
            scene.tokens[label] = links.make(
                purpose=purpose,
                user=approver,
                lifetime=members.LIFETIME,
                email="ny-adresse@example.org",
            )
        secondfactor.new_recovery_sheet(user)
        scene.users["approver"] = approver.pk
        authority.set_limit(
            company=made.company,
            user=approver,
            per_payment=Decimal("84300.00"),
            per_day=None,
            by=by(user),
        )
        authority.stand_in(
            company=made.company,
            absent=made.users["bjorn"],
            deputy=made.users[Role.ACCOUNTANT.value],
            from_date=today(),
            to_date=today() + dt.timedelta(days=9),
            reason="Pappapermisjon",
            today=today(),
            by=by(user),
        )
        factors.tell(user, "factor.app", address="192.0.2.44")


def _link(row: Membership) -> str:
    return links.make(
        purpose=links.Purpose.INVITATION,
        user=row.user,
        membership=row,
        lifetime=members.LIFETIME,
    )


def _read(customer: Customer, user: User, place: int) -> CompanyImport:
    text = LIST.format(kit.organisation(place), kit.organisation(place + 1))
    listed = importing.read(io.BytesIO(text.encode()))
    return CompanyImport.objects.create(
        customer=customer,
        user=user,
        file_name=f"klienter-{place}.csv",
        rows=[[row.number, row.values] for row in listed.rows],
        unused=["Adr."],
        at=now(),
    )
