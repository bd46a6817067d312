"""The tables of companies and of the change log: cells and export values."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.access import grants
from portal.access.models import Company, ServiceActivation, SigningKey
from portal.access.roles import CUSTOMER_ROLES, Permission
from portal.events import questions
from portal.events.questions import SetUp
from portal.lists.keyset import Order
from portal.lists.tables import Column, Table
from portal.people import companies
from portal.people.models import Change
from portal.people.templatetags import kvitt


class CompanyTable(Table):
    """Companies of a customer, with what each has, lacks and waits for."""

    orders: ClassVar[dict[str, Order]] = {
        "name": Order("name_key", "text"),
        "number": Order("organisation_number", "text"),
    }
    standard = "name"

    company = Column(gettext_lazy("Company"), lead=True, sort="name")
    number = Column(gettext_lazy("Organisation number"), sort="number")
    services = Column(gettext_lazy("Services"))
    agreements = Column(gettext_lazy("Active agreements"), right=True)
    waiting = Column(gettext_lazy("Wait for approval"), right=True)
    missing = Column(gettext_lazy("Missing set-up"), long=True)
    address = Column(gettext_lazy("Address"), shown=False)
    postal_code = Column(gettext_lazy("Postal code"), shown=False)
    city = Column(gettext_lazy("City"), shown=False)

    def read(self, rows: Any) -> None:
        ids = [row.pk for row in rows]
        self.on: dict[int, list[str]] = {}
        active = ServiceActivation.objects.filter(company_id__in=ids, deactivated_at=None)
        for row in active.order_by("company_id", "service"):
            self.on.setdefault(row.company_id, []).append(row.get_service_display())
        keys = dict(
            SigningKey.objects.filter(company_id__in=ids, retired_at=None).values_list(
                "company_id", "last_used_at"
            )
        )
        alone = Company.objects.filter(grants.nobody_approves(), pk__in=ids)
        unapproved = set(alone.values_list("pk", flat=True))
        # An export stands nowhere, and shows no links.
        edits = self.acting is not None and self.acting.may(Permission.MANAGE_CUSTOMER)
        self.set_up = {
            row.pk: _own(row, self.on.get(row.pk, []), keys, unapproved, edits=edits)
            for row in rows
        }
        for answer in questions.set_up.ask(companies=rows):
            for pk, more in answer.items():
                self.set_up[pk].facts |= more.facts
                self.set_up[pk].missing += more.missing

    def render_company(self, row: Company) -> str:
        address = reverse("people:administration", kwargs={"company": row.public_id})
        return format_html('<a class="ds-link" href="{}">{}</a>', address, row.name)

    def render_number(self, row: Company) -> str:
        number = kvitt.organisation(row.organisation_number)
        return format_html('<span class="figure nowrap">{}</span>', number)

    def render_services(self, row: Company) -> str:
        return ", ".join(self.on.get(row.pk, [])) or _("No service")

    def render_agreements(self, row: Company) -> str:
        return kvitt.number(self.set_up[row.pk].facts.get("agreements", 0))

    def render_waiting(self, row: Company) -> str:
        return str(self.set_up[row.pk].facts.get("waiting", 0))

    def render_missing(self, row: Company) -> str:
        lacks = self.set_up[row.pk].missing
        if not lacks:
            return format_html("{} {}", kvitt.icon("CheckmarkCircle"), _("Nothing"))
        told = [
            format_html('<a class="ds-link" href="{}">{}</a>', address, text) if address else text
            for text, address in lacks
        ]
        rows = format_html_join("", "<li>{}</li>", ((text,) for text in told))
        return format_html('<ul class="faults">{}</ul>', rows)

    def value_company(self, row: Company) -> str:
        return row.name

    def value_number(self, row: Company) -> str:
        return row.organisation_number

    def value_services(self, row: Company) -> str:
        return ", ".join(self.on.get(row.pk, []))

    def value_agreements(self, row: Company) -> Any:
        return self.set_up[row.pk].facts.get("agreements", 0)

    def value_waiting(self, row: Company) -> Any:
        return self.set_up[row.pk].facts.get("waiting", 0)

    def value_missing(self, row: Company) -> str:
        return "; ".join(str(text) for text, _address in self.set_up[row.pk].missing)

    def value_address(self, row: Company) -> str:
        return row.address

    def value_postal_code(self, row: Company) -> str:
        return row.postal_code

    def value_city(self, row: Company) -> str:
        return row.city


def _own(
    row: Company,
    services: list[str],
    keys: dict[int, Any],
    unapproved: set[int],
    *,
    edits: bool,
) -> SetUp:
    """What the directory itself finds missing in a company, with links that open to this user."""
    made = SetUp()
    words = {"company": row.public_id}
    here = reverse("people:administration", kwargs=words)
    lacking = [str(companies.NAMES[name]) for name in companies.missing(row)]
    if lacking:
        text = _("Missing: %(fields)s") % {"fields": ", ".join(lacking).lower()}
        made.missing.append((text, reverse("people:company-edit", kwargs=words) if edits else here))
    if not services:
        made.missing.append((_("No service is switched on"), here))
    elif ServiceActivation.Service.AUTOPAY.label in services:
        if row.pk not in keys:
            made.missing.append((_("No signing key: the ERP can send nothing"), here))
        elif keys[row.pk] is None:
            made.missing.append((_("The ERP has not used its key yet"), here))
        if row.pk in unapproved:
            made.missing.append((_("Nobody has a role that approves payments"), here))
    return made


def _place(row: Change) -> str:
    """Where a change holds, in words: a role that is given in no company is given in all."""
    if row.company is not None:
        return row.company.name
    codes = (row.after.get("role") or row.before.get("role") or "").split(",")
    if row.act.startswith("role.") and not {*codes} <= {role.value for role in CUSTOMER_ROLES}:
        return _("All companies, those to come too")
    return ""


class ChangeTable(Table):
    """Changes, the latest first."""

    orders: ClassVar[dict[str, Order]] = {"id": Order("id", "integer", descending=True)}
    standard = "id"

    time = Column(gettext_lazy("Time"))
    act = Column(gettext_lazy("What was done"), lead=True)
    about = Column(gettext_lazy("To whom or what"), long=True)
    differences = Column(gettext_lazy("From and to"), long=True)
    who = Column(gettext_lazy("By whom"), long=True)
    address = Column(gettext_lazy("From address"))

    def render_time(self, row: Change) -> str:
        return kvitt.moment(row.at)

    def render_act(self, row: Change) -> str:
        return row.label

    def render_about(self, row: Change) -> str:
        place = _place(row)
        if place in ("", row.subject_name):
            return row.subject_name
        return format_html("{} <small>{}</small>", row.subject_name, place)

    def render_differences(self, row: Change) -> str:
        parts = []
        for name, before, after in row.differences:
            if before and after:
                parts.append(format_html("{}: {} → {}", name, before, after))
            elif after and row.act == "limit.changed":
                parts.append(format_html("{}: {} → {}", name, _("No limit"), after))
            elif before and row.act == "limit.changed":
                parts.append(format_html("{}: {} → {}", name, before, _("No limit")))
            elif before:
                parts.append(format_html("{}: {} → –", name, before))
            else:
                parts.append(format_html("{}: {}", name, after))
        return SafeString("<br>".join(parts))

    def render_who(self, row: Change) -> str:
        return row.user_name

    def render_address(self, row: Change) -> str:
        return format_html('<span class="figure">{}</span>', row.address or "")

    def value_time(self, row: Change) -> Any:
        return row.at

    def value_act(self, row: Change) -> str:
        return row.label

    def value_about(self, row: Change) -> str:
        place = _place(row)
        return (
            row.subject_name if place in ("", row.subject_name) else f"{row.subject_name} ({place})"
        )

    def value_differences(self, row: Change) -> str:
        return "; ".join(
            f"{name}: {before or '–'} → {after or '–'}" if before else f"{name}: {after}"
            for name, before, after in row.differences
        )

    def value_who(self, row: Change) -> str:
        return row.user_name

    def value_address(self, row: Change) -> str:
        return row.address or ""
