"""My details: name and language, e-mail with both addresses, password, sessions, mails."""

from __future__ import annotations

import datetime as dt
import re

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from portal import mail
from portal.access import tenancy
from portal.access.models import Company, OneTimeLink, User, UserSession
from portal.access.roles import Role
from portal.mail.models import Letter, Muted
from portal.people import me
from tests import kit

pytestmark = pytest.mark.django_db
GOOD = "fire ord uten sammenheng"


@pytest.fixture
def anne() -> User:
    return kit.person("anne", kit.company(), Role.APPROVER)


def letters(user: User, kind: str) -> list[Letter]:
    with tenancy.acting_for((), letters=True):
        return list(Letter.objects.filter(user=user, kind=kind).order_by("pk"))


def link_in(letter: Letter) -> str:
    found = re.search(r"https?://[^/\s]+(/\S+)", letter.text)
    assert found is not None
    return found[1]


def test_details_are_changed_and_the_page_speaks_the_new_language(anne: User) -> None:
    client = kit.signed_in(anne)
    fields = {"name": "Anne  Ny", "phone": "+46 70 123 45 67", "language": "en", "shortcuts": ""}
    client.post("/me/", fields)
    anne.refresh_from_db()
    assert (anne.name, anne.phone, anne.language, anne.shortcuts) == (
        "Anne Ny",
        "+46701234567",
        "en",
        False,
    )
    assert "My details" in client.get("/me/").content.decode()
    assert client.post("/me/", {**fields, "name": "", "phone": "12"}).status_code == 422


def test_a_new_password_ends_the_other_sessions_and_is_told(anne: User) -> None:
    here, there = kit.signed_in(anne), kit.signed_in(anne)
    assert here.post("/me/password/", {"password": "kort"}).status_code == 422
    assert here.post("/me/password/", {"password": GOOD}).status_code == 302
    assert here.get("/me/").status_code == 200
    assert there.get("/me/").status_code == 302
    anne.refresh_from_db()
    assert anne.check_password(GOOD)
    assert len(letters(anne, "people.security")) == 1


def test_twelve_characters_are_enough_with_a_second_factor_and_fifteen_without(anne: User) -> None:
    client = kit.signed_in(anne)
    assert client.post("/me/password/", {"password": "tolv tegn ..."[:12]}).status_code == 302
    other = kit.person("other", kit.company(2), Role.APPROVER)
    other.authenticator_set.all().delete()  # type: ignore[attr-defined]
    client = Client()
    client.post("/sign-in/", {"email": other.email, "password": kit.PASSWORD})
    assert client.post("/me/password/", {"password": "tolv tegn ..."[:12]}).status_code == 422
    assert client.post("/me/password/", {"password": "femten tegn ...."[:15]}).status_code == 302


def test_a_password_that_everybody_uses_is_refused(anne: User) -> None:
    client = kit.signed_in(anne)
    assert client.post("/me/password/", {"password": "1q2w3e4r5t6y"}).status_code == 422


# --- the forgotten password ------------------------------------------------------------------


def test_a_forgotten_password_is_set_by_a_link_that_works_once(anne: User) -> None:
    old = kit.signed_in(anne)
    client = Client()
    client.post("/password/forgotten/", {"email": anne.email.upper()})
    (letter,) = letters(anne, "people.password_link")
    address = link_in(letter)
    assert client.get(address).status_code == 200
    assert client.post(address, {"password": "kort"}).status_code == 422
    assert client.post(address, {"password": GOOD})["Location"] == "/sign-in/"
    anne.refresh_from_db()
    assert anne.check_password(GOOD)
    assert old.get("/me/").status_code == 302
    assert client.get(address).status_code == 410
    # The second factor is asked for as before.
    answer = client.post("/sign-in/", {"email": anne.email, "password": GOOD})
    assert answer["Location"] == "/sign-in/code/"


def test_the_link_is_too_old_after_two_hours(anne: User) -> None:
    Client().post("/password/forgotten/", {"email": anne.email})
    address = link_in(letters(anne, "people.password_link")[0])
    with time_machine.travel(timezone.now() + dt.timedelta(hours=2, minutes=1)):
        assert Client().get(address).status_code == 410


