"""The product's addresses and one more: a bare page of payments, to measure the list against."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

from payments import queries
from payments.lists import PAYMENTS, loaded
from payments.tables import PaymentTable
from portal.access import guard
from portal.access.roles import SEE_PAYMENTS
from portal.lists import keyset
from portal.urls import urlpatterns as product

TEMPLATE = """<!doctype html><html lang="nb"><head><title>{{ company.name }}</title></head><body>
<h1>Betalinger</h1><table><thead><tr><th>Betaling</th><th>Status</th><th>Linjer</th><th>Beløp</th>
<th>Forfall</th><th>Konto</th><th>Mottatt</th><th>Godkjenninger</th></tr></thead><tbody>
{% for row in rows %}<tr><td><input type="checkbox" name="payment" value="{{ row.pk }}"></td>
<th><a href="{% link 'payments:detail' payment=row.pk %}">{{ row.number }}</a> {{ row.kind }}</th>
<td>{% tag row.state %}</td><td>{{ row.line_count|number }}</td><td>{{ row.totals|totals }}</td>
<td>{{ row.due_date|day }}</td><td>{{ row.account.number|account }} {{ row.account.name }}</td>
<td>{{ row.created_at|moment }}</td><td>{{ row.alive|length }} av
{{ row.agreement.approvers_required }}{% for s in row.alive %} {{ s.user }}{% endfor %}</td></tr>
{% endfor %}</tbody></table></body></html>"""
_made: list[Any] = []


@guard.company(*SEE_PAYMENTS)
def bare(request: HttpRequest) -> HttpResponse:
    """Fifty payments by keyset in a plain template, and nothing else."""
    acting = guard.acting_of(request)
    rows = queries.visible(company=acting.company, permissions=acting.permissions)
    page = keyset.page(
        rows=loaded(rows),
        order=PaymentTable.orders[PaymentTable.standard],
        size=settings.LIST_PAGE_SIZE,
        after=request.GET.get("after", ""),
    )
    if not _made:
        _made.append(engines["django"].engine.from_string(TEMPLATE))  # type: ignore[attr-defined]
    from django.template import Context

    context = Context({"rows": page.rows, "company": acting.company, "request": request})
    assert PAYMENTS.table is PaymentTable
    return HttpResponse(_made[0].render(context))


urlpatterns = [*product, path("c/<slug:company>/bare/", bare, name="bare")]
