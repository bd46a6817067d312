"""The ERP's door to agreements: list, ask, activate; by a company's key or by a customer's.

A customer's key sees the agreements of all its companies, and activates in one of them at a time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from ninja import Query, Router, Schema

from banking import agreements, connecting, labels, lifecycle, numbers, stops, tasks
from banking.models import BankAgreement, ConnectionTest
from portal import clock
from portal.access.models import Company
from portal.access.roles import Permission
from portal.erp import codes, door, problems
from portal.erp.api import CompanyOut
from portal.events import moves
from portal.people import changes

router = Router(tags=["Agreements"])
AFTER_MAX = 2**63 - 1
BODY_MAX = 100


class BankOut(Schema):
    code: str
    name: str


class AccountOut(Schema):
    bban: str
    iban: str
    currency: str


class ApproversOut(Schema):
    portal: int
    bank: int
    sentence: str


class ErpOut(Schema):
    name: str
    system: str


class ObstacleOut(Schema):
    code: str
    problem: str
    cure: str
    existing: str


class ConnectionOut(Schema):
    tested_at: dt.datetime
    state: str
    code: str
    problem: str
    cure: str


class AgreementOut(Schema):
    id: str
    description: str
    bank: BankOut
    account: AccountOut
    status: str
    status_text: str
    format: str
    version: str
    services: list[str]
    approvers: ApproversOut
    customer_number: str
    agreement_id: str
    cut_over_date: dt.date | None
    closed_by_bank_at: dt.datetime | None
    sending_stopped: bool
    company_sending_stopped: bool
    erp: ErpOut
    connection: ConnectionOut | None
    obstacles: list[ObstacleOut]


class AgreementsOut(Schema):
    agreements: list[AgreementOut]
    next_after: int
    more: bool


class OwnedAgreementOut(AgreementOut):
    company: CompanyOut


class OwnedAgreementsOut(Schema):
    agreements: list[OwnedAgreementOut]
    next_after: int
    more: bool


# --- listing -------------------------------------------------------------------------------------


@router.get(
    "/agreements",
    response=AgreementsOut,
    summary=gettext_noop("The agreements with banks"),
    description=gettext_noop(
        "Agreements in the order they were made, after a cursor; only those of a status (draft,"
        " ordered, active, deactivated) or on an account, where these are given. obstacles tells"
        " what keeps one from being activated."
    ),
)
@door.acting()
def agreements_of(
    request: HttpRequest,
    status: str = "",
    account: str = "",
    after: int = Query(0, ge=0, le=AFTER_MAX),
    limit: int = Query(100, ge=1),
) -> dict[str, Any]:
    rows = BankAgreement.objects.of(door.caller_of(request).company)
    return _page(_narrowed(rows, status, account), after, limit)


@router.get(
    "/customer/agreements",
    response=OwnedAgreementsOut,
    auth=door.CustomerSignature(),
    summary=gettext_noop("The agreements of a customer's companies"),
    description=gettext_noop(
        "Signed with the customer's key. As the agreements of one company, with the company of"
        " each; only those of one company, where its public id is given."
    ),
)
@door.at_customer()
def agreements_at_customer(
    request: HttpRequest,
    company: str = "",
    status: str = "",
    account: str = "",
    after: int = Query(0, ge=0, le=AFTER_MAX),
    limit: int = Query(100, ge=1),
) -> dict[str, Any]:
    customer = door.customer_of(request).customer
    rows = BankAgreement.objects.filter(company__customer=customer)
    if company:
        rows = rows.filter(company=door.company_of(customer, company))
    return _page(_narrowed(rows, status, account), after, limit)


@router.get(
    "/agreements/{agreement}",
    response=AgreementOut,
    summary=gettext_noop("Ask for an agreement"),
    description=gettext_noop("The agreement as it stands now."),
)
@door.acting()
def agreement_one(request: HttpRequest, agreement: str) -> dict[str, Any]:
    return _told([_found(door.caller_of(request).company, agreement)])[0]


def _narrowed(rows: QuerySet[BankAgreement], status: str, account: str) -> QuerySet[BankAgreement]:
    """The rows that the filters leave; raises problems.Refused for one that cannot be right."""
    known = lifecycle.AGREEMENT.codes()
    if status and status not in known:
        problem = _("%(status)s is not a status of agreements.") % {"status": status}
        cure = _("Choose among %(statuses)s.") % {"statuses": ", ".join(known)}
        raise _invalid("query.status", problem, cure)
    if status:
        rows = rows.filter(status=status)
    if account:
        rows = rows.filter(account_number=_number(account))
    return rows


def _number(account: str) -> str:
    """The 11 digits of a BBAN or of a Norwegian IBAN."""
    written = numbers.account_of if account.strip()[:1].isalpha() else numbers.account
    try:
        number = written(account)
    except numbers.InvalidNumber:
        number = None
    if number is not None:
        return number
    problem = _("%(account)s is not a Norwegian account number.") % {"account": account[:40]}
    raise _invalid("query.account", problem, _("Write its 11 digits, or its IBAN."))


def _page(rows: QuerySet[BankAgreement], after: int, limit: int) -> dict[str, Any]:
    most = min(limit, settings.ERP_AGREEMENTS_PAGE_MAX)
    loaded = rows.filter(pk__gt=after).select_related("account", "channel", "company")
    found = list(loaded.order_by("pk")[: most + 1])
    told = found[:most]
    return {
        "agreements": _told(told),
        "next_after": told[-1].pk if told else after,
        "more": len(found) > most,
    }


def _told(rows: list[BankAgreement]) -> list[dict[str, Any]]:
    """Each as it is answered, in a constant number of queries and in the active language."""
    obstacles = agreements.obstacles(rows)
    stopped = stops.now_in({row.company_id for row in rows})
    tests = connecting.latest(rows)
    return [
        _facts(row, stopped[row.company_id])
        | {
            "connection": _connection(tests.get(row.pk)),
            "obstacles": [_obstacle(one) for one in obstacles[row.pk]],
        }
        for row in rows
    ]


def _connection(test: ConnectionTest | None) -> dict[str, Any] | None:
    """What the latest test of the way to the bank found."""
    if test is None:
        return None
    failed = next((step.told for step in connecting.shown(test) if step.ok is False), None)
    state = "closed" if failed else "open" if test.ended_at else "under_way"
    if not failed and not test.ended_at and not connecting.under_way(test):
        state = "not_carried_out"
    return {
        "tested_at": test.asked_at,
        "state": state,
        "code": failed.code if failed else "",
        "problem": failed.problem if failed else "",
        "cure": failed.cure if failed else "",
    }


def _facts(row: BankAgreement, stopped: stops.Stops) -> dict[str, Any]:
    here, bank = row.approvers_required, row.bank_approvers_required
    old = row.file_format == BankAgreement.Format.NETS
    return {
        "id": str(row.pk),
        "company": row.company,
        "description": row.description,
        "bank": {"code": row.channel.bank, "name": str(row.channel)},
        "account": {
            "bban": row.account.number,
            "iban": row.account.iban,
            "currency": row.account.currency,
        },
        "status": row.status,
        "status_text": str(row.state.label),
        "format": row.file_format,
        "version": "" if old else row.pain_version,
        "services": [name for name in labels.SERVICES if getattr(row, name)],
        "approvers": {
            "portal": here,
            "bank": bank,
            "sentence": agreements.approvers_sentence(here, bank),
        },
        "customer_number": row.customer_number,
        "agreement_id": row.agreement_id,
        "cut_over_date": row.cut_over_date,
        "closed_by_bank_at": row.closed_at if row.status == lifecycle.ACTIVE else None,
        "sending_stopped": row.pk in stopped.agreements,
        "company_sending_stopped": stopped.company is not None,
        "erp": {"name": row.erp_name, "system": row.erp_system},
    }


def _obstacle(one: agreements.Obstacle) -> dict[str, str]:
    existing = str(one.other.pk) if one.other else ""
    return {"code": one.code, "problem": one.text, "cure": one.cure, "existing": existing}


# --- activating ----------------------------------------------------------------------------------


def _asked_first(caller: door.Caller, request: HttpRequest) -> None:
    """All that is asked before anything is done. The code comes last, and only where it lets
    something happen: what is active already is told again without one.

    A status goes one way only, so what needs no code here needs none when it is carried out.
    """
    assert request.resolver_match is not None
    row = _found(caller.company, request.resolver_match.kwargs["agreement"])
    _must_be_empty(request)
    in_the_way = agreements.obstacles([row])[row.pk]
    if in_the_way:
        raise _refused(in_the_way)
    if row.status != lifecycle.ACTIVE:
        codes.take(caller, request, why=_("Activating an agreement takes a code."))


_ACTIVATING = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}, "example": {}}},
    }
}


@router.post(
    "/agreements/{agreement}/activate",
    response=AgreementOut,
    summary=gettext_noop("Activate an agreement"),
    description=gettext_noop(
        "Makes a draft or an ordered agreement active, on the word of an AutoPay Administrator of"
        " the company, with a fresh code from that user's authenticator app in the header"
        " Kvitt-Code; the body is {}. What is active already is told again, without a code."
    ),
    openapi_extra=_ACTIVATING,
)
@door.acting(user_may=Permission.CHANGE_AGREEMENTS, first=_asked_first)
def agreement_activate(request: HttpRequest, agreement: str) -> dict[str, Any]:
    return _activated(door.caller_of(request), agreement)


@router.post(
    "/customer/companies/{company}/agreements/{agreement}/activate",
    response=OwnedAgreementOut,
    auth=door.CustomerSignature(),
    summary=gettext_noop("Activate an agreement of a customer's company"),
    description=gettext_noop(
        "Signed with the customer's key; all else as activating by the company's own key, on the"
        " word of an AutoPay Administrator of that company."
    ),
    openapi_extra=_ACTIVATING,
)
@door.at_company(user_may=Permission.CHANGE_AGREEMENTS, first=_asked_first)
def agreement_activate_at(request: HttpRequest, company: str, agreement: str) -> dict[str, Any]:
    return _activated(door.caller_of(request), agreement)


def _activated(caller: door.Caller, agreement: str) -> dict[str, Any]:
    """The agreement, active now; raises problems.Refused."""
    row = _found(caller.company, agreement)
    if row.status != lifecycle.ACTIVE:
        try:
            with transaction.atomic():
                agreements.activate(agreement=row, by=caller.actor(), told=_log(caller))
                tasks.nudge_reading()
                _test(row, caller)
        except agreements.Unfit as error:
            told = agreements.obstacles([row])[row.pk]
            faults = told or [agreements.unfit_as_it_is(text) for text in error.reasons]
            raise _refused(faults) from error
        except agreements.AnotherIsActive as error:
            raise _refused([agreements.another(error.other)]) from error
        except moves.Conflict as error:
            if _found(caller.company, agreement).status != lifecycle.ACTIVE:
                raise _refused([agreements.deactivated()]) from error
        row = _found(caller.company, agreement)
    return _told([row])[0]


def _log(caller: door.Caller) -> changes.By:
    who = f"{caller.user} (ERP)" if caller.user else "ERP"
    return changes.By(caller.user, who, None, clock.now())


def _test(row: BankAgreement, caller: door.Caller) -> None:
    """Begins a test of the way to the bank; who asks for the agreement is told what it finds."""
    assert caller.user is not None
    test = connecting.begin(agreement=row, user=caller.user)
    if test is not None:
        tasks.nudge_test(row.company_id, test.pk)


def _found(company: Company, agreement: str) -> BankAgreement:
    rows = BankAgreement.objects.of(company).select_related("account", "channel", "company")
    number = int(agreement) if agreement.isascii() and agreement.isdigit() else 0
    row: BankAgreement | None = rows.filter(pk=number).first() if number <= AFTER_MAX else None
    if row is not None:
        return row
    raise problems.one(
        404,
        _("Nothing found"),
        code="unknown-agreement",
        place="agreement",
        problem=_("The company has no agreement with the id %(id)s.") % {"id": agreement[:40]},
        cure=_("Ask for the agreements, and use an id told there."),
    )


def _must_be_empty(request: HttpRequest) -> None:
    """A field that is sent would not be heeded, and that is told."""
    body = door.body_of(request).file.read(BODY_MAX + 1)
    if len(body) > BODY_MAX or b"".join(body.split()) != b"{}":
        raise _invalid("body", _("The body is not an empty object."), _("Send {} as the body."))


def _invalid(place: str, problem: str, cure: str) -> problems.Refused:
    title = _("The request is not valid")
    return problems.one(422, title, code="invalid", place=place, problem=problem, cure=cure)


def _refused(obstacles: Iterable[agreements.Obstacle]) -> problems.Refused:
    return problems.Refused(
        status=409,
        title=_("The agreement cannot be activated"),
        problems=[problems.Problem(place="agreement", **_obstacle(one)) for one in obstacles],
    )
