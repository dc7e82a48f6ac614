"""Failed logins: how late they are answered, and that they lock out nobody but their sender."""

import pytest

from auth import throttle as throttling
from auth.errors import TooManyFailures
from auth.throttle import Throttle
from tests.parts.clock import Clock

HOME, ATTACKER = "192.0.2.1", "198.51.100.7"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def throttle(clock: Clock) -> Throttle:
    return Throttle(clock=clock)


def fail(throttle: Throttle, user: str, address: str) -> float:
    with throttle.attempt(user, address) as attempt:
        return attempt.failed()


def succeed(throttle: Throttle, user: str, address: str) -> None:
    with throttle.attempt(user, address) as attempt:
        attempt.succeeded()


def fill(throttle: Throttle, address: str) -> int:
    """Fail, as one who does not wait for the answers, until nothing is taken any more; give how often."""
    for number in range(1000):
        try:
            fail(throttle, f"user-{number}", address)
        except TooManyFailures:
            return number
    raise AssertionError("everything was taken")


def test_failures_are_answered_later_and_later(throttle: Throttle, clock: Clock) -> None:
    delays = []
    for _ in range(12):
        delays.append(fail(throttle, "alice", HOME))
        clock.now += delays[-1]
    assert delays == [0, 0, 0, 0.25, 0.5, 1, 2, 4, 5, 5, 5, 5]


def test_those_of_one_user_count_wherever_they_come_from(throttle: Throttle) -> None:
    assert [fail(throttle, "alice", f"192.0.2.{number}") for number in range(6)] == [0, 0, 0, 0.25, 0.5, 1]
    assert fail(throttle, "bob", "192.0.2.99") == 0


def test_those_of_one_address_count_whomever_they_name(throttle: Throttle) -> None:
    assert [fail(throttle, f"user-{number}", HOME) for number in range(6)] == [0, 0, 0, 0.25, 0.5, 1]
    assert fail(throttle, "", HOME) == 2
    assert fail(throttle, "another", "192.0.2.99") == 0


def test_after_a_quiet_quarter_of_an_hour_all_is_forgotten(throttle: Throttle, clock: Clock) -> None:
    for _ in range(20):
        clock.now += fail(throttle, "alice", HOME)
    clock.now += 890
    assert fail(throttle, "alice", HOME) == 5
    clock.now += 901
    assert fail(throttle, "alice", HOME) == 0


def test_an_address_that_does_not_wait_is_refused_until_its_answers_are_given(throttle: Throttle, clock: Clock) -> None:
    taken = fill(throttle, ATTACKER)
    assert taken == throttling._FREE + throttling._MOST_OF_ONE
    with pytest.raises(TooManyFailures) as caught:
        fail(throttle, "anyone", ATTACKER)
    assert 0 < caught.value.retry_after <= 5
    clock.now += caught.value.retry_after
    assert fail(throttle, "anyone", ATTACKER) == 5
    with pytest.raises(TooManyFailures):
        fail(throttle, "anyone", ATTACKER)


def test_what_an_attacker_can_try_in_an_hour_is_little(throttle: Throttle, clock: Clock) -> None:
    tries = 0
    end = clock.now + 3600
    while clock.now < end:
        try:
            fail(throttle, "alice", ATTACKER)
            tries += 1
        except TooManyFailures as refusal:
            clock.now += refusal.retry_after
    assert tries <= 3600 / 5 * throttling._MOST_OF_ONE + 50


def test_who_knows_the_password_is_let_in_from_a_new_address_during_an_attack(throttle: Throttle) -> None:
    for number in range(500):
        fail(throttle, "alice", f"198.51.{number // 250}.{number % 250}")
    # No exception, and a success has no delay at all.
    succeed(throttle, "alice", HOME)


def test_who_logged_in_from_an_address_is_let_in_and_not_slowed_by_others_there(throttle: Throttle) -> None:
    succeed(throttle, "alice", HOME)
    fill(throttle, HOME)
    with pytest.raises(TooManyFailures):
        succeed(throttle, "bob", HOME)
    succeed(throttle, "alice", HOME)
    assert fail(throttle, "alice", HOME) == 0


def test_guesses_at_an_address_that_is_known_are_slowed_too(throttle: Throttle, clock: Clock) -> None:
    succeed(throttle, "alice", HOME)
    for _ in range(12):
        delay = fail(throttle, "alice", HOME)
        # A success between them is no fresh start: it may be another's at the same address.
        succeed(throttle, "alice", HOME)
        clock.now += delay
    assert delay == 5
    for _ in range(throttling._MOST_OF_ONE):
        fail(throttle, "alice", HOME)
    with pytest.raises(TooManyFailures):
        fail(throttle, "alice", HOME)


def test_an_account_of_ones_own_does_not_help_to_guess_anothers(throttle: Throttle) -> None:
    for expected in (0, 0, 0, 0.25, 0.5):
        assert fail(throttle, "alice", ATTACKER) == expected
        succeed(throttle, "mallory", ATTACKER)


def test_all_addresses_together_are_bounded_but_for_who_is_known(throttle: Throttle) -> None:
    succeed(throttle, "alice", HOME)
    for number in range(throttling._FREE + throttling._MOST_OF_ALL):
        fail(throttle, "bob", f"10.0.{number // 250}.{number % 250}")
    with pytest.raises(TooManyFailures):
        succeed(throttle, "bob", HOME)
    succeed(throttle, "alice", HOME)


def test_many_who_log_in_rightly_at_once_from_one_address(throttle: Throttle) -> None:
    attempts = [throttle.attempt(f"user-{number}", HOME) for number in range(500)]
    entered = [attempt.__enter__() for attempt in attempts]
    for attempt, context in zip(entered, attempts, strict=True):
        attempt.succeeded()
        context.__exit__(None, None, None)
    assert throttle._all.checking == 0


def test_what_is_being_checked_counts_once_something_failed(throttle: Throttle) -> None:
    for _ in range(throttling._FREE + 1):
        fail(throttle, "alice", ATTACKER)
    attempts = [throttle.attempt("alice", ATTACKER) for _ in range(throttling._MOST_OF_ONE - 1)]
    for attempt in attempts:
        attempt.__enter__()
    with pytest.raises(TooManyFailures):
        fail(throttle, "alice", ATTACKER)
    for attempt in attempts:
        attempt.__exit__(None, None, None)
    assert fail(throttle, "alice", ATTACKER) > 0


def test_an_error_ends_the_attempt(throttle: Throttle) -> None:
    with pytest.raises(ZeroDivisionError), throttle.attempt("alice", HOME):
        raise ZeroDivisionError
    assert throttle._all.checking == 0


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "unknown", False),
    ],
)
def test_an_ipv6_network_is_one_address(throttle: Throttle, one: str, other: str, same: bool) -> None:
    for _ in range(5):
        fail(throttle, "", one)
    assert (fail(throttle, "", other) > 0) is same


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, throttle: Throttle, clock: Clock) -> None:
    monkeypatch.setattr(throttling, "_REMEMBERED", 100)
    for number in range(1000):
        clock.now += fail(throttle, f"user-{number}", f"10.1.{number // 250}.{number % 250}")
        succeed(throttle, f"user-{number}", f"10.2.{number // 250}.{number % 250}")
    assert len(throttle._failures) <= 100
    assert len(throttle._known) == 100
    clock.now += 10
    fail(throttle, "x", "y")
    assert len(throttle._all.due) <= 1
