"""Numbers of committed events: once each, in order, without gaps, and none missed by a reader."""

from __future__ import annotations

import threading

from django.db import connection, transaction
from django.utils import timezone

from portal.access import actors, tenancy
from portal.access.models import Company
from portal.events import moves, seal
from portal.events.models import Event
from tests import kit
from tests.portal.events.threads import together

EACH, WRITERS, SEALERS = 60, 4, 4


def write(company: Company, subject_id: int) -> None:
    moves.record(
        company_id=company.pk,
        event="tested",
        subject="payment",
        subject_id=subject_id,
        by=actors.CLOCK,
        at=timezone.now(),
    )


def read(company: Company, after: int = 0) -> list[tuple[int, int]]:
    """What a reader with a cursor gets: (number, subject) of what came after."""
    with tenancy.acting_for([company]):
        rows = Event.objects.filter(sequence__gt=after).order_by("sequence")
        return list(rows.values_list("sequence", "subject_id"))


def number(company: Company) -> int:
    with tenancy.acting_for([company]):
        return seal.number_committed()


def test_numbers_follow_the_order_of_writing_from_one(db: None) -> None:
    company = kit.company()
    assert number(company) == 0
    with tenancy.acting_for([company]):
        for subject in (11, 12, 13):
            write(company, subject)
    assert number(company) == 3
    assert read(company) == [(1, 11), (2, 12), (3, 13)]
    assert number(company) == 0
    with tenancy.acting_for([company]):
        write(company, 14)
    number(company)
    assert read(company, after=3) == [(4, 14)]


def test_numbers_are_one_row_for_all_companies(db: None) -> None:
    one, two = kit.company(1), kit.company(2)
    for company, subject in ((one, 1), (two, 2), (one, 3)):
        with tenancy.acting_for([company]):
            write(company, subject)
    assert (number(two), number(one)) == (1, 2)
    assert read(two) == [(1, 2)]
    assert read(one) == [(2, 1), (3, 3)]


def test_numbers_are_given_once_and_without_gaps_while_others_write_and_number(
    own_database: str,
) -> None:
    company = kit.company()
    writing = threading.Semaphore(0)
    done = threading.Event()
    left = [WRITERS]
    lock = threading.Lock()

    def writer(place: int) -> None:
        with tenancy.acting_for([company]):
            for turn in range(EACH):
                with transaction.atomic():
                    write(company, place * EACH + turn)
                    if turn % 7 == 0:
                        write(company, -1)
                        transaction.set_rollback(turn % 2 == 1)
        with lock:
            left[0] -= 1
            if not left[0]:
                done.set()
        writing.release()

    def sealer() -> int:
        given = 0
        while not done.is_set():
            given += number(company)
        return given + number(company)

    seen: list[tuple[int, int]] = []

    def reader() -> None:
        while not done.is_set():
            number(company)
            seen.extend(read(company, after=seen[-1][0] if seen else 0))

    works = [lambda place=place: writer(place) for place in range(WRITERS)]  # type: ignore[misc]
    answers = together(*works, *[sealer] * SEALERS, reader)
    assert not [answer for answer in answers if isinstance(answer, Exception)], answers
    number(company)
    seen.extend(read(company, after=seen[-1][0] if seen else 0))
    everything = read(company)
    with tenancy.acting_for([company]):
        assert Event.objects.count() == len(everything)
    assert [sequence for sequence, _ in everything] == list(range(1, len(everything) + 1))
    assert seen == everything
    for place in range(WRITERS):
        mine = [s for _, s in everything if s // EACH == place and s >= 0]
        assert mine == sorted(mine)


def test_a_transaction_that_began_first_and_commits_last_is_not_missed(own_database: str) -> None:
    company = kit.company()
    drawn, go = threading.Event(), threading.Event()

    def late() -> None:
        with tenancy.acting_for([company]), transaction.atomic():
            write(company, 1)
            drawn.set()
            assert go.wait(20)

    def early() -> list[list[tuple[int, int]]]:
        assert drawn.wait(20)
        with tenancy.acting_for([company]):
            write(company, 2)
        number(company)
        first = read(company)
        go.set()
        return [first]

    answers = together(late, early)
    assert answers == [None, [[(1, 2)]]]
    number(company)
    assert read(company, after=1) == [(2, 1)]
    with tenancy.acting_for([company]):
        ids = dict(Event.objects.values_list("subject_id", "id"))
    assert ids[1] < ids[2], "the late one drew its id first"


def test_what_was_rolled_back_leaves_no_hole(own_database: str) -> None:
    company = kit.company()
    with tenancy.acting_for([company]):
        write(company, 1)
        with transaction.atomic():
            write(company, 2)
            transaction.set_rollback(True)
        with transaction.atomic():
            write(company, 3)
            seal.number_committed()
            transaction.set_rollback(True)
        write(company, 4)
    number(company)
    assert read(company) == [(1, 1), (2, 4)]


def test_a_large_backlog_is_numbered_in_batches(db: None, monkeypatch: object) -> None:
    company = kit.company()
    monkeypatch.setattr(seal, "BATCH", 2)  # type: ignore[attr-defined]
    with tenancy.acting_for([company]):
        for subject in range(5):
            write(company, subject)
    assert [number(company) for _ in range(4)] == [2, 2, 1, 0]
    assert read(company) == [(place + 1, place) for place in range(5)]


def test_a_number_given_cannot_be_taken_back(db: None) -> None:
    company = kit.company()
    with tenancy.acting_for([company]):
        write(company, 1)
    number(company)
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_sequence FROM event_numbers")
        assert cursor.fetchone() == (1,)
