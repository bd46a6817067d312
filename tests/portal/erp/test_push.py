"""Events pushed to an ERP: each is delivered, in order for each payment, signed, and to nobody else.

More of them, as after a day on which the ERP was down:

    KVITT_PUSHED=100000 ./test tests/portal/erp/test_push.py -k day -n0 -s
"""

from __future__ import annotations

import datetime as dt
import os
import time
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Max
from django.utils import timezone
from standardwebhooks import Webhook

from portal import clock
from portal.access import tenancy
from portal.access.roles import Role
from portal.erp import positions, posting, push, tasks
from portal.erp.models import PushTarget, PushWaiting
from portal.events import seal
from portal.events.models import Event
from portal.people import changes
from portal.people.models import Change
from portal.pushing import services
from tests import kit
from tests.kit import Erp as KeyedErp
from tests.kit import Stage
from tests.portal.erp.receiver import Erp, listening
from tests.portal.events.threads import together

pytestmark = pytest.mark.usefixtures("own_database")
PUSHED = int(os.environ.get("KVITT_PUSHED", "2000"))


@pytest.fixture
def made(own_database: str) -> Stage:
    made = kit.stage()
    made.users["kari"] = kit.person("kari", made.company, Role.AUTOPAY_ADMINISTRATOR)
    return made


def target(made: Stage, erp: Erp) -> PushTarget:
    """The company pushes to this ERP from now on."""
    by = changes.By(made.users["kari"], "kari", None, clock.now())
    with made.scope(), tenancy.acting_for([made.company], customers=[made.company.customer]):
        row = services.set_up(company=made.company, address=erp.address, language="nb", by=by)
    erp.secret = str(row.secret)
    return row


def happen(made: Stage, *numbers: str, told: bool = True, salary: bool = False) -> list[int]:
    """An event of each of these payments, in this order; their numbers in the feed."""
    now = clock.now()
    with made.scope():
        rows = Event.objects.bulk_create(
            Event(
                company=made.company,
                at=now,
                event="approved",
                subject="line",
                subject_id=place,
                number=number,
                reference=f"{number}-{place}",
                status="approved",
                erp_code=3,
                told=told,
                salary=salary,
                actor_kind="clock",
            )
            for place, number in enumerate(numbers)
        )
        seal.number_committed()
        found = Event.objects.filter(pk__in=[row.pk for row in rows]).order_by("pk")
        return [int(one) for one in found.values_list("sequence", flat=True)]


def go(made: Stage) -> int:
    with made.scope():
        return push.push(company=made.company)


def state(made: Stage) -> PushTarget:
    with made.scope():
        return PushTarget.objects.get(company=made.company)


def waiting(made: Stage) -> list[tuple[int, int, bool]]:
    """(number in the feed, tries, given up) of what waits."""
    with made.scope():
        rows = PushWaiting.objects.filter(company=made.company).order_by("sequence")
        return [(row.sequence, row.tries, row.given_up_at is not None) for row in rows]


def later(**much: float) -> None:
    clock.advance(by=dt.timedelta(**much))


def due(made: Stage) -> bool:
    with made.scope():
        return made.company.pk in push.due(at=clock.now())


# --- delivered ------------------------------------------------------------------------------------


def test_what_happens_is_sent_signed_and_as_the_feed_tells_it(made: Stage) -> None:
    happen(made, "EARLIER")
    with listening(Erp()) as erp:
        target(made, erp)
        assert not due(made)
        numbers = happen(made, "A", "B", "A")
        happen(made, "SECRET", told=False)
        assert due(made)
        assert go(made) == 3
        assert not due(made)
    feed = KeyedErp(made).events()
    told = {row["sequence"]: row for row in feed}
    assert sorted(erp.ids()) == sorted(f"evt_{number}" for number in numbers)
    for message in erp.taken:
        data = dict(message["data"])
        assert data.pop("company") == made.company.public_id
        assert data == told[data["sequence"]]
        assert (message["type"], message["timestamp"]) == ("payment.approved", data["at"])
    assert erp.of("A") == [numbers[0], numbers[2]]
    assert erp.forged == 0
    with made.scope():
        last = Event.objects.aggregate(last=Max("sequence"))["last"]
        assert state(made).cursor == last, "what the ERP is not told of is passed"
        position = positions.of(made.company)
        assert position is not None
        assert position.cursor == last, "the daily check sees that the ERP has it"


