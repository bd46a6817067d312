"""Letters about payments: who is told of what, and the facts; salary only to those with its axis.

Addresses on an agreement's lists are told how many supplier payments wait, and which were rejected;
of salary they are told nothing, for nobody knows who reads there.

The words are in templates/mail/payments.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import reverse

from banking.models import BankAgreement
from payments import guards, lifecycle
from payments.models import Payment, PaymentLine
from portal import mail
from portal.access import grants
from portal.access.models import Company
from portal.access.roles import Permission
from portal.events import questions
from portal.events.models import Event

TOLD_MAX = 20


WAITING = (lifecycle.AWAITING, lifecycle.PARTLY)  # for somebody's approval


class _Row(NamedTuple):
    pk: int
    kind: str
    number: str
    status: str
    due_date: dt.date
    agreement_id: int


def _axes(ids: Sequence[int]) -> list[tuple[str, list[_Row]]]:
    """Payments by kind: each kind has its own readers."""
    kinds: dict[str, list[_Row]] = {}
    found = Payment.objects.filter(pk__in=list(ids)).order_by("pk")
    for values in found.values_list(*_Row._fields):
        row = _Row(*values)
        kinds.setdefault(row.kind, []).append(row)
    return sorted(kinds.items())


def _approving(kind: str) -> Permission:
    salary = kind == Payment.Kind.SALARY
    return Permission.APPROVE_SALARY if salary else Permission.APPROVE_SUPPLIER


def _seeing(kind: str) -> Permission:
    return Permission.SEE_SALARY if kind == Payment.Kind.SALARY else Permission.SEE_SUPPLIER


def _holders(company: Company, permission: Permission) -> dict[str, Any]:
    """The readers of a letter, and what makes them so."""
    users = list(grants.holders(company=company, permission=permission))
    return {"users": users, "needs": permission.value}


def _by_agreement(
    company: Company, kind: str, rows: Sequence[_Row]
) -> Iterator[tuple[BankAgreement, list[_Row]]]:
    """Supplier payments by agreement, each of which has lists of its own; salary has none."""
    if kind != Payment.Kind.SUPPLIER:
        return
    agreements = BankAgreement.objects.of(company).in_bulk({row.agreement_id for row in rows})
    for agreement in agreements.values():
        yield agreement, [row for row in rows if row.agreement_id == agreement.pk]


def _page(company: Company, payment_ids: Sequence[int], several: str = "payments:list") -> str:
    """The address of the payment, or of a list when there are several."""
    words: dict[str, Any] = {"company": company.public_id}
    if len(payment_ids) == 1:
        path = reverse("payments:detail", kwargs={**words, "payment": payment_ids[0]})
    else:
        path = reverse(several, kwargs=words)
    return f"{settings.BASE_URL}{path}"


def to_approve(*, company: Company, payment_ids: Sequence[int]) -> None:
    """Tells those who may approve which payments wait; one that is stopped whole does not."""
    for kind, rows in _axes(payment_ids):
        waiting = [row for row in rows if row.status in WAITING]
        if not waiting:
            continue
        readers = _holders(company, _approving(kind))
        mail.post(
            kind="payments.to_approve",
            company=company,
            **readers,
            context={
                "count": len(waiting),
                "first_due": min(row.due_date for row in waiting),
                "page": _page(company, [row.pk for row in waiting], "payments:approve"),
            },
        )
        for agreement, here in _by_agreement(company, kind, waiting):
            mail.post_to_list(
                kind="payments.list_to_approve",
                addresses=agreement.approve_mails,
                language=settings.LANGUAGE_CODE,
                company=company,
                besides=readers["users"],
                context={
                    "count": len(here),
                    "first_due": min(row.due_date for row in here),
                    "page": settings.BASE_URL
                    + reverse("payments:approve", kwargs={"company": company.public_id}),
                },
            )


def stopped(*, company: Company, payment_ids: Sequence[int]) -> None:
    """Tells the administrators how many lines of these payments a check stops, if any."""
    count = sum(guards.stops(payment_ids).values())
    if not count:
        return
    page = reverse("payments:checks", kwargs={"company": company.public_id})
    mail.post(
        kind="payments.stopped",
        company=company,
        **_holders(company, Permission.DECIDE_CHECKS),
        context={"count": count, "page": f"{settings.BASE_URL}{page}"},
    )


def differs(
    *, company: Company, kind: str, day: dt.date, late: int, odd: int, unfetched: int
) -> None:
    """Tells those who see this kind of payments what the daily check found."""
    page = reverse("payments:daily", kwargs={"company": company.public_id})
    mail.post(
        kind="payments.differs",
        company=company,
        **_holders(company, _seeing(kind)),
        context={
            "day": day,
            "late": late,
            "odd": odd,
            "unfetched": unfetched,
            "page": f"{settings.BASE_URL}{page}",
        },
    )


def rejected(*, company: Company, payment_ids: Sequence[int], at: dt.datetime) -> None:
    """Tells the company's readers which lines the bank rejected at this time, and the cures."""
    for readers, listed, context in _departures(company, payment_ids, "rejected", at):
        if listed:
            mail.post_to_list(kind="payments.rejected", context=context, **listed)
        else:
            mail.post(kind="payments.rejected", company=company, context=context, **readers)


