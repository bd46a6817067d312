"""Pushes a company's events to the address of its ERP, in order for each payment.

What is sent is what the feed holds, read from it by a cursor, so that nothing is written down twice
and nothing is lost while an ERP is away. A message that the ERP refuses waits in PushWaiting, with
what comes later for its payment, and is tried again for days; the rest goes on. While the ERP
cannot be reached, all of it waits. A message may come twice, where we are killed before we have
written that it was taken; its id is the same then.

No transaction is open while messages are sent: one worker has the company until `busy_until`.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import threading
import time
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from portal import clock, faults
from portal.access.models import Company
from portal.erp import feed, notices, positions, posting
from portal.erp.models import PushTarget, PushWaiting
from portal.events import seal
from portal.events.models import Event

log = structlog.get_logger(__name__)

BATCH = 500
LANES = 8  # messages that are under way at once
TURN_SECONDS = 60  # for one company, before others have their turn
LOOK_SECONDS = 0.5  # between looks whether the company is still ours
LEASE = dt.timedelta(seconds=TURN_SECONDS + 4 * posting.SECONDS + 60)
PAUSES = (5, 30, 120, 300, 600, 1200, 1800, 3600)  # seconds after each failure; then the last
ASKED_MAX = 3600  # seconds that an ERP may ask us to wait
# How long a message is tried, and an ERP that cannot be reached.
DAYS = dt.timedelta(days=5)
TOLD_AFTER = dt.timedelta(hours=1)  # an hour's fault is told of by mail
TEST_TYPE = "test"


@dataclass(slots=True)
class Message:
    """One event on its way; `waiting` is its row, where it was tried or held back before."""

    sequence: int
    number: str
    body: str
    waiting: PushWaiting | None = None
    answer: posting.Answer | None = None


@dataclass(slots=True)
class Batch:
    """Messages in the order in which they happened, and how far the feed is read with them."""

    cursor: int
    messages: list[Message] = field(default_factory=list)
    # Numbers of payments with a message that is to wait, and whose others do so too.
    held: set[str] = field(default_factory=set)


def due(*, at: dt.datetime) -> list[int]:
    """Ids of the companies that have something to be pushed now. Run it while acting for all."""
    fresh = Event.objects.filter(
        company=OuterRef("company"), told=True, sequence__gt=OuterRef("cursor")
    )
    again = _first(PushWaiting.objects.filter(company=OuterRef("company")), at)
    rows = _free(PushTarget.objects.filter(next_try_at__lte=at))
    return list(
        rows.filter(Exists(fresh) | Exists(again))
        .order_by("company_id")
        .values_list("company_id", flat=True)
    )


def push(*, company: Company) -> int:
    """Pushes what is due, for one turn; answers how many messages the ERP took. Run it while acting
    for the company, and in no transaction."""
    seal.number_committed()
    target = _lease(company)
    if target is None:
        return 0
    taken, end = 0, time.monotonic() + TURN_SECONDS
    try:
        while time.monotonic() < end:
            at = clock.now()
            batch = _batch(company, target, at)
            if not batch.messages and batch.cursor == target.cursor:
                break
            down = _send(target, batch, end)
            faults.point("push.sent")
            kept = _keep(target, batch, down, at)
            taken += kept or 0
            if kept is None or down is not None:
                break
    finally:
        PushTarget.objects.filter(pk=target.pk, busy_until=target.busy_until).update(
            busy_until=None
        )
    return taken


def test(*, target: PushTarget) -> posting.Answer:
    """Sends a message that says nothing has happened, and answers what came of it."""
    now = timezone.now()
    document = {
        "type": TEST_TYPE,
        "timestamp": now.isoformat(),
        "data": {"company": target.company.public_id},
    }
    try:
        with _poster(target, most=1) as poster:
            watch = threading.Timer(2 * posting.SECONDS, poster.abort)
            watch.start()
            try:
                return poster.post(f"test_{now:%Y%m%d%H%M%S%f}", _body(document), at=now)
            finally:
                watch.cancel()
    except posting.BadAddress as error:
        return posting.Answer(posting.DOWN, error.code)


def _live(rows: QuerySet[PushWaiting]) -> QuerySet[PushWaiting]:
    return rows.filter(given_up_at=None)


def _first(rows: QuerySet[PushWaiting], at: dt.datetime) -> QuerySet[PushWaiting]:
    """Of these, the ones whose time has come, and that wait behind nothing whose time has not."""
    before = _live(
        PushWaiting.objects.filter(
            company=OuterRef("company"),
            number=OuterRef("number"),
            sequence__lt=OuterRef("sequence"),
            next_try_at__gt=at,
        )
    )
    return _live(rows.filter(~Exists(before), next_try_at__lte=at))


def _free(rows: QuerySet[PushTarget]) -> QuerySet[PushTarget]:
    nobody = Q(busy_until=None) | Q(busy_until__lt=timezone.now())
    return rows.filter(nobody, active=True)


def _lease(company: Company) -> PushTarget | None:
    """The company's target, where nobody else pushes there now and it may be tried."""
    until = timezone.now() + LEASE
    rows = _free(PushTarget.objects.of(company).filter(next_try_at__lte=clock.now()))
    if not rows.update(busy_until=until):
        return None
    target: PushTarget = PushTarget.objects.of(company).select_related("company").get()
    return target if target.busy_until == until else None


