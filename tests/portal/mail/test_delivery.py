"""Delivery by real SMTP: at least once, in spite of crashes, refusals and a server that is away."""

from __future__ import annotations

import datetime as dt
import os
import smtplib
import ssl
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import structlog
from django.conf import settings as live
from django.db import connection
from django.utils import timezone

from portal import mail
from portal.access import tenancy
from portal.access.models import Company, RoleGrant, User
from portal.access.roles import Permission, Role
from portal.mail import delivery
from portal.mail.models import Letter
from tests import kit
from tests.portal.events.threads import together
from tests.portal.mail import smtp

DUE = dt.date(2026, 11, 30)


@pytest.fixture
def server(settings: Any) -> Iterator[smtp.Server]:
    with smtp.Server() as running:
        settings.EMAIL_BACKEND = "tests.portal.mail.smtp.Watched"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", running.port
        settings.EMAIL_TIMEOUT = 1
        yield running


@pytest.fixture
def company(own_database: str) -> Company:
    return kit.company()


def people(company: Company, *names: str) -> list[User]:
    return [kit.person(name, company) for name in names]


def post(company: Company, users: list[User]) -> None:
    with tenancy.acting_for([company]):
        mail.post(
            kind="payments.to_approve",
            company=company,
            users=users,
            context={"count": 2, "first_due": DUE, "page": "http://localhost/x"},
        )


def deliver(after: dt.timedelta = dt.timedelta()) -> int:
    """A run at this time from now."""
    return delivery.deliver(now=timezone.now() + after)


def states() -> dict[str, str]:
    """Name → what became of the letter."""
    return {
        letter.address.split("-")[0]: "sent"
        if letter.sent_at
        else "failed"
        if letter.failed_at
        else f"waiting {letter.attempts}"
        for letter in kit.letters()
    }


def test_a_letter_reaches_the_server_with_text_html_and_headers(
    company: Company, server: smtp.Server
) -> None:
    (anne,) = people(company, "anne")
    post(company, [anne])
    assert deliver() == 1
    (message,) = server.received
    assert (message["To"], message["From"]) == (anne.email, live.DEFAULT_FROM_EMAIL)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "nb"
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    (letter,) = kit.letters()
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n").strip() == letter.text.strip()
    assert html.get_content().replace("\r\n", "\n").strip() == letter.html.strip()
    assert message["Subject"] == letter.subject
    assert (letter.attempts, letter.error) == (1, "")
    assert deliver() == 0
    assert len(server.received) == 1


def test_a_batch_goes_over_one_connection_and_a_quiet_run_opens_none(
    company: Company, server: smtp.Server, settings: Any
) -> None:
    settings.MAIL_BATCH = 4
    (anne,) = people(company, "anne")
    post(company, [anne] * 6)
    assert deliver() == 6
    assert server.connections == 2
    assert deliver() == 0
    assert server.connections == 2


def test_workers_at_once_send_each_letter_once(
    company: Company, server: smtp.Server, settings: Any
) -> None:
    settings.MAIL_BATCH = 7
    (anne,) = people(company, "anne")
    post(company, [anne] * 60)
    taken = together(*[deliver] * 4)
    assert not [each for each in taken if isinstance(each, BaseException)], taken
    assert sum(taken) == 60
    assert len(server.ids()) == len(set(server.ids())) == 60
    assert {letter.attempts for letter in kit.letters()} == {1}


def test_while_the_server_is_away_letters_wait_and_go_when_it_is_back(
    company: Company, server: smtp.Server
) -> None:
    post(company, people(company, "anne", "bjorn"))
    server.stop()
    with structlog.testing.capture_logs() as told:
        assert deliver() == 0
    assert [row["event"] for row in told if row["log_level"] == "error"] == ["mail.server_fault"]
    assert states() == {"anne": "waiting 1", "bjorn": "waiting 1"}
    assert all(letter.error for letter in kit.letters())
    assert deliver(dt.timedelta(seconds=30)) == 0, "not before the wait is over"
    server.start()
    assert deliver(dt.timedelta(minutes=2)) == 2
    assert states() == {"anne": "sent", "bjorn": "sent"}
    assert [letter.error for letter in kit.letters()] == ["", ""]


