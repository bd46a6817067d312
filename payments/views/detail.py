"""One payment: its lines, events, signatures and bank messages; acts on single lines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST

from banking import lifecycle as banking_lifecycle
from banking import stops
from banking.lists import files_seen
from banking.models import BankAgreement, BankFile
from payments import (
    approval,
    cancelling,
    changing,
    drafting,
    guards,
    lifecycle,
    limits,
    policy,
    queries,
    sending,
    tables,
    tasks,
    timing,
)
from payments.models import CancellationAsk, Payment, PaymentLine, PreApproval, Signature
from payments.views.changing import NoteForm
from payments.views.lookup import found
from portal import clock, details
from portal.access import grants, guard
from portal.access.models import User
from portal.access.roles import CANCEL_PAYMENTS, SEE_PAYMENTS, Permission
from portal.events import moves
from portal.events.models import Event
from portal.lists import selection
from portal.people import services
from portal.people.forms import one_line

EVENTS_READ = 1000  # so that one event of many lines, told once, leaves room for the others
DEPARTED_SHOWN = 100
FINDINGS_SHOWN = 50
FILES_SHOWN = 50
# Each act's own field of the form that holds them all.
REASON_OF = dict.fromkeys(lifecycle.BY_HAND, "seen_at_bank")
_UNDER_WAY = lifecycle.PHASES[lifecycle.WAY]


@require_GET
@guard.company(*SEE_PAYMENTS)
def one(request: HttpRequest, payment: int) -> HttpResponse:
    acting = guard.acting_of(request)
    row = found(request, payment)
    after = request.GET.get("after", "0")
    lines, more = queries.lines(
        payment=row,
        after=int(after) if after.isascii() and after.isdigit() else 0,
        size=settings.LINES_PER_PAGE,
    )
    departed = queries.departed(payment=row, size=DEPARTED_SHOWN)
    drafting.look_for_corrections([*lines, *departed])
    events = queries.events(payment=row, size=EVENTS_READ)
    signatures = list(
        Signature.objects.filter(payment=row)
        .select_related("user", "in_place_of", "ceremony")
        .order_by("pk")
    )
    in_advance = any(one.ceremony.factor == approval.IN_ADVANCE for one in signatures)
    acts = _acts(request, row, signatures)
    context: dict[str, Any] = {
        "row": row,
        "state": row.state,
        "next": _what_next(row, acts[0] if acts else None, departed),
        "end": _end_of(events) if row.status in (lifecycle.REFUSED, lifecycle.CANCELLED) else None,
        "counts": [
            (lifecycle.LINE.statuses[code], count) for code, count in row.line_counts.items()
        ],
        "lines": lines,
        "more": more,
        "findings": guards.of([row], size=FINDINGS_SHOWN),
        "departed": _departed(departed) if len(departed) != row.line_count else [],
        "may_correct": acting.may(Permission.UPLOAD),
        "corrected": drafting.corrected(row),
        "entered_by": _people(row),
        "days": details.timeline(events),
        "cut": len(events) if len(events) == EVENTS_READ else 0,
        "signatures": signatures,
        "in_advance": PreApproval.objects.filter(line__payment=row).order_by("line__position")[
            :DEPARTED_SHOWN
        ]
        if in_advance
        else [],
        "acts": acts,
        "files": _files(row, acting),
        "kind": row.kind_label,
        "source": tables.source_of(row),
        "permalink": request.build_absolute_uri(request.path),
        "by_hand": policy.setting_by_hand(row, permissions=acting.permissions) is None,
        "may_act": policy.cancel_permission(row) in acting.permissions,
        "note": NoteForm(),
        "may_move": policy.moving_date(row, permissions=acting.permissions) is None,
        "may_open_files": acting.may(Permission.SEE_FILES),
    }
    return render(request, "payments/detail.html", context)


def _acts(request: HttpRequest, row: Payment, signatures: list[Signature]) -> list[details.Act]:
    """What may be done with the whole payment, and what may not, with the policy's reason."""
    acting = guard.acting_of(request)
    words = {"company": acting.company.public_id}
    chosen = (("payment", row.pk),)
    held = {"permissions": acting.permissions}
    signers = [signature.user_id for signature in signatures if signature.voided_at is None]
    user = guard.user_of(request)
    needed = policy.approve_permission(row)
    approve = policy.approving(
        row,
        signers=signers,
        user_id=user.pk,
        in_use=services.in_use(acting.company),
        stops=guards.stops([row.pk]).get(row.pk, 0),
        hand=grants.one_hand(company=acting.company, user=user, permission=needed),
        **held,
    )
    if approve is None:
        authority = limits.of(company=acting.company, user=user, at=clock.now())
        sums = {currency: Decimal(amount) for currency, amount in row.totals.items()}
        approve = limits.judge(authority, [limits.asked(row, sums)]).refusals.get(row.pk)
    acts = [
        details.Act(
            "approve",
            _("Approve …"),
            reverse("payments:sign", kwargs=words),
            chosen,
            policy.text_of(approve),
            "main",
            icon="PencilWriting",
        ),
        details.Act(
            "cancel",
            _("Cancel …"),
            reverse("payments:cancel", kwargs=words),
            chosen,
            policy.text_of(policy.ending(row, lifecycle.CANCEL, **held)),
        ),
        details.Act(
            "refuse",
            _("Refuse …"),
            reverse("payments:refuse", kwargs=words),
            chosen,
            policy.text_of(policy.ending(row, lifecycle.REFUSE, **held)),
            "danger",
        ),
    ]
    if policy.withdrawing(row, signers=signers, user_id=user.pk) is None:
        address = reverse("payments:withdraw", kwargs={**words, "payment": row.pk})
        label = _("Take back your approval")
        acts.insert(1, details.Act("withdraw", label, address))
    if any(row.line_counts.get(status) for status in policy.AT_BANK):
        why_not = policy.text_of(policy.asking_bank(row, **held))
        if not why_not and not cancelling.askable([row]).exists():
            why_not = _("The bank has been asked, and has not answered yet.")
        label, address = _("Ask the bank to stop it …"), reverse("payments:ask-bank", kwargs=words)
        # What has gone to the bank is not cancelled here: one of the two is offered, never both.
        acts = [act for act in acts if act.name != "cancel"]
        acts.insert(1, details.Act("ask-bank", label, address, chosen, why_not))
    if row.status == lifecycle.UNDELIVERED:
        address = reverse("payments:send-again", kwargs={**words, "payment": row.pk})
        why_not = policy.text_of(policy.sending_again(row, **held))
        label = _("Send the same file again")
        acts.insert(0, details.Act("again", label, address, (), why_not, "main"))
    acts = [*_moving(row, acting), *acts]
    return _correcting(row, acting) if row.state.final else [*acts, *_correcting(row, acting)]


