"""Issuing our own access tokens."""

import asyncio
import json
import secrets
import time
from typing import TYPE_CHECKING, Final, NamedTuple

import jwt
import msgspec

from auth import jws
from auth.action import Action
from auth.credentials import has_account
from auth.errors import CredentialsRefused
from auth.scope import ALL, CATALOG, REPOSITORY, Scope, parse
from auth.tokens import Authority, Identity, Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auth.principal import Principal
    from auth.signing import SigningKey

_ON_REPOSITORIES: Final = (Action.PULL, Action.PUSH, Action.DELETE)
#: How many scopes are looked at for one token: more than fit into any.
_MOST_ASKED: Final = 4096
#: With so many a thread makes the token, as rules are asked about each.
_MANY: Final = 8
#: How much of a token its header and signature take at most, in bytes.
_HEADER_AND_SIGNATURE: Final = 1024


class Issued(NamedTuple):
    """A token, the scopes it allows as clients write them, and its time in seconds."""

    token: str
    scope: str
    issued_at: int
    expires_in: int
    left_out: int = 0
    """How many of the scopes, the first, are not in it, because no more fit into a header."""
    malformed: int = 0
    """How many scopes were none."""

    def __repr__(self) -> str:
        """Say what the token allows, and not what it is."""
        return f"Issued({self.scope!r})"


class TokenIssuer:
    """Makes tokens."""

    def __init__(
        self, authority: Authority, parties: jws.Parties, lifetime: int, *, now: "Callable[[], float]" = time.time
    ) -> None:
        self._authority = authority
        self._parties = parties
        self._lifetime = lifetime
        self._now = now

    async def issue(self, principal: "Principal", scopes: "Sequence[str]", /) -> Issued:
        """Make a token for as much of the scopes as the rules allow, be it nothing.

        Where more is asked for than fits into a header, it is for what comes last, which is what a client needs next.
        Raises AuthUnavailable, and CredentialsRefused if there is no such principal any more.
        """
        rules = await self._authority.rules.current()
        key = await self._authority.keys.current()
        identity = await self._identity(principal, key)
        if len(scopes) <= _MANY:
            return self._make(rules, key, principal, identity, scopes)
        return await asyncio.to_thread(self._make, rules, key, principal, identity, scopes)

    async def _identity(self, principal: "Principal", key: "SigningKey") -> Identity:
        if not has_account(principal.name):
            return Identity(tuple(sorted(principal.groups)))
        account = await self._authority.owners.account(principal.name)
        if account is None:
            raise CredentialsRefused(f"{principal.name} is not known any more")
        return Identity(account=key.seal(account.fingerprint))

    def _make(
        self, rules: Rules, key: "SigningKey", principal: "Principal", identity: Identity, scopes: "Sequence[str]"
    ) -> Issued:
        now = int(self._now())
        claims = {
            "iss": self._parties.issuer,
            "sub": principal.name,
            "aud": self._parties.audience,
            "exp": now + self._lifetime,
            "nbf": now,
            "iat": now,
            "jti": secrets.token_urlsafe(16),
            "preg": msgspec.to_builtins(identity),
        }
        asked = parse(scopes)
        room = (jws.LONGEST - _HEADER_AND_SIGNATURE) * 3 // 4 - len(_json(claims))
        granted, left_out = _grant_last(rules, principal, asked.scopes, room)
        claims["access"] = [_access(scope) for scope in granted]
        token = jwt.encode(claims, key.private, key.algorithm, headers={"kid": key.kid})
        scope = " ".join(map(str, granted))
        return Issued(token, scope, now, self._lifetime, left_out, asked.malformed)

    async def jwks(self) -> bytes:
        """Give the public keys, as a JWK Set (RFC 7517). Raises AuthUnavailable."""
        return await self._authority.keys.jwks()


def _grant_last(rules: Rules, principal: "Principal", asked: "Sequence[Scope]", room: int) -> tuple[list[Scope], int]:
    """Grant the last of the scopes whose claims take no more than ``room`` bytes; tell how many come before them."""
    granted: list[Scope] = []
    left = len(asked)
    for scope in reversed(asked[-_MOST_ASKED:]):
        if (found := _granted(rules, principal, scope)).actions:
            room -= len(_json(_access(found))) + 1
            if room < 0:
                break
            granted.append(found)
        left -= 1
    return granted[::-1], left


def _granted(rules: Rules, principal: "Principal", asked: Scope) -> Scope:
    """Give as much of a scope as the rules allow; types and actions that nobody knows are not allowed."""
    actions: set[str] = set()
    if asked.type == REPOSITORY:
        wanted = (action for action in _ON_REPOSITORIES if action in asked.actions or ALL in asked.actions)
        actions = {action.value for action in wanted if rules.decide(principal, action, asked.name).allowed}
    elif asked[:2] == CATALOG and ALL in asked.actions and rules.decide(principal, Action.CATALOG).allowed:
        actions = {ALL}
    return asked._replace(actions=frozenset(actions))


def _access(scope: Scope) -> dict[str, object]:
    return {"type": scope.type, "name": scope.name, "actions": sorted(scope.actions)}


def _json(value: object) -> str:
    """Write JSON as PyJWT does."""
    return json.dumps(value, separators=(",", ":"))