def test_a_refused_recipient_fails_at_once_with_the_reason_and_the_others_go(
    company: Company, server: smtp.Server
) -> None:
    anne, bjorn, carl = people(company, "anne", "bjorn", "carl")
    server.recipients[bjorn.email] = "550 5.1.1 No such user here"
    post(company, [anne, bjorn, carl])
    with structlog.testing.capture_logs() as told:
        assert deliver() == 2
    assert server.receivers() == [anne.email, carl.email]
    assert states() == {"anne": "sent", "bjorn": "failed", "carl": "sent"}
    assert kit.letters()[1].error == "550 5.1.1 No such user here"
    (alarm,) = [row for row in told if row["event"] == "mail.failed"]
    assert (alarm["log_level"], alarm["code"], alarm["kind"]) == (
        "error",
        "550",
        "payments.to_approve",
    )
    assert bjorn.email not in str(told), "the log tells of letters, not of people"
    assert deliver(dt.timedelta(days=3)) == 0


@pytest.mark.parametrize("answer", ["451 try later", "452 mailbox full", "530 sign in first"])
def test_a_recipient_put_off_is_tried_again_later(
    answer: str, company: Company, server: smtp.Server
) -> None:
    anne, bjorn = people(company, "anne", "bjorn")
    server.recipients[anne.email] = answer
    post(company, [anne, bjorn])
    assert deliver() == 1
    assert states() == {"anne": "waiting 1", "bjorn": "sent"}
    assert kit.letters()[0].error == answer
    del server.recipients[anne.email]
    assert deliver(dt.timedelta(minutes=2)) == 1
    assert server.receivers() == [bjorn.email, anne.email]


def test_content_refused_for_good_fails_at_once_and_for_now_later(
    company: Company, server: smtp.Server
) -> None:
    anne, bjorn = people(company, "anne", "bjorn")
    server.contents |= {anne.email: "554 looks like spam", bjorn.email: "451 scanner busy"}
    post(company, [anne, bjorn])
    assert deliver() == 0
    assert states() == {"anne": "failed", "bjorn": "waiting 1"}


def test_a_refused_sender_is_our_fault_and_the_letters_wait(
    company: Company, server: smtp.Server
) -> None:
    server.sender = "550 sender not allowed"
    post(company, people(company, "anne"))
    assert deliver() == 0
    assert states() == {"anne": "waiting 1"}


def test_a_line_that_drops_half_way_holds_up_nobody_else(
    company: Company, server: smtp.Server
) -> None:
    anne, bjorn, carl = people(company, "anne", "bjorn", "carl")
    server.hangs_up.add(anne.email)
    server.recipients[bjorn.email] = "421 closing"
    post(company, [anne, bjorn, carl])
    assert deliver() == 1
    assert states() == {"anne": "waiting 1", "bjorn": "waiting 1", "carl": "sent"}
    assert server.connections == 3


def test_a_server_that_is_too_slow_for_one_letter_holds_up_nobody_else(
    company: Company, server: smtp.Server
) -> None:
    anne, bjorn = people(company, "anne", "bjorn")
    server.slow_seconds[anne.email] = 1.5
    post(company, [anne, bjorn])
    assert deliver() == 1
    assert states() == {"anne": "waiting 1", "bjorn": "sent"}
    assert kit.letters()[0].error.startswith("SMTPServerDisconnected") or (
        "timed out" in kit.letters()[0].error
    )


def test_an_address_that_cannot_be_written_fails_alone(
    company: Company, server: smtp.Server
) -> None:
    anne, bjorn, carl = people(company, "anne", "bjorn", "carl")
    post(company, [anne, bjorn, carl])
    with tenancy.acting_for((), letters=True):
        rows = Letter.objects
        rows.filter(user=anne).update(address="anne-@example.org\nBcc: x@example.org")
        rows.filter(user=bjorn).update(address=f"bjorn-@{'ø' * 70}.no")
    assert deliver() == 1
    assert states() == {"anne": "failed", "bjorn": "failed", "carl": "sent"}
    assert server.receivers() == [carl.email]


