"""The statuses of payment lines and how a payment's own status follows; pure."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from portal.access.actors import ActorKind
from portal.events.lifecycle import Move, Status, lifecycle

USER, ERP, BANK, CLOCK = ActorKind.USER, ActorKind.ERP, ActorKind.BANK, ActorKind.CLOCK

AWAITING, PARTLY, APPROVED, SENDING = "awaiting", "partly", "approved", "sending"
SENT, RECEIVED, PENDING, ACCEPTED = "sent", "received", "pending", "accepted"
SETTLED, REJECTED, CANCELLED = "settled", "rejected", "cancelled"
CANCELLED_AT_BANK, RETURNED, REFUSED = "cancelled_bank", "returned", "refused"
HELD, STOPPED, UNDELIVERED, UNKNOWN = "held", "stopped", "undelivered", "unknown"
ENDED = "ended"

STATUSES = [
    Status(
        AWAITING, _("Awaiting approval"), _("Waits for somebody to approve it."), False, 2, "wait"
    ),
    Status(
        PARTLY,
        _("Partly approved"),
        _("One person has approved; another person must approve too."),
        False,
        2,
        "wait",
    ),
    Status(APPROVED, _("Approved"), _("Approved, and will be sent to the bank."), False, 2),
    Status(SENDING, _("Being sent to the bank"), _("The bank file is on its way."), False, 2),
    Status(
        SENT, _("Sent to the bank"), _("Lies with the bank, which has not answered yet."), False, 2
    ),
    Status(
        RECEIVED, _("Received by the bank"), _("The bank has the file and checks it."), False, 2
    ),
    Status(
        PENDING,
        _("Pending at the bank"),
        _("The bank waits: for cover, for the date, or for approval in the net bank."),
        False,
        2,
        "wait",
    ),
    Status(
        ACCEPTED,
        _("Accepted by the bank"),
        _("The bank will pay on the due date, or on the first bank day after it."),
        False,
        2,
        "good",
    ),
    Status(SETTLED, _("Settled"), _("The money has left the account."), True, 5, "good"),
    Status(
        REJECTED,
        _("Rejected"),
        _("The bank did not pay it. Correct it in the ERP and send a new payment."),
        True,
        7,
        "bad",
    ),
    Status(
        CANCELLED, _("Cancelled"), _("Cancelled before it was sent; nothing was paid."), True, 4
    ),
    Status(
        CANCELLED_AT_BANK,
        _("Cancelled at the bank"),
        _("Cancelled after it was sent; nothing was paid."),
        True,
        4,
    ),
    Status(
        RETURNED,
        _("Returned"),
        _("It was paid, and then the money came back."),
        True,
        None,
        "bad",
    ),
    Status(REFUSED, _("Refused"), _("An approver refused it; nothing was paid."), True, 4, "bad"),
    Status(
        HELD,
        _("On hold"),
        _("Held back by a person; the rest goes on without it."),
        False,
        2,
        "wait",
    ),
    Status(
        STOPPED,
        _("Stopped by checks"),
        _("A check found a fault; it is not sent. Correct it in the ERP and send a new payment."),
        False,
        2,
        "bad",
    ),
    Status(
        UNDELIVERED,
        _("Not delivered"),
        _("The bank could not be reached; the same file can be sent again."),
        False,
        2,
        "bad",
    ),
    Status(
        UNKNOWN,
        _("Unknown response"),
        _("The bank answered with something new; see its message below."),
        False,
        2,
        "bad",
    ),
]

_OPEN = {AWAITING, PARTLY}
_UNSENT = {AWAITING, PARTLY, APPROVED}
# A payment none of whose lines has left yet has lines in these statuses only.
WAITING_HERE = [AWAITING, PARTLY, APPROVED]
AT_HOME = [*_UNSENT, HELD, STOPPED, CANCELLED, REFUSED]
_AT_BANK = {SENDING, SENT, RECEIVED, PENDING, ACCEPTED, UNDELIVERED, UNKNOWN}


def _move(
    name: str,
    sources: set[str],
    target: str,
    who: set[ActorKind],
    label: object,
    apart: bool = False,
) -> Move:
    return Move(name, frozenset(sources), target, frozenset(who), label, apart)


STOP = _move("stopped", {AWAITING}, STOPPED, {CLOCK}, _("Stopped by checks"), True)
SIGN_FIRST = _move("signed_first", {AWAITING}, PARTLY, {USER}, _("Approved by the first of two"))
APPROVE = _move("approved", _OPEN, APPROVED, {USER}, _("Approved"))
UNSIGN = _move(
    "approval_void",
    {PARTLY, APPROVED},
    AWAITING,
    {USER, CLOCK, BANK},
    _("Approvals void; approve again"),
)
WITHDRAW = _move("withdrawn", {APPROVED}, PARTLY, {USER}, _("Approval withdrawn"))
WITHDRAW_LAST = _move(
    "last_withdrawn", {PARTLY, APPROVED}, AWAITING, {USER}, _("Approval withdrawn")
)
HOLD = _move("held", _UNSENT, HELD, {USER}, _("On hold"), True)
RELEASE = _move("released", {HELD}, AWAITING, {USER}, _("Released from hold"), True)
CANCEL = _move("cancelled", _UNSENT | {HELD, STOPPED}, CANCELLED, {USER, ERP}, _("Cancelled"), True)
REFUSE = _move("refused", _UNSENT | {HELD}, REFUSED, {USER}, _("Refused"), True)
SEND = _move("sending", {APPROVED}, SENDING, {CLOCK, USER}, _("Bank file made"))
SENT_TO_BANK = _move("sent", {SENDING, UNDELIVERED}, SENT, {CLOCK}, _("Sent to the bank"))
NOT_DELIVERED = _move("undelivered", {SENDING}, UNDELIVERED, {CLOCK}, _("Not delivered"))
TRY_AGAIN = _move("tried_again", {UNDELIVERED}, SENDING, {USER}, _("Sent again"))
RECEIVE = _move(
    "received", {SENDING, SENT, UNDELIVERED}, RECEIVED, {BANK}, _("Received by the bank")
)
SEND_BACK = _move(
    "sent_back",
    {SENDING, SENT, RECEIVED, UNDELIVERED},
    AWAITING,
    {BANK},
    _("The bank refused the whole file; approve again"),
)
ACCEPT = _move(
    "accepted",
    {SENDING, SENT, RECEIVED, PENDING, UNDELIVERED, UNKNOWN},
    ACCEPTED,
    {BANK},
    _("Accepted by the bank"),
)
PEND = _move(
    "pending",
    {SENDING, SENT, RECEIVED, UNDELIVERED, UNKNOWN},
    PENDING,
    {BANK},
    _("Pending at the bank"),
)
REJECT = _move("rejected", _AT_BANK, REJECTED, {BANK}, _("Rejected by the bank"), True)
CANCEL_AT_BANK = _move(
    "cancelled_bank", _AT_BANK, CANCELLED_AT_BANK, {BANK}, _("Cancelled at the bank"), True
)
PUZZLE = _move(
    "unknown",
    {SENDING, SENT, RECEIVED, PENDING, UNDELIVERED},
    UNKNOWN,
    {BANK},
    _("Unknown response from the bank"),
    True,
)
SETTLE = _move("settled", _AT_BANK, SETTLED, {BANK}, _("Settled"), True)
RETURN = _move("returned", {SETTLED}, RETURNED, {BANK}, _("Returned by the bank"), True)

# Where the bank tells of what it has paid and of nothing else, a person tells the rest.
_UNTOLD = {SENT, RECEIVED, PENDING, ACCEPTED, UNKNOWN}
SET_SETTLED = _move("set_settled", _UNTOLD, SETTLED, {USER}, _("Settled, set by hand"), True)
SET_REJECTED = _move("set_rejected", _UNTOLD, REJECTED, {USER}, _("Rejected, set by hand"), True)
SET_CANCELLED = _move(
    "set_cancelled", _UNTOLD, CANCELLED_AT_BANK, {USER}, _("Cancelled, set by hand"), True
)
BY_HAND = {move.name: move for move in (SET_SETTLED, SET_REJECTED, SET_CANCELLED)}

LINE = lifecycle(
    "payment line",
    AWAITING,
    STATUSES,
    [
        STOP,
        SIGN_FIRST,
        APPROVE,
        UNSIGN,
        WITHDRAW,
        WITHDRAW_LAST,
        HOLD,
        RELEASE,
        CANCEL,
        REFUSE,
        SEND,
        SENT_TO_BANK,
        NOT_DELIVERED,
        TRY_AGAIN,
        RECEIVE,
        SEND_BACK,
        ACCEPT,
        PEND,
        REJECT,
        CANCEL_AT_BANK,
        PUZZLE,
        SETTLE,
        RETURN,
        SET_SETTLED,
        SET_REJECTED,
        SET_CANCELLED,
    ],
)

PAYMENT_STATUSES = {
    **LINE.statuses,
    ENDED: Status(
        ENDED,
        _("Ended with deviations"),
        _("Every line is final, but not all were settled; see the lines."),
        True,
        tone="bad",
    ),
}

# Reasons that Kvitt itself writes into events and void signatures, in words.
WITHDRAWN, DATE_MOVED, AGREEMENT_MOVED = "withdrawn", "date moved", "agreement moved"
OWN_REASONS = {
    WITHDRAWN: _("whoever gave it took it back"),
    DATE_MOVED: _("the due date was moved"),
    AGREEMENT_MOVED: _("it was moved to another agreement"),
    "released": _("a line was released from hold, so the approval no longer covered the payment"),
    "refused by the bank": _("the bank refused the whole file"),
    "not as signed": _("what was about to be sent was not what was approved"),
    "file not made": _("the bank file could not be made"),
}

# What a person looks for among payments: what waits for approval, what is on its way, what went
# another way and may need somebody, what is over.
OPEN, WAY, DEVIATING, DONE = "open", "way", "deviating", "done"
PHASES = {
    OPEN: [AWAITING, PARTLY],
    WAY: [APPROVED, SENDING, SENT, RECEIVED, PENDING, ACCEPTED],
    DEVIATING: [HELD, STOPPED, UNDELIVERED, UNKNOWN, REJECTED, RETURNED, ENDED],
    DONE: [SETTLED, CANCELLED, CANCELLED_AT_BANK, REFUSED],
}
# A payment whose lines have all come to their end.
OVER = [SETTLED, CANCELLED, CANCELLED_AT_BANK, REFUSED, REJECTED, RETURNED, ENDED]
# Lines of these make their payment deviate, however the rest of it stands.
DEVIANT = [HELD, STOPPED, UNDELIVERED, UNKNOWN, REJECTED, RETURNED]
PHASE_LABELS = {
    OPEN: _("To approve"),
    WAY: _("On the way"),
    DEVIATING: _("Deviations"),
    DONE: _("Finished"),
}

# A payment shows its least advanced line that is on its way; then lines that wait for a
# person; only when all lines are final does it show how they ended.
_ON_THEIR_WAY = [AWAITING, PARTLY, APPROVED, SENDING, UNDELIVERED, SENT, RECEIVED, UNKNOWN, PENDING]
_ORDER = [*_ON_THEIR_WAY, ACCEPTED, HELD, STOPPED]


def payment_status(counts: dict[str, int]) -> str:
    """The status of a payment whose lines stand like this."""
    present = {status for status, rows in counts.items() if rows}
    for status in _ORDER:
        if status in present:
            return status
    if len(present) == 1:
        return present.pop()
    return ENDED if present else AWAITING


def signable(status: str) -> bool:
    """Whether a payment in this status waits for a signature."""
    return status in _OPEN
