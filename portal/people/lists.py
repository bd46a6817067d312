"""The lists of a customer: companies and the change log; who sees which rows, and the filters."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import CharField, Exists, F, FilteredRelation, OuterRef, Q, QuerySet, Value
from django.db.models import Count as DbCount
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from portal.access import grants, norwegian, organisations, tenancy
from portal.access.acting import Acting, AtCustomer
from portal.access.models import Company, Customer, RoleGrant, ServiceActivation, SigningKey, User
from portal.access.roles import NAMES, Permission, Role
from portal.events import questions
from portal.lists import spec
from portal.lists.filters import ChoiceFilter, DateFilter, FilterSet, TextFilter
from portal.lists.keyset import Count
from portal.people.acts import ACTS
from portal.people.models import Change
from portal.people.tables import ChangeTable, CompanyTable
from portal.people.user_tables import ACTIVE, ENDED, INVITED, STATES, UserTable

UNFINISHED = "unfinished"


def named(rows: QuerySet[Any], text: str, *, prefix: str = "") -> QuerySet[Any]:
    """Companies whose name holds the words of the text, or whose number begins with its digits."""
    digits = organisations.plain(text)
    if digits.isascii() and digits.isdigit():
        return rows.filter(**{f"{prefix}organisation_number__startswith": digits})
    for word in text.split():
        rows = rows.filter(**{f"{prefix}name_key__contains": norwegian.key(word)})
    return rows


def unfinished() -> Q:
    """Companies that lack something before their services can work."""
    on = ServiceActivation.objects.filter(company=OuterRef("pk"), deactivated_at=None)
    lacks = Q(address="") | Q(postal_code="") | Q(city="") | Q(~Exists(on))
    pays = Exists(on.filter(service=ServiceActivation.Service.AUTOPAY))
    used = SigningKey.objects.filter(
        company=OuterRef("pk"), retired_at=None, last_used_at__isnull=False
    )
    lacks |= Q(pays) & (Q(~Exists(used)) | grants.nobody_approves())
    return reduce(or_, questions.unfinished.ask(), lacks)


class CompanyFilter(FilterSet):
    """Filters of a customer's companies."""

    tab = ChoiceFilter(
        label=_("Show"), choices=[(UNFINISHED, _("Missing set-up"))], method="filter_tab"
    )
    text = TextFilter(label=_("Name or organisation number"), method="filter_text")
    service = ChoiceFilter(
        label=_("Service"),
        choices=[*ServiceActivation.Service.choices, ("none", _("No service"))],
        method="filter_service",
    )

    def filter_tab(self, rows: QuerySet[Company], name: str, value: str) -> QuerySet[Company]:
        return rows.filter(unfinished())

    def filter_text(self, rows: QuerySet[Company], name: str, value: str) -> QuerySet[Company]:
        return named(rows, value)

    def filter_service(self, rows: QuerySet[Company], name: str, value: str) -> QuerySet[Company]:
        on = ServiceActivation.objects.filter(company=OuterRef("pk"), deactivated_at=None)
        if value == "none":
            return rows.exclude(Exists(on))
        return rows.filter(Exists(on.filter(service=value)))

    def tab_counts(self, cap: int) -> dict[str, Count]:
        if any(name != "tab" for name in self.in_force()):
            return {}
        tab = Value(UNFINISHED, output_field=CharField())
        found = len(self.queryset.order_by().filter(unfinished()).values_list(tab)[: cap + 1])
        return {UNFINISHED: Count(min(found, cap), found > cap)} if found else {}


def _company_choices() -> Any:
    """The companies that are acted for; the page acts for those of one customer."""
    rows = Company.objects.filter(pk__in=tenancy.current().companies).order_by("name_key")
    return [(row.public_id, row.name) for row in rows]


class ChangeFilter(FilterSet):
    """Filters of the change log."""

    act = ChoiceFilter(label=_("What was done"), choices=lambda: list(ACTS.items()))
    who = TextFilter(label=_("By whom"), field_name="user_name", lookup_expr="icontains")
    about = TextFilter(
        label=_("To whom or what"), field_name="subject_name", lookup_expr="icontains"
    )
    address = TextFilter(label=_("From address"), field_name="address", lookup_expr="startswith")
    at_from = DateFilter(label=_("From date"), field_name="at", lookup_expr="date__gte")
    at_to = DateFilter(label=_("To date"), field_name="at", lookup_expr="date__lte")


class CustomerChangeFilter(ChangeFilter):
    """Filters of a customer's change log: by company too."""

    company = ChoiceFilter(
        label=_("Company"), choices=_company_choices, field_name="company__public_id"
    )


