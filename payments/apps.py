"""Payments as a Django app: its answers to the lower floors, and its lists."""

from __future__ import annotations

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "payments"

    def ready(self) -> None:
        from payments import answers, lists
        from portal.lists import spec

        answers.register()
        spec.register(lists.PAYMENTS)
        spec.register(lists.TO_APPROVE)
