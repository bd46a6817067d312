"""Posting: letters stand or fall with the work, in each reader's language, behind the walls."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from django.utils import timezone
from django.utils.translation import get_language

from portal import mail
from portal.access import tenancy
from portal.access.models import Company, User
from portal.mail.models import Letter
from tests import kit

ROOT = Path(__file__).resolve().parents[3]
CONTEXT = {"count": 2, "first_due": dt.date(2026, 11, 30), "page": "http://localhost/x"}


@pytest.fixture
def company(db: None) -> Company:
    return kit.company()


@pytest.fixture
def anne(company: Company) -> User:
    return kit.person("anne", company)


def post(company: Company | None, users: list[User], context: Any = None) -> int:
    return mail.post(
        kind="payments.to_approve", company=company, users=users, context=context or CONTEXT
    )


def test_a_rollback_leaves_no_letter_and_nudges_nobody(
    company: Company, anne: User, django_capture_on_commit_callbacks: Any
) -> None:
    with (
        django_capture_on_commit_callbacks() as nudges,
        pytest.raises(ZeroDivisionError),
        tenancy.acting_for([company]),
        transaction.atomic(),
    ):
        assert post(company, [anne]) == 1
        raise ZeroDivisionError
    assert kit.letters() == []
    assert nudges == []


def test_a_commit_nudges_delivery_once_and_no_letter_none(
    company: Company, anne: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks() as nudges, tenancy.acting_for([company]):
        assert post(company, []) == 0
        assert nudges == []
        assert post(company, [anne, anne]) == 2
    assert len(nudges) == 1


def test_each_reader_is_written_to_in_their_own_language(company: Company, anne: User) -> None:
    bjorn = kit.person("bjorn", company)
    bjorn.language = "en"
    with tenancy.acting_for([company]):
        post(company, [anne, bjorn])
    norwegian, english = kit.letters()
    assert (norwegian.language, english.language) == ("nb", "en")
    assert norwegian.subject == "2 betalinger til godkjenning for Prøve AS"
    assert english.subject == "2 payments to approve for Prøve AS"
    assert '<html lang="nb">' in norwegian.html
    assert '<html lang="en">' in english.html
    assert "30.11.2026" in english.text


def test_a_context_function_is_asked_for_each_user_in_that_users_language(
    company: Company, anne: User
) -> None:
    bjorn = kit.person("bjorn", company)
    bjorn.language = "en"
    asked: list[tuple[str, str]] = []

    def context(user: User) -> dict[str, Any]:
        asked.append((user.name, get_language() or ""))
        return {**CONTEXT, "page": f"http://localhost/{user.pk}"}

    with tenancy.acting_for([company]):
        post(company, [anne, bjorn, anne], context)
    assert asked == [("Anne", "nb"), ("Bjorn", "en"), ("Anne", "nb")]
    assert [f"http://localhost/{user.pk}" in letter.text for user, letter in zip(
        [anne, bjorn, anne], kit.letters(), strict=True
    )] == [True] * 3  # fmt: skip


def test_no_header_can_be_smuggled_into_a_subject(company: Company, anne: User) -> None:
    company.name = "Ond\r\nBcc: x@example.org\u2028\x1b AS"
    with tenancy.acting_for([company]):
        post(company, [anne])
    (letter,) = kit.letters()
    assert letter.subject == "2 betalinger til godkjenning for Ond Bcc: x@example.org AS"


def test_the_number_of_statements_is_the_same_for_any_number_of_readers(
    company: Company, anne: User, django_assert_num_queries: Any
) -> None:
    with tenancy.acting_for([company]):
        for count in (1, 40):
            with django_assert_num_queries(2):  # who does without, and the letters
                post(company, [anne] * count)
    assert len(kit.letters()) == 41


def test_a_companys_letters_are_seen_by_it_and_by_no_other(company: Company, anne: User) -> None:
    other = kit.company(2, "To AS")
    with tenancy.acting_for([company]):
        post(company, [anne])
        assert Letter.objects.of(company).count() == 1
    with tenancy.acting_for([other]):
        assert Letter.objects.count() == 0
    with tenancy.acting_for((), user=anne, unclaimed=True):
        assert Letter.objects.count() == 0
    assert Letter.objects.count() == 0
    assert len(kit.letters()) == 1


def test_a_letter_about_no_company_is_written_from_anywhere_and_seen_by_no_company(
    company: Company, anne: User
) -> None:
    assert post(None, [anne]) == 1
    with tenancy.acting_for([company]):
        assert post(None, [anne]) == 1
        assert tenancy.current() == tenancy.Scope((company.pk,))
        assert Letter.objects.count() == 0
    assert [letter.company_id for letter in kit.letters()] == [None, None]
    assert "role in" not in kit.letters()[0].text


def test_a_letter_cannot_be_written_about_a_company_that_one_does_not_act_for(
    company: Company, anne: User
) -> None:
    other = kit.company(2, "To AS")
    with (
        tenancy.acting_for([company]),
        pytest.raises(ProgrammingError, match="row-level security"),
        transaction.atomic(),
    ):
        post(other, [anne])


def test_only_mail_and_the_demos_mailbox_ask_to_see_everybodys_letters() -> None:
    asking = {
        str(path.relative_to(ROOT))
        for folder in ("portal", "payments", "banking", "collections")
        for path in (ROOT / folder).rglob("*.py")
        if "letters=True" in path.read_text()
    }
    assert asking - {"portal/access/tenancy.py", "portal/mail/models.py"} == {
        "portal/mail/__init__.py",
        "portal/mail/delivery.py",
        "portal/mail/pruning.py",
        "portal/demo/mailbox.py",
    }


def test_a_letter_is_never_both_sent_and_failed(company: Company, anne: User) -> None:
    now = timezone.now()
    post(None, [anne])
    with (
        tenancy.acting_for((), letters=True),
        pytest.raises(IntegrityError, match="letter_sent_or_failed"),
        transaction.atomic(),
    ):
        Letter.objects.update(sent_at=now, failed_at=now)


def test_what_is_due_is_found_by_its_index(company: Company, anne: User) -> None:
    now = timezone.now()
    with tenancy.acting_for((), letters=True):
        rows = Letter.objects.filter(sent_at=None, failed_at=None, next_attempt_at__lte=now)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        plan = rows.order_by("next_attempt_at", "id")[:50].explain()
    assert "letter_waiting" in plan, plan
    assert "Sort" not in plan, plan
