"""Gives roles and takes them away, for one or many at once: logged, and mailed to whom it concerns.

A role is held by a user or a group, in companies or at the customer: there it holds in every
company, those that come later too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from portal import mail
from portal.access.models import Company, Customer, RoleGrant, User, UserGroup
from portal.access.roles import CUSTOMER_ROLES, NAMES, Role
from portal.people import changes, members

EVERYWHERE = None  # in place of a company: at the customer
TOLD_MAX = 30


@dataclass(frozen=True, slots=True)
class Holder:
    """Who is given a role: one user, or a group of them."""

    user: User | None = None
    group: UserGroup | None = None
    called: str = ""  # as the customer knows the user: until they accept, by the inviter's word

    @property
    def fields(self) -> dict[str, Any]:
        return {"user": self.user, "group": self.group}

    def people(self) -> list[User]:
        """Whom a change concerns."""
        if self.user is not None:
            return [self.user]
        assert self.group is not None
        return list(self.group.members.all())

    def __str__(self) -> str:
        return self.called or str(self.user or self.group)


class GroupTaken(Exception):
    """The customer has a group with that name."""


class Unlawful(Exception):
    """The role does not belong there: a customer's in a company."""


@transaction.atomic
def set_roles(
    *,
    customer: Customer,
    holder: Holder,
    company: Company | None,
    roles: Collection[Role],
    among: Collection[Role],
    by: changes.By,
    seen: Collection[Role] | None = None,
) -> tuple[set[Role], set[Role]]:
    """Makes the holder's roles in one company, or at the customer, just these among `among`;
    answers (given, taken). With `seen`, what the page showed, only what was changed on it is:
    what somebody else has done meanwhile stays. Raises members.LastAdministrator, Unlawful.
    """
    Customer.objects.select_for_update().get(pk=customer.pk)
    place: dict[str, Any] = {"company": company} if company else {"customer": customer}
    rows = RoleGrant.objects.filter(**holder.fields, **place, role__in=list(among))
    held = {Role(role) for role in rows.values_list("role", flat=True)}
    before = held if seen is None else set(seen) & set(among)
    given, taken = (set(roles) - before) - held, (before - set(roles)) & held
    if given:
        _give(customer, holder, [company], given, by)
    if taken:
        rows.filter(role__in=taken).delete()
        _log("role.revoked", customer, holder, [company], taken, by)
    if Role.CUSTOMER_ADMINISTRATOR in taken:
        members.must_have_administrator(customer)
    if given or taken:
        _tell(customer, holder, [company], given, taken, by)
    return given, taken


@transaction.atomic
def give(
    *,
    customer: Customer,
    holder: Holder,
    companies: Collection[Company | None],
    roles: Collection[Role],
    by: changes.By,
) -> int:
    """Gives roles in many companies at once; what is held already stays. Answers how many."""
    Customer.objects.select_for_update().get(pk=customer.pk)
    made = _give(customer, holder, companies, roles, by)
    if made:
        _tell(customer, holder, companies, set(roles), set(), by)
    return made


@transaction.atomic
def take(
    *,
    customer: Customer,
    holder: Holder,
    companies: Collection[Company | None],
    roles: Collection[Role],
    by: changes.By,
) -> int:
    """Takes roles away in many companies at once; answers how many were held there. What is held
    in all companies at once, or through a group, stays. Raises members.LastAdministrator.
    """
    Customer.objects.select_for_update().get(pk=customer.pk)
    places = Q(company__in=[row for row in companies if row is not None])
    if EVERYWHERE in companies:
        places |= Q(customer=customer)
    rows = RoleGrant.objects.filter(places, **holder.fields, role__in=list(roles))
    taken: dict[Company | None, set[Role]] = {}
    for row in rows.select_related("company"):
        taken.setdefault(row.company, set()).add(Role(row.role))
    rows.delete()
    for company, gone in taken.items():
        _log("role.revoked", customer, holder, [company], gone, by)
    if Role.CUSTOMER_ADMINISTRATOR in roles:
        members.must_have_administrator(customer)
    if taken:
        everything = {role for gone in taken.values() for role in gone}
        _tell(customer, holder, list(taken), set(), everything, by)
    return sum(map(len, taken.values()))


