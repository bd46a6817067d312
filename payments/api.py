"""The ERP's door to payments: upload, ask, cancel. Each operation makes one domain call."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.translation import get_language, gettext_noop
from django.utils.translation import gettext as _
from ninja import Router, Schema, Status

from banking import agreements
from payments import approval, cancelling, intake, lifecycle, queries, tasks
from payments.models import PaymentLine
from portal import clock
from portal.access.roles import Permission
from portal.erp import codes, door, problems
from portal.events import moves, questions
from portal.people import services

router = Router(tags=["Payments"])
LINES_TOLD_MAX = settings.UPLOAD_MAX_LINES
KEY_MAX = 100


class StoppedOut(Schema):
    reference: str
    code: str
    field: str
    place: str
    problem: str
    cure: str


class TakenOut(Schema):
    number: str
    erp_code: int
    lines: int
    stopped: list[StoppedOut]


class UploadOut(Schema):
    upload: str
    erp_code: int
    payments: list[TakenOut]


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/xml": {
                "schema": {"type": "string", "description": "pain.001.001.03 or pain.001.001.09"}
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "description": "See docs/erp-api.md: totals, payments.",
                }
            },
        },
    }
}


def _must_show_code(caller: door.Caller, request: HttpRequest) -> None:
    """Where the company asks for one; what was answered before is told again without."""
    key = request.headers.get("Idempotency-Key", "")
    if not intake.known(company=caller.company, key=key):
        # Asked before the file is read, so one agreement that asks for it asks for all uploads.
        codes.must_show_code(caller, request, asked=agreements.ask_for_code(caller.company))


@router.post(
    "/payments",
    summary=gettext_noop("Upload payments"),
    description=gettext_noop(
        "Takes a whole file or nothing of it; a fault in a line stops that line only. The same"
        " Idempotency-Key with the same body gives the same answer (200); with another body 422."
    ),
    response={200: UploadOut, 201: UploadOut},
    openapi_extra=_BODY,
)
@door.acting(user_may=Permission.UPLOAD, first=_must_show_code)
def upload(request: HttpRequest) -> HttpResponse:
    caller = door.caller_of(request)
    if not services.in_use(caller.company):
        raise problems.one(
            403,
            _("AutoPay is off"),
            code="service-off",
            place="",
            problem=_("The company does not use AutoPay now, so it takes no payments."),
            cure=_("Let a customer administrator switch AutoPay on, and send the file again."),
        )
    key = _idempotency_key(request)
    media_type = _media_type(request)
    body = door.body_of(request)
    assert caller.user is not None
    try:
        answer, told_before = intake.take(
            company=caller.company,
            user=caller.user,
            by=caller.actor(),
            key=key,
            media_type=media_type,
            body=body.file,
            body_sha256=body.sha256,
            at=clock.now(),
            today=clock.today(),
        )
    except intake.KeyReused as error:
        raise problems.one(
            422,
            _("The key was used before"),
            code="key-reused",
            place="Idempotency-Key",
            problem=_("This Idempotency-Key was used with another body."),
            cure=_("Send the first body again to get its answer, or use a new key."),
        ) from error
    # Sorted, because the database does not keep the order and a replay is to be the same bytes.
    response = JsonResponse(
        answer, status=200 if told_before else 201, json_dumps_params={"sort_keys": True}
    )
    if told_before:
        response["Idempotent-Replay"] = "true"
    return response


def _idempotency_key(request: HttpRequest) -> str:
    key = request.headers.get("Idempotency-Key", "").strip()
    if 1 <= len(key) <= KEY_MAX:
        return key
    raise problems.one(
        400,
        _("The key is missing"),
        code="key-missing",
        place="Idempotency-Key",
        problem=_("There is no Idempotency-Key of 1 to 100 characters."),
        cure=_("Make one random key per upload and send it again with every retry."),
    )


def _media_type(request: HttpRequest) -> str:
    media_type = (request.content_type or "").lower()
    if media_type in (intake.XML, "text/xml"):
        return intake.XML
    if media_type == intake.JSON:
        return intake.JSON
    raise problems.one(
        415,
        _("The format is not known"),
        code="media-type",
        place="Content-Type",
        problem=_("%(type)s is not a format that payments are taken in.") % {"type": media_type},
        cure=_("Send pain.001 as application/xml, or JSON as application/json."),
    )


class CancelOut(Schema):
    number: str
    cancelled: int
    asked: int


# A number may hold a slash; cancelling stands first, so that its address is not read as a number.
@router.post(
    "/payments/{path:number}/cancel",
    response={200: CancelOut, 202: CancelOut},
    summary=gettext_noop("Cancel a payment"),
    description=gettext_noop(
        "Cancels the payment, or only the lines named, as long as nothing of it has been sent"
        " (200). What lies unpaid at the bank, the bank is asked to stop (202): it decides, and its"
        ' answer comes as an event. The body is JSON: {"reason": "…", "references": ["…"]};'
        " references may be left out."
    ),
)
@door.acting(user_may=Permission.UPLOAD)
def cancel(request: HttpRequest, number: str) -> Status[dict[str, Any]]:
    caller = door.caller_of(request)
    payment = _payment_or_404(request, number)
    reason, references = _cancel_body(request)
    if references is not None:
        _must_be_lines_of(payment, references)
    try:
        rows = approval.cancel(
            company=caller.company,
            by=caller.actor(),
            permissions=None,
            payment_ids=[payment.pk],
            reason=reason,
            references=references or (),
            at=clock.now(),
        )
    except (moves.Conflict, approval.Changed) as error:
        asked = _ask_bank(caller, payment, reason, references)
        if asked:
            return Status(202, {"number": payment.number, "cancelled": 0, "asked": asked})
        raise problems.one(
            409,
            _("The payment can no longer be cancelled"),
            code="too-late",
            place="number",
            problem=_(
                "%(number)s has been paid or ended, is on its way to the bank this moment, or the"
                " bank has been asked already or takes no such request."
            )
            % {"number": number},
            cure=_("Read its status. Where it lies unpaid at the bank, call the bank."),
        ) from error
    return Status(200, {"number": payment.number, "cancelled": rows, "asked": 0})


def _ask_bank(caller: door.Caller, payment: Any, reason: str, references: list[str] | None) -> int:
    """How many lines the bank is asked to stop; 0: there is nothing to ask about."""
    try:
        asked = cancelling.ask(
            company=caller.company,
            by=caller.actor(),
            user=caller.user,
            permissions=None,
            payment_ids=[payment.pk],
            reason=reason,
            references=references or (),
            at=clock.now(),
        )
    except cancelling.NothingToAsk:
        return 0
    tasks.nudge_sending(caller.company.pk)
    return asked


class LineOut(Schema):
    reference: str
    status: str
    erp_code: int | None
    amount: str
    currency: str
    reasons: list[dict[str, Any]]
    instead_of: dict[str, str] | None


class PaymentOut(Schema):
    number: str
    status: str
    status_text: str
    erp_code: int | None
    due_date: str
    lines: list[LineOut]


@router.get(
    "/payments/{path:number}",
    response=PaymentOut,
    summary=gettext_noop("Ask for a payment"),
    description=gettext_noop("The payment and each of its lines as they stand now."),
)
@door.acting()
def ask(request: HttpRequest, number: str) -> dict[str, Any]:
    payment = _payment_or_404(request, number)
    language = get_language() or "nb"
    status = lifecycle.PAYMENT_STATUSES[payment.status]
    rows = PaymentLine.objects.filter(payment=payment).order_by("position")
    return {
        "number": payment.number,
        "status": payment.status,
        "status_text": str(status.label),
        "erp_code": status.erp_code,
        "due_date": payment.due_date.isoformat(),
        "lines": [
            {
                "reference": line.reference,
                "status": line.status,
                "erp_code": lifecycle.LINE.statuses[line.status].erp_code,
                "amount": f"{line.amount:.2f}",
                "currency": line.currency,
                "reasons": questions.explained(line.reasons, language=language),
                "instead_of": _instead_of(line),
            }
            for line in rows.select_related("corrects__payment")[:LINES_TOLD_MAX]
        ],
    }


def _instead_of(line: PaymentLine) -> dict[str, str] | None:
    """The line that was not paid, which this one is paid instead of."""
    if line.corrects is None:
        return None
    return {"number": line.corrects.payment.number, "reference": line.corrects.reference}


def _payment_or_404(request: HttpRequest, number: str) -> Any:
    company = door.caller_of(request).company
    payment = None if "\0" in number else queries.by_number(company=company, number=number)
    if payment is None:
        raise problems.one(
            404,
            _("Nothing found"),
            code="unknown-payment",
            place="number",
            problem=_("No payment has the number %(number)s.") % {"number": number},
            cure=_("Check the number; a refused upload has stored nothing."),
        )
    return payment


def _must_be_lines_of(payment: Any, references: list[str]) -> None:
    """A reference that is not there is a mistake to tell, never a line silently left to be paid."""
    known = PaymentLine.objects.filter(payment=payment, reference__in=references)
    missing = sorted(set(references) - set(known.values_list("reference", flat=True)))
    if missing:
        raise problems.one(
            422,
            _("The request is not valid"),
            code="unknown-reference",
            place="references",
            problem=_("%(number)s has no line %(references)s.")
            % {"number": payment.number, "references": ", ".join(missing[:10])},
            cure=_("Name lines by the references they were uploaded with."),
        )


def _cancel_body(request: HttpRequest) -> tuple[str, list[str] | None]:
    """The reason, and the references or None for the whole payment."""
    body = door.body_of(request)
    try:
        parsed = json.loads(body.file.read(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) or b"{}")
        reason, references = parsed.get("reason", ""), parsed.get("references")
        unknown = sorted(parsed.keys() - {"reason", "references"})
        if unknown:
            raise ValueError(_("%(field)s is not known") % {"field": unknown[0]})
        if not _is_text(reason):
            raise TypeError(_("reason is to be text"))
        if references is not None and not (
            isinstance(references, list) and references and all(map(_is_text, references))
        ):
            raise TypeError(_("references is to be a list of at least one text"))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise problems.one(
            422,
            _("The request is not valid"),
            code="invalid",
            place="body",
            problem=_("The body is not the JSON that is expected: %(reason)s.") % {"reason": error},
            cure=_('Send {"reason": "…"}, and "references" to name lines.'),
        ) from error
    return reason[:200], references


def _is_text(value: Any) -> bool:
    """Whether it is text that the database can keep."""
    return isinstance(value, str) and not any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value)
