"""Payments that people write, in the scene: an empty draft, a corrected one, and what was handed in."""

from __future__ import annotations

import io
import json
from typing import Any

from django.http import QueryDict

from payments import drafting, fixes, intake
from payments.models import Draft, Payment, PaymentLine
from portal import clock
from portal.access.models import User
from tests import kit
from tests.browser.scene_payments import head, line
from tests.kit import Stage


def fill(made: Stage, user: User) -> tuple[dict[str, str], dict[str, int]]:
    """Drafts by label: public id; and files of payments that were brought in: row id."""
    with made.scope():
        rows = {
            "empty": drafting.begin(company=made.company, user=user, at=clock.now()),
            "corrected": _corrected(user),
            "handed-in": _handed_in(made, user),
        }
        uploads = {"": _file(made, user)}
    return {label: row.public_id for label, row in rows.items()}, uploads


def _corrected(user: User) -> Draft:
    """Instead of lines that were refused for six reasons."""
    rows = Payment.objects.select_related("account", "agreement__channel")
    payment = rows.get(number="B-rejected")
    ids = list(PaymentLine.objects.filter(payment=payment).values_list("pk", flat=True))
    draft = drafting.correct(
        payment=payment, user=user, line_ids=ids, at=clock.now(), today=clock.today()
    )
    assert draft is not None
    return draft


def _handed_in(made: Stage, user: User) -> Draft:
    draft = drafting.begin(company=made.company, user=user, at=clock.now())
    data = QueryDict(mutable=True)
    written = dict.fromkeys(fixes.TEXTS, "") | {
        "payee": "Strøm og Nett AS",
        "account": kit.account(70),
        "amount": "1 250,50",
        "currency": "NOK",
        "message": "Faktura 77",
    }
    data.update({f"line-1-{name}": text for name, text in written.items()})
    head_of = {"account": made.agreement.account.number, "kind": "supplier", "row": "1"}
    data.update({**head_of, "due_date": kit.soon().strftime("%d.%m.%Y")})
    common: dict[str, Any] = {"draft_id": draft.pk, "user": user, "at": clock.now()}
    drafting.write(**common, data=data, version=str(draft.version), act="keep")
    drafting.hand_in(**common, today=clock.today())
    return draft


def _file(made: Stage, user: User) -> int:
    """A file with a line that a check stops."""
    lines = [line("U1", "10.00"), line("U2", "20.00", account="12345678901")]
    body = {"totals": {"lines": 2, "sum": "30.00"}, "payments": [head(made, "U-1", lines)]}
    upload, _before = drafting.bring_in(
        company=made.company,
        user=user,
        media_type=intake.JSON,
        content=io.BytesIO(json.dumps(body).encode()),
        at=clock.now(),
        today=clock.today(),
    )
    return int(upload.pk)