def _give(
    customer: Customer,
    holder: Holder,
    companies: Collection[Company | None],
    roles: Collection[Role],
    by: changes.By,
) -> int:
    if CUSTOMER_ROLES & set(roles) and any(company is not None for company in companies):
        raise Unlawful
    held = set(
        RoleGrant.objects.filter(**holder.fields, role__in=list(roles)).values_list(
            "company_id", "customer_id", "role"
        )
    )
    made = [
        RoleGrant(
            **holder.fields,
            company=company,
            customer=None if company else customer,
            role=role,
            granted_by=by.user,
        )
        for company in companies
        for role in sorted(roles)
        if (company.pk if company else None, None if company else customer.pk, role) not in held
    ]
    RoleGrant.objects.bulk_create(made, batch_size=1000)
    by_company: dict[Company | None, list[Role]] = {}
    for row in made:
        by_company.setdefault(row.company, []).append(Role(row.role))
    for company, given in by_company.items():
        _log("role.granted", customer, holder, [company], given, by)
    return len(made)


def _log(
    act: str,
    customer: Customer,
    holder: Holder,
    companies: Iterable[Company | None],
    roles: Iterable[Role],
    by: changes.By,
) -> None:
    told = {"role": ",".join(sorted(roles))}
    changes.write(
        changes.change(
            act,
            by=by,
            customer=customer,
            company=company,
            about=holder.user,
            name=str(holder),
            group=holder.group,
            before=told if act == "role.revoked" else {},
            after=told if act == "role.granted" else {},
        )
        for company in companies
    )


def _tell(
    customer: Customer,
    holder: Holder,
    companies: Collection[Company | None],
    given: Collection[Role],
    taken: Collection[Role],
    by: changes.By,
    *,
    people: Collection[User] | None = None,
) -> None:
    """A letter to everybody whom it concerns, in their language: `people`, who have joined or left
    the group, or all that the holder stands for."""

    readers = holder.people() if people is None else people
    left = _left(customer, readers, companies, taken)

    def context(user: User) -> dict[str, Any]:
        names = [
            company.name if company else _("all companies of %(customer)s") % {"customer": customer}
            for company in companies
        ]
        return {
            "customer": customer.name,
            "group": holder.group.name if holder.group and people is None else "",
            "by": by.name,
            "given": [str(NAMES[role]) for role in sorted(given)],
            "taken": [str(NAMES[role]) for role in sorted(taken) if role not in left[user.pk]],
            "still": [str(NAMES[role]) for role in sorted(taken) if role in left[user.pk]],
            "companies": names[:TOLD_MAX],
            "more": max(0, len(names) - TOLD_MAX),
            "page": f"{settings.BASE_URL}/",
        }

    mail.post(kind="people.roles_changed", users=readers, company=None, context=context)


def _left(
    customer: Customer,
    people: Collection[User],
    companies: Collection[Company | None],
    roles: Collection[Role],
) -> dict[int, set[Role]]:
    """User id → those of these roles that they hold in all of these companies all the same: by a
    group, or in all companies at once. Two queries."""
    ids = {user.pk for user in people}
    here = Q(customer=customer) | Q(company__customer=customer)
    rows = RoleGrant.objects.filter(here, role__in=list(roles))
    held: dict[tuple[int, Role], set[int | None]] = {}
    for pk, role, company in (
        *rows.filter(user__in=ids).values_list("user", "role", "company"),
        *rows.filter(group__members__in=ids).values_list("group__members", "role", "company"),
    ):
        held.setdefault((pk, Role(role)), set()).add(company)
    wanted = {company.pk if company else None for company in companies}
    left: dict[int, set[Role]] = {pk: set() for pk in ids}
    for (pk, role), places in held.items():
        if pk in ids and (None in places or wanted <= places):
            left[pk].add(role)
    return left


