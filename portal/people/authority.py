"""Limits and deputies of approvers: set, ended, logged and told."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from portal import mail
from portal.access import grants
from portal.access.models import ApprovalLimit, Company, Deputy, User
from portal.people import changes

LONGEST = dt.timedelta(days=366)


class Unfit(Exception):
    """Such a deputy cannot be; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@transaction.atomic
def set_limit(
    *,
    company: Company,
    user: User,
    per_payment: Decimal | None,
    per_day: Decimal | None,
    by: changes.By,
) -> bool:
    """The user's limit in the company, none where both are None; answers whether it differs."""
    row = ApprovalLimit.objects.select_for_update().filter(company=company, user=user).first()
    before = {
        "per_payment": row.per_payment if row else None,
        "per_day": row.per_day if row else None,
    }
    after = {"per_payment": per_payment, "per_day": per_day}
    was, now = changes.differing(before, after)
    if not now:
        return False
    if per_payment is None and per_day is None:
        ApprovalLimit.objects.filter(company=company, user=user).delete()
    else:
        ApprovalLimit.objects.update_or_create(company=company, user=user, defaults=after)
    changes.record(
        "limit.changed",
        by=by,
        customer=company.customer,
        company=company,
        about=user,
        name=user.name,
        before=was,
        after=now,
    )
    context: dict[str, Any] = {
        "company_name": company.name,
        "per_payment": per_payment,
        "per_day": per_day,
        "by": by.name,
        "page": f"{settings.BASE_URL}/c/{company.public_id}/",
    }
    mail.post(kind="people.limit", users=[user], company=company, context=context)
    return True


@transaction.atomic
def stand_in(
    *,
    company: Company,
    absent: User,
    deputy: User,
    from_date: dt.date,
    to_date: dt.date,
    reason: str,
    today: dt.date,
    by: changes.By,
) -> Deputy:
    """A deputy for a stated absence; both are told by mail. Raises Unfit."""
    if absent == deputy:
        raise Unfit("same")
    if to_date < from_date:
        raise Unfit("turned")
    if to_date < today:
        raise Unfit("past")
    if to_date - from_date > LONGEST:
        raise Unfit("long")
    if deputy not in grants.may_stand_in(company=company):
        raise Unfit("deputy")
    if not grants.approvers(company=company, among=[absent]):
        raise Unfit("absent")
    Company.objects.select_for_update().get(pk=company.pk)  # two at once do not both look first
    named = Deputy.objects.of(company).filter(absent=absent, deputy=deputy, ended_at=None)
    if named.filter(from_date__lte=to_date, to_date__gte=from_date).exists():
        raise Unfit("twice")
    row: Deputy = Deputy.objects.create(
        company=company,
        absent=absent,
        deputy=deputy,
        from_date=from_date,
        to_date=to_date,
        reason=reason,
    )
    told = {
        "deputy": deputy.name,
        "from": f"{from_date:%d.%m.%Y}",
        "to": f"{to_date:%d.%m.%Y}",
    } | ({"reason": reason} if reason else {})
    changes.record(
        "deputy.named",
        by=by,
        customer=company.customer,
        company=company,
        about=absent,
        name=absent.name,
        after=told,
    )
    context: dict[str, Any] = {
        "absent": absent.name,
        "deputy": deputy.name,
        "from_date": from_date,
        "to_date": to_date,
        "company_name": company.name,
        "page": f"{settings.BASE_URL}/c/{company.public_id}/",
    }
    mail.post(kind="people.deputy", users=[absent, deputy], company=company, context=context)
    return row


@transaction.atomic
def end_stand_in(*, deputy: Deputy, by: changes.By) -> None:
    """Ends it at once, before its last day."""
    row = Deputy.objects.select_for_update().get(pk=deputy.pk)
    if row.ended_at is not None:
        return
    row.ended_at = timezone.now()
    row.save(update_fields=["ended_at"])
    changes.record(
        "deputy.ended",
        by=by,
        customer=row.company.customer,
        company=row.company,
        about=row.absent,
        name=row.absent.name,
        before={"deputy": row.deputy.name},
    )
    context: dict[str, Any] = {
        "absent": row.absent.name,
        "deputy": row.deputy.name,
        "company_name": row.company.name,
        "by": by.name,
        "page": f"{settings.BASE_URL}/c/{row.company.public_id}/",
    }
    told = [row.absent, row.deputy]
    mail.post(kind="people.deputy_ended", users=told, company=row.company, context=context)