def test_each_company_sends_to_its_own_erp_alone(made: Stage) -> None:
    other = kit.stage(place=2)
    other.users["kari"] = kit.person("lise", other.company, Role.AUTOPAY_ADMINISTRATOR)
    with listening(Erp()) as mine, listening(Erp()) as theirs:
        target(made, mine)
        target(other, theirs)
        own, others = happen(made, "A", "A"), happen(other, "A")
        with tenancy.acting_for([made.company, other.company]):
            assert push.due(at=clock.now()) == [made.company.pk, other.company.pk]
        for company in (made.company, other.company):
            tasks.push_one(company.pk)
    assert (mine.of("A"), theirs.of("A")) == (own, others)


def test_what_is_refused_holds_up_its_own_payment_alone(made: Stage) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
        numbers = happen(made, "A", "B", "A", "B", "A")
        erp.judge = lambda message: 422 if message["data"]["number"] == "A" else 200
        assert go(made) == 2
        assert waiting(made) == [
            (numbers[0], 1, False),
            (numbers[2], 0, False),
            (numbers[4], 0, False),
        ]
        assert state(made).failures == 0
        assert not due(made)
        assert go(made) == 0
        more = happen(made, "A", "C")
        assert go(made) == 1
        assert [one["data"]["sequence"] for one in erp.seen].count(numbers[0]) == 1
        later(seconds=6)
        assert due(made)
        go(made)
        assert waiting(made)[0] == (numbers[0], 2, False)
        erp.judge = lambda message: 200
        later(seconds=40)
        assert go(made) == 4
        assert erp.of("A") == [numbers[0], numbers[2], numbers[4], more[0]]
        assert (erp.of("B"), erp.of("C")) == ([numbers[1], numbers[3]], [more[1]])
        assert waiting(made) == []


def test_a_payment_with_more_waiting_than_a_batch_stops_no_other(
    made: Stage, monkeypatch: Any
) -> None:
    monkeypatch.setattr(push, "BATCH", 5)
    with listening(Erp()) as erp:
        target(made, erp)
        erp.judge = lambda message: 422 if message["data"]["number"] == "A" else 200
        happen(made, *["A"] * 12, "B")
        happen(made, *["A"] * 6, "C")
        assert go(made) == 2
        assert (len(erp.of("B")), len(erp.of("C"))) == (1, 1)
        assert len(waiting(made)) == 18
        erp.judge = lambda message: 200
        later(seconds=10)
        assert go(made) == 18
        assert erp.of("A") == sorted(erp.of("A"))


def test_what_is_refused_for_days_is_given_up_and_its_payment_goes_on(made: Stage) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
        first, second = happen(made, "A", "A")
        erp.judge = lambda message: 400 if message["data"]["sequence"] == first else 200
        for _hour in range(24 * 5 + 2):
            go(made)
            later(hours=1.2)
        assert waiting(made) == [(first, waiting(made)[0][1], True)]
        assert erp.of("A") == [second]
        assert waiting(made)[0][1] > 100
        erp.judge = lambda message: 200
        with made.scope():
            rows = Event.objects.filter(sequence=first)
            assert push.again(company=made.company, events=rows, at=clock.now()) == 1
        assert go(made) == 1
        assert (erp.of("A"), waiting(made)) == ([second, first], [])