def _moving(row: Payment, acting: guard.Acting) -> list[details.Act]:
    """To the agreement that has taken over from the payment's own, where one has."""
    if policy.moving_agreement(row, permissions=acting.permissions) is not None:
        return []
    new = changing.successor(row.agreement)
    if new is None:
        return []
    words = {"company": acting.company.public_id, "payment": row.pk}
    address = reverse("payments:move-agreement", kwargs=words)
    label = _("Move it, and all that waits with it, to %(name)s") % {"name": new}
    return [details.Act("move-agreement", label, address, tone="main")]


def _correcting(row: Payment, acting: guard.Acting) -> list[details.Act]:
    """Writing anew what is paid by nobody any more, where anything is."""
    if not drafting.may_be_corrected(row):
        return []
    words = {"company": acting.company.public_id, "payment": row.pk}
    address = reverse("payments:correct", kwargs=words)
    why_not = policy.text_of(policy.writing(acting.permissions))
    label = _("Make a corrected draft")
    return [details.Act("correct", label, address, (), why_not, icon="PencilWriting")]


def _departed(lines: list[PaymentLine]) -> list[dict[str, Any]]:
    """Lines that went another way, and whether another may be written instead."""
    free = {line.pk for line in drafting.correctable(lines)}
    return [{"line": line, "free": line.pk in free} for line in lines]


def _people(row: Payment) -> list[User]:
    """Who entered it in the portal, by name."""
    return list(User.objects.filter(pk__in=row.entered_by).order_by("name", "email"))


