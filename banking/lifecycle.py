"""The statuses of agreements and bank files, as data; pure."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.access.actors import ActorKind
from portal.events.lifecycle import Move, Status, lifecycle

USER, ERP, BANK, CLOCK = ActorKind.USER, ActorKind.ERP, ActorKind.BANK, ActorKind.CLOCK

DRAFT, ORDERED, ACTIVE, DEACTIVATED = "draft", "ordered", "active", "deactivated"

ORDER = Move("ordered", frozenset({DRAFT}), ORDERED, frozenset({USER}), _("Ordered"), told=False)
ACTIVATE = Move(
    "activated",
    frozenset({DRAFT, ORDERED}),
    ACTIVE,
    frozenset({USER, ERP, BANK}),
    _("Activated"),
    told=False,
)
DEACTIVATE = Move(
    "deactivated",
    frozenset({DRAFT, ORDERED, ACTIVE}),
    DEACTIVATED,
    frozenset({USER, CLOCK}),
    _("Deactivated"),
    told=False,
)

AGREEMENT = lifecycle(
    "agreement",
    DRAFT,
    [
        Status(DRAFT, _("Draft"), _("The agreement is being filled in.")),
        Status(ORDERED, _("Ordered"), _("Waits for the bank to activate it."), tone="wait"),
        Status(ACTIVE, _("Active"), _("Payments can be sent on this agreement."), tone="good"),
        Status(DEACTIVATED, _("Deactivated"), _("Nothing can be sent on it."), final=True),
    ],
    [ORDER, ACTIVATE, DEACTIVATE],
)

STORED, UPLOADING, DELIVERED, RECEIVED = "stored", "uploading", "delivered", "received"
REFUSED, UNDELIVERED = "refused", "undelivered"
FETCHED, READ, SET_ASIDE = "fetched", "read", "set_aside"


def _move(name: str, sources: set[str], target: str, who: set[ActorKind], label: Any) -> Move:
    return Move(name, frozenset(sources), target, frozenset(who), label, told=False)


UPLOAD = _move("file_upload_begun", {STORED}, UPLOADING, {CLOCK, USER}, _("Upload begun"))
DELIVER = _move("file_delivered", {UPLOADING}, DELIVERED, {CLOCK}, _("Delivered to the bank"))
GIVE_UP = _move("file_undelivered", {UPLOADING}, UNDELIVERED, {CLOCK}, _("Could not be delivered"))
TRY_AGAIN = _move("file_tried_again", {UNDELIVERED}, UPLOADING, {USER}, _("Sent again"))
RECEIVE = _move(
    "file_received",
    {STORED, UPLOADING, DELIVERED, UNDELIVERED},
    RECEIVED,
    {BANK},
    _("Received by the bank"),
)
REFUSE = _move(
    "file_refused",
    {STORED, UPLOADING, DELIVERED, UNDELIVERED, RECEIVED},
    REFUSED,
    {BANK},
    _("Refused by the bank"),
)
READ_OUT = _move("file_read", {FETCHED}, READ, {CLOCK}, _("Read"))
READ_AGAIN = _move("file_read_again", {SET_ASIDE}, FETCHED, {CLOCK, USER}, _("To be read again"))
PUT_ASIDE = _move("file_set_aside", {FETCHED}, SET_ASIDE, {CLOCK}, _("Set aside"))

FILE = lifecycle(
    "bank file",
    STORED,
    [
        Status(STORED, _("Stored"), _("Written and kept here; not yet on its way."), tone="wait"),
        Status(UPLOADING, _("Being delivered"), _("On its way to the bank."), tone="wait"),
        Status(DELIVERED, _("Delivered"), _("Lies with the bank, which has not answered yet.")),
        Status(RECEIVED, _("Received by the bank"), _("The bank has it in hand."), tone="good"),
        Status(
            REFUSED,
            _("Refused by the bank"),
            _("The bank took nothing from it; its payments wait for approval again."),
            final=True,
            tone="bad",
        ),
        Status(
            UNDELIVERED,
            _("Not delivered"),
            _("The bank could not be reached; the same file can be sent again."),
            tone="bad",
        ),
        Status(FETCHED, _("Fetched"), _("Kept here as it came; not yet read."), tone="wait"),
        Status(READ, _("Read"), _("All it says has been carried out."), final=True, tone="good"),
        Status(
            SET_ASIDE,
            _("Set aside"),
            _("It could not be carried out; nothing of it was done."),
            tone="bad",
        ),
    ],
    [UPLOAD, DELIVER, GIVE_UP, TRY_AGAIN, RECEIVE, REFUSE, READ_OUT, READ_AGAIN, PUT_ASIDE],
)