def test_an_erp_that_is_down_for_a_day_gets_everything_in_order(made: Stage) -> None:
    payments = [f"P{place % 97:03d}" for place in range(PUSHED)]
    with listening(Erp()) as erp:
        target(made, erp)
        port = erp.port
    part = len(payments) // 24 + 1
    numbers: list[int] = []
    for hour in range(24):
        for at in range(hour * part, min((hour + 1) * part, len(payments)), 20_000):
            numbers += happen(made, *payments[at : min(at + 20_000, (hour + 1) * part)])
        go(made)
        later(hours=1.1)
    assert state(made).active
    assert (erp.taken, state(made).answer) == ([], "no-connection")
    assert len(kit.letters(kind="erp.push_fails")) == 1, "told once, to the one who holds the keys"
    assert len(waiting(made)) <= push.BATCH
    began = time.monotonic()
    with listening(erp, port=port):
        while due(made):
            go(made)
    took = time.monotonic() - began
    print(f"\n{len(numbers)} events after a day: {took:.1f} s, {len(numbers) / took:.0f} a second")
    taken = [one["data"]["sequence"] for one in erp.taken]
    assert sorted(taken) == numbers, "each once"
    for number in set(payments):
        assert erp.of(number) == sorted(erp.of(number))
    assert erp.forged == 0
    assert (waiting(made), state(made).failing_since) == ([], None)


def test_messages_of_several_payments_are_under_way_at_once(made: Stage) -> None:
    def slow(message: dict[str, Any]) -> int:
        time.sleep(0.05)
        return 200

    with listening(Erp(judge=slow)) as erp:
        target(made, erp)
        happen(made, *[f"P{place % 10}" for place in range(60)])
        assert go(made) == 60
    assert 3 < erp.most <= push.LANES
    for place in range(10):
        assert erp.of(f"P{place}") == sorted(erp.of(f"P{place}"))


def test_one_that_stays_down_is_stopped_and_loses_nothing(made: Stage) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
    numbers = happen(made, "A", "B")
    for _try in range(5 * 24 + 2):
        go(made)
        later(hours=1.2)
    assert not state(made).active
    assert len(kit.letters(kind="erp.push_fails")) == 2
    assert not due(made)
    numbers += happen(made, "A")
    by = changes.By(made.users["kari"], "kari", None, clock.now())
    with listening(erp, port=erp.port):
        with made.scope(), tenancy.acting_for([made.company], customers=[made.company.customer]):
            assert services.switch(company=made.company, on=True, by=by)
        go(made)
    assert sorted(one["data"]["sequence"] for one in erp.taken) == numbers


def test_one_that_wants_no_more_is_stopped_at_once(made: Stage) -> None:
    with listening(Erp(judge=lambda message: 410)) as erp:
        target(made, erp)
        happen(made, "A")
        go(made)
    assert (state(made).active, state(made).answer) == (False, "status-410")
    assert len(kit.letters(kind="erp.push_fails")) == 1


@pytest.mark.parametrize("status", [301, 307, 401, 404, 429, 500, 503])
def test_what_is_wrong_with_the_erp_stops_all_and_is_tried_again(made: Stage, status: int) -> None:
    elsewhere = Erp()
    with listening(elsewhere), listening(Erp(judge=lambda message: status)) as erp:
        erp.headers = {"Location": elsewhere.address, "Retry-After": "120"}
        target(made, erp)
        happen(made, *"ABCDEFGH")
        assert go(made) == 0
        row = state(made)
        assert (row.answer, row.failures, elsewhere.seen) == (f"status-{status}", 1, [])
        wait = (row.next_try_at - clock.now()).total_seconds()
        assert 110 < wait <= 120, "as long as the ERP asks for"
        assert not due(made)
        later(seconds=121)
        erp.judge = lambda message: 200
        while due(made):
            go(made)
        assert len(erp.taken) == 8


# --- faults of ours -------------------------------------------------------------------------------


