"""What another issuer is trusted for: certificates, and JWK Sets in files and behind URLs."""

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from auth.chain import Roots
from auth.errors import AuthMisconfigured, AuthUnavailable, CredentialsRefused
from auth.issuer import IssuerTrust, RemoteKeys, check_url, open_trust
from auth.jwk import KeyUnusable, jwk, libtrust_id, read_set
from auth.jws import Header
from auth.tokens import Tokens
from auth.watched import Watched
from tests.auth.certificates import Signer, root
from tests.auth.forging import NOW, PARTIES, claims, key_set, kid, token
from tests.parts.clock import Clock

FIRST = ed25519.Ed25519PrivateKey.generate()
SECOND = ed25519.Ed25519PrivateKey.generate()
ROOT = root()
URL = "https://issuer.test/keys"


def trusting(folder: Path, *roots: Signer) -> Tokens:
    """What checks tokens by a bundle of roots."""
    bundle = folder / "roots.pem"
    bundle.write_bytes(b"".join(each.pem for each in roots))
    clock = Clock(NOW)
    return Tokens(IssuerTrust(Watched(bundle, Roots.read), None, now=clock), PARTIES, now=clock)


RIGHT_CHAINS: dict[str, Callable[[], Signer]] = {
    "leaf without extensions": lambda: ROOT.sign("leaf"),
    "leaf for signatures": lambda: ROOT.sign("leaf", ca=False, use="digital_signature"),
    "over an intermediate": lambda: ROOT.sign("between", ca=True, use="key_cert_sign").sign("leaf"),
    "the root itself": lambda: ROOT,
}
WRONG_CHAINS: dict[str, Callable[[], Signer]] = {
    "another root of that name": lambda: root().sign("leaf"),
    "expired leaf": lambda: ROOT.sign("leaf", since=-20, days=10),
    "leaf of the future": lambda: ROOT.sign("leaf", since=1),
    "expired intermediate": lambda: ROOT.sign("between", ca=True, since=-20, days=10).sign("leaf"),
    "leaf that signed another": lambda: ROOT.sign("leaf", ca=False).sign("below"),
    "leaf without extensions that signed another": lambda: ROOT.sign("leaf").sign("below"),
    "intermediate not for signing certificates": lambda: ROOT.sign("b", ca=True, use="digital_signature").sign("leaf"),
    "leaf not for signatures": lambda: ROOT.sign("leaf", ca=False, use="key_encipherment"),
    "certificate of a stranger": lambda: root("stranger"),
}


@pytest.mark.parametrize("name", RIGHT_CHAINS)
async def test_a_chain_that_leads_to_a_root_is_trusted(tmp_path: Path, name: str) -> None:
    signer = RIGHT_CHAINS[name]()
    text = token(signer.key, kid=None, x5c=signer.x5c)
    assert (await trusting(tmp_path, root("other"), ROOT).verify(text)).principal.name == "alice"


@pytest.mark.parametrize("name", WRONG_CHAINS)
async def test_another_chain_is_refused(tmp_path: Path, name: str) -> None:
    signer = WRONG_CHAINS[name]()
    with pytest.raises(CredentialsRefused, match="not trusted"):
        await trusting(tmp_path, ROOT).verify(token(signer.key, kid=kid(ROOT.key), x5c=signer.x5c))


@pytest.mark.parametrize(
    "chain",
    [
        lambda: ROOT.sign("leaf", days=11),
        lambda: ROOT.sign("between", ca=True, days=11).sign("leaf"),
    ],
    ids=["leaf", "intermediate"],
)
async def test_a_token_that_was_seen_already_ends_with_its_certificates(
    tmp_path: Path, chain: Callable[[], Signer]
) -> None:
    bundle = tmp_path / "roots.pem"
    bundle.write_bytes(ROOT.pem)
    clock, signer = Clock(NOW), chain()
    tokens = Tokens(IssuerTrust(Watched(bundle, Roots.read), None, now=clock), PARTIES, now=clock)
    text = token(signer.key, claims(exp=NOW + 10**8), kid=None, x5c=signer.x5c)
    await tokens.verify(text)
    clock.now += 10 * 24 * 3600 + 1
    with pytest.raises(CredentialsRefused, match="not trusted"):
        await tokens.verify(text)


