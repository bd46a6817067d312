"""Codes: right ones pass once, wrong ones are bounded, whoever asks and however often."""

from __future__ import annotations

import datetime as dt
import time

import pytest
import time_machine
from django.db import connection
from django_otp.oath import TOTP

from portal.access import secondfactor
from portal.access.models import Authenticator, User
from tests import kit
from tests.portal.events.threads import together

NOON = dt.datetime(2026, 11, 23, 12, 0, 10, tzinfo=dt.UTC)


def enrolled() -> User:
    return kit.person("anne", kit.company())


def code_at(user: User, *, steps: int = 0) -> str:
    """The code that the app shows now, or so many steps of half a minute away."""
    device = Authenticator.objects.get(user=user)
    totp = TOTP(bytes.fromhex(device.secret), 30, 0, 6, 0)
    totp.time = time.time() + steps * 30
    return f"{totp.token():06d}"


def wrong_for(user: User) -> str:
    """A code that is right at no moment within two minutes."""
    right = {code_at(user, steps=steps) for steps in range(-4, 5)}
    return next(f"{number:06d}" for number in range(1000) if f"{number:06d}" not in right)


@pytest.fixture
def user(db: None) -> User:
    return enrolled()


@pytest.fixture
def noon() -> time_machine.Traveller:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def test_a_right_code_passes_and_tells_factor_and_device(
    user: User, noon: time_machine.Traveller
) -> None:
    proof = secondfactor.verify(user=user, code=code_at(user))
    device = Authenticator.objects.get(user=user)
    assert (proof.factor, proof.device_id, proof.at) == ("totp", device.pk, NOON)


def test_a_used_code_is_refused(user: User, noon: time_machine.Traveller) -> None:
    code = code_at(user)
    secondfactor.verify(user=user, code=code)
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=user, code=code)


def test_an_earlier_code_is_refused_once_a_later_one_was_used(
    user: User, noon: time_machine.Traveller
) -> None:
    earlier = code_at(user, steps=-1)
    secondfactor.verify(user=user, code=code_at(user))
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=user, code=earlier)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_clock_half_a_minute_off_is_tolerated(
    steps: int, user: User, noon: time_machine.Traveller
) -> None:
    assert secondfactor.verify(user=user, code=code_at(user, steps=steps))


@pytest.mark.parametrize("steps", [-20, -3, -2, 2, 3, 20])
def test_old_and_future_codes_are_refused(
    steps: int, user: User, noon: time_machine.Traveller
) -> None:
    near = {code_at(user, steps=near) for near in (-1, 0, 1)}
    code = code_at(user, steps=steps)
    if code in near:
        pytest.skip("one in a million: the far code is a near code too")
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=user, code=code)


def test_the_next_code_passes_half_a_minute_later(user: User, noon: time_machine.Traveller) -> None:
    secondfactor.verify(user=user, code=code_at(user))
    noon.shift(30)
    assert secondfactor.verify(user=user, code=code_at(user))


@pytest.mark.parametrize("write", ["{} {}", " {}{} ", "{}\u00a0{}".replace("\u00a0", "  ")])
def test_spaces_are_allowed(write: str, user: User, noon: time_machine.Traveller) -> None:
    code = code_at(user)
    assert secondfactor.verify(user=user, code=write.format(code[:3], code[3:]))


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "12345a", "-12345", "１２３４５６", "0x1234"]
)
def test_what_is_no_code_is_a_wrong_code(
    code: str, user: User, noon: time_machine.Traveller
) -> None:
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=user, code=code)


def test_a_user_without_an_authenticator_proves_nothing(user: User) -> None:
    Authenticator.objects.filter(user=user).update(confirmed=False)
    with pytest.raises(secondfactor.NotEnrolled):
        secondfactor.verify(user=user, code="123456")
    Authenticator.objects.filter(user=user).delete()
    with pytest.raises(secondfactor.NotEnrolled):
        secondfactor.verify(user=user, code="123456")


def test_another_persons_code_is_a_wrong_code(user: User, noon: time_machine.Traveller) -> None:
    other = kit.person("bjorn", kit.company(2))
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=user, code=code_at(other))


