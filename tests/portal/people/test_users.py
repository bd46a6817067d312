"""A customer's users: invited, accepted, given roles, deactivated; groups; the letters and the log."""

from __future__ import annotations

import datetime as dt
import re

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.access import grants, tenancy
from portal.access.models import Company, Membership, OneTimeLink, RoleGrant, User, UserGroup
from portal.access.roles import Role
from portal.mail.models import Letter
from portal.people.models import Change
from tests import kit
from tests.kit import Stage

pytestmark = pytest.mark.django_db
UPLOADER = {"autopay_uploader": "on"}
GOOD = "fire ord uten sammenheng"


@pytest.fixture
def made() -> Stage:
    made = kit.stage()
    made.users["boss"] = kit.person("boss", made.company)
    kit.give_at(made.users["boss"], made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    return made


@pytest.fixture
def boss(made: Stage) -> Client:
    client = kit.signed_in(made.users["boss"])
    client.cookies["kvitt_language"] = "en"
    return client


def at(made: Stage, path: str = "") -> str:
    return f"/customers/{made.company.customer.public_id}/{path}"


def member(made: Stage, user: User) -> Membership:
    with tenancy.acting_for((), customers=[made.company.customer]):
        return Membership.objects.get(user=user, customer=made.company.customer)


def letters(user: User, kind: str) -> list[Letter]:
    with tenancy.acting_for((), letters=True):
        return list(Letter.objects.filter(user=user, kind=kind).order_by("pk"))


def acts(made: Stage) -> list[str]:
    with tenancy.acting_for((), customers=[made.company.customer]):
        return list(Change.objects.order_by("id").values_list("act", flat=True))


def held(made: Stage, user: User, company: Company | None = None) -> frozenset[Role]:
    company = company or made.company
    with tenancy.acting_for([company], user=user):
        return grants.roles_in(user=user, company=company)


def invite(made: Stage, boss: Client, email: str = "ny@example.org") -> User:
    fields = {"email": email, "name": "Ny Bruker", "phone": "912 34 567", "language": "nb"}
    assert boss.post(at(made, "users/invite/"), fields).status_code == 302
    return User.objects.get(email=email)


def link_in(letter: Letter) -> str:
    found = re.search(r"https?://[^/\s]+(/invitation/\S+)", letter.text)
    assert found is not None
    return found[1]


# --- inviting --------------------------------------------------------------------------------


def test_a_person_is_invited_accepts_and_signs_in(made: Stage, boss: Client) -> None:
    user = invite(made, boss, "Ny@Example.org".lower())
    assert not user.has_usable_password()
    assert user.phone == "+4791234567"
    (letter,) = letters(user, "people.invitation")
    assert "Boss har invitert deg" in letter.text
    anybody = Client()
    page = anybody.get(link_in(letter)).content.decode()
    assert "Velkommen til Prøve 1 AS" in page
    fields = {"name": "Ny Bruker Hansen", "phone": "", "language": "en", "password": GOOD}
    answer = anybody.post(link_in(letter), fields)
    assert answer["Location"] == "/sign-in/"
    user.refresh_from_db()
    assert (user.name, user.language, user.check_password(GOOD)) == ("Ny Bruker Hansen", "en", True)
    assert member(made, user).accepted_at is not None
    assert acts(made) == ["user.invited", "user.accepted"]
    # The link is dead now.
    assert anybody.get(link_in(letter)).status_code == 410
    assert anybody.post(link_in(letter), fields).status_code == 410


def test_a_role_given_before_the_answer_holds_when_it_comes(made: Stage, boss: Client) -> None:
    user = invite(made, boss)
    pk = member(made, user).pk
    address = at(made, f"users/{pk}/roles/?place={made.company.public_id}")
    boss.post(address, {"autopay_approver": "on"})
    assert held(made, user) == frozenset()
    fields = {"name": "N", "phone": "", "language": "nb", "password": GOOD}
    Client().post(link_in(letters(user, "people.invitation")[0]), fields)
    assert held(made, user) == {Role.APPROVER}


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("kort", "at least 15"),
        ("fjorten tegn..", "at least 15"),
        ("passwordpassword1", "guessed first"),
        ("123456789012345", "guessed first"),
        ("Velkommen2026!!!", "guessed first"),
        ("kvittkvittkvitt kvitt", "guessed first"),
        ("Prøve2026!!!!!!!", "guessed first"),
        ("sykkel lampe fjord", None),
        ("Ny Bruker Hansen", "too like your name"),
    ],
)
def test_a_password_is_long_and_not_ones_own_name(
    made: Stage, boss: Client, password: str, told: str | None
) -> None:
    user = invite(made, boss)
    User.objects.filter(pk=user.pk).update(name="Ny Bruker Hansen")
    client = Client()
    client.cookies["kvitt_language"] = "en"
    fields = {"name": "N", "phone": "", "language": "nb", "password": password}
    answer = client.post(link_in(letters(user, "people.invitation")[0]), fields)
    assert answer.status_code == (422 if told else 302)
    if told:
        assert told in answer.content.decode()
        assert member(made, user).accepted_at is None


