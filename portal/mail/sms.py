"""Text messages leave through a gateway: over HTTPS, or into the demo's mailbox; one is set.

It composes nothing and decides nothing; what a gateway refuses is told by an exception.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Protocol

from django.conf import settings


class Refused(Exception):
    """The gateway will never take this message: the number or the content."""


class Gateway(Protocol):
    """Takes one message. Raises Refused for good, OSError for now."""

    def send(self, *, number: str, text: str, reference: str) -> None: ...


class Demo:
    """The demo's phones: the message stands in the mailbox that everybody sees."""

    def send(self, *, number: str, text: str, reference: str) -> None:
        return None


class Http:
    """A gateway that takes JSON with to, text and reference over HTTPS, and a bearer token.

    The same reference again is the same message, for gateways that know it.
    """

    def send(self, *, number: str, text: str, reference: str) -> None:
        body = json.dumps({"to": number, "text": text, "reference": reference}).encode()
        headers = {
            "Content-Type": "application/json",
            "Authorization": f"Bearer {settings.SMS_TOKEN}",
        }
        request = urllib.request.Request(settings.SMS_URL, body, headers)
        try:
            with urllib.request.urlopen(request, timeout=settings.SMS_TIMEOUT_SECONDS) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            if 400 <= error.code < 500 and error.code not in (401, 403, 408, 425, 429):
                raise Refused(f"the gateway answered {error.code}") from error
            raise OSError(f"the gateway answered {error.code}") from error


GATEWAYS: dict[str, type[Gateway]] = {"demo": Demo, "http": Http}


def offered() -> bool:
    """Whether text messages can be sent at all."""
    return settings.SMS_GATEWAY in GATEWAYS


def gateway() -> Gateway:
    """The one that is set; raises OSError where there is none: the message waits."""
    if not offered():
        raise OSError("no gateway for text messages is set")
    return GATEWAYS[settings.SMS_GATEWAY]()
