"""What a person changes about themselves: details, password, e-mail, sessions, which mails."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import mail
from portal.access import guesses, links, sessions, tenancy
from portal.access.models import Company, OneTimeLink, User, UserSession
from portal.mail.models import Muted
from portal.people import changes, factors

RESET_LIFETIME = dt.timedelta(hours=2)
RESET_PAUSE = dt.timedelta(minutes=2)
EMAIL_LIFETIME = dt.timedelta(hours=24)
UNDO_LIFETIME = dt.timedelta(days=14)
FIELDS = ("name", "phone", "language")
# Links that whoever held the account may have asked for; a new password or an undo ends them.
ASKED_FOR = (links.Purpose.EMAIL, links.Purpose.PASSWORD)


class Taken(Exception):
    """Somebody else has that e-mail address."""


@transaction.atomic
def change_details(request: HttpRequest, *, user: User, values: dict[str, Any]) -> bool:
    """Name, phone, language and shortcuts; answers whether anything differs."""
    row = User.objects.select_for_update().get(pk=user.pk)
    before = {name: getattr(row, name) for name in FIELDS}
    differs = changes.differing(before, {name: values[name] for name in FIELDS})
    shortcuts = bool(values["shortcuts"])
    if not differs[1] and shortcuts == row.shortcuts:
        return False
    for name in FIELDS:
        setattr(row, name, values[name])
    row.shortcuts = shortcuts
    row.save(update_fields=[*FIELDS, "shortcuts"])
    if differs[1]:
        by, customers = changes.by(request), factors.customers_of(row)
        with tenancy.acting_for((), user=row, customers=customers):
            changes.write(
                changes.change(
                    "user.changed",
                    by=by,
                    customer=customer,
                    about=row,
                    name=values["name"],
                    before=differs[0],
                    after=differs[1],
                )
                for customer in customers
            )
    return True


@transaction.atomic
def change_password(request: HttpRequest, *, user: User, password: str) -> None:
    """A new password; every other session of the person ends."""
    row = User.objects.select_for_update().get(pk=user.pk)
    row.set_password(password)
    row.save(update_fields=["password", "password_alone"])
    links.kill(row.pk, *ASKED_FOR)
    sessions.end_all(user=row, but=request.session.session_key or "")
    factors.happened(request, "password.changed", user=row)


# --- the forgotten password ----------------------------------------------------------------------


def forgotten(*, email: str) -> None:
    """Mails a link for a new password, where there is such a user; tells nobody whether."""
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if user is None or not user.has_usable_password():
        return
    recent = OneTimeLink.objects.filter(
        user=user, purpose=links.Purpose.PASSWORD, created_at__gt=timezone.now() - RESET_PAUSE
    )
    if recent.exists():
        return
    with transaction.atomic():
        token = links.make(purpose=links.Purpose.PASSWORD, user=user, lifetime=RESET_LIFETIME)
        page = reverse("people:password-reset", kwargs={"token": token})
        mail.post(
            kind="people.password_link",
            users=[user],
            company=None,
            context={
                "email": user.email,
                "hours": int(RESET_LIFETIME.total_seconds() // 3600),
                "page": f"{settings.BASE_URL}{page}",
            },
        )


@transaction.atomic
def reset_password(request: HttpRequest, *, link: OneTimeLink, password: str) -> None:
    """Sets the password by the mailed link, and ends every session. Raises links.Dead."""
    links.use(link)
    row = User.objects.select_for_update().get(pk=link.user_id)
    row.set_password(password)
    row.save(update_fields=["password", "password_alone"])
    links.kill(row.pk, *ASKED_FOR)
    sessions.end_all(user=row)
    guesses.forgive(email=row.email)
    factors.happened(request, "password.changed", user=row)


# --- the e-mail address --------------------------------------------------------------------------


@transaction.atomic
def ask_for_email(*, user: User, email: str) -> None:
    """Sends a link to the new address, and word of it to the present one.

    Where somebody else has the address, it gets word of that in place of the link: the page tells
    nobody who has an account.
    """
    email = User.objects.normalize_email(email).lower()
    owner = User.objects.filter(email=email).first()
    if owner is not None:
        mail.post(
            kind="people.email_taken",
            users=[owner],
            company=None,
            context={"email": owner.email, "page": f"{settings.BASE_URL}/"},
        )
        return
    token = links.make(purpose=links.Purpose.EMAIL, user=user, lifetime=EMAIL_LIFETIME, email=email)
    undo = links.make(
        purpose=links.Purpose.EMAIL_UNDO, user=user, lifetime=UNDO_LIFETIME, email=user.email
    )
    told = {"old": user.email, "new": email}
    page = f"{settings.BASE_URL}{reverse('people:email-confirm', kwargs={'token': token})}"
    mail.post(
        kind="people.email_confirm",
        users=[user],
        company=None,
        address=email,
        context={**told, "page": page},
    )
    page = f"{settings.BASE_URL}{reverse('people:email-undo', kwargs={'token': undo})}"
    mail.post(
        kind="people.email_notice", users=[user], company=None, context={**told, "page": page}
    )


@transaction.atomic
def confirm_email(request: HttpRequest, *, link: OneTimeLink) -> None:
    """The new address is the user name from now on. Raises links.Dead, Taken."""
    _set_email(request, link)


@transaction.atomic
def undo_email(request: HttpRequest, *, link: OneTimeLink) -> None:
    """The former address again, asked for there: whatever else was asked for is dead, with later
    links that undo, and every session ends. Raises links.Dead, Taken.
    """
    links.kill(link.user_id, *ASKED_FOR)
    OneTimeLink.objects.filter(
        user_id=link.user_id,
        purpose=links.Purpose.EMAIL_UNDO,
        created_at__gt=link.created_at,
        used_at=None,
    ).update(used_at=timezone.now())
    _set_email(request, link)
    sessions.end_all(user=link.user)


def _set_email(request: HttpRequest, link: OneTimeLink) -> None:
    links.use(link)
    row = User.objects.select_for_update().get(pk=link.user_id)
    before = row.email
    if before == link.email:
        return
    row.email = link.email
    try:
        with transaction.atomic():
            row.save(update_fields=["email"])
    except IntegrityError as error:
        raise Taken from error
    factors.happened(request, "email.changed", user=row, before={"email": before}, email=link.email)


# --- sessions ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """A session as its owner sees it; `mark` names it without giving it away."""

    mark: str
    here: bool
    address: str
    browser: str
    began_at: dt.datetime | None
    seen_at: dt.datetime | None


def open_sessions(request: HttpRequest, user: User) -> list[Open]:
    """Where the person is signed in now, the one they look from first."""
    now = timezone.now()
    idle = now.timestamp() - settings.SESSION_IDLE_SECONDS
    rows = UserSession.objects.filter(user=user, expire_date__gt=now, seen_at__gt=idle)
    found = [
        Open(
            mark=_mark(row.session_key),
            here=row.session_key == request.session.session_key,
            address=row.address or "",
            browser=browser(row.agent),
            began_at=_moment(row.began_at),
            seen_at=_moment(row.seen_at),
        )
        for row in rows.order_by("-seen_at")
    ]
    return sorted(found, key=lambda one: not one.here)


def _mark(key: str) -> str:
    return hashlib.sha256(f"session:{key}".encode()).hexdigest()[:20]


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def end_session(request: HttpRequest, user: User, mark: str) -> bool:
    """Ends one other session of the person's; answers whether there was one."""
    for row in UserSession.objects.filter(user=user).exclude(
        session_key=request.session.session_key
    ):
        if _mark(row.session_key) == mark:
            row.delete()
            return True
    return False


