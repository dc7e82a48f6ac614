"""Failed logins: how late they are answered, and that they lock out nobody but their sender."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


async def fail(throttle: Throttle, user: str, address: str) -> float:
    async with throttle.attempt(user, address) as attempt:
        return attempt.failed()


async def succeed(throttle: Throttle, user: str, address: str) -> None:
    async with throttle.attempt(user, address) as attempt:
        attempt.succeeded()


async def fill(throttle: Throttle, address: str) -> int:
    """Fail, as one who does not wait for the answers, until nothing is taken any more; give how often."""
    for number in range(1000):
        try:
            await fail(throttle, f"user-{number}", address)
        except TooManyFailures:
            return number
    raise AssertionError("everything was taken")


async def test_failures_are_answered_later_and_later(throttle: Throttle, clock: Clock) -> None:
    delays = []
    for _ in range(12):
        delays.append(await fail(throttle, "alice", HOME))
        clock.now += delays[-1]
    assert delays == [0, 0, 0, 0.25, 0.5, 1, 2, 4, 5, 5, 5, 5]


async def test_those_of_one_user_count_wherever_they_come_from(throttle: Throttle) -> None:
    assert [await fail(throttle, "alice", f"192.0.2.{number}") for number in range(6)] == [0, 0, 0, 0.25, 0.5, 1]
    assert await fail(throttle, "bob", "192.0.2.99") == 0


async def test_those_of_one_address_count_whomever_they_name(throttle: Throttle) -> None:
    assert [await fail(throttle, f"user-{number}", HOME) for number in range(6)] == [0, 0, 0, 0.25, 0.5, 1]
    assert await fail(throttle, "", HOME) == 2
    assert await fail(throttle, "another", "192.0.2.99") == 0


async def test_after_a_quiet_quarter_of_an_hour_all_is_forgotten(throttle: Throttle, clock: Clock) -> None:
    for _ in range(20):
        clock.now += await fail(throttle, "alice", HOME)
    clock.now += 890
    assert await fail(throttle, "alice", HOME) == 5
    clock.now += 901
    assert await fail(throttle, "alice", HOME) == 0


async def test_an_address_that_does_not_wait_is_refused_until_its_answers_are_given(
    throttle: Throttle, clock: Clock
) -> None:
    taken = await fill(throttle, ATTACKER)
    assert taken == throttling._FREE + throttling._MOST_OF_ONE
    with pytest.raises(TooManyFailures) as caught:
        await fail(throttle, "anyone", ATTACKER)
    assert 0 < caught.value.retry_after <= 5
    clock.now += caught.value.retry_after
    assert await fail(throttle, "anyone", ATTACKER) == 5
    with pytest.raises(TooManyFailures):
        await fail(throttle, "anyone", ATTACKER)


async def test_what_an_attacker_can_try_in_an_hour_is_little(throttle: Throttle, clock: Clock) -> None:
    tries = 0
    end = clock.now + 3600
    while clock.now < end:
        try:
            await fail(throttle, "alice", ATTACKER)
            tries += 1
        except TooManyFailures as refusal:
            clock.now += refusal.retry_after
    assert tries <= 3600 / 5 * throttling._MOST_OF_ONE + 50


async def test_who_knows_the_password_is_let_in_from_a_new_address_during_an_attack(throttle: Throttle) -> None:
    for number in range(500):
        await fail(throttle, "alice", f"198.51.{number // 250}.{number % 250}")
    # No exception, and a success has no delay at all.
    await succeed(throttle, "alice", HOME)


async def test_who_logged_in_from_an_address_is_let_in_there_whatever_others_do(throttle: Throttle) -> None:
    await succeed(throttle, "alice", HOME)
    await fill(throttle, HOME)
    with pytest.raises(TooManyFailures):
        await succeed(throttle, "bob", HOME)
    await succeed(throttle, "alice", HOME)
    with pytest.raises(TooManyFailures):
        await fail(throttle, "alice", HOME)


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["alice", "bob", ""]), st.sampled_from([HOME, ATTACKER]), st.integers(1, 25)),
        st.floats(0, 1000),
    ),
    max_size=30,
)


@given(steps)
async def test_no_answer_to_a_failure_tells_who_logged_in_before(steps: list[tuple[str, str, int] | float]) -> None:
    clocks = Clock(), Clock()
    known, unknown = (Throttle(clock=clock) for clock in clocks)
    await succeed(known, "alice", HOME)

    async def answer(throttle: Throttle, user: str, address: str) -> float:
        try:
            return await fail(throttle, user, address)
        except TooManyFailures as refusal:
            return -refusal.retry_after

    for step in steps:
        if isinstance(step, float):
            for clock in clocks:
                clock.now += step
        else:
            *who, times = step
            for _ in range(times):
                assert await answer(known, *who) == await answer(unknown, *who)


async def test_guesses_at_who_is_known_are_bounded_while_others_there_are_refused(throttle: Throttle) -> None:
    await succeed(throttle, "alice", HOME)
    await fill(throttle, HOME)
    for _ in range(100):
        with pytest.raises(TooManyFailures):
            await fail(throttle, "alice", HOME)
    assert throttle._failures["alice", HOME].count <= throttling._FREE + throttling._MOST_OF_ONE
    with pytest.raises(TooManyFailures):
        await succeed(throttle, "alice", HOME)


async def test_guesses_at_an_address_that_is_known_are_slowed_too(throttle: Throttle, clock: Clock) -> None:
    await succeed(throttle, "alice", HOME)
    for _ in range(12):
        delay = await fail(throttle, "alice", HOME)
        # A success between them is no fresh start: it may be another's at the same address.
        await succeed(throttle, "alice", HOME)
        clock.now += delay
    assert delay == 5
    for _ in range(throttling._MOST_OF_ONE):
        await fail(throttle, "alice", HOME)
    with pytest.raises(TooManyFailures):
        await fail(throttle, "alice", HOME)


async def test_an_account_of_ones_own_does_not_help_to_guess_anothers(throttle: Throttle) -> None:
    for expected in (0, 0, 0, 0.25, 0.5):
        assert await fail(throttle, "alice", ATTACKER) == expected
        await succeed(throttle, "mallory", ATTACKER)


async def test_all_addresses_together_are_bounded_but_for_who_is_known(throttle: Throttle) -> None:
    await succeed(throttle, "alice", HOME)
    for number in range(throttling._FREE + throttling._MOST_OF_ALL):
        await fail(throttle, "bob", f"10.0.{number // 250}.{number % 250}")
    with pytest.raises(TooManyFailures):
        await succeed(throttle, "bob", HOME)
    await succeed(throttle, "alice", HOME)


class Checks:
    """Logins that are checked together, each until the test says how it ends."""

    def __init__(self, throttle: Throttle) -> None:
        self.throttle = throttle
        self.under_way: list[asyncio.Future[bool]] = []
        self.most = 0

    async def log_in(self, user: str, address: str) -> float | None:
        """Give the delay of a failure, None for a success."""
        async with self.throttle.attempt(user, address) as attempt:
            outcome = asyncio.get_running_loop().create_future()
            self.under_way.append(outcome)
            self.most = max(self.most, len(self.under_way))
            if await outcome:
                attempt.succeeded()
                return None
            return attempt.failed()

    async def end_all(self, logins: "list[asyncio.Task[float | None]]", *, right: bool) -> None:
        """End checks, the first first, until there are no more."""
        while not all(login.done() for login in logins):
            await asyncio.sleep(0)
            if self.under_way:
                self.under_way.pop(0).set_result(right)


async def test_many_who_log_in_rightly_at_once_from_one_address(throttle: Throttle) -> None:
    checks = Checks(throttle)
    logins = [asyncio.create_task(checks.log_in(f"user-{number}", HOME)) for number in range(500)]
    await checks.end_all(logins, right=True)
    assert [login.result() for login in logins] == [None] * 500
    assert checks.most == throttling._MOST_OF_ONE
    assert throttle._all.checking == 0


async def test_of_a_burst_of_guesses_no_more_are_checked_than_one_by_one(throttle: Throttle) -> None:
    checks = Checks(throttle)
    logins = [asyncio.create_task(checks.log_in("alice", ATTACKER)) for _ in range(200)]
    await checks.end_all(logins, right=False)
    answers = await asyncio.gather(*logins, return_exceptions=True)
    assert (
        sum(isinstance(answer, TooManyFailures) for answer in answers)
        == 200 - throttling._FREE - throttling._MOST_OF_ONE
    )


async def test_who_waits_for_others_and_hangs_up_takes_no_turn(throttle: Throttle) -> None:
    checks = Checks(throttle)
    logins = [asyncio.create_task(checks.log_in("alice", HOME)) for _ in range(60)]
    await asyncio.sleep(0)
    for login in logins[10:50]:
        login.cancel()
    await asyncio.gather(*logins[10:50], return_exceptions=True)
    checks.under_way = [outcome for outcome in checks.under_way if not outcome.done()]
    await checks.end_all(logins, right=True)
    assert [login.result() for login in logins[:10] + logins[50:]] == [None] * 20


async def test_what_is_being_checked_counts_once_something_failed(throttle: Throttle) -> None:
    for _ in range(throttling._FREE + 1):
        await fail(throttle, "alice", ATTACKER)
    checks = Checks(throttle)
    logins = [asyncio.create_task(checks.log_in("alice", ATTACKER)) for _ in range(throttling._MOST_OF_ONE - 1)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyFailures):
        await fail(throttle, "alice", ATTACKER)
    await checks.end_all(logins, right=True)
    assert await fail(throttle, "alice", ATTACKER) > 0


async def test_an_error_ends_the_attempt(throttle: Throttle) -> None:
    with pytest.raises(ZeroDivisionError):
        async with throttle.attempt("alice", HOME):
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
async def test_an_ipv6_network_is_one_address(throttle: Throttle, one: str, other: str, same: bool) -> None:
    for _ in range(5):
        await fail(throttle, "", one)
    assert (await fail(throttle, "", other) > 0) is same


async def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, throttle: Throttle, clock: Clock) -> None:
    monkeypatch.setattr(throttling, "_REMEMBERED", 100)
    for number in range(1000):
        clock.now += await fail(throttle, f"user-{number}", f"10.1.{number // 250}.{number % 250}")
        await succeed(throttle, f"user-{number}", f"10.2.{number // 250}.{number % 250}")
    assert len(throttle._failures) <= 100
    assert len(throttle._known) == 100
    clock.now += 10
    await fail(throttle, "x", "y")
    assert len(throttle._all.due) <= 1
