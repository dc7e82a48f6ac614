"""Refresh tokens: how long they let somebody in, and what ends that."""

import pytest

from auth.credentials import Account
from auth.errors import AuthUnavailable, CredentialsRefused
from auth.principal import ANONYMOUS, Principal
from auth.refresh import RefreshTokens
from registry.state import StoredState
from tests.parts.clock import Clock

DAY = 24 * 3600


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts() -> dict[str, Account]:
    """Who is known, for tests to change."""
    return {name: Account(Principal(name, frozenset({"team"})), f"password of {name}") for name in ("alice", "key:ci")}


@pytest.fixture
def tokens(state: StoredState, accounts: dict[str, Account], clock: Clock) -> RefreshTokens:
    async def account(name: str) -> Account | None:
        return accounts.get(name)

    return RefreshTokens(state, account, 180 * DAY, now=clock)


async def issue(tokens: RefreshTokens, name: str = "alice") -> str:
    token = await tokens.issue(Principal(name))
    assert token is not None
    return token


async def refused(tokens: RefreshTokens, token: str, why: str) -> None:
    with pytest.raises(CredentialsRefused, match=why) as caught:
        await tokens.principal(token)
    assert not token or token not in str(caught.value)


async def kept(state: StoredState) -> list[str]:
    return [name async for name in state.names("refresh/")]


async def test_a_token_is_good_for_months_and_knows_the_groups_of_now(
    tokens: RefreshTokens, accounts: dict[str, Account], clock: Clock
) -> None:
    token = await issue(tokens)
    clock.now += 180 * DAY - 1
    accounts["alice"] = accounts["alice"]._replace(principal=Principal("alice", frozenset({"other"})))
    assert await tokens.principal(token) == Principal("alice", frozenset({"other"}))
    clock.now += 1
    await refused(tokens, token, "expired")


async def test_a_shorter_lifetime_holds_for_tokens_of_before(
    tokens: RefreshTokens, state: StoredState, clock: Clock
) -> None:
    token = await issue(tokens)
    shorter = RefreshTokens(state, tokens._account, DAY, now=clock)
    clock.now += DAY - 1
    await shorter.principal(token)
    clock.now += 1
    await refused(shorter, token, "expired")
    assert await shorter.purge() == 1


async def test_a_token_dies_with_the_password(tokens: RefreshTokens, accounts: dict[str, Account]) -> None:
    token = await issue(tokens)
    accounts["alice"] = accounts["alice"]._replace(fingerprint="another")
    await refused(tokens, token, "password has changed")


@pytest.mark.parametrize("name", ["alice", "key:ci"])
async def test_a_token_dies_with_its_owner(tokens: RefreshTokens, accounts: dict[str, Account], name: str) -> None:
    token = await issue(tokens, name)
    assert (await tokens.principal(token)).name == name
    del accounts[name]
    await refused(tokens, token, "not known any more")


@pytest.mark.parametrize("principal", [ANONYMOUS, Principal("oidc:job"), Principal("cert:host")])
async def test_who_has_no_password_gets_none(tokens: RefreshTokens, principal: Principal, state: StoredState) -> None:
    assert await tokens.issue(principal) is None
    assert await kept(state) == []


async def test_all_of_one_owner_are_revoked_at_once(tokens: RefreshTokens) -> None:
    first, second, other = await issue(tokens), await issue(tokens), await issue(tokens, "key:ci")
    assert await tokens.revoke("alice") == 2
    for token in (first, second):
        await refused(tokens, token, "revoked")
    assert (await tokens.principal(other)).name == "key:ci"
    assert await tokens.revoke("alice") == 0


async def test_another_process_knows_at_once(tokens: RefreshTokens, state: StoredState, clock: Clock) -> None:
    async def nobody(_name: str) -> None:
        return None

    token = await issue(tokens)
    await tokens.principal(token)
    await RefreshTokens(state, nobody, DAY, now=clock).revoke("alice")
    await refused(tokens, token, "revoked")


async def test_another_secret_is_refused(tokens: RefreshTokens) -> None:
    one, other = await issue(tokens), await issue(tokens)
    await refused(tokens, f"{one.rpartition('_')[0]}_{other.rpartition('_')[2]}", "no such")


@pytest.mark.parametrize(
    "token",
    ["", "prt_", "prt__", "prt_../../keys/ci_" + "0" * 64, f"prt_{'0' * 32}_{'0' * 64}\n", "\x00", "prt_\u00e9_"],
)
async def test_what_is_no_token_is_refused(tokens: RefreshTokens, token: str) -> None:
    await refused(tokens, token, "malformed")
    await refused(tokens, f"prt_{'0' * 32}_{'0' * 64}", "no such")


async def test_nothing_kept_lets_anybody_in(
    tokens: RefreshTokens, state: StoredState, accounts: dict[str, Account]
) -> None:
    token = await issue(tokens)
    (name,) = await kept(state)
    data = await state.get(f"refresh/{name}")
    assert data is not None
    assert token.rpartition("_")[2].encode() not in data
    assert accounts["alice"].fingerprint.encode() not in data


async def test_a_spoiled_document_is_named(tokens: RefreshTokens, state: StoredState) -> None:
    token = await issue(tokens)
    (name,) = await kept(state)
    await state.put(f"refresh/{name}", b"{}")
    with pytest.raises(AuthUnavailable, match=name):
        await tokens.principal(token)


async def test_what_has_expired_is_purged(tokens: RefreshTokens, state: StoredState, clock: Clock) -> None:
    await issue(tokens)
    clock.now += 100 * DAY
    token = await issue(tokens)
    clock.now += 80 * DAY
    assert await tokens.purge() == 1
    assert len(await kept(state)) == 1
    assert (await tokens.principal(token)).name == "alice"
