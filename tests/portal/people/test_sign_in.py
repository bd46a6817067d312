"""Signing in, out and idling; the lock after wrong tries; the language of the pages."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from django.conf import settings as live
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone

from portal.access.models import Company, User
from portal.access.roles import Role
from portal.logs import BehindProxy
from tests import kit

WRONG = "wrong horse battery"
NOON = dt.datetime(2026, 11, 23, 12, 0, 10, tzinfo=dt.UTC)


@pytest.fixture
def anne(db: None, settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return kit.person("anne", kit.company(), Role.APPROVER)


def first_step(client: Client, email: str, password: str = kit.PASSWORD, **more: str) -> Any:
    return client.post("/sign-in/", {"email": email, "password": password, **more})


def second_step(client: Client, user: User) -> Any:
    return client.post("/sign-in/code/", {"code": kit.code_of(user)})


def inside(client: Client) -> bool:
    """Whether the first page is open to this browser."""
    answer = client.get("/")
    assert answer.status_code in (200, 302)
    return not answer.get("Location", "").startswith("/sign-in/")


def text_of(answer: Any) -> list[str]:
    """The page without what differs from one request to the next."""
    lines = answer.content.decode().splitlines()
    return [line for line in lines if "csrf" not in line]


def test_both_steps_open_the_door(anne: User) -> None:
    client = Client()
    assert client.get("/sign-in/").status_code == 200
    answer = first_step(client, anne.email)
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/code/")
    assert not inside(client)
    assert anne.email in client.get("/sign-in/code/").content.decode()
    answer = second_step(client, anne)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert inside(client)
    again = client.get("/sign-in/code/")
    assert (again.status_code, again["Location"]) == (302, "/")


@pytest.mark.parametrize("write", [str.upper, str.title, lambda e: f"  {e} "])
def test_the_case_of_the_email_does_not_matter(write: Any, anne: User) -> None:
    assert first_step(Client(), write(anne.email)).status_code == 302


def test_the_second_step_alone_opens_nothing(anne: User) -> None:
    client = Client()
    for answer in (client.get("/sign-in/code/"), second_step(client, anne)):
        assert (answer.status_code, answer["Location"]) == (302, "/sign-in/")
    assert not inside(client)


def test_a_wrong_code_is_told_and_opens_nothing(anne: User) -> None:
    client = Client(headers={"accept-language": "en"})
    first_step(client, anne.email)
    kit.code_of(anne)
    with time_machine.travel(timezone.now(), tick=False):
        answer = client.post("/sign-in/code/", {"code": "abcdef"})
        assert answer.status_code == 422
        assert "The code is wrong" in answer.content.decode()
        answer = client.post("/sign-in/code/", {"code": "abcdef"})
        assert answer.status_code == 422
        assert "Wait 1 second" in answer.content.decode()
    assert client.post("/sign-in/code/", {"code": ""}).status_code == 422
    assert not inside(client)


def test_another_persons_code_opens_nothing(anne: User) -> None:
    bjorn = kit.person("bjorn", kit.company(2))
    client = Client()
    first_step(client, anne.email)
    assert second_step(client, bjorn).status_code == 422
    assert not inside(client)


def test_wrong_password_unknown_email_and_inactive_user_answer_alike(anne: User) -> None:
    gone = kit.person("gone", kit.company(2))
    gone.is_active = False
    gone.save(update_fields=["is_active"])
    pages = []
    for email, password in (
        (anne.email, WRONG),
        ("nobody@example.org", WRONG),
        (gone.email, kit.PASSWORD),
    ):
        answer = first_step(Client(), email, password)
        assert answer.status_code == 422
        pages.append([line.replace(email, "") for line in text_of(answer)])
    assert pages[0] == pages[1] == pages[2]


def test_the_password_is_never_shown_again(anne: User) -> None:
    assert WRONG not in first_step(Client(), anne.email, WRONG).content.decode()


def test_a_user_without_a_factor_is_let_in_where_no_company_asks_for_one(anne: User) -> None:
    anne.authenticator_set.all().delete()  # type: ignore[attr-defined]
    client = Client()
    assert first_step(client, anne.email)["Location"] == "/"
    address = client.get("/")["Location"]
    assert client.get(address).status_code == 302
    Company.objects.update(two_factor_to_sign_in=True)
    # Open sessions are stopped at the next request, and walked to the set-up and back.
    answer = client.get(address)
    assert answer["Location"] == f"/me/two-factor/app/?next={quote(address, safe='')}"
    assert first_step(Client(), anne.email)["Location"] == "/me/two-factor/app/"


def test_ten_wrong_tries_lock_the_account_and_nobody_elses(anne: User) -> None:
    bjorn = kit.person("bjorn", kit.company(2))
    client = Client()
    for _ in range(9):
        assert first_step(client, anne.email, WRONG).status_code == 422
    assert first_step(client, anne.email, WRONG).status_code in (422, 429)
    locked = first_step(client, anne.email)
    assert locked.status_code == 429
    assert b"15" in locked.content
    assert first_step(client, anne.email.upper()).status_code == 429
    assert not inside(client)
    assert first_step(Client(), bjorn.email).status_code == 302
    assert first_step(Client(REMOTE_ADDR="10.1.1.1"), anne.email).status_code == 302


def test_an_unknown_email_is_locked_in_the_same_way(anne: User) -> None:
    for _ in range(10):
        first_step(Client(), "nobody@example.org", WRONG)
    assert first_step(Client(), "nobody@example.org", WRONG).status_code == 429
    assert first_step(Client(), anne.email).status_code == 302


def test_the_lock_opens_after_a_quarter_of_an_hour(anne: User) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        for _ in range(11):
            first_step(Client(), anne.email, WRONG)
        traveller.shift(14 * 60)
        assert first_step(Client(), anne.email).status_code == 429
        traveller.shift(16 * 60)
        assert first_step(Client(), anne.email).status_code == 302


def test_one_account_is_guessed_at_from_everywhere_only_so_often(anne: User, settings: Any) -> None:
    settings.GUESSES_PER_ACCOUNT = 20
    known = Client()
    first_step(known, anne.email)
    second_step(known, anne)
    known.post("/sign-out/")
    answers = [
        Client(REMOTE_ADDR=f"192.0.2.{n}").post(
            "/sign-in/", {"email": anne.email, "password": WRONG}
        )
        for n in range(30)
    ]
    codes = [answer.status_code for answer in answers]
    assert codes == [422] * 20 + [429] * 10
    stranger = Client(REMOTE_ADDR="192.0.2.200")
    assert first_step(stranger, anne.email).status_code == 429
    # A browser that she has signed in with is not held up by them, and another's account neither.
    assert first_step(known, anne.email)["Location"] == "/sign-in/code/"
    with time_machine.travel(timezone.now() + dt.timedelta(hours=1, seconds=1)):
        assert first_step(stranger, anne.email).status_code == 302


def test_the_mark_of_a_browser_is_its_owners_and_cannot_be_forged(
    anne: User, settings: Any
) -> None:
    settings.GUESSES_PER_ACCOUNT = 3
    bjorn = kit.person("bjorn", Company.objects.get(), Role.APPROVER)
    known = Client()
    first_step(known, bjorn.email)
    second_step(known, bjorn)
    mark = known.cookies["kvitt_known"]
    assert mark["httponly"]
    for n in range(3):
        Client(REMOTE_ADDR=f"192.0.2.{n}").post(
            "/sign-in/", {"email": anne.email, "password": WRONG}
        )
    for value in (mark.value, f"[{anne.pk}]", "x:y:z"):
        client = Client()
        client.cookies["kvitt_known"] = value
        assert first_step(client, anne.email).status_code == 429


def test_one_address_guesses_at_all_accounts_only_so_often(anne: User, settings: Any) -> None:
    settings.GUESSES_PER_ADDRESS = 10
    codes = [first_step(Client(), f"user{n}@example.org", WRONG).status_code for n in range(15)]
    assert codes == [422] * 10 + [429] * 5
    assert first_step(Client(), anne.email).status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.9")
    assert first_step(elsewhere, anne.email).status_code == 302


def test_right_passwords_count_as_no_guesses(anne: User, settings: Any) -> None:
    settings.GUESSES_PER_ACCOUNT = settings.GUESSES_PER_ADDRESS = 3
    for _n in range(10):
        assert first_step(Client(), anne.email).status_code == 302


def test_a_right_password_forgets_the_wrong_ones_before_it(anne: User) -> None:
    for _ in range(3):
        for _ in range(5):
            assert first_step(Client(), anne.email, WRONG).status_code == 422
        assert first_step(Client(), anne.email).status_code == 302


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("/c/abc/outgoing/?status=awaiting", "/c/abc/outgoing/?status=awaiting"),
        ("http://testserver/c/abc/", "http://testserver/c/abc/"),
        ("https://evil.example/", "/"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("http:///evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("", "/"),
    ],
)
def test_after_signing_in_the_way_leads_only_to_our_own_pages(
    wanted: str, found: str, anne: User
) -> None:
    client = Client()
    first_step(client, anne.email, next=wanted)
    assert second_step(client, anne)["Location"] == found


def test_the_page_that_was_asked_for_is_kept_over_a_wrong_password(anne: User) -> None:
    client = Client()
    answer = client.get("/c/abc/outgoing/?x=1")
    page = client.get(answer["Location"]).content.decode()
    assert 'name="next" value="/c/abc/outgoing/?x=1"' in page
    page = first_step(client, anne.email, WRONG, next="/c/abc/").content.decode()
    assert 'name="next" value="/c/abc/"' in page


def test_each_step_changes_the_session_key_and_the_old_one_is_dead(anne: User) -> None:
    client = Client()
    session = client.session
    session["planted"] = "x"
    session.save()
    keys = [session.session_key]
    for step in (lambda: first_step(client, anne.email), lambda: second_step(client, anne)):
        assert step().status_code == 302
        keys.append(client.cookies[live.SESSION_COOKIE_NAME].value)
    assert len(set(keys)) == 3
    for old in keys[:2]:
        thief = Client()
        thief.cookies[live.SESSION_COOKIE_NAME] = old
        assert not inside(thief)
    assert inside(client)


def test_signing_in_as_another_takes_nothing_over_from_the_first(anne: User) -> None:
    bjorn = kit.person("bjorn", kit.company(2))
    client = Client()
    first_step(client, anne.email)
    second_step(client, anne)
    first_step(client, bjorn.email)
    assert not inside(client)


def test_signing_out_ends_the_session_on_the_server(anne: User) -> None:
    client = kit.signed_in(anne)
    kept = client.cookies[live.SESSION_COOKIE_NAME].value
    assert client.get("/sign-out/").status_code == 405
    assert inside(client)
    assert client.post("/sign-out/")["Location"] == "/sign-in/"
    thief = Client()
    thief.cookies[live.SESSION_COOKIE_NAME] = kept
    assert not inside(client)
    assert not inside(thief)


def test_a_quarter_of_an_hour_without_a_request_signs_out(anne: User) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        client = kit.signed_in(anne)
        assert inside(client)
        for _ in range(4):
            traveller.shift(14 * 60)
            assert inside(client)
        traveller.shift(15 * 60 + 31)
        assert not inside(client)
        traveller.shift(-60)
        assert not inside(client)


def test_requests_within_half_a_minute_do_not_shorten_the_idle_time(anne: User) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        client = kit.signed_in(anne)
        assert inside(client)
        traveller.shift(20)
        assert inside(client)
        traveller.shift(14 * 60 + 30)
        assert inside(client)


def test_nobody_stays_signed_in_longer_than_half_a_day(anne: User) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        client = kit.signed_in(anne)
        for _ in range(12 * 6 + 1):
            traveller.shift(10 * 60)
            open_still = inside(client)
        assert not open_still


def language_of(client: Client, address: str = "/sign-in/", **more: Any) -> str:
    page = client.get(address, **more).content.decode()
    return page.split('<html lang="', 1)[1].split('"', 1)[0]


def test_bokmal_is_the_language_until_another_is_asked_for(db: None) -> None:
    assert language_of(Client()) == "nb"
    assert language_of(Client(), headers={"accept-language": "de,fr;q=0.5"}) == "nb"
    assert language_of(Client(), headers={"accept-language": "en-GB,en;q=0.9"}) == "en"
    assert language_of(Client(), headers={"accept-language": "nb-NO,nb;q=0.9,en;q=0.5"}) == "nb"


@pytest.mark.parametrize("asked", ["no", "nn-NO", "nn-NO,nn;q=0.9,no;q=0.8,nb;q=0.7,en;q=0.6"])
def test_norwegian_in_any_form_is_answered_in_bokmal(asked: str, db: None) -> None:
    assert language_of(Client(), headers={"accept-language": asked}) == "nb"


def test_a_switch_of_language_is_remembered(anne: User) -> None:
    client = Client()
    answer = client.post("/language/", {"language": "en", "next": "/sign-in/"})
    assert (answer.status_code, answer["Location"]) == (302, "/sign-in/")
    assert language_of(client) == "en"
    first_step(client, anne.email)
    second_step(client, anne)
    client.post("/sign-out/")
    assert language_of(client) == "en"
    client.post("/language/", {"language": "nb", "next": "/"})
    assert language_of(client) == "nb"
    assert client.cookies["kvitt_language"]["max-age"] == 365 * 24 * 3600


def test_a_switch_leads_only_to_our_own_pages_and_known_languages(db: None) -> None:
    client = Client()
    answer = client.post("/language/", {"language": "xx", "next": "https://evil.example/"})
    assert answer["Location"] == "/"
    assert language_of(client) == "nb"


def test_a_users_own_language_is_used_after_signing_in(anne: User) -> None:
    anne.language = "en"
    anne.save(update_fields=["language"])
    client = Client()
    assert language_of(client) == "nb"
    first_step(client, anne.email)
    second_step(client, anne)
    assert language_of(client, "/c/0000000000/") == "en"


def test_start_leads_to_the_only_company_and_lists_several(anne: User) -> None:
    client = kit.signed_in(anne)
    assert client.get("/")["Location"].startswith("/c/")
    bjorn = kit.person("bjorn", kit.company(2, "Ab AS"), Role.APPROVER)
    other = kit.company(3, "Bb AS")
    kit.give(bjorn, other, Role.ACCOUNTANT)
    page = kit.signed_in(bjorn).get("/")
    assert page.status_code == 200
    text = page.content.decode()
    assert text.index("Ab AS") < text.index("Bb AS")
    assert "Prøve AS" not in text


def test_health_tells_of_the_parts_and_of_nobody(db: None) -> None:
    answer = Client().get("/healthz")
    assert answer.status_code == 200
    assert answer.json() == {"healthy": True, "database": "ok", "beat": "late", "queue": "ok"}


def test_a_page_that_asks_by_itself_keeps_nobody_signed_in(anne: User) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        client = kit.signed_in(anne)
        assert inside(client)
        for _ in range(4):
            traveller.shift(4 * 60)
            client.get("/c/nowhere/jobs/none/progress/", headers={"HX-Request": "true"})
        assert not inside(client)


def test_a_part_of_a_page_hears_how_long_the_session_lasts_or_that_it_is_over(anne: User) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        client = kit.signed_in(anne)
        asked = {"HX-Request": "true"}
        assert client.get("/?q=x", headers=asked)["Kvitt-Session-Left"] == "900"
        traveller.shift(16 * 60)
        answer = client.get("/?q=x", headers=asked)
    assert (answer.status_code, answer.content) == (401, b"")


def test_signing_in_again_is_a_session_of_its_own(anne: User) -> None:
    with time_machine.travel(NOON, tick=False) as traveller:
        client = kit.signed_in(anne)
        first = client.get("/session/").json()
        traveller.shift(10 * 60)
        first_step(client, anne.email)
        second_step(client, anne)
        second = client.get("/session/").json()
    assert first["user"] == second["user"] == str(anne.pk)
    assert first["began"] != second["began"]
    assert first["left"] == second["left"] == 900


@pytest.mark.parametrize("address", ["/?q=%00", "/?q=a%00b"])
def test_what_a_database_cannot_hold_is_searched_for_without_harm(address: str, anne: User) -> None:
    assert kit.signed_in(anne).get(address).status_code in (200, 302)


def test_a_host_that_is_not_ours_is_refused_with_a_page(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["kvitt.example"]
    answer = Client(raise_request_exception=False).get("/sign-in/", headers={"host": "evil.test"})
    assert answer.status_code == 400
    assert "Forespørselen" in answer.content.decode()


def test_behind_a_proxy_the_caller_is_whom_the_proxy_saw() -> None:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    behind = BehindProxy(view)
    for told in ("203.0.113.9", "198.51.100.1, 203.0.113.9", ""):
        headers = {"HTTP_X_FORWARDED_FOR": told} if told else {}
        behind(RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", **headers))
    assert seen == ["203.0.113.9", "203.0.113.9", "10.0.0.1"]


@pytest.mark.parametrize(
    ("referer", "back"),
    [
        ("http://testserver/c/x/outgoing/?tab=open", "/c/x/outgoing/%3Ftab%3Dopen"),
        ("http://evil.test/c/x/", "/"),
        ("", "/"),
    ],
)
def test_a_form_sent_after_the_session_leads_back_to_its_page(
    referer: str, back: str, db: None
) -> None:
    headers = {"referer": referer} if referer else {}
    answer = Client().post("/c/x/outgoing/sign/", {"payment": 1}, headers=headers)
    assert answer["Location"] == f"/sign-in/?next={back}&lost=1"
    page = Client(headers={"accept-language": "en"}).get(answer["Location"]).content.decode()
    assert "what you sent was not carried out" in page
    plain = Client().get("/c/x/outgoing/", headers=headers)
    assert plain["Location"] == "/sign-in/?next=/c/x/outgoing/"


def test_a_new_password_by_mail_opens_the_lock(anne: User) -> None:
    client = Client(headers={"accept-language": "en"})
    for _n in range(10):
        first_step(client, anne.email, WRONG)
    closed = first_step(client, anne.email)
    assert closed.status_code == 429
    assert "a link for a new password" in closed.content.decode()
    client.post("/password/forgotten/", {"email": anne.email})
    (letter,) = kit.letters(user=anne, kind="people.password_link")
    address = "/password/" + letter.text.split("/password/")[1].split()[0]
    new = "fire ord uten sammenheng"
    assert client.post(address, {"password": new}).status_code == 302
    assert first_step(client, anne.email, new).status_code == 302
