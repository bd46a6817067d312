"""Letters about agreements and bank files: to administrators, and to those who run Kvitt.

The words are in templates/mail/banking.
"""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.urls import reverse

from banking import lifecycle
from banking.models import BankAgreement, BankFile
from banking.unreadable import told
from portal import mail
from portal.access import grants
from portal.access.models import Company
from portal.access.roles import Permission

# Many files may lie aside for one cause: nobody is told of each.
AT_MOST_EVERY = dt.timedelta(hours=1)
CHANGES = Permission.CHANGE_AGREEMENTS


def bank_word(*, agreement: BankAgreement, closed: bool) -> None:
    """Tells the company's administrators that the bank has closed an agreement that is active here,
    or opened one that is deactivated here."""
    company = agreement.company
    words = {"company": company.public_id, "agreement": agreement.pk}
    mail.post(
        kind="banking.bank_word",
        users=grants.holders(company=company, permission=CHANGES),
        needs=CHANGES.value,
        company=company,
        context={
            "closed": closed,
            "agreement": str(agreement),
            "bank": agreement.channel.name,
            "page": settings.BASE_URL + reverse("banking:agreement", kwargs=words),
        },
    )


def set_aside(file: BankFile, company: Company | None) -> None:
    """Tells of a file that could not be carried out: its company's administrators, or those who run
    Kvitt when nobody knows whose it is. At most once in AT_MOST_EVERY."""
    if company is None:
        _tell_operators(file)
        return
    kind = "banking.set_aside"
    if mail.posted_within(AT_MOST_EVERY, kind=kind, company=company):
        return
    files = reverse("banking:files", kwargs={"company": company.public_id})
    mail.post(
        kind="banking.set_aside",
        users=grants.holders(company=company, permission=CHANGES),
        needs=CHANGES.value,
        company=company,
        context={
            "bank": file.channel.name,
            # A function, so that each letter has the cause in its own language.
            "why": lambda: told(file.error),
            "page": f"{settings.BASE_URL}{files}?status={lifecycle.SET_ASIDE}",
        },
    )


def _tell_operators(file: BankFile) -> None:
    kind = "banking.unclaimed"
    if mail.posted_within(AT_MOST_EVERY, kind=kind, company=None):
        return
    mail.post_to_operators(
        kind="banking.unclaimed",
        context={
            "bank": file.channel.name,
            "name": file.name,
            "id": file.pk,
            "why": lambda: told(file.error),
        },
    )
