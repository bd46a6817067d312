"""Which roles a user or a group holds at a customer, company by company and service by service."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from portal.access.models import Company, Customer, RoleGrant, ServiceActivation, UserGroup
from portal.access.roles import CUSTOMER_ROLES, NAMES, ROLES, Role, Section
from portal.people.granting import Holder
from portal.people.user_forms import SECTIONS

SHOWN = 500
EVERYWHERE, AT_CUSTOMER = "all", "customer"
# Which service the roles of a section are for.
SERVICES = {
    Section.AUTOPAY: ServiceActivation.Service.AUTOPAY,
    Section.AUTOCOLLECT: ServiceActivation.Service.AUTOCOLLECT,
    Section.AGENCY: ServiceActivation.Service.AUTOCOLLECT,
}
ALWAYS = (Section.AUTOPAY, Section.AUTOCOLLECT)


@dataclass(slots=True)
class Cell:
    """The roles of one section in one place: held directly, and through which groups."""

    section: Section
    label: Any
    own: list[Role] = field(default_factory=list)
    by_group: dict[str, list[Role]] = field(default_factory=dict)
    off: bool = False  # the company does not use the service

    @property
    def names(self) -> str:
        """What is held directly, in words."""
        return _names(self.own)

    @property
    def through(self) -> list[tuple[str, str]]:
        """(group, what it gives) in words."""
        return [(group, _names(roles)) for group, roles in sorted(self.by_group.items())]


def _names(roles: Collection[Role]) -> str:
    return ", ".join(str(ROLES[role].name) for role in Role if role in roles)


@dataclass(slots=True)
class Place:
    """One row of the grid: a company, all of them, or the customer itself."""

    key: str
    name: str
    cells: list[Cell]


@dataclass(frozen=True, slots=True)
class Grid:
    """Where roles are held; `more` companies are not shown, and `roles` are explained below."""

    columns: list[Any]
    places: list[Place]
    more: int
    roles: list[tuple[Any, Any]]


def grants_of(customer: Customer, holder: Holder) -> list[RoleGrant]:
    """Every grant that a user or a group has at the customer."""
    here = Q(customer=customer) | Q(company__customer=customer)
    who = Q(group=holder.group) if holder.group else Q(user=holder.user)
    if holder.user is not None:
        who |= Q(group__members=holder.user, group__customer=customer)
    return list(RoleGrant.objects.filter(here, who).select_related("company", "group"))


@dataclass(frozen=True, slots=True)
class Still:
    """A role that is held in a company by another way than directly there."""

    role: Role
    company: Company | None
    everywhere: bool
    group: UserGroup | None

    @property
    def how(self) -> str:
        """Which way, in words."""
        if self.group is None:
            return _("in all companies")
        text = (
            _("in all companies, through the group %(group)s")
            if self.everywhere
            else _("through the group %(group)s")
        )
        return text % {"group": self.group.name}

    def __str__(self) -> str:
        return f"{NAMES[self.role]} ({self.how})"


def elsewhere(
    customer: Customer,
    holder: Holder,
    company: Company | None,
    rows: Iterable[RoleGrant] | None = None,
) -> list[Still]:
    """The roles that a user or a group holds in a company by another way than directly there; with
    no company, what a user holds in all of them through groups."""
    found = []
    for row in grants_of(customer, holder) if rows is None else rows:
        by_group = row.group if holder.group is None else None
        if Role(row.role) in CUSTOMER_ROLES:
            continue
        everywhere = row.company is None
        if (everywhere and (company is not None or by_group)) or (
            by_group and company is not None and row.company == company
        ):
            found.append(Still(Role(row.role), company, everywhere, by_group))
    return sorted(found, key=lambda one: (list(Role).index(one.role), one.how))


def grid(customer: Customer, holder: Holder) -> Grid:
    """The customer first, then what holds in all companies, then companies by name."""
    rows = grants_of(customer, holder)
    sections = [
        section
        for section in SECTIONS
        if section in ALWAYS or any(ROLES[Role(row.role)].section is section for row in rows)
    ]
    found: dict[str, tuple[Any, Place, Company | None]] = {}
    for row in rows:
        key, name, order = _where(row)
        if key not in found:
            cells = [Cell(section, SECTIONS[section]) for section in sections]
            found[key] = (order, Place(key, name, cells), row.company)
        cell = found[key][1].cells[sections.index(ROLES[Role(row.role)].section)]
        if row.group is not None and holder.group is None:
            cell.by_group.setdefault(row.group.name, []).append(Role(row.role))
        else:
            cell.own.append(Role(row.role))
    ordered = sorted(found.values(), key=lambda one: one[0])[:SHOWN]
    _see_services([(place, company) for _order, place, company in ordered if company])
    held = {Role(row.role) for row in rows}
    return Grid(
        columns=[SECTIONS[section] for section in sections],
        places=[place for _order, place, _company in ordered],
        more=len(found) - len(ordered),
        roles=[(ROLES[role].name, ROLES[role].explained) for role in Role if role in held],
    )


def _where(row: RoleGrant) -> tuple[str, str, tuple[int, str]]:
    """Key, name and order of the place that a grant holds in."""
    if row.company is not None:
        return row.company.public_id, row.company.name, (2, row.company.name_key)
    if Role(row.role) in CUSTOMER_ROLES:
        return AT_CUSTOMER, _("The customer"), (0, "")
    return EVERYWHERE, _("All companies, those to come too"), (1, "")


def _see_services(rows: list[tuple[Place, Company]]) -> None:
    """Marks the cells of services that a company does not use: roles there open nothing yet."""
    on = set(
        ServiceActivation.objects.filter(
            company__in=[company.pk for _place, company in rows], deactivated_at=None
        ).values_list("company_id", "service")
    )
    for place, company in rows:
        for cell in place.cells:
            service = SERVICES.get(cell.section)
            cell.off = service is not None and (company.pk, service) not in on
