"""What a person may do to a payment now, and if not, why: one answer for buttons and for acts.

Pure: it is given the payment, who has signed, and what the user may do. The moves have the last
word, since a payment may change between the page and the click.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from banking import lifecycle as banking_lifecycle
from banking import profiles
from banking.models import BankAgreement
from payments import checks, lifecycle, timing
from payments.models import Payment
from portal.access import roles
from portal.access.roles import Permission
from portal.events.lifecycle import Move

# Where a bank may still be asked to stop a line: it has the file, and has not paid.
AT_BANK = (
    lifecycle.SENT,
    lifecycle.RECEIVED,
    lifecycle.PENDING,
    lifecycle.ACCEPTED,
    lifecycle.UNKNOWN,
)
(
    NOT_YOURS,
    NOT_WAITING,
    ALREADY_SIGNED,
    GONE,
    NOT_UNDELIVERED,
    SERVICE_OFF,
    OVER_LIMIT,
    STOPPED,
    OWN,
    NO_AGREEMENT,
) = (
    "not-yours",
    "not-waiting",
    "already-signed",
    "gone",
    "not-undelivered",
    "service-off",
    "over-limit",
    "stopped-by-check",
    "own",
    "no-agreement",
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: a code for the code, and a sentence for people that says who can."""

    code: str
    text: str


def approve_permission(payment: Payment) -> Permission:
    """What approving and refusing this payment needs."""
    salary = payment.kind == Payment.Kind.SALARY
    return Permission.APPROVE_SALARY if salary else Permission.APPROVE_SUPPLIER


def see_permission(payment: Payment) -> Permission:
    """What opening this payment needs."""
    salary = payment.kind == Payment.Kind.SALARY
    return Permission.SEE_SALARY if salary else Permission.SEE_SUPPLIER


def cancel_permission(payment: Payment) -> Permission:
    """What holding, cancelling and sending again need."""
    salary = payment.kind == Payment.Kind.SALARY
    return Permission.CANCEL_SALARY if salary else Permission.CANCEL_SUPPLIER


def _not_held(permission: Permission, permissions: frozenset[Permission]) -> Refusal | None:
    if permission in permissions:
        return None
    names = [str(roles.NAMES[role]) for role in roles.roles_with(permission)]
    text = ngettext(
        "It takes the role %(roles)s.", "It takes one of these roles: %(roles)s.", len(names)
    )
    return Refusal(NOT_YOURS, text % {"roles": ", ".join(names)})


def service_off() -> str:
    """Why nothing may be approved in a company that does not use AutoPay."""
    return _("AutoPay is off for the company. A customer administrator can switch it on again.")


def without_agreement(payment: Payment) -> str:
    """Why nobody may approve a payment whose agreement is not active."""
    return _(
        "Its agreement, %(name)s, is not active any more, so it would never be sent. Move it to the"
        " agreement that has taken over, on the payment's own page, or cancel it."
    ) % {"name": payment.agreement}


def stopped_by_check() -> str:
    """Why nobody may approve a payment with a line that a check stops."""
    return _(
        "A check stops it. An AutoPay Administrator can let it pass, with a reason; or hold the"
        " line back, and approve the rest."
    )


def approving(
    payment: Payment,
    *,
    signers: Collection[int],
    user_id: int,
    permissions: frozenset[Permission],
    in_use: bool,
    stops: int,
    hand: Collection[int] = (),
) -> Refusal | None:
    """Why this user may not sign the payment; None when they may. `signers` are user ids, the
    payment's agreement must be loaded, `in_use` says whether AutoPay is on for the company, `stops`
    is how many findings of checks nobody has let pass, and `hand` are the users whose approval and
    this one's count as one person's.
    """
    missing = _not_held(approve_permission(payment), permissions)
    if missing is not None:
        return missing
    if not lifecycle.signable(payment.status):
        text = _("It does not wait for approval: %(status)s.") % {
            "status": str(payment.state.label).lower()
        }
        return Refusal(NOT_WAITING, text)
    if not in_use:
        return Refusal(SERVICE_OFF, service_off())
    if payment.agreement.status != banking_lifecycle.ACTIVE:
        return Refusal(NO_AGREEMENT, without_agreement(payment))
    if stops:
        return Refusal(STOPPED, stopped_by_check())
    if user_id in signers:
        text = _("You have approved it already; another person must be the second.")
        return Refusal(ALREADY_SIGNED, text)
    if not set(signers).isdisjoint(hand):
        text = _(
            "Somebody has approved it whom you stand in for, or who stands in for you. An approver"
            " and their deputy count as one; another person must be the second."
        )
        return Refusal(ALREADY_SIGNED, text)
    if alone(payment, {*signers, user_id}):
        return Refusal(OWN, own())
    return None


def alone(payment: Payment, signers: Collection[int]) -> bool:
    """Whether these people's approvals are all that the payment needs, though nobody among them is
    another than those who entered it. Its agreement must be loaded where somebody entered it."""
    if not payment.entered_by or len(signers) < payment.agreement.approvers_required:
        return False
    return set(signers) <= set(payment.entered_by)


def own() -> str:
    """Why somebody who entered a payment may not approve it, or not as the last."""
    return _(
        "You have entered it in the portal yourself, so somebody who has not must approve it too."
    )


