"""What must be shown anew before who may do what is changed, and when a password is not enough."""

from __future__ import annotations

import datetime as dt
import re
import time
from typing import Any

import pytest
import time_machine
from django.conf import settings as live
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP

from portal.access import secondfactor, tenancy
from portal.access.models import (
    Authenticator,
    Company,
    Deputy,
    Membership,
    PhoneCode,
    RecoverySheet,
    RoleGrant,
    User,
    UserGroup,
    UserSession,
)
from portal.access.roles import Role
from portal.mail.models import Letter
from portal.people.models import Change
from tests import kit
from tests.kit import Stage

pytestmark = pytest.mark.django_db
LATER = dt.timedelta(seconds=live.AUTHORITY_FRESH_SECONDS + 5)


@pytest.fixture
def made() -> Stage:
    made = kit.stage()
    made.users["boss"] = kit.person("boss", made.company, Role.AUTOPAY_ADMINISTRATOR)
    kit.give_at(made.users["boss"], made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    made.users["helper"] = kit.person("helper", made.company)
    kit.give_at(made.users["helper"], made.company.customer, Role.SUPPORT_USER)
    return made


def member(made: Stage, user: User) -> int:
    with tenancy.acting_for((), customers=[made.company.customer]):
        return Membership.objects.get(user=user, customer=made.company.customer).pk


def pages(made: Stage) -> list[str]:
    """Where it is changed who may do what."""
    pk, anne = member(made, made.users["anne"]), made.users["anne"]
    customer = f"/customers/{made.company.customer.public_id}"
    company = f"/c/{made.company.public_id}/administration"
    return [
        f"{customer}/users/invite/",
        f"{customer}/users/{pk}/roles/?place=all",
        f"{customer}/users/{pk}/give/",
        f"{customer}/groups/new/",
        f"{company}/approvers/{anne.pk}/",
        f"{company}/key/",
        f"{company}/key/new/",
    ]


def forms(made: Stage) -> list[tuple[str, dict[str, Any]]]:
    """What is sent there without a page of its own before it."""
    pk = member(made, made.users["anne"])
    customer = f"/customers/{made.company.customer.public_id}"
    company = f"/c/{made.company.public_id}/administration"
    return [
        (f"{customer}/users/{pk}/change/", {"act": "end"}),
        (f"{customer}/users/{pk}/give/", {"everywhere": "1", "autopay_approver": "on"}),
        (f"{customer}/key/", {}),
        (f"{company}/two-factor/", {"for": "sign-in", "on": "yes"}),
        (f"{company}/service/", {"service": "autopay", "act": "off"}),
        (f"{company}/approvers/", {}),
        (f"{company}/key/new/", {}),
    ]


def halfway(user: User) -> Client:
    client = Client()
    client.cookies["kvitt_language"] = "en"
    client.post("/sign-in/", {"email": user.email, "password": kit.PASSWORD})
    return client


def untouched(made: Stage) -> tuple[int, int, int]:
    with tenancy.acting_for([made.company], customers=[made.company.customer]):
        return RoleGrant.objects.count(), Change.objects.count(), Deputy.objects.count()


def sheet_code(user: User) -> str:
    return secondfactor.new_recovery_sheet(user)[0]


def by_recovery(made: Stage, user: User) -> Client:
    code, client = sheet_code(user), halfway(user)
    assert client.post("/sign-in/another-way/recovery/", {"code": code}).status_code == 302
    return client


def by_text_message(made: Stage, user: User) -> Client:
    PhoneCode.objects.create(user=user, name="", confirmed=True, number="+4791234567")
    client = halfway(user)
    client.post("/sign-in/another-way/sms/", {"send": "1"})
    with tenancy.acting_for((), letters=True):
        code = Letter.objects.filter(user=user, channel="sms").latest("pk").text[:6]
    assert client.post("/sign-in/another-way/sms/", {"code": code}).status_code == 302
    return client


def by_support(made: Stage, user: User) -> Client:
    helper = made.users["helper"]
    code = secondfactor.issue_support_code(user=user, issued_by=helper, reason="x")
    client = halfway(user)
    assert client.post("/sign-in/another-way/support/", {"code": code}).status_code == 302
    return client


@pytest.mark.parametrize("way", [by_recovery, by_text_message, by_support])
def test_what_only_signs_in_changes_nobodys_rights_and_the_page_says_so(
    made: Stage, way: Any
) -> None:
    client = way(made, made.users["boss"])
    before = untouched(made)
    for address in pages(made):
        assert client.get(address)["Location"].startswith("/me/prove/"), address
    for address, fields in forms(made):
        assert client.post(address, fields)["Location"].startswith("/me/prove/"), address
    assert untouched(made) == before
    page = client.get(pages(made)[0], follow=True).content.decode()
    assert "change no rights" in page
    assert 'name="code"' in page


def test_an_old_proof_is_asked_for_anew_and_then_leads_back_to_the_page(made: Stage) -> None:
    boss = kit.signed_in(made.users["boss"])
    boss.cookies["kvitt_language"] = "en"
    address = pages(made)[1]
    assert boss.get(address).status_code == 200
    start = timezone.now()
    for minutes in (10, 20, 30):  # at work, so that the session does not idle
        with time_machine.travel(start + dt.timedelta(minutes=minutes)):
            assert boss.get("/me/").status_code == 200
    with time_machine.travel(start + LATER):
        # What was opened in time is still taken; a page is not opened anew.
        assert boss.post(pages(made)[2], {}).status_code == 422
        asked = boss.get(address)["Location"]
        assert asked.startswith("/me/prove/")
        code = kit.code_of(made.users["boss"])
        assert boss.post(asked, {"code": code})["Location"] == address
        assert boss.get(address).status_code == 200


def test_what_was_sent_too_late_did_nothing_and_is_told(made: Stage) -> None:
    boss = kit.signed_in(made.users["boss"])
    boss.cookies["kvitt_language"] = "en"
    start, end = timezone.now(), live.AUTHORITY_FRESH_SECONDS + live.SESSION_IDLE_SECONDS
    for minutes in range(10, end // 60 + 1, 10):
        with time_machine.travel(start + dt.timedelta(minutes=minutes)):
            assert boss.get("/me/").status_code == 200
    before = untouched(made)
    with time_machine.travel(start + dt.timedelta(seconds=end + 5)):
        for address, fields in forms(made):
            page = boss.post(address, fields, follow=True).content.decode()
            assert "Nothing was changed" in page, address
    assert untouched(made) == before


def test_a_deputy_is_named_after_a_fresh_proof(made: Stage) -> None:
    anne = made.users["anne"]
    carl = kit.person("carl", made.company, Role.ACCOUNTANT)
    address = f"/c/{made.company.public_id}/administration/approvers/"
    today = f"{timezone.localdate():%d.%m.%Y}"
    fields = {"absent": anne.pk, "deputy": carl.pk, "from_date": today, "to_date": today}
    client = by_recovery(made, anne)
    page = client.get(address).content.decode()
    assert 'name="deputy"' not in page
    assert "/me/prove/?" in page
    assert client.post(address, fields)["Location"].startswith("/me/prove/")
    with made.scope():
        assert not Deputy.objects.exists()


# --- a password alone --------------------------------------------------------------------------


def test_a_password_alone_opens_no_administration(made: Stage) -> None:
    boss = made.users["boss"]
    Authenticator.objects.all().delete()
    client = halfway(boss)
    assert client.get("/me/").status_code == 200
    for address in pages(made)[4:]:
        assert client.get(address)["Location"].startswith("/me/two-factor/app/"), address
    edit = f"/c/{made.company.public_id}/administration/edit/"
    assert client.get(edit)["Location"].startswith("/me/two-factor/app/")
    assert client.get(f"/c/{made.company.public_id}/outgoing/").status_code in (302, 403)


def test_sessions_without_a_factor_are_half_ones_when_the_first_is_set_up(made: Stage) -> None:
    anne = made.users["anne"]
    Authenticator.objects.filter(user=anne).delete()
    Company.objects.update(two_factor_to_sign_in=False)
    thief, owner = halfway(anne), halfway(anne)
    assert thief.get("/me/").status_code == 200
    owner.post("/me/two-factor/phone/", {"step": "number", "number": "91234567"})
    with tenancy.acting_for((), letters=True):
        code = Letter.objects.filter(user=anne, channel="sms").latest("pk").text[:6]
    owner.post("/me/two-factor/phone/", {"step": "code", "code": code})
    assert owner.get("/me/").status_code == 200
    assert thief.get("/me/")["Location"].startswith("/sign-in/")
    assert thief.get("/sign-in/code/")["Location"].startswith("/sign-in/another-way/")


def test_a_sheet_made_first_keeps_its_session_and_no_other(made: Stage) -> None:
    anne = made.users["anne"]
    Authenticator.objects.filter(user=anne).delete()
    thief, owner = halfway(anne), halfway(anne)
    owner.post("/me/two-factor/recovery/")
    assert re.search(r"<li><code>", owner.get("/me/two-factor/recovery/").content.decode())
    assert owner.get("/me/").status_code == 200
    assert thief.get("/me/")["Location"].startswith("/sign-in/")


def test_who_has_only_a_phone_stays_verified_when_the_password_is_shown_again(
    made: Stage,
) -> None:
    anne = made.users["anne"]
    Authenticator.objects.filter(user=anne).delete()
    client = by_text_message(made, anne)
    app = "/me/two-factor/app/"
    asked = client.get(app)["Location"]
    assert client.post(asked, {"password": "wrong"}).status_code == 422
    assert client.post(asked, {"password": kit.PASSWORD}).status_code == 302
    assert client.get(app).status_code == 200
    assert client.get("/me/").status_code == 200


def test_the_sheet_is_not_readable_in_the_session_that_shows_it_next(made: Stage) -> None:
    client = kit.signed_in(made.users["anne"])
    client.post("/me/two-factor/recovery/")
    rows = [row.get_decoded() for row in UserSession.objects.filter(user=made.users["anne"])]
    (kept,) = [data["recovery_sheet"] for data in rows if "recovery_sheet" in data]
    page = client.get("/me/two-factor/recovery/").content.decode()
    codes = re.findall(r"<li><code>([a-z0-9-]+)</code>", page)
    assert len(codes) == RecoverySheet.COUNT
    assert not [code for code in codes if code in kept or code.replace("-", "") in kept]
    assert "<li><code>" not in client.get("/me/two-factor/recovery/").content.decode()


def test_the_last_factor_stays_while_the_password_is_too_short_to_stand_alone(
    made: Stage,
) -> None:
    anne = made.users["anne"]
    anne.set_password("kort glass 12")
    anne.save()
    client = Client()
    client.cookies["kvitt_language"] = "en"
    client.post("/sign-in/", {"email": anne.email, "password": "kort glass 12"})
    client.post("/sign-in/code/", {"code": kit.code_of(anne)})
    page = client.post("/me/two-factor/app/remove/", follow=True).content.decode()
    assert "Choose a longer one first" in page
    assert "at least 15 characters" in page
    assert Authenticator.objects.filter(user=anne).exists()
    alone = "/me/password/?alone=1"
    assert client.post(alone, {"password": "fjord kaffe 9"}).status_code == 422
    assert client.post(alone, {"password": "fjord kaffe lampe"}).status_code == 302
    client.post("/me/two-factor/app/remove/")
    assert not Authenticator.objects.filter(user=anne).exists()


# --- support codes, text messages -----------------------------------------------------------------


def test_support_issues_no_code_for_itself_and_tells_every_customer_of_the_person(
    made: Stage,
) -> None:
    helper, anne = made.users["helper"], made.users["anne"]
    elsewhere = kit.company(2, "Annet AS")
    kit.give(anne, elsewhere, Role.APPROVER)
    client = kit.signed_in(helper)
    base = f"/customers/{made.company.customer.public_id}/users"
    own = client.post(f"{base}/{member(made, helper)}/code/", {"reason": "x"})
    assert own.status_code == 422
    assert b"one-code" not in own.content
    issued = client.post(
        f"{base}/{member(made, anne)}/code/", {"reason": "Ringte tilbake"}, follow=True
    )
    assert b"one-code" in issued.content
    told = {}
    for customer in (made.company.customer, elsewhere.customer):
        with tenancy.acting_for((), customers=[customer]):
            told[customer] = Change.objects.get(act="support.code").after
    assert told == {
        made.company.customer: {"reason": "Ringte tilbake"},
        elsewhere.customer: {"issued_at": made.company.customer.name},
    }


def test_codes_by_text_message_are_few_whatever_the_number(made: Stage) -> None:
    anne, address = made.users["anne"], "/me/two-factor/phone/"
    # Noon, so that the day does not end meanwhile.
    start = timezone.localtime().replace(hour=12, minute=0) + dt.timedelta(days=1)
    with time_machine.travel(start):
        client = kit.signed_in(anne)
        first = client.post(address, {"step": "number", "number": "91234567"})
        assert first.status_code == 302
        assert client.post(address, {"step": "number", "number": "91234568"}).status_code == 422
    for n in range(1, live.SMS_PER_DAY + 5):
        with time_machine.travel(start + dt.timedelta(seconds=(live.SMS_PAUSE_SECONDS + 1) * n)):
            number = f"9{n:07d}"
            client.post(address, {"step": "number", "number": number})
            client.get("/me/")
    with tenancy.acting_for((), letters=True):
        assert Letter.objects.filter(user=anne, channel="sms").count() == live.SMS_PER_DAY
    with pytest.raises(secondfactor.TooSoon):
        with time_machine.travel(start + dt.timedelta(minutes=30)):
            secondfactor.new_sms_code(user=anne, confirmed=False)


# --- what two people do at once --------------------------------------------------------------


def test_an_old_page_of_roles_changes_only_what_was_changed_on_it(made: Stage) -> None:
    boss, anne = kit.signed_in(made.users["boss"]), made.users["anne"]
    place = f"?place={made.company.public_id}"
    address = f"/customers/{made.company.customer.public_id}/users/{member(made, anne)}/roles/"
    page = boss.get(address + place).content.decode()
    seen = re.findall(r'name="seen" value="([a-z_]+)"', page)
    assert seen == ["autopay_approver"]
    old = {"shown": "1", "seen": seen}
    boss.post(address + place, {**old})  # in another tab the role is taken away
    boss.post(address + place, {**old, "autopay_approver": "on", "autopay_accountant": "on"})
    with made.scope():
        held = set(RoleGrant.objects.filter(user=anne).values_list("role", flat=True))
    assert held == {"autopay_accountant"}


def test_an_old_page_of_a_group_brings_nobody_back(made: Stage) -> None:
    boss, anne, bjorn = kit.signed_in(made.users["boss"]), made.users["anne"], made.users["bjorn"]
    customer = made.company.customer
    group = UserGroup.objects.create(customer=customer, name="Lønn")
    group.members.add(anne)
    address = f"/customers/{customer.public_id}/groups/{group.pk}/people/"
    page = boss.get(address).content.decode()
    assert re.findall(r'name="seen" value="(\d+)"', page) == [str(anne.pk)]
    old = {"shown": "1", "seen": [str(anne.pk)]}
    boss.post(address, {**old})
    boss.post(address, {**old, "member": [str(anne.pk), str(bjorn.pk)]})
    assert list(group.members.all()) == [bjorn]


def test_an_old_page_of_a_company_changes_only_the_fields_that_were_changed_on_it(
    made: Stage,
) -> None:
    boss = kit.signed_in(made.users["boss"])
    address = f"/c/{made.company.public_id}/administration/edit/"
    page = boss.get(address).content.decode()
    seen = dict(re.findall(r'name="(seen-\w+)" value="([^"]*)"', page))
    assert seen["seen-city"] == "OSLO"
    fields = {name.removeprefix("seen-"): text for name, text in seen.items()}
    boss.post(address, {**seen, **fields, "city": "BERGEN"})
    boss.post(address, {**seen, **fields, "address": "Storgata 1"})
    company = Company.objects.get(pk=made.company.pk)
    assert (company.city, company.address) == ("BERGEN", "Storgata 1")


# --- a lost phone ------------------------------------------------------------------------------


def test_a_lost_app_ends_the_other_sessions_and_may_be_told_late(made: Stage) -> None:
    anne = made.users["anne"]
    elsewhere = kit.signed_in(anne)
    client = by_recovery(made, anne)
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=12)):
        assert client.post("/me/two-factor/lost/")["Location"] == "/me/two-factor/app/"
        assert client.get("/me/two-factor/app/").status_code == 200
        assert elsewhere.get("/me/")["Location"].startswith("/sign-in/")
    assert not Authenticator.objects.filter(user=anne, confirmed=True).exists()


def test_administrators_hear_of_what_signs_after_another_way_in(made: Stage) -> None:
    anne = made.users["anne"]
    client = by_recovery(made, anne)
    client.get("/me/two-factor/app/")
    device = Authenticator.objects.get(user=anne, confirmed=False)
    totp = TOTP(bytes.fromhex(str(device.secret)), 30, 0, 6, 0)
    totp.time = time.time()
    assert client.post("/me/two-factor/app/", {"code": f"{totp.token():06d}"}).status_code == 302
    with tenancy.acting_for((), letters=True):
        told = list(
            Letter.objects.filter(kind__startswith="people.factor_").values_list("kind", "user")
        )
    assert told == [("people.factor_new", made.users["boss"].pk)]


def test_only_a_finished_sign_in_counts_as_the_last(made: Stage) -> None:
    anne = made.users["anne"]
    client = halfway(anne)
    anne.refresh_from_db()
    assert anne.last_login is None
    client.post("/sign-in/code/", {"code": kit.code_of(anne)})
    anne.refresh_from_db()
    assert anne.last_login is not None
