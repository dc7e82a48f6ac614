"""API keys: what is kept of them, whom they let in, and for how long."""

import re

import msgspec
import pytest

from auth.action import Action
from auth.errors import AuthMisconfigured, AuthUnavailable, CredentialsRefused
from auth.keys import ApiKeys, is_key
from auth.principal import Grant, Principal
from registry.state import StoredState
from tests.parts.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(state: StoredState, clock: Clock) -> ApiKeys:
    return ApiKeys(state, now=clock)


async def make(keys: ApiKeys, name: str = "ci", lifetime: float | None = None) -> str:
    return await keys.create(name, ["team/*", "x"], [Action.PULL, Action.PUSH], lifetime=lifetime)


async def refused(keys: ApiKeys, password: str) -> str:
    with pytest.raises(CredentialsRefused) as caught:
        await keys.principal(password)
    assert password[-20:] not in str(caught.value)
    return str(caught.value)


async def test_a_key_is_who_it_was_made_for(keys: ApiKeys) -> None:
    password = await make(keys)
    assert re.fullmatch(r"preg_ci_[0-9a-f]{64}", password)
    assert is_key(password)
    principal = await keys.principal(password)
    grant = Grant(("team/*", "x"), frozenset({Action.PULL, Action.PUSH}))
    assert principal == Principal("key:ci", frozenset(), (grant,))


async def test_the_secret_is_kept_nowhere(keys: ApiKeys, state: StoredState) -> None:
    password = await make(keys)
    secret = password.rpartition("_")[2]
    await keys.principal(password)
    kept = await state.get("keys/ci")
    assert kept is not None
    assert secret.encode() not in kept
    assert msgspec.json.decode(kept)["actions"] == ["pull", "push"]
    key = await keys.find("ci")
    assert key is not None
    assert f"{key!r}" == "ApiKey('ci')"
    assert secret not in repr(vars(keys))


async def test_another_secret_is_refused(keys: ApiKeys) -> None:
    password = await make(keys)
    other = await make(keys, "other")
    secret = other.rpartition("_")[2]
    assert "there is no API key ci with this secret" in await refused(keys, f"preg_ci_{secret}")
    assert "no API key none" in await refused(keys, f"preg_none_{secret}")
    await keys.principal(password)
    await keys.principal(other)
    # Not what is remembered of a secret under another name, either.
    assert "no API key ci" in await refused(keys, f"preg_ci_{secret}")


@pytest.mark.parametrize(
    "password",
    ["", "preg_", "preg_ci_", "preg_ci_xyz", "preg__" + "0" * 64, "preg_a/b_" + "0" * 64, "preg_.._" + "0" * 64],
)
async def test_what_is_no_key(keys: ApiKeys, password: str) -> None:
    assert not is_key(password)
    with pytest.raises(CredentialsRefused, match="malformed"):
        await keys.principal(password)


async def test_a_revoked_key_is_refused_at_once_here_and_soon_elsewhere(
    keys: ApiKeys, state: StoredState, clock: Clock
) -> None:
    elsewhere = ApiKeys(state, now=clock)
    password = await make(keys)
    for process in (keys, elsewhere):
        await process.principal(password)
    assert await keys.revoke("ci") is True
    assert "no API key ci" in await refused(keys, password)
    clock.now += 5
    assert "no API key ci" in await refused(elsewhere, password)
    assert await keys.revoke("ci") is False
    assert [name async for name in state.names("keys/")] == []
    assert [name async for name in state.names("keys-used/")] == []


async def test_use_does_not_put_off_when_a_key_is_looked_up_again(
    keys: ApiKeys, state: StoredState, clock: Clock
) -> None:
    elsewhere = ApiKeys(state, now=clock)
    password = await make(keys)
    await elsewhere.principal(password)
    await keys.revoke("ci")
    for _ in range(4):
        clock.now += 1
        await elsewhere.principal(password)
    clock.now += 1
    await refused(elsewhere, password)


async def test_a_key_made_anew_is_another(keys: ApiKeys) -> None:
    old = await make(keys)
    await keys.principal(old)
    await keys.revoke("ci")
    new = await make(keys)
    await keys.principal(new)
    await refused(keys, old)


async def test_a_key_expires(keys: ApiKeys, clock: Clock) -> None:
    password = await make(keys, lifetime=60)
    clock.now += 58
    await keys.principal(password)
    clock.now += 2
    assert await refused(keys, password) == "the API key ci has expired"
    key = await keys.find("ci")
    assert key is not None
    assert keys.is_expired(key)


async def test_a_name_is_taken_once(keys: ApiKeys) -> None:
    password = await make(keys)
    with pytest.raises(AuthMisconfigured, match="there is a key ci already: revoke it first"):
        await make(keys)
    await keys.principal(password)


@pytest.mark.parametrize("name", ["", "a_b", "a/b", "..", "-a", "a b", "ä", "a" * 64, "a\n"])
async def test_names_that_are_none(keys: ApiKeys, name: str) -> None:
    with pytest.raises(AuthMisconfigured, match="cannot be the name of a key"):
        await make(keys, name)
    assert await keys.find(name) is None
    assert await keys.revoke(name) is False


async def test_a_glob_that_is_none(keys: ApiKeys) -> None:
    with pytest.raises(AuthMisconfigured, match="'Team' matches no repository"):
        await keys.create("ci", ["Team"], [Action.PULL])
    assert await keys.find("ci") is None


async def test_the_last_use_is_noted_every_five_minutes(keys: ApiKeys, state: StoredState, clock: Clock) -> None:
    password = await make(keys)
    assert [used async for _, used in keys.list()] == [None]
    start = int(clock.now)
    noted = []
    for passed in (0, 100, 199, 1, 299, 1):
        clock.now += passed
        await keys.principal(password)
        noted += [used - start async for _, used in keys.list() if used is not None]
    assert noted == [0, 0, 0, 300, 300, 600]


async def test_keys_are_listed_by_name(keys: ApiKeys) -> None:
    for name in ("b", "a", "c"):
        await make(keys, name)
    assert [key.name async for key, _ in keys.list()] == ["a", "b", "c"]


class FailingState:
    """A state that can be read, and written no more."""

    def __init__(self, state: StoredState) -> None:
        self.get = state.get
        self.create = state.create
        self.delete = state.delete
        self.names = state.names

    async def put(self, _key: str, _data: bytes, /) -> None:
        raise AuthUnavailable("no space is left")


async def test_a_use_that_cannot_be_noted_is_no_failure(
    state: StoredState, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    keys = ApiKeys(FailingState(state), now=clock)
    password = await make(keys)
    for _ in range(3):
        await keys.principal(password)
    (record,) = caplog.records
    assert record.getMessage() == "when the API key ci was last used cannot be noted: no space is left"


async def test_a_damaged_key_lets_nobody_in(keys: ApiKeys, state: StoredState) -> None:
    password = await make(keys)
    await state.put("keys/ci", b'{"name": "ci"}')
    with pytest.raises(AuthUnavailable, match="what is kept of the API key ci cannot be read"):
        await keys.principal(password)
