"""Factors: enrolled, used to get in and back in, replaced and lost; and that only two of them sign."""

from __future__ import annotations

import datetime as dt
import re
import time

import pytest
import time_machine
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP

from banking import setups
from banking.models import BankAgreement
from payments import approval, signable
from payments.models import Payment
from portal import clock
from portal.access import secondfactor, tenancy
from portal.access.models import (
    Authenticator,
    Company,
    Membership,
    PhoneCode,
    RecoveryCode,
    SupportCode,
    User,
)
from portal.access.roles import Role, permissions_of
from portal.access.secondfactor import Factor
from portal.mail.models import Letter
from portal.people import changes
from portal.people.models import Change
from tests import kit
from tests.flows.test_main_job import upload
from tests.kit import Stage

pytestmark = pytest.mark.django_db
APP = "/me/two-factor/app/"


@pytest.fixture
def made() -> Stage:
    made = kit.stage()
    made.users["boss"] = kit.person("boss", made.company)
    kit.give_at(made.users["boss"], made.company.customer, Role.CUSTOMER_ADMINISTRATOR)
    made.users["helper"] = kit.person("helper", made.company)
    kit.give_at(made.users["helper"], made.company.customer, Role.SUPPORT_USER)
    return made


def halfway(user: User) -> Client:
    """A browser in which the password has been shown."""
    client = Client()
    client.cookies["kvitt_language"] = "en"
    answer = client.post("/sign-in/", {"email": user.email, "password": kit.PASSWORD})
    assert answer.status_code == 302
    return client


def app_code(secret_hex: str, *, steps: int = 0) -> str:
    totp = TOTP(bytes.fromhex(secret_hex), 30, 0, 6, 0)
    totp.time = time.time() + 30 * steps
    return f"{totp.token():06d}"


def enrol(client: Client, user: User) -> str:
    """Sets up an app through the pages; its secret."""
    page = client.get(APP)
    assert page.status_code == 200, page["Location"]
    secret = str(Authenticator.objects.get(user=user, confirmed=False).secret)
    answer = client.post(APP, {"code": app_code(secret)})
    assert answer.status_code == 302, answer.content.decode()
    return secret


def bare(user: User) -> None:
    Authenticator.objects.filter(user=user).delete()


def letters(user: User, kind: str = "people.security") -> list[Letter]:
    with tenancy.acting_for((), letters=True):
        return list(Letter.objects.filter(user=user, kind=kind).order_by("pk"))


def acts(made: Stage) -> list[str]:
    with tenancy.acting_for((), customers=[made.company.customer]):
        return list(Change.objects.order_by("id").values_list("act", flat=True))


def outgoing(made: Stage) -> str:
    return f"/c/{made.company.public_id}/outgoing/"


# --- enrolling -------------------------------------------------------------------------------


def test_an_app_is_set_up_by_its_first_code_and_brings_a_sheet_of_recovery_codes(
    made: Stage,
) -> None:
    anne = made.users["anne"]
    bare(anne)
    client = halfway(anne)
    page = client.get(APP).content.decode()
    assert "<svg" in page
    assert "otpauth://totp/Kvitt%3A" in page
    assert client.post(APP, {"code": "000000"}).status_code == 422
    Authenticator.objects.update(throttling_failure_count=0)  # as if a moment had passed
    secret = enrol(client, anne)
    sheet = client.get("/me/two-factor/recovery/").content.decode()
    codes = re.findall(r"<li><code>([a-z0-9]{5}-[a-z0-9]{5})</code>", sheet)
    assert len(set(codes)) == 10
    # Shown this once.
    assert codes[0] not in client.get("/me/two-factor/recovery/").content.decode()
    assert client.get(outgoing(made)).status_code == 200
    again = halfway(anne)
    assert again.get(outgoing(made)).status_code == 302
    again.post("/sign-in/code/", {"code": app_code(secret, steps=1)})
    assert again.get(outgoing(made)).status_code == 200
    assert acts(made) == ["factor.app", "factor.recovery"]
    assert len(letters(anne)) == 2


