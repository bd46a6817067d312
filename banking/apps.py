"""Tells lower floors what the bank's reason codes mean, and what stands in the menu."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class BankingConfig(AppConfig):
    name = "banking"

    def ready(self) -> None:
        from django.conf import settings
        from django.core.exceptions import ImproperlyConfigured
        from django.utils.translation import gettext as _

        from banking import agreements, calendar, labels, lifecycle, lists, profiles
        from banking.iso20022 import codes
        from banking.models import BankAgreement
        from portal.access.roles import Permission
        from portal.events import questions
        from portal.lists import spec
        from portal.people import acts

        try:
            calendar.use(settings.BANK_DAYS)
        except (OSError, ValueError) as error:
            told = f"KVITT_BANK_DAYS: {settings.BANK_DAYS} cannot be used: {error}"
            raise ImproperlyConfigured(told) from error

        def explain_reason(code: str, language: str, text: str) -> codes.Explanation | None:
            return codes.explain(code, "nb" if language.startswith(("nb", "no")) else "en", text)

        def event_label(event: str) -> Any:
            for cycle in (lifecycle.FILE, lifecycle.AGREEMENT):
                if event in cycle.moves:
                    return cycle.moves[event].label
            return labels.EVENTS.get(event)

        def own_reason(reason: str) -> Any:
            return agreements.ENDED_BY.get(reason)

        def menu(permissions: Any) -> list[questions.MenuItem] | None:
            rows = []
            if Permission.SEE_AGREEMENTS in permissions:
                item = questions.MenuItem(
                    50, "banking:agreements", _("Agreements"), icon="Handshake"
                )
                rows.append(item)
            if Permission.SEE_FILES in permissions:
                rows.append(questions.MenuItem(55, "banking:files", _("Bank files"), icon="Files"))
            return rows or None

        def set_up(companies: Any) -> dict[int, questions.SetUp]:
            return agreements.set_up(companies)

        def unfinished() -> Any:
            return agreements.lacking()

        profiles.every()  # a file that is not made as it must be stops the start
        acts.ACTS.update(labels.ACTS)
        acts.FIELDS.update(labels.FIELDS)
        acts.VALUES.update(
            file_format=dict(BankAgreement.Format.choices),
            bank_approval=dict(BankAgreement.BankApproval.choices),
            approvers_required=_by_text(BankAgreement.Approvers.choices),
            bank_approvers_required=_by_text(BankAgreement.Approvers.choices),
        )
        questions.set_up.register(set_up)
        questions.unfinished.register(unfinished)
        questions.explain_reason.register(explain_reason)
        questions.event_label.register(event_label)
        questions.own_reason.register(own_reason)
        questions.menu.register(menu)
        spec.register(lists.AGREEMENTS)
        spec.register(lists.FILES)


def _by_text(choices: Any) -> dict[str, Any]:
    return {str(value): label for value, label in choices}
