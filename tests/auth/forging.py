"""Tokens with every fault one can think of, signed or not."""

import base64
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from auth.credentials import Account
from auth.errors import AuthUnavailable
from auth.jwk import jwk, thumbprint
from auth.jws import Parties
from auth.owners import TokenOwners
from auth.policy import DEFAULT, Policy
from auth.principal import Principal
from auth.signing import SigningKeys
from auth.tokens import Authority

NOW = 1_000_000_000
PARTIES = Parties("https://issuer.test", "registry.test")

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Book:
    """Rules that a test changes by setting `value`."""

    def __init__(self, policy: Policy = DEFAULT) -> None:
        self.value = policy

    async def current(self) -> Policy:
        return self.value


class Accounts:
    """Who has an account: whoever is asked for, unless a test says otherwise in `changed`."""

    def __init__(self) -> None:
        self.changed: dict[str, Account | AuthUnavailable | None] = {}
        self.asked = 0

    async def __call__(self, name: str) -> Account | None:
        self.asked += 1
        found = self.changed.get(name, Account(Principal(name), "fingerprint"))
        if isinstance(found, AuthUnavailable):
            raise found
        return found


def authority(keys: SigningKeys, book: Any = None, accounts: Accounts | None = None) -> Authority:
    """What our tokens rest on in a test."""
    return Authority(keys, book or Book(), TokenOwners(accounts or Accounts()))


def claims(**changes: Any) -> dict[str, Any]:
    """Right claims, but for the changes; None leaves one out."""
    right = {
        "iss": PARTIES.issuer,
        "aud": PARTIES.audience,
        "sub": "alice",
        "exp": NOW + 300,
        "nbf": NOW,
        "iat": NOW,
        "jti": "1",
        "access": [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}],
    }
    return {name: value for name, value in (right | changes).items() if value is not None}


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def algorithm(key: PrivateKey) -> str:
    """What a key signs with, if nothing else is said."""
    if isinstance(key, rsa.RSAPrivateKey):
        return "RS256"
    return "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"


def kid(key: PrivateKey) -> str:
    """The thumbprint of a key."""
    return thumbprint(jwk(key.public_key()))


def raw(key: PrivateKey, header: bytes, payload: bytes) -> str:
    """A token of just these bytes with a signature that is right."""
    signed = f"{b64(header)}.{b64(payload)}".encode()
    return f"{signed.decode()}.{b64(jwt.get_algorithm_by_name(algorithm(key)).sign(signed, key))}"


def token(key: PrivateKey, payload: dict[str, Any] | None = None, **header: Any) -> str:
    """A token with a signature that is right, and fields of the header over the usual ones."""
    fields = {"typ": "JWT", "alg": algorithm(key), "kid": kid(key)} | header
    fields = {name: value for name, value in fields.items() if value is not None}
    return raw(key, json.dumps(fields).encode(), json.dumps(claims() if payload is None else payload).encode())


def key_set(*keys: PrivateKey) -> bytes:
    """A JWK Set."""
    return json.dumps({"keys": [{**jwk(key.public_key()), "kid": kid(key), "use": "sig"} for key in keys]}).encode()
