"""What happens to an agreement without changing its status, told on its page.

Made; closed at the bank; open there again.
"""

from __future__ import annotations

import datetime as dt

from django.db import transaction

from banking.models import BankAgreement
from portal.access import actors
from portal.access.actors import Actor
from portal.events import moves


def closed_by_bank(*, agreement: BankAgreement, file: str, at: dt.datetime) -> bool:
    """Marks an agreement as one that the bank says it has closed; False when it is known already.
    It stays active here: to deactivate is final, and the bank may be wrong or open it again."""
    rows = BankAgreement.objects.filter(pk=agreement.pk, closed_at=None)
    if not rows.update(closed_at=at):
        return False
    by = actors.bank(agreement.channel.name)
    _tell("agreement_closed", agreement, by, at, {"file": file})
    return True


def open_again(*, agreement: BankAgreement, by: Actor, at: dt.datetime, file: str = "") -> bool:
    """Takes the mark away, on the word of the bank or of an administrator; False where there is
    none."""
    rows = BankAgreement.objects.filter(pk=agreement.pk, closed_at__isnull=False)
    with transaction.atomic():
        if not rows.update(closed_at=None):
            return False
        _tell("agreement_open", agreement, by, at, {"file": file} if file else None)
    return True


def made(agreement: BankAgreement, *, by: Actor, at: dt.datetime) -> None:
    """Writes the first event of an agreement."""
    _tell("agreement_made", agreement, by, at, None)


def _tell(
    event: str,
    agreement: BankAgreement,
    by: Actor,
    at: dt.datetime,
    detail: dict[str, str] | None,
) -> None:
    moves.record(
        company_id=agreement.company_id,
        event=event,
        subject="agreement",
        subject_id=agreement.pk,
        number=agreement.agreement_id,
        by=by,
        at=at,
        detail=detail,
    )