class UserFilter(FilterSet):
    """Filters of a customer's users."""

    tab = ChoiceFilter(
        label=_("Show"),
        choices=[(code, label) for code, (label, _colour) in STATES.items()],
        method="filter_tab",
    )
    text = TextFilter(label=_("Name or e-mail"), method="filter_text")
    role = ChoiceFilter(
        label=_("Role"), choices=[(role.value, NAMES[role]) for role in Role], method="filter_role"
    )
    company = ChoiceFilter(label=_("Company"), choices=_company_choices, method="filter_company")

    def filter_tab(self, rows: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        return rows.filter(**_STANDING[value])

    def filter_text(self, rows: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        for word in value.split():
            key = norwegian.key(word)
            accepted = Q(accepted_at__isnull=False, name_key__contains=key)
            rows = rows.filter(
                Q(email__contains=word.lower()) | Q(invited_name__icontains=word) | accepted
            )
        return rows

    def filter_role(self, rows: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        customer = self.acting.customer
        grants = RoleGrant.objects.filter(Q(customer=customer) | Q(company__customer=customer))
        return _holding(rows, grants.filter(role=value))

    def filter_company(self, rows: QuerySet[User], name: str, value: str) -> QuerySet[User]:
        customer = self.acting.customer
        here = Q(customer=customer) | Q(company__public_id=value, company__customer=customer)
        return _holding(rows, RoleGrant.objects.filter(here))

    def tab_counts(self, cap: int) -> dict[str, Count]:
        if any(name != "tab" for name in self.in_force()):
            return {}
        found = {}
        rows = self.queryset.order_by()
        counted = rows.aggregate(
            **{code: DbCount("pk", filter=Q(**where)) for code, where in _STANDING.items()}
        )
        for code, n in counted.items():
            if n:
                found[code] = Count(min(n, cap), n > cap)
        return found


_STANDING: dict[str, dict[str, Any]] = {
    ACTIVE: {"accepted_at__isnull": False, "ended_at__isnull": True},
    INVITED: {"accepted_at__isnull": True, "ended_at__isnull": True},
    ENDED: {"ended_at__isnull": False},
}


def _holding(rows: QuerySet[User], grants: QuerySet[RoleGrant]) -> QuerySet[User]:
    """Those of the users who hold one of the grants, themselves or through a group."""
    return rows.filter(
        Q(pk__in=grants.exclude(user=None).values("user_id"))
        | Q(pk__in=grants.exclude(group=None).values("group__members"))
    )


def members_of(customer: Customer) -> QuerySet[User]:
    """The people of a customer, each with the times and name of the membership."""
    here = Q(memberships__customer=customer)
    return (
        User.objects.annotate(member=FilteredRelation("memberships", condition=here))
        .filter(member__isnull=False)
        .annotate(
            member_id=F("member__id"),
            invited_at=F("member__invited_at"),
            accepted_at=F("member__accepted_at"),
            ended_at=F("member__ended_at"),
            invited_name=F("member__invited_name"),
        )
    )


def _users(*, acting: AtCustomer, user: Any) -> QuerySet[User]:
    return members_of(acting.customer)


def _companies(*, acting: AtCustomer, user: Any) -> QuerySet[Company]:
    return Company.objects.filter(customer=acting.customer)


def _of_customer(*, acting: AtCustomer, user: Any) -> QuerySet[Change]:
    return Change.objects.filter(customer=acting.customer)


def _of_company(*, acting: Acting, user: Any) -> QuerySet[Change]:
    """What was changed in the company, and at its customer what changed who may do what in it:
    roles in all companies, groups that hold roles here, and people who do."""
    company = acting.company
    here = RoleGrant.objects.filter(Q(company=company) | Q(customer=company.customer))
    groups = here.filter(group__isnull=False).values("group")
    people = here.filter(user__isnull=False).values("user")
    members = User.objects.filter(user_groups__in=groups).values("pk")
    at_customer = Q(customer=company.customer_id, company=None) & (
        Q(act__in=("role.granted", "role.revoked"))
        | Q(act__in=("group.joined", "group.left"), group_number__in=groups)
        | Q(act__in=("user.ended", "user.resumed")) & (Q(about__in=people) | Q(about__in=members))
    )
    return Change.objects.filter(Q(company=company) | at_customer)


CHANGES = ngettext_lazy("%(shown)s change", "%(shown)s changes", "n")
COMPANIES = spec.ListSpec(
    name="companies",
    title=_("Companies"),
    counted=ngettext_lazy("%(shown)s company", "%(shown)s companies", "n"),
    address_name="people:companies",
    permissions=frozenset({Permission.SEE_CUSTOMER}),
    table=CompanyTable,
    filters=CompanyFilter,
    rows=_companies,
    loaded=lambda rows: rows,
    tabs=(("", _("All")), (UNFINISHED, _("Missing set-up"))),
)
USERS = spec.ListSpec(
    name="users",
    title=_("Users"),
    counted=ngettext_lazy("%(shown)s user", "%(shown)s users", "n"),
    address_name="people:users",
    permissions=frozenset({Permission.SEE_CUSTOMER}),
    table=UserTable,
    filters=UserFilter,
    rows=_users,
    loaded=lambda rows: rows,
    tabs=(
        ("", _("All")),
        (ACTIVE, _("Active")),
        (INVITED, _("Invited")),
        (ENDED, _("Deactivated")),
    ),
)
CUSTOMER_LOG = spec.ListSpec(
    name="customer_log",
    title=_("Change log"),
    counted=CHANGES,
    address_name="people:log",
    permissions=frozenset({Permission.SEE_CUSTOMER}),
    table=ChangeTable,
    filters=CustomerChangeFilter,
    rows=_of_customer,
    loaded=lambda rows: rows.select_related("company"),
)
COMPANY_LOG = spec.ListSpec(
    name="company_log",
    title=_("Change log"),
    counted=CHANGES,
    address_name="people:company-log",
    permissions=frozenset({Permission.SEE_CUSTOMER, Permission.MANAGE_KEYS}),
    table=ChangeTable,
    filters=ChangeFilter,
    rows=_of_company,
    loaded=lambda rows: rows.select_related("company"),
)
