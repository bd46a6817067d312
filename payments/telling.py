"""Events about a whole payment that change no status: who, when and why, on its own axis."""

from __future__ import annotations

import datetime as dt
from typing import Any

from payments.models import Payment
from portal.access.actors import Actor
from portal.events import moves


def tell(event: str, payment: Payment, *, by: Actor, at: dt.datetime, **more: Any) -> None:
    """Writes an Event of the payment; `more` are rows, reasons, detail and standing as
    moves.record takes them."""
    moves.record(
        company_id=payment.company_id,
        event=event,
        subject="payment",
        subject_id=payment.pk,
        group_id=payment.pk,
        number=payment.number,
        salary=payment.kind == Payment.Kind.SALARY,
        by=by,
        at=at,
        **more,
    )
