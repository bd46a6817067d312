"""Jobs as a Django app: tells the log what their events are called."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "portal.jobs"
    label = "jobs"

    def ready(self) -> None:
        from portal.events import questions
        from portal.jobs import lifecycle

        def event_label(event: str) -> Any:
            move = lifecycle.JOB.moves.get(event)
            return move.label if move else lifecycle.REMARKS.get(event)

        questions.event_label.register(event_label)
