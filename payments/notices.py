"""Mails about payments, in each reader's language; salary only to those with its axis."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments.models import Payment, PaymentLine
from portal import mail
from portal.access import grants
from portal.access.models import Company, User
from portal.access.roles import Permission
from portal.events import questions
from portal.events.models import Event

LINES_TOLD_MAX = 20


def _axes(ids: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Payment ids by kind: each kind has its own readers."""
    kinds: dict[str, list[int]] = {}
    for pk, kind in Payment.objects.filter(pk__in=list(ids)).values_list("pk", "kind"):
        kinds.setdefault(kind, []).append(pk)
    return sorted(kinds.items())


def _approvers(company: Company, kind: str) -> list[User]:
    permission = (
        Permission.APPROVE_SALARY if kind == Payment.Kind.SALARY else Permission.APPROVE_SUPPLIER
    )
    return list(grants.holders(company=company, permission=permission))


def _readers(company: Company, kind: str) -> list[User]:
    permission = Permission.SEE_SALARY if kind == Payment.Kind.SALARY else Permission.SEE_SUPPLIER
    return list(grants.holders(company=company, permission=permission))


def _address(company: Company) -> str:
    path = reverse("payments:list", kwargs={"company": company.public_id})
    return f"{settings.BASE_URL}{path}"


def to_approve(*, company: Company, payment_ids: Sequence[int]) -> None:
    """Tells those who may approve that payments wait, when the transaction commits."""
    for kind, ids in _axes(payment_ids):
        count = len(ids)

        def compose(user: User, count: int = count) -> tuple[str, str]:
            subject = ngettext(
                "%(n)s payment to approve for %(company)s",
                "%(n)s payments to approve for %(company)s",
                count,
            ) % {"n": count, "company": company.name}
            body = _("See them and approve here:") + f"\n\n{_address(company)}\n"
            return subject, body

        mail.after_commit(to=_approvers(company, kind), compose=compose)


def rejected(*, company: Company, payment_ids: Sequence[int], at: dt.datetime) -> None:
    """Tells the company's readers which lines the bank rejected at this time, and the cures."""
    for kind, ids in _axes(payment_ids):
        events = list(
            Event.objects.filter(group_id__in=ids, event="rejected", at=at).order_by("id")[
                : LINES_TOLD_MAX + 1
            ]
        )
        if not events:
            continue
        lines = PaymentLine.objects.in_bulk([event.subject_id for event in events])
        compose = functools.partial(_rejection, company, events, lines)
        mail.after_commit(to=_readers(company, kind), compose=compose)


def _rejection(
    company: Company, events: list[Event], lines: dict[int, Any], user: User
) -> tuple[str, str]:
    told = []
    for event in events[:LINES_TOLD_MAX]:
        line = lines.get(event.subject_id)
        if line is None:
            continue
        told.append(
            f"{event.number} {event.reference}: {line.payee_name},"
            f" {line.amount:.2f} {line.currency}"
        )
        for reason in questions.explained(event.reasons):
            told.append(f"  {reason['code']} {reason['title']}. {reason.get('text', '')}".rstrip())
            told.append(f"  {reason['cure']}")
        told.append("")
    if len(events) > LINES_TOLD_MAX:
        told.append(_("There are more; see the payments."))
    subject = _("The bank rejected payments for %(company)s") % {"company": company.name}
    return subject, "\n".join([*told, _address(company), ""])


def sent_back(*, company: Company, payment_ids: Sequence[int]) -> None:
    """Tells the approvers that the bank took nothing of a file: approve again."""
    for kind, _ids in _axes(payment_ids):

        def compose(user: User) -> tuple[str, str]:
            subject = _("The bank refused a file from %(company)s") % {"company": company.name}
            body = _(
                "Nothing was paid. See the cause at the payments, have it mended, and approve"
                " them again:"
            )
            return subject, f"{body}\n\n{_address(company)}\n"

        mail.after_commit(to=_approvers(company, kind), compose=compose)
