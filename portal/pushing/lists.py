"""The list of messages: the events that an ERP is told of, and whether it has taken them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from portal.access.acting import Acting
from portal.access.roles import Permission
from portal.erp import feed
from portal.erp.models import PushTarget, PushWaiting
from portal.events.lifecycle import Status
from portal.events.models import Event
from portal.lists import spec
from portal.lists.filters import ChoiceFilter, DateFilter, FilterSet, PrefixFilter
from portal.lists.keyset import Count, Order, count
from portal.lists.tables import Column, Table
from portal.people.templatetags import kvitt
from portal.pushing import words

WAITS, GIVEN_UP = "waits", "given-up"
STATES = {
    "sent": Status("sent", gettext_lazy("Taken"), "", tone="good"),
    WAITS: Status(WAITS, gettext_lazy("Waits"), "", tone="wait"),
    GIVEN_UP: Status(GIVEN_UP, gettext_lazy("Given up"), "", tone="bad"),
}


class MessageTable(Table):
    """Events by their number in the feed, the latest first."""

    orders: ClassVar[dict[str, Order]] = {"sequence": Order("sequence", "integer", descending=True)}
    standard = "sequence"
    choice = "event"

    number = Column(gettext_lazy("Payment"), lead=True)
    time = Column(gettext_lazy("Time"))
    event = Column(gettext_lazy("What happened"), long=True)
    state = Column(gettext_lazy("The ERP"), long=True)
    sequence = Column(gettext_lazy("Number in the feed"), right=True, sort="sequence")

    def read(self, rows: Any) -> None:
        self.waiting: dict[int, PushWaiting] = {}
        self.cursor = -1
        companies = {row.company_id for row in rows}
        sequences = [row.sequence for row in rows]
        for one in PushWaiting.objects.filter(company__in=companies, sequence__in=sequences):
            self.waiting[one.sequence] = one
        found = PushTarget.objects.filter(company__in=companies).values_list("cursor", flat=True)
        self.cursor = next(iter(found), -1)

    def _state(self, row: Event) -> str:
        one = self.waiting.get(row.sequence or 0)
        if one is not None:
            return GIVEN_UP if one.given_up_at else WAITS
        return "sent" if (row.sequence or 0) <= self.cursor else WAITS

    def choose_label(self, row: Event) -> str:
        return _("Choose message %(number)s") % {"number": row.sequence}

    def render_number(self, row: Event) -> str:
        if row.reference:
            return format_html("{} <small>{}</small>", row.number, row.reference)
        return row.number

    def render_time(self, row: Event) -> str:
        return kvitt.moment(row.at)

    def render_event(self, row: Event) -> str:
        return row.label

    def render_state(self, row: Event) -> str:
        tag, why = kvitt.tag(STATES[self._state(row)]), self._why(row)
        return format_html("{} <small>{}</small>", tag, why) if why else tag

    def render_sequence(self, row: Event) -> str:
        return format_html('<span class="figure">{}</span>', row.sequence)

    def _why(self, row: Event) -> str:
        one = self.waiting.get(row.sequence or 0)
        return words.answer(one.answer) if one is not None and one.answer else ""

    def value_number(self, row: Event) -> str:
        return row.number

    def value_time(self, row: Event) -> Any:
        return row.at

    def value_event(self, row: Event) -> str:
        return row.label

    def value_state(self, row: Event) -> str:
        why = self._why(row)
        label = str(STATES[self._state(row)].label)
        return f"{label}: {why}" if why else label

    def value_sequence(self, row: Event) -> Any:
        return row.sequence


class MessageFilter(FilterSet):
    """Filters of the messages."""

    tab = ChoiceFilter(
        label=gettext_lazy("Show"),
        choices=[(code, STATES[code].label) for code in (WAITS, GIVEN_UP)],
        method="filter_tab",
    )
    number = PrefixFilter(label=gettext_lazy("Payment number begins with"), field_name="number")
    since = DateFilter(label=gettext_lazy("First day"), field_name="at", lookup_expr="date__gte")
    until = DateFilter(label=gettext_lazy("Last day"), field_name="at", lookup_expr="date__lte")

    def filter_tab(self, rows: QuerySet[Event], name: str, value: str) -> QuerySet[Event]:
        waiting = PushWaiting.objects.filter(
            company=OuterRef("company"), sequence=OuterRef("sequence")
        )
        if value == GIVEN_UP:
            return rows.filter(Exists(waiting.filter(given_up_at__isnull=False)))
        beyond = PushTarget.objects.filter(
            company=OuterRef("company"), cursor__lt=OuterRef("sequence")
        )
        return rows.filter(Q(Exists(waiting.filter(given_up_at=None))) | Q(Exists(beyond)))

    def tab_counts(self, cap: int) -> dict[str, Count]:
        """How many wait, and how many are given up; none are counted when more is filtered."""
        if any(name != "tab" for name in self.in_force()):
            return {}
        rows = self.queryset.order_by()
        found = {
            tab: count(self.filter_tab(rows, "tab", tab), cap=cap) for tab in (WAITS, GIVEN_UP)
        }
        return {tab: one for tab, one in found.items() if one.shown}


def messages(*, acting: Acting, user: Any) -> QuerySet[Event]:
    """What the company's ERP is told of; of salary only to those who see that."""
    rows = feed.told_to(acting.company).filter(sequence__isnull=False)
    return rows if acting.may(Permission.SEE_SALARY) else rows.filter(salary=False)


MESSAGES = spec.ListSpec(
    name="push_messages",
    title=gettext_lazy("Messages to the ERP"),
    counted=ngettext_lazy("%(shown)s message", "%(shown)s messages", "n"),
    address_name="push:messages",
    permissions=frozenset({Permission.MANAGE_KEYS}),
    narrowed_by=frozenset({Permission.SEE_SALARY}),
    table=MessageTable,
    filters=MessageFilter,
    rows=messages,
    loaded=lambda rows: rows,
    tabs=(
        ("", gettext_lazy("All")),
        (WAITS, STATES[WAITS].label),
        (GIVEN_UP, STATES[GIVEN_UP].label),
    ),
)