def _end_of(events: list[Event]) -> Event | None:
    """The event by which people or an ERP ended the payment: who, when and why."""
    ended = (lifecycle.REFUSE.name, lifecycle.CANCEL.name)
    return next((event for event in events if event.event in ended), None)


def _what_next(row: Payment, first: details.Act | None, departed: list[PaymentLine]) -> str:
    """What happens next and who must act, in one sentence; `first` is the act it offers first."""
    unsent = (lifecycle.AWAITING, lifecycle.PARTLY, lifecycle.APPROVED)
    if row.status in unsent and row.agreement.status != banking_lifecycle.ACTIVE:
        return policy.without_agreement(row)
    last_day = row.agreement.cut_over_date
    if row.status in unsent and timing.after_last_day(row.due_date, last_day, today=clock.today()):
        return _(
            "It would be paid after the last day of its agreement, so it is not sent on that."
            " Cancel it and send a new one on the agreement that takes over, or move the last day."
        )
    if row.status in unsent and row.agreement.closed_at is not None:
        return _(
            "The bank says that the agreement is closed, and will probably refuse it. Ask the bank,"
            " or an AutoPay Administrator."
        )
    if row.status in (lifecycle.APPROVED, lifecycle.SENDING):
        stop = stops.now(row.company_id).of(row.agreement_id)
        if stop is not None:
            told = _("%(who)s has stopped all sending: %(reason)s. It waits until it is started.")
            return told % {"who": stop.stopped_by, "reason": stop.reason.rstrip(".")}
    asked = cancelling.waiting(row) if row.status in _UNDER_WAY else 0
    if asked:
        return ngettext(
            "The bank has been asked to stop %(n)s line, and has not answered yet.",
            "The bank has been asked to stop %(n)s lines, and has not answered yet.",
            asked,
        ) % {"n": asked}
    mine = first is not None and first.name == "approve" and not first.why_not
    if row.status == lifecycle.PARTLY and mine:
        return _("You can be the second: look through it, then approve or refuse it.")
    if row.status in _UNDER_WAY and departed:
        return _("Some lines went another way: their causes and cures stand below.")
    old = row.agreement.file_format == BankAgreement.Format.NETS
    if old and row.status in (lifecycle.SENT, lifecycle.RECEIVED):
        return _(
            "In the old format the bank tells of settled payments only. A line that it has refused"
            " is set by hand among the lines below."
        )
    sentences = {
        lifecycle.AWAITING: ngettext(
            "%(n)s approver must approve it.",
            "%(n)s different approvers must approve it.",
            row.agreement.approvers_required,
        )
        % {"n": row.agreement.approvers_required},
        lifecycle.PARTLY: _("The one who approved first cannot be the second."),
        lifecycle.REFUSED: _("The ERP has been told, and its invoices are free for a new payment."),
        lifecycle.CANCELLED: _(
            "The ERP has been told, and its invoices are free for a new payment."
        ),
        lifecycle.APPROVED: _("It is sent to the bank by itself within a minute."),
        lifecycle.SENDING: _("Nobody needs to do anything."),
        lifecycle.SENT: _("The bank's receipt is fetched by itself."),
        lifecycle.RECEIVED: _("The bank's answer is fetched by itself."),
        lifecycle.PENDING: _("Check the balance, and whether the bank asks for approval."),
        lifecycle.ACCEPTED: _("Nobody needs to do anything."),
        lifecycle.REJECTED: _("See each line for the cause and the cure."),
        lifecycle.ENDED: _("See each line for the cause and the cure."),
        lifecycle.RETURNED: _(
            "The money is on the account again. The line tells what the bank says of why; ask the"
            " payee before it is paid anew."
        ),
        lifecycle.HELD: _("Release the lines when they may be paid, or cancel them."),
        lifecycle.UNDELIVERED: _("Send the same file again when the bank can be reached."),
    }
    return sentences.get(row.status, "")


