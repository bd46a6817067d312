"""The order form of an agreement, for the bank to sign: a PDF to download."""

from __future__ import annotations

import re
import unicodedata

from django.http import HttpRequest, HttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from banking import orderform, orderwords
from banking.views.lookup import found
from portal import clock
from portal.access import guard
from portal.access.roles import Permission

COMPANY_MAX = 60
# What some system does not take in a name, and marks that would turn its end around.
_UNFIT = re.compile(r'[\x00-\x1f\x7f"*/:<>?\\|\u200b-\u200f\u2028-\u202e\u2060-\u206f]+')
_LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "Æ": "Ae", "Ø": "O", "Å": "A"})


@require_GET
@guard.company(Permission.SEE_AGREEMENTS)
def order_form(request: HttpRequest, agreement: int) -> HttpResponse:
    """The form as the agreement stands today, in the reader's language."""
    row = found(request, agreement)
    content = orderform.pdf(orderwords.of(row, today=clock.today()))
    company = " ".join(_UNFIT.sub(" ", row.company.name).split())[:COMPANY_MAX].strip(" .")
    name = " ".join((_("Order form"), row.reference, company)).strip()
    answer = HttpResponse(content, content_type="application/pdf")
    answer["Content-Disposition"] = _attached(name)
    return answer


def _attached(name: str) -> str:
    """The header for a PDF of that name, in ASCII first where the name is not."""
    letters = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    plain = " ".join(letters.encode("ascii", "ignore").decode().split())
    told, full = (content_disposition_header(True, f"{one}.pdf") or "" for one in (plain, name))
    return told if plain == name else f"{told}; {full.removeprefix('attachment; ')}"
