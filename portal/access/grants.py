"""Which roles a user holds where; reads grants, never caches them: a removed role ends at once.

A grant holds while its user is a living member of the customer whose company it is for. A deputy
holds the absent person's roles of approval too, on the days of the absence.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import connection
from django.db.models import DateField, Exists, Func, OuterRef, Q, QuerySet

from portal.access import tenancy
from portal.access.models import Company, Customer, Deputy, Membership, RoleGrant, User
from portal.access.roles import APPROVE_PAYMENTS, CUSTOMER_ROLES, Permission, Role, roles_with

APPROVING = (Role.APPROVER, Role.PAYROLL_APPROVER)
# Who sends payments, helps people in, or belongs to another firm does not approve for others.
NO_DEPUTY = frozenset({Role.UPLOADER, Role.SUPPORT_USER, Role.AGENCY_CASE_HANDLER})
_USER, _COMPANY, _CUSTOMER = -1, -2, -3  # no row has such an id


class BusinessToday(Func):
    """The business date in Oslo, by the database's own clock and offset (see portal.clock)."""

    template = (
        "((now() + make_interval(secs => (SELECT seconds FROM clock_offset WHERE id = 1)))"
        " AT TIME ZONE 'Europe/Oslo')::date"
    )
    output_field = DateField()


def _of_user(user: User) -> Q:
    return Q(user=user) | Q(group__members=user)


def _member(user: User, customer_id: int) -> Exists:
    return Exists(Membership.objects.living().filter(user=user, customer_id=customer_id))


def standing_in(*, company: Company) -> QuerySet[Deputy]:
    """The deputies of today in a company; run it while acting for the company."""
    return _standing(Deputy.objects.of(company), company.customer_id)


def standing_in_any(*, companies: Iterable[Company]) -> QuerySet[Deputy]:
    """The deputies of today in any of these companies; run it while acting for them."""
    rows = Deputy.objects.filter(company__in=tenancy.ids(company.pk for company in companies))
    return _standing(rows, OuterRef("company__customer_id"))


def _standing(rows: QuerySet[Deputy], customer: Any) -> QuerySet[Deputy]:
    away = Membership.objects.living().filter(user=OuterRef("absent"), customer_id=customer)
    return _today(rows).filter(Exists(away), absent__is_active=True)


def _today(rows: QuerySet[Deputy]) -> QuerySet[Deputy]:
    return rows.filter(ended_at=None, from_date__lte=BusinessToday(), to_date__gte=BusinessToday())


def roles_in(*, user: User, company: Company) -> frozenset[Role]:
    """The roles in this company: by own grant, by group, at its customer, or as a deputy."""
    sql, places = _roles_in()
    given = {_USER: user.pk, _COMPANY: company.pk, _CUSTOMER: company.customer_id}
    with connection.cursor() as cursor:
        cursor.execute(sql, [given.get(place, place) for place in places])
        return frozenset(Role(row) for (row,) in cursor.fetchall())


@functools.cache
def _roles_in() -> tuple[str, tuple[Any, ...]]:
    """The question as SQL, with the places where user, company and customer stand: every page asks
    it, and writing it takes Django many times as long as answering takes the database."""
    user, company = User(pk=_USER), Company(pk=_COMPANY, customer_id=_CUSTOMER)
    absent = standing_in(company=company).filter(deputy=user).values("absent_id")
    theirs = Q(user__in=absent) | Q(group__members__in=absent)
    rows = (
        RoleGrant.objects.filter(_of_user(user) | (theirs & Q(role__in=APPROVING)))
        .filter(Q(company=company) | Q(customer_id=company.customer_id))
        .filter(_member(user, company.customer_id))
        .values_list("role", flat=True)
    )
    return rows.query.sql_with_params()


