"""One signature: the text that was signed, with what, and whether it holds."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from payments import proofs, queries
from payments.models import Signature
from portal.access import guard
from portal.access.roles import SEE_PAYMENTS


@require_GET
@guard.company(*SEE_PAYMENTS)
def proof(request: HttpRequest, signature: int) -> HttpResponse:
    """Checks a signature anew each time it is looked at; `?as=json` is all that is kept of it."""
    acting = guard.acting_of(request)
    rows = Signature.objects.of(acting.company).select_related(
        "user", "in_place_of", "ceremony", "payment__account", "payment__agreement__account"
    )
    kinds = queries.kinds_seen(acting.permissions)
    one = get_object_or_404(rows, pk=signature, payment__kind__in=kinds)
    if request.GET.get("as") == "json":
        return _kept(one)
    context = {"row": one.payment, "signature": one, "checked": proofs.check(one)}
    return render(request, "payments/proof.html", context)


def _kept(one: Signature) -> HttpResponse:
    evidence = one.ceremony.evidence or {}
    kept = {
        "statement": one.statement,
        "hmac_sha256": bytes(one.mac).hex(),
        "factor": one.ceremony.factor,
        "evidence": evidence or None,
    }
    answer = HttpResponse(json.dumps(kept, indent=2), content_type="application/json")
    name = f"signature-{one.pk}.json"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
