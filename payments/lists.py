"""The list of outgoing payments: who sees which rows, its filters, and the sums of a choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import CharField, Exists, OuterRef, Prefetch, Q, QuerySet, Value
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from banking.models import BankAccount, BankAgreement
from payments import guards, lifecycle, queries
from payments.models import Payment, Signature
from payments.tables import (
    ApprovalEverywhereTable,
    ApprovalTable,
    PaymentEverywhereTable,
    PaymentTable,
)
from portal.access import tenancy
from portal.access.acting import Acting, Everywhere
from portal.access.models import Company
from portal.access.roles import APPROVE_PAYMENTS, SEE_PAYMENTS, Permission
from portal.events import questions
from portal.lists import keyset, spec
from portal.lists.filters import (
    ChoiceFilter,
    DateFilter,
    FilterSet,
    PrefixFilter,
    begins,
    by_code_point,
)
from portal.lists.keyset import Count
from portal.people.templatetags import kvitt

COUNTED = ngettext_lazy("%(shown)s payment", "%(shown)s payments", "n")
WAITING_CAP = 99
SEARCH_MAX = 8


def _accounts() -> Any:
    """The company's accounts, as the wall shows them."""
    rows = BankAccount.objects.order_by("name", "number")
    return [(str(row.pk), f"{row.name} {kvitt.account(row.number)}") for row in rows]


def _in_tab(tab: str) -> dict[str, Any]:
    """The phase; but whatever has lines that went another way is found among the deviations too."""
    return {"deviates": True} if tab == lifecycle.DEVIATING else {"phase": tab}


class PaymentFilter(FilterSet):
    """Filters of outgoing payments; each is answered by an index."""

    tab = ChoiceFilter(
        label=_("Show"),
        choices=list(lifecycle.PHASE_LABELS.items()),
        method="filter_tab",
    )
    number = PrefixFilter(label=_("Payment number begins with"), field_name="number")
    status = ChoiceFilter(
        label=_("Status"),
        choices=[(code, status.label) for code, status in lifecycle.PAYMENT_STATUSES.items()],
    )
    account = ChoiceFilter(label=_("Debit account"), choices=_accounts, field_name="account_id")
    due_from = DateFilter(label=_("Due from"), field_name="due_date", lookup_expr="gte")
    due_to = DateFilter(label=_("Due to"), field_name="due_date", lookup_expr="lte")
    kind = ChoiceFilter(
        label=_("Kind"),
        choices=[("supplier", _("Supplier")), ("salary", _("Salary"))],
    )

    checks = ChoiceFilter(
        label=_("Checks"),
        choices=[("stop", _("Stopped by a check")), ("warn", _("Warned of or stopped"))],
        method="filter_checks",
    )

    def filter_checks(self, rows: QuerySet[Payment], name: str, value: str) -> QuerySet[Payment]:
        told = guards.stopping() if value == "stop" else guards.telling()
        return rows.filter(Exists(told.filter(payment=OuterRef("pk"))), phase=lifecycle.OPEN)

    def left_out(self) -> list[str]:
        both = len(queries.kinds_seen(self.acting.permissions)) == len(Payment.Kind)
        return [] if both else ["kind"]

    def filter_tab(self, rows: QuerySet[Payment], name: str, value: str) -> QuerySet[Payment]:
        return rows.filter(**_in_tab(value))

    def tab_counts(self, cap: int) -> dict[str, Count]:
        """Tab → how many rows stand there, up to a cap; none are counted when more is filtered."""
        if any(name != "tab" for name in self.in_force()):
            return {}
        rows = self.queryset.order_by()
        tabs = [lifecycle.OPEN, lifecycle.WAY, lifecycle.DEVIATING]
        parts = [
            rows.filter(**_in_tab(tab)).values_list(Value(tab, output_field=CharField()))[: cap + 1]
            for tab in tabs
        ]
        found = [tab for (tab,) in parts[0].union(*parts[1:], all=True)]
        counts = {tab: found.count(tab) for tab in tabs}
        return {tab: Count(min(n, cap), n > cap) for tab, n in counts.items() if n}


