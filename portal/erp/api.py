"""The API object that apps hang their routers on, its refusals, and what concerns no app."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _
from ninja import NinjaAPI, Query, Schema
from ninja.errors import HttpError, ValidationError

from portal import clock
from portal.erp import door, feed, positions, problems


class _Api(NinjaAPI):
    """Answers that tell of a try say so."""

    def create_response(self, request: HttpRequest, data: Any, **more: Any) -> HttpResponse:
        answer: HttpResponse = super().create_response(request, data, **more)
        if door.SANDBOX in request.headers and request.method != "GET":
            answer[door.SANDBOX] = "true"
        return answer


api = _Api(
    title="Kvitt ERP API",
    version="1",
    description="Payments in, statuses out. Every request is signed with the company's key.",
    urls_namespace="erp",
    auth=door.Signature(),
    docs_url=None,
    openapi_url="/openapi.json",
)


class CompanyOut(Schema):
    public_id: str
    name: str
    organisation_number: str


class PingOut(Schema):
    company: CompanyOut
    time: str


class ReasonOut(Schema):
    code: str
    text: str = ""
    title: str = ""
    cure: str = ""
    who: str = ""


class LineNamed(Schema):
    number: str
    reference: str


class CorrectsOut(Schema):
    reference: str
    instead_of: LineNamed


class EventOut(Schema):
    sequence: int
    at: str
    event: str
    number: str | None
    reference: str | None
    lines: int
    status: str
    status_text: str
    erp_code: int | None
    reasons: list[ReasonOut]
    corrects: list[CorrectsOut] | None = None


class EventsOut(Schema):
    events: list[EventOut]
    next_after: int
    more: bool


@api.get(
    "/ping",
    response=PingOut,
    summary=gettext_noop("Test the connection"),
    description=gettext_noop(
        "Answers with the company that the key belongs to, and the portal's time."
    ),
)
@door.acting()
def ping(request: HttpRequest) -> dict[str, Any]:
    company = door.caller_of(request).company
    return {"company": company, "time": clock.now().isoformat()}


@api.get(
    "/events",
    response=EventsOut,
    summary=gettext_noop("What has happened since"),
    description=gettext_noop(
        "Events after a cursor, oldest first. Keep next_after and ask again with it. An event"
        " without a reference holds for every line of its payment that is not final."
    ),
)
@door.acting()
def events(
    request: HttpRequest,
    after: int = Query(0, ge=0, le=2**63 - 1),
    limit: int = Query(1000, ge=1),
) -> dict[str, Any]:
    company = door.caller_of(request).company
    positions.asked(company=company, cursor=after)
    return feed.after(
        company=company,
        cursor=after,
        limit=min(limit, settings.ERP_EVENTS_PAGE_MAX),
        language=get_language() or "nb",
    )


def _instance(request: HttpRequest) -> str:
    return str(getattr(request, "request_id", ""))


@api.exception_handler(problems.Refused)
def _refused(request: HttpRequest, error: Any) -> HttpResponse:
    return problems.response(error, instance=_instance(request))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: Any) -> HttpResponse:
    found = problems.of_shape(error.errors)
    refused = problems.Refused(status=422, title=_("The request is not valid"), problems=found)
    return problems.response(refused, instance=_instance(request))


@api.exception_handler(HttpError)
def _http_error(request: HttpRequest, error: Any) -> HttpResponse:
    refused = problems.one(
        error.status_code,
        _("The request is refused"),
        code="refused",
        problem=str(error),
        cure=_("See the API's description."),
    )
    return problems.response(refused, instance=_instance(request))
