"""The pages of the push as a Django app."""

from __future__ import annotations

from django.apps import AppConfig


class PushingConfig(AppConfig):
    name = "portal.pushing"
    label = "pushing"

    def ready(self) -> None:
        from django.utils.translation import gettext_lazy as _

        from portal.lists import spec
        from portal.people import acts
        from portal.pushing import lists

        spec.register(lists.MESSAGES)
        acts.ACTS.update(
            {
                "push.made": _("Push of events set up"),
                "push.changed": _("Push of events changed"),
                "push.on": _("Push of events switched on"),
                "push.off": _("Push of events switched off"),
                "push.secret": _("Secret of the push replaced"),
            }
        )
        acts.FIELDS.update({"push_address": _("Address for events")})
