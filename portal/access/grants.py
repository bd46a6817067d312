"""Which roles a user holds where; reads grants, never caches them: a removed role ends at once.

A grant holds while its user is a living member of the customer whose company it is for.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Q, QuerySet

from portal.access.models import Company, Customer, Membership, RoleGrant, User
from portal.access.roles import CUSTOMER_ROLES, Permission, Role, roles_with


def _of_user(user: User) -> Q:
    return Q(user=user) | Q(group__members=user)


def _member(user: User, customer_id: int) -> Exists:
    return Exists(Membership.objects.living().filter(user=user, customer_id=customer_id))


def roles_in(*, user: User, company: Company) -> frozenset[Role]:
    """The roles in this company, by own grant, by group, or at its customer."""
    rows = (
        RoleGrant.objects.filter(_of_user(user))
        .filter(Q(company=company) | Q(customer_id=company.customer_id))
        .filter(_member(user, company.customer_id))
        .values_list("role", flat=True)
    )
    return frozenset(Role(row) for row in rows)


def roles_at(*, user: User, customer: Customer) -> frozenset[Role]:
    """The roles that the user holds at the customer itself: to administer it, or to support."""
    rows = RoleGrant.objects.filter(_of_user(user), _member(user, customer.pk), customer=customer)
    held = {Role(row) for row in rows.values_list("role", flat=True)}
    return frozenset(held & CUSTOMER_ROLES)


def companies_of(user: User) -> QuerySet[Company]:
    """The companies in which the user has any role, by name."""
    grants = RoleGrant.objects.filter(_of_user(user))
    return Company.objects.filter(
        Q(pk__in=grants.exclude(company=None).values("company_id"))
        | Q(customer_id__in=grants.exclude(customer=None).values("customer_id")),
        customer_id__in=Membership.objects.living().filter(user=user).values("customer_id"),
    ).order_by("name_key", "id")


def customers_of(user: User) -> QuerySet[Customer]:
    """The customers at which the user holds a role of the customer's own, by name."""
    held = RoleGrant.objects.filter(_of_user(user), role__in=CUSTOMER_ROLES)
    return Customer.objects.filter(
        pk__in=held.exclude(customer=None).values("customer_id"),
        memberships__in=Membership.objects.living().filter(user=user),
    ).order_by("name", "id")


def holders(*, company: Company, permission: Permission) -> QuerySet[User]:
    """Active users who may do this in the company; run it while acting for the company."""
    here = Q(company=company) | Q(customer_id=company.customer_id)
    return _holders(here, roles_with(permission), company.customer_id)


def holders_at(*, customer: Customer, role: Role) -> QuerySet[User]:
    """Active users with a role at the customer; run it while acting for the customer."""
    return _holders(Q(customer=customer), [role], customer.pk)


def _holders(where: Q, roles: Iterable[Role], customer_id: int) -> QuerySet[User]:
    grants = RoleGrant.objects.filter(where, role__in=list(roles))
    member = Membership.objects.living().filter(user=OuterRef("pk"), customer_id=customer_id)
    return (
        User.objects.filter(Exists(member), is_active=True)
        .filter(
            Q(pk__in=grants.exclude(user=None).values("user_id"))
            | Q(user_groups__in=grants.exclude(group=None).values("group_id"))
        )
        .distinct()
        .order_by("name")
    )
