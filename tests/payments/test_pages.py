"""The pages of outgoing payments: list, detail, signing, receipt, and acts that ask for a reason."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from typing import Any

import pytest
import redis
import time_machine
from django.conf import settings as live
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from banking import calendar, profiles
from banking.models import BankChannel
from payments import lifecycle, signable
from payments.models import Payment, PaymentLine, Signature
from portal import clock
from portal.access import actors
from portal.access.models import RoleGrant
from portal.access.roles import Role
from portal.events import moves
from portal.events.models import Event
from tests import kit
from tests.kit import Stage
from tests.portal.events.test_moves import AT, go, lines_of, make, statuses

FAULT = "This must be corrected first:"
CHANGED = "The payments changed after the page was shown."


@pytest.fixture
def made(db: None) -> Any:
    stage = kit.stage()
    stage.users["lars"] = kit.person("lars", stage.company, Role.PAYROLL_APPROVER)
    stage.users["kari"] = kit.person("kari", stage.company, Role.ACCOUNTANT)
    with stage.scope():
        yield stage


def browser(made: Stage, name: str) -> Client:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


@pytest.fixture
def anne(made: Stage) -> Client:
    return browser(made, "anne")


def base(made: Stage) -> str:
    return f"/c/{made.company.public_id}/outgoing/"


def text_of(answer: Any) -> str:
    """The page without its random tokens, in which any short name may stand by chance."""
    assert answer.status_code in (200, 422), answer.status_code
    return re.sub(r'(csrfmiddlewaretoken" value=")[^"]+', r"\1", answer.content.decode())


def unkeyed(page: str) -> str:
    """The page without the random keys that choices are kept under in the session."""
    return re.sub(r'/[\w-]{12}/"', '/"', page)


def listed(page: str) -> list[int]:
    return [
        int(pk) for pk in re.findall(r'type="checkbox"[^>]* name="payment" value="(\d+)"', page)
    ]


def approve(*payments: Payment) -> None:
    go(lines_of(*payments), lifecycle.APPROVE, *payments)


# The list


def test_filters_count_and_show_what_stands_so(made: Stage, anne: Client) -> None:
    waiting, held, salary = make(made, "P1"), make(made, "P2"), make(made, "S1", kind="salary")
    go(lines_of(held), lifecycle.HOLD, held)
    page = text_of(anne.get(base(made)))
    assert listed(page) == [held.pk, waiting.pk]
    assert "S1" not in unkeyed(page)
    assert "1 salary payment is not shown" in page
    assert listed(text_of(anne.get(base(made), {"status": "held"}))) == [held.pk]
    assert listed(text_of(anne.get(base(made), {"status": "awaiting"}))) == [waiting.pk]
    assert "Nothing matches" in text_of(anne.get(base(made), {"status": "sent"}))
    odd = text_of(anne.get(base(made), {"status": "nonsense' OR 1=1"}))
    assert listed(odd) == []
    assert "A filter could not be understood" in odd
    lars = text_of(browser(made, "lars").get(base(made)))
    assert listed(lars) == [salary.pk]
    assert "2 supplier payments are not shown" in lars


@pytest.mark.parametrize("status", ["", "awaiting"])
def test_every_payment_stands_on_one_page_and_on_one_only(
    status: str, made: Stage, anne: Client
) -> None:
    made_rows = [make(made, f"P{n}", lines=1) for n in range(120)]
    for place, row in enumerate(made_rows):
        due = dt.date(2026, 11, 20) + dt.timedelta(days=place * 7 % 5)
        Payment.objects.filter(pk=row.pk).update(due_date=due)
    other = make(made, "H1", lines=1)
    go(lines_of(other), lifecycle.HOLD, other)
    wanted = Payment.objects.filter(status=status) if status else Payment.objects.all()
    expected = list(wanted.order_by("-due_date", "-id").values_list("pk", flat=True))
    seen: list[int] = []
    address, pages = f"{base(made)}?status={status}", 0
    while address:
        page = text_of(anne.get(address))
        seen += listed(page)
        pages += 1
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = base(made) + following[1].replace("&amp;", "&") if following else ""
        if pages == 1:
            newcomer = make(made, "LATE", lines=1)  # does not shift the pages that follow
    assert pages == 3
    assert seen == expected
    assert newcomer.pk not in seen


@pytest.mark.parametrize(
    "after", ["x", ",", "7", "x,2026-11-25", "1,2026-13-01", "9" * 30 + ",2026-11-25", "'"]
)
def test_an_odd_key_of_a_page_does_no_harm(after: str, made: Stage, anne: Client) -> None:
    make(made, "P1")
    assert anne.get(base(made), {"after": after}).status_code == 200


def test_as_many_queries_for_fifty_payments_as_for_five(made: Stage, anne: Client) -> None:
    counts = []
    for size in (5, 45):
        rows = [make(made, f"Q{size}-{n}", lines=1) for n in range(size)]
        go(lines_of(*rows[::2]), lifecycle.HOLD, *rows[::2])
        with CaptureQueriesContext(connection) as captured:
            page = text_of(anne.get(base(made)))
        counts.append(len(captured))
    assert len(listed(page)) == 50
    assert counts[0] == counts[1] <= 25, counts


def test_an_empty_list_tells_where_payments_come_from(made: Stage, anne: Client) -> None:
    assert "No payments yet" in text_of(anne.get(base(made)))
    make(made, "P1")
    assert "There is no more" in text_of(anne.get(base(made), {"after": "1,2001-01-01"}))


def test_update_now_asks_for_sending_and_for_news_from_the_bank(
    made: Stage, anne: Client, django_capture_on_commit_callbacks: Any
) -> None:
    queue = redis.Redis.from_url(live.REDIS_URL)
    queue.flushdb()
    with django_capture_on_commit_callbacks(execute=True):
        page = text_of(anne.post(base(made) + "update/", follow=True))
    assert "Fetching news from the bank" in page
    waiting = b"".join(queue.lrange("default", 0, -1))  # type: ignore[arg-type]
    assert b"payments.send" in waiting
    assert b"banking.poll_banks" in waiting
    queue.flushdb()


# One payment


def test_a_payment_shows_its_lines_events_signatures_and_what_comes_next(
    made: Stage, anne: Client
) -> None:
    payment = make(made, "P1", lines=3)
    lines_of(payment).filter(position=2).update(payee_name="<script>Ola</script>", kid="1000421")
    stopped = lines_of(payment).filter(position=3)
    go(stopped, lifecycle.STOP, payment, by=actors.CLOCK, reasons=[{"code": "kid"}])
    stopped_now = lines_of(payment).filter(position=3)
    stopped_now.update(reasons=[{"code": "kid"}])
    page = text_of(anne.get(f"{base(made)}{payment.pk}/"))
    assert "2 different approvers must approve it." in page
    assert "&lt;script&gt;Ola" in page
    assert "<script>Ola" not in page
    assert "1000421" in page
    assert "Lines that went another way" in page
    assert "Nobody has approved this payment." in page
    assert "Stopped by checks" in page
    signed_by(made, "bjorn", payment)
    page = text_of(anne.get(f"{base(made)}{payment.pk}/"))
    assert "You can be the second: look through it" in page
    assert "Kvitt payment approval 1" in page
    assert "Approved by the first of two" in page
    own = text_of(browser(made, "bjorn").get(f"{base(made)}{payment.pk}/"))
    assert "You have approved it already" in own
    assert "The one who approved first cannot be the second." in own


def test_a_payment_on_its_way_tells_of_the_lines_that_went_another_way(
    made: Stage, anne: Client
) -> None:
    payment = make(made, "P1")
    go(lines_of(payment).filter(position=1), lifecycle.HOLD, payment)
    approve(payment)
    page = text_of(anne.get(f"{base(made)}{payment.pk}/"))
    assert "Some lines went another way: their causes and cures stand below." in page
    assert "The files themselves are opened by" not in page  # there is none


def test_lines_page_by_position(made: Stage, anne: Client) -> None:
    payment = make(made, "P1", lines=120)
    seen: list[int] = []
    address = f"{base(made)}{payment.pk}/"
    while address:
        page = text_of(anne.get(address))
        seen += [int(pk) for pk in re.findall(r'name="line" value="(\d+)"', page)]
        following = re.search(r'rel="next" href="(\?after=\d+)', page)
        address = f"{base(made)}{payment.pk}/{following[1]}" if following else ""
    assert seen == list(lines_of(payment).order_by("position").values_list("pk", flat=True))


@pytest.mark.parametrize("after", ["x", "-1", "²", "9" * 25])
def test_an_odd_key_of_the_lines_does_no_harm(after: str, made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    assert anne.get(f"{base(made)}{payment.pk}/", {"after": after}).status_code == 200


def test_a_payment_of_any_size_is_shown_in_as_many_queries(made: Stage, anne: Client) -> None:
    counts = []
    for number, size in (("P1", 5), ("P2", 50)):
        payment = make(made, number, lines=size)
        half = lines_of(payment).filter(position__gt=size // 2)
        go(half, lifecycle.HOLD, payment)
        with CaptureQueriesContext(connection) as captured:
            anne.get(f"{base(made)}{payment.pk}/")
        counts.append(len(captured))
    assert counts[0] == counts[1]


def test_a_number_that_no_payment_can_have_is_not_found(made: Stage, anne: Client) -> None:
    for pk in ("0", "9" * 30):
        assert anne.get(f"{base(made)}{pk}/").status_code == 404


def test_salary_is_not_found_by_those_without_the_axis(made: Stage, anne: Client) -> None:
    salary = make(made, "S1", kind="salary")
    assert anne.get(f"{base(made)}{salary.pk}/").status_code == 404
    ids = list(lines_of(salary).values_list("pk", flat=True))
    answer = anne.post(f"{base(made)}{salary.pk}/lines/", {"line": ids, "act": "cancel"})
    assert answer.status_code == 404
    assert statuses(salary) == ["awaiting"] * 3


# Signing


def signed_by(made: Stage, name: str, *payments: Payment) -> str:
    """Signs on the pages as a person does; answers the receipt."""
    client = browser(made, name)
    return text_of(confirm(made, client, name, shown(made, client, *payments)))


def shown(made: Stage, client: Client, *payments: Payment) -> dict[str, list[str]]:
    """What the signing page has shown, and its address."""
    answer = choose(made, client, *payments)
    return {
        "seen": re.findall(r'name="seen" value="([^"]+)"', text_of(answer)),
        "address": [answer.request["PATH_INFO"]],
    }


def choose(made: Stage, client: Client, *payments: Payment, **more: Any) -> Any:
    """The signing page of these payments."""
    words = {"payment": [p.pk for p in payments], **more}
    return client.post(base(made) + "sign/", words, follow=True)


def confirm(
    made: Stage, client: Client, name: str, fields: dict[str, Any], code: str | None = None
) -> Any:
    given = kit.code_of(made.users[name]) if code is None else code
    told = {name: value for name, value in fields.items() if name != "address"}
    (address,) = fields["address"]
    return client.post(address, told | {"code": given}, follow=True)


def test_the_signing_page_shows_exactly_what_is_signed_and_leads_to_a_receipt(
    made: Stage, anne: Client
) -> None:
    one, two = make(made, "P1", lines=2), make(made, "P2", lines=3)
    go(lines_of(two).filter(position=1), lifecycle.HOLD, two)
    lines_of(one).filter(position=1).update(amount="84300.50", payee_name="Strøm og Nett AS")
    answer = choose(made, anne, one, two)
    page = text_of(answer)
    assert "no-store" in answer["Cache-Control"]
    assert "Strøm og Nett AS" in page
    assert "84\u00a0303,50\u00a0kr" in page
    assert "1 line is not included" in page
    assert Signature.objects.count() == 0
    fields = shown(made, anne, one, two)
    receipt = text_of(confirm(made, anne, "anne", fields))
    assert "You have approved 2 payments" in receipt
    assert "2 payments wait for another approver." in receipt
    assert "84\u00a0303,50\u00a0kr" in receipt
    assert Signature.objects.count() == 2
    assert statuses(two) == ["held", "partly", "partly"]
    assert "Nobody else needs to approve" in signed_by(made, "bjorn", one, two)


@pytest.mark.parametrize("code", ["000000", "", "abcdef", "1234567890123"])
def test_a_wrong_code_signs_nothing_and_keeps_the_page(
    code: str, made: Stage, anne: Client
) -> None:
    payment = make(made, "P1")
    fields = shown(made, anne, payment)
    kit.code_of(made.users["anne"])
    answer = confirm(made, anne, "anne", fields, code)
    assert answer.redirect_chain == [(fields["address"][0], 302)]  # so that Back works
    assert "Approve 1 payment" in answer.content.decode()
    assert 'role="alert"' in answer.content.decode()
    assert not Signature.objects.exists()
    assert status_of(payment) == "awaiting"


def status_of(payment: Payment) -> str:
    payment.refresh_from_db()
    return payment.status


def test_a_session_cookie_alone_signs_nothing(made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    fields = shown(made, anne, payment)
    thief = Client()
    thief.cookies["kvitt_session"] = anne.cookies["kvitt_session"].value
    seen = {"seen": fields["seen"]}
    for body in (seen, seen | {"code": "123456"}):
        thief.post(fields["address"][0], body)
    assert not Signature.objects.exists()


def test_the_code_of_signing_in_does_not_sign(made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    client = Client()
    client.post("/sign-in/", {"email": made.users["anne"].email, "password": kit.PASSWORD})
    code = kit.code_of(made.users["anne"])
    client.post("/sign-in/code/", {"code": code})
    answer = confirm(made, client, "anne", shown(made, client, payment), code)
    assert "ds-error-summary" in text_of(answer)
    assert not Signature.objects.exists()


def test_payments_that_changed_after_the_page_was_shown_are_shown_again(
    made: Stage, anne: Client
) -> None:
    one, two = make(made, "P1"), make(made, "P2")
    fields = shown(made, anne, one, two)
    go(lines_of(two).filter(position=1), lifecycle.HOLD, two)
    answer = confirm(made, anne, "anne", fields)
    assert FAULT in text_of(answer)
    page = answer.content.decode()
    assert CHANGED in page
    assert not Signature.objects.exists()
    again = {
        "address": fields["address"],
        "seen": re.findall(r'name="seen" value="([^"]+)"', page),
    }
    assert "You have approved 2 payments" in text_of(confirm(made, anne, "anne", again))


def test_one_that_ended_after_the_page_was_shown_stops_the_others(
    made: Stage, anne: Client
) -> None:
    one, two = make(made, "P1"), make(made, "P2")
    fields = shown(made, anne, one, two)
    go(lines_of(two), lifecycle.CANCEL, two)
    answer = confirm(made, anne, "anne", fields)
    assert FAULT in text_of(answer)
    assert CHANGED in answer.content.decode()
    assert not Signature.objects.exists()


@pytest.mark.parametrize(
    "seen", [[], ["x"], ["|"], ["²|x"], ["{pk}|x"], ["{pk}"], ["9" * 30 + "|x"]]
)
def test_what_was_not_shown_cannot_be_signed(seen: list[str], made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    told = [value.replace("{pk}", str(payment.pk)) for value in seen]
    fields = shown(made, anne, payment) | {"seen": told}
    answer = confirm(made, anne, "anne", fields)
    assert FAULT in text_of(answer)
    assert not Signature.objects.exists()


def test_a_payment_that_one_has_signed_is_left_out_and_told(made: Stage, anne: Client) -> None:
    one, two = make(made, "P1"), make(made, "P2")
    signed_by(made, "anne", one)
    page = text_of(choose(made, anne, one, two))
    assert "What you approve is not all that you chose" in page
    assert re.search(r"<strong>P1</strong>, .*: You have approved it already", page)
    page = text_of(choose(made, anne, one))
    assert "None of the chosen payments waits for your approval" in page


@pytest.mark.parametrize("chosen", [[], ["x"], ["0"], ["9" * 30], ["²"]])
def test_choosing_nothing_leads_back_to_the_list(
    chosen: list[str], made: Stage, anne: Client
) -> None:
    for act in ("sign", "refuse", "cancel"):
        answer = anne.post(f"{base(made)}{act}/", {"payment": chosen})
        assert (answer.status_code, answer["Location"]) == (302, base(made))


def test_a_supplier_approver_cannot_sign_salary_even_by_hand(made: Stage, anne: Client) -> None:
    salary, supplier = make(made, "S1", kind="salary"), make(made, "P1")
    row = next(r for r in signable.shown([salary]))
    forged = {"seen": f"{salary.pk}|{row.fingerprint()}"}
    for fields in (shown(made, anne, salary), shown(made, anne, salary, supplier)):
        if "/sign/" in fields["address"][0]:
            confirm(made, anne, "anne", fields | forged)
    assert not Signature.objects.exists()
    assert "Choose at least one payment first." in text_of(choose(made, anne, salary))
    lars = browser(made, "lars")
    for client, payment in ((anne, supplier), (lars, salary)):
        (seen,) = shown(made, client, salary, supplier)["seen"]
        assert seen.partition("|")[0] == str(payment.pk)


def test_signing_without_authority_at_the_bank_is_warned_of(made: Stage) -> None:
    made.users["eva"] = kit.person("eva", made.company, Role.APPROVER)
    eva, payments = browser(made, "eva"), [make(made, f"P{n}") for n in range(6)]
    said = "you hold no authority at the bank on:"
    page = text_of(choose(made, eva, *payments[:2]))
    assert page.count(said) == page.count("It is enough that the other approver") == 1
    assert "(P0, P1): " in page
    assert "(6 payments): " in text_of(choose(made, eva, *payments))
    assert said not in text_of(choose(made, browser(made, "anne"), *payments))


def test_a_receipt_is_only_for_whoever_signed(made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    signed_by(made, "anne", payment)
    ceremony = Signature.objects.get().ceremony_id
    address = f"{base(made)}receipts/{ceremony}/"
    assert "You have approved 1 payment" in text_of(anne.get(address))
    for name, code in (("bjorn", 404), ("lars", 404), ("kari", 403)):
        assert browser(made, name).get(address).status_code == code
    assert anne.get(f"{base(made)}receipts/{ceremony + 1}/").status_code == 404


def test_whoever_goes_back_after_signing_is_led_to_the_receipt(made: Stage, anne: Client) -> None:
    fields = shown(made, anne, make(made, "P1"))
    confirm(made, anne, "anne", fields)
    answer: Any = anne.get(fields["address"][0], follow=True)
    assert "/receipts/" in answer.redirect_chain[-1][0]
    assert "You have approved 1 payment" in text_of(answer)


def test_who_else_can_approve_is_named_before_and_after(made: Stage, anne: Client) -> None:
    payment, salary = make(made, "P1"), make(made, "S1", kind="salary")
    made.users["eva"] = kit.person("eva", made.company, Role.APPROVER)
    page = text_of(choose(made, anne, payment))
    assert "They can: Bjorn, Eva." in page
    assert "They can: Bjorn, Eva." in signed_by(made, "anne", payment)
    assert "They can: Anne" not in text_of(choose(made, browser(made, "bjorn"), payment))
    assert "They can" not in text_of(choose(made, browser(made, "lars"), salary))


def test_dates_that_are_past_or_closed_are_told_before_signing(made: Stage, anne: Client) -> None:
    past, closed, plain = (make(made, number) for number in ("PAST", "CLOSED", "PLAIN"))
    today = clock.today()
    saturday = today + dt.timedelta(days=(5 - today.weekday()) % 7 + 7)
    bank_day = calendar.next_bank_day(saturday)
    days = (today - dt.timedelta(days=1), saturday, bank_day)
    for payment, day in zip((past, closed, plain), days, strict=True):
        Payment.objects.filter(pk=payment.pk).update(due_date=day)
    page = text_of(choose(made, anne, past, closed, plain))
    assert re.search(r"1 payment is past its due date. .*<strong>PAST</strong>", page)
    on = f"{bank_day:%d.%m.%Y}"
    assert re.search(rf"banks are closed, and is paid on .*{on}.*: <strong>CLOSED</strong>", page)
    assert "banks are closed" not in text_of(choose(made, anne, plain))


def test_what_comes_after_the_banks_cut_off_is_told_before_signing(
    made: Stage, anne: Client
) -> None:
    late, tomorrow = make(made, "LATE"), make(made, "TOMORROW")
    BankChannel.objects.filter(pk=made.channel.pk).update(bank="dnb", name="DNB")
    moment = dt.datetime(2031, 2, 4, 14, 1, tzinfo=clock.OSLO)  # a Tuesday
    for payment, day in ((late, 4), (tomorrow, 5)):
        Payment.objects.filter(pk=payment.pk).update(due_date=dt.date(2031, 2, day))
    for at, told in ((moment, True), (moment - dt.timedelta(minutes=2), False)):
        with time_machine.travel(at, tick=False):
            anne = browser(made, "anne")
            page = text_of(choose(made, anne, late, tomorrow))
        text = r"cut-off at DNB was 14:00.*05.02.2031.*: <strong>LATE</strong>"
        assert bool(re.search(text, page)) == told
        soon = "Approve before 14:00: DNB pays 1 payment today if it has it by then."
        assert (soon in page) == (not told)  # of the one for tomorrow nothing is told
        assert "TOMORROW</strong>" not in page


def test_the_cut_off_for_payments_abroad_is_told_of_those_with_a_line_that_goes_abroad(
    made: Stage, anne: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    abroad, home = make(made, "ABROAD"), make(made, "HOME")
    profile = profiles.of("simbank")
    cut_offs = [("domestic", dt.time(14)), ("foreign", dt.time(11))]
    changed = dataclasses.replace(
        profile, cut_offs=tuple(profiles.CutOff(kind, at) for kind, at in cut_offs)
    )
    monkeypatch.setattr(profiles, "of", lambda code: changed)
    Payment.objects.update(due_date=dt.date(2031, 2, 4))  # a Tuesday
    line = PaymentLine.objects.filter(payment=abroad).order_by("pk")
    PaymentLine.objects.filter(pk=line[0].pk).update(
        payee_account_kind="IBAN", payee_account="SE4550000000058398257466"
    )
    with time_machine.travel(dt.datetime(2031, 2, 4, 12, 0, tzinfo=clock.OSLO), tick=False):
        page = text_of(choose(made, browser(made, "anne"), abroad, home))
    assert re.search(r"cut-off at .* was 11:00.*05.02.2031.*: <strong>ABROAD</strong>", page)
    assert "HOME</strong>" not in page


def test_a_receipt_tells_what_still_waits_for_oneself(made: Stage, anne: Client) -> None:
    payment, _other = make(made, "P1"), make(made, "P2")
    page = text_of(confirm(made, anne, "anne", shown(made, anne, payment)))
    assert "1 payment waits for another approver." in page
    assert "1 waits for you" in page  # the other, in the header


def test_a_receipt_leaves_out_what_a_lost_role_reached_and_the_sum_with_it(made: Stage) -> None:
    both = made.users["both"] = kit.person(
        "both", made.company, Role.APPROVER, Role.PAYROLL_APPROVER
    )
    supplier, salary = make(made, "P1"), make(made, "S1", kind="salary")
    client = browser(made, "both")
    confirm(made, client, "both", shown(made, client, supplier, salary))
    address = f"{base(made)}receipts/{Signature.objects.first().ceremony_id}/"
    page = text_of(client.get(address))
    assert "6,00\u00a0kr" in page
    assert "S1" in page
    RoleGrant.objects.filter(user=both, role=Role.PAYROLL_APPROVER).delete()
    page = text_of(client.get(address))
    assert "1 payment that you approved is not shown" in page
    assert "6,00\u00a0kr" not in page
    assert "S1" not in unkeyed(page)
    assert "P1" in page


def test_signing_many_shows_the_first_payees_and_takes_constant_queries(
    made: Stage, anne: Client
) -> None:
    counts = []
    for size in (5, 50):
        rows = [make(made, f"M{size}-{n}", lines=5) for n in range(size)]
        with CaptureQueriesContext(connection) as captured:
            page = text_of(choose(made, anne, *rows))
        counts.append(len(captured))
    assert counts[0] == counts[1]
    assert "Lines 1 to 100 of 250. Your approval covers them all." in page
    assert "On these 3 pages" in page
    third = text_of(anne.get(f"{address_of(page)}?payees=3"))
    assert [page.count("Leverandør AS"), third.count("Leverandør AS")] == [100, 50]
    assert text_of(anne.get(f"{address_of(page)}?payees=99")) != page


def test_many_payments_are_shown_by_the_page_and_signed_together(made: Stage, anne: Client) -> None:
    rows = [make(made, f"M{n:03d}", lines=1) for n in range(101)]
    first = text_of(choose(made, anne, *rows))
    address = address_of(first)
    assert "Payments 1 to 100 of 101, those due first. Your approval covers them all." in first
    second = text_of(anne.get(f"{address}?payments=2&payees=2"))
    assert 'href="?payees=2&amp;payments=1#payments"' in second
    assert 'href="?payments=2&amp;payees=1#payees"' in second
    assert re.findall(r'class="lead"><a href="[^"]+">(M\d+)', second) == ["M100"]
    assert [page.count('name="seen"') for page in (first, second)] == [101, 101]
    seen = re.findall(r'name="seen" value="([^"]+)"', second)
    sent = {"seen": seen, "code": kit.code_of(made.users["anne"])}
    assert "101" in text_of(anne.post(address, sent, follow=True))
    assert Signature.objects.count() == 101


def address_of(page: str) -> str:
    """Where the signing page is sent."""
    found = re.search(r'action="([^"]+/sign/[^"]+)"', page)
    assert found is not None
    return found[1]


def test_the_signing_page_comes_again_by_its_address_and_not_to_another(
    made: Stage, anne: Client
) -> None:
    one, two = make(made, "P1"), make(made, "P2")
    address = address_of(text_of(choose(made, anne, one, two)))
    assert "Approve 2 payments" in text_of(anne.get(address))
    assert "Choose again" in text_of(browser(made, "bjorn").get(address, follow=True))
    confirm(made, anne, "anne", shown(made, anne, one))
    page = text_of(anne.get(address))
    assert "Approve 1 payment" in page
    assert re.search(r"<strong>P1</strong>, .*: You have approved it already", page)
    assert "The sums differ" in page


# Refusing and cancelling whole payments


def choose_to(made: Stage, client: Client, act: str, *payments: Payment) -> tuple[str, str]:
    """The page that asks why these are to end, with its address."""
    body = {"payment": [payment.pk for payment in payments]}
    answer: Any = client.post(f"{base(made)}{act}/", body, follow=True)
    return answer.redirect_chain[0][0], text_of(answer)


def seen(*payments: Payment, reason: str = "x") -> dict[str, Any]:
    return {"seen": [payment.pk for payment in payments], "reason": reason}


@pytest.mark.parametrize(("act", "end"), [("refuse", "refused"), ("cancel", "cancelled")])
def test_ending_payments_asks_first_needs_a_reason_and_then_does_it(
    act: str, end: str, made: Stage, anne: Client
) -> None:
    payment, salary = make(made, "P1"), make(made, "S1", kind="salary")
    address, asked = choose_to(made, anne, act, payment, salary)
    assert "P1" in asked
    assert "S1" not in unkeyed(asked)
    assert status_of(payment) == "awaiting"
    for reason in ("", "   "):
        answer = anne.post(address, seen(payment, reason=reason), follow=True)
        assert answer.redirect_chain == [(address, 302)]
        assert "Write a reason first." in text_of(answer)
    assert status_of(payment) == "awaiting"
    page = text_of(anne.get(address))
    assert "P1" in page
    assert "Write a reason first." not in page  # told once
    done = anne.post(address, seen(payment, reason="Feil <b>konto</b>"), follow=True)
    assert f"1 payment is {end} (3 lines): P1" in text_of(done)
    assert (status_of(payment), status_of(salary)) == (end, "awaiting")
    page = text_of(anne.get(f"{base(made)}{payment.pk}/"))
    stands = page.split('<dl class="sums">')[0]  # who, when and why stand at the top
    assert re.search(r"Anne, <time[^>]*>[^<]+</time>: “Feil &lt;b&gt;konto&lt;/b&gt;”", stands)
    assert "The ERP has been told" in stands
    again = text_of(anne.post(address, seen(payment), follow=True))
    assert "What you had chosen is ended or forgotten. Choose again." in again


@pytest.mark.parametrize("act", ["refuse", "cancel"])
def test_a_payment_that_was_sent_meanwhile_is_not_ended(
    act: str, made: Stage, anne: Client
) -> None:
    payment, other = make(made, "P1"), make(made, "P2")
    address, _page = choose_to(made, anne, act, payment, other)
    approve(payment)
    moves.move(lines_of(payment), lifecycle.SEND, by=actors.CLOCK, at=AT, within=[payment.pk])
    sent = seen(payment, other, reason="Feil konto")
    page = text_of(anne.post(address, sent, follow=True))
    assert "Nothing was changed: a payment has been sent or ended" in page
    assert (status_of(payment), status_of(other)) == ("sending", "awaiting")
    assert "<strong>P1</strong>: It has gone to the bank." in page
    assert 'value="Feil konto"' in page  # what was written is kept
    anne.post(address, seen(other))
    assert (status_of(payment), status_of(other)) == ("sending", end_of(act))


def end_of(act: str) -> str:
    return {"refuse": "refused", "cancel": "cancelled"}[act]


def test_from_a_payment_one_comes_back_to_it(made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    own = f"{base(made)}{payment.pk}/"
    address, page = choose_to(made, anne, "cancel", payment)
    assert f'href="{own}"' in page
    done: Any = anne.post(address, seen(payment), follow=True)
    assert done.redirect_chain[-1][0] == own
    assert "1 payment is cancelled (3 lines): P1" in text_of(done)


def test_only_what_was_chosen_and_shown_is_ended(made: Stage, anne: Client) -> None:
    payment, other = make(made, "P1"), make(made, "P2")
    address, _page = choose_to(made, anne, "cancel", payment)
    for posted in (seen(other), seen(payment, other), seen()):
        assert "Nothing was changed" in text_of(anne.post(address, posted, follow=True))
    assert (status_of(payment), status_of(other)) == ("awaiting", "awaiting")


def test_an_accountant_cancels_and_cannot_refuse(made: Stage) -> None:
    payment = make(made, "P1")
    kari = browser(made, "kari")
    assert kari.post(base(made) + "refuse/", {"payment": payment.pk}).status_code == 403
    address, _page = choose_to(made, kari, "cancel", payment)
    assert kari.post(address.replace("cancel", "refuse"), seen(payment)).status_code == 403
    kari.post(address, seen(payment))
    assert status_of(payment) == "cancelled"


# Acts on lines


def act_on(
    made: Stage, client: Client, act: str, payment: Payment, *places: int, **more: Any
) -> str:
    ids = list(lines_of(payment).filter(position__in=places).values_list("pk", flat=True))
    body = {"act": act, "line": ids, "reason": "Avventer kreditnota"} | more
    return text_of(client.post(f"{base(made)}{payment.pk}/lines/", body, follow=True))


def test_lines_are_held_released_and_cancelled_from_the_page(made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    page = act_on(made, anne, "hold", payment, 1, 2)
    assert "2 lines are on hold." in page
    assert "Avventer kreditnota" in page
    assert statuses(payment) == ["held", "held", "awaiting"]
    assert "1 line is released" in act_on(made, anne, "release", payment, 1)
    assert "1 line is cancelled." in act_on(made, anne, "cancel", payment, 2)
    assert statuses(payment) == ["awaiting", "cancelled", "awaiting"]
    event = Event.objects.get(event="cancelled")
    assert (event.actor_name, event.detail) == ("Anne", {"reason": "Avventer kreditnota"})


@pytest.mark.parametrize("act", ["hold", "release", "cancel"])
def test_a_line_that_moved_on_stops_the_act_and_is_told(
    act: str, made: Stage, anne: Client
) -> None:
    payment = make(made, "P1")
    approve(payment)
    moves.move(lines_of(payment), lifecycle.SEND, by=actors.CLOCK, at=AT, within=[payment.pk])
    page = act_on(made, anne, act, payment, 1)
    told = {"release": "has gone to the bank"}.get(act, "a chosen line has moved on")
    assert told in page
    assert statuses(payment) == ["sending"] * 3


@pytest.mark.parametrize("act", ["", "delete", "CANCEL"])
def test_an_act_that_is_not_known_changes_no_line(act: str, made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    assert "Nothing was changed: choose what to do first." in act_on(made, anne, act, payment, 1)
    assert statuses(payment) == ["awaiting"] * 3


def test_no_line_chosen_and_foreign_lines_change_nothing(made: Stage, anne: Client) -> None:
    payment, other = make(made, "P1"), make(made, "P2")
    assert "Choose at least one line first." in act_on(made, anne, "hold", payment)
    foreign = list(lines_of(other).values_list("pk", flat=True))
    page = act_on(made, anne, "cancel", payment, line=foreign)
    assert "Nothing was changed" in page
    assert PaymentLine.objects.exclude(status="awaiting").count() == 0
    assert "Choose at least one line first." in act_on(made, anne, "hold", payment, line=["9" * 30])


def test_sending_again_is_only_for_what_could_not_be_delivered(made: Stage, anne: Client) -> None:
    payment = make(made, "P1")
    page = text_of(anne.post(f"{base(made)}{payment.pk}/send-again/", follow=True))
    assert "The file is not waiting to be sent again." in page
