"""The door for a bureau's ERP: make companies, switch their services on, see how they stand.

Requests are signed with the customer's own key. The signing key of a new company is handed over
in the answer that made it, and never again.
"""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field, ValidationError

from portal import clock
from portal.access.models import Company, ServiceActivation, SigningKey
from portal.access.roles import Permission
from portal.erp import door, problems
from portal.people import changes, companies, services

router = Router(tags=["Companies"], auth=door.CustomerSignature())
PAGE_MAX = 500


class CompanyIn(Schema):
    """A company to be made; what services need may be left out if none is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    organisation_number: str
    address: str = ""
    postal_code: str = ""
    city: str = ""
    services: list[str] = Field(default_factory=list)


class CompanyState(Schema):
    public_id: str
    name: str
    organisation_number: str
    services: list[str]
    missing: list[str]
    key: str


class CompaniesOut(Schema):
    companies: list[CompanyState]
    next_after: str
    more: bool


class CompanyMade(Schema):
    company: CompanyState
    signing_key: str | None


def _states(rows: list[Company]) -> list[dict[str, Any]]:
    """How each company stands, in a constant number of queries.

    `key` is none, unused or used: whether the ERP of the company has signed with its key yet.
    """
    ids = [row.pk for row in rows]
    on: dict[int, list[str]] = {}
    active = ServiceActivation.objects.filter(company_id__in=ids, deactivated_at=None)
    for pk, service in active.order_by("service").values_list("company_id", "service"):
        on.setdefault(pk, []).append(service)
    living = SigningKey.objects.filter(company_id__in=ids, retired_at=None)
    keys = dict(living.values_list("company_id", "last_used_at"))
    return [
        {
            "public_id": row.public_id,
            "name": row.name,
            "organisation_number": row.organisation_number,
            "services": on.get(row.pk, []),
            "missing": companies.missing(row),
            "key": "none" if row.pk not in keys else "used" if keys[row.pk] else "unused",
        }
        for row in rows
    ]


@router.get(
    "/customer/companies",
    response=CompaniesOut,
    summary=gettext_noop("The companies of a customer"),
    description=gettext_noop(
        "Signed with the customer's key. Companies by organisation number, after a cursor: with"
        " the services that are on, the fields that services lack, and whether the company's key"
        " is none, unused or used."
    ),
)
@door.at_customer()
def companies_of(
    request: HttpRequest, after: str = Query("", max_length=9), limit: int = Query(100, ge=1)
) -> dict[str, Any]:
    customer = _customer(request)
    most = min(limit, PAGE_MAX)
    rows = customer.companies.filter(organisation_number__gt=after.replace("\0", ""))
    found = list(rows.order_by("organisation_number")[: most + 1])
    told = found[:most]
    return {
        "companies": _states(told),
        "next_after": told[-1].organisation_number if told else after,
        "more": len(found) > most,
    }


@router.post(
    "/customer/companies",
    response={201: CompanyMade},
    summary=gettext_noop("Make a company"),
    description=gettext_noop(
        "Signed with the customer's key, naming a customer administrator. The services named are"
        " switched on; with AutoPay comes the company's signing key, in this answer only. All of it"
        " is done or nothing."
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": CompanyIn.model_json_schema()}},
        }
    },
)
@door.at_customer(user_may=Permission.MANAGE_CUSTOMER)
def company_make(request: HttpRequest) -> Status[dict[str, Any]]:
    values, wanted, odd = _wanted(request)
    customer, by = _customer(request), _by(request)
    _must_be_fit(customer, values, wanted, odd)
    key = None
    with transaction.atomic():
        try:
            company = companies.create(customer=customer, values=values, by=by)
        except companies.Unfit as error:
            # Somebody else made it since we looked.
            number = companies.checked(values)[0]["organisation_number"]
            raise _unfit(error.faults, customer, number) from error
        with door.also_for(request, company):
            for service in sorted(set(wanted)):
                key = services.switch_on(company=company, service=service, by=by) or key
            state = _states([company])[0]
    return Status(201, {"company": state, "signing_key": _handed_over(key)})


@router.post(
    "/customer/companies/{company}/services/{service}",
    response=CompanyMade,
    summary=gettext_noop("Switch a service on"),
    description=gettext_noop(
        "Signed with the customer's key, naming a customer administrator; the body is {}."
        " Where AutoPay is switched on for the first time the company's signing key comes back, in"
        " this answer only. A service that is on stays on."
    ),
)
@door.at_customer(user_may=Permission.MANAGE_CUSTOMER)
def service_on(request: HttpRequest, company: str, service: str) -> dict[str, Any]:
    row = door.company_of(_customer(request), company)
    unknown = _unknown_services([service], "service")
    if unknown:
        raise _refused(unknown)
    try:
        key = services.switch_on(company=row, service=service, by=_by(request))
    except services.Incomplete as error:
        raise _refused([_needed(name) for name in error.fields]) from error
    return {"company": _states([row])[0], "signing_key": _handed_over(key)}


def _customer(request: HttpRequest) -> Any:
    return door.customer_of(request).customer


def _by(request: HttpRequest) -> changes.By:
    """The named user, in the change log told from what a person does on a page."""
    user = door.customer_of(request).user
    address = request.META.get("REMOTE_ADDR") or None
    return changes.By(user, f"{user} (ERP)", address, clock.now())


def _handed_over(key: SigningKey | None) -> str | None:
    return str(key.secret) if key else None


def _wanted(
    request: HttpRequest,
) -> tuple[dict[str, str], list[str], list[problems.Problem]]:
    """(values, services, faults in the shape) of what was sent: a field whose shape is wrong is
    told, and the rest is looked at all the same. Raises problems.Refused for what is no object."""
    body = door.body_of(request).file.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    try:
        sent = CompanyIn.model_validate_json(body)
    except ValidationError as error:
        odd = problems.of_shape(error.errors())
        try:
            fields = json.loads(body)
        except (ValueError, RecursionError):
            fields = None
        if not isinstance(fields, dict):
            raise _refused(odd) from error
        texts = {name: fields.get(name, "") for name in companies.FIELDS}
        values = {name: text if isinstance(text, str) else "" for name, text in texts.items()}
        listed = fields.get("services", [])
        wanted = [one for one in listed if isinstance(one, str)] if isinstance(listed, list) else []
        return values, wanted, odd
    return {name: getattr(sent, name) for name in companies.FIELDS}, sent.services, []


def _refused(found: list[problems.Problem], status: int = 422) -> problems.Refused:
    return problems.Refused(status=status, title=_("The request is not valid"), problems=found)


def _must_be_fit(
    customer: Any, values: dict[str, str], wanted: list[str], odd: list[problems.Problem]
) -> None:
    """Every fault at once, before anything is made, with those of the shape; raises
    problems.Refused."""
    kept, faults = companies.checked(values)
    told = {problem.place for problem in odd}
    faults = [fault for fault in faults if fault.field not in told]
    number = kept["organisation_number"]
    if customer.companies.filter(organisation_number=number).exists():
        faults.append(companies.taken(number))
    more = odd + _unknown_services(wanted, "services")
    if wanted:
        wrong = {fault.field for fault in faults} | told
        lacking = [name for name in companies.NEEDED if not kept[name] and name not in wrong]
        more += [_needed(name) for name in lacking]
    if faults or more:
        raise _unfit(faults, customer, number, more)


def _unfit(
    faults: list[companies.Fault],
    customer: Any,
    number: str,
    more: list[problems.Problem] | None = None,
) -> problems.Refused:
    """409 where nothing is wrong but that the company is there, telling its id; else 422."""
    only_taken = not more and [fault.code for fault in faults] == ["taken"]
    found = [_problem(fault, customer, number) for fault in faults] + (more or [])
    return _refused(found, 409 if only_taken else 422)


def _problem(fault: companies.Fault, customer: Any, number: str) -> problems.Problem:
    cure = _("Correct it and send the company again; nothing was made.")
    if fault.code == "taken":
        there = customer.companies.get(organisation_number=number)
        cure = _(
            "Use the company that is there: its id is %(id)s. If its signing key was lost on the"
            " way, an AutoPay Administrator makes a new one on the company's page."
        ) % {"id": there.public_id}
        return problems.Problem(fault.code, fault.field, fault.text, cure, there.public_id)
    return problems.Problem(fault.code, fault.field, fault.text, cure)


def _unknown_services(wanted: list[str], place: str) -> list[problems.Problem]:
    known = ServiceActivation.Service.values
    return [
        problems.Problem(
            code="unknown-service",
            place=place,
            problem=_("%(service)s is not a service.") % {"service": service},
            cure=_("Choose among %(services)s.") % {"services": ", ".join(known)},
        )
        for service in wanted
        if service not in known
    ]


def _needed(name: str) -> problems.Problem:
    return problems.Problem(
        code="service-needs",
        place=name,
        problem=_("A service needs this field, and it is empty: %(field)s.")
        % {"field": companies.NAMES[name]},
        cure=_("Fill it in: in the body for a new company, else on the company's page."),
    )
