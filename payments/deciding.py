"""What a company's checks do, and who lets a payment pass that one of them stops.

A decision is an event beside the payment, with the reason that was written; a choice of what a
check does stands in the change log, and holds for what comes in from then on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from django.db import transaction
from django.db.models import QuerySet

from payments import guards, preapproval
from payments.models import Finding, GuardSetting, Payment
from payments.telling import tell
from portal.access.actors import person
from portal.access.models import Company, User
from portal.events import moves
from portal.people import changes

REASON_MAX = 200
PASSED = "check_passed"


class Gone(Exception):
    """Nothing stops there any more: it was let pass, or the line has gone another way."""


def waiting(*, company: Company) -> QuerySet[Finding]:
    """What stops payments of the company now, the oldest first."""
    return guards.stopping().filter(company=company).order_by("id")


@moves.retrying
def let_pass(*, company: Company, user: User, finding_id: int, reason: str, at: dt.datetime) -> str:
    """Lets a line pass that a check stops; answers the payment's number. Whoever calls has seen to
    it that the user may. Raises Gone."""
    with transaction.atomic():
        payment_id = (
            waiting(company=company).filter(pk=finding_id).values_list("payment_id", flat=True)
        ).first()
        if payment_id is None:
            raise Gone
        moves.lock_groups(Payment, [payment_id])
        row = waiting(company=company).filter(pk=finding_id).first()
        if row is None:
            raise Gone
        row.passed_at, row.passed_by, row.pass_reason = at, user, reason[:REASON_MAX]
        row.save(update_fields=["passed_at", "passed_by", "pass_reason"])
        tell(
            PASSED,
            row.payment,
            by=person(user),
            at=at,
            detail={"reason": reason, "check": row.code, "reference": row.line.reference},
        )
        preapproval.use(company=company, payment_ids=[payment_id], at=at)
        return str(row.payment.number)


def settings(*, company: Company) -> dict[str, str]:
    """What each check does in the company: code → severity."""
    chosen = dict(GuardSetting.objects.of(company).values_list("code", "severity"))
    return {code: chosen.get(code, str(words.severity)) for code, words in guards.WORDS.items()}


@transaction.atomic
def choose(*, company: Company, wanted: Mapping[str, str], by: changes.By) -> bool:
    """Sets what checks do from now on; whether that changed anything."""
    Company.objects.select_for_update().get(pk=company.pk)
    before, after = changes.differing(settings(company=company), wanted)
    if not after:
        return False
    for code, severity in after.items():
        GuardSetting.objects.update_or_create(
            company=company, code=code, defaults={"severity": severity}
        )
    changes.record(
        "checks.changed",
        by=by,
        customer=company.customer,
        company=company,
        before=before,
        after=after,
    )
    return True
