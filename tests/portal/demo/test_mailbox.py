"""The demo's mailbox: everybody's letters, whole, and their HTML without any power."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal import mail
from portal.access import tenancy
from portal.access.models import User
from portal.demo import mailbox
from portal.mail.models import Letter
from tests import kit


@pytest.fixture
def page(db: None) -> Client:
    client = Client()
    client.cookies["kvitt_language"] = "en"
    return client


def write(*users: User, page: str = "http://localhost/x") -> None:
    mail.post(
        kind="payments.to_approve",
        company=None,
        users=users,
        context={"count": 2, "first_due": dt.date(2026, 11, 30), "page": page},
    )


def text(page: Client, address: str) -> str:
    answer = page.get(address)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    return str(answer.content.decode())


def test_an_empty_mailbox_says_so(page: Client) -> None:
    for address in ("/demo/", "/demo/mails/"):
        assert "No mail has been written yet." in text(page, address)
    assert "There are no mails here." in text(page, "/demo/mails/?to=x@example.org")


def test_mails_are_listed_newest_first_with_what_became_of_them(page: Client) -> None:
    company = kit.company()
    anne, bjorn = kit.person("anne", company), kit.person("bjorn", company)
    bjorn.language = "en"
    write(anne, anne, bjorn)
    first, second, _third = kit.letters()
    with tenancy.acting_for((), letters=True):
        Letter.objects.filter(pk=first.pk).update(sent_at=timezone.now())
        Letter.objects.filter(pk=second.pk).update(failed_at=timezone.now(), error="550 unknown")
    shown = text(page, "/demo/mails/")
    assert shown.index("2 payments to approve") < shown.index("2 betalinger til godkjenning")
    rows = shown.split("<tbody", 1)[1]
    assert rows.index("Waiting") < rows.index("Not sent") < rows.index(">Sent<")
    assert "payments.to_approve" in rows
    assert "550 unknown" in text(page, f"/demo/mails/{second.pk}/")


def test_the_mails_of_one_person_can_be_seen_alone(page: Client) -> None:
    company = kit.company()
    anne, bjorn = kit.person("anne", company), kit.person("bjorn", company)
    write(anne, bjorn)
    rows = text(page, f"/demo/mails/?to={anne.email}").split("<tbody", 1)[1]
    assert anne.email in rows
    assert bjorn.email not in rows


def test_pages_follow_by_key_and_keep_the_filter(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox, "MAILS_PER_PAGE", 2)
    anne = kit.person("anne", kit.company())
    write(*[anne] * 5)
    ids = [letter.pk for letter in reversed(kit.letters())]
    seen, address = [], f"/demo/mails/?to={anne.email}"
    for _turn in range(3):
        answer = page.get(address)
        seen += [letter.pk for letter in answer.context["mails"]]
        older = answer.context["older"]
        address = f"/demo/mails/?before={older}&to={anne.email}"
        if older:
            assert f"?before={older}&amp;to=" in answer.content.decode()
    assert seen == ids
    assert older is None


@pytest.mark.parametrize("before", ["x", "-1", "1.5", "²", "9" * 40])
def test_a_key_that_is_none_shows_the_newest(before: str, page: Client) -> None:
    write(kit.person("anne", kit.company()))
    assert "2 betalinger" in text(page, f"/demo/mails/?before={before}")


def test_a_list_asks_the_same_for_any_number_of_mails(
    page: Client, django_assert_num_queries: Any
) -> None:
    anne = kit.person("anne", kit.company())
    text(page, "/demo/mails/")
    for count in (1, 20):
        write(*[anne] * count)
        with django_assert_num_queries(6):
            text(page, "/demo/mails/")


def test_a_mail_is_shown_with_its_headers_and_text(page: Client) -> None:
    write(kit.person("anne", kit.company()), page="http://localhost/<b>x</b>")
    (letter,) = kit.letters()
    shown = text(page, f"/demo/mails/{letter.pk}/")
    for part in ("Message-ID", letter.address, letter.subject, "auto-generated"):
        assert part in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert f"/demo/mails/{letter.pk}/html/" in shown


def test_the_html_of_a_mail_is_served_as_it_is_and_may_do_nothing(page: Client) -> None:
    write(kit.person("anne", kit.company()))
    (letter,) = kit.letters()
    answer = page.get(f"/demo/mails/{letter.pk}/html/")
    assert answer.content.decode() == letter.html
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    policy = {part.strip() for part in answer["Content-Security-Policy"].split(";")}
    assert policy == {"default-src 'none'", "style-src 'unsafe-inline'", "sandbox"}
    strict = page.get(f"/demo/mails/{letter.pk}/")["Content-Security-Policy"]
    assert "unsafe-inline" not in strict


def test_a_mail_that_is_not_there_is_not_found(page: Client) -> None:
    for address in ("/demo/mails/1/", "/demo/mails/1/html/", f"/demo/mails/{'9' * 30}/"):
        assert page.get(address).status_code == 404, address


def test_a_mail_whose_words_are_forgotten_says_so(page: Client) -> None:
    write(kit.person("anne", kit.company()))
    (letter,) = kit.letters()
    with tenancy.acting_for((), letters=True):
        Letter.objects.update(text="", html="")
    assert "The text of old mails is removed." in text(page, f"/demo/mails/{letter.pk}/")


def test_the_demo_page_shows_the_latest_ten(page: Client) -> None:
    write(*[kit.person("anne", kit.company())] * 12)
    ids = [letter.pk for letter in kit.letters()]
    shown = text(page, "/demo/")
    assert [pk for pk in ids if f"/demo/mails/{pk}/" in shown] == ids[2:]
    assert 'href="/demo/mails/"' in shown