def hold(*, companies: Collection[Company], users: Iterable[int]) -> None:
    """Keeps what these users may do in the companies from ending before the transaction does: it
    ends after, or has ended and is seen to have. In the caller's transaction, before roles are
    read."""
    words: dict[str, Any] = {
        "users": list(users),
        "companies": [company.pk for company in companies],
        "customers": list({company.customer_id for company in companies}),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM access_rolegrant g WHERE (g.company_id = ANY(%(companies)s)"
            " OR g.customer_id = ANY(%(customers)s))"
            " AND (g.user_id = ANY(%(users)s) OR g.group_id IN"
            " (SELECT m.usergroup_id FROM access_usergroup_members m"
            " WHERE m.user_id = ANY(%(users)s))) ORDER BY g.id FOR SHARE OF g",
            words,
        )
        cursor.execute(
            "SELECT 1 FROM access_usergroup_members m WHERE m.user_id = ANY(%(users)s)"
            " ORDER BY m.id FOR SHARE OF m",
            words,
        )
        cursor.execute(
            "SELECT 1 FROM access_membership m WHERE m.customer_id = ANY(%(customers)s)"
            " AND m.user_id = ANY(%(users)s) ORDER BY m.id FOR SHARE OF m",
            words,
        )


def own_roles_of(*, company: Company, users: Iterable[int]) -> dict[int, set[Role]]:
    """User id → the roles in the company that are the user's own, none of them as a deputy."""
    return own_roles_in(companies=[company], users=users)[company.pk]


def own_roles_in(
    *, companies: Iterable[Company], users: Iterable[int]
) -> dict[int, dict[int, set[Role]]]:
    """Company id → user id → the roles there that are the user's own, none of them as a deputy; in
    a constant number of queries. Run it while acting for the companies."""
    customer_of = {company.pk: company.customer_id for company in companies}
    customers, ids = set(customer_of.values()), set(users)
    there = Q(company__in=tenancy.ids(customer_of)) | Q(customer__in=customers)
    held: dict[tuple[str, int], dict[int, set[Role]]] = {}
    for whose in ("user", "group__members"):
        rows = RoleGrant.objects.filter(there, **{f"{whose}__in": ids})
        for company, customer, user, role in rows.values_list(
            "company_id", "customer_id", whose, "role"
        ):
            if user in ids:
                people = held.setdefault(_place(company, customer), {})
                people.setdefault(user, set()).add(Role(role))
    living = set(
        Membership.objects.living()
        .filter(user__in=ids, customer__in=customers)
        .values_list("customer_id", "user_id")
    )
    found: dict[int, dict[int, set[Role]]] = {pk: {} for pk in customer_of}
    for pk, customer in customer_of.items():
        for place in (("company", pk), ("customer", customer)):
            for user, roles in held.get(place, {}).items():
                if (customer, user) in living:
                    found[pk].setdefault(user, set()).update(roles)
    return found


def _place(company: int | None, customer: int | None) -> tuple[str, int]:
    """Where a grant is given: in a company, or at a customer and so in all of its companies."""
    return ("company", company) if company else ("customer", customer or 0)


def roles_everywhere(*, user: User) -> dict[Company, frozenset[Role]]:
    """The companies in which the user has a role, by name, each with the roles of `roles_in`, and
    its customer at hand; in a constant number of queries. Run it while acting for `companies_of`
    the user.
    """
    companies = list(companies_of(user).prefetch_related("customer"))
    lent: dict[int, set[int]] = {}
    stand_ins = standing_in_any(companies=companies).filter(deputy=user)
    for pk, absent in stand_ins.values_list("company_id", "absent_id"):
        lent.setdefault(pk, set()).add(absent)
    people = {user.pk, *(pk for absents in lent.values() for pk in absents)}
    own = own_roles_in(companies=companies, users=people)
    found = {}
    for company in companies:
        held = own[company.pk]
        roles = set(held.get(user.pk, ()))
        for absent in lent.get(company.pk, ()):
            roles |= held.get(absent, set()) & set(APPROVING)
        if roles:
            found[company] = frozenset(roles)
    return found


def nobody_approves() -> Q:
    """Companies in which no living member has a role that approves; a condition on companies."""
    member = Membership.objects.living().filter(customer_id=OuterRef(OuterRef("customer_id")))
    somebody = RoleGrant.objects.filter(
        Q(company=OuterRef("pk")) | Q(customer=OuterRef("customer_id")), role__in=APPROVING
    ).filter(
        Exists(member.filter(user=OuterRef("user_id")))
        | Exists(member.filter(user__user_groups=OuterRef("group_id")))
    )
    return Q(~Exists(somebody))


def approvers(*, company: Company, among: Iterable[User]) -> list[User]:
    """Those of the users who approve payments in the company in their own right."""
    users = list(among)
    roles = own_roles_of(company=company, users=[user.pk for user in users])
    return [user for user in users if roles.get(user.pk, set()) & set(APPROVING)]


def may_stand_in(*, company: Company) -> list[User]:
    """Who may be named a deputy in the company, by name."""
    people = list(holders(company=company, permission=Permission.SEE_COMPANY))
    roles = own_roles_of(company=company, users=[user.pk for user in people])
    return [
        user
        for user in people
        if not (held := roles.get(user.pk, set())) & NO_DEPUTY or held & set(APPROVING)
    ]


def roles_at(*, user: User, customer: Customer) -> frozenset[Role]:
    """The roles that the user holds at the customer itself: to administer it, or to support."""
    rows = RoleGrant.objects.filter(_of_user(user), _member(user, customer.pk), customer=customer)
    held = {Role(row) for row in rows.values_list("role", flat=True)}
    return frozenset(held & CUSTOMER_ROLES)


def one_hand(*, company: Company, user: User, permission: Permission) -> frozenset[int]:
    """Ids of users whose approval and this user's count as one person's: the right of one is lent
    by the other, or both have theirs from the same. Run it while acting for the company.

    Stand-ins that are over count too: an approval given then does not become another's.
    """
    return hands_of(companies=[company], user=user)[company.pk][permission]


def hands_of(
    *, companies: Iterable[Company], user: User
) -> dict[int, dict[Permission, frozenset[int]]]:
    """Company id → permission to approve → `one_hand` there; in a constant number of queries. Run
    it while acting for the companies."""
    customer_of = {company.pk: company.customer_id for company in companies}
    pairs: dict[int, set[tuple[int, int]]] = {pk: set() for pk in customer_of}
    for company, absent, deputy in Deputy.objects.filter(
        company__in=tenancy.ids(customer_of)
    ).values_list("company_id", "absent_id", "deputy_id"):
        pairs[company].add((absent, deputy))
    with_some = {pk: customer_of[pk] for pk, some in pairs.items() if some}
    given = _given_in(with_some) if with_some else {}
    found: dict[int, dict[Permission, frozenset[int]]] = {}
    for pk, customer in customer_of.items():
        found[pk] = {}
        for permission in APPROVE_PAYMENTS:
            roles = set(roles_with(permission)) if pairs[pk] else set()
            own = {
                holder
                for place in (("company", pk), ("customer", customer))
                for holder, role in given.get(place, ())
                if role in roles
            }
            hands: dict[int, set[int]] = {}
            for absent, deputy in pairs[pk]:
                if deputy not in own:
                    hands.setdefault(absent, {absent}).add(deputy)
            joined = {one for hand in hands.values() if user.pk in hand for one in hand}
            found[pk][permission] = frozenset(joined - {user.pk})
    return found


def _given_in(customer_of: Mapping[int, int]) -> dict[tuple[str, int], set[tuple[int, Role]]]:
    """Where grants of approval are given → the users and roles, of their own or by a group."""
    there = Q(company__in=customer_of) | Q(customer__in=set(customer_of.values()))
    rows = RoleGrant.objects.filter(there, role__in=APPROVING)
    given: dict[tuple[str, int], set[tuple[int, Role]]] = {}
    for whose in ("user", "group__members"):
        for company, customer, user, role in rows.values_list(
            "company_id", "customer_id", whose, "role"
        ):
            if user is not None:
                given.setdefault(_place(company, customer), set()).add((user, Role(role)))
    return given


def companies_of(user: User) -> QuerySet[Company]:
    """The companies in which the user has any role, or stands in for somebody, by name."""
    grants = RoleGrant.objects.filter(_of_user(user))
    now = {"from_date__lte": BusinessToday(), "to_date__gte": BusinessToday(), "ended_at": None}
    stands_in = Deputy.objects.filter(deputy=user, **now)
    return Company.objects.filter(
        Q(pk__in=grants.exclude(company=None).values("company_id"))
        | Q(customer_id__in=grants.exclude(customer=None).values("customer_id"))
        | Q(pk__in=stands_in.values("company_id")),
        customer_id__in=Membership.objects.living().filter(user=user).values("customer_id"),
    ).order_by("name_key", "id")


def in_several(user: User) -> bool:
    """Whether the user has a role in more than one company."""
    return len(companies_of(user).order_by()[:2]) > 1


def roles_anywhere(user: User) -> frozenset[Role]:
    """The roles that the user holds in some company or at some customer, or lent for today."""
    held = {
        Role(role)
        for role in RoleGrant.objects.filter(_of_user(user)).values_list("role", flat=True)
    }
    stands_in = _today(Deputy.objects.filter(deputy=user)).exists()
    return frozenset(held | (set(APPROVING) if stands_in else set()))


def companies_where(*, user: User, customer: Customer, permission: Permission) -> QuerySet[Company]:
    """The customer's companies in which the user's own roles give this permission: by grant, by
    group, or at the customer. Run it while acting for all of them."""
    held = RoleGrant.objects.filter(_of_user(user), role__in=roles_with(permission))
    here = held.filter(Q(company=OuterRef("pk")) | Q(customer=customer, company=None))
    rows = Company.objects.filter(Exists(here), _member(user, customer.pk), customer=customer)
    return rows.order_by("name_key", "pk")


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
    roles = roles_with(permission)
    found = _holding(here, roles)
    if set(roles) & set(APPROVING):
        absent = _holding(here, [role for role in roles if role in APPROVING])
        deputies = standing_in(company=company).filter(
            absent__in=User.objects.filter(absent).values("pk")
        )
        found |= Q(pk__in=deputies.values("deputy_id"))
    return _active(found, company.customer_id)


def approver_ids(*, companies: Iterable[Company]) -> dict[int, set[int]]:
    """Company id → ids of all who may approve payments there now, supplier or salary: whom
    `holders` gives, for many companies in a constant number of queries. Run it while acting for
    them.
    """
    customer_of = {company.pk: company.customer_id for company in companies}
    held = _given_in(customer_of)
    living = set(
        Membership.objects.living()
        .filter(customer__in=set(customer_of.values()), user__is_active=True)
        .values_list("customer_id", "user_id")
    )
    found = {
        pk: {
            user
            for place in (("company", pk), ("customer", customer))
            for user, _role in held.get(place, ())
            if (customer, user) in living
        }
        for pk, customer in customer_of.items()
    }
    stand_ins = _today(Deputy.objects.filter(company__in=customer_of))
    pairs = list(stand_ins.values_list("company_id", "absent_id", "deputy_id"))
    lent = [(company, deputy) for company, absent, deputy in pairs if absent in found[company]]
    for company, deputy in lent:
        if (customer_of[company], deputy) in living:
            found[company].add(deputy)
    return found


def holders_at(*, customer: Customer, role: Role) -> QuerySet[User]:
    """Active users with a role at the customer; run it while acting for the customer."""
    return _active(_holding(Q(customer=customer), [role]), customer.pk)


def _holding(where: Q, roles: Iterable[Role]) -> Q:
    """Users, as a condition, with one of the roles there, of their own or through a group."""
    grants = RoleGrant.objects.filter(where, role__in=list(roles))
    return Q(pk__in=grants.exclude(user=None).values("user_id")) | Q(
        pk__in=grants.exclude(group=None).values("group__members")
    )


def _active(found: Q, customer_id: int) -> QuerySet[User]:
    member = Membership.objects.living().filter(user=OuterRef("pk"), customer_id=customer_id)
    return User.objects.filter(found, Exists(member), is_active=True).order_by("name")
