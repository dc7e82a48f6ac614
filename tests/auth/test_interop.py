"""Our tokens before Docker's registry, and tokens of another's making before us."""

import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from auth.action import Action
from auth.errors import CredentialsRefused
from auth.issuer import open_trust
from auth.jws import Parties
from auth.principal import Principal
from auth.signing import SigningKeys
from auth.token_issuer import TokenIssuer
from auth.tokens import Tokens
from registry.state import StoredState
from tests.auth import forging
from tests.parts.distribution import distribution
from tests.parts.wire import Wire

PARTIES = Parties("preg", "registry.test")


def authorized(registry: Wire, method: str, path: str, token: str) -> int:
    return registry.ask(method, path, headers={"Authorization": f"Bearer {token}"}).status


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "RS256"])
async def test_docker_s_registry_takes_our_tokens(
    state: StoredState, tmp_path: Path, algorithm: Literal["EdDSA", "ES256", "RS256"]
) -> None:
    issuer = TokenIssuer(forging.authority(SigningKeys(state, algorithm, 24 * 3600)), PARTIES, 300)
    keys = tmp_path / "keys.json"
    keys.write_bytes(await issuer.jwks())
    auth = {
        "token": {
            "realm": "https://registry.test/token",
            "service": PARTIES.audience,
            "issuer": PARTIES.issuer,
            "jwks": str(keys),
        }
    }

    async def token(*scopes: str) -> str:
        return (await issuer.issue(Principal("alice"), scopes)).token

    with distribution("3.1.1", tmp_path / "storage", auth) as registry:
        assert registry.ask("GET", "/v2/").status == 401
        assert authorized(registry, "GET", "/v2/", await token()) == 200
        uploads = "/v2/team/app/blobs/uploads/"
        assert authorized(registry, "POST", uploads, await token("repository:team/app:pull,push")) == 202
        assert authorized(registry, "POST", uploads, await token("repository:team/app:pull")) == 401
        assert authorized(registry, "POST", uploads, await token("repository:other:pull,push")) == 401
        assert authorized(registry, "GET", "/v2/_catalog", await token("registry:catalog:*")) == 200
        missing = f"/v2/team/app/manifests/sha256:{'0' * 64}"
        assert authorized(registry, "DELETE", missing, await token("repository:team/app:*")) == 404
        altered = (await token("repository:team/app:pull"))[:-8] + "AAAAAAAA"
        assert authorized(registry, "GET", "/v2/", altered) == 401


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": PARTIES.issuer,
        "aud": PARTIES.audience,
        "sub": "alice",
        "exp": now + 300,
        "nbf": now - 10,
        "iat": now,
        "access": [{"type": "repository", "name": "team/app", "actions": ["pull"]}],
    } | changes


async def never(url: str) -> bytes:
    raise AssertionError(f"{url} was fetched")


async def check(tokens: Tokens, text: str) -> None:
    caller = await tokens.verify(text)
    assert caller.principal.name == "alice"
    assert caller.may(Action.PULL, "team/app").allowed
    assert not caller.may(Action.PUSH, "team/app").allowed


MAKERS: dict[str, Callable[[], OKPKey | ECKey | RSAKey]] = {
    "Ed25519": lambda: OKPKey.generate_key("Ed25519"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "ES384": lambda: ECKey.generate_key("P-384"),
    "ES512": lambda: ECKey.generate_key("P-521"),
    "RS256": lambda: RSAKey.generate_key(2048),
    "PS384": lambda: RSAKey.generate_key(2048),
}


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # which does not keep anybody from using it
@pytest.mark.parametrize("algorithm", MAKERS)
async def test_we_take_the_tokens_of_an_issuer_with_a_jwk_set(tmp_path: Path, algorithm: str) -> None:
    key, stranger = MAKERS[algorithm](), MAKERS[algorithm]()
    key.ensure_kid()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    tokens = Tokens(open_trust("", str(keys), never), PARTIES)
    header = {"alg": algorithm, "kid": key.kid}
    await check(tokens, jwt.encode(header, claims(), key, algorithms=[algorithm]))
    embedded = {"alg": algorithm, "jwk": key.as_dict(private=False)}
    await check(tokens, jwt.encode(embedded, claims(), key, algorithms=[algorithm]))
    with pytest.raises(CredentialsRefused, match="signature"):
        await tokens.verify(jwt.encode(header, claims(), stranger, algorithms=[algorithm]))


@pytest.mark.parametrize("kind", list(trustme.KeyType))
async def test_we_take_the_tokens_of_an_issuer_with_certificates(tmp_path: Path, kind: trustme.KeyType) -> None:
    root = trustme.CA(key_type=kind)
    bundle = tmp_path / "roots.pem"
    root.cert_pem.write_to_path(str(bundle))
    tokens = Tokens(open_trust(str(bundle), "", never), PARTIES)
    for authority in (root, root.create_child_ca()):
        await check(tokens, certified(authority, kind))
    with pytest.raises(CredentialsRefused, match="not trusted"):
        await tokens.verify(certified(trustme.CA(key_type=kind), kind))


def certified(authority: trustme.CA, kind: trustme.KeyType) -> str:
    """A token with its chain."""
    leaf = authority.issue_cert("issuer.test", key_type=kind)
    chain = [x509.load_pem_x509_certificate(part.bytes()) for part in leaf.cert_chain_pems]
    x5c = [base64.b64encode(each.public_bytes(Encoding.DER)).decode() for each in chain]
    algorithm, key_type = ("RS256", RSAKey) if kind is trustme.KeyType.RSA else ("ES256", ECKey)
    key = key_type.import_key(leaf.private_key_pem.bytes())
    return jwt.encode({"alg": algorithm, "x5c": x5c}, claims(), key, algorithms=[algorithm])


async def test_both_take_the_same_tokens(tmp_path: Path) -> None:
    """A token server moves from Docker's registry to us with the settings it has."""
    root = trustme.CA()
    bundle = tmp_path / "roots.pem"
    root.cert_pem.write_to_path(str(bundle))
    settings = {
        "realm": "https://registry.test/token",
        "service": PARTIES.audience,
        "issuer": PARTIES.issuer,
        "rootcertbundle": str(bundle),
    }
    text = certified(root, trustme.KeyType.ECDSA)
    await check(Tokens(open_trust(str(bundle), "", never), PARTIES), text)
    with distribution("3.1.1", tmp_path / "storage", {"token": settings}) as registry:
        assert authorized(registry, "GET", "/v2/", text) == 200
        assert authorized(registry, "GET", "/v2/team/app/tags/list", text) == 404
