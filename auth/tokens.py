"""Access tokens: what one request after the other is made with, for some minutes (Docker's token specification)."""

import asyncio
import json
import secrets
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import jwt
import msgspec

from auth import jws
from auth.action import Action
from auth.principal import Decision, Grant, Principal
from auth.scope import ALL, CATALOG, REPOSITORY, Scope, needed, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from auth.principal import Caller
    from auth.signing import SigningKey, SigningKeys

_ON_REPOSITORIES: Final = (Action.PULL, Action.PUSH, Action.DELETE)
#: How many verified tokens are remembered, and how many bytes of them; what is kept of one is some times as large.
_REMEMBERED: Final = 4096
_REMEMBERED_BYTES: Final = 8 * 1024 * 1024
#: How many scopes are looked at for one token: more than fit into any.
_MOST_ASKED: Final = 4096
#: With so many a thread makes the token, as rules are asked about each.
_MANY: Final = 8
#: How much of a token its header and signature take at most, in bytes.
_HEADER_AND_SIGNATURE: Final = 1024
_VALID: Final = Decision(allowed=True, reason="the token is valid")


class Rules(Protocol):
    """What ``auth.policy.Policy`` says."""

    def decide(self, principal: Principal, action: Action, repository: str = "", /) -> Decision:
        """Say whether somebody may do something."""


class RuleBook(Protocol):
    """Rules that may change: an ``auth.watched.Watched`` policy."""

    @property
    def value(self) -> Rules:
        """The rules as they were read last."""

    async def current(self) -> Rules:
        """Read the rules anew if they have changed."""


class _Access(msgspec.Struct, frozen=True):
    """What a token allows on one thing."""

    type: str
    name: str
    actions: tuple[str, ...] | None = None


class _Identity(msgspec.Struct, frozen=True):
    """What of a principal is not in the registered claims."""

    groups: tuple[str, ...] = ()
    grants: tuple[tuple[tuple[str, ...], frozenset[Action]], ...] = ()


class _Claims(jws.Claims, frozen=True, kw_only=True):
    jti: str = ""
    access: tuple[_Access, ...] | None = None


class _OurClaims(_Claims, frozen=True, kw_only=True):
    preg: _Identity


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
        self,
        keys: "SigningKeys",
        rules: RuleBook,
        parties: jws.Parties,
        lifetime: int,
        *,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._keys = keys
        self._rules = rules
        self._parties = parties
        self._lifetime = lifetime
        self._now = now

    async def issue(self, principal: Principal, scopes: "Sequence[str]", /) -> Issued:
        """Make a token for as much of the scopes as the rules allow, be it nothing. Raises AuthUnavailable.

        Where more is asked for than fits into a header, it is for what comes last, which is what a client needs next.
        """
        rules = await self._rules.current()
        key = await self._keys.current()
        if len(scopes) <= _MANY:
            return self._make(rules, key, principal, scopes)
        return await asyncio.to_thread(self._make, rules, key, principal, scopes)

    def _make(self, rules: Rules, key: "SigningKey", principal: Principal, scopes: "Sequence[str]") -> Issued:
        now = int(self._now())
        claims = {
            "iss": self._parties.issuer,
            "sub": principal.name,
            "aud": self._parties.audience,
            "exp": now + self._lifetime,
            "nbf": now,
            "iat": now,
            "jti": secrets.token_urlsafe(16),
            "preg": msgspec.to_builtins(_Identity(tuple(sorted(principal.groups)), principal.grants)),
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
        return await self._keys.jwks()


class Tokens:
    """Checks tokens.

    Ours come with ``rules``: then a token allows what it says only as long as the rules do, too. Those of another
    issuer allow what they say.
    """

    def __init__(
        self,
        trust: jws.Trust,
        parties: jws.Parties,
        *,
        rules: RuleBook | None = None,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._trust = trust
        self._parties = parties
        self._rules = rules
        self._now = now
        self._remembered: dict[bytes, tuple[int, Caller, int]] = {}
        self._remembered_bytes = 0

    async def verify(self, token: str, /) -> "Caller":
        """Give who comes with a token. Raises CredentialsRefused and AuthUnavailable."""
        # Digests, so that the memory holds no token, and is of one size for each.
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        until, caller, _ = self._remembered.get(digest, (0, None, 0))
        if caller is not None:
            if self._now() < until:
                return caller
            self._forget(digest)
        claims = await jws.verify(
            jws.parse(token),
            self._trust,
            _OurClaims if self._rules else _Claims,
            self._parties,
            self._now(),
        )
        found = _TokenCaller(_principal(claims), _scopes(claims), self._rules)
        self._remember(digest, claims.exp + jws.LEEWAY, found, len(token))
        return found

    def _remember(self, digest: bytes, until: int, caller: "Caller", size: int) -> None:
        self._forget(digest)
        self._remembered[digest] = (until, caller, size)
        self._remembered_bytes += size
        while len(self._remembered) > _REMEMBERED or self._remembered_bytes > _REMEMBERED_BYTES:
            self._forget(next(iter(self._remembered)))

    def _forget(self, digest: bytes) -> None:
        known = self._remembered.pop(digest, None)
        if known is not None:
            self._remembered_bytes -= known[2]


class _TokenCaller:
    """Who comes with a token."""

    def __init__(self, principal: Principal, scopes: "dict[tuple[str, str], Scope]", rules: RuleBook | None) -> None:
        self.principal = principal
        self._scopes = scopes
        self._rules = rules

    def may(self, action: Action, repository: str = "", /) -> Decision:
        """See ``Caller.may``."""
        if action is Action.PING:
            return _VALID
        need = needed(action, repository)
        scope = self._scopes.get(need[:2])
        if scope is None or not scope.covers(need):
            return Decision(allowed=False, reason=f"the token is not for {need}, only for {scope or 'other things'}")
        if self._rules is None:
            return Decision(allowed=True, reason=f"the token is for {scope}")
        return self._rules.value.decide(self.principal, action, repository)


def _grant_last(rules: Rules, principal: Principal, asked: "Sequence[Scope]", room: int) -> tuple[list[Scope], int]:
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


def _granted(rules: Rules, principal: Principal, asked: Scope) -> Scope:
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


def _principal(claims: _Claims) -> Principal:
    if not isinstance(claims, _OurClaims):
        return Principal(claims.sub)
    return Principal(claims.sub, frozenset(claims.preg.groups), tuple(Grant(*each) for each in claims.preg.grants))


def _scopes(claims: _Claims) -> dict[tuple[str, str], Scope]:
    found: dict[tuple[str, str], Scope] = {}
    for each in claims.access or ():
        thing = (each.type, each.name)
        before = found[thing].actions if thing in found else frozenset()
        found[thing] = Scope(*thing, before.union(each.actions or ()))
    return found
