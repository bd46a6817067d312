"""Journeys of people: set up, invited, enrolled, locked out and back in; in a real browser."""

from __future__ import annotations

import re
import time
from base64 import b32decode
from collections.abc import Iterator
from typing import Any

import pytest
from django_otp.oath import TOTP

from banking import numbers
from portal.demo import cast
from tests.browser import chromium
from tests.browser.conftest import Stack, _needs_chromium, running_stack
from tests.browser.test_main_job import ANNE, Person, next_step, propose_and_send

pytestmark = pytest.mark.stack
KARI, SIGNE = "kari@fjordregnskap.example", "signe@fjordregnskap.example"
PASSWORD = "fire ord uten sammenheng"
LIVE = 120_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, Any]]:
    """One running stack and one browser for all journeys."""
    _needs_chromium()
    with running_stack(tmp_path_factory.mktemp("stack") / "kvitt") as stack:
        with chromium.running() as browser:
            yield stack, browser


def number(place: int) -> str:
    """An organisation number with a right check digit."""
    for digit in "0123456789":
        try:
            return numbers.organisation_number(f"93{place:06d}{digit}")
        except numbers.InvalidNumber:
            continue
    return number(place + 1)


def something_to_sign(browser: Any, stack: Stack) -> None:
    """Payments that wait, whichever of the journeys comes first."""
    if not stack.ask("simerp_url", "/books")["companies"][0]["payments"]:
        propose_and_send(browser, stack)


class Newcomer(Person):
    """A person whose mails and messages are read in the demo's mailbox."""

    secret = ""
    password = PASSWORD

    def link(self, subject: str) -> str:
        """The address in the latest mail to this person with this subject."""
        text = self.mail(subject)
        found = re.search(r"https?://\S+", text)
        assert found is not None
        return found[0]

    def mail(self, subject: str) -> str:
        self.helper.goto(f"{self.stack.url}/demo/mails/?to={self.email}")
        self.helper.get_by_role("link", name=re.compile(subject)).first.click()
        return str(self.helper.inner_text("pre.letter"))

    def app(self, steps: int = 0) -> str:
        """What the app shows now, or so many half minutes from now (a clock may be half off)."""
        totp = TOTP(b32decode(self.secret), 30, 0, 6, 0)
        totp.time = time.time() + 30 * steps
        return f"{totp.token():06d}"

    def accept(self) -> None:
        self.page.goto(self.link("Du er invitert"))
        self.page.fill("[name=password]", self.password)
        self.press("Godta invitasjonen")
        self.page.wait_for_url("**/sign-in/")

    def show_password(self) -> None:
        self.page.goto(f"{self.stack.url}/sign-in/")
        self.page.fill("[name=email]", self.email)
        self.page.fill("[name=password]", self.password)
        self.press("Fortsett")

    def enrol(self) -> list[str]:
        """Sets up an app from what the page shows; the recovery codes that come with it."""
        self.page.get_by_text("Kan du ikke skanne den?").click()
        self.secret = self.page.inner_text("details .one-code").replace(" ", "")
        self.page.fill("[name=code]", self.app())
        self.press("Bekreft")
        self.page.wait_for_url("**/me/two-factor/recovery/")
        codes = self.page.locator(".codes code").all_inner_texts()
        self.page.get_by_role("link", name="Jeg har tatt vare på dem").click()
        return [str(code) for code in codes]

    def sign_out(self) -> None:
        self.page.click(".user-button")
        self.press("Logg ut")
        self.page.wait_for_url("**/sign-in/")


def invite(kari: Person, name: str, email: str) -> None:
    kari.page.get_by_role("link", name="Brukere", exact=True).first.click()
    kari.page.get_by_role("link", name="Inviter en bruker").click()
    kari.page.get_by_label("E-post").fill(email)
    kari.page.get_by_label("Navn").fill(name)
    kari.press("Send invitasjonen")
    kari.page.get_by_text("Invitasjonen er sendt til").wait_for()