def test_a_worker_killed_after_sending_sends_the_same_again(
    made: Stage, own_database: str, tmp_path: Path
) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
        numbers = happen(made, "A", "B", "A")
        log = tmp_path / "worker.log"
        with kit.Worker(own_database, log, KVITT_FAULT_POINT="push.sent") as worker:
            tasks.push_one.apply_async((made.company.pk,))
            assert worker.dies(), log.read_text()[-2000:]
        assert len(erp.taken) == 3
        assert state(made).cursor < numbers[0], "nothing was written down"
        assert go(made) == 0, "the dead worker's turn is not over"
        with made.scope():
            PushTarget.objects.update(busy_until=None)
        assert go(made) == 3
    assert sorted(erp.ids()) == sorted(2 * [f"evt_{number}" for number in numbers])
    assert erp.of("A") == [numbers[0], numbers[2]] * 2


def from_outside(act: Any) -> Any:
    """A judge that lets this be done once, while the first message is under way, as a request of
    somebody's would; every message takes a while."""
    left = [act]

    def judge(message: dict[str, Any]) -> int:
        if left:
            act = left.pop()
            try:
                act()
            finally:
                connection.close()
        time.sleep(0.02)
        return 200

    return judge


def test_once_it_is_switched_off_no_more_is_sent(made: Stage) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
        happen(made, *["A"] * 200)
        by = changes.By(made.users["kari"], "kari", None, clock.now())

        def off() -> None:
            with tenancy.acting_for([made.company], customers=[made.company.customer]):
                services.switch(company=made.company, on=False, by=by)

        erp.judge = from_outside(off)
        assert go(made) == 0
        assert len(erp.seen) < 100, "within a moment"
        before = len(erp.seen)
        assert go(made) == 0
        assert len(erp.seen) == before


def test_what_is_to_be_sent_once_more_is_not_sent_over_and_over(made: Stage) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
        numbers = happen(made, *["A"] * 20)
        since = clock.now() - dt.timedelta(hours=1)

        def again() -> None:
            with made.scope():
                push.again_since(company=made.company, since=since, at=clock.now())

        erp.judge = from_outside(again)
        assert go(made) == 0
        assert len(erp.seen) <= 20
        erp.taken.clear()
        assert go(made) == 20
    assert erp.of("A") == numbers


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        ("9" * 5000, 3590, 3601),
        ("soon", 4, 6),
        ("-7", 4, 6),
        ("date", 590, 600),
        ("99999999", 3590, 3600),
    ],
)
def test_how_long_an_erp_asks_to_wait(made: Stage, asked: str, least: int, most: int) -> None:
    if asked == "date":
        asked = format_datetime(timezone.now() + dt.timedelta(seconds=600), usegmt=True)
    with listening(Erp(judge=lambda message: 503)) as erp:
        erp.headers = {"Retry-After": asked}
        target(made, erp)
        happen(made, "A")
        assert go(made) == 0
        wait = (state(made).next_try_at - clock.now()).total_seconds()
        assert least <= wait <= most
        assert state(made).failures == 1


def test_two_workers_at_once_send_each_message_once(made: Stage) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
        numbers = happen(made, *[f"P{place % 7}" for place in range(200)])
        answers = together(*[lambda: go(made)] * 4)
        assert sum(answers) == 200, answers
    assert sorted(one["data"]["sequence"] for one in erp.taken) == numbers