def test_asking_tells_nobody_who_exists_and_floods_nobody(anne: User) -> None:
    pages = set()
    for email in (anne.email, "nobody@example.org"):
        answer = Client().post("/password/forgotten/", {"email": email})
        pages.add(
            re.sub(
                r'name="csrfmiddlewaretoken" value="[^"]+"|<code>[^<]*</code>',
                "",
                answer.content.decode(),
            )
        )
    assert len(pages) == 1
    Client().post("/password/forgotten/", {"email": anne.email})
    assert len(letters(anne, "people.password_link")) == 1
    assert OneTimeLink.objects.count() == 1


# --- the e-mail address ----------------------------------------------------------------------


def test_the_address_is_changed_from_the_new_one_and_told_to_the_old(anne: User) -> None:
    before = anne.email
    client = kit.signed_in(anne)
    client.post("/me/email/", {"email": "Anne.Ny@Example.org"})
    anne.refresh_from_db()
    assert anne.email == before
    (confirm,), (notice,) = (
        letters(anne, "people.email_confirm"),
        letters(anne, "people.email_notice"),
    )
    assert (confirm.address, notice.address) == ("anne.ny@example.org", before)
    assert Client().get(link_in(confirm)).status_code == 200
    anne.refresh_from_db()
    assert anne.email == before, "a program that follows links changes nothing"
    Client().post(link_in(confirm))
    anne.refresh_from_db()
    assert anne.email == "anne.ny@example.org"
    assert Client().post(link_in(confirm)).status_code == 410


def test_the_change_is_taken_back_from_the_old_address(anne: User) -> None:
    before = anne.email
    client = kit.signed_in(anne)
    client.post("/me/email/", {"email": "thief@example.org"})
    (confirm,), (notice,) = (
        letters(anne, "people.email_confirm"),
        letters(anne, "people.email_notice"),
    )
    Client().post(link_in(confirm))
    Client().post(link_in(notice))
    anne.refresh_from_db()
    assert anne.email == before
    assert client.get("/me/").status_code == 302
    # Stopped before it is confirmed, too.
    client = kit.signed_in(anne)
    client.post("/me/email/", {"email": "thief@example.org"})
    Client().post(link_in(letters(anne, "people.email_notice")[-1]))
    assert Client().post(link_in(letters(anne, "people.email_confirm")[-1])).status_code == 410


def test_a_thief_who_changes_the_address_twice_does_not_kill_the_owners_way_back(
    anne: User,
) -> None:
    before = anne.email
    client = kit.signed_in(anne)
    for address in ("thief@example.org", "thief2@example.org"):
        client.post("/me/email/", {"email": address})
        Client().post(link_in(letters(anne, "people.email_confirm")[-1]))
    anne.refresh_from_db()
    assert anne.email == "thief2@example.org"
    first, second = letters(anne, "people.email_notice")
    Client().post(link_in(first))
    anne.refresh_from_db()
    assert anne.email == before
    assert Client().post(link_in(second)).status_code == 410
    anne.refresh_from_db()
    assert anne.email == before


def test_a_new_password_ends_what_was_asked_for_by_mail(anne: User) -> None:
    client = kit.signed_in(anne)
    client.post("/me/email/", {"email": "thief@example.org"})
    client.post("/me/password/", {"password": GOOD})
    assert Client().post(link_in(letters(anne, "people.email_confirm")[-1])).status_code == 410


def test_an_address_that_somebody_has_is_not_taken_and_the_page_does_not_say_so(
    anne: User,
) -> None:
    other = kit.person("other", kit.company(2))
    client = kit.signed_in(anne)
    taken = client.post("/me/email/", {"email": other.email}, follow=True).content.decode()
    free = client.post("/me/email/", {"email": "free@example.org"}, follow=True).content.decode()
    assert other.email in taken
    assert taken.count("<li") == free.count("<li")
    with tenancy.acting_for((), letters=True):
        told = list(Letter.objects.filter(address=other.email).values_list("kind", "user"))
        assert not Letter.objects.filter(kind="people.email_confirm", address=other.email).exists()
    assert told == [("people.email_taken", other.pk)]


# --- sessions --------------------------------------------------------------------------------


def test_sessions_are_listed_and_ended_one_by_one_and_all(anne: User) -> None:
    here = kit.signed_in(anne)
    others = [kit.signed_in(anne) for _n in range(3)]
    page = here.get("/me/").content.decode()
    assert page.count("127.0.0.1") == 4
    marks = re.findall(r'name="session" value="([0-9a-f]+)"', page)
    assert len(marks) == 3
    keys = list(UserSession.objects.filter(user=anne).values_list("session_key", flat=True))
    assert not [key for key in keys if key in page]
    here.post("/me/sessions/end/", {"session": marks[0]})
    assert sorted(client.get("/me/").status_code for client in others) == [200, 200, 302]
    here.post("/me/sessions/end/", {"all": "1"})
    assert [client.get("/me/").status_code for client in others] == [302, 302, 302]
    assert here.get("/me/").status_code == 200


