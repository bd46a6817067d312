"""Invoices that are approved before their payments come, in the scene: one of each kind; and the
daily checks."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings

from payments import digest, preapproval
from payments.models import DailyCheck, PaymentLine, PreApproval, PreApprovalSignature
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


def compared(made: Stage) -> None:
    """Daily checks: one that agrees, and a later one that does not."""
    paid = {"lines": 3, "sums": {"NOK": "125050.00", "EUR": "99.50"}}
    late = {"lines": 1, "sums": {"NOK": "1250.50"}}
    today = clock.today()
    for days, figures, unfetched in (
        (2, {"supplier": {"sent": paid, "debited": paid}}, 0),
        (1, {"supplier": {"sent": paid, "late": late, "odd": {"lines": 2, "sums": {}}}}, 4),
    ):
        DailyCheck.objects.create(
            company=made.company,
            day=today - dt.timedelta(days=days),
            made_at=clock.now(),
            figures=figures,
            unfetched=unfetched,
            fetched_until=clock.now(),
        )


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