def _batch(company: Company, target: PushTarget, at: dt.datetime) -> Batch:
    """The oldest that may go: what waits and is due, then what is new."""
    rows = _first(PushWaiting.objects.of(company), at).order_by("sequence")[:BATCH]
    tried = {row.sequence: row for row in rows}
    batch = Batch(cursor=target.cursor)
    for event in feed.some(company=company, sequences=tried, language=target.language):
        batch.messages.append(_message(target, event, tried[event["sequence"]]))
    if len(tried) < BATCH:
        others = _live(PushWaiting.objects.of(company)).exclude(sequence__in=list(tried))
        batch.held = set(others.values_list("number", flat=True).distinct())
        _add_new(company, target, batch, BATCH - len(tried))
    return batch


def _add_new(company: Company, target: PushTarget, batch: Batch, room: int) -> None:
    """What has happened since; where that is all, the cursor passes what the ERP is not told."""
    last = Event.objects.of(company).aggregate(last=Max("sequence"))["last"] or 0
    page = feed.after(company=company, cursor=target.cursor, limit=room, language=target.language)
    batch.messages += [_message(target, event, None) for event in page["events"]]
    batch.cursor = page["next_after"] if page["more"] else max(last, page["next_after"])


def _message(target: PushTarget, event: dict[str, Any], waiting: PushWaiting | None) -> Message:
    document = {
        "type": f"payment.{event['event']}",
        "timestamp": event["at"],
        "data": {"company": target.company.public_id, **event},
    }
    return Message(event["sequence"], event["number"] or "", _body(document), waiting)


