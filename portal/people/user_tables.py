"""The table of a customer's users: cells and export values."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Q
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.access import secondfactor
from portal.access.models import RoleGrant
from portal.access.roles import NAMES, Role
from portal.lists.keyset import Order
from portal.lists.tables import Column, Table
from portal.people.templatetags import kvitt
from portal.people.user_forms import LANGUAGES

ACTIVE, INVITED, ENDED = "active", "invited", "ended"
STATES: dict[str, tuple[Any, str]] = {
    ACTIVE: (gettext_lazy("Active"), "success"),
    INVITED: (gettext_lazy("Invited"), "warning"),
    ENDED: (gettext_lazy("Deactivated"), "neutral"),
}
ROLES_SHOWN = 3
UNKNOWN = "–"  # what is an account's own is not told before its owner accepts


def state_of(row: Any) -> str:
    """How a person stands at the customer; `row` has the membership's times."""
    if row.ended_at is not None:
        return ENDED
    return ACTIVE if row.accepted_at is not None else INVITED


def tag(row: Any) -> str:
    label, colour = STATES[state_of(row)]
    return format_html('<span class="ds-tag" data-color="{}">{}</span>', colour, label)


class UserTable(Table):
    """People of a customer, with what they may do and how they prove who they are."""

    orders: ClassVar[dict[str, Order]] = {
        "name": Order("name_key", "text"),
        "email": Order("email", "text"),
    }
    standard = "name"

    user = Column(gettext_lazy("Name"), lead=True, sort="name")
    email = Column(gettext_lazy("E-mail"), sort="email")
    state = Column(gettext_lazy("Status"))
    roles = Column(gettext_lazy("Roles"), long=True)
    companies = Column(gettext_lazy("Companies"), right=True)
    factors = Column(gettext_lazy("Two-factor"))
    seen = Column(gettext_lazy("Last signed in"))
    phone = Column(gettext_lazy("Phone"), shown=False)
    language = Column(gettext_lazy("Language"), shown=False)

    def read(self, rows: Any) -> None:
        ids = [row.pk for row in rows]
        customer = self.acting.customer
        self.held: dict[int, set[Role]] = {pk: set() for pk in ids}
        self.places: dict[int, set[int | None]] = {pk: set() for pk in ids}
        grants = RoleGrant.objects.filter(Q(customer=customer) | Q(company__customer=customer))
        own = grants.filter(user_id__in=ids).values_list("user_id", "company_id", "role")
        by_group = grants.filter(group__members__in=ids)
        for pk, company, role in [
            *own,
            *by_group.values_list("group__members", "company_id", "role"),
        ]:
            if pk in self.held:
                self.held[pk].add(Role(role))
                self.places[pk].add(company)
        self.enrolled = secondfactor.enrolled(ids)

    def _called(self, row: Any) -> str:
        """Until a person has accepted, they are called what their inviter called them."""
        return str(row.name if row.accepted_at else row.invited_name) or row.email

    def _roles(self, row: Any) -> list[str]:
        return [str(NAMES[role]) for role in Role if role in self.held[row.pk]]

    def render_user(self, row: Any) -> str:
        words = {"customer": self.acting.customer.public_id, "member": row.member_id}
        address = reverse("people:user", kwargs=words)
        return format_html('<a class="ds-link" href="{}">{}</a>', address, self._called(row))

    def render_email(self, row: Any) -> str:
        return format_html('<span class="breaks">{}</span>', row.email)

    def render_state(self, row: Any) -> str:
        return tag(row)

    def render_roles(self, row: Any) -> str:
        names = self._roles(row)
        if not names:
            return _("No role")
        more = len(names) - ROLES_SHOWN
        told = ", ".join(names[:ROLES_SHOWN])
        return told if more <= 0 else _("%(roles)s and %(n)s more") % {"roles": told, "n": more}

    def render_companies(self, row: Any) -> str:
        places = self.places[row.pk]
        return _("All") if None in places else str(len(places))

    def render_factors(self, row: Any) -> str:
        if not row.accepted_at:
            return UNKNOWN
        if row.pk in self.enrolled:
            tick = kvitt.icon("CheckmarkCircle")
            return format_html('<span class="nowrap">{} {}</span>', tick, _("Set up"))
        return _("Not set up")

    def render_seen(self, row: Any) -> str:
        return kvitt.moment(row.last_login) or _("Never") if row.accepted_at else UNKNOWN

    def value_user(self, row: Any) -> str:
        return self._called(row)

    def value_email(self, row: Any) -> str:
        return row.email

    def value_state(self, row: Any) -> str:
        return str(STATES[state_of(row)][0])

    def value_roles(self, row: Any) -> str:
        return ", ".join(self._roles(row))

    def value_companies(self, row: Any) -> str:
        return str(self.render_companies(row))

    def value_factors(self, row: Any) -> str:
        if not row.accepted_at:
            return ""
        return _("Set up") if row.pk in self.enrolled else _("Not set up")

    def value_seen(self, row: Any) -> Any:
        return row.last_login if row.accepted_at else None

    def value_phone(self, row: Any) -> str:
        return row.phone if row.accepted_at else ""

    def value_language(self, row: Any) -> str:
        return str(dict(LANGUAGES)[row.language]) if row.accepted_at else ""
