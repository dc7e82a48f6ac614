"""Signed tokens: JSON Web Tokens in the compact form (RFC 7515, RFC 7519), read strictly.

Nothing that a token says about how to check it is believed, except which of the trusted keys to take.
"""

import base64
import binascii
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeVar

import jwt
import msgspec

from auth.errors import CredentialsRefused

if TYPE_CHECKING:
    from auth.jwk import PublicKey

#: Our server takes header lines of 128 KiB, and the token is not all that stands in one.
LONGEST: Final = 127 * 1024
#: As long as a chain of eight certificates makes it (``x5c``).
_LONGEST_HEADER: Final = 32 * 1024
#: How far the clocks of issuers may be from ours, in seconds.
LEEWAY: Final = 60
_DEEPEST: Final = 100
_TOKEN: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
#: Header fields that change what is signed, or demand what we do not do (RFC 7515, section 4.1.11; RFC 7797).
_REFUSED: Final = ("crit", "b64")
_JWS: Final = jwt.PyJWS()


class Header(msgspec.Struct, frozen=True):
    """How a token is signed, and with which key, as far as we look at it."""

    alg: str
    kid: str = ""
    jwk: dict[str, Any] | None = None
    x5c: tuple[str, ...] | None = None


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What every token of ours must hold, or may. Times are in seconds since the epoch."""

    iss: str
    aud: str | tuple[str, ...]
    exp: int
    nbf: int | None = None
    iat: int | None = None
    sub: str = ""


class Parties(NamedTuple):
    """Whose tokens, and for whom: ``iss`` and ``aud``; ``overtime`` is for how long beyond ``exp`` one is good."""

    issuer: str
    audience: str
    overtime: int = LEEWAY


class Token(NamedTuple):
    """A token taken apart."""

    header: Header
    body: str
    signed: bytes
    signature: bytes

    def payload(self) -> dict[str, Any]:
        """Decode the claims, which are not to be believed before ``check_signature``. Raises CredentialsRefused."""
        return _decode_object(self.body)


class Trust(Protocol):
    """The keys of an issuer."""

    async def find(self, header: Header, /) -> "PublicKey":
        """Give the key that a token says it is signed with. Raises CredentialsRefused and AuthUnavailable."""


C = TypeVar("C", bound=Claims)


def parse(text: str) -> Token:
    """Take a token apart. Raises CredentialsRefused."""
    if len(text) > LONGEST:
        raise CredentialsRefused(f"the token is longer than {LONGEST} bytes")
    parts = _TOKEN.fullmatch(text)
    if parts is None:
        raise CredentialsRefused("the token is not three parts of base64url")
    if len(parts[1]) > _LONGEST_HEADER:
        raise CredentialsRefused(f"the token's own header is longer than {_LONGEST_HEADER} bytes")
    fields = _decode_object(parts[1])
    if any(name in fields for name in _REFUSED):
        raise CredentialsRefused("the token's header asks for an extension")
    try:
        header = msgspec.convert(fields, Header)
    except msgspec.ValidationError as error:
        raise CredentialsRefused(f"the token's header is malformed: {error}") from None
    return Token(header, parts[2], text[: parts.end(2)].encode(), _decode(parts[3]))


def check_signature(token: Token, key: "PublicKey") -> None:
    """Refuse a token that was not signed with this key, by an algorithm of this key. Raises CredentialsRefused."""
    if token.header.alg not in key.algorithms:
        raise CredentialsRefused("the token is signed by an algorithm that its key is not for")
    name = "EdDSA" if token.header.alg == "Ed25519" else token.header.alg
    if not _JWS.get_algorithm_by_name(name).verify(token.signed, key.key, token.signature):
        raise CredentialsRefused("the token's signature is wrong")


def check_claims(payload: dict[str, Any], kind: type[C], parties: Parties, now: float) -> C:
    """Read claims and refuse those of another issuer, for another audience or of another time.

    Raises CredentialsRefused.
    """
    try:
        claims = msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise CredentialsRefused(f"the token's claims are malformed: {error}") from None
    if claims.iss != parties.issuer:
        raise CredentialsRefused("the token is of another issuer")
    if parties.audience not in ((claims.aud,) if isinstance(claims.aud, str) else claims.aud):
        raise CredentialsRefused("the token is for another audience")
    if claims.exp + parties.overtime <= now:
        raise CredentialsRefused("the token has expired")
    if any(time is not None and time - LEEWAY > now for time in (claims.nbf, claims.iat)):
        raise CredentialsRefused("the token is not valid yet")
    if not claims.sub.isprintable():
        raise CredentialsRefused("the token's subject holds a control character")
    return claims


async def verify(token: Token, trust: Trust, kind: type[C], parties: Parties, now: float) -> C:
    """Give the claims of a token that is signed, meant for us and timely.

    Raises CredentialsRefused and AuthUnavailable.
    """
    check_signature(token, await trust.find(token.header))
    # Not before: who cannot sign shall not have us read 100 KiB of JSON.
    return check_claims(token.payload(), kind, parties, now)


def _decode(part: str) -> bytes:
    try:
        data = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise CredentialsRefused("a part of the token is not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=") != part.encode():
        # Bits beyond the last byte would let one token be written in several ways.
        raise CredentialsRefused("a part of the token is not base64url")
    return data


def _decode_object(part: str) -> dict[str, Any]:
    try:
        text = _decode(part).decode()
        tree = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
        _check_depth(text, tree)
    except (ValueError, RecursionError):
        raise CredentialsRefused("a part of the token is not JSON as tokens have it") from None
    if not isinstance(tree, dict):
        raise CredentialsRefused("a part of the token is not a JSON object")
    return tree


def _check_depth(text: str, tree: object) -> None:
    """Raise ValueError for what is nested deeper than ``_DEEPEST``; Python 3.14 reads any depth."""
    if text.count("[") + text.count("{") <= _DEEPEST:
        return
    level = [tree]
    for _ in range(_DEEPEST):
        nodes = (node.values() if isinstance(node, dict) else node for node in level if isinstance(node, dict | list))
        level = [child for children in nodes for child in children]
    if level:
        raise ValueError("it is nested too deeply")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two readers could take it for two tokens (RFC 7519, section 4).
        raise ValueError("a member occurs twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
