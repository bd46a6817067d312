"""Whether a bank can be reached, step by step, as a person would find out by hand."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from banking import channel, unreadable
from banking.models import BankAgreement, BankChannel, ConnectionTest
from portal.access.models import User

log = structlog.get_logger(__name__)
FOLDERS = "folders"
# step → what it shows, in the order they are passed.
STEPS: dict[str, Any] = {
    channel.HOST: _("The bank's machine answers"),
    channel.HOST_KEY: _("The machine is the bank, by the host key that we know"),
    channel.KEY: _("The bank lets Kvitt in, by the key that it has registered"),
    FOLDERS: _("All folders that Kvitt uses are there"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """A step as the page shows it; `ok` is None where it was not come to."""

    label: Any
    ok: bool | None
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
    rows = ConnectionTest.objects.filter(agreement=agreement).select_related("asked_by")
    return rows.order_by("-id").first()


def under_way(test: ConnectionTest) -> bool:
    """Whether it has not ended, and its worker may still be alive."""
    return test.ended_at is None and timezone.now() - test.asked_at < _longest()


def _longest() -> dt.timedelta:
    """By then each step has come to its own limit, after a wait in the queue."""
    return dt.timedelta(seconds=(len(STEPS) + 1) * settings.CHANNEL_TIMEOUT_SECONDS)


def run(test_id: int) -> None:
    """Goes the whole way or to the first step that fails, and keeps each step as it is passed."""
    test = ConnectionTest.objects.select_related("agreement__channel").get(pk=test_id)
    if test.ended_at is not None:
        return
    test.steps = []
    bank: BankChannel = test.agreement.channel
    since = time.monotonic()

    def keep(step: str, code: str = "", detail: str = "") -> None:
        nonlocal since
        now = time.monotonic()
        ms = round((now - since) * 1000)
        since = now
        found = {"step": step, "ms": ms, "ok": not code, "code": code, "detail": detail[:500]}
        test.steps.append(found)
        with transaction.atomic():
            test.save(update_fields=["steps"])

    try:
        with channel.connect(bank, passed=keep) as session:
            for folder in _folders(bank):
                session.look(folder)
        keep(FOLDERS)
    except channel.ChannelFault as fault:
        keep(list(STEPS)[len(test.steps)], fault.code, fault.detail)
        log.warning("bank.connection_test_failed", channel=bank.name, code=fault.code)
    test.ended_at = timezone.now()
    test.save(update_fields=["ended_at"])


def _folders(bank: BankChannel) -> list[str]:
    named = [bank.upload_folder, bank.archive_folder, *bank.download_folders]
    return [folder for folder in dict.fromkeys(named) if folder]


def shown(test: ConnectionTest) -> list[Step]:
    """Every step there is, with what became of it."""
    found = {row["step"]: row for row in test.steps}
    rows = []
    for step, label in STEPS.items():
        row = found.get(step)
        fault = unreadable.told(row) if row and not row["ok"] else None
        rows.append(Step(label, row["ok"] if row else None, row["ms"] if row else None, fault))
    return rows
