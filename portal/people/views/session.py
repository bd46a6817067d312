"""How long the session still lasts: what a page asks to warn in time, and to go on afterwards."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.middleware.csrf import get_token
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from portal.access import guard


@never_cache
@require_GET
@guard.signed_in
def session(request: HttpRequest) -> JsonResponse:
    """Asking is a sign of life like any other page; who is not signed in is sent to sign in.

    `token` replaces the one in the forms of a page that was opened before the latest sign-in.
    """
    return JsonResponse(
        {
            "left": guard.seconds_left(request),
            "user": str(request.user.pk),
            "began": guard.began(request),
            "token": get_token(request),
        }
    )