def _body(document: dict[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _poster(target: PushTarget, *, most: int) -> posting.Poster:
    secrets = [target.secret]
    if target.old_until is not None and target.old_until > timezone.now():
        secrets.append(target.old_secret)
    return posting.Poster(
        target.address, secrets, private=settings.PUSH_PRIVATE_NETWORKS, most=most
    )


def _send(target: PushTarget, batch: Batch, end: float) -> posting.Answer | None:
    """Sends the messages, each payment's one after the other; answers why the ERP cannot be
    reached, where it cannot. What was not sent has no answer."""
    lanes: dict[str, list[Message]] = {}
    for message in batch.messages:
        if message.number not in batch.held or message.waiting is not None:
            lanes.setdefault(message.number, []).append(message)
    if not lanes:
        return None
    halt = threading.Event()

    def one_after_the_other(messages: list[Message]) -> None:
        for message in messages:
            if halt.is_set() or time.monotonic() > end:
                return
            message.answer = poster.post(f"evt_{message.sequence}", message.body, at=timezone.now())
            if message.answer.outcome == posting.DOWN:
                halt.set()
            if message.answer.outcome != posting.TAKEN:
                return

    try:
        poster = _poster(target, most=LANES)
    except posting.BadAddress as error:
        return posting.Answer(posting.DOWN, error.code)
    with poster, ThreadPoolExecutor(LANES, thread_name_prefix="push") as threads:
        # One alone first, where the last found nobody.
        queue = list(lanes.values())
        if target.failures:
            first = threads.submit(one_after_the_other, queue.pop(0)[:1])
            _within(target, [first], poster, halt, end)
        if not halt.is_set():
            rest = [[one for one in lane if one.answer is None] for lane in lanes.values()]
            started = [threads.submit(one_after_the_other, lane) for lane in rest if lane]
            _within(target, started, poster, halt, end)
    return next((m.answer for m in batch.messages if _came_to(m) == posting.DOWN), None)


def _within(
    target: PushTarget,
    started: Sequence[Any],
    poster: posting.Poster,
    halt: threading.Event,
    end: float,
) -> None:
    """Waits for them; whoever is not answered when the turn is over is hung up on. No more is sent
    once people have changed where to, or have switched it off."""
    last = max(time.monotonic(), end) + 2 * posting.SECONDS
    done: Collection[Any] = ()
    late: Collection[Any] = started
    while late and time.monotonic() < last:
        done, late = wait(started, timeout=LOOK_SECONDS)
        if late and not _ours(target):
            halt.set()
    if late:
        halt.set()
        poster.abort()
        done, late = wait(started, timeout=posting.SECONDS)
    for one in done:
        one.result()


def _ours(target: PushTarget) -> bool:
    return PushTarget.objects.filter(pk=target.pk, busy_until=target.busy_until).exists()


def _came_to(message: Message) -> str | None:
    return message.answer.outcome if message.answer is not None else None


@transaction.atomic
def _keep(
    target: PushTarget, batch: Batch, down: posting.Answer | None, at: dt.datetime
) -> int | None:
    """Writes down what came of it; answers how many were taken, None where the company is not ours
    any more: then whoever has it now sends them."""
    row = PushTarget.objects.of(target.company_id).select_for_update().filter(pk=target.pk).first()
    if row is None or row.busy_until != target.busy_until or row.cursor != target.cursor:
        return None
    taken = [one for one in batch.messages if _came_to(one) == posting.TAKEN]
    PushWaiting.objects.of(row.company_id).filter(
        sequence__in=[one.sequence for one in taken if one.waiting is not None]
    ).delete()
    fresh, changed = [], []
    for message in batch.messages:
        outcome = _came_to(message)
        if outcome == posting.TAKEN:
            continue
        if message.waiting is None:
            message.waiting = PushWaiting(
                company_id=row.company_id,
                sequence=message.sequence,
                number=message.number,
                first_at=at,
                next_try_at=at,
            )
            fresh.append(message.waiting)
        elif outcome == posting.REFUSED:
            changed.append(message.waiting)
        if outcome == posting.REFUSED:
            _refused(message, at)
    PushWaiting.objects.bulk_create(fresh)
    PushWaiting.objects.bulk_update(changed, ["tries", "next_try_at", "given_up_at", "answer"])
    row.cursor = target.cursor = batch.cursor
    if taken:
        row.failures, row.failing_since, row.told_at, row.answer = 0, None, None, ""
        row.last_at = at
        first = _live(PushWaiting.objects.of(row.company_id)).aggregate(first=Min("sequence"))
        has = row.cursor if first["first"] is None else first["first"] - 1
        positions.asked(company=target.company, cursor=has)
    if down is not None:
        row.failing_since = row.failing_since or at
        row.next_try_at = at + pause(row.failures, asked=down.wait)
        row.failures, row.answer = row.failures + 1, down.code
        _tell(target.company, row, at)
    row.save()
    target.failures = row.failures
    return len(taken)


def _tell(company: Company, row: PushTarget, at: dt.datetime) -> None:
    """Tells those who hold the keys, once, and again when it is given up."""
    assert row.failing_since is not None
    since = at - row.failing_since
    if row.answer == posting.GONE or since >= DAYS:
        row.active, row.told_at = False, at
        log.error("push.stopped", company=row.company_id, answer=row.answer)
        notices.push_fails(company=company, since=row.failing_since, stopped=True)
    elif since >= TOLD_AFTER and row.told_at is None:
        row.told_at = at
        log.warning("push.fails", company=row.company_id, answer=row.answer)
        notices.push_fails(company=company, since=row.failing_since, stopped=False)


def _refused(message: Message, at: dt.datetime) -> None:
    row, answer = message.waiting, message.answer
    assert row is not None
    assert answer is not None
    row.next_try_at = at + pause(row.tries)
    row.tries, row.answer = row.tries + 1, answer.code
    if at - row.first_at >= DAYS:
        row.given_up_at = at
        log.error("push.given_up", company=row.company_id, sequence=row.sequence)


def pause(before: int, *, asked: int = 0) -> dt.timedelta:
    """How long to wait after a failure that came after so many others; no two wait alike."""
    seconds = PAUSES[min(before, len(PAUSES) - 1)] * random.uniform(0.9, 1.1)  # noqa: S311
    return dt.timedelta(seconds=max(seconds, min(asked, ASKED_MAX)))


def again(*, company: Company, events: QuerySet[Event], at: dt.datetime) -> int:
    """Sends these events of the feed once more; answers how many. What waits is tried at once."""
    with transaction.atomic():
        PushTarget.objects.of(company).select_for_update().get()
        found = events.filter(told=True).values_list("sequence", "number")
        rows = {sequence: number for sequence, number in found if sequence is not None}
        cursor = PushTarget.objects.of(company).get().cursor
        waiting = [
            PushWaiting(
                company=company, sequence=sequence, number=number, first_at=at, next_try_at=at
            )
            for sequence, number in rows.items()
            if sequence <= cursor
        ]
        PushWaiting.objects.bulk_create(
            waiting,
            update_conflicts=True,
            unique_fields=["company", "sequence"],
            update_fields=["first_at", "next_try_at", "given_up_at"],
        )
        PushTarget.objects.of(company).update(next_try_at=at)
    return len(rows)


def again_since(*, company: Company, since: dt.datetime, at: dt.datetime) -> None:
    """Sends all once more that has happened since, in its order."""
    with transaction.atomic():
        target = PushTarget.objects.of(company).select_for_update().get()
        found = feed.told_to(company).filter(at__gte=since).aggregate(first=Min("sequence"))
        cursor = target.cursor if found["first"] is None else found["first"] - 1
        PushWaiting.objects.of(company).filter(sequence__gt=cursor).delete()
        PushTarget.objects.filter(pk=target.pk).update(
            cursor=min(cursor, target.cursor), next_try_at=at, busy_until=None
        )