_BROWSERS = (("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"))
_SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Mac OS", "Mac"),
    ("Linux", "Linux"),
)


def browser(agent: str) -> str:
    """«Firefox, Windows» from what a browser calls itself: enough to know one's own again."""
    name = next((called for mark, called in _BROWSERS if mark in agent), "")
    if not name and "Safari" in agent:
        name = "Safari"
    system = next((called for mark, called in _SYSTEMS if mark in agent), "")
    return ", ".join(filter(None, (name, system))) or _("Unknown browser")


# --- which mails ---------------------------------------------------------------------------------


def muted(user: User) -> set[tuple[str, str]]:
    """(kind, public id of a company, or empty for all) of every letter the person does without."""
    rows = Muted.objects.filter(user=user).values_list("kind", "muted_company__public_id")
    return {(kind, company or "") for kind, company in rows}


@transaction.atomic
def set_muted(
    *, user: User, companies: Collection[Company], wanted: Collection[tuple[str, str]]
) -> None:
    """Makes just these (kind, public id or empty) the letters that the person does without, of all
    companies at once and of these; what is chosen for other companies stays.
    """
    known = {company.public_id: company for company in companies}
    shown = Q(muted_company=None) | Q(muted_company__in=companies)
    Muted.objects.filter(shown, user=user).delete()
    Muted.objects.bulk_create(
        Muted(user=user, kind=kind, muted_company=known.get(company))
        for kind, company in sorted(set(wanted))
        if kind in mail.optional and (not company or company in known)
    )