def _files(row: Payment, acting: guard.Acting) -> list[BankFile]:
    """The file that the payment went in, the bank's answers to it, and its debit advices."""
    sent = row.bank_file
    if sent is None:
        return []
    names = (
        Event.objects.filter(group_id=row.pk, event__in=["settled", "returned"])
        .order_by()
        .values_list("detail__file", flat=True)
        .distinct()[:FILES_SHOWN]
    )
    advices = Q(direction=BankFile.Direction.IN, name__in=list(names))
    # Where the bank was asked to stop it: the request, and the answer.
    asks = CancellationAsk.objects.filter(line__payment=row).order_by().values("file").distinct()
    asked = Q(pk__in=asks) | Q(answers_to__in=asks)
    rows = files_seen(acting=acting).filter(Q(answers_to=sent) | advices | asked)
    return [sent, *rows.order_by("pk")[:FILES_SHOWN]]


@require_POST
@guard.company(*CANCEL_PAYMENTS)
def lines(request: HttpRequest, payment: int) -> HttpResponse:
    """Holds, releases, cancels or sets by hand the chosen lines of one payment."""
    acting = guard.acting_of(request)
    row = found(request, payment)
    chosen = selection.ids_of(request.POST.getlist("line"))
    act = request.POST.get("act", "")
    reason = one_line(request.POST.get(REASON_OF.get(act, "reason"), ""), 200)
    back = redirect("payments:detail", company=acting.company.public_id, payment=row.pk)
    told = ""
    if not chosen:
        told = _("Choose at least one line first.")
    elif act not in LINE_ACTS:
        told = _("Nothing was changed: choose what to do first.")
    elif act in lifecycle.BY_HAND and not reason:
        told = _("Nothing was changed: write why first.")
    if told:
        messages.error(request, told)
        return back
    try:
        text = _carried_out(request, row, act, chosen, reason)
    except approval.PartlySent:
        messages.error(
            request,
            _(
                "The rest of the payment has gone to the bank, so the line cannot follow. Cancel it"
                " here, and pay it by a new payment from the ERP."
            ),
        )
        return back
    except (moves.Conflict, approval.Changed, changing.MovedOn):
        messages.error(
            request,
            _("Nothing was changed: a chosen line has moved on since the page was shown."),
        )
        return back
    except (approval.NotYours, changing.NotYours):
        messages.error(request, _("Your roles do not reach this payment."))
        return back
    tasks.nudge_sending(acting.company.pk)
    messages.success(request, text)
    return back


LINE_ACTS = {"hold", "release", "cancel", *lifecycle.BY_HAND}


def _carried_out(
    request: HttpRequest, row: Payment, act: str, chosen: list[int], reason: str
) -> str:
    """Does one of LINE_ACTS with the lines, all or none; what was done, in words."""
    acting = guard.acting_of(request)
    common: dict[str, Any] = {
        "company": acting.company,
        "user": guard.user_of(request),
        "permissions": acting.permissions,
        "payment_id": row.pk,
        "line_ids": chosen,
        "at": clock.now(),
    }
    if act == "hold":
        count = approval.hold(**common, reason=reason)
        text = ngettext("%(n)s line is on hold.", "%(n)s lines are on hold.", count)
    elif act == "release":
        count = approval.release(**common)
        text = ngettext(
            "%(n)s line is released; earlier approvals are void.",
            "%(n)s lines are released; earlier approvals are void.",
            count,
        )
    elif act == "cancel":
        count = approval.cancel_lines(**common, reason=reason)
        text = ngettext("%(n)s line is cancelled.", "%(n)s lines are cancelled.", count)
    else:
        count = changing.set_by_hand(**common, outcome=act, reason=reason)
        text = ngettext("%(n)s line is set by hand.", "%(n)s lines are set by hand.", count)
    return text % {"n": count}


@require_POST
@guard.company(*CANCEL_PAYMENTS)
def send_again(request: HttpRequest, payment: int) -> HttpResponse:
    """Delivers the same file, with the same name and bytes, once more."""
    acting = guard.acting_of(request)
    row = found(request, payment)
    refused = policy.sending_again(row, permissions=acting.permissions)
    if (
        refused is None
        and row.bank_file_id is not None
        and sending.try_again(file_id=row.bank_file_id, user=guard.user_of(request), at=clock.now())
    ):
        messages.success(request, _("The same file is being delivered again."))
        tasks.nudge_sending(acting.company.pk)
    else:
        told = policy.text_of(refused) or _("The file is not waiting to be sent again.")
        messages.error(request, told)
    return redirect("payments:detail", company=acting.company.public_id, payment=row.pk)