def kinds_approved(permissions: frozenset[Permission]) -> list[str]:
    """The axes whose payments these permissions may approve."""
    kinds = {
        Permission.APPROVE_SUPPLIER: Payment.Kind.SUPPLIER,
        Permission.APPROVE_SALARY: Payment.Kind.SALARY,
    }
    return [str(kind) for permission, kind in kinds.items() if permission in permissions]


def loaded(rows: QuerySet[Payment]) -> QuerySet[Payment]:
    """With what a row of the table shows, in a few queries more.

    No joins: by the walls of the joined tables PostgreSQL expects them to leave few rows, and then
    reads and sorts all that match instead of following the index for one page.
    """
    alive = Signature.objects.filter(voided_at=None).select_related("user").order_by("pk")
    here = OuterRef("pk")
    told = rows.annotate(
        stopped=Exists(guards.stopping().filter(payment=here)),
        warned=Exists(guards.telling().filter(payment=here)),
    )
    return told.defer("digest").prefetch_related(
        "account", "agreement", Prefetch("signatures", queryset=alive, to_attr="alive")
    )


def exported(rows: QuerySet[Payment]) -> QuerySet[Payment]:
    """With what a row of an export holds besides."""
    return loaded(rows).prefetch_related("agreement__account", "agreement__channel")


def sums(rows: QuerySet[Payment]) -> dict[str, Decimal]:
    """Currency → sum over these payments, by the database."""
    sql, params = rows.order_by().values("totals").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.key, sum(t.value::numeric) FROM"
            f" ({sql}) chosen, jsonb_each_text(chosen.totals) t GROUP BY t.key ORDER BY t.key",
            params,
        )
        return dict(cursor.fetchall())


def _on_axes(
    places: Mapping[int, Acting], kinds_of: Callable[[frozenset[Permission]], list[str]]
) -> QuerySet[Payment]:
    """The companies' payments, of each on the axes that the permissions there open."""
    whole: list[int] = []
    some: dict[str, list[int]] = {}
    for company, acting in places.items():
        kinds = kinds_of(acting.permissions)
        if len(kinds) == len(Payment.Kind):
            whole.append(company)
        elif kinds:
            some.setdefault(kinds[0], []).append(company)
    here = Q(pk__in=[]) if not whole else Q(company__in=_these(whole))
    for kind, companies in some.items():
        here |= Q(company__in=_these(companies), kind=kind)
    return Payment.objects.filter(here)


def _these(companies: list[int]) -> Any:
    """One company as itself, which finds its index; many as an array."""
    return companies if len(companies) == 1 else tenancy.ids(companies)


def to_sign(*, acting: Acting | Everywhere, user: Any) -> QuerySet[Payment]:
    """The payments that wait for this user's own signature."""
    given = Signature.objects.filter(payment=OuterRef("pk"), user=user, voided_at=None)
    rows = _on_axes(acting.places, kinds_approved).filter(phase=lifecycle.OPEN)
    stopped = guards.stopping().filter(payment=OuterRef("pk"))
    by_one = BankAgreement.objects.filter(company__in=list(acting.places), approvers_required=1)
    own = Q(entered_by__contains=[user.pk], agreement__in=by_one.values("pk"))
    return rows.filter(~Exists(given), ~Exists(stopped), ~own)


def stopped(*, acting: Acting) -> Count:
    """How many payments that this user could sign a check stops."""
    rows = Payment.objects.of(acting.company).filter(
        Exists(guards.stopping().filter(payment=OuterRef("pk"))),
        kind__in=kinds_approved(acting.permissions),
    )
    return keyset.count(rows)