def test_after_a_wrong_code_even_the_right_one_must_wait(
    user: User, noon: time_machine.Traveller
) -> None:
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=user, code=wrong_for(user))
    with pytest.raises(secondfactor.TooManyTries) as refused:
        secondfactor.verify(user=user, code=code_at(user))
    assert NOON < refused.value.until <= NOON + dt.timedelta(seconds=1)
    noon.move_to(refused.value.until + dt.timedelta(milliseconds=1))
    assert secondfactor.verify(user=user, code=code_at(user))


def test_few_guesses_pass_in_a_minute_and_each_pause_is_longer(
    user: User, noon: time_machine.Traveller
) -> None:
    guess = wrong_for(user)
    at = []
    for quarter in range(60 * 4):
        noon.move_to(NOON + dt.timedelta(seconds=quarter / 4))
        try:
            secondfactor.verify(user=user, code=guess)
        except secondfactor.WrongCode:
            at.append(quarter / 4)
        except secondfactor.TooManyTries:
            continue
    assert 3 <= len(at) <= 10, at
    pauses = [later - earlier for earlier, later in zip(at, at[1:])]
    assert pauses == sorted(pauses)
    assert pauses[-1] >= 8


def test_fewer_than_thirty_guesses_pass_in_a_day(user: User, noon: time_machine.Traveller) -> None:
    guesses = 0
    when = NOON
    while when < NOON + dt.timedelta(days=1):
        noon.move_to(when)
        try:
            secondfactor.verify(user=user, code=wrong_for(user))
        except secondfactor.WrongCode:
            guesses += 1
        except secondfactor.TooManyTries as rest:
            when = rest.until + dt.timedelta(milliseconds=1)
    assert guesses < 30


def test_a_right_code_ends_the_slowness(user: User, noon: time_machine.Traveller) -> None:
    for _ in range(3):
        with pytest.raises(secondfactor.WrongCode):
            secondfactor.verify(user=user, code=wrong_for(user))
        noon.shift(5)
    secondfactor.verify(user=user, code=code_at(user))
    device = Authenticator.objects.get(user=user)
    assert device.throttling_failure_count == 0
    noon.shift(30)
    assert secondfactor.verify(user=user, code=code_at(user))


def test_one_persons_failures_do_not_slow_another(user: User, noon: time_machine.Traveller) -> None:
    other = kit.person("bjorn", kit.company(2))
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=user, code=wrong_for(user))
    assert secondfactor.verify(user=other, code=code_at(other))


def test_the_latest_authenticator_is_the_one_that_counts(
    user: User, noon: time_machine.Traveller
) -> None:
    old = code_at(user)
    new = Authenticator.objects.create(user=user, name="new phone", confirmed=True)
    totp = TOTP(bytes.fromhex(new.secret), 30, 0, 6, 0)
    totp.time = time.time()
    assert secondfactor.verify(user=user, code=f"{totp.token():06d}").device_id == new.pk
    with pytest.raises(secondfactor.WrongCode):
        secondfactor.verify(user=user, code=old)


def test_a_code_that_two_requests_show_at_once_passes_once(own_database: str) -> None:
    user = enrolled()
    for _ in range(5):
        code = kit.code_of(user)
        answers = together(*[lambda: secondfactor.verify(user=user, code=code)] * 4)
        passed = [answer for answer in answers if isinstance(answer, secondfactor.Proof)]
        others = [answer for answer in answers if not isinstance(answer, secondfactor.Proof)]
        assert len(passed) == 1, answers
        assert all(
            isinstance(answer, secondfactor.WrongCode | secondfactor.TooManyTries)
            for answer in others
        ), answers


def test_the_secret_of_an_authenticator_is_not_readable_in_the_database(user: User) -> None:
    device = Authenticator.objects.get(user=user)
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM access_authenticator WHERE id = %s", [device.pk])
        kept = bytes(cursor.fetchone()[0])
    assert device.secret.encode() not in kept
    assert bytes.fromhex(device.secret) not in kept
