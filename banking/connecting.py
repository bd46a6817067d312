"""Whether a bank can be reached and knows the customer, step by step, as a person would find out.

The way is gone first; then, where the bank takes it, the smallest request there is (camt.060) is
sent as any file is, and its answer, which comes as any file does, ends the test.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from banking import channel, filestore, inbox, kept, outbox, profiles, unreadable
from banking.iso20022 import queries
from banking.iso20022.values import Account, Party
from banking.models import BankAgreement, BankChannel, BankFile, ConnectionTest
from portal import clock
from portal.access import actors, tenancy
from portal.access.models import User

log = structlog.get_logger(__name__)
FOLDERS, SENT, ANSWER = "folders", "sent", "answer"
CUSTOMER, ACTIVE, ACCOUNT = "customer", "active", "account"
BUSY_SECONDS = 0.2
# step → what it shows, in the order they are passed.
STEPS: dict[str, Any] = {
    channel.HOST: _("The bank's machine answers"),
    channel.HOST_KEY: _("The machine is the bank, by the host key that we know"),
    channel.KEY: _("The bank lets Kvitt in, by the key that it has registered"),
    FOLDERS: _("All folders that Kvitt uses are there"),
    SENT: _("The bank takes a file from Kvitt: a request for the account's balance"),
    ANSWER: _("The bank answers it"),
    CUSTOMER: _("The bank knows the customer number and the agreement id"),
    ACTIVE: _("The bank has activated the agreement"),
    ACCOUNT: _("The account is tied to the customer at the bank"),
}
ASKED = (SENT, ANSWER, CUSTOMER, ACTIVE, ACCOUNT)
# The bank's code → the step that fails, and the code of its cure; any other fails at the answer.
REFUSALS = {
    "BE06": (CUSTOMER, "customer-unknown"),
    "AG01": (ACTIVE, "agreement-not-active"),
    "AC02": (ACCOUNT, "account-not-tied"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A step as the page shows it; `ok` is None where it was not come to, `waits` where its
    answer is waited for."""

    label: Any
    ok: bool | None
    waits: bool
    ms: int | None
    told: unreadable.Told | None


def begin(*, agreement: BankAgreement, user: User) -> ConnectionTest | None:
    """A new test, in the caller's transaction; None while another is under way."""
    BankAgreement.objects.select_for_update(of=("self",)).get(pk=agreement.pk)
    latest = of(agreement)
    if latest is not None and under_way(latest):
        return None
    row: ConnectionTest = ConnectionTest.objects.create(
        company_id=agreement.company_id,
        agreement=agreement,
        asked_at=timezone.now(),
        asked_by=user,
    )
    return row


def of(agreement: BankAgreement) -> ConnectionTest | None:
    """The latest test of the agreement."""
    rows = ConnectionTest.objects.filter(agreement=agreement).select_related(
        "asked_by", "request", "agreement__channel"
    )
    return rows.order_by("-id").first()


def latest(agreements: Iterable[BankAgreement]) -> dict[int, ConnectionTest]:
    """Agreement id → its latest test; one query for all."""
    rows = ConnectionTest.objects.filter(agreement__in=list(agreements)).select_related(
        "request", "agreement__channel"
    )
    found = rows.order_by("agreement_id", "-id").distinct("agreement_id")
    return {test.agreement_id: test for test in found}


def asks(agreement: BankAgreement) -> bool:
    """Whether the bank takes a request for a balance on this agreement."""
    is_iso = agreement.file_format != BankAgreement.Format.NETS
    return is_iso and bool(profiles.of(agreement.channel.bank).balance)


def under_way(test: ConnectionTest) -> bool:
    """Whether it has not ended, and its worker may still be alive, or its answer come."""
    limit = _longest()
    if test.request_id is not None:
        limit += dt.timedelta(seconds=settings.CONNECTION_ANSWER_SECONDS)
    return test.ended_at is None and timezone.now() - test.asked_at < limit


def is_open(test: ConnectionTest) -> bool:
    """Whether the bank has answered that the agreement is open, and the account the customer's."""
    return any(step["step"] == ACCOUNT and step["ok"] for step in test.steps)


def waits(test: ConnectionTest) -> bool:
    """Whether all that is left is the bank's answer."""
    return test.ended_at is None and test.request_id is not None


def _longest() -> dt.timedelta:
    """By then each step has come to its own limit, after a wait in the queue."""
    return dt.timedelta(seconds=(len(STEPS) + 1) * settings.CHANNEL_TIMEOUT_SECONDS)


def run(test_id: int) -> ConnectionTest:
    """Goes the whole way or to the first step that fails, and keeps each step as it is passed."""
    rows = ConnectionTest.objects.select_related(
        "agreement__channel", "agreement__account", "agreement__company"
    )
    test: ConnectionTest = rows.get(pk=test_id)
    if test.ended_at is not None or test.request_id is not None:
        return test
    test.steps = []
    bank: BankChannel = test.agreement.channel
    since = time.monotonic()

    def keep(step: str, code: str = "", detail: str = "") -> None:
        nonlocal since
        now = time.monotonic()
        ms = round((now - since) * 1000)
        since = now
        test.steps.append(_found(step, ms, code, detail))
        with transaction.atomic():
            test.save(update_fields=["steps"])

    try:
        with channel.connect(bank, passed=keep) as session:
            for folder in _folders(bank):
                session.look(folder)
        keep(FOLDERS)
        if asks(test.agreement):
            _send(test)
            keep(SENT)
            return test
    except channel.ChannelFault as fault:
        keep(list(STEPS)[len(test.steps)], fault.code, fault.detail)
        log.warning("bank.connection_test_failed", channel=bank.name, code=fault.code)
    test.ended_at = timezone.now()
    test.save(update_fields=["ended_at"])
    return test


