"""The lists of a customer: companies and the change log; who sees which rows, and the filters."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from portal.access import norwegian
from portal.access.acting import Acting, AtCustomer
from portal.access.models import Company, ServiceActivation
from portal.access.roles import Permission
from portal.events import questions
from portal.lists import spec
from portal.lists.filters import ChoiceFilter, DateFilter, FilterSet, TextFilter
from portal.lists.keyset import Count
from portal.people.acts import ACTS
from portal.people.models import Change
from portal.people.tables import ChangeTable, CompanyTable

UNFINISHED = "unfinished"


def named(rows: QuerySet[Any], text: str, *, prefix: str = "") -> QuerySet[Any]:
    """Companies whose name holds the words of the text, or whose number begins with its digits."""
    digits = "".join(text.split())
    if digits.isascii() and digits.isdigit():
        return rows.filter(**{f"{prefix}organisation_number__startswith": digits})
    for word in text.split():
        rows = rows.filter(**{f"{prefix}name_key__contains": norwegian.key(word)})
    return rows


def unfinished() -> Q:
    """Companies that lack something before their services can work."""
    on = ServiceActivation.objects.filter(company=OuterRef("pk"), deactivated_at=None)
    lacks = Q(address="") | Q(postal_code="") | Q(city="") | Q(~Exists(on))
    return reduce(or_, questions.unfinished.ask(), lacks)


class CompanyFilter(FilterSet):
    """Filters of a customer's companies."""

    tab = ChoiceFilter(
        label=_("Show"), choices=[(UNFINISHED, _("Missing set-up"))], method="filter_tab"
    )
    text = TextFilter(label=_("Name or organisation number"), method="filter_text")
    service = ChoiceFilter(
        label=_("Service"),
        choices=[*ServiceActivation.Service.choices, ("none", _("None"))],
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


class ChangeFilter(FilterSet):
    """Filters of the change log."""

    act = ChoiceFilter(label=_("What was done"), choices=list(ACTS.items()))
    who = TextFilter(label=_("By whom"), field_name="user_name", lookup_expr="icontains")
    about = TextFilter(
        label=_("To whom or what"), field_name="subject_name", lookup_expr="icontains"
    )
    at_from = DateFilter(label=_("From date"), field_name="at", lookup_expr="date__gte")
    at_to = DateFilter(label=_("To date"), field_name="at", lookup_expr="date__lte")


def _companies(*, acting: AtCustomer, user: Any) -> QuerySet[Company]:
    return Company.objects.filter(customer=acting.customer)


def _of_customer(*, acting: AtCustomer, user: Any) -> QuerySet[Change]:
    return Change.objects.filter(customer=acting.customer)


def _of_company(*, acting: Acting, user: Any) -> QuerySet[Change]:
    return Change.objects.filter(company=acting.company)


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
CUSTOMER_LOG = spec.ListSpec(
    name="customer_log",
    title=_("Change log"),
    counted=CHANGES,
    address_name="people:log",
    permissions=frozenset({Permission.SEE_CUSTOMER}),
    table=ChangeTable,
    filters=ChangeFilter,
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