def test_nobody_is_shown_a_secret_that_another_session_has_seen(made: Stage) -> None:
    anne = made.users["anne"]
    bare(anne)
    thief = halfway(anne)
    thief.get(APP)
    seen = str(Authenticator.objects.get(user=anne).secret)
    own = halfway(anne)
    own.get(APP)
    shown = str(Authenticator.objects.get(user=anne, confirmed=False).secret)
    assert shown != seen
    own.get(APP)
    assert str(Authenticator.objects.get(user=anne).secret) == shown, "reloading changes nothing"
    assert thief.post(APP, {"code": app_code(seen)}).status_code == 422
    Authenticator.objects.update(throttling_failure_count=0)
    assert own.post(APP, {"code": app_code(shown)}).status_code == 422, "the thief began anew"
    assert not Authenticator.objects.filter(user=anne, confirmed=True).exists()


def test_a_new_app_kills_the_old_one(made: Stage) -> None:
    anne = made.users["anne"]
    old = str(Authenticator.objects.get(user=anne).secret)
    client = kit.signed_in(anne)
    secret = enrol(client, anne)
    assert str(Authenticator.objects.get(user=anne).secret) == secret != old
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=anne, code=app_code(old))


def test_a_new_app_ends_every_other_session(made: Stage) -> None:
    anne = made.users["anne"]
    other, client = kit.signed_in(anne), kit.signed_in(anne)
    assert other.get("/me/").status_code == 200
    enrol(client, anne)
    assert other.get("/me/").status_code == 302
    assert client.get("/me/").status_code == 200


def test_factors_are_changed_only_by_who_has_just_proved_themselves(made: Stage) -> None:
    client = kit.signed_in(made.users["anne"])
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=11)):
        for path in (
            APP,
            "/me/two-factor/recovery/",
            "/me/two-factor/phone/",
            "/me/password/",
            "/me/email/",
        ):
            assert client.get(path)["Location"].startswith("/me/prove/?next="), path
        for path in (
            f"{APP}remove/",
            "/me/two-factor/recovery/",
            "/me/two-factor/passkeys/1/remove/",
        ):
            assert client.post(path)["Location"].startswith("/me/prove/"), path
        assert client.post("/me/two-factor/passkeys/new/").status_code == 403
        answer = client.post(f"/me/prove/?next={APP}", {"code": kit.code_of(made.users["anne"])})
        assert answer["Location"] == APP
        assert client.get(APP).status_code == 200
    assert Authenticator.objects.filter(user=made.users["anne"], confirmed=True).count() == 1


def test_a_company_that_asks_for_two_factors_walks_its_users_through_the_set_up(
    made: Stage,
) -> None:
    anne = made.users["anne"]
    bare(anne)
    client = halfway(anne)
    assert client.get(outgoing(made)).status_code == 200
    boss = kit.signed_in(made.users["boss"])
    boss.post(
        f"/c/{made.company.public_id}/administration/two-factor/", {"for": "sign-in", "on": "yes"}
    )
    answer = client.get(outgoing(made))
    assert answer["Location"].startswith(f"{APP}?next=")
    assert client.get(answer["Location"]).status_code == 200
    secret = str(Authenticator.objects.get(user=anne, confirmed=False).secret)
    client.post(answer["Location"], {"code": app_code(secret)})
    sheet = client.get("/me/two-factor/recovery/").content.decode()
    assert f'href="{outgoing(made)}"' in sheet
    assert client.get(outgoing(made)).status_code == 200
    assert acts(made)[0] == "company.changed"


def test_who_administers_a_customer_needs_two_factors_whatever_the_companies_say(
    made: Stage,
) -> None:
    bare(made.users["boss"])
    client = Client()
    answer = client.post("/sign-in/", {"email": made.users["boss"].email, "password": kit.PASSWORD})
    assert answer["Location"] == APP
    address = f"/customers/{made.company.customer.public_id}/users/"
    assert client.get(address)["Location"].startswith(APP)


