"""What only payments know, for the lower floors that ask: names of statuses, words for own faults,
the menu, what waits, and what a company's service holds up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from payments import checks, lifecycle, lists, queries
from payments.models import Payment
from portal.access import roles
from portal.access.guard import Acting
from portal.access.models import Company, ServiceActivation
from portal.access.roles import Permission
from portal.events import questions

AUTOPAY = ServiceActivation.Service.AUTOPAY
UNSETTLED_SHOWN = 20


def status_text(subject: str, status: str, language: str) -> str | None:
    if subject not in ("payment", "line") or status not in lifecycle.PAYMENT_STATUSES:
        return None
    with translation.override(language):
        return str(lifecycle.PAYMENT_STATUSES[status].label)


def explain_reason(code: str, language: str, _text: str) -> checks.Explanation | None:
    known = checks.explain(code)
    if known is None:
        return None
    with translation.override(language):
        return checks.Explanation(str(known.title), str(known.meaning), str(known.cure))


def event_label(event: str) -> Any:
    move = lifecycle.LINE.moves.get(event)
    others = {
        "received_from_erp": _("Received from the ERP"),
        "entered": _("Written in the portal"),
        "brought_in": _("Brought in as a file by hand"),
        "corrects": _("Paid instead of lines that were not paid"),
        "signature_broken": _("Not what was signed; not sent"),
        "note": _("Note"),
        "check_passed": _("An administrator let it pass a check that stops"),
        "due_date_moved": _("Due date moved; approve again"),
        "agreement_moved": _("Moved to another agreement; approve again"),
        "cancel_asked": _("The bank was asked to stop it"),
        "cancel_undelivered": _("The bank could not be reached, so it was not asked to stop it"),
        "cancel_refused": _("The bank did not stop it"),
        "file_not_made": _("The bank file could not be made; not sent"),
    }
    return move.label if move else others.get(event)


def own_reason(reason: str) -> Any:
    return lifecycle.OWN_REASONS.get(reason)


def menu(permissions: Any) -> list[questions.MenuItem] | None:
    rows = []
    if roles.SEE_PAYMENTS & permissions:
        rows.append(questions.MenuItem(10, "payments:list", _("Outgoing"), icon="TasklistSend"))
    if Permission.UPLOAD in permissions:
        rows.append(questions.MenuItem(15, "payments:new", _("New payment"), icon="PlusCircle"))
    if roles.APPROVE_PAYMENTS & permissions:
        rows.append(questions.MenuItem(20, "payments:approve", _("Approve"), icon="PencilWriting"))
    if Permission.DECIDE_CHECKS in permissions:
        rows.append(questions.MenuItem(25, "payments:checks", _("Checks"), icon="ShieldCheckmark"))
    return rows or None


def everywhere_menu(permissions: Any) -> list[questions.MenuItem] | None:
    """The pages of all a user's companies."""
    wanted = {"payments:list", "payments:approve"}
    return [item for item in menu(permissions) or [] if item.address_name in wanted]


def set_up(companies: Sequence[Company]) -> dict[int, questions.SetUp]:
    """How many payments wait in each company."""
    counts = queries.waiting_in(companies)
    return {
        pk: questions.SetUp({"waiting": f"{n.shown}+" if n.capped else n.shown})
        for pk, n in counts.items()
    }


def under_way(company: Company, service: str) -> list[str] | None:
    """That payments are on their way, which keeps AutoPay on."""
    found = queries.under_way(company, phase=lifecycle.WAY)
    if service != AUTOPAY or not found.shown:
        return None
    text = ngettext(
        "%(n)s payment is on its way to the bank or waits for its answer. Wait until it is settled"
        " or rejected.",
        "%(n)s payments are on their way to the bank or wait for its answer. Wait until they are"
        " settled or rejected.",
        found.shown,
    )
    return [text % {"n": f"{found.shown}+" if found.capped else found.shown}]


def stops(company: Company, service: str) -> list[str] | None:
    """What cannot be done any more when AutoPay is off."""
    if service != AUTOPAY:
        return None
    texts = [_("The ERP can send no payments; each try is refused with the reason.")]
    found = queries.under_way(company, phase=lifecycle.OPEN)
    if found.shown:
        text = ngettext(
            "%(n)s payment that waits for approval can only be refused or cancelled.",
            "%(n)s payments that wait for approval can only be refused or cancelled.",
            found.shown,
        )
        texts.append(text % {"n": f"{found.shown}+" if found.capped else found.shown})
    return [*texts, _("Payments and files stay readable, and nothing is deleted.")]


def unsettled(agreement_id: int, acting: Acting) -> questions.Unsettled:
    """Payments on the agreement that have not come to their end."""
    rows = Payment.objects.of(acting.company).filter(agreement_id=agreement_id)
    rows = rows.exclude(status__in=lifecycle.OVER).order_by("pk")
    seen = rows.filter(kind__in=queries.kinds_seen(acting.permissions))
    words = {"company": acting.company.public_id}
    return questions.Unsettled(
        rows.count(),
        [
            questions.Hit(
                row.number,
                str(row.state.label),
                reverse("payments:detail", kwargs={**words, "payment": row.pk}),
            )
            for row in seen[:UNSETTLED_SHOWN]
        ],
    )


def register() -> None:
    """Called when the apps are ready."""
    questions.set_up.register(set_up)
    questions.unsettled.register(unsettled)
    questions.under_way.register(under_way)
    questions.stops.register(stops)
    questions.status_text.register(status_text)
    questions.explain_reason.register(explain_reason)
    questions.event_label.register(event_label)
    questions.own_reason.register(own_reason)
    questions.menu.register(menu)
    questions.everywhere_menu.register(everywhere_menu)
    questions.waiting.register(lists.waiting_for)
    questions.search.register(lists.search)
