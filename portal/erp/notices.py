"""Letters about the ERP's connection; the words are in templates/mail/erp."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.urls import reverse

from portal import mail
from portal.access import grants
from portal.access.models import Company
from portal.access.roles import Permission


def push_fails(*, company: Company, since: dt.datetime, stopped: bool) -> None:
    """Tells those who hold the keys that the ERP takes nothing; `stopped`, that it is given up."""
    page = reverse("push:page", kwargs={"company": company.public_id})
    mail.post(
        kind="erp.push_fails",
        company=company,
        users=list(grants.holders(company=company, permission=Permission.MANAGE_KEYS)),
        needs=Permission.MANAGE_KEYS.value,
        context={"since": since, "stopped": stopped, "page": f"{settings.BASE_URL}{page}"},
    )
