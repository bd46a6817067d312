"""Services in use: what a company must have first, switching on, and what stops when one goes off.

What runs inside a service is known on higher floors: they answer the questions asked here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from portal.access import tenancy
from portal.access.models import Company, ServiceActivation, SigningKey
from portal.events import questions
from portal.people import changes, companies, keys

Service = ServiceActivation.Service
EXPLAINED: dict[str, Any] = {
    Service.AUTOPAY: _(
        "Takes payments from the ERP, lets your people approve and sign them, sends them to the"
        " bank and brings every status back."
    ),
    Service.AUTOCOLLECT: _(
        "Takes overdue invoices through reminders and debt collection to settlement."
    ),
}


class Incomplete(Exception):
    """The company lacks fields that the service needs; `fields` are their codes, all of them."""

    def __init__(self, fields: list[str]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


class UnderWay(Exception):
    """Something is on its way in the service; `reasons` says what, in sentences."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__(" ".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True, slots=True)
class State:
    """A service of a company: since when it is on, and why it cannot be switched."""

    code: str
    name: str
    explained: Any
    activation: ServiceActivation | None
    missing: list[str] = field(default_factory=list)
    why_not_off: list[str] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)


def active(company: Company) -> dict[str, ServiceActivation]:
    """The services that are on, by code; run it while acting for the company."""
    rows = ServiceActivation.objects.of(company).filter(deactivated_at=None)
    return {row.service: row for row in rows}


def in_use(company: Company, service: str = Service.AUTOPAY) -> bool:
    """Whether the service is on; run it while acting for the company."""
    rows = ServiceActivation.objects.of(company).filter(service=service, deactivated_at=None)
    return bool(rows.exists())


def used_in(companies: Iterable[int], service: str = Service.AUTOPAY) -> set[int]:
    """Those of the companies in which the service is on; run it while acting for them."""
    rows = ServiceActivation.objects.filter(service=service, deactivated_at=None)
    return set(rows.filter(company__in=tenancy.ids(companies)).values_list("company_id", flat=True))


def states(company: Company) -> list[State]:
    """Every service there is, as the page of a company shows it."""
    on = active(company)
    lacking = [str(companies.NAMES[name]) for name in companies.missing(company)]
    return [
        State(
            code=code,
            name=str(label),
            explained=EXPLAINED[code],
            activation=on.get(code),
            missing=lacking,
            why_not_off=_told(questions.under_way, company, code) if code in on else [],
            stops=_told(questions.stops, company, code) if code in on else [],
        )
        for code, label in Service.choices
    ]


def _told(question: questions.Question, company: Company, code: str) -> list[str]:
    return [text for texts in question.ask(company=company, service=code) for text in texts]


@transaction.atomic
def switch_on(*, company: Company, service: str, by: changes.By) -> SigningKey | None:
    """Switches a service on; nothing happens where it is on. AutoPay makes the signing key, where
    there is none, and hands it back.

    Raises Incomplete.
    """
    row = Company.objects.select_for_update().get(pk=company.pk)
    lacking = companies.missing(row)
    if lacking:
        raise Incomplete(lacking)
    if service in active(row):
        return None
    ServiceActivation.objects.create(company=row, service=service, activated_at=by.at)
    _log("service.on", row, service, by)
    if service == Service.AUTOPAY and keys.living(row) is None:
        return keys.make(company=row, by=by)
    return None


@transaction.atomic
def switch_off(*, company: Company, service: str, by: changes.By) -> None:
    """Switches a service off; nothing happens where it is off. Raises UnderWay."""
    row = Company.objects.select_for_update().get(pk=company.pk)
    activation = active(row).get(service)
    if activation is None:
        return
    reasons = _told(questions.under_way, row, service)
    if reasons:
        raise UnderWay(reasons)
    activation.deactivated_at = by.at
    activation.save(update_fields=["deactivated_at"])
    _log("service.off", row, service, by)


def _log(act: str, company: Company, service: str, by: changes.By) -> None:
    name = Service(service).label
    changes.record(
        act, by=by, customer=company.customer, company=company, after={"service": str(name)}
    )
