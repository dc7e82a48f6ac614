"""Signing keys that several processes share, and their rotation."""

import asyncio
import json
from typing import Literal

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import KeySet

from auth.errors import AuthMisconfigured, AuthUnavailable, CredentialsRefused
from auth.jwk import jwk, thumbprint
from auth.jws import Header
from auth.principal import Principal
from auth.signing import SigningKeys
from auth.token_issuer import TokenIssuer
from auth.tokens import Tokens
from registry.state import StoredState
from tests.auth.forging import PARTIES, authority
from tests.parts.clock import Clock

DAY = 24 * 3600
ALGORITHMS: tuple[Literal["EdDSA", "ES256", "RS256"], ...] = ("EdDSA", "ES256", "RS256")


@pytest.fixture
def clock() -> Clock:
    # The middle of a period of a day.
    return Clock(1_000_000_000 // DAY * DAY + DAY / 2)


def published(data: bytes) -> list[str]:
    return [key["kid"] for key in json.loads(data)["keys"]]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_processes_that_start_at_once_agree(
    state: StoredState, clock: Clock, algorithm: Literal["EdDSA", "ES256", "RS256"]
) -> None:
    processes = [SigningKeys(state, algorithm, DAY, now=clock) for _ in range(4)]
    found = await asyncio.gather(*(each.current() for each in processes))
    assert len({key.kid for key in found}) == 1
    assert len([name async for name in state.names("signing/")]) == 2
    assert len({await each.jwks() for each in processes}) == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_other_libraries_read_the_published_keys(
    state: StoredState, clock: Clock, algorithm: Literal["EdDSA", "ES256", "RS256"]
) -> None:
    keys = SigningKeys(state, algorithm, DAY, now=clock)
    data = await keys.jwks()
    current = await keys.current()
    assert current.kid in {key.key_id for key in jwt.PyJWKSet.from_json(data.decode()).keys}
    for key in KeySet.import_key_set(json.loads(data)).keys:
        assert key.kid == key.thumbprint()
        assert not key.is_private


async def test_a_key_is_published_a_period_ahead_and_a_period_after(state: StoredState, clock: Clock) -> None:
    keys = SigningKeys(state, "EdDSA", DAY, now=clock)
    first, second = published(await keys.jwks())
    assert (await keys.current()).kid == first
    clock.now += DAY
    assert published(await keys.jwks())[:2] == [first, second]
    assert (await keys.current()).kid == second
    clock.now += DAY
    last = published(await keys.jwks())
    assert len(last) == 3
    assert first not in last
    assert last[0] == second
    kept = [name async for name in state.names("signing/")]
    assert len(kept) == 3
    with pytest.raises(CredentialsRefused):
        await keys.find(Header("EdDSA", first))


async def test_a_token_is_good_in_every_process_until_it_expires(state: StoredState, clock: Clock) -> None:
    processes = [SigningKeys(state, "EdDSA", DAY, now=clock) for _ in range(3)]
    issuers = [TokenIssuer(authority(keys), PARTIES, 3600, now=clock) for keys in processes]
    alive: list[tuple[float, str]] = []
    for step in range(24 * 4):
        issued = await issuers[step % 3].issue(Principal("alice"), [])
        alive = [(until, token) for until, token in alive if until > clock.now]
        alive.append((clock.now + issued.expires_in, issued.token))
        for keys in processes:
            checking = Tokens(keys, PARTIES, authority=authority(keys), now=clock)
            for _, token in alive:
                assert (await checking.verify(token)).principal.name == "alice"
        clock.now += 1700


async def test_a_process_that_signs_otherwise_is_found(state: StoredState, clock: Clock) -> None:
    before = SigningKeys(state, "EdDSA", DAY, now=clock)
    await before.current()
    other = await SigningKeys(state, "ES256", DAY, now=clock).current()
    clock.now += 2
    assert (await before.find(Header("ES256", other.kid))).algorithms == {"ES256"}


async def test_a_flood_of_unknown_keys_does_not_reach_the_store(
    state: StoredState, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = SigningKeys(state, "EdDSA", DAY, now=clock)
    await keys.current()
    clock.now += 2
    listings = []
    names = state.names
    monkeypatch.setattr(state, "names", lambda prefix: listings.append(prefix) or names(prefix))
    for number in range(50):
        with pytest.raises(CredentialsRefused):
            await keys.find(Header("EdDSA", str(number)))
    assert listings == ["signing/"]


async def test_a_key_that_was_removed_is_believed_no_minute_longer_and_another_is_made(
    state: StoredState, clock: Clock
) -> None:
    """As one does with a key that has leaked."""
    processes = [SigningKeys(state, "EdDSA", DAY, now=clock) for _ in range(2)]
    leaked, _ = [await each.current() for each in processes]
    for name in [name async for name in state.names("signing/")]:
        await state.delete(f"signing/{name}")
    clock.now += 60
    for each in processes:
        with pytest.raises(CredentialsRefused):
            await each.find(Header("EdDSA", leaked.kid))
    first, second = [await each.current() for each in processes]
    assert first.kid == second.kid != leaked.kid
    assert first.seal("text") != leaked.seal("text")


async def test_keys_hold_while_the_store_is_away(
    state: StoredState, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keys = SigningKeys(state, "EdDSA", DAY, now=clock)
    current = await keys.current()

    async def away(_key: str) -> bytes:
        raise AuthUnavailable("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(state, "get", away)
        clock.now += 60
        assert await keys.find(Header("EdDSA", current.kid))
    assert caplog.messages == ["the signing keys cannot be read, so those before still hold: the store is away"]


async def test_a_seal_is_of_one_key_and_one_text(state: StoredState, clock: Clock) -> None:
    keys = SigningKeys(state, "EdDSA", DAY, now=clock)
    current = await keys.current()
    seal = current.seal("text")
    assert keys.is_seal(seal, "text", current.kid)
    assert not keys.is_seal(seal, "another", current.kid)
    assert not keys.is_seal(seal, "text", "another")
    assert not keys.is_seal("", "text", current.kid)


async def test_a_spoiled_key_is_named(state: StoredState, clock: Clock) -> None:
    await state.put(f"signing/EdDSA-{int(clock.now) // DAY * DAY}", b"{}")
    with pytest.raises(AuthMisconfigured, match=r"signing/EdDSA-\d+ is no signing key"):
        await SigningKeys(state, "EdDSA", DAY, now=clock).current()


async def test_a_key_does_not_show_itself(state: StoredState, clock: Clock) -> None:
    current = await SigningKeys(state, "EdDSA", DAY, now=clock).current()
    assert f"{current!r}" == f"SigningKey(EdDSA, {current.kid})"
    assert b"PRIVATE" not in await SigningKeys(state, "EdDSA", DAY, now=clock).jwks()


def test_thumbprints_are_those_of_the_specification() -> None:
    # RFC 7638 section 3.1, RFC 8037 appendix A.3
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst"
        "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajr"
        "n1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )
    assert thumbprint({"kty": "RSA", "n": modulus, "e": "AQAB"}) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    okp = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert thumbprint(okp) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_coordinates_are_as_long_as_the_curve() -> None:
    # One with a leading zero byte, found by counting up.
    keys = (ec.derive_private_key(number, ec.SECP256R1()).public_key() for number in range(1, 10_000))
    short = next(key for key in keys if key.public_numbers().x < 1 << 248)
    members = jwk(short)
    assert len(members["x"]) == 43
    assert members["x"].startswith("A")
    assert thumbprint(members) == KeySet.import_key_set({"keys": [members]}).keys[0].thumbprint()