def test_a_run_whose_time_is_up_puts_the_rest_back_uncounted(
    company: Company, server: smtp.Server, settings: Any
) -> None:
    post(company, people(company, "anne", "bjorn"))
    settings.MAIL_RUN_SECONDS = 0
    assert deliver() == 0
    assert states() == {"anne": "waiting 0", "bjorn": "waiting 0"}
    settings.MAIL_RUN_SECONDS = 240
    assert deliver(dt.timedelta(seconds=1)) == 2


def test_a_sender_killed_before_sending_leaves_a_letter_that_goes_after_the_lease(
    company: Company, server: smtp.Server, settings: Any
) -> None:
    post(company, people(company, "anne"))
    settings.EMAIL_BACKEND = "tests.portal.mail.smtp.DiesBeforeSending"
    with pytest.raises(smtp.Killed):
        deliver()
    settings.EMAIL_BACKEND = "tests.portal.mail.smtp.Watched"
    lease = dt.timedelta(seconds=settings.MAIL_LEASE_SECONDS)
    assert deliver(lease / 2) == 0
    assert server.received == []
    assert deliver(lease) == 1
    assert len(server.received) == 1


def test_a_sender_killed_before_recording_sends_again_under_the_same_message_id(
    company: Company, server: smtp.Server, settings: Any
) -> None:
    post(company, people(company, "anne"))
    settings.EMAIL_BACKEND = "tests.portal.mail.smtp.DiesAfterSending"
    with pytest.raises(smtp.Killed):
        deliver()
    assert len(server.received) == 1
    settings.EMAIL_BACKEND = "tests.portal.mail.smtp.Watched"
    assert deliver(dt.timedelta(seconds=settings.MAIL_LEASE_SECONDS)) == 1
    first, second = server.ids()
    assert first == second
    assert deliver(dt.timedelta(days=1)) == 0


def test_a_letter_that_kills_every_sender_is_given_up(
    company: Company, server: smtp.Server, settings: Any
) -> None:
    post(company, people(company, "anne"))
    settings.EMAIL_BACKEND = "tests.portal.mail.smtp.DiesBeforeSending"
    settings.MAIL_MAX_ATTEMPTS = 3
    lease = dt.timedelta(seconds=settings.MAIL_LEASE_SECONDS + 1)
    for turn in range(3):
        with pytest.raises(smtp.Killed):
            deliver(turn * lease)
    assert deliver(3 * lease) == 0
    assert states() == {"anne": "failed"}


def test_letters_are_tried_for_about_two_days_and_then_given_up_aloud(
    company: Company, server: smtp.Server
) -> None:
    anne, bjorn = people(company, "anne", "bjorn")
    server.recipients[anne.email] = "451 try later"
    post(company, [anne])
    now = began = timezone.now()
    for _turn in range(live.MAIL_MAX_ATTEMPTS):
        with structlog.testing.capture_logs() as told:
            delivery.deliver(now=now)
        (letter,) = kit.letters()
        now = letter.next_attempt_at
    assert dt.timedelta(hours=36) < now - began < dt.timedelta(hours=64)
    assert states() == {"anne": "failed"}
    assert [(row["event"], row["log_level"]) for row in told] == [("mail.failed", "error")]
    post(company, [bjorn])
    assert delivery.deliver(now=now) == 1
    assert server.receivers() == [bjorn.email]


def test_waits_double_up_to_a_limit_and_are_never_all_alike() -> None:
    first, limit = live.MAIL_RETRY_SECONDS, live.MAIL_RETRY_MAX_SECONDS
    for attempt in range(1, live.MAIL_MAX_ATTEMPTS + 1):
        middle = min(first * 2 ** (attempt - 1), limit)
        waits = {delivery.wait_after(attempt).total_seconds() for _ in range(20)}
        assert 0.79 * middle <= min(waits) < max(waits) <= 1.21 * middle