def test_an_erp_that_answers_without_end_is_hung_up_on(made: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr(posting, "SECONDS", 1)
    monkeypatch.setattr(push, "TURN_SECONDS", 2)
    with listening(Erp(drip=0.2)) as erp:
        target(made, erp)
        happen(made, "A", "B")
        began = time.monotonic()
        assert go(made) == 0
        assert time.monotonic() - began < 10
        assert state(made).failures == 1
        erp.drip = 0.0
        later(seconds=10)
        assert go(made) == 2


# --- the address ----------------------------------------------------------------------------------

FORBIDDEN = [
    ("http://erp.example.no/x", "scheme"),
    ("ftp://erp.example.no/x", "scheme"),
    ("https://127.0.0.1/x", "private"),
    ("https://localhost/x", "private"),
    ("https://[::1]/x", "private"),
    ("https://[::ffff:127.0.0.1]/x", "private"),
    ("https://[::127.0.0.1]/x", "private"),
    ("https://[::ffff:0:127.0.0.1]/x", "private"),
    ("https://[64:ff9b::127.0.0.1]/x", "private"),
    ("https://[64:ff9b::10.0.0.1]/x", "private"),
    ("https://[64:ff9b:1::1]/x", "private"),
    ("https://[fec0::1]/x", "private"),
    ("https://192.0.0.9/x", "private"),
    ("https://10.0.0.1/x", "private"),
    ("https://192.168.1.1:8443/x", "private"),
    ("https://169.254.169.254/latest/meta-data", "private"),
    ("https://0.0.0.0/x", "private"),
    ("https://2130706433/x", "private"),
    ("https://user:pw@erp.example.no/x", "user"),
    ("https://no-such-host.invalid/x", "unknown-host"),
    ("https:///x", "shape"),
    ("https://erp.example.no:99999/x", "shape"),
    ("erp.example.no", "shape"),
    ("https://erp.example.no/\r\nX: y", "shape"),
    ("https://erp.example.no/" + "x" * 500, "shape"),
]


@pytest.mark.parametrize(("address", "code"), FORBIDDEN)
def test_an_address_that_leads_astray_is_refused(address: str, code: str) -> None:
    with pytest.raises(posting.BadAddress) as error:
        posting.Poster(address, [services.new_secret()], private=False, most=1)
    assert error.value.code == code


def test_an_address_that_turns_into_ours_is_not_connected_to(made: Stage, settings: Any) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
        happen(made, "A")
        settings.PUSH_PRIVATE_NETWORKS = False
        with made.scope():
            port = erp.port
            PushTarget.objects.update(address=f"https://localhost:{port}/events")
        assert go(made) == 0
        assert (state(made).answer, erp.seen) == ("private", [])


def test_a_new_secret_signs_along_with_the_former_for_a_day(made: Stage) -> None:
    seen: list[dict[str, str]] = []
    with listening(Erp()) as erp:
        before = str(target(made, erp).secret)
        by = changes.By(made.users["kari"], "kari", None, clock.now())
        with made.scope(), tenancy.acting_for([made.company], customers=[made.company.customer]):
            row = services.replace_secret(company=made.company, by=by)
            assert str(row.secret) != before
            assert Change.objects.filter(act="push.secret").exists()
            assert before not in str(list(Change.objects.values_list("before", "after")))
        for secret in (before, str(row.secret)):
            erp.secret = secret
            happen(made, "A")
            assert go(made) == 1
        with made.scope():
            PushTarget.objects.update(old_until=dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1))
        erp.secret = before
        happen(made, "A")
        assert go(made) == 0
        assert erp.forged == 1
    assert seen == []
    assert Webhook(before)


def test_messages_are_sent_once_more_in_their_order(made: Stage) -> None:
    with listening(Erp()) as erp:
        target(made, erp)
        old = happen(made, "A", "B")
        later(days=2)
        new = happen(made, "A", "A", "B")
        go(made)
        with made.scope():
            push.again_since(
                company=made.company, since=clock.now() - dt.timedelta(days=1), at=clock.now()
            )
        assert due(made)
        assert go(made) == 3
        assert erp.of("A") == [old[0], new[0], new[1], new[0], new[1]]
        with made.scope():
            rows = Event.objects.filter(sequence__in=[old[0], new[1]])
            assert push.again(company=made.company, events=rows, at=clock.now()) == 2
        assert go(made) == 2
        assert erp.of("A")[-2:] == [old[0], new[1]]


# --- the pages ------------------------------------------------------------------------------------