def test_a_bureau_sets_up_companies_and_people_who_get_in_with_two_factors(
    made: tuple[Stack, Any],
) -> None:
    stack, browser = made
    kari = Person(browser, stack, KARI)
    kari.sign_in()
    kari.page.goto(f"{stack.url}/?all=1")
    kari.page.get_by_role("link", name="Fjordregnskap AS").click()

    # Three companies
    names = ["Bakeriet AS", "Verkstedet AS", "Åsgård Gård AS"]
    for place, name in enumerate(names):
        kari.page.get_by_role("link", name="Selskaper", exact=True).first.click()
        kari.page.get_by_role("link", name="Nytt selskap").click()
        kari.page.get_by_label("Navn", exact=True).fill(name)
        kari.page.get_by_label("Organisasjonsnummer").fill(number(100 + 10 * place))
        kari.page.get_by_label("Adresse").fill("Storgata 1")
        kari.page.get_by_label("Postnummer").fill("0155")
        kari.page.get_by_label("Poststed").fill("OSLO")
        kari.press("Opprett selskap")
        kari.press("Slå på AutoPay")
        kari.page.get_by_text("AutoPay er på.").wait_for()
        kari.page.get_by_role("link", name="Alle selskaper").click()

    # Five people, in a group with a role in all three
    people = [(f"Ansatt {n}", f"ansatt{n}@fjordregnskap.example") for n in range(1, 6)]
    for name, email in people:
        invite(kari, name, email)
    kari.page.get_by_role("link", name="Brukergrupper").click()
    kari.page.get_by_role("link", name="Ny gruppe").click()
    kari.page.get_by_label("Navn på gruppen").fill("Regnskap")
    kari.press("Opprett gruppen")
    kari.page.get_by_role("link", name="Velg folk").click()
    for _name, email in people:
        kari.page.get_by_label(re.compile(email)).check()
    kari.press("Lagre")
    kari.page.get_by_role("link", name="Roller i flere selskaper").click()
    kari.page.get_by_label("AutoPay-regnskapsfører").check()
    for name in names:
        kari.page.get_by_label(re.compile(name)).check()
    kari.press("Gi rollene")
    kari.page.get_by_text("3 roller er gitt.").wait_for()
    assert kari.page.locator("tbody tr").count() == 3
    kari.page.get_by_role("link", name="Endringslogg").click()
    assert "Rolle gitt" in kari.page.inner_text("main")

    # One of them: invited, accepted, enrolled, signed in
    anna = Newcomer(browser, stack, people[0][1])
    anna.accept()
    anna.show_password()
    anna.page.get_by_role("heading", name="Velg selskap").wait_for()
    assert anna.page.get_by_role("link", name=re.compile("Bakeriet AS")).is_visible()
    # Forcing it on a company walks its people through the set-up.
    kari.page.get_by_role("link", name="Selskaper", exact=True).first.click()
    kari.page.get_by_role("link", name="Bakeriet AS").click()
    kari.press("Krev totrinnskontroll ved innlogging")
    anna.page.get_by_role("link", name=re.compile("Bakeriet AS")).click()
    anna.page.wait_for_url("**/me/two-factor/app/**")
    codes = anna.enrol()
    assert len(codes) == 10
    anna.page.wait_for_url("**/c/**")
    anna.sign_out()
    anna.show_password()
    anna.page.wait_for_url("**/sign-in/code/")
    anna.page.fill("[name=code]", anna.app(1))
    anna.press("Logg inn")
    anna.page.get_by_role("heading", name="Velg selskap").wait_for()
    anna.sign_out()
    lose_the_phone(anna, codes)
    back_by_support(anna, Person(browser, stack, SIGNE))
    assert kari.faults == anna.faults == []


def lose_the_phone(anna: Newcomer, codes: list[str]) -> None:
    """By a recovery code to a new authenticator; the old one is dead."""
    old = anna.secret
    anna.show_password()
    anna.page.get_by_role("link", name="En annen måte").first.click()
    assert "signerer ingen betalinger" in anna.page.inner_text("main")
    anna.page.get_by_role("link", name="Gjenopprettingskode").click()
    anna.page.get_by_label("Kode").fill(codes[0])
    anna.press("Logg inn")
    anna.page.get_by_text("Den nye gjenopprettingskoden din").wait_for()
    anna.press("Den er mistet: sett opp en ny")
    anna.page.get_by_text("Kan du ikke skanne den?").click()
    anna.secret = anna.page.inner_text("details .one-code").replace(" ", "")
    assert anna.secret != old
    anna.page.fill("[name=code]", anna.app())
    anna.press("Bekreft")
    anna.page.get_by_text("Autentiseringsappen er satt opp").wait_for()
    kari = Newcomer(anna.page.context.browser, anna.stack, KARI)
    assert "Ansatt 1" in kari.mail("har mistet en autentiseringsapp")
    anna.sign_out()


def back_by_support(anna: Newcomer, signe: Person) -> None:
    """By a code that support reads out, which works once, to yet another authenticator."""
    signe.sign_in()
    signe.page.goto(f"{signe.stack.url}/?all=1")
    signe.page.get_by_role("link", name="Fjordregnskap AS").click()
    signe.page.get_by_role("link", name="Brukere", exact=True).first.click()
    signe.page.get_by_role("link", name="Ansatt 1").click()
    signe.page.get_by_role("link", name="Utsted en engangskode").click()
    signe.page.get_by_label("Hvorfor").fill("Ringte tilbake på kjent nummer")
    signe.press("Utsted koden")
    code = signe.page.inner_text(".one-code")
    anna.show_password()
    anna.page.get_by_role("link", name="En annen måte").first.click()
    anna.page.get_by_role("link", name="Kode fra brukerstøtte").click()
    anna.page.get_by_label("Kode").fill(code)
    anna.press("Logg inn")
    anna.press("Den er mistet: sett opp en ny")
    anna.page.get_by_text("Kan du ikke skanne den?").click()
    old, anna.secret = anna.secret, anna.page.inner_text("details .one-code").replace(" ", "")
    assert anna.secret != old
    anna.page.fill("[name=code]", anna.app())
    anna.press("Bekreft")
    anna.page.get_by_text("Autentiseringsappen er satt opp").wait_for()
    anna.sign_out()
    anna.show_password()
    anna.page.fill("[name=code]", anna.app(1))
    anna.press("Logg inn")
    anna.page.get_by_role("heading", name="Velg selskap").wait_for()
    assert "engangskode" in anna.mail("Brukerstøtte har utstedt")
    assert signe.faults == []