# --- getting back in -------------------------------------------------------------------------


def test_lost_phone_recovery_code_new_app_and_everybody_told(made: Stage) -> None:
    anne = made.users["anne"]
    codes = secondfactor.new_recovery_sheet(anne)
    old = str(Authenticator.objects.get(user=anne).secret)
    client = halfway(anne)
    ways = client.get("/sign-in/another-way/").content.decode()
    assert "sign no payments" in ways
    assert "10 left on your sheet" in ways
    answer = client.post("/sign-in/another-way/recovery/", {"code": codes[3].upper()})
    assert answer["Location"] == "/me/two-factor/lost/"
    page = client.get("/me/two-factor/lost/").content.decode()
    fresh = re.search(r'class="one-code">([a-z0-9-]+)<', page)
    assert fresh is not None
    assert fresh[1] not in codes
    assert client.post("/me/two-factor/lost/")["Location"] == APP
    with pytest.raises(secondfactor.NotEnrolled):
        secondfactor.verify(user=anne, code=app_code(old))
    secret = enrol(client, anne)
    assert client.get(outgoing(made)).status_code == 200
    assert app_code(secret)
    (told,) = letters(made.users["boss"], "people.factor_lost")
    assert anne.email in told.text
    assert not letters(made.users["helper"], "people.factor_lost")
    assert acts(made) == ["factor.recovery_used", "factor.lost", "factor.app"]
    # The used code is dead, the one in its place lives, ten are left.
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify_recovery(user=anne, code=codes[3])
    with time_machine.travel(timezone.now() + dt.timedelta(seconds=5)):
        assert secondfactor.verify_recovery(user=anne, code=fresh[1])
    assert RecoveryCode.objects.filter(sheet__user=anne, used_at=None).count() == 9


def test_a_code_from_support_is_issued_with_a_reason_and_works_once_for_half_an_hour(
    made: Stage,
) -> None:
    anne = made.users["anne"]
    helper = kit.signed_in(made.users["helper"])
    helper.cookies["kvitt_language"] = "en"
    with tenancy.acting_for((), customers=[made.company.customer]):
        pk = Membership.objects.get(user=anne).pk
    address = f"/customers/{made.company.customer.public_id}/users/{pk}/code/"
    assert helper.post(address, {"reason": ""}).status_code == 422
    page = helper.post(
        address, {"reason": "Ringte tilbake på kjent nummer"}, follow=True
    ).content.decode()
    assert "one-code" not in helper.get(address).content.decode(), "a reload issues no other"
    found = re.search(r'class="one-code">([a-z0-9-]+)<', page)
    assert found is not None
    row = SupportCode.objects.get()
    assert (row.reason, row.issued_by) == ("Ringte tilbake på kjent nummer", made.users["helper"])
    assert found[1].replace("-", "") not in str(vars(row))
    client = halfway(anne)
    assert client.post("/sign-in/another-way/support/", {"code": "wrong-one"}).status_code == 422
    with time_machine.travel(timezone.now() + dt.timedelta(seconds=5)):
        assert client.post("/sign-in/another-way/support/", {"code": found[1]}).status_code == 302
        assert client.get(outgoing(made)).status_code == 200
        other = halfway(anne)
        assert other.post("/sign-in/another-way/support/", {"code": found[1]}).status_code == 422
    assert acts(made) == ["support.code", "factor.support_used"]
    assert [letter.subject for letter in letters(anne)][0].startswith("Brukerstøtte har utstedt")
    code = secondfactor.issue_support_code(user=anne, issued_by=made.users["helper"], reason="x")
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=31)):
        with pytest.raises(secondfactor.WrongCode):
            secondfactor.verify_support(user=anne, code=code)


