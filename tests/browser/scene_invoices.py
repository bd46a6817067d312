"""Invoices that are approved before their payments come, in the scene: one of each kind."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings

from payments import digest, preapproval
from payments.models import PaymentLine, PreApproval, PreApprovalSignature
from portal import clock
from portal.access.models import Company, User
from tests import kit
from tests.kit import Stage


def fill(made: Stage, *signers: User) -> dict[str, int]:
    """Invoices by label: row id; the company approves in advance from now on."""
    Company.objects.filter(pk=made.company.pk).update(pre_approval=True)
    made.company.refresh_from_db()
    with made.scope():
        line = PaymentLine.objects.filter(status="settled").order_by("pk")[0]
        rows = {
            "unsigned": _invoice(made, "Strøm og Nett AS", kid="1000421"),
            "signed": _invoice(made, "Håndverkerlauget for bærekraft SA", reference="Faktura 2026"),
            "used": _invoice(made, line.payee_name, reference="77", line=line, used_at=clock.now()),
            "ended": _invoice(
                made, "Sluttet AS", reference="78", ended_at=clock.now(), ended_by=signers[0]
            ),
            "too-old": _invoice(
                made, "Sen AS", reference="79", valid_until=clock.today() - dt.timedelta(days=2)
            ),
        }
        for label in ("signed", "used"):
            for user in signers:
                _sign(rows[label], user)
    return {label: row.pk for label, row in rows.items()}


def _invoice(made: Stage, payee: str, **other: Any) -> PreApproval:
    usual = {
        "payee_name": payee,
        "payee_account": kit.account(70),
        "payee_account_kind": "BBAN",
        "amount": 125050,
        "currency": "NOK",
        "valid_until": kit.soon(),
        "made_by": made.users["anne"],
        "made_at": clock.now(),
    }
    return PreApproval.objects.create(company=made.company, **usual | other)


def _sign(row: PreApproval, user: User) -> None:
    row.refresh_from_db()
    text = preapproval.statement(row, user, clock.now())
    PreApprovalSignature.objects.create(
        company_id=row.company_id,
        pre_approval=row,
        user=user,
        signed_at=clock.now(),
        factor="totp",
        device_id=1,
        statement=text,
        mac=digest.mac(text, key=settings.SIGNATURE_KEY),
    )
