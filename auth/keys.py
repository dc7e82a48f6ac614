"""API keys: passwords of machines, which are made with what they allow.

A key is ``preg_NAME_SECRET``; what is kept of it, as ``keys/NAME``, tells nobody the secret. When it was last used lies
beside that, in ``keys-used/NAME``.
"""

import logging
import re
import secrets
import time
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

import msgspec

from auth.action import Action
from auth.errors import AuthMisconfigured, AuthUnavailable, CredentialsRefused
from auth.policy import check_globs
from auth.principal import Grant, Principal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from auth.state import State

_LOG: Final = logging.getLogger("preg.auth")
_KEYS: Final = "keys/"
_USED: Final = "keys-used/"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")
_PASSWORD: Final = re.compile(rf"preg_({_NAME.pattern})_([0-9a-f]{{64}})")
#: For how many seconds a key that was right is not looked up again, so how long a revoked one may still be of use.
_LIFETIME: Final = 5.0
_REMEMBERED: Final = 1024
#: How exactly the last use is known, in seconds.
_USE_EVERY: Final = 300.0


class ApiKey(msgspec.Struct, frozen=True):
    """What is kept of a key; times are in seconds since the epoch."""

    name: str
    sha256: str
    repositories: tuple[str, ...]
    actions: tuple[Action, ...]
    created: int
    expires: int | None = None

    @property
    def principal(self) -> Principal:
        """Who comes with this key."""
        return Principal(f"key:{self.name}", grants=(Grant(self.repositories, frozenset(self.actions)),))

    def __repr__(self) -> str:
        """Name the key."""
        return f"ApiKey({self.name!r})"


class ApiKeys:
    """The keys in a ``State``. All methods raise AuthUnavailable when it cannot be reached.

    A key that is revoked here is refused from now on; other processes refuse it after five seconds at most.
    """

    def __init__(self, state: "State", *, now: "Callable[[], float]" = time.time) -> None:
        self._state = state
        self._now = now
        self._remembered: dict[bytes, tuple[float, ApiKey]] = {}
        self._used: dict[str, float] = {}

    async def create(
        self, name: str, repositories: "Iterable[str]", actions: "Iterable[Action]", *, lifetime: float | None = None
    ) -> str:
        """Make a key that holds for ``lifetime`` seconds, or until it is revoked; give the password, which is not kept.

        Raises AuthMisconfigured, also where there is a key of that name, be it one that has expired.
        """
        globs = tuple(repositories)
        if _NAME.fullmatch(name) is None:
            raise AuthMisconfigured(f"{name!r} cannot be the name of a key: it is of up to 63 letters, digits, . and -")
        check_globs(globs)
        secret = secrets.token_hex(32)
        now = int(self._now())
        expires = None if lifetime is None else now + int(lifetime)
        key = ApiKey(name, sha256(secret.encode()).hexdigest(), globs, tuple(actions), now, expires)
        if not await self._state.create(_KEYS + name, msgspec.json.encode(key)):
            raise AuthMisconfigured(f"there is a key {name} already: revoke it first, or choose another name")
        return f"preg_{name}_{secret}"

    async def revoke(self, name: str) -> bool:
        """Let a key be refused from now on, which is durable; tell whether there was one."""
        if await self.find(name) is None:
            return False
        await self._state.delete(_KEYS + name)
        await self._state.delete(_USED + name)
        self._remembered.clear()
        self._used.pop(name, None)
        return True

    async def find(self, name: str) -> ApiKey | None:
        """Give the key of a name, expired or not."""
        data = await self._state.get(_KEYS + name) if _NAME.fullmatch(name) else None
        return None if data is None else _decode(data, name)

    async def list(self) -> "AsyncIterator[tuple[ApiKey, int | None]]":
        """Give each key and when it was last used, by name."""
        async for name in self._state.names(_KEYS):
            key = await self.find(name)
            if key is not None:
                yield key, await self._last_use(key)

    async def principal(self, password: str) -> Principal:
        """Give who comes with a key. Raises CredentialsRefused."""
        parts = _PASSWORD.fullmatch(password)
        if parts is None:
            raise CredentialsRefused("the API key is malformed")
        name, digest = parts[1], sha256(parts[2].encode())
        key = await self._find_remembered(name, digest.digest())
        if key is None or not compare_digest(key.sha256, digest.hexdigest()):
            raise CredentialsRefused(f"there is no API key {name} with this secret; it may be revoked")
        if self.is_expired(key):
            raise CredentialsRefused(f"the API key {name} has expired")
        self._remember(digest.digest(), key)
        await self.record_use(name)
        return key.principal

    def is_expired(self, key: ApiKey) -> bool:
        """Tell whether a key holds no more."""
        return key.expires is not None and self._now() >= key.expires

    async def _find_remembered(self, name: str, digest: bytes) -> ApiKey | None:
        since, key = self._remembered.get(digest, (0.0, None))
        if key is not None and key.name == name and 0 <= self._now() - since < _LIFETIME:
            return key
        self._remembered.pop(digest, None)
        return await self.find(name)

    def _remember(self, digest: bytes, key: ApiKey) -> None:
        if digest not in self._remembered:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[digest] = (self._now(), key)

    async def _last_use(self, key: ApiKey) -> int | None:
        """Read when the key was used, and not another one that had the name before."""
        data = await self._state.get(_USED + key.name) or b""
        used = int(data) if data.isdigit() else 0
        return used if used >= key.created else None

    async def record_use(self, name: str) -> None:
        """Keep when a key was used, to some minutes; tokens that were got with it are uses of it."""
        now = self._now()
        if now - self._used.get(name, 0.0) < _USE_EVERY:
            return
        self._used[name] = now
        try:
            await self._state.put(_USED + name, str(int(now)).encode())
        except AuthUnavailable as error:
            _LOG.warning("when the API key %s was last used cannot be noted: %s", name, error)


def is_key(password: str) -> bool:
    """Tell whether a password has the form of an API key."""
    return _PASSWORD.fullmatch(password) is not None


def _decode(data: bytes, name: str) -> ApiKey:
    try:
        return msgspec.json.decode(data, type=ApiKey)
    except msgspec.MsgspecError as error:
        raise AuthUnavailable(f"what is kept of the API key {name} cannot be read: {error}") from error
