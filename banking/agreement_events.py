"""What happens to an agreement without changing its status, told on its page.

Made; converted; confirmed by the bank; closed there; open there again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from banking import inbox, lifecycle
from banking.models import BankAgreement
from portal.access import actors, tenancy
from portal.access.actors import Actor
from portal.access.models import Company
from portal.events import moves


def closed_by_bank(*, agreement: BankAgreement, file: str, at: dt.datetime) -> bool:
    """Marks an agreement as one that the bank says it has closed, for those who share it too;
    False when it is known already. It stays active here: to deactivate is final, and the bank may
    be wrong or open it again."""
    rows = BankAgreement.objects.filter(pk=agreement.pk, closed_at=None)
    if not rows.update(closed_at=at):
        return False
    by = actors.bank(agreement.channel.name)
    _tell("agreement_closed", agreement, by, at, {"file": file})
    with _uses(agreement) as uses:
        for use in uses.filter(closed_at=None):
            BankAgreement.objects.filter(pk=use.pk).update(closed_at=at)
            _tell("agreement_closed", use, by, at, None)
    return True


@contextmanager
def _uses(agreement: BankAgreement) -> Iterator[Any]:
    """What other companies have made of its shares, and is not deactivated; acting for all."""
    everybody = Company.objects.values_list("pk", flat=True)
    with tenancy.acting_for(everybody):
        rows = BankAgreement.objects.filter(share__agreement=agreement, share__ended_at=None)
        yield rows.exclude(status=lifecycle.DEACTIVATED).order_by("pk")


def confirmed(*, agreement: BankAgreement, by: Actor, at: dt.datetime, file: str) -> bool:
    """Writes down that the bank knows an agreement that a person has activated; False where that
    is known already."""
    known = BankAgreement.objects.filter(inbox.known_by_bank(), pk=agreement.pk)
    if known.exists():
        return False
    _tell(inbox.CONFIRMED, agreement, by, at, {"file": file})
    return True


def open_again(*, agreement: BankAgreement, by: Actor, at: dt.datetime, file: str = "") -> bool:
    """Takes the mark away, on the word of the bank or of an administrator; False where there is
    none."""
    rows = BankAgreement.objects.filter(pk=agreement.pk, closed_at__isnull=False)
    with transaction.atomic():
        if not rows.update(closed_at=None):
            return False
        _tell("agreement_open", agreement, by, at, {"file": file} if file else None)
        with _uses(agreement) as uses:
            for use in uses.filter(closed_at__isnull=False):
                BankAgreement.objects.filter(pk=use.pk).update(closed_at=None)
                _tell("agreement_open", use, by, at, None)
    return True


def made(agreement: BankAgreement, *, by: Actor, at: dt.datetime) -> None:
    """Writes the first event of an agreement."""
    _tell("agreement_made", agreement, by, at, None)


def converted(agreement: BankAgreement, *, by: Actor, at: dt.datetime) -> None:
    """Tells that it sends ISO 20022 from now on."""
    _tell("agreement_converted", agreement, by, at, None)


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