def returned(*, company: Company, payment_ids: Sequence[int], at: dt.datetime) -> None:
    """Tells the company's readers which lines' money came back at this time, and why."""
    for readers, listed, context in _departures(company, payment_ids, "returned", at):
        if listed:
            mail.post_to_list(kind="payments.returned", context=context, **listed)
        else:
            mail.post(kind="payments.returned", company=company, context=context, **readers)


def _departures(
    company: Company, payment_ids: Sequence[int], event: str, at: dt.datetime
) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """(readers, {}, words) of each letter about lines that met the event at this time, and
    (readers, list, words) of each to an agreement's list."""
    for kind, rows in _axes(payment_ids):
        context = _departed(company, [row.pk for row in rows], event, at)
        if context is None:
            continue
        readers = _holders(company, _seeing(kind))
        yield readers, {}, context
        for agreement, here in _by_agreement(company, kind, rows):
            its_own = _departed(company, [row.pk for row in here], event, at)
            if its_own is not None and agreement.reject_mails:
                listed = {
                    "addresses": agreement.reject_mails,
                    "language": settings.LANGUAGE_CODE,
                    "company": company,
                    "besides": readers["users"],
                }
                yield readers, listed, its_own


def _departed(
    company: Company, payment_ids: Sequence[int], event: str, at: dt.datetime
) -> dict[str, Any] | None:
    """What a letter says of the payments' lines that met the event at this time; None for none."""
    found = Event.objects.filter(group_id__in=payment_ids, event=event, at=at)
    events = list(found.order_by("id")[: TOLD_MAX + 1])
    if not events:
        return None
    lines = PaymentLine.objects.in_bulk([event.subject_id for event in events])
    return {
        "told": [
            {"event": event, "line": lines[event.subject_id]}
            for event in events[:TOLD_MAX]
            if event.subject_id in lines
        ],
        "more": len(events) > TOLD_MAX,
        "page": _page(company, sorted({event.group_id or 0 for event in events})),
    }


def sent_back(
    *, company: Company, payment_ids: Sequence[int], reasons: list[dict[str, Any]]
) -> None:
    """Tells the approvers that the bank took nothing of a file, and why: approve again."""
    for kind, rows in _axes(payment_ids):
        mail.post(
            kind="payments.sent_back",
            company=company,
            **_holders(company, _approving(kind)),
            context={
                "count": len(rows),
                "numbers": [row.number for row in rows[:TOLD_MAX]],
                "more": len(rows) > TOLD_MAX,
                # A function, so that each letter has the reasons in its own language.
                "why": functools.partial(questions.explained, reasons),
                "page": _page(company, [row.pk for row in rows], "payments:approve"),
            },
        )
