"""The feed of events, the test of the connection: pages by cursor, one company's own alone."""

from __future__ import annotations

from typing import Any

import pytest

from portal import clock
from tests import kit
from tests.kit import Erp, Line, Stage

FIELDS = {
    "corrects",
    "sequence",
    "at",
    "event",
    "number",
    "reference",
    "lines",
    "status",
    "status_text",
    "erp_code",
    "reasons",
}


@pytest.fixture
def made(db: None, settings: Any) -> Stage:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return kit.stage()


def upload(erp: Erp, *numbers: str, wrong: int = 0) -> None:
    """Payments of two lines each, of which so many have a payee account that is wrong."""
    rows = {
        number: [
            Line(f"L{at}", "10.00", "1" if at < wrong else kit.account(70), message="Faktura 6")
            for at in range(2)
        ]
        for number in numbers
    }
    body = kit.pain001(rows, account=erp.made.agreement.account.number, due=clock.today())
    answer = erp.post("payments", body)
    assert answer.status_code == 201, answer.content


def cancelled(erp: Erp, *numbers: str) -> None:
    """Payments uploaded and cancelled: two events each, one a line."""
    upload(erp, *numbers)
    for number in numbers:
        answer = erp.post(f"payments/{number}/cancel", b"{}", media_type="application/json")
        assert answer.json()["cancelled"] == 2


def page(erp: Erp, after: int, limit: int) -> dict[str, Any]:
    answer = erp.get(f"events?after={after}&limit={limit}")
    assert answer.status_code == 200, answer.content
    told: dict[str, Any] = answer.json()
    return told


def test_ping_tells_whose_key_it_is(made: Stage) -> None:
    answer = Erp(made).get("ping")
    assert answer.status_code == 200
    told = answer.json()
    assert told["company"] == {
        "public_id": made.company.public_id,
        "name": made.company.name,
        "organisation_number": made.company.organisation_number,
    }
    assert told["time"][:10] == clock.now().isoformat()[:10]


def test_of_an_upload_only_what_was_stopped_is_told_the_rest_stood_in_the_answer(
    made: Stage,
) -> None:
    erp = Erp(made)
    upload(erp, "B1", wrong=1)
    events = erp.events()
    assert all(set(event) == FIELDS for event in events)
    (stopped,) = [event for event in events if event["event"] == "stopped"]
    assert (stopped["lines"], stopped["erp_code"]) == (1, 2)
    assert (stopped["number"], stopped["reference"], stopped["status"]) == ("B1", "L0", "stopped")
    (reason,) = stopped["reasons"]
    assert reason["code"] == "payee-account"
    assert reason["title"]
    assert reason["cure"]
    assert all(event["status_text"] for event in events)


def test_pages_follow_the_cursor_to_the_end_without_gap_or_repeat(made: Stage) -> None:
    erp = Erp(made)
    cancelled(erp, *[f"B{n}" for n in range(7)])
    whole = page(erp, 0, 1000)
    assert whole["more"] is False
    seen: list[int] = []
    cursor, more = 0, True
    while more:
        told = page(erp, cursor, 3)
        assert len(told["events"]) == 3 or not told["more"]
        seen += [event["sequence"] for event in told["events"]]
        assert told["next_after"] == seen[-1]
        cursor, more = told["next_after"], told["more"]
    assert seen == [event["sequence"] for event in whole["events"]] == sorted(set(seen))
    assert len(seen) == 14
    assert page(erp, cursor, 3) == {"events": [], "next_after": cursor, "more": False}
    cancelled(erp, "B9")
    assert [event["number"] for event in page(erp, cursor, 3)["events"]] == ["B9", "B9"]


def test_a_page_that_is_just_full_has_no_more(made: Stage) -> None:
    erp = Erp(made)
    cancelled(erp, "B1", "B2")
    count = len(page(erp, 0, 1000)["events"])
    assert page(erp, 0, count)["more"] is False
    assert page(erp, 0, count - 1)["more"] is True


def test_events_of_another_company_are_never_seen(made: Stage) -> None:
    mine, other = Erp(made), Erp(kit.stage(place=2))
    for turn in range(3):
        cancelled(mine, f"M{turn}")
        cancelled(other, f"O{turn}")
    numbers = {event["number"] for event in mine.events() if event["number"]}
    assert numbers == {"M0", "M1", "M2"}
    numbers = {event["number"] for event in other.events() if event["number"]}
    assert numbers == {"O0", "O1", "O2"}
    theirs = {event["sequence"] for event in other.events()}
    assert theirs.isdisjoint(event["sequence"] for event in mine.events())


def test_a_page_has_a_largest_size(made: Stage, settings: Any) -> None:
    settings.ERP_EVENTS_PAGE_MAX = 2
    erp = Erp(made)
    cancelled(erp, "B1", "B2", "B3")
    told = page(erp, 0, 1_000_000)
    assert (len(told["events"]), told["more"]) == (2, True)


def test_a_cursor_far_ahead_is_kept(made: Stage) -> None:
    erp = Erp(made)
    upload(erp, "B1")
    for cursor in (10**12, 2**63 - 1):
        assert page(erp, cursor, 10) == {"events": [], "next_after": cursor, "more": False}


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("after=-1", "query.after"),
        ("after=x", "query.after"),
        (f"after={2**63}", "query.after"),
        (f"after={10**30}", "query.after"),
        ("limit=0", "query.limit"),
        ("limit=-5", "query.limit"),
        ("limit=all", "query.limit"),
    ],
)
def test_a_cursor_or_limit_that_is_none_is_refused(made: Stage, query: str, place: str) -> None:
    kit.refusal(Erp(made).get(f"events?{query}"), 422, "invalid", place=place)


def test_words_follow_the_language_asked_for(made: Stage) -> None:
    erp = Erp(made)
    cancelled(erp, "B1")
    words = {}
    for language in ("nb", "en"):
        erp.client.defaults["HTTP_ACCEPT_LANGUAGE"] = language
        words[language] = erp.events()[-1]["status_text"]
    assert words["en"] == "Cancelled"
    assert words["nb"] == "Opphevet"
