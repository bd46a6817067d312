"""The statuses of a job, as data; pure."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from portal.access.actors import ActorKind
from portal.events.lifecycle import Move, Status, lifecycle

USER, CLOCK = ActorKind.USER, ActorKind.CLOCK

WAITING, RUNNING = "waiting", "running"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
OPEN = frozenset({WAITING, RUNNING})


def _move(name: str, sources: set[str], target: str, who: set[ActorKind], label: Any) -> Move:
    return Move(name, frozenset(sources), target, frozenset(who), label, told=False)


START = _move("job_begun", {WAITING}, RUNNING, {CLOCK}, _("Begun"))
RETURN = _move("job_interrupted", {RUNNING}, WAITING, {CLOCK}, _("Interrupted; begins again"))
FINISH = _move("job_done", {RUNNING}, DONE, {CLOCK}, _("Done"))
FAIL = _move("job_failed", {RUNNING}, FAILED, {CLOCK}, _("Failed"))
CANCEL = _move("job_cancelled", {WAITING, RUNNING}, CANCELLED, {USER, CLOCK}, _("Stopped"))

JOB = lifecycle(
    "job",
    WAITING,
    [
        Status(WAITING, _("Waiting"), _("The work has not begun yet."), tone="wait"),
        Status(RUNNING, _("Under way"), _("The work goes on, also when you leave this page.")),
        Status(DONE, _("Done"), _("The work is done."), final=True, tone="good"),
        Status(
            FAILED, _("Failed"), _("The work came to no end and made no file."),
            final=True, tone="bad",
        ),
        Status(
            CANCELLED, _("Stopped"), _("The work was stopped before its end and made no file."),
            final=True,
        ),
    ],
    [START, RETURN, FINISH, FAIL, CANCEL],
)  # fmt: skip

# Events of a job that change no status.
ASKED, CANCEL_ASKED = "job_asked", "job_cancel_asked"
REMARKS = {ASKED: _("Asked for"), CANCEL_ASKED: _("Asked to stop")}