def test_a_passkey_signs_in_and_signs_a_payment_and_a_text_message_does_not(
    made: tuple[Stack, Any],
) -> None:
    stack, browser = made
    something_to_sign(browser, stack)
    anne = Newcomer(browser, stack, ANNE)
    anne.password = cast.PASSWORD
    device = anne.page.context.new_cdp_session(anne.page)
    device.send("WebAuthn.enable")
    device.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
            }
        },
    )
    anne.sign_in()
    outgoing = anne.page.url.replace("overview", "outgoing")
    anne.page.goto(f"{stack.url}/me/two-factor/")
    anne.page.get_by_label("Navn på tilgangsnøkkelen").fill("Prøvemaskin")
    anne.press("Legg til en tilgangsnøkkel")
    anne.page.get_by_text("Tilgangsnøkkelen er lagt til").wait_for()
    assert anne.page.locator(".codes code").count() == 10, "for the day the device is lost"
    anne.page.goto(f"{stack.url}/me/two-factor/")
    # A phone for codes
    section = anne.page.locator("section", has_text="Koder på SMS").last
    section.get_by_role("link", name="Sett opp").click()
    anne.page.get_by_label("Mobiltelefon").fill("912 34 567")
    anne.press("Send en kode til nummeret")
    sent = time.monotonic()
    anne.page.get_by_label("Kode").fill(anne.mail("SMS")[:6])
    anne.press("Bekreft")
    anne.page.get_by_text("Nå kan koder sendes").wait_for()
    anne.sign_out()

    # With the passkey alone: no password, no code
    anne.press("Bruk en tilgangsnøkkel")
    anne.page.wait_for_url(lambda url: "sign-in" not in url)
    anne.page.goto(outgoing)
    anne.page.locator("td.pick input").first.check()
    anne.press("Godkjenn")
    anne.page.get_by_role("button", name=re.compile("med tilgangsnøkkel")).click()
    anne.page.wait_for_url("**/receipts/*/")
    assert "Tilgangsnøkkel" in anne.page.inner_text("main")

    # And in all companies at once
    anne.page.goto(f"{stack.url}/all/approve/")
    anne.page.locator("td.pick input").first.check()
    anne.press("Godkjenn")
    anne.page.get_by_role("button", name=re.compile("med tilgangsnøkkel")).click()
    anne.page.wait_for_url("**/all/outgoing/receipts/*/")
    assert "Tilgangsnøkkel" in anne.page.inner_text("main")
    anne.sign_out()

    # By text message: told before typing, and on trying, that it signs nothing
    time.sleep(max(0.0, sent + 31 - time.monotonic()))  # so long until another may be sent
    anne.show_password()
    anne.page.get_by_role("link", name="En annen måte").first.click()
    assert "signerer ingen betalinger" in anne.page.inner_text("main")
    anne.page.get_by_role("link", name="Kode på SMS").click()
    anne.press("Send meg en kode")
    anne.page.get_by_label("Kode").fill(anne.mail("SMS")[:6])
    anne.press("Logg inn")
    anne.page.get_by_text("kan ikke erstatte en autentiseringsapp").wait_for()
    anne.page.goto(outgoing)
    anne.choose_all()
    anne.press("Godkjenn")
    told = "Koder på SMS, gjenopprettingskoder og koder fra brukerstøtte signerer ingen betalinger"
    assert told in anne.page.inner_text("main")
    assert anne.faults == []


def test_a_recovery_code_is_refused_at_signing_with_the_reason_beforehand(
    made: tuple[Stack, Any],
) -> None:
    stack, browser = made
    something_to_sign(browser, stack)
    bjorn = Newcomer(browser, stack, "bjorn@nordlys.example")
    bjorn.password = cast.PASSWORD
    next_step()
    bjorn.sign_in()
    bjorn.page.goto(f"{stack.url}/me/two-factor/recovery/")
    bjorn.press("Lag et nytt ark")
    bjorn.page.locator(".codes code").first.wait_for()
    codes = bjorn.page.locator(".codes code").all_inner_texts()
    bjorn.page.goto(f"{stack.url}/")
    bjorn.page.get_by_role("link", name=re.compile("Nordlys Handel AS")).first.click()
    bjorn.page.get_by_role("link", name=re.compile("Godkjenn")).first.click()
    bjorn.page.wait_for_url("**/approve/")
    bjorn.page.locator("td.pick input").first.wait_for()
    bjorn.choose_all()
    bjorn.press("Godkjenn")
    told = "gjenopprettingskoder og koder fra brukerstøtte signerer ingen betalinger"
    assert told in bjorn.page.inner_text("main")
    bjorn.page.fill("[name=code]", codes[0])
    bjorn.page.keyboard.press("Enter")
    bjorn.page.get_by_text("De logger inn, men signerer ingen betalinger").first.wait_for()
    assert bjorn.faults == []
