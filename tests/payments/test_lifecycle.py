"""The status a payment shows, for every way its lines can stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from payments import lifecycle

CODES = lifecycle.LINE.codes()
OPEN = {code for code in CODES if not lifecycle.LINE.statuses[code].final}
FINAL = set(CODES) - OPEN
COUNTS = st.dictionaries(st.sampled_from(CODES), st.integers(0, 100_000), max_size=len(CODES))


def present(counts: dict[str, int]) -> set[str]:
    return {code for code, rows in counts.items() if rows}


@given(COUNTS)
def test_a_payment_shows_a_final_status_only_when_every_line_is_final(
    counts: dict[str, int],
) -> None:
    status = lifecycle.payment_status(counts)
    lines = present(counts)
    assert lifecycle.PAYMENT_STATUSES[status].final == (bool(lines) and not lines & OPEN)


@given(COUNTS)
def test_an_open_payment_shows_a_status_that_one_of_its_lines_has(counts: dict[str, int]) -> None:
    status = lifecycle.payment_status(counts)
    lines = present(counts)
    if lines & OPEN:
        assert status in lines & OPEN
    elif len(lines) > 1:
        assert status == lifecycle.ENDED
    elif lines:
        assert {status} == lines
    else:
        assert status == lifecycle.AWAITING


@given(COUNTS, st.sampled_from(sorted(FINAL)))
def test_a_line_that_has_ended_never_hides_one_that_is_open(
    counts: dict[str, int], ended: str
) -> None:
    if present(counts) & OPEN:
        before = lifecycle.payment_status(counts)
        assert lifecycle.payment_status({**counts, ended: 1}) == before


@given(COUNTS)
def test_how_many_lines_stand_somewhere_does_not_matter(counts: dict[str, int]) -> None:
    once = {code: min(rows, 1) for code, rows in counts.items()}
    assert lifecycle.payment_status(once) == lifecycle.payment_status(counts)


def test_every_line_status_is_known_alone() -> None:
    for code in CODES:
        assert lifecycle.payment_status({code: 3}) == code
        assert code in lifecycle.PAYMENT_STATUSES


def test_a_payment_whose_lines_wait_for_a_signature_says_so() -> None:
    for other in CODES:
        status = lifecycle.payment_status({lifecycle.AWAITING: 1, other: 5})
        assert status == lifecycle.AWAITING
        assert lifecycle.signable(status)
        if other != lifecycle.AWAITING:
            status = lifecycle.payment_status({lifecycle.PARTLY: 1, other: 5})
            assert lifecycle.signable(status)


def test_every_status_has_a_label_a_meaning_and_a_known_tone() -> None:
    for status in lifecycle.PAYMENT_STATUSES.values():
        assert str(status.label)
        assert str(status.meaning).endswith(".")
        assert status.tone in {"neutral", "wait", "good", "bad"}


def test_the_erp_is_told_2_while_open_and_a_final_code_only_at_the_end() -> None:
    for code in CODES:
        status = lifecycle.LINE.statuses[code]
        assert (status.erp_code == 2) == (not status.final), code
        assert status.erp_code in {2, 4, 5, 7, None}


def test_only_the_bank_settles_rejects_and_returns_but_for_what_is_set_by_hand() -> None:
    from portal.access.actors import ActorKind

    by_hand = set(lifecycle.BY_HAND.values())
    assert all(m.who == {ActorKind.USER} for m in by_hand)
    for target in (lifecycle.SETTLED, lifecycle.REJECTED, lifecycle.RETURNED, lifecycle.ACCEPTED):
        makers = {m for m in lifecycle.LINE.moves.values() if m.target == target} - by_hand
        assert makers
        assert all(m.who == {ActorKind.BANK} for m in makers)


def test_nothing_reaches_the_bank_but_over_an_approval() -> None:
    before = {m for m in lifecycle.LINE.moves.values() if m.target == lifecycle.SENDING}
    sources = set().union(*(m.sources for m in before))
    assert sources == {lifecycle.APPROVED, lifecycle.UNDELIVERED}
    approving = {m for m in lifecycle.LINE.moves.values() if m.target == lifecycle.APPROVED}
    assert all(m.who == {m_who for m_who in m.who if m_who == "user"} for m in approving)