async def test_a_token_that_was_seen_already_ends_with_its_root(tmp_path: Path) -> None:
    bundle = tmp_path / "roots.pem"
    bundle.write_bytes(ROOT.pem)
    clock, signer = Clock(NOW), ROOT.sign("leaf")
    watched = Watched(bundle, Roots.read, clock=clock)
    tokens = Tokens(IssuerTrust(watched, None, now=clock), PARTIES, now=clock)
    text = token(signer.key, kid=None, x5c=signer.x5c)
    await tokens.verify(text)
    bundle.write_bytes(root("another").pem)
    clock.now += 3
    with pytest.raises(CredentialsRefused, match="not trusted"):
        await tokens.verify(text)


async def test_an_expired_root_vouches_for_nothing(tmp_path: Path) -> None:
    old = root(since=-20, days=10)
    for signer in (old.sign("leaf"), old):
        with pytest.raises(CredentialsRefused, match=r"not trusted|expired"):
            await trusting(tmp_path, old).verify(token(signer.key, kid=None, x5c=signer.x5c))


async def test_a_root_that_is_no_authority_vouches_for_nothing_but_itself(tmp_path: Path) -> None:
    alone = root(ca=None)
    tokens = trusting(tmp_path, alone)
    await tokens.verify(token(alone.key, kid=None, x5c=alone.x5c))
    below = alone.sign("below")
    with pytest.raises(CredentialsRefused, match="not trusted"):
        await tokens.verify(token(below.key, kid=None, x5c=below.x5c))


async def test_the_chain_must_be_of_the_key_that_signed(tmp_path: Path) -> None:
    with pytest.raises(CredentialsRefused, match="signature"):
        await trusting(tmp_path, ROOT).verify(token(ROOT.sign("one").key, x5c=ROOT.sign("other").x5c))


@pytest.mark.parametrize("x5c", [[], [""], ["!"], ["AAAA"], ["\u00e9"], ROOT.x5c * 9, [*ROOT.x5c, "AAAA"]])
async def test_what_is_no_chain_is_refused(tmp_path: Path, x5c: list[str]) -> None:
    with pytest.raises(CredentialsRefused):
        await trusting(tmp_path, ROOT).verify(token(ROOT.key, x5c=x5c))


async def test_the_keys_of_roots_have_the_names_of_every_release(tmp_path: Path) -> None:
    tokens = trusting(tmp_path, ROOT)
    for name in (kid(ROOT.key), libtrust_id(ROOT.key.public_key())):
        await tokens.verify(token(ROOT.key, kid=name))


