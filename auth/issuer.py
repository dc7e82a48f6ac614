"""The keys of an issuer that is not us, from the places where it shows them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import urlsplit

from auth.chain import Roots
from auth.errors import AuthMisconfigured, AuthUnavailable, CredentialsRefused
from auth.jwk import KeyUnusable, PublicKey, read_set, thumbprint
from auth.watched import Watched

if TYPE_CHECKING:
    from auth.jws import Header

_LOG: Final = logging.getLogger("preg.auth")
#: How often the keys of a URL are fetched, and at most how often because of a key that is not among them; seconds.
_FETCH_EVERY: Final = 600.0
_FETCH_AT_MOST_EVERY: Final = 10.0
#: For how many seconds keys hold while they cannot be fetched anew: one of them may have been withdrawn.
_HOLD: Final = 24 * 3600.0

#: Gives what lies at a URL. It bounds the size and the time, and raises AuthUnavailable.
Fetch = Callable[[str], Awaitable[bytes]]


class Keys(Protocol):
    """The keys of a JWK Set."""

    async def find(self, name: str, /) -> PublicKey | None:
        """Give the key of a name. Raises AuthUnavailable where no keys are known at all."""


class FileKeys:
    """The keys of a file, which is read again when it changes. Raises AuthMisconfigured."""

    def __init__(self, path: Path) -> None:
        self._watched = Watched(path, _read_file)

    async def find(self, name: str, /) -> PublicKey | None:
        """See ``Keys.find``."""
        return (await self._watched.current()).get(name)


class RemoteKeys:
    """The keys that ``load`` fetches from ``source``.

    They are fetched anew every ten minutes, and when one is asked for that is not among them, though not twice in ten
    seconds. Where that fails, those fetched before still hold for a day.
    """

    def __init__(
        self, source: str, load: "Callable[[], Awaitable[bytes]]", *, clock: "Callable[[], float]" = time.monotonic
    ) -> None:
        self._source = source
        self._load = load
        self._clock = clock
        self._keys: dict[str, PublicKey] = {}
        self._tried: float | None = None
        self._fetched = 0.0
        self._loading = asyncio.Lock()

    async def find(self, name: str, /) -> PublicKey | None:
        """See ``Keys.find``."""
        known = name in self._keys
        # Whose key is known does not wait for a slow issuer that somebody else is asking already.
        if not (known and self._loading.locked()):
            await self._refresh(_FETCH_EVERY if known else _FETCH_AT_MOST_EVERY)
        if not self._keys or self._clock() - self._fetched > _HOLD:
            raise AuthUnavailable(f"the issuer's keys cannot be fetched from {self._source}")
        return self._keys.get(name)

    async def _refresh(self, every: float) -> None:
        if not self._due(every):
            return
        async with self._loading:
            if self._due(every):
                try:
                    self._keys = await asyncio.to_thread(read_set, await self._load())
                    self._fetched = self._clock()
                except (AuthUnavailable, KeyUnusable) as error:
                    _LOG.warning("the keys of %s cannot be used, so those before still hold: %s", self._source, error)
                self._tried = self._clock()

    def _due(self, every: float) -> bool:
        return self._tried is None or self._clock() - self._tried >= every


class IssuerTrust:
    """What we trust an issuer for: certificates that roots vouch for, and the keys of a JWK Set."""

    def __init__(
        self, roots: Watched[Roots] | None, keys: Keys | None, *, now: "Callable[[], float]" = time.time
    ) -> None:
        self._roots = roots
        self._keys = keys
        self._now = now

    async def find(self, header: "Header", /) -> PublicKey:
        """See ``auth.jws.Trust``: a key that a token brings along must be one of these."""
        roots = await self._roots.current() if self._roots else None
        if header.x5c is not None and roots is not None:
            return roots.leaf(header.x5c, self._now())
        name = header.kid if header.jwk is None else thumbprint(header.jwk)
        found = roots.keys.get(name) if roots else None
        if found is None and self._keys is not None and name:
            found = await self._keys.find(name)
        if found is None:
            raise CredentialsRefused("the token is signed with a key that its issuer is not known to have")
        return found


def open_trust(rootcertbundle: str, jwks: str, fetch: Fetch) -> IssuerTrust:
    """Trust the certificates of a file, the JWK Set of a file or URL, or both. Raises AuthMisconfigured."""
    roots = Watched(Path(rootcertbundle), Roots.read) if rootcertbundle else None
    return IssuerTrust(roots, open_keys(jwks, fetch) if jwks else None)


def open_keys(jwks: str, fetch: Fetch) -> Keys:
    """Take the JWK Set of a file or a URL. Raises AuthMisconfigured."""
    if "://" not in jwks:
        return FileKeys(Path(jwks))
    check_url(jwks)
    return RemoteKeys(jwks, partial(fetch, jwks))


def check_url(url: str) -> None:
    """Refuse a URL whose answers somebody on the way could write. Raises AuthMisconfigured."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise AuthMisconfigured(f"{url!r} is no URL: {error}") from error
    if not host or (parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host))):
        raise AuthMisconfigured(f"keys cannot be had from {url!r}: give an https:// URL")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_file(path: Path) -> dict[str, PublicKey]:
    try:
        return read_set(path.read_bytes())
    except OSError as error:
        raise AuthMisconfigured(f"{path} cannot be read: {error.strerror}") from error
    except KeyUnusable as error:
        raise AuthMisconfigured(f"{path} cannot be used: {error}") from error
