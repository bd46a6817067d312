"""Writing payments as the portal's own JSON; reads nothing back."""

import json
from collections.abc import Sequence
from typing import Any

from portal.simerp import amounts, orders

CONTENT_TYPE = "application/json"


def write(*, payments: Sequence[orders.Payment]) -> bytes:
    """Return the JSON body; amounts and KIDs are text, absent fields are left out."""
    document = {
        "totals": {
            "lines": sum(len(payment.lines) for payment in payments),
            "sum": amounts.to_text(sum(payment.ore for payment in payments)),
        },
        "payments": [
            {
                "number": payment.number,
                "due_date": payment.due_date,
                "debit_account": payment.debit_account,
                "kind": "supplier",
                "lines": [_line(line) for line in payment.lines],
            }
            for payment in payments
        ],
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _line(line: orders.Line) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "reference": line.reference,
        "amount": amounts.to_text(line.ore),
        "currency": orders.CURRENCY,
        "payee": _present({"name": line.payee, "town": line.town, "country": line.country}),
        "account": line.account,
        "kid": line.kid,
        "message": line.message,
        "documents": [
            _present(
                {
                    "kind": document.kind,
                    "number": document.number,
                    "amount": amounts.to_text(document.ore),
                    "kid": document.kid,
                }
            )
            for document in line.documents
        ],
    }
    return _present(fields)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}
