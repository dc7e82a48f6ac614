"""Access tokens: what one request after the other is made with, for some minutes (Docker's token specification)."""

import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from auth import jws
from auth.action import Action
from auth.credentials import has_account
from auth.errors import CredentialsRefused
from auth.principal import Decision, Principal
from auth.scope import Scope, needed

if TYPE_CHECKING:
    from collections.abc import Callable

    from auth.owners import TokenOwners
    from auth.principal import Caller
    from auth.signing import SigningKeys

#: How many verified tokens are remembered, and how many bytes of them; what is kept of one is some times as large.
_REMEMBERED: Final = 4096
_REMEMBERED_BYTES: Final = 8 * 1024 * 1024
#: For how many seconds a verified token is not looked at again, so how long keys and certificates are of use that have
#: been withdrawn or have expired, and accounts that are gone.
_LIFETIME: Final = 2
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


class Identity(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom a token of ours is for, besides the name.

    For a user or a key it is a seal of the account, which says what they may; ``groups`` are those of others.
    """

    groups: tuple[str, ...] = ()
    account: str = ""


class _Claims(jws.Claims, frozen=True, kw_only=True):
    jti: str = ""
    access: tuple[_Access, ...] | None = None


class _OurClaims(_Claims, frozen=True, kw_only=True):
    preg: Identity


class Authority(NamedTuple):
    """What tokens of ours rest on: the keys that sign them, the rules, and those whom they are issued to."""

    keys: "SigningKeys"
    rules: RuleBook
    owners: "TokenOwners"


class _Verified(NamedTuple):
    """Who came with a token, when that was checked, how long the token is good, and how long it is."""

    caller: "Caller"
    checked: float
    until: int
    size: int


class Tokens:
    """Checks tokens.

    Ours come with an ``authority``: then a token allows what it says only as long as the rules do, too, and as its
    owner is who it was issued to. Those of another issuer allow what they say.
    """

    def __init__(
        self,
        trust: jws.Trust,
        parties: jws.Parties,
        *,
        authority: Authority | None = None,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._trust = trust
        self._parties = parties
        self._authority = authority
        self._now = now
        self._remembered: dict[bytes, _Verified] = {}
        self._remembered_bytes = 0

    async def verify(self, token: str, /) -> "Caller":
        """Give who comes with a token. Raises CredentialsRefused and AuthUnavailable."""
        # Digests, so that the memory holds no token, and is of one size for each.
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        now = self._now()
        known = self._remembered.get(digest)
        if known is not None and 0 <= now - known.checked < _LIFETIME and now < known.until:
            return known.caller
        self._forget(digest)
        parsed, authority = jws.parse(token), self._authority
        claims = await jws.verify(parsed, self._trust, _OurClaims if authority else _Claims, self._parties, now)
        if authority is None or not isinstance(claims, _OurClaims):
            found = _TokenCaller(Principal(claims.sub), _scopes(claims), None)
        else:
            owner = await _owner(claims, parsed.header.kid, authority)
            found = _TokenCaller(owner, _scopes(claims), authority.rules)
        self._remember(digest, _Verified(found, now, claims.exp + self._parties.overtime, len(token)))
        return found

    def _remember(self, digest: bytes, verified: _Verified) -> None:
        self._forget(digest)
        self._remembered[digest] = verified
        self._remembered_bytes += verified.size
        while len(self._remembered) > _REMEMBERED or self._remembered_bytes > _REMEMBERED_BYTES:
            self._forget(next(iter(self._remembered)))

    def _forget(self, digest: bytes) -> None:
        known = self._remembered.pop(digest, None)
        if known is not None:
            self._remembered_bytes -= known.size


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


async def _owner(claims: _OurClaims, kid: str, authority: Authority) -> Principal:
    """Give whom a token was issued to. Raises CredentialsRefused if that is another by now, and AuthUnavailable."""
    if not has_account(claims.sub):
        return Principal(claims.sub, frozenset(claims.preg.groups))
    account = await authority.owners.account(claims.sub)
    if account is None:
        raise CredentialsRefused(f"the token is of {claims.sub}, who is not known any more")
    if not authority.keys.is_seal(claims.preg.account, account.fingerprint, kid):
        raise CredentialsRefused(f"the token is of {claims.sub}, whose password or key has changed since")
    return account.principal


def _scopes(claims: _Claims) -> dict[tuple[str, str], Scope]:
    found: dict[tuple[str, str], Scope] = {}
    for each in claims.access or ():
        thing = (each.type, each.name)
        before = found[thing].actions if thing in found else frozenset()
        found[thing] = Scope(*thing, before.union(each.actions or ()))
    return found