def waiting_for(*, acting: Acting, user: Any) -> questions.Waiting | None:
    """What the header tells an approver; None to whoever approves nothing."""
    if not kinds_approved(acting.permissions):
        return None
    found = keyset.count(to_sign(acting=acting, user=user), cap=WAITING_CAP)
    return questions.Waiting(found.shown, found.capped, "payments:approve")


def search(*, acting: Acting, user: Any, text: str) -> list[questions.Hit]:
    """Payments whose number begins so."""
    if not acting.permissions & SEE_PAYMENTS:
        return []
    rows = queries.visible(company=acting.company, permissions=acting.permissions)
    words = {"company": acting.company.public_id}
    return [
        questions.Hit(
            row.number,
            str(row.state.label),
            reverse("payments:detail", kwargs={**words, "payment": row.pk}),
        )
        for row in rows.filter(begins("number", text)).order_by(by_code_point("number"), "pk")[
            :SEARCH_MAX
        ]
    ]


def seen(*, acting: Acting | Everywhere, user: Any = None) -> QuerySet[Payment]:
    """The payments that may be opened."""
    return _on_axes(acting.places, queries.kinds_seen)


TABS = (
    ("", _("All")),
    (lifecycle.OPEN, lifecycle.PHASE_LABELS[lifecycle.OPEN]),
    (lifecycle.WAY, lifecycle.PHASE_LABELS[lifecycle.WAY]),
    (lifecycle.DEVIATING, lifecycle.PHASE_LABELS[lifecycle.DEVIATING]),
    (lifecycle.DONE, lifecycle.PHASE_LABELS[lifecycle.DONE]),
)
PAYMENTS = spec.ListSpec(
    name="payments",
    title=_("Outgoing payments"),
    counted=COUNTED,
    address_name="payments:list",
    permissions=SEE_PAYMENTS,
    table=PaymentTable,
    filters=PaymentFilter,
    rows=seen,
    loaded=loaded,
    exported=exported,
    sums=sums,
    tabs=TABS,
)


class ApprovalFilter(PaymentFilter):
    """Filters among what waits for one's own signature."""

    # The two are decided by what this list is.
    tab: Any = None
    status: Any = None

    def tab_counts(self, cap: int) -> dict[str, Count]:
        return {}


TO_APPROVE = spec.ListSpec(
    name="to_approve",
    title=_("Approve"),
    counted=COUNTED,
    address_name="payments:approve",
    permissions=APPROVE_PAYMENTS,
    narrowed_by=SEE_PAYMENTS,
    table=ApprovalTable,
    filters=ApprovalFilter,
    rows=to_sign,
    loaded=loaded,
    exported=exported,
    sums=sums,
)


def _companies() -> Any:
    """Those that the page acts for, by name."""
    rows = Company.objects.filter(pk__in=tenancy.current().companies).order_by("name_key", "pk")
    return [(row.public_id, row.name) for row in rows]


class PaymentEverywhereFilter(PaymentFilter):
    """Filters of payments of several companies."""

    company = ChoiceFilter(label=_("Company"), choices=_companies, field_name="company__public_id")
    account: Any = None  # hundreds, and none of them known by its name alone


class ApprovalEverywhereFilter(PaymentEverywhereFilter):
    """Filters among what waits for one's own signature in several companies."""

    tab: Any = None
    status: Any = None

    def tab_counts(self, cap: int) -> dict[str, Count]:
        return {}


PAYMENTS_EVERYWHERE = replace(
    PAYMENTS,
    name="payments_everywhere",
    title=_("Outgoing payments in all companies"),
    table=PaymentEverywhereTable,
    filters=PaymentEverywhereFilter,
)
TO_APPROVE_EVERYWHERE = replace(
    TO_APPROVE,
    name="to_approve_everywhere",
    title=_("Approve in all companies"),
    table=ApprovalEverywhereTable,
    filters=ApprovalEverywhereFilter,
)
ALL = {one.name: one for one in (PAYMENTS, TO_APPROVE, PAYMENTS_EVERYWHERE, TO_APPROVE_EVERYWHERE)}