@transaction.atomic
def create_group(*, customer: Customer, name: str, by: changes.By) -> UserGroup:
    """An empty group; the name is the customer's once. Raises GroupTaken."""
    try:
        with transaction.atomic():
            row: UserGroup = UserGroup.objects.create(customer=customer, name=name)
    except IntegrityError as error:
        raise GroupTaken from error
    changes.record("group.created", by=by, customer=customer, name=name)
    return row


@transaction.atomic
def rename_group(*, group: UserGroup, name: str, by: changes.By) -> None:
    """Another name for a group. Raises GroupTaken."""
    before, group.name = group.name, name
    try:
        with transaction.atomic():
            group.save(update_fields=["name"])
    except IntegrityError as error:
        raise GroupTaken from error
    changes.record(
        "group.changed",
        by=by,
        customer=group.customer,
        name=name,
        before={"name": before},
        after={"name": name},
    )


@transaction.atomic
def delete_group(*, group: UserGroup, by: changes.By) -> None:
    """Removes a group and the roles it gave; raises members.LastAdministrator."""
    customer = Customer.objects.select_for_update().get(pk=group.customer_id)
    holder = Holder(group=group)
    taken: dict[int | None, set[Role]] = {}
    for row in RoleGrant.objects.filter(group=group):
        taken.setdefault(row.company_id, set()).add(Role(row.role))
    found = Company.objects.in_bulk([pk for pk in taken if pk is not None])
    for pk, roles in taken.items():
        company = found[pk] if pk is not None else EVERYWHERE
        _log("role.revoked", customer, holder, [company], roles, by)
    RoleGrant.objects.filter(group=group).delete()
    if taken:
        everything = {role for roles in taken.values() for role in roles}
        places = [found[pk] if pk is not None else None for pk in taken]
        _tell(customer, holder, places, set(), everything, by)
    changes.record("group.deleted", by=by, customer=customer, name=group.name)
    group.delete()
    members.must_have_administrator(customer)


@transaction.atomic
def set_members(
    *,
    group: UserGroup,
    users: Collection[User],
    by: changes.By,
    seen: Collection[int] | None = None,
) -> None:
    """Makes these the members of the group. With `seen`, the ids that the page showed as members,
    only what was changed on it is. Raises members.LastAdministrator.
    """
    customer = Customer.objects.select_for_update().get(pk=group.customer_id)
    inside = {user.pk: user for user in group.members.all()}
    after = {user.pk: user for user in users}
    before = set(inside) if seen is None else set(seen)
    joined = [user for pk, user in after.items() if pk not in before and pk not in inside]
    left = [user for pk, user in inside.items() if pk in before and pk not in after]
    group.members.add(*joined)
    group.members.remove(*left)
    called = members.names(customer, [*joined, *left])
    for act, people in (("group.joined", joined), ("group.left", left)):
        changes.write(
            changes.change(
                act,
                by=by,
                customer=customer,
                about=user,
                name=called[user.pk],
                group=group,
                after={"group": group.name},
            )
            for user in people
        )
    for people, given in ((joined, True), (left, False)):
        _tell_members(group, people, by, given=given)
    members.must_have_administrator(customer)


def _tell_members(group: UserGroup, people: list[User], by: changes.By, *, given: bool) -> None:
    """Who joined or left a group hears which roles that gives or takes."""
    rows = RoleGrant.objects.filter(group=group).select_related("company")
    roles: set[Role] = set()
    places: dict[int | None, Company | None] = {}
    for row in rows:
        roles.add(Role(row.role))
        places[row.company_id] = row.company
    if not people or not roles:
        return
    _tell(
        group.customer,
        Holder(group=group),
        list(places.values()),
        roles if given else set(),
        set() if given else roles,
        by,
        people=people,
    )
