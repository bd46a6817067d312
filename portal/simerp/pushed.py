"""Events that the portal pushes: believed where the signature is good, kept and applied as those
that were asked for; one that is there already changes nothing."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from portal.simerp import books, feed, outcomes

TEST = "test"


class Forged(books.Impossible):
    """The message is not signed with the company's secret, or is too old."""

    status = 401


class NoEvent(books.Impossible):
    """The message is signed, and is none that can be kept."""


def keep_secret(db: sqlite3.Connection, *, company: str, secret: str) -> None:
    """Keep the secret that the company's messages are signed with."""
    books.keep_setting(db, name=f"push:{company}", value=secret)


def take(
    db: sqlite3.Connection, *, company: str, headers: Mapping[str, str], body: bytes
) -> dict[str, Any]:
    """Keep and apply one message. Raises Forged, NoEvent, books.UnknownCompany."""
    books.company_row(db, company=company)
    secret = books.setting(db, name=f"push:{company}")
    try:
        message = Webhook(secret or "").verify(body, dict(headers)) if secret else None
    except (WebhookVerificationError, ValueError) as error:
        raise Forged(f"Signaturen holder ikke: {error}.") from error
    if message is None:
        raise Forged("Selskapet har ingen hemmelighet for hendelser her.")
    if not isinstance(message, dict):
        raise NoEvent("Meldingen er ikke et JSON-objekt.")
    if message.get("type") == TEST:
        return {"new": 0}
    event = message.get("data")
    if not isinstance(event, dict) or not isinstance(event.get("sequence"), int):
        raise NoEvent("Meldingen mangler data eller løpenummer.")
    if event.pop("company", None) != company:
        raise NoEvent("Meldingen gjelder et annet selskap.")
    new = feed.keep_one(db, company=company, event=event)
    outcomes.apply(db, company=company)
    return {"new": new}