def test_another_persons_session_cannot_be_ended(anne: User) -> None:
    bjorn = kit.person("bjorn", kit.company(2))
    theirs = kit.signed_in(bjorn)
    mark = me._mark(theirs.session.session_key or "")
    kit.signed_in(anne).post("/me/sessions/end/", {"session": mark})
    assert theirs.get("/me/").status_code == 200


def test_a_session_idles_out_after_a_quarter_and_is_over_after_twelve_hours(anne: User) -> None:
    start = timezone.now()
    with time_machine.travel(start, tick=False) as now:
        idle, busy = kit.signed_in(anne), kit.signed_in(anne)
        for minutes in range(10, 12 * 60, 10):
            now.move_to(start + dt.timedelta(minutes=minutes))
            assert busy.get("/me/").status_code == 200, minutes
            if minutes in (20, 30):
                assert idle.get("/me/").status_code == 302
        now.move_to(start + dt.timedelta(hours=12, seconds=2))
        assert busy.get("/me/").status_code == 302


def test_signing_in_begins_a_session_with_a_new_id(anne: User) -> None:
    client = Client()
    client.get("/sign-in/")
    client.post("/sign-in/", {"email": anne.email, "password": kit.PASSWORD})
    first = client.session.session_key
    client.post("/sign-in/code/", {"code": kit.code_of(anne)})
    assert client.session.session_key != first
    assert not UserSession.objects.filter(session_key=first).exists()


@pytest.mark.parametrize(
    ("agent", "called"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "Chrome, Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge, Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1",
            "Safari, iPhone",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox, Linux",
        ),
    ],
)
def test_a_browser_is_told_by_name(agent: str, called: str) -> None:
    assert me.browser(agent) == called


# --- which mails -----------------------------------------------------------------------------


def test_a_muted_mail_is_not_sent_for_all_companies_or_one(anne: User) -> None:
    first, second = Company.objects.get(), kit.company(2, "To AS")
    kit.give(anne, second, Role.APPROVER)
    client = kit.signed_in(anne)
    page = client.get("/me/notifications/").content.decode()
    boxes = re.findall(r'name="wanted" value="([^"]+)"', page)
    assert len(boxes) == 3 * len(mail.optional)
    off = f"payments.to_approve|{second.public_id}"
    client.post("/me/notifications/", {"wanted": [box for box in boxes if box != off]})

    def sent(company: Company) -> int:
        words = {"count": 1, "first_due": dt.date(2026, 12, 1), "page": "x"}
        with tenancy.acting_for([company]):
            return mail.post(
                kind="payments.to_approve", users=[anne], company=company, context=words
            )

    assert (sent(first), sent(second)) == (1, 0)
    client.post(
        "/me/notifications/", {"wanted": [box for box in boxes if box != "payments.to_approve|"]}
    )
    assert (sent(first), sent(second)) == (0, 0)
    page = client.get("/me/notifications/").content.decode()
    assert 'value="payments.to_approve|" id="all-1">' in page
    # Off for all and on again leaves every company as it was.
    client.post("/me/notifications/", {"wanted": boxes})
    assert (sent(first), sent(second)) == (1, 1)


def test_what_is_chosen_for_companies_that_are_not_shown_stays(anne: User) -> None:
    first, second = Company.objects.get(), kit.company(2, "To AS")
    kit.give(anne, second, Role.APPROVER)
    client = kit.signed_in(anne)
    kinds = sorted(mail.optional)
    everything = [f"{kind}|{place}" for kind in kinds for place in ("", first.public_id)]
    client.post("/me/notifications/", {"wanted": everything})
    assert Muted.objects.filter(muted_company=second).count() == len(kinds)
    found = "/me/notifications/?text=prøve"
    page = client.get(found).content.decode()
    assert second.public_id not in page
    assert first.public_id in page
    assert client.post(found, {"wanted": everything})["Location"].startswith("/me/notifications/?")
    assert Muted.objects.filter(muted_company=second).count() == len(kinds)
