"""Payments as a Django app: its answers to the lower floors, and its lists."""

from __future__ import annotations

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        from django.utils.translation import gettext_lazy as _

        from payments import answers, guards, lists
        from portal import mail
        from portal.lists import spec
        from portal.people import acts

        mail.optional.update(
            {
                "payments.to_approve": _("Payments that wait for your approval"),
                "payments.stopped": _("Lines that a check stops"),
                "payments.rejected": _("Payments that the bank has rejected"),
                "payments.returned": _("Payments whose money has come back"),
                "payments.differs": _("Differences that the daily check finds"),
                "payments.sent_back": _("Files that the bank has refused, to be approved again"),
            }
        )
        acts.FIELDS.update({code: words.title for code, words in guards.WORDS.items()})
        acts.VALUES.update(dict.fromkeys(guards.WORDS, guards.SEVERITIES))
        answers.register()
        for one in lists.ALL.values():
            spec.register(one)
