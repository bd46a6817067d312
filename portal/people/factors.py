"""What happens around a person's factors: codes are sent, changes are logged and told by mail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import mail
from portal.access import grants, guard, secondfactor, sessions, tenancy
from portal.access.models import Customer, User
from portal.access.roles import Role
from portal.access.secondfactor import Factor
from portal.mail import sms
from portal.people import changes, entering

NEW_CODE_KEY, LOST_KEY = "new_recovery_code", "lost_told"
NAMES: dict[Factor, Any] = {
    Factor.TOTP: gettext_lazy("code from the authenticator app"),
    Factor.PASSKEY: gettext_lazy("passkey"),
    Factor.RECOVERY: gettext_lazy("recovery code"),
    Factor.SMS: gettext_lazy("code by text message"),
    Factor.SUPPORT: gettext_lazy("code from support"),
}
# What was done to a factor, as the mail to its owner tells it.
TOLD: dict[str, Any] = {
    "factor.app": gettext_lazy("A new authenticator app is set up for your user."),
    "factor.app_removed": gettext_lazy("The authenticator app is removed from your user."),
    "factor.lost": gettext_lazy("Your authenticator app is reported lost, and no longer works."),
    "factor.passkey": gettext_lazy("A passkey is added to your user."),
    "factor.passkey_removed": gettext_lazy("A passkey is removed from your user."),
    "factor.recovery": gettext_lazy("A new sheet of recovery codes is made for your user."),
    "factor.recovery_used": gettext_lazy("A recovery code was used to sign in as you."),
    "factor.phone": gettext_lazy("A mobile number for codes is registered for your user."),
    "factor.phone_removed": gettext_lazy("The mobile number for codes is removed from your user."),
    "factor.support_used": gettext_lazy("A code from support was used to sign in as you."),
    "support.code": gettext_lazy("Support has issued a one-time code for signing in as you."),
    "password.changed": gettext_lazy("The password of your user is changed."),
    "email.changed": gettext_lazy("The e-mail address of your user is changed."),
}


def send_code(*, user: User, confirmed: bool = True) -> bool:
    """Sends a code to the user's phone; answers whether there is one. Raises
    secondfactor.TooSoon."""
    if not sms.offered():
        return False
    try:
        number, code = secondfactor.new_sms_code(user=user, confirmed=confirmed)
    except secondfactor.NotEnrolled:
        return False
    mail.text_message(kind="people.code", user=user, number=number, context={"code": code})
    return True


def used_another_way(request: HttpRequest, *, user: User, factor: Factor) -> None:
    """After a recovery code a new one takes its place; its owner hears of it, and of support's."""
    if factor is Factor.RECOVERY:
        code = secondfactor.replace_used_code(user)
        entering.keep_secret(request, NEW_CODE_KEY, [code])
        happened(request, "factor.recovery_used", user=user)
    elif factor is Factor.SUPPORT:
        happened(request, "factor.support_used", user=user)


@transaction.atomic
def happened(
    request: HttpRequest,
    act: str,
    *,
    user: User,
    by: User | None = None,
    before: dict[str, str] | None = None,
    **after: str,
) -> None:
    """Logs what was done to a user's factors, for each of their customers, and mails the user."""
    customers = customers_of(user)
    who = changes.by(request, by or user)
    with tenancy.acting_for((), user=user, customers=customers):
        changes.write(
            changes.change(act, by=who, customer=row, about=user, before=before, after=after)
            for row in customers
        )
    tell(user, act, address=who.address or "")


@transaction.atomic
def issue_support_code(request: HttpRequest, *, user: User, at: Customer, reason: str) -> str:
    """A one-time code for somebody who cannot sign in; it is logged at every customer of theirs,
    with the reason at the one whose support issued it.
    """
    by = changes.by(request)
    assert by.user is not None
    code = secondfactor.issue_support_code(user=user, issued_by=by.user, reason=reason)
    customers = customers_of(user)
    with tenancy.acting_for((), user=by.user, customers=customers):
        changes.write(
            changes.change(
                "support.code",
                by=by,
                customer=row,
                about=user,
                name=user.name,
                after={"reason": reason} if row == at else {"issued_at": at.name},
            )
            for row in customers
        )
    tell(user, "support.code", address="")
    return code


def customers_of(user: User) -> list[Customer]:
    """The customers that the user belongs to now."""
    with tenancy.acting_for((), user=user):
        return list(
            Customer.objects.filter(
                memberships__user=user,
                memberships__accepted_at__isnull=False,
                memberships__ended_at=None,
            )
        )


def tell(user: User, act: str, *, address: str, to: Iterable[User] | None = None) -> None:
    """The letter about a change to somebody's way in."""
    page = f"{settings.BASE_URL}{reverse('people:two-factor')}"

    def context(_reader: User) -> dict[str, Any]:
        return {
            "title": str(TOLD[act]),
            "at": timezone.now(),
            "address": address,
            "who": user.email,
            "page": page,
        }

    mail.post(kind="people.security", users=to or [user], company=None, context=context)


@transaction.atomic
def lost(request: HttpRequest, *, user: User) -> None:
    """The authenticator app is lost for good: it is dead, and the administrators are told."""
    secondfactor.remove_authenticator(user)
    sessions.end_all(user=user, but=request.session.session_key or "")
    happened(request, "factor.lost", user=user)
    request.session[LOST_KEY] = True
    for customer in customers_of(user):
        _tell_administrators(customer, user)


def new_signing(request: HttpRequest, *, user: User, factor: Factor) -> None:
    """Tells the administrators when somebody who had signed in another way gets what signs, unless
    they have been told that the former was lost."""
    weak = request.session.get(guard.FACTOR_KEY) in (Factor.RECOVERY, Factor.SUPPORT, Factor.SMS)
    if weak and not request.session.pop(LOST_KEY, False):
        for customer in customers_of(user):
            _tell_administrators(customer, user, new=factor)


def _tell_administrators(customer: Customer, user: User, *, new: Factor | None = None) -> None:
    """That an app is lost, or that there is a `new` factor that signs."""
    with tenancy.acting_for((), user=user, customers=[customer]):
        holders = grants.holders_at(customer=customer, role=Role.CUSTOMER_ADMINISTRATOR)
        readers = [reader for reader in holders if reader != user]

    def context(_reader: User) -> dict[str, Any]:
        text = (
            _("%(name)s at %(customer)s has lost an authenticator app")
            if new is None
            else _("%(name)s at %(customer)s has a new way to sign payments")
        )
        return {
            "title": text % {"name": user.name, "customer": customer.name},
            "factor": str(NAMES[new]) if new else "",
            "name": user.name,
            "email": user.email,
            "customer": customer.name,
            "at": timezone.now(),
            "page": f"{settings.BASE_URL}/",
        }

    if new is None:
        mail.post(kind="people.factor_lost", users=readers, company=None, context=context)
    else:
        mail.post(kind="people.factor_new", users=readers, company=None, context=context)
