"""Workloads that log in with tokens of their platform."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from auth.errors import AuthMisconfigured, AuthUnavailable, CredentialsRefused
from auth.jws import Parties
from auth.oidc import ClaimRule, Workloads, open_provider
from auth.principal import Principal
from tests.auth.forging import NOW, key_set, token
from tests.parts.clock import Clock

ISSUER = "https://token.actions.test"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
STRANGER = ec.generate_private_key(ec.SECP256R1())
RULES = (
    ClaimRule({"repository": "acme/*", "ref": "refs/heads/main"}, "acme-release", ("release",)),
    ClaimRule({"repository": "acme/*"}, "acme-ci", ("ci", "read")),
    ClaimRule({"sub": "**", "groups": "admins", "protected": "true", "project_id": "7"}, "gitlab"),
)


class Web:
    """An issuer's site."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {
            f"{ISSUER}/.well-known/openid-configuration": json.dumps(
                {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}
            ).encode(),
            f"{ISSUER}/keys": key_set(KEY),
        }
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        if url not in self.pages:
            raise AuthUnavailable(f"{url} cannot be reached")
        return self.pages[url]


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def workloads(web: Web) -> Workloads:
    provider = open_provider("github", Parties(ISSUER, "registry.test"), RULES, jwks="", fetch=web.fetch)
    return Workloads([provider], now=Clock(NOW))


def identity(**changes: Any) -> dict[str, Any]:
    claims = {
        "iss": ISSUER,
        "aud": "registry.test",
        "sub": "repo:acme/app:ref:refs/heads/main",
        "exp": NOW + 300,
        "repository": "acme/app",
    }
    return {name: value for name, value in (claims | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("changes", "name", "groups"),
    [
        ({}, "acme-ci", {"ci", "read"}),
        ({"ref": "refs/heads/main"}, "acme-release", {"release"}),
        ({"repository": ["other/app", "acme/app"]}, "acme-ci", {"ci", "read"}),
        ({"repository": "", "groups": ["x", "admins"], "protected": True, "project_id": 7}, "gitlab", set()),
    ],
)
async def test_the_first_rule_that_covers_the_claims_holds(
    workloads: Workloads, changes: dict[str, Any], name: str, groups: set[str]
) -> None:
    found = await workloads.principal(token(KEY, identity(**changes)))
    assert found == Principal(f"oidc:{name}", frozenset(groups))


@pytest.mark.parametrize(
    "repository",
    ["evil/app", "acme/app/more", "xacme/app", "acme/app\n/x", "ACME/app", None, {"acme/app": 1}, [["acme/app"]]],
)
async def test_what_no_rule_covers_is_refused(workloads: Workloads, repository: Any) -> None:
    with pytest.raises(CredentialsRefused, match="no rule of the issuer github"):
        await workloads.principal(token(KEY, identity(repository=repository)))


@pytest.mark.parametrize(
    "changes",
    [{"aud": "another"}, {"aud": None}, {"exp": NOW - 60}, {"exp": None}, {"exp": float(NOW + 300)}, {"nbf": NOW + 61}],
    ids=str,
)
async def test_wrong_claims_are_refused(workloads: Workloads, changes: dict[str, Any]) -> None:
    with pytest.raises(CredentialsRefused):
        await workloads.principal(token(KEY, identity(**changes)))


async def test_another_key_is_refused(workloads: Workloads) -> None:
    for text in (token(STRANGER, identity()), token(KEY, identity(), alg="none"), token(KEY, identity(), kid=None)):
        with pytest.raises(CredentialsRefused):
            await workloads.principal(text)


@pytest.mark.parametrize("text", ["a.b.c", "password", "", "a.b.c.d"])
async def test_what_is_no_token_may_be_a_password(workloads: Workloads, web: Web, text: str) -> None:
    assert await workloads.principal(text) is None
    assert web.fetched == []


@pytest.mark.parametrize("issuer", ["https://evil.test", ISSUER + "/", None, [ISSUER], 1])
async def test_another_issuer_is_not_even_asked(workloads: Workloads, web: Web, issuer: Any) -> None:
    assert await workloads.principal(token(KEY, identity(iss=issuer))) is None
    assert web.fetched == []


async def test_one_issuer_may_serve_two_audiences(web: Web) -> None:
    providers = [
        open_provider(
            name, Parties(ISSUER, name), [ClaimRule({"sub": "**"}, name)], jwks=f"{ISSUER}/keys", fetch=web.fetch
        )
        for name in ("one", "two")
    ]
    workloads = Workloads(providers, now=Clock(NOW))
    for name in ("one", "two"):
        assert await workloads.principal(token(KEY, identity(aud=name))) == Principal(f"oidc:{name}")
        assert await workloads.principal(token(KEY, identity(aud=["x", name]))) == Principal(f"oidc:{name}")


async def test_the_keys_are_where_the_issuer_says(workloads: Workloads, web: Web) -> None:
    await workloads.principal(token(KEY, identity()))
    assert web.fetched == [f"{ISSUER}/.well-known/openid-configuration", f"{ISSUER}/keys"]


@pytest.mark.parametrize(
    "page",
    [
        None,
        b"",
        b"[]",
        b"[" * 100_000,
        b"{}",
        json.dumps({"issuer": "https://evil.test", "jwks_uri": f"{ISSUER}/keys"}).encode(),
        json.dumps({"issuer": ISSUER, "jwks_uri": "http://token.actions.test/keys"}).encode(),
        json.dumps({"issuer": ISSUER, "jwks_uri": 1}).encode(),
        json.dumps({"issuer": ISSUER, "jwks_uri": f"{ISSUER}/nothing"}).encode(),
    ],
)
async def test_an_issuer_that_cannot_be_asked_lets_nobody_in(
    workloads: Workloads, web: Web, page: bytes | None
) -> None:
    place = f"{ISSUER}/.well-known/openid-configuration"
    del web.pages[place]
    if page is not None:
        web.pages[place] = page
    with pytest.raises(AuthUnavailable):
        await workloads.principal(token(KEY, identity()))


def test_an_issuer_without_tls_is_not_taken(web: Web) -> None:
    with pytest.raises(AuthMisconfigured):
        open_provider("x", Parties("http://issuer.test", "registry.test"), RULES, jwks="", fetch=web.fetch)
