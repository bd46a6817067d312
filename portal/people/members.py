"""The people of a customer: invited by e-mail, accepted, deactivated and taken up again.

Which roles they hold is `granting`'s; a role holds only while its holder is a member.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from portal import mail
from portal.access import grants, links, sessions
from portal.access.models import Customer, Membership, OneTimeLink, User
from portal.access.roles import Role
from portal.people import changes

LIFETIME = dt.timedelta(days=7)


class AlreadyMember(Exception):
    """The person belongs to the customer already."""

    def __init__(self, membership: Membership) -> None:
        super().__init__(str(membership.pk))
        self.membership = membership


class LastAdministrator(Exception):
    """The customer would have nobody left who can administer it."""


class NotInvited(Exception):
    """The membership is not waiting for an answer."""


@transaction.atomic
def invite(
    *, customer: Customer, email: str, name: str, phone: str, language: str, by: changes.By
) -> Membership:
    """Invites a person, who need not have an account; one who was deactivated is invited anew.

    Raises AlreadyMember.
    """
    email = User.objects.normalize_email(email).lower()
    user, _new = User.objects.get_or_create(
        email=email,
        defaults={
            "name": name,
            "phone": phone,
            "language": language,
            "password": make_password(None),
        },
    )
    row, made = Membership.objects.select_for_update().get_or_create(
        customer=customer,
        user=user,
        defaults={"invited_at": by.at, "invited_by": by.user, "invited_name": name},
    )
    if not made:
        if row.ended_at is None:
            raise AlreadyMember(row)
        row.invited_at, row.invited_by, row.invited_name = by.at, by.user, name
        row.accepted_at = row.ended_at = None
        row.save()
    changes.record(
        "user.invited", by=by, customer=customer, about=user, name=name, after={"email": email}
    )
    _send(row, by)
    return row


@transaction.atomic
def invite_again(*, membership: Membership, by: changes.By) -> None:
    """Sends the invitation once more; the link of the former one is dead. Raises NotInvited."""
    row = _locked(membership)
    if row.accepted_at is not None or row.ended_at is not None:
        raise NotInvited
    changes.record(
        "user.invited_again", by=by, customer=row.customer, about=row.user, name=called(row)
    )
    _send(row, by)


def _send(row: Membership, by: changes.By) -> None:
    token = links.make(
        purpose=links.Purpose.INVITATION, user=row.user, membership=row, lifetime=LIFETIME
    )
    page = reverse("people:invitation", kwargs={"token": token})
    mail.post(
        kind="people.invitation",
        users=[row.user],
        company=None,
        context={
            "inviter": by.name,
            "customer": row.customer.name,
            "days": LIFETIME.days,
            "page": f"{settings.BASE_URL}{page}",
        },
    )


@transaction.atomic
def accept(*, link: OneTimeLink, values: Mapping[str, Any], by: changes.By) -> Membership:
    """Accepts an invitation. A person without a password gets `values`: name, phone, language
    and password; one who has an account keeps theirs. Raises links.Dead.
    """
    links.use(link)
    assert link.membership_id is not None
    row = Membership.objects.select_for_update().get(pk=link.membership_id)
    user = User.objects.select_for_update().get(pk=row.user_id)
    if row.ended_at is not None or not user.is_active:
        raise links.Dead(link)
    if not user.has_usable_password():
        user.name, user.phone = values["name"], values["phone"]
        user.language = values["language"]
        user.set_password(values["password"])
    user.save()
    row.accepted_at = by.at
    row.save(update_fields=["accepted_at"])
    changes.record("user.accepted", by=by, customer=row.customer, about=user, name=user.name)
    return row


@transaction.atomic
def end(*, membership: Membership, by: changes.By) -> None:
    """Deactivates a person at the customer: no role holds there any more, and every session ends.

    Raises LastAdministrator.
    """
    row = _locked(membership)
    if row.ended_at is not None:
        return
    row.ended_at = timezone.now()
    row.save(update_fields=["ended_at"])
    must_have_administrator(row.customer)
    OneTimeLink.objects.filter(membership=row, used_at=None).update(used_at=row.ended_at)
    sessions.end_all(user=row.user)
    changes.record("user.ended", by=by, customer=row.customer, about=row.user, name=called(row))
    if row.accepted_at is not None:
        _tell(row, by, active=False)


@transaction.atomic
def resume(*, membership: Membership, by: changes.By) -> None:
    """Takes a deactivated person up again, with the roles they had."""
    row = _locked(membership)
    if row.ended_at is None:
        return
    row.ended_at = None
    row.save(update_fields=["ended_at"])
    changes.record("user.resumed", by=by, customer=row.customer, about=row.user, name=called(row))
    if row.accepted_at is not None:
        _tell(row, by, active=True)
    else:
        _send(row, by)  # the link of the first invitation went when the person was deactivated


def _tell(row: Membership, by: changes.By, *, active: bool) -> None:
    """Who is deactivated or active again hears of it."""
    mail.post(
        kind="people.membership",
        users=[row.user],
        company=None,
        context={
            "customer": row.customer.name,
            "by": by.name,
            "active": active,
            "page": f"{settings.BASE_URL}/",
        },
    )


def must_have_administrator(customer: Customer) -> None:
    """Raises LastAdministrator when nobody would be left; asked after the change, within it."""
    holders = grants.holders_at(customer=customer, role=Role.CUSTOMER_ADMINISTRATOR)
    if not holders.exists():
        raise LastAdministrator


def names(customer: Customer, users: Collection[User]) -> dict[int, str]:
    """User id → what the customer calls them: until they accept, by the inviter's word."""
    rows = Membership.objects.filter(customer=customer, user__in=users).select_related("user")
    found = {row.user_id: called(row) for row in rows}
    return {user.pk: found.get(user.pk, user.name) for user in users}


def _locked(membership: Membership) -> Membership:
    # The customer first: two administrators who remove each other must not both succeed.
    Customer.objects.select_for_update().get(pk=membership.customer_id)
    rows = Membership.objects.select_for_update(of=("self",)).select_related("user", "customer")
    return rows.get(pk=membership.pk)


def called(row: Membership) -> str:
    """What the customer calls the person: until they accept, the name of the invitation."""
    return row.user.name if row.accepted_at else row.invited_name