async def test_a_chain_means_nothing_where_there_are_no_roots(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(key_set(FIRST))
    trust = open_trust("", str(path), never)
    stranger = root("stranger")
    with pytest.raises(CredentialsRefused):
        await trust.find(Header("ES256", kid(stranger.key), x5c=tuple(stranger.x5c)))
    assert "EdDSA" in (await trust.find(Header("EdDSA", kid(FIRST), x5c=tuple(stranger.x5c)))).algorithms


async def never(url: str) -> bytes:
    raise AssertionError(f"{url} was fetched")


class Site:
    """A URL whose content a test changes; None is one that cannot be reached."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.fetched = 0

    async def load(self) -> bytes:
        self.fetched += 1
        await asyncio.sleep(0)
        if self.content is None:
            raise AuthUnavailable("no route to the host")
        return self.content


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_keys_are_fetched_once_for_all(clock: Clock) -> None:
    site = Site(key_set(FIRST))
    keys = RemoteKeys(URL, site.load, clock=clock)
    found = await asyncio.gather(*(keys.find(kid(FIRST)) for _ in range(10)))
    assert all(found)
    assert site.fetched == 1


async def test_an_unknown_key_is_looked_for_but_not_often(clock: Clock) -> None:
    site = Site(key_set(FIRST))
    keys = RemoteKeys(URL, site.load, clock=clock)
    await keys.find(kid(FIRST))
    site.content = key_set(FIRST, SECOND)
    for _ in range(10):
        assert await keys.find(kid(SECOND)) is None
    assert site.fetched == 1
    clock.now += 10
    assert await keys.find(kid(SECOND))
    assert site.fetched == 2


async def test_a_key_that_is_withdrawn_is_forgotten(clock: Clock) -> None:
    site = Site(key_set(FIRST, SECOND))
    keys = RemoteKeys(URL, site.load, clock=clock)
    assert await keys.find(kid(FIRST))
    site.content = key_set(SECOND)
    clock.now += 600
    assert await keys.find(kid(FIRST)) is None


@pytest.mark.parametrize("content", [None, b"", b"<html>", b'{"keys":[]}', b"[" * 100_000])
async def test_keys_that_were_fetched_hold_while_the_issuer_is_away(
    clock: Clock, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(key_set(FIRST))
    keys = RemoteKeys(URL, site.load, clock=clock)
    await keys.find(kid(FIRST))
    site.content = content
    clock.now += 600
    with caplog.at_level(logging.WARNING, "preg.auth"):
        assert await keys.find(kid(FIRST))
    assert URL in caplog.text


async def test_keys_hold_no_longer_than_a_day_while_the_issuer_is_away(clock: Clock) -> None:
    site = Site(key_set(FIRST))
    keys = RemoteKeys(URL, site.load, clock=clock)
    await keys.find(kid(FIRST))
    site.content = None
    clock.now += 24 * 3600
    assert await keys.find(kid(FIRST))
    clock.now += 1
    with pytest.raises(AuthUnavailable, match=URL):
        await keys.find(kid(FIRST))


async def test_without_any_key_the_issuer_is_unavailable(clock: Clock) -> None:
    site = Site(None)
    trust = IssuerTrust(None, RemoteKeys(URL, site.load, clock=clock))
    for _ in range(10):
        with pytest.raises(AuthUnavailable, match=URL):
            await trust.find(Header("EdDSA", kid(FIRST)))
    assert site.fetched == 1


async def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    missing, wrong = tmp_path / "missing", tmp_path / "wrong"
    wrong.write_text("nothing")
    for path in (missing, wrong):
        with pytest.raises(AuthMisconfigured, match=str(path)):
            open_trust(str(path), "", never)
        with pytest.raises(AuthMisconfigured, match=str(path)):
            open_trust("", str(path), never)


@pytest.mark.parametrize(
    "url", ["http://issuer.test/keys", "ftp://issuer.test", "https://", "file:///etc/x", "https://["]
)
def test_keys_are_had_only_where_nobody_can_change_them(url: str) -> None:
    with pytest.raises(AuthMisconfigured):
        check_url(url)


@pytest.mark.parametrize(
    "url", ["https://issuer.test", "http://127.0.0.1:8080/keys", "http://[::1]/", "http://localhost"]
)
def test_on_this_host_keys_may_be_had_over_http(url: str) -> None:
    check_url(url)


def members(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> dict[str, Any]:
    return jwk(key.public_key())


@pytest.mark.parametrize(
    "key",
    [
        None,
        1,
        {},
        {"kty": "oct", "k": "AAAA"},
        {"kty": ["EC"]},
        {**members(FIRST), "use": "enc"},
        {**members(FIRST), "alg": "RS256"},
        {**members(FIRST), "alg": ["EdDSA"]},
        {**members(FIRST), "alg": "HS256"},
        {**members(FIRST), "x": "AAAA"},
        {**members(FIRST), "x": 1},
        {"kty": "EC", "crv": "P-256", "x": "A" * 43, "y": "A" * 43},
        {"kty": "RSA", "n": "AQAB"},
        {"kty": "EC", "crv": "P-224", "x": "AAAA", "y": "AAAA"},
        members(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505 - that is the point
    ],
)
def test_a_key_that_checks_no_signature_is_left_out_and_the_log_says_so(
    key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(KeyUnusable):
        read_set(json.dumps({"keys": [key]}).encode())
    with caplog.at_level(logging.INFO, "preg.auth"):
        assert kid(SECOND) in read_set(json.dumps({"keys": [key, members(SECOND)]}).encode())
    assert "of the 2 keys of a JWK Set some are not used: the key " in caplog.text


def test_of_two_keys_of_one_name_the_first_has_it_and_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    both = [{**members(key), "kid": "2026-11"} for key in (FIRST, SECOND)]
    with caplog.at_level(logging.INFO, "preg.auth"):
        found = read_set(json.dumps({"keys": both}).encode())
    assert found["2026-11"] == found[kid(FIRST)] != found[kid(SECOND)]
    assert "another key is called '2026-11', too" in caplog.text


def test_the_name_in_the_set_counts_too() -> None:
    found = read_set(json.dumps({"keys": [{**members(FIRST), "kid": "2026-11"}]}).encode())
    assert set(found) == {"2026-11", kid(FIRST), libtrust_id(FIRST.public_key())}
