"""Why a bank's file could not be carried or read, in the language of the page.

The channel and the codec speak English; their own sentence stands beneath ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

AGAIN = gettext_lazy("Ask the bank to send the file again.")
OURS = gettext_lazy("Write to support. The file is kept, and nothing of it was done.")
# code of Unreadable or of the inbox → what is wrong; its own sentence stands beneath.
WORDS = {
    "empty": gettext_lazy("The file is empty."),
    "encoding": gettext_lazy("The file is written in an encoding that is not read."),
    "doctype-forbidden": gettext_lazy("The file holds a DOCTYPE, which bank files never do."),
    "not-xml": gettext_lazy("The file is not well-formed XML."),
    "truncated": gettext_lazy("The file ends in the middle."),
    "wrong-namespace": gettext_lazy("The file is of a version that is not read."),
    "schema": gettext_lazy("The file is not made as its kind of message must be."),
    "missing": gettext_lazy("Something that must be in the file is missing."),
    "value": gettext_lazy("The file holds a value that cannot be."),
    "totals": gettext_lazy("The totals of the file do not agree with its entries."),
    "bounds": gettext_lazy("A part of the file is larger than any transaction can be."),
    "record-length": gettext_lazy("A record does not have its 80 characters."),
    "order": gettext_lazy("The records of the file are not in order."),
    "internal": gettext_lazy("The file could not be carried out; the fault is ours."),
}
# Of files that will not be carried out here, however often they are read.
NEVER_HERE = ("unknown-kind", "outgoing", "another-company")
# code of channel.ChannelFault, or of a file that is no bank message → what is wrong, and the cure.
CURED = {
    "host-unknown": (
        gettext_lazy("The bank's machine is not found by the name that we use."),
        gettext_lazy(
            "Write to support: the name is set on the connection to the bank. If it is right, the"
            " bank's name service is down; try again later."
        ),
    ),
    "no-connection": (
        gettext_lazy("The bank could not be reached."),
        gettext_lazy("If it lasts, ask the bank whether its service is down."),
    ),
    "host-key-changed": (
        gettext_lazy(
            "The machine that answered is not the bank as we know it, so nothing was sent."
        ),
        gettext_lazy("Write to support at once. Ask the bank whether it has changed its host key."),
    ),
    "no-sftp": (
        gettext_lazy("The bank's machine answered, but takes no files."),
        gettext_lazy("If it lasts, ask the bank."),
    ),
    "key-refused": (
        gettext_lazy("The bank did not let Kvitt in: it refused our key."),
        gettext_lazy("Write to support. The bank must register the key again."),
    ),
    "folder-missing": (
        gettext_lazy("The bank has no folder by the name that we use."),
        gettext_lazy("Write to support. The folder is set on the connection to the bank."),
    ),
    "broken-off": (
        gettext_lazy("The connection to the bank broke off."),
        gettext_lazy("If it lasts, ask the bank."),
    ),
    "customer-unknown": (
        gettext_lazy("The bank does not know the customer number, or not the agreement id."),
        gettext_lazy(
            "Compare both with what the bank has given you, correct them in the draft or in a copy"
            " of the agreement, and test again. On a shared agreement the owner does that."
        ),
    ),
    "agreement-not-active": (
        gettext_lazy("The bank knows the agreement, but has not activated it."),
        gettext_lazy(
            "Send the bank the signed order form if you have not, and ask when it activates the"
            " agreement. Payments that are sent before will be refused."
        ),
    ),
    "account-not-tied": (
        gettext_lazy("The bank knows the customer, but the account is not tied to it."),
        gettext_lazy(
            "Ask the bank to tie the account to the customer number (at Nordea the signer id), or"
            " correct the account in the draft or in a copy of the agreement. On a shared agreement"
            " the owner does that."
        ),
    ),
    "request-refused": (
        gettext_lazy("The bank refused the request."),
        gettext_lazy("The bank's own words stand beneath. Ask the bank what they mean."),
    ),
    "no-answer": (
        gettext_lazy("The bank has taken the request and not answered it."),
        gettext_lazy(
            "Its answer is still read when it comes. Test again later; if it lasts, ask the bank"
            " whether it answers requests for a balance (camt.060) on this agreement."
        ),
    ),
    "unknown-agreement": (
        gettext_lazy("The file is about an agreement that is not known here."),
        gettext_lazy(
            "Compare its customer number and agreement id with those of your agreements; then read"
            " the file again."
        ),
    ),
    "another-active": (
        gettext_lazy(
            "IBAN and key exist already: the account has another active agreement, so this one"
            " was not activated."
        ),
        gettext_lazy("Deactivate the other agreement; then read the file again."),
    ),
    "unknown-kind": (
        gettext_lazy("This is not a kind of file that Kvitt reads."),
        gettext_lazy(
            "Look at the content. If the file is meant for something else, leave it here."
        ),
    ),
    "unknown-account": (
        gettext_lazy("The file is about an account that is not known here."),
        gettext_lazy("Make an agreement for the account, or ask the bank whose the file is."),
    ),
    "unconfirmed-account": (
        gettext_lazy(
            "The file names no customer, and the bank has not confirmed yet whose account here it"
            " is about."
        ),
        gettext_lazy(
            "It is read by itself when the bank activates or confirms the agreement, has received"
            " the first payments on it, or answers the connection test."
        ),
    ),
    "not-by-hand": (
        gettext_lazy(
            "Word of an agreement, and answers to a connection test, count only when they are"
            " fetched from the bank. Nothing of this one was carried out."
        ),
        gettext_lazy(
            "Ask the bank to send it over the connection. If it has confirmed the agreement by"
            " letter, an administrator activates it on its page."
        ),
    ),
    "another-company": (
        gettext_lazy("The file is about another company than it was brought into."),
        gettext_lazy("Bring it in where it belongs. Nothing of it was carried out."),
    ),
    "another-customer": (
        gettext_lazy(
            "The bank has written the file to another customer than the one that has the account"
            " here."
        ),
        gettext_lazy(
            "Compare the customer number and the agreement id with what the bank has confirmed. If"
            " the account is another company's, deactivate the agreement here; then read the file"
            " again."
        ),
    ),
    "several-owners": (
        gettext_lazy("The file is about no account, or those of several companies."),
        gettext_lazy("Ask the bank for one file for each company."),
    ),
    "unknown-message": (
        gettext_lazy(
            "The file holds no message that is known, or answers one that was not sent from here."
        ),
        gettext_lazy("Check the agreement's customer number and id with the bank."),
    ),
    "withdrawn": (
        gettext_lazy("This is a Telepay file, a format that Norwegian banks have withdrawn."),
        gettext_lazy("Ask the bank, or the ERP's vendor, for ISO 20022 in its place."),
    ),
    "outgoing": (
        gettext_lazy("This is a file to the bank, and not one from it."),
        gettext_lazy(
            "Bring in what the bank has answered instead: payments are sent by the ERP, and never"
            " from here."
        ),
    ),
    "wrong-message": (
        gettext_lazy("The file is another bank message than it was taken for."),
        OURS,
    ),
    "damaged": (gettext_lazy("The stored bytes are not those that came."), AGAIN),
}


@dataclass(frozen=True, slots=True)
class Told:
    """What went wrong and what to do; `own` is the code's own sentence, in English."""

    code: str
    problem: str
    cure: str
    own: str
    place: str = ""


def told(error: Mapping[str, Any] | None) -> Told | None:
    """The stored error of a file, in the language of the page; None where there is none."""
    if not error:
        return None
    code = str(error.get("code", ""))
    own = str(error.get("problem") or error.get("detail") or "")
    if code in CURED:
        problem, cure = CURED[code]
    else:
        problem = WORDS.get(code) or gettext_lazy("The file could not be read.")
        cure = OURS if code == "internal" else AGAIN
    return Told(code, str(problem), str(cure), own, _place(str(error.get("place", ""))))


def _place(stored: str) -> str:
    """Where in the file, from "line 3 Document/GrpHdr"."""
    found = re.fullmatch(r"line (\d+)(?: (.*))?", stored)
    if found is None or not int(found[1]):
        return stored.removeprefix("line 0").strip()
    line = _("line %(n)s") % {"n": found[1]}
    return f"{line}, {found[2]}" if found[2] else line


def told_channel(last_error: str) -> Told | None:
    """The stored fault of a channel, `code: own words`; None where it works."""
    code, _colon, own = last_error.partition(": ")
    return told({"code": code, "detail": own}) if last_error else None