def test_an_invitation_is_too_old_after_a_week_and_a_newer_one_kills_the_older(
    made: Stage, boss: Client
) -> None:
    user = invite(made, boss)
    first = link_in(letters(user, "people.invitation")[0])
    boss.post(at(made, f"users/{member(made, user).pk}/change/"), {"act": "again"})
    second = link_in(letters(user, "people.invitation")[1])
    assert Client().get(first).status_code == 410
    assert Client().get(second).status_code == 200
    with time_machine.travel(timezone.now() + dt.timedelta(days=7, minutes=1)):
        assert Client().get(second).status_code == 410
    assert Client().get("/invitation/no-such-thing/").status_code == 410


def test_the_database_holds_no_token(made: Stage, boss: Client) -> None:
    user = invite(made, boss)
    token = link_in(letters(user, "people.invitation")[0]).rstrip("/").rpartition("/")[2]
    row = OneTimeLink.objects.get()
    assert token not in str(vars(row))
    assert bytes(row.digest).hex() != token


def test_a_user_of_another_customer_accepts_with_their_own_password(
    made: Stage, boss: Client
) -> None:
    other = kit.company(2, "Annet AS")
    anne = kit.person("anna", other, Role.APPROVER)
    fields = {
        "email": anne.email,
        "name": "Anna som vi kaller henne",
        "phone": "",
        "language": "nb",
    }
    boss.post(at(made, "users/invite/"), fields)
    page = boss.get(at(made, f"users/{member(made, anne).pk}/")).content.decode()
    # Until she accepts, nothing is told of the account she has elsewhere but what was written.
    assert "Anna som vi kaller henne" in page
    for own in ("Two-factor", "Last signed in", "Mobile phone"):
        assert f"<dt>{own}</dt>" not in page
    exported = boss.post(at(made, "lists/users/export/"), {"format": "csv", "query": ""})
    text = b"".join(exported.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    (line,) = [row for row in text.splitlines() if anne.email in row]
    assert "Set up" not in line
    boss.post(at(made, f"users/{member(made, anne).pk}/give/"), {"everywhere": "1", **UPLOADER})
    with tenancy.acting_for((), customers=[made.company.customer]):
        assert set(Change.objects.filter(about=anne).values_list("subject_name", flat=True)) == {
            "Anna som vi kaller henne"
        }
    assert f'<h1 class="ds-heading" data-size="md">{anne.name}</h1>' not in page
    address = link_in(letters(anne, "people.invitation")[0])
    assert 'name="password"' not in Client().get(address).content.decode()
    Client().post(address)
    anne.refresh_from_db()
    assert anne.check_password(kit.PASSWORD)
    assert member(made, anne).accepted_at is not None


def test_who_is_a_user_already_is_not_invited_again(made: Stage, boss: Client) -> None:
    fields = {
        "email": made.users["anne"].email.upper(),
        "name": "Anne",
        "phone": "",
        "language": "nb",
    }
    answer = boss.post(at(made, "users/invite/"), fields)
    assert answer.status_code == 422
    assert "is a user here already" in answer.content.decode()
    assert f"/users/{member(made, made.users['anne']).pk}/" in answer.content.decode()


# --- deactivating ----------------------------------------------------------------------------


def test_who_is_deactivated_is_out_at_the_next_request_and_back_with_the_same_roles(
    made: Stage, boss: Client
) -> None:
    anne, outgoing = made.users["anne"], f"/c/{made.company.public_id}/outgoing/"
    client, second = kit.signed_in(anne), kit.signed_in(anne)
    assert client.get(outgoing).status_code == 200
    pk = member(made, anne).pk
    boss.post(at(made, f"users/{pk}/change/"), {"act": "end"})
    for browser in (client, second):
        answer = browser.get(outgoing)
        assert (answer.status_code, answer["Location"].split("?")[0]) == (302, "/sign-in/")
    assert kit.signed_in(anne).get(outgoing).status_code == 404
    boss.post(at(made, f"users/{pk}/change/"), {"act": "resume"})
    assert kit.signed_in(anne).get(outgoing).status_code == 200
    assert acts(made) == ["user.ended", "user.resumed"]
    ended, resumed = letters(anne, "people.membership")
    assert "deaktivert" in ended.text
    assert "aktiv" in resumed.subject


def test_the_last_administrator_stays(made: Stage, boss: Client) -> None:
    boss_pk = member(made, made.users["boss"]).pk
    assert (
        "cannot deactivate yourself"
        in boss.post(
            at(made, f"users/{boss_pk}/change/"), {"act": "end"}, follow=True
        ).content.decode()
    )
    roles = at(made, f"users/{boss_pk}/roles/?place=customer")
    assert "no administrator left" in boss.post(roles, {}, follow=True).content.decode()
    second = kit.person("second", made.company)
    kit.give_at(second, made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    # An administrator who is deactivated counts for nothing.
    boss.post(at(made, f"users/{member(made, second).pk}/change/"), {"act": "end"})
    assert "no administrator left" in boss.post(roles, {}, follow=True).content.decode()
    boss.post(at(made, f"users/{member(made, second).pk}/change/"), {"act": "resume"})
    boss.post(roles, {})
    assert boss.get(at(made, "users/")).status_code == 404
    assert held(made, second) == {Role.CUSTOMER_ADMINISTRATOR}


# --- roles -----------------------------------------------------------------------------------


def test_roles_are_given_and_taken_mailed_and_logged_and_hold_at_once(
    made: Stage, boss: Client
) -> None:
    anne = made.users["anne"]
    client = kit.signed_in(anne)
    files = f"/c/{made.company.public_id}/files/"
    assert client.get(files).status_code == 403
    address = at(made, f"users/{member(made, anne).pk}/roles/?place={made.company.public_id}")
    page = boss.get(address).content.decode()
    assert re.search(r'name="autopay_approver"[^>]* checked', page)
    assert "approves them with a second factor" in page
    boss.post(address, {"autopay_uploader": "on", "autopay_accountant": "on"})
    assert client.get(files).status_code == 200
    assert client.get(f"/c/{made.company.public_id}/approve/").status_code == 403
    assert held(made, anne) == {Role.UPLOADER, Role.ACCOUNTANT}
    (letter,) = letters(anne, "people.roles_changed")
    assert "AutoPay-opplaster" in letter.text
    assert "AutoPay-godkjenner" in letter.text
    assert made.company.name in letter.text
    with tenancy.acting_for((), customers=[made.company.customer]):
        given, taken = Change.objects.order_by("id")
    assert (given.act, given.after) == (
        "role.granted",
        {"role": "autopay_accountant,autopay_uploader"},
    )
    assert (taken.act, taken.before) == ("role.revoked", {"role": "autopay_approver"})
    assert (given.company, given.about, given.user) == (made.company, anne, made.users["boss"])
    boss.post(address, {"autopay_uploader": "on", "autopay_accountant": "on"})
    assert len(letters(anne, "people.roles_changed")) == 1


def test_roles_are_given_in_many_companies_at_once_and_in_all_to_come(
    made: Stage, boss: Client
) -> None:
    rows = [
        Company.objects.create(
            customer=made.company.customer,
            name=f"K{n} AS",
            organisation_number=kit.organisation(700 + n),
        )
        for n in range(5)
    ]
    anne = made.users["anne"]
    address = at(made, f"users/{member(made, anne).pk}/give/")
    answer = boss.post(address, {})
    assert answer.status_code == 422
    chosen = [row.public_id for row in rows[:3]]
    boss.post(address, {"company": chosen, "autopay_accountant": "on", "collection_viewer": "on"})
    assert held(made, anne, rows[2]) == {Role.ACCOUNTANT, Role.COLLECTION_VIEWER}
    assert held(made, anne, rows[3]) == frozenset()
    assert len(letters(anne, "people.roles_changed")) == 1
    boss.post(address, {"everywhere": "1", "autopay_uploader": "on"})
    late = Company.objects.create(
        customer=made.company.customer, name="Sen AS", organisation_number=kit.organisation(750)
    )
    assert held(made, anne, late) == {Role.UPLOADER}
    page = boss.get(at(made, f"users/{member(made, anne).pk}/")).content.decode()
    assert "All companies, those to come too" in page
    # And taken away: in some, and at last in all.
    boss.post(address, {"company": chosen[:2], "collection_viewer": "on", "act": "take"})
    assert held(made, anne, rows[1]) == {Role.ACCOUNTANT, Role.UPLOADER}
    assert held(made, anne, rows[2]) == {
        Role.ACCOUNTANT,
        Role.COLLECTION_VIEWER,
        Role.UPLOADER,
    }
    (last,) = letters(anne, "people.roles_changed")[-1:]
    assert (rows[0].name in last.text, rows[2].name in last.text) == (True, False)
    roles = {"autopay_uploader": "on", "autopay_accountant": "on"}
    page = boss.post(address, {"everywhere": "1", "act": "take", **roles}, follow=True)
    assert "4 roles are taken away" in page.content.decode()
    assert held(made, anne, late) == frozenset()
    assert held(made, anne, rows[2]) == {Role.COLLECTION_VIEWER}
    page = boss.post(address, {"everywhere": "1", "act": "take", **roles}, follow=True)
    assert "None of them was held there" in page.content.decode()


def test_the_grid_shows_company_by_service_what_is_held_and_what_it_means(
    made: Stage, boss: Client
) -> None:
    anne = made.users["anne"]
    kit.give(anne, made.company, Role.COLLECTION_VIEWER)
    page = boss.get(at(made, f"users/{member(made, anne).pk}/")).content.decode()
    rows = page[page.index("<tbody") : page.index("</tbody>")]
    assert re.search(r'data-label="AutoPay"><p>AutoPay Approver</p></td>', rows)
    assert re.search(r'data-label="AutoCollect"><p>Collection Viewer</p><p[^>]*>The company', rows)
    meanings = page[page.index("What these roles may do") :]
    assert "approves them with a second factor" in meanings
    assert "Sends payments, writes them by hand" not in meanings


def test_roles_cannot_be_given_in_another_customers_company(made: Stage, boss: Client) -> None:
    other = kit.company(2, "Annet AS")
    anne = member(made, made.users["anne"])
    address = at(made, f"users/{anne.pk}/roles/?place={other.public_id}")
    assert boss.post(address, {"autopay_approver": "on"}).status_code == 404
    boss.post(
        at(made, f"users/{anne.pk}/give/"), {"company": other.public_id, "autopay_approver": "on"}
    )
    assert held(made, made.users["anne"], other) == frozenset()
    stranger = kit.person("stranger", other, Role.APPROVER)
    with tenancy.acting_for((), customers=[other.customer]):
        theirs = Membership.objects.get(user=stranger)
    for path in ("", "roles/?place=all", "give/"):
        assert boss.get(at(made, f"users/{theirs.pk}/{path}")).status_code == 404
    assert boss.post(at(made, f"users/{theirs.pk}/change/"), {"act": "end"}).status_code == 404


def test_a_support_user_looks_and_changes_nothing(made: Stage, boss: Client) -> None:
    helper = kit.person("helper", made.company)
    kit.give_at(helper, made.company.customer, Role.SUPPORT_USER)
    client = kit.signed_in(helper)
    pk = member(made, made.users["anne"]).pk
    for path in ("users/", f"users/{pk}/", "groups/", "companies/", "log/", "roles/"):
        assert client.get(at(made, path)).status_code == 200, path
    for path in (
        f"users/{pk}/change/",
        f"users/{pk}/roles/?place=all",
        f"users/{pk}/give/",
        "users/invite/",
        "groups/new/",
        "companies/new/",
    ):
        assert client.post(at(made, path), {"act": "end"}).status_code == 403, path
    assert client.get(f"/c/{made.company.public_id}/outgoing/").status_code == 403


# --- groups ----------------------------------------------------------------------------------


def test_a_group_gives_its_people_roles_in_many_companies(made: Stage, boss: Client) -> None:
    rows = [
        Company.objects.create(
            customer=made.company.customer,
            name=f"K{n} AS",
            organisation_number=kit.organisation(700 + n),
        )
        for n in range(3)
    ]
    answer = boss.post(at(made, "groups/new/"), {"name": " Regnskap  Nord "})
    group = UserGroup.objects.get()
    assert (group.name, answer["Location"]) == ("Regnskap Nord", at(made, f"groups/{group.pk}/"))
    assert boss.post(at(made, "groups/new/"), {"name": "REGNSKAP NORD"}).status_code == 422
    companies = [row.public_id for row in rows]
    boss.post(
        at(made, f"groups/{group.pk}/give/"), {"company": companies, "autopay_accountant": "on"}
    )
    anne, bjorn = made.users["anne"], made.users["bjorn"]
    people = at(made, f"groups/{group.pk}/people/")
    boss.post(people, {"member": [anne.pk, bjorn.pk]})
    assert held(made, anne, rows[1]) == {Role.ACCOUNTANT}
    assert "AutoPay-regnskapsfører" in letters(bjorn, "people.roles_changed")[0].text
    page = boss.get(at(made, f"users/{member(made, anne).pk}/")).content.decode()
    assert "through Regnskap Nord" in page
    boss.post(people, {"member": [anne.pk]})
    assert held(made, bjorn, rows[1]) == frozenset()
    boss.post(at(made, f"groups/{group.pk}/roles/?place={rows[1].public_id}"), {})
    assert held(made, anne, rows[1]) == frozenset()
    assert held(made, anne, rows[2]) == {Role.ACCOUNTANT}
    boss.post(at(made, f"groups/{group.pk}/change/"), {"name": "Regnskap Sør"})
    assert UserGroup.objects.get().name == "Regnskap Sør"
    boss.post(at(made, f"groups/{group.pk}/change/"), {"act": "delete"})
    assert not UserGroup.objects.exists()
    assert held(made, anne, rows[2]) == frozenset()
    assert {"group.created", "group.joined", "group.left", "group.changed", "group.deleted"} <= set(
        acts(made)
    )
    assert (
        "no longer" in letters(anne, "people.roles_changed")[-1].text
        or "ikke lenger" in letters(anne, "people.roles_changed")[-1].text
    )


def test_a_group_takes_in_only_the_customers_own_people_and_gives_no_customer_roles(
    made: Stage, boss: Client
) -> None:
    stranger = kit.person("stranger", kit.company(2, "Annet AS"))
    boss.post(at(made, "groups/new/"), {"name": "G"})
    group = UserGroup.objects.get()
    boss.post(at(made, f"groups/{group.pk}/people/"), {"member": [stranger.pk]})
    assert group.members.count() == 0
    assert boss.get(at(made, f"groups/{group.pk}/roles/?place=customer")).status_code == 404
    boss.post(
        at(made, f"groups/{group.pk}/give/"), {"everywhere": "1", "customer_administrator": "on"}
    )
    assert not RoleGrant.objects.filter(group=group).exists()


# --- the list --------------------------------------------------------------------------------


def test_the_list_of_users_is_filtered_and_costs_the_same_for_many(
    made: Stage, boss: Client
) -> None:
    invite(made, boss)
    everybody = boss.get(at(made, "users/")).content.decode()
    assert "4 users" not in everybody
    assert "5 users" in everybody
    assert "Ny Bruker" in boss.get(at(made, "users/?tab=invited")).content.decode()
    approvers = boss.get(at(made, "users/?role=autopay_approver")).content.decode()
    assert ">Anne</a>" in approvers
    assert ">Boss</a>" not in approvers
    here = boss.get(at(made, f"users/?company={made.company.public_id}&text=bjo")).content.decode()
    assert ">Bjorn</a>" in here
    assert ">Anne</a>" not in here

    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            assert boss.get(at(made, "users/")).status_code == 200
        return len(caught)

    queries()
    before = queries()
    for n in range(20):
        kit.join(
            User.objects.create_user(f"u{n}@example.org", None, name=f"U {n}"),
            made.company.customer,
        )
    assert queries() == before


def test_the_list_of_users_is_exported(made: Stage, boss: Client) -> None:
    answer = boss.post(at(made, "lists/users/export/"), {"format": "csv", "query": ""})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert f"Anne;{made.users['anne'].email};Active;AutoPay Approver;1;Set up" in text