def ending(
    payment: Payment, move: Move, *, permissions: frozenset[Permission] | None
) -> Refusal | None:
    """Why a payment cannot be refused or cancelled (`move`) as a whole now.

    `permissions` None: an ERP, whose door has checked.
    """
    refusing = move is lifecycle.REFUSE
    if permissions is not None:
        needed = approve_permission(payment) if refusing else cancel_permission(payment)
        missing = _not_held(needed, permissions)
        if missing is not None:
            return missing
    over = over_for(move)
    standing = {code for code, rows in payment.line_counts.items() if rows and code not in over}
    if not standing and refusing and payment.line_counts.get(lifecycle.STOPPED):
        text = _("It is stopped by checks and waits for nobody; it can be cancelled.")
        return Refusal(GONE, text)
    if not standing:
        return Refusal(GONE, _("It is over: no line can change any more."))
    if standing - move.sources:
        text = _("It has gone to the bank. Ask the bank to stop it, or wait for its answer.")
        return Refusal(GONE, text)
    return None


def withdrawing(payment: Payment, *, signers: Collection[int], user_id: int) -> Refusal | None:
    """Why this user cannot take an own approval back. It takes no role: the approval is theirs."""
    if user_id not in signers:
        return Refusal(NOT_YOURS, _("You have not approved it."))
    if payment.status not in (lifecycle.PARTLY, lifecycle.APPROVED):
        return Refusal(GONE, _("It has gone to the bank, or is over."))
    return None


def moving_date(payment: Payment, *, permissions: frozenset[Permission]) -> Refusal | None:
    """Why the due date cannot be moved."""
    missing = _not_held(cancel_permission(payment), permissions)
    if missing is not None:
        return missing
    standing = {code for code, rows in payment.line_counts.items() if rows}
    if standing - set(lifecycle.AT_HOME):
        return Refusal(GONE, _("It has gone to the bank, which pays it on its date."))
    if not standing & {lifecycle.AWAITING, lifecycle.PARTLY, lifecycle.APPROVED, lifecycle.HELD}:
        return Refusal(GONE, _("Nothing of it waits to be sent."))
    return None


def moving_agreement(payment: Payment, *, permissions: frozenset[Permission]) -> Refusal | None:
    """Why a payment cannot be moved to the agreement that has taken over from its own, which must
    be loaded."""
    missing = _not_held(cancel_permission(payment), permissions)
    if missing is not None:
        return missing
    if payment.agreement.status != banking_lifecycle.DEACTIVATED:
        return Refusal(GONE, _("Its agreement is still in use."))
    standing = {code for code, rows in payment.line_counts.items() if rows}
    if standing - set(lifecycle.AT_HOME):
        return Refusal(GONE, _("It has gone to the bank."))
    return None


def unfit_date(payment: Payment, to: dt.date, *, today: dt.date) -> str:
    """Why a payment cannot be due on this day; empty when it can. Its agreement must be loaded."""
    if to == payment.due_date:
        return _("This is its due date already.")
    if to < today:
        return _("The day has passed. Choose today or later.")
    if to > today + dt.timedelta(days=checks.DAYS_AHEAD_MAX):
        return _("The day lies more than a year ahead.")
    last_day = payment.agreement.cut_over_date
    if last_day is not None and timing.after_last_day(to, last_day, today=today):
        return _("The agreement pays nothing that is due after %(day)s, its last day.") % {
            "day": last_day.strftime("%d.%m.%Y")
        }
    return ""


def asking_bank(payment: Payment, *, permissions: frozenset[Permission] | None) -> Refusal | None:
    """Why the bank cannot be asked to stop what it has got of the payment; its agreement and
    channel must be loaded. `permissions` None: an ERP, whose door has checked."""
    if permissions is not None:
        missing = _not_held(cancel_permission(payment), permissions)
        if missing is not None:
            return missing
    lies_there = any(payment.line_counts.get(status) for status in AT_BANK)
    if payment.bank_file_id is None or not lies_there:
        return Refusal(GONE, _("Nothing of it lies unpaid at the bank."))
    agreement = payment.agreement
    old = agreement.file_format == BankAgreement.Format.NETS
    if old or not profiles.of(agreement.channel.bank).cancel:
        text = _("The bank takes no such request by file. Call the bank.")
        return Refusal(GONE, text)
    return None


def setting_by_hand(payment: Payment, *, permissions: frozenset[Permission]) -> Refusal | None:
    """Why what the bank did cannot be set by hand; its agreement must be loaded."""
    missing = _not_held(cancel_permission(payment), permissions)
    if missing is not None:
        return missing
    if payment.agreement.file_format != BankAgreement.Format.NETS:
        return Refusal(GONE, _("The bank tells what becomes of it; nothing is set by hand."))
    if not any(payment.line_counts.get(status) for status in AT_BANK):
        return Refusal(GONE, _("No line waits for word from the bank."))
    return None


def over_for(move: Move) -> set[str]:
    """The statuses of lines that refusing or cancelling a payment leaves alone: they are over."""
    over = {code for code, status in lifecycle.LINE.statuses.items() if status.final}
    return over | {lifecycle.STOPPED} if move is lifecycle.REFUSE else over


def sending_again(payment: Payment, *, permissions: frozenset[Permission]) -> Refusal | None:
    """Why the payment's file cannot be delivered once more."""
    missing = _not_held(cancel_permission(payment), permissions)
    if missing is not None:
        return missing
    if payment.status != lifecycle.UNDELIVERED:
        return Refusal(NOT_UNDELIVERED, _("The file is not waiting to be sent again."))
    return None


def writing(permissions: frozenset[Permission]) -> Refusal | None:
    """Why somebody cannot write payments."""
    return _not_held(Permission.UPLOAD, permissions)


def text_of(refusal: Refusal | None) -> Any:
    """The sentence beside a greyed button; empty where there is none."""
    return refusal.text if refusal is not None else ""
