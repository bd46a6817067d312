"""The lists of agreements and bank files: who sees which rows, and their filters."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from banking import lifecycle
from banking.models import BankAgreement, BankFile
from banking.tables import KINDS, AgreementTable, FileTable
from portal.access.guard import Acting
from portal.access.roles import Permission
from portal.lists import spec
from portal.lists.filters import ChoiceFilter, DateFilter, FilterSet, TextFilter


class AgreementFilter(FilterSet):
    """Filters of agreements."""

    status = ChoiceFilter(
        label=_("Status"),
        choices=[(code, status.label) for code, status in lifecycle.AGREEMENT.statuses.items()],
    )


# What a file was remarked for where the bank tells of payments otherwise than they stand here.
GRAVE = (
    "debit-not-expected",
    "waits-here",
    "sent-again-since",
    "refused-after-all",
    "refused-after-paid",
    "amount-differs",
    "batch-differs",
    "named-twice",
    "line-not-named",
    "another-account",
    "credit-taken-back",
    "credit-for-payment",
    "debited-again",
    "which-company",
    "discrepancy",
)


class FileFilter(FilterSet):
    """Filters of bank files."""

    name = TextFilter(label=_("Name holds"), field_name="name", lookup_expr="icontains")
    direction = ChoiceFilter(label=_("Direction"), choices=BankFile.Direction.choices)
    kind = ChoiceFilter(
        label=_("Content"),
        choices=list(KINDS.items()),
        field_name="kind",
        lookup_expr="startswith",
    )
    status = ChoiceFilter(
        label=_("Status"),
        choices=[(code, status.label) for code, status in lifecycle.FILE.statuses.items()],
    )
    made_from = DateFilter(label=_("From date"), field_name="created_at", lookup_expr="date__gte")
    made_to = DateFilter(label=_("To date"), field_name="created_at", lookup_expr="date__lte")

    remarked = ChoiceFilter(
        label=_("Remarks"),
        choices=[("grave", _("Payments otherwise than here"))],
        method="filter_remarked",
    )

    def filter_remarked(self, rows: QuerySet[BankFile], name: str, value: str) -> Any:
        return rows.filter(remarked_gravely())


def remarked_gravely() -> Q:
    """That a file was remarked for what money may be lost by."""
    return reduce(or_, (Q(remarks__contains=[{"code": code}]) for code in GRAVE))


def _agreements(*, acting: Acting, user: Any) -> QuerySet[BankAgreement]:
    return BankAgreement.objects.of(acting.company)


def files_seen(*, acting: Acting, user: Any = None) -> QuerySet[BankFile]:
    """The company's files; those with salary only for its axis."""
    rows = BankFile.objects.of(acting.company)
    return rows if acting.may(Permission.SEE_SALARY) else rows.filter(salary=False)


AGREEMENTS = spec.ListSpec(
    name="agreements",
    title=_("Agreements"),
    counted=ngettext_lazy("%(shown)s agreement", "%(shown)s agreements", "n"),
    address_name="banking:agreements",
    permissions=frozenset({Permission.SEE_AGREEMENTS}),
    table=AgreementTable,
    filters=AgreementFilter,
    rows=_agreements,
    loaded=lambda rows: rows.select_related("account", "channel"),
)
FILES = spec.ListSpec(
    name="bank_files",
    title=_("Bank files"),
    counted=ngettext_lazy("%(shown)s file", "%(shown)s files", "n"),
    address_name="banking:files",
    permissions=frozenset({Permission.SEE_FILES}),
    narrowed_by=frozenset({Permission.SEE_SALARY}),
    table=FileTable,
    filters=FileFilter,
    rows=files_seen,
    loaded=lambda rows: rows.select_related("channel"),
    exported=lambda rows: rows.select_related("channel", "agreement", "imported_by"),
)