def _found(step: str, ms: int | None, code: str = "", detail: str = "") -> dict[str, Any]:
    return {"step": step, "ms": ms, "ok": not code, "code": code, "detail": detail[:500]}


def _folders(bank: BankChannel) -> list[str]:
    named = [bank.upload_folder, bank.archive_folder, *bank.download_folders]
    return [folder for folder in dict.fromkeys(named) if folder]


def _send(test: ConnectionTest) -> None:
    """Stores the request and brings it to the bank; raises ChannelFault."""
    with transaction.atomic(), filestore.spool() as content:
        at = clock.now()
        file_id = filestore.draw_id()
        queries.write(content, _request(test.agreement, outbox.message_id(file_id), at))
        test.request = outbox.store(
            file_id=file_id,
            agreement=test.agreement,
            kind=queries.VERSION,
            salary=False,
            content=content,
            transactions=0,
            totals={},
            at=at,
        )
        test.save(update_fields=["request"])
    deadline = time.monotonic() + settings.CHANNEL_TIMEOUT_SECONDS
    while (outcome := outbox.deliver(file_id)) == outbox.Outcome.BUSY:
        if time.monotonic() > deadline:
            return  # somebody else's delivery is long; the timetable brings this one after it
        time.sleep(BUSY_SECONDS)
    delivered = outcome in (outbox.Outcome.DELIVERED, outbox.Outcome.NOTHING)
    with transaction.atomic():
        outbox.mark(file_id, delivered=delivered, at=clock.now())
    if not delivered:
        error = BankFile.objects.get(pk=file_id).error or {}
        raise channel.ChannelFault(error.get("code", "broken-off"), error.get("detail", ""))


def _request(agreement: BankAgreement, message_id: str, at: dt.datetime) -> queries.BalanceRequest:
    profile = profiles.of(agreement.channel.bank)
    known = [*profile.placed("InitgPty", agreement.identifiers)]
    known += [one for one in profile.placed("Dbtr", agreement.identifiers) if one not in known]
    return queries.BalanceRequest(
        message_id=message_id,
        created_at=at.astimezone(clock.OSLO).replace(microsecond=0),
        asker=Party(name=agreement.company.name, identifiers=tuple(known)),
        account=Account("BBAN", agreement.account.number),
        currency=agreement.account.currency,
    )


def read_answer(file: BankFile, content: BinaryIO) -> None:
    """Carries out the answer to a request of ours; an account report that nobody asked for is
    kept as a statement is. Raises Unreadable, NotOurs."""
    answer = queries.read(content)
    content.seek(0)
    sent = inbox.company_of_message(file.channel_id, answer.request) if answer.request else None
    if sent is None or sent.kind != queries.VERSION:
        if answer.kind == "camt.052":
            kept.read_report(file, content)
            return
        raise inbox.NotOurs(
            "unknown-message",
            f"It answers a message that was not sent from here ({answer.request}).",
        )
    assert sent.company_id is not None
    inbox.only_fetched(file)
    with tenancy.acting_for([sent.company_id], unclaimed=True):
        inbox.claim(file, company_id=sent.company_id, answers_to=sent, salary=False)
        by = actors.bank(sent.channel.name)
        again = answer.code == outbox.SENT_BEFORE  # of a second copy; it answers the first
        told = [{"code": answer.code, "text": answer.reason}] if answer.code else []
        refused = bool(answer.code) and not again
        outbox.answered(sent.pk, refused=refused, by=by, at=clock.now(), reasons=told)
        open_ones = ConnectionTest.objects.select_for_update().filter(request=sent, ended_at=None)
        for test in open_ones if not again else []:
            _conclude(test, answer)
            if is_open(test):
                inbox.read_unknown_again(file.channel_id, inbox.UNCONFIRMED)
        remarks = [{"code": "sent-before"}] if again else []
        inbox.finish(file, message_id=answer.message_id, transactions=0, remarks=remarks)


def _conclude(test: ConnectionTest, answer: queries.Answer) -> None:
    now = timezone.now()
    test.ended_at = now
    sent_at = test.request.last_attempt_at if test.request else None
    ms = round((now - (sent_at or test.asked_at)).total_seconds() * 1000)
    known = [row["step"] for row in test.steps]
    test.steps += [_found(SENT, None)] if SENT not in known else []
    failing, code = REFUSALS.get(answer.code, (ANSWER, "request-refused"))
    for step in (ANSWER, CUSTOMER, ACTIVE, ACCOUNT):
        taken = ms if step == ANSWER else None
        if answer.code and step == failing:
            detail = f"{answer.code} {answer.reason}".strip()
            test.steps.append(_found(step, taken, code, detail))
            log.warning("bank.connection_test_failed", test=test.pk, code=code)
            break
        test.steps.append(_found(step, taken))
    test.save(update_fields=["steps", "ended_at"])


def shown(test: ConnectionTest) -> list[Step]:
    """Every step that there is for the bank, with what became of it."""
    found = {row["step"]: row for row in test.steps}
    late = waits(test) and not under_way(test)
    if late and SENT in found:
        found[ANSWER] = _found(ANSWER, None, "no-answer")
    has_asked = asks(test.agreement) or test.request_id is not None
    rows = []
    for step, label in STEPS.items():
        if step in ASKED and not has_asked:
            continue
        row = found.get(step)
        fault = unreadable.told(row) if row and not row["ok"] else None
        is_next = waits(test) and not late and step == ANSWER and row is None
        rows.append(
            Step(label, row["ok"] if row else None, is_next, row["ms"] if row else None, fault)
        )
    return rows