def browser(made: Stage, name: str = "kari") -> Any:
    client = kit.signed_in(made.users[name])
    client.cookies["kvitt_language"] = "en"
    return client


def base(made: Stage) -> str:
    return f"/c/{made.company.public_id}/administration/push/"


def told(page: Any) -> str:
    return " ".join(page.content.decode().split())


def test_an_administrator_sets_it_up_tests_it_and_switches_it_off(made: Stage) -> None:
    kari = browser(made)
    assert "Where should they go?" in told(kari.get(base(made)))
    page = kari.post(base(made), {"address": "https://user@x.no/", "language": "nb"})
    assert page.status_code == 422
    assert "Leave user name and password out" in told(page)
    with listening(Erp()) as erp:
        page = kari.post(base(made), {"address": erp.address, "language": "en"}, follow=True)
        assert "Saved. Events are sent to the address from now on." in told(page)
        erp.secret = str(state(made).secret)
        page = kari.post(f"{base(made)}change/", {"act": "test"}, follow=True)
        assert "The push works" in told(page)
        assert [one["type"] for one in erp.taken] == ["test"]
        erp.judge = lambda message: 503
        page = kari.post(f"{base(made)}change/", {"act": "test"}, follow=True)
        assert "the ERP failed (503)" in told(page)
        happen(made, "A")
        go(made)
        page = told(kari.get(base(made)))
        assert "The ERP has taken nothing since" in page
        assert "the ERP failed (503)" in page
        page = kari.post(f"{base(made)}change/", {"act": "off"}, follow=True)
        assert "It is switched off" in told(page)
        later(hours=1)
        assert not due(made)
        erp.judge = lambda message: 200
        page = kari.post(f"{base(made)}change/", {"act": "on"}, follow=True)
        assert "Events are sent again" in told(page)
        go(made)
        assert len(erp.of("A")) == 1
    log = told(kari.get(f"/c/{made.company.public_id}/administration/log/"))
    for text in ("Push of events set up", "Push of events switched off", "Address for events"):
        assert text in log


def test_the_list_tells_what_the_erp_has_and_sends_once_more(made: Stage) -> None:
    kari = browser(made)
    happen(made, "LØNN", salary=True)
    with listening(Erp()) as erp:
        target(made, erp)
        happen(made, "TATT", "NEKTET")
        erp.judge = lambda message: 422 if message["data"]["number"] == "NEKTET" else 200
        go(made)
        page = told(kari.get(f"{base(made)}messages/"))
        assert "LØNN" not in page, "salary is seen by those alone who see salary"
        assert "the ERP refused it (422)" in page
        page = told(kari.get(f"{base(made)}messages/?tab=waits"))
        assert "NEKTET" in page
        assert ">TATT" not in page
        erp.judge = lambda message: 200
        with made.scope():
            rows = Event.objects.filter(number__in=["TATT", "NEKTET"], told=True)
            ids = list(rows.values_list("pk", flat=True))
        page = kari.post(f"{base(made)}again/", {"event": ids}, follow=True)
        assert "2 messages are sent once more" in told(page)
        go(made)
        assert (len(erp.of("TATT")), len(erp.of("NEKTET"))) == (2, 1)
        today = clock.today()
        page = kari.post(f"{base(made)}since/", {"first_day": f"{today:%d.%m.%Y}"}, follow=True)
        assert "is sent once more, in its order" in told(page)
        go(made)
        assert (len(erp.of("TATT")), len(erp.of("NEKTET"))) == (3, 2)
        page = kari.post(f"{base(made)}since/", {"first_day": "i går"}, follow=True)
        assert "Nothing was sent" in told(page)


def test_who_does_not_hold_the_keys_is_kept_out(made: Stage) -> None:
    anne = browser(made, "anne")
    for address in (base(made), f"{base(made)}messages/"):
        assert anne.get(address).status_code == 403
    for address in ("change/", "again/", "since/"):
        assert anne.post(f"{base(made)}{address}").status_code == 403
