"""Which roles a user holds where; reads grants, never caches them: a removed role ends at once."""

from __future__ import annotations

from django.db.models import Q, QuerySet

from portal.access.models import Company, RoleGrant, User
from portal.access.roles import Permission, Role, permissions_of


def _of_user(user: User) -> Q:
    return Q(user=user) | Q(group__members=user)


def roles_in(*, user: User, company: Company) -> frozenset[Role]:
    """The roles in this company, by own grant, by group, or at its customer."""
    rows = (
        RoleGrant.objects.filter(_of_user(user))
        .filter(Q(company=company) | Q(customer_id=company.customer_id))
        .values_list("role", flat=True)
    )
    return frozenset(Role(row) for row in rows)


def companies_of(user: User) -> QuerySet[Company]:
    """The companies in which the user has any role, by name."""
    grants = RoleGrant.objects.filter(_of_user(user))
    return Company.objects.filter(
        Q(pk__in=grants.exclude(company=None).values("company_id"))
        | Q(customer_id__in=grants.exclude(customer=None).values("customer_id"))
    ).order_by("name_key", "id")


def holders(*, company: Company, permission: Permission) -> QuerySet[User]:
    """Active users who may do this in the company; run it while acting for the company."""
    roles = [role for role in Role if permission in permissions_of([role])]
    here = Q(company=company) | Q(customer_id=company.customer_id)
    grants = RoleGrant.objects.filter(here, role__in=roles)
    return (
        User.objects.filter(is_active=True)
        .filter(
            Q(pk__in=grants.exclude(user=None).values("user_id"))
            | Q(user_groups__in=grants.exclude(group=None).values("group_id"))
        )
        .distinct()
        .order_by("name")
    )
