"""Why nothing was signed in a company."""

from __future__ import annotations

from collections.abc import Sequence


class NotSigned(Exception):
    """Nothing was signed in a company; `numbers` are the payments' that stood in the way."""

    def __init__(self, numbers: Sequence[str] = ()) -> None:
        super().__init__(", ".join(numbers))
        self.numbers = list(numbers)


class NotYours(NotSigned):
    """The user's roles do not reach these payments (supplier and salary are separate)."""


class ServiceOff(NotSigned):
    """AutoPay is not on for the company: nothing may be approved."""


class OverLimit(NotSigned):
    """The payments are beyond what this person may approve."""


class AlreadySigned(NotSigned):
    """The same person cannot be both approvers of a payment."""


class EnteredByThemselves(NotSigned):
    """Nobody but those who entered the payments would have approved them."""


class NoAgreement(NotSigned):
    """The agreement of the payments is not active, so they would never be sent."""


class StoppedByCheck(NotSigned):
    """A check stops the payments, and no administrator has let them pass."""


class Changed(NotSigned):
    """The payments are no longer as they were shown: somebody was quicker."""
