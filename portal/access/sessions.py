"""Sessions in the database with their owner, so that a person's can be listed and ended.

It is the session engine of the settings, and the few acts on the sessions of a person.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

ADDRESS_KEY, AGENT_KEY, BEGAN_KEY, SEEN_KEY = "address", "agent", "began_at", "seen_at"
AGENT_MAX = 300


class SessionStore(DatabaseStore):
    """Django's own, that also keeps whose the session is and where it came from."""

    @classmethod
    def get_model_class(cls) -> Any:
        from portal.access.models import UserSession

        return UserSession

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row: Any = super().create_model_instance(data)
        row.user_id = int(data["_auth_user_id"]) if "_auth_user_id" in data else None
        row.address = data.get(ADDRESS_KEY) or None
        row.agent = data.get(AGENT_KEY, "")
        row.began_at = data.get(BEGAN_KEY)
        row.seen_at = data.get(SEEN_KEY)
        return row


def end_all(*, user: Any, but: str = "") -> int:
    """Ends every session of a user at once, but the one with this key; answers how many."""
    from portal.access.models import UserSession

    rows = UserSession.objects.filter(user_id=user.pk).exclude(session_key=but)
    return int(rows.delete()[0])
