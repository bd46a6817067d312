"""The pages of people as a Django app: what stands in the menus, and the lists."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "portal.people"
    label = "people"

    def ready(self) -> None:
        from django.utils.translation import gettext as _

        from portal import mail
        from portal.access.roles import Permission
        from portal.events import questions
        from portal.events.questions import MenuItem
        from portal.lists import spec
        from portal.people import lists

        def menu(permissions: Any) -> list[MenuItem]:
            rows = [MenuItem(90, "people:administration", _("The company"), icon="Buildings2")]
            if Permission.SEE_CUSTOMER in permissions:
                rows.append(
                    MenuItem(
                        95,
                        "people:companies",
                        _("All companies"),
                        icon="Buildings3",
                        at_customer=True,
                    )
                )
            return rows

        def customer_menu(permissions: Any) -> list[MenuItem]:
            rows = [
                MenuItem(10, "people:companies", _("Companies"), icon="Buildings3"),
                MenuItem(20, "people:users", _("Users"), icon="Person"),
                MenuItem(30, "people:groups", _("User groups"), icon="PersonGroup"),
                MenuItem(35, "people:roles", _("The roles"), icon="PersonSuit"),
                MenuItem(40, "people:log", _("Change log"), icon="ClockDashed"),
                MenuItem(45, "people:customer", _("The customer"), icon="Briefcase"),
                MenuItem(55, "people:terms", _("Terms of service"), icon="FileText"),
            ]
            if Permission.MANAGE_CUSTOMER in permissions:
                text = _("The customer's key")
                rows.append(MenuItem(50, "people:customer-key", text, icon="KeyVertical"))
            return rows

        mail.secret |= {
            "people.invitation",
            "people.password_link",
            "people.email_confirm",
            "people.email_notice",
            "people.code",
        }
        questions.menu.register(menu)
        questions.customer_menu.register(customer_menu)
        spec.register(lists.COMPANIES)
        spec.register(lists.USERS)
        spec.register(lists.CUSTOMER_LOG)
        spec.register(lists.COMPANY_LOG)
