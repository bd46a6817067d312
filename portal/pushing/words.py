"""In words: why an address cannot be used, and what came of a message."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

UNFIT: dict[str, Any] = {
    "shape": gettext_lazy("This is no address. Write it whole, as https://erp.example.no/kvitt."),
    "scheme": gettext_lazy("The address must begin with https://, so that nobody reads along."),
    "user": gettext_lazy("Leave user name and password out: each message is signed instead."),
    "unknown-host": gettext_lazy(
        "There is no server by that name. Look for a slip in the address."
    ),
    "private": gettext_lazy(
        "The address leads into a closed network, and Kvitt cannot reach it. The ERP needs an"
        " address that can be reached from the internet."
    ),
}

ANSWERS: dict[str, Any] = {
    "unknown-host": gettext_lazy("there is no server by the name in the address"),
    "private": gettext_lazy("the address leads into a closed network"),
    "shape": gettext_lazy("the address cannot be used"),
    "scheme": gettext_lazy("the address must begin with https://"),
    "user": gettext_lazy("the address holds a user name"),
    "no-connection": gettext_lazy("the server could not be reached"),
    "tls": gettext_lazy("the server's certificate is not valid for the address"),
    "timeout": gettext_lazy("the server did not answer in time"),
    "status-401": gettext_lazy("the ERP wants us to sign in (401); the signature should be enough"),
    "status-403": gettext_lazy("the ERP does not let us in (403)"),
    "status-404": gettext_lazy("there is nothing at the address (404)"),
    "status-410": gettext_lazy("the ERP wants no more messages (410)"),
    "status-429": gettext_lazy("the ERP has too much to do just now (429)"),
}


def unfit(code: str) -> str:
    """Why an address cannot be used, and what to do."""
    return str(UNFIT[code])


def answer(code: str) -> str:
    """What came of a message that was not taken."""
    if code in ANSWERS:
        return str(ANSWERS[code])
    status = code.removeprefix("status-")
    if status.startswith("3"):
        return _("the ERP points to another address (%(status)s)") % {"status": status}
    if status.startswith("5"):
        return _("the ERP failed (%(status)s)") % {"status": status}
    return _("the ERP refused it (%(status)s)") % {"status": status}