def test_a_lease_outlives_any_task() -> None:
    assert live.MAIL_LEASE_SECONDS > live.CELERY_TASK_TIME_LIMIT > live.MAIL_RUN_SECONDS


def test_a_certificate_that_fails_is_no_fault_of_the_letter() -> None:
    assert not delivery.is_final(ssl.SSLCertVerificationError("expired"))
    assert not delivery.is_final(smtplib.SMTPServerDisconnected("gone"))
    assert not delivery.is_final(smtplib.SMTPDataError(421, b"closing"))
    assert delivery.is_final(smtplib.SMTPDataError(554, b"no"))


def test_letters_of_all_companies_and_of_none_are_delivered(
    company: Company, server: smtp.Server
) -> None:
    other = kit.company(2, "To AS")
    anne, bjorn = people(company, "anne", "bjorn")
    post(company, [anne])
    post(other, [bjorn])
    mail.post(
        kind="payments.to_approve",
        company=None,
        users=[anne],
        context={"count": 1, "first_due": DUE, "page": "http://localhost/x"},
    )
    assert deliver() == 3
    assert tenancy.current() == tenancy.NOBODY


def test_letters_given_up_are_sent_again_as_the_operations_page_says(
    company: Company, server: smtp.Server
) -> None:
    (anne,) = people(company, "anne")
    server.recipients[anne.email] = "550 relaying denied"
    post(company, [anne])
    assert deliver() == 0
    assert states() == {"anne": "failed"}
    page = (live.BASE_DIR / "docs" / "operations.md").read_text()
    told = page.split("    SET kvitt.letters", 1)[1].split("\n\n", 1)[0]
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"], dbname=database()) as owner:
        owner.execute(f"SET kvitt.letters{told}")  # type: ignore[call-overload]
    server.recipients.clear()
    assert deliver() == 1
    assert states() == {"anne": "sent"}


def database() -> str:
    return str(connection.settings_dict["NAME"])


def test_who_has_lost_the_role_or_the_account_gets_no_letter_that_was_waiting(
    company: Company, server: smtp.Server
) -> None:
    anne, bjorn, lars = (
        kit.person(name, company, Role.APPROVER) for name in ("anne", "bjorn", "lars")
    )
    with tenancy.acting_for([company]):
        mail.post(
            kind="payments.to_approve",
            company=company,
            users=[anne, bjorn, lars],
            needs=Permission.APPROVE_SUPPLIER,
            context={"count": 2, "first_due": DUE, "page": "http://localhost/x"},
        )
        RoleGrant.objects.filter(user=bjorn).delete()
    User.objects.filter(pk=lars.pk).update(is_active=False)
    assert deliver() == 1
    assert [message["To"] for message in server.received] == [anne.email]
    assert states() == {"anne": "sent", "bjorn": "failed", "lars": "failed"}


@pytest.mark.parametrize(("demo", "kept"), [(False, False), (True, True)])
def test_what_opens_an_account_is_not_kept_when_it_has_left(
    server: smtp.Server, company: Company, settings: Any, *, demo: bool, kept: bool
) -> None:
    settings.DEMO = demo
    (anne,) = people(company, "anne")
    link = "http://localhost/password/hemmelig/"
    mail.post(
        kind="people.password_link",
        users=[anne],
        company=None,
        context={"email": anne.email, "hours": 2, "page": link},
    )
    post(company, [anne])
    deliver()
    with tenancy.acting_for([company], letters=True):
        secret, other = Letter.objects.order_by("pk")
    assert secret.sent_at
    assert (link in secret.text, link in secret.html) == (kept, kept)
    assert other.text
    bodies = [received.get_body(("plain",)) for received in server.received]
    assert sum(link in body.get_content() for body in bodies if body is not None) == 1