def test_nobody_but_support_issues_codes(made: Stage) -> None:
    with tenancy.acting_for((), customers=[made.company.customer]):
        pk = Membership.objects.get(user=made.users["anne"]).pk
    address = f"/customers/{made.company.customer.public_id}/users/{pk}/code/"
    assert kit.signed_in(made.users["boss"]).post(address, {"reason": "x"}).status_code == 403
    assert kit.signed_in(made.users["anne"]).post(address, {"reason": "x"}).status_code == 404
    assert not SupportCode.objects.exists()


def phone(user: User, number: str = "+4791234567") -> None:
    PhoneCode.objects.create(user=user, name="", confirmed=True, number=number)


def sent_code(user: User) -> str:
    with tenancy.acting_for((), letters=True):
        letter = Letter.objects.filter(user=user, channel="sms").latest("pk")
    assert letter.address == "+4791234567"
    return letter.text[:6]


def test_a_text_message_signs_in_but_replaces_no_authenticator(made: Stage) -> None:
    anne = made.users["anne"]
    phone(anne)
    client = halfway(anne)
    assert "67" in client.get("/sign-in/another-way/").content.decode()
    client.post("/sign-in/another-way/sms/", {"send": "1"})
    client.post("/sign-in/another-way/sms/", {"send": "1"})
    with tenancy.acting_for((), letters=True):
        assert Letter.objects.filter(channel="sms").count() == 1, "not twice within half a minute"
    assert client.post("/sign-in/another-way/sms/", {"code": sent_code(anne)}).status_code == 302
    assert client.get(outgoing(made)).status_code == 200
    page = client.get("/me/two-factor/lost/").content.decode()
    assert "cannot replace an authenticator" in page
    assert client.get(APP)["Location"].startswith("/me/prove/")
    assert client.post("/me/two-factor/lost/")["Location"].startswith("/me/prove/")
    assert Authenticator.objects.filter(user=anne).exists()


def test_a_phone_is_set_by_the_code_that_is_sent_to_it(made: Stage) -> None:
    anne = made.users["anne"]
    client = kit.signed_in(anne)
    assert (
        client.post("/me/two-factor/phone/", {"step": "number", "number": "123"}).status_code == 422
    )
    client.post("/me/two-factor/phone/", {"step": "number", "number": "912 34 567"})
    assert secondfactor.held(anne).phone == ""
    code = sent_code(anne)
    assert client.post("/me/two-factor/phone/", {"step": "code", "code": code}).status_code == 302
    assert secondfactor.held(anne).phone == "+4791234567"
    client.post("/me/two-factor/phone/remove/")
    assert secondfactor.held(anne).phone == ""


def test_a_code_by_text_message_is_too_old_after_ten_minutes(made: Stage) -> None:
    anne = made.users["anne"]
    phone(anne)
    made_now = secondfactor.new_sms_code(user=anne)
    assert made_now is not None
    with time_machine.travel(timezone.now() + dt.timedelta(minutes=10, seconds=1)):
        with pytest.raises(secondfactor.WrongCode):
            secondfactor.verify_sms(user=anne, code=made_now[1])


# --- what signs ------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [Factor.SMS, Factor.RECOVERY, Factor.SUPPORT])
def test_what_only_signs_in_signs_no_payment(made: Stage, factor: Factor) -> None:
    upload(made)
    anne = made.users["anne"]
    proof = secondfactor.Proof(factor, 1, None, timezone.now())
    with made.scope():
        payments = list(Payment.objects.select_related("agreement__account"))
        rows = signable.shown(payments)
        with pytest.raises(approval.WeakProof):
            approval.sign(
                company=made.company,
                user=anne,
                permissions=permissions_of([Role.APPROVER]),
                fingerprints={row.payment.pk: row.fingerprint() for row in rows},
                proof=proof,
                at=clock.now(),
            )


def signing_page(made: Stage, client: Client) -> str:
    with made.scope():
        pk = Payment.objects.earliest("pk").pk
    return str(client.post(f"{outgoing(made)}sign/", {"payment": pk})["Location"])


