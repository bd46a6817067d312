"""What a person has chosen to sign, refuse or cancel: kept in the session, so that its page has an
address, comes again by Back, and tells what was chosen even when some of it has moved on.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from payments import lists, queries
from payments.models import Payment
from portal.access import guard, tenancy
from portal.access.acting import Acting, Everywhere, Here
from portal.lists import selection
from portal.lists.spec import ListSpec

KEY, SIGNED, TOLD, KEPT = "choices", "signed_choices", "choice_told", 10


@dataclass(frozen=True, slots=True)
class Choice:
    """Payments chosen in a list: at most SIGN_AT_ONCE_MAX `ids`, those due first.

    `count` and `sums` (currency → amount) are of all that was chosen, as the list told them;
    `beyond` of these were left for another time. `list_name` and `query` are where it was made;
    no list: the payment's own page. `company` is "" for one of several companies.
    """

    company: str
    ids: list[int]
    count: int
    beyond: int
    sums: dict[str, str]
    list_name: str
    query: str

    def payments(self, acting: Acting | Everywhere) -> list[Payment]:
        """Those of it that may be seen, those due first, with what the pages show of them; of
        several companies each is called by its company too."""
        rows = lists.seen(acting=acting).filter(pk__in=tenancy.ids(self.ids))
        found = list(rows.order_by("due_date", "pk"))
        queries.with_agreements(found)
        for payment in found:
            payment.company = acting.places[payment.company_id].company
            if isinstance(acting, Everywhere):
                payment.called_there = f"{payment.company} {payment.number}"
        return found

    @property
    def own_page(self) -> bool:
        """Whether it was made on the page of its one payment, and not in a list."""
        return bool(self.company) and not self.list_name and len(self.ids) == 1

    @property
    def address(self) -> str:
        """Where it was made: the list as it was filtered, or the payment's own page."""
        words: dict[str, Any] = {"company": self.company} if self.company else {}
        if self.own_page:
            return reverse("payments:detail", kwargs={**words, "payment": self.ids[0]})
        name = spec_named(self.list_name, everywhere=not words).address_name
        path = reverse(name if words else f"all-{name}", kwargs=words)
        return f"{path}?{self.query}".rstrip("?")

    @property
    def list_title(self) -> Any:
        if self.own_page:
            return _("The payment")
        return spec_named(self.list_name, everywhere=not self.company).title


def spec_named(name: str, *, everywhere: bool) -> ListSpec:
    """The list of that name, of one company or of several; else that of all payments."""
    every = lists.PAYMENTS_EVERYWHERE if everywhere else lists.PAYMENTS
    waiting = lists.TO_APPROVE_EVERYWHERE if everywhere else lists.TO_APPROVE
    return waiting if name == waiting.name else every


def _company(here: Here) -> str:
    return here.company.public_id if isinstance(here, Acting) else ""


def made(request: HttpRequest, *, statuses: Any) -> Choice:
    """What a form names; of all that match, those whose status the act can be for come first."""
    acting = guard.here_of(request)
    several = not isinstance(acting, Acting)
    named = request.POST.get("list", "")
    shown = spec_named(named, everywhere=several)
    every = request.POST.get(selection.ALL) == "1"
    # By its boxes: also what has moved on since, so that it can be told.
    rows, _every = selection.chosen(request, shown if every else spec_named("", everywhere=several))
    count = rows.order_by().count()
    sums = lists.sums(rows) if count else {}
    able = rows.filter(status__in=statuses) if every else rows
    ids = list(able.order_by("due_date", "pk").values_list("pk", flat=True)[: _most() + 1])
    beyond = able.order_by().count() - _most() if len(ids) > _most() else 0
    query = shown.known(QueryDict(request.POST.get("query", "")[: selection.POSTED_MAX]))
    told = {currency: str(Decimal(amount)) for currency, amount in sums.items()}
    return Choice(
        _company(acting),
        ids[: _most()],
        count,
        beyond,
        told,
        shown.name if named else "",
        query.urlencode(safe=",:"),
    )


def _most() -> int:
    return int(settings.SIGN_AT_ONCE_MAX)


def keep(request: HttpRequest, choice: Choice) -> str:
    """Keeps it in the session; the name it is found by."""
    name = secrets.token_urlsafe(9)
    kept = dict(list(request.session.get(KEY, {}).items())[-(KEPT - 1) :])
    request.session[KEY] = {**kept, name: asdict(choice)}
    return name


def kept(request: HttpRequest, name: str) -> Choice | None:
    """The choice by that name where the page acts; None when it is gone."""
    found = request.session.get(KEY, {}).get(name)
    if found is None or found["company"] != _company(guard.here_of(request)):
        return None
    return Choice(**found)


def signed(request: HttpRequest, name: str) -> Any:
    """The receipt of a choice by that name that was signed in this session; else None."""
    return request.session.get(SIGNED, {}).get(name)


def refused(request: HttpRequest, name: str, **told: Any) -> HttpResponse:
    """Back to the page that was sent, which tells this once: it can be left and come back to.

    An answer to the sending itself could not: the browser would have to send the form again.
    """
    request.session[TOLD] = {"name": name, **told}
    return redirect(request.get_full_path())


def told(request: HttpRequest, name: str) -> dict[str, Any]:
    """What the page of this choice is to tell, once; empty when it is nothing."""
    found: dict[str, Any] = request.session.pop(TOLD, None) or {}
    return found if found.get("name") == name else {}


def forget(request: HttpRequest, name: str, *, ceremony: int | str | None = None) -> None:
    """Drops a choice that is done with; its receipt is remembered, for whoever goes back."""
    if ceremony is not None:
        earlier = list(request.session.get(SIGNED, {}).items())[-(KEPT - 1) :]
        request.session[SIGNED] = {**dict(earlier), name: ceremony}
    request.session[KEY] = {
        key: value for key, value in request.session.get(KEY, {}).items() if key != name
    }
