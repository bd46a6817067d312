"""Tells lower floors what only payments know: names of statuses, words for own faults, the menu."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        from django.utils import translation
        from django.utils.translation import gettext as _

        from payments import checks, lifecycle, lists
        from portal.access import roles
        from portal.events import questions
        from portal.lists import spec

        def status_text(subject: str, status: str, language: str) -> str | None:
            if subject not in ("payment", "line") or status not in lifecycle.PAYMENT_STATUSES:
                return None
            with translation.override(language):
                return str(lifecycle.PAYMENT_STATUSES[status].label)

        def explain_reason(code: str, language: str) -> checks.Explanation | None:
            known = checks.explain(code)
            if known is None:
                return None
            with translation.override(language):
                return checks.Explanation(str(known.title), str(known.meaning), str(known.cure))

        def event_label(event: str) -> Any:
            move = lifecycle.LINE.moves.get(event)
            others = {
                "received_from_erp": _("Received from the ERP"),
                "signature_broken": _("Not what was signed; not sent"),
                "file_not_made": _("The bank file could not be made; not sent"),
            }
            return move.label if move else others.get(event)

        def own_reason(reason: str) -> Any:
            return lifecycle.OWN_REASONS.get(reason)

        def menu(permissions: Any) -> list[questions.MenuItem] | None:
            rows = []
            if roles.SEE_PAYMENTS & permissions:
                item = questions.MenuItem(10, "payments:list", _("Outgoing"), icon="TasklistSend")
                rows.append(item)
            if roles.APPROVE_PAYMENTS & permissions:
                rows.append(
                    questions.MenuItem(20, "payments:approve", _("Approve"), icon="PencilWriting")
                )
            return rows or None

        questions.status_text.register(status_text)
        questions.explain_reason.register(explain_reason)
        questions.event_label.register(event_label)
        questions.own_reason.register(own_reason)
        questions.menu.register(menu)
        questions.waiting.register(lists.waiting_for)
        questions.search.register(lists.search)
        spec.register(lists.PAYMENTS)
        spec.register(lists.TO_APPROVE)