def test_the_signing_page_says_beforehand_what_does_not_sign(made: Stage) -> None:
    upload(made)
    anne = made.users["anne"]
    codes = secondfactor.new_recovery_sheet(anne)
    phone(anne)
    client = halfway(anne)
    client.post("/sign-in/another-way/sms/", {"send": "1"})
    client.post("/sign-in/another-way/sms/", {"code": sent_code(anne)})
    address = signing_page(made, client)
    page = client.get(address).content.decode()
    assert "Codes by text message, recovery codes and codes from support sign no payments" in page
    seen = re.findall(r'name="seen" value="([^"]+)"', page)
    client.post(address, {"seen": seen, "code": codes[0]})
    page = client.get(address).content.decode()
    assert "looks like a recovery code" in page
    assert "recovery codes and codes from support sign no payments" in page  # still said
    client.post(address, {"seen": seen, "code": "123456"})
    page = client.get(address).content.decode()
    assert "Only the code from your authenticator app signs payments." in page
    assert secondfactor.held(anne).recovery_left == 10
    bare(anne)
    page = client.get(address).content.decode()
    assert "You cannot sign yet" in page
    assert 'name="code"' not in page
    assert f"{APP}?next=" in page


# --- bounds ----------------------------------------------------------------------------------


def test_a_hundred_wrong_codes_of_every_kind_are_at_most_ten_tries(made: Stage) -> None:
    anne = made.users["anne"]
    secondfactor.new_recovery_sheet(anne)
    phone(anne)
    secondfactor.issue_support_code(user=anne, issued_by=made.users["helper"], reason="x")
    ways = [
        secondfactor.verify,
        secondfactor.verify_recovery,
        secondfactor.verify_sms,
        secondfactor.verify_support,
    ]
    tried = 0
    start = timezone.now()
    with time_machine.travel(start, tick=False) as now:
        for n in range(100):
            now.move_to(start + dt.timedelta(seconds=8 * n))
            try:
                ways[n % 4](user=anne, code="000000")
            except secondfactor.WrongCode:
                tried += 1
            except secondfactor.TooManyTries:
                continue
        assert tried == 10
        # The owner gets in when the window is over.
        now.move_to(start + dt.timedelta(minutes=16))
        assert secondfactor.verify_recovery(
            user=anne, code=secondfactor.new_recovery_sheet(anne)[0]
        )


def test_codes_are_kept_as_digests_only(made: Stage) -> None:
    anne = made.users["anne"]
    codes = secondfactor.new_recovery_sheet(anne)
    stored = [bytes(row.digest) for row in RecoveryCode.objects.all()]
    assert len(set(stored)) == 10
    assert not [code for code in codes if code.replace("-", "").encode() in b"".join(stored)]


def test_the_first_agreement_makes_the_companys_pages_ask_for_two_factors(made: Stage) -> None:
    bare_company = Company.objects.create(
        customer=made.company.customer, name="Ny AS", organisation_number=kit.organisation(90)
    )
    ada = kit.person("ada", bare_company, Role.APPROVER)
    made_by = changes.By(made.users["boss"], "Boss", None, timezone.now())
    steps = {
        "bank": f"channel={made.channel.pk}",
        "account": f"account_number={kit.account(900)}&account_name=Drift&currency=NOK",
        "payer": "customer_number=C9&agreement_id=A9&approvers_required=1"
        "&bank_approvers_required=1&bank_approval=none"
        f"&identity_{ada.pk}=ADA-1&authority_{ada.pk}=on",
        "services": "pain_version=pain.001.001.09&file_format=iso20022&remittance=on"
        "&settlement_return=on",
    }
    with tenancy.acting_for([bare_company], customers=[made.company.customer]):
        setup = setups.begin(bare_company, made.users["boss"])
        for step, sent in steps.items():
            setups.keep(setup, step, QueryDict(sent))
        setups.save(setup, by=made_by)
        assert BankAgreement.objects.of(bare_company).count() == 1
    bare_company.refresh_from_db()
    assert bare_company.two_factor_to_sign_in
    assert acts(made) == ["company.changed", "agreement.made", "agreement.authority"]
