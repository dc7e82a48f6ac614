"""Public keys that tokens are checked with: JSON Web Keys (RFC 7517), and what they are called."""

import base64
import json
import logging
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LOG: Final = logging.getLogger("preg.auth")
_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_EC: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
#: RFC 9864 gives the algorithm another name.
_ED25519: Final = frozenset({"EdDSA", "Ed25519"})
#: The members that a thumbprint is made of (RFC 7638, section 3.2; RFC 8037, section 2).
_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}
_SHORTEST_RSA: Final = 2048

Key = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey


class PublicKey(NamedTuple):
    """A key, and the algorithms it may check: a token does not choose another."""

    key: Key
    algorithms: frozenset[str]


class KeyUnusable(ValueError):
    """A key that no token can be checked with; the message says why."""


def public_key(key: object) -> PublicKey:
    """Give a key with the algorithms that are safe with it. Raises KeyUnusable."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size < _SHORTEST_RSA:
            raise KeyUnusable(f"an RSA key of {key.key_size} bits is too short: at least {_SHORTEST_RSA} are needed")
        return PublicKey(key, _RSA)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _EC:
        return PublicKey(key, frozenset({_EC[key.curve.name]}))
    if isinstance(key, ed25519.Ed25519PublicKey):
        return PublicKey(key, _ED25519)
    raise KeyUnusable("the key is neither RSA, nor EC on P-256, P-384 or P-521, nor Ed25519")


def jwk(key: Key) -> dict[str, Any]:
    """Write a key as a JWK, with nothing but what is the key."""
    if isinstance(key, rsa.RSAPublicKey):
        members = RSAAlgorithm.to_jwk(key, as_dict=True)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        members = ECAlgorithm.to_jwk(key, as_dict=True)
    else:
        members = OKPAlgorithm.to_jwk(key, as_dict=True)
    return {name: members[name] for name in _MEMBERS[members["kty"]]}


def thumbprint(members: "Mapping[str, Any]") -> str:
    """Give the RFC 7638 thumbprint of a JWK, empty where it is none; whether it is a key at all is not looked at."""
    kind = members.get("kty")
    found = {name: members.get(name) for name in _MEMBERS.get(kind if isinstance(kind, str) else "", ())}
    if not found or not all(isinstance(value, str) for value in found.values()):
        return ""
    text = json.dumps(found, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()


def libtrust_id(key: Key) -> str:
    """Give what registry:2 and its token servers call a key."""
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = base64.b32encode(sha256(der).digest()[:30]).decode()
    return ":".join(text[start : start + 4] for start in range(0, 48, 4))


def by_name(keys: "Iterable[tuple[str, PublicKey]]") -> dict[str, PublicKey]:
    """Sort keys by all their names: the given one, which may be empty, their thumbprint and their libtrust id."""
    found: dict[str, PublicKey] = {}
    for given, key in keys:
        for name in (given, thumbprint(jwk(key.key)), libtrust_id(key.key)):
            if name:
                found.setdefault(name, key)
    return found


def read_set(data: bytes) -> dict[str, PublicKey]:
    """Read the keys of a JWK Set by their names; those that cannot check signatures are left out, as the log says.

    Raises KeyUnusable where it is no JWK Set or none of the keys can be used.
    """
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        raise KeyUnusable("this is not JSON, so no JWK Set") from None
    listed = tree.get("keys") if isinstance(tree, dict) else None
    if not isinstance(listed, list):
        raise KeyUnusable("this is no JWK Set: it has no list of `keys`")
    faults: list[str] = []
    keys: list[tuple[str, PublicKey]] = []
    names: set[str] = set()
    for members in listed:
        try:
            name, key = _read_key(members)
            if name in names:
                faults.append(f"another key is called {name[:100]!r}, too")
            names.update({name} - {""})
            keys.append((name, key))
        except KeyUnusable as error:
            faults.append(str(error))
    if not keys:
        raise KeyUnusable(f"the JWK Set holds no key that tokens can be checked with: {'; '.join(faults) or 'no key'}")
    if faults:
        _LOG.info("of the %d keys of a JWK Set some are not used: %s", len(listed), "; ".join(faults))
    return by_name(keys)


def _read_key(members: Any) -> tuple[str, PublicKey]:
    if not isinstance(members, dict) or members.get("use", "sig") != "sig":
        raise KeyUnusable("the key is not made for signatures")
    if members.get("kty") not in tuple(_MEMBERS):
        raise KeyUnusable("the key is none of RSA, EC and OKP")
    only = members.get("alg")
    name = members.get("kid")
    try:
        # What the key is follows from its type; an `alg` that PyJWT does not know is refused below.
        key = jwt.PyJWK({member: value for member, value in members.items() if member != "alg"}).key
        found = public_key(key.public_key() if hasattr(key, "public_key") else key)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise KeyUnusable(f"the key cannot be read: {error}") from error
    if only is not None:
        found = found._replace(algorithms=found.algorithms & {only if isinstance(only, str) else ""})
    if not found.algorithms:
        raise KeyUnusable("the key is of another type than its algorithm")
    return name if isinstance(name, str) else "", found
