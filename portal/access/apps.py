"""Grants the application role its rights after each migration, and checks that role at start."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.models.signals import post_migrate


class AccessConfig(AppConfig):
    name = "portal.access"
    label = "access"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        # A session that waits for its second factor is no sign-in; `entering` says when it is one.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
        post_migrate.connect(_grant_application_role, dispatch_uid="grant_application_role")
        checks.register(application_role_is_walled_in, checks.Tags.database)
        checks.register(demo_only_in_demo, checks.Tags.security)


def _grant_application_role(sender: AppConfig, **_: Any) -> None:
    """Lets the application role read and write rows, but change no table and truncate none."""
    if sender.label != "access":
        return
    role = settings.DATABASE_APP_ROLE
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [role]
        )
        me, exists = cursor.fetchone()
        if me == role or not exists:
            return
        quoted = connection.ops.quote_name(role)
        cursor.execute(
            f"GRANT USAGE ON SCHEMA public TO {quoted};"
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {quoted};"
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {quoted};"
        )


def application_role_is_walled_in(
    app_configs: Any, databases: Any = None, **_: Any
) -> list[checks.CheckMessage]:
    """Refuses a role that row-level security would be blind to."""
    if not databases:
        return []
    return role_faults()


def role_faults() -> list[checks.CheckMessage]:
    """The same check, for the start of the web server and workers."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        name, superuser, bypass = cursor.fetchone()
    if not (superuser or bypass):
        return []
    return [
        checks.Error(
            f"The database role «{name}» is a superuser or has BYPASSRLS: the wall between"
            " companies would not hold.",
            hint="Let DATABASE_URL sign in as a plain role; see docs/operations.md.",
            id="access.E001",
        )
    ]


def demo_only_in_demo(app_configs: Any, **_: Any) -> list[checks.CheckMessage]:
    """The demo shows everybody's codes: it needs demo settings and an address on this machine."""
    installed = "portal.demo" in settings.INSTALLED_APPS
    host = settings.BASE_URL.split("//", 1)[-1].split("/", 1)[0].rsplit(":", 1)[0]
    if installed and not settings.DEMO:
        problem = "portal.demo is installed outside demo settings."
    elif settings.DEMO and host not in ("localhost", "127.0.0.1", "[::1]"):
        problem = f"The demo would be open to others at {settings.BASE_URL}."
    else:
        return []
    hint = "Unset KVITT_DEMO, or run the demo on localhost with ./run."
    return [checks.Error(problem, hint=hint, id="access.E002")]
