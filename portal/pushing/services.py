"""Setting up the push of a company's events; each change stands in the change log."""

from __future__ import annotations

import base64
import datetime as dt
import secrets

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from portal.access.models import Company
from portal.erp import feed, posting
from portal.erp.models import PushTarget
from portal.people import changes

SECRET_BYTES = 32
# After a new secret has been made, messages are signed with the former one as well for so long.
BOTH = dt.timedelta(hours=24)


class Off(Exception):
    """No push is set up for the company."""


def of(company: Company) -> PushTarget | None:
    """Where the company's events are pushed to; None where that is not set up."""
    return PushTarget.objects.of(company).select_related("company").first()


def new_secret() -> str:
    """A secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


@transaction.atomic
def set_up(*, company: Company, address: str, language: str, by: changes.By) -> PushTarget:
    """Pushes to this address from now on; what has happened before can be sent from the list of
    messages. Raises posting.BadAddress."""
    parts = posting.split(address, private=settings.PUSH_PRIVATE_NETWORKS)
    posting.look_up(parts, private=settings.PUSH_PRIVATE_NETWORKS)
    Company.objects.select_for_update().get(pk=company.pk)
    row = of(company)
    if row is None:
        last = feed.told_to(company).aggregate(last=Max("sequence"))["last"] or 0
        row = PushTarget.objects.create(
            company=company,
            address=address,
            language=language,
            secret=new_secret(),
            cursor=last,
            made_at=by.at,
            next_try_at=by.at,
        )
        _record("push.made", company, by, before="", after=address)
        return row
    if (row.address, row.language) == (address, language):
        return row
    before, row.address, row.language = row.address, address, language
    _afresh(row, by.at)
    _record("push.changed", company, by, before=before, after=address)
    return row


@transaction.atomic
def switch(*, company: Company, on: bool, by: changes.By) -> bool:
    """On or off; events wait while it is off. Answers whether that differs. Raises Off."""
    row = PushTarget.objects.of(company).select_for_update().first()
    if row is None:
        raise Off
    if row.active == on:
        return False
    row.active = on
    _afresh(row, by.at)
    _record("push.on" if on else "push.off", company, by, before="", after=row.address)
    return True


@transaction.atomic
def replace_secret(*, company: Company, by: changes.By) -> PushTarget:
    """A new secret; the former one signs along for a day. Raises Off."""
    row = PushTarget.objects.of(company).select_for_update().first()
    if row is None:
        raise Off
    row.old_secret, row.old_until = row.secret, timezone.now() + BOTH
    row.secret = new_secret()
    row.save(update_fields=["secret", "old_secret", "old_until"])
    _record("push.secret", company, by, before="", after=row.address)
    return row


def try_now(*, company: Company, at: dt.datetime) -> None:
    """Lets what waits be tried at once."""
    PushTarget.objects.of(company).filter(active=True).update(next_try_at=at)


def _afresh(row: PushTarget, at: dt.datetime) -> None:
    """Saves the row as one that nothing has failed at yet; who is sending to it now is done."""
    row.failures, row.failing_since, row.told_at, row.answer = 0, None, None, ""
    row.next_try_at, row.busy_until = at, None
    row.save()


def _record(act: str, company: Company, by: changes.By, *, before: str, after: str) -> None:
    changes.record(
        act,
        by=by,
        customer=company.customer,
        company=company,
        before={"push_address": before},
        after={"push_address": after},
    )
