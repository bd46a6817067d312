"""/healthz: whether the parts of the machine answer; tells nothing about anybody."""

from __future__ import annotations

import datetime as dt

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone

from portal.jobs import due

BEAT_LATE = dt.timedelta(minutes=2)


def healthz(request: HttpRequest) -> JsonResponse:
    """200 while database and queue answer; the beat is told, and does not fail the web."""
    parts: dict[str, str] = {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        parts["database"] = "ok"
        beat = due.last_beat("beat")
        late = beat is None or timezone.now() - beat > BEAT_LATE
        parts["beat"] = "late" if late else "ok"
    except DatabaseError as error:
        parts["database"] = type(error).__name__
    try:
        redis.Redis.from_url(settings.REDIS_URL, socket_timeout=2).ping()
        parts["queue"] = "ok"
    except redis.RedisError as error:
        parts["queue"] = type(error).__name__
    healthy = parts.get("database") == "ok" and parts.get("queue") == "ok"
    return JsonResponse({"healthy": healthy, **parts}, status=200 if healthy else 503)
