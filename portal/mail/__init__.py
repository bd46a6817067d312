"""Mail to people, in their own language: letters in an outbox, sent after the work is committed.

It holds how letters are composed, kept and delivered; who is told of what is for the callers to
know, and the words are templates.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.access.models import Company, User

Context = Mapping[str, Any]
# Kinds that a person may do without → what they tell of; apps add theirs when they are ready.
optional: dict[str, Any] = {}
# Kinds that open something to whoever reads them: their words are not kept once they have left.
secret: set[str] = set()


def post(
    *,
    kind: str,
    users: Iterable[User],
    context: Context | Callable[[User], Context],
    company: Company | None,
    needs: str = "",
    address: str = "",
) -> int:
    """Writes a letter to each of the users and answers how many; delivery follows the commit.

    `kind` names the templates: "payments.rejected" is templates/mail/payments/rejected.* . A
    function for `context` is called for each user, in that user's language. A letter is kept in
    the caller's transaction, so it is undone with the work that it tells of; a letter about a
    company is written while acting for that company, one about no company from anywhere. `needs`
    is the permission that makes the users its readers: who has lost it when the letter leaves does
    not get it. `address` is where it goes when that is not the user's own. Who has muted an
    `optional` kind gets none.
    """
    # Here and not above: Django imports this package before any model may be.
    from django.db.models import Q
    from django.utils import timezone, translation

    from portal.mail import composing
    from portal.mail.models import Letter, Muted

    now = timezone.now()
    users = list(users)
    if kind in optional and users:
        here = Q(muted_company=None) | Q(muted_company=company)
        muted = set(
            Muted.objects.filter(here, kind=kind, user__in=users).values_list("user_id", flat=True)
        )
        users = [user for user in users if user.pk not in muted]
    shared: dict[str, composing.Composed] = {}
    letters = []
    for user in users:
        words = shared.get(user.language)
        if words is None:
            with translation.override(user.language):
                values = context(user) if callable(context) else context
                words = composing.compose(
                    kind=kind,
                    language=user.language,
                    context={"company": company.name if company else "", **values},
                )
            if not callable(context):
                shared[user.language] = words
        letters.append(
            Letter(
                company=company,
                user=user,
                kind=kind,
                needs=needs,
                address=address or user.email,
                language=user.language,
                created_at=now,
                next_attempt_at=now,
                **words._asdict(),
            )
        )
    return _keep(letters, company)


def post_to_list(
    *,
    kind: str,
    addresses: Iterable[str],
    language: str,
    context: Context,
    company: Company,
    besides: Iterable[User] = (),
) -> int:
    """Writes a letter to each address of a list and answers how many.

    Being on a list gives no rights, so the words tell nothing that only a role may know. Nobody of
    `besides` is told twice. Run it while acting for the company.
    """
    told = {user.email.lower() for user in besides}
    wanted = [one for one in dict.fromkeys(map(str.lower, addresses)) if one not in told]
    values = {"company": company.name, "listed": True, **context}
    return _to_addresses(wanted, kind=kind, company=company, language=language, context=values)


def post_to_operators(*, kind: str, context: Context) -> int:
    """Writes a letter to each of those who run Kvitt (KVITT_OPERATORS) and answers how many."""
    from django.conf import settings

    return _to_addresses(
        settings.OPERATORS,
        kind=kind,
        company=None,
        language=settings.LANGUAGE_CODE,
        context={"company": "", **context},
    )


def _to_addresses(
    addresses: Sequence[str],
    *,
    kind: str,
    company: Company | None,
    language: str,
    context: Context,
) -> int:
    """The same letter to addresses that are nobody's here; how many."""
    from django.utils import timezone, translation

    from portal.mail import composing
    from portal.mail.models import Letter

    if not addresses:
        return 0
    with translation.override(language):
        words = composing.compose(kind=kind, language=language, context=context)
    now = timezone.now()
    letters = [
        Letter(
            company=company,
            user=None,
            kind=kind,
            address=address,
            language=language,
            created_at=now,
            next_attempt_at=now,
            **words._asdict(),
        )
        for address in addresses
    ]
    return _keep(letters, company)


def posted_within(time: dt.timedelta, *, kind: str, company: Company | None) -> bool:
    """Whether a letter of this kind has been written about the company, or about none, so lately;
    machine time."""
    from django.utils import timezone

    from portal.access import tenancy
    from portal.mail.models import Letter

    ours = [company] if company is not None else ()
    with tenancy.acting_for(ours, letters=company is None):
        rows = Letter.objects.filter(
            kind=kind, company=company, created_at__gt=timezone.now() - time
        )
        return bool(rows.exists())


def _keep(letters: list[Any], company: Company | None) -> int:
    """Keeps the letters in the caller's transaction; delivery follows its commit."""
    from portal.access import tenancy
    from portal.mail import tasks
    from portal.mail.models import Letter

    if not letters:
        return 0
    ours = tenancy.acting_for((), letters=True) if company is None else contextlib.nullcontext()
    with ours:
        Letter.objects.bulk_create(letters)
    tasks.nudge()
    return len(letters)


def text_message(*, kind: str, user: User, number: str, context: Context) -> None:
    """Writes a text message to a person's phone; its words are templates/mail/….txt alone.

    It is kept in the caller's transaction and sent after the commit, as letters are.
    """
    from django.utils import timezone

    from portal.access import tenancy
    from portal.mail import composing, tasks
    from portal.mail.models import Letter

    now = timezone.now()
    text = composing.plain(kind=kind, language=user.language, context=context)
    with tenancy.acting_for((), letters=True):
        Letter.objects.create(
            company=None,
            user=user,
            kind=kind,
            channel="sms",
            address=number,
            language=user.language,
            subject="SMS",
            text=text,
            created_at=now,
            next_attempt_at=now,
        )
    tasks.nudge()
