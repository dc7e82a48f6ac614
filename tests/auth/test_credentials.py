"""Names and passwords: who comes with them, what is refused and how it is slowed."""

import logging
from pathlib import Path

import bcrypt
import pytest

from auth.action import Action
from auth.credentials import Account, Credentials
from auth.errors import AuthUnavailable, CredentialsRefused, TooManyFailures
from auth.keys import ApiKeys
from auth.passwords import Passwords
from auth.plugins import GuardedDirectory
from auth.principal import Principal
from auth.throttle import Throttle
from auth.users import User, UserFile, add_user, remove_user, set_password
from registry.state import StoredState
from tests.parts.clock import Clock

HOME, ELSEWHERE = "192.0.2.1", "192.0.2.2"
TOKEN = "aGVhZA.Ym9keQ.c2ln"


def hashed(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


class Everything:
    """Credentials over a file of users, keys, and a clock that sleeping moves."""

    def __init__(self, file: Path, state: StoredState) -> None:
        add_user(file, User("alice", hashed("s3cret"), ("team",)))
        self.file = file
        self.clock = Clock()
        self.slept: list[float] = []
        self.keys = ApiKeys(state, now=self.clock)
        self.asked: list[str] = []
        self.users = UserFile(file, Passwords(clock=self.clock), clock=self.clock)
        self.credentials = Credentials(
            self.users, self.keys, Throttle(clock=self.clock), oidc=self.verify, sleep=self.sleep
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.now += seconds

    async def verify(self, token: str) -> Principal | None:
        self.asked.append(token)
        if token.startswith("bad."):
            raise CredentialsRefused("the token has expired")
        return Principal("oidc:ci", frozenset({"ci"})) if token == TOKEN else None

    async def login(self, user: str, password: str, address: str = HOME) -> Principal:
        return await self.credentials.principal(user, password, address)

    async def refused(self, user: str, password: str, address: str = HOME) -> str:
        with pytest.raises(CredentialsRefused) as caught:
            await self.login(user, password, address)
        assert password not in str(caught.value) or not password
        return str(caught.value)


@pytest.fixture
def all_of_it(tmp_path: Path, state: StoredState) -> Everything:
    return Everything(tmp_path / "users", state)


async def test_a_person(all_of_it: Everything) -> None:
    assert await all_of_it.login("alice", "s3cret") == Principal("alice", frozenset({"team"}))
    assert await all_of_it.refused("alice", "wr0ng") == "wrong password, or no such user: alice"
    assert await all_of_it.refused("nobody", "wr0ng") == "wrong password, or no such user: nobody"


@pytest.mark.parametrize(
    "user",
    ["", "key:ci", "group:team", "anonymous", "authenticated", "a b", "a\0", "\n", "ali,ce", "x" * 10_000, "\ud800"],
)
async def test_nobody_is_called_like_that(all_of_it: Everything, user: str) -> None:
    assert await all_of_it.refused(user, "s3cret") == "no user can have this name"


@pytest.mark.parametrize("password", ["", "\0", "s3cret\0", "\ud800", "x" * 60_000, "preg_x", "preg_ci_" + "g" * 64])
async def test_strange_passwords(all_of_it: Everything, password: str) -> None:
    assert "wrong password" in await all_of_it.refused("alice", password)


async def test_a_key_whatever_the_users_name(all_of_it: Everything) -> None:
    password = await all_of_it.keys.create("ci", ["team/*"], [Action.PULL])
    for user in ("alice", "", "ci", "a:b"):
        assert (await all_of_it.login(user, password)).name == "key:ci"
    await all_of_it.keys.revoke("ci")
    assert "no API key ci" in await all_of_it.refused("alice", password)


async def test_a_workloads_token(all_of_it: Everything) -> None:
    assert (await all_of_it.login("anything", TOKEN)).name == "oidc:ci"
    assert await all_of_it.refused("alice", "bad.bm90.c2ln") == "the token has expired"
    assert "wrong password" in await all_of_it.refused("alice", "b2Y.bm8.aXNzdWVy")


async def test_a_users_own_password_may_look_like_a_token(all_of_it: Everything) -> None:
    set_password(all_of_it.file, "alice", hashed("b2Y.bm8.aXNzdWVy"))
    all_of_it.clock.now += 2
    assert (await all_of_it.login("alice", "b2Y.bm8.aXNzdWVy")).name == "alice"


async def test_only_what_looks_like_a_token_is_shown_to_who_verifies_tokens(all_of_it: Everything) -> None:
    for password in ("s3cret", "a.b", "a.b.c.d", "a..b", ".a.b", "a.b.c\n", "preg_ci_" + "0" * 64):
        with pytest.raises(CredentialsRefused):
            await all_of_it.login("nobody", password)
    assert all_of_it.asked == []


async def test_failures_of_every_kind_are_slowed(all_of_it: Everything) -> None:
    for password in ("wr0ng", "preg_ci_" + "0" * 64, "bad.bm90.c2ln", "wr0ng", "preg_ci_" + "0" * 64):
        await all_of_it.refused("alice", password)
    assert all_of_it.slept == [0, 0, 0, 0.25, 0.5]


async def test_who_is_right_is_never_slowed(all_of_it: Everything) -> None:
    password = await all_of_it.keys.create("ci", ["team/*"], [Action.PULL])
    # At one address alice is known, at both nothing more is taken, as the clock stands still.
    assert (await all_of_it.login("alice", "s3cret", ELSEWHERE)).name == "alice"
    for number in range(23):
        for address in (HOME, ELSEWHERE):
            async with all_of_it.credentials._throttle.attempt(f"user-{number}", address) as attempt:
                attempt.failed()
    with pytest.raises(TooManyFailures):
        await all_of_it.login("alice", "s3cret")
    assert (await all_of_it.login("alice", "s3cret", ELSEWHERE)).name == "alice"
    assert (await all_of_it.login("", password)).name == "key:ci"
    assert (await all_of_it.login("", TOKEN)).name == "oidc:ci"
    # But for the one who is refused, in the time that checking takes.
    assert all_of_it.slept == [pytest.approx(0.25, abs=0.05)]


async def test_who_is_removed_or_changes_the_password(all_of_it: Everything) -> None:
    await all_of_it.login("alice", "s3cret")
    set_password(all_of_it.file, "alice", hashed("another"))
    all_of_it.clock.now += 2
    await all_of_it.refused("alice", "s3cret")
    await all_of_it.login("alice", "another")
    remove_user(all_of_it.file, "alice")
    all_of_it.clock.now += 2
    await all_of_it.refused("alice", "another")


async def test_accounts(all_of_it: Everything) -> None:
    account = await all_of_it.credentials.account("alice")
    assert account is not None
    assert account.principal == Principal("alice", frozenset({"team"}))
    set_password(all_of_it.file, "alice", hashed("another"))
    all_of_it.clock.now += 2
    changed = await all_of_it.credentials.account("alice")
    assert changed == Account(account.principal, changed.fingerprint if changed else "")
    assert changed != account
    for name in ("nobody", "", "oidc:ci", "cert:x", "key:ci", "key:", "key:a/b", "anonymous"):
        assert await all_of_it.credentials.account(name) is None
    await all_of_it.keys.create("ci", ["team/*"], [Action.PULL], lifetime=60)
    made = await all_of_it.credentials.account("key:ci")
    assert made is not None
    assert made.principal.name == "key:ci"
    all_of_it.clock.now += 61
    assert await all_of_it.credentials.account("key:ci") is None


class Unreachable:
    """A plug-in's directory whose server does not answer, or that has a mistake of its own."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def check(self, _user: str, _password: str = "") -> None:
        raise self.error

    groups = fingerprint = check


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "ldap cannot be reached: Connection refused"),
        (TimeoutError(), "ldap cannot be reached: TimeoutError"),
        (ValueError("s3cret"), "ldap failed with ValueError"),
    ],
)
async def test_a_directory_that_cannot_be_asked(
    all_of_it: Everything, error: Exception, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    directory = GuardedDirectory(Unreachable(error), "ldap")  # type: ignore[arg-type]
    throttle = Throttle()
    credentials = Credentials(directory, all_of_it.keys, throttle)
    for _ in range(10):
        with pytest.raises(AuthUnavailable, match=said) as caught:
            await credentials.principal("alice", "s3cret", HOME)
    logging.getLogger("test").error("shown", exc_info=caught.value)
    assert caught.value.__cause__ is None
    assert "s3cret" not in str(caught.value)
    async with throttle.attempt("alice", HOME) as attempt:
        assert attempt.failed() == 0
