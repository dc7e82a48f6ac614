"""Refresh tokens: what a client keeps instead of the password; Docker calls it an identity token.

A token is ``prt_ID_SECRET``. What is kept of it, as ``refresh/ID``, tells nobody the secret. The first half of an ID
comes from the owner's name, so that all of one owner's are found without reading others.
"""

import re
import secrets
import time
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

import msgspec

from auth.errors import AuthUnavailable, CredentialsRefused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from auth.credentials import Account
    from auth.principal import Principal
    from auth.state import State

_PREFIX: Final = "refresh/"
_TOKEN: Final = re.compile(r"prt_([0-9a-f]{32})_([0-9a-f]{64})")


class _Document(msgspec.Struct, frozen=True):
    """What is kept of a token: digests of its secret and of its owner's fingerprint, and its time."""

    name: str
    sha256: str
    fingerprint: str
    created: int
    expires: int


class RefreshTokens:
    """The tokens in a ``State``. All methods raise AuthUnavailable when it cannot be reached.

    ``account`` gives an owner as he is now, None where he is none any more. A token dies with him, with the password or
    key that it was got with, when it is revoked, and ``lifetime`` seconds after it was made. Nothing is remembered of
    one, so each of these is so at once, in every process.
    """

    def __init__(
        self,
        state: "State",
        account: "Callable[[str], Awaitable[Account | None]]",
        lifetime: float,
        *,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._state = state
        self._account = account
        self._lifetime = lifetime
        self._now = now

    async def issue(self, principal: "Principal", /) -> str | None:
        """Make a token; None for who has no password or key that could change, as workloads and certificates."""
        account = await self._account(principal.name)
        if account is None:
            return None
        identity = _owner(principal.name) + secrets.token_hex(8)
        secret = secrets.token_hex(32)
        now = int(self._now())
        document = _Document(
            principal.name, _digest(secret), _digest(account.fingerprint), now, now + int(self._lifetime)
        )
        await self._state.put(_PREFIX + identity, msgspec.json.encode(document))
        return f"prt_{identity}_{secret}"

    async def principal(self, token: str, /) -> "Principal":
        """Give a token's owner, with the groups he has now. Raises CredentialsRefused."""
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            raise CredentialsRefused("the refresh token is malformed")
        document = await self._read(parts[1])
        if document is None or not compare_digest(document.sha256, _digest(parts[2])):
            raise CredentialsRefused("there is no such refresh token; it may be revoked")
        if self._is_expired(document):
            raise CredentialsRefused(f"the refresh token of {document.name} has expired")
        account = await self._account(document.name)
        if account is None:
            raise CredentialsRefused(f"the refresh token is of {document.name}, who is not known any more")
        if not compare_digest(document.fingerprint, _digest(account.fingerprint)):
            raise CredentialsRefused(f"the refresh token is of {document.name}, whose password has changed since")
        return account.principal

    async def revoke(self, name: str) -> int:
        """Let all of an owner's tokens be refused from now on, which is durable; tell how many there were."""
        owner = _owner(name)
        found = [identity async for identity in self._state.names(_PREFIX) if identity.startswith(owner)]
        for identity in found:
            await self._state.delete(_PREFIX + identity)
        return len(found)

    async def purge(self) -> int:
        """Remove what is kept of tokens that have expired; tell how many there were."""
        removed = 0
        for identity in [identity async for identity in self._state.names(_PREFIX)]:
            document = await self._read(identity)
            if document is not None and self._is_expired(document):
                await self._state.delete(_PREFIX + identity)
                removed += 1
        return removed

    def _is_expired(self, document: _Document) -> bool:
        """Tell whether a token is too old, be it by the settings of today."""
        return self._now() >= min(document.expires, document.created + self._lifetime)

    async def _read(self, identity: str) -> _Document | None:
        data = await self._state.get(_PREFIX + identity)
        try:
            return None if data is None else msgspec.json.decode(data, type=_Document)
        except msgspec.MsgspecError as error:
            raise AuthUnavailable(f"what is kept as {_PREFIX}{identity} cannot be read: {error}") from error


def _owner(name: str) -> str:
    return blake2b(name.encode(), digest_size=8).hexdigest()


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
