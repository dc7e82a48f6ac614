"""The keys that our tokens are signed with, shared by all processes that serve one store.

Time is divided into periods of ``rotate_every`` seconds, and each has its key: ``signing/ALGORITHM-START`` in the
``State``. Processes need not talk to each other, because the clock says which key is meant, and who comes first makes
it. A key is made and published one period before its own, so that others who read our JWK Set know it in time; it
checks tokens through the period after its own, and then it is removed.
"""

import asyncio
import logging
import time
from hashlib import blake2b, sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from auth.errors import AuthMisconfigured, AuthUnavailable, CredentialsRefused
from auth.jwk import PublicKey, jwk, public_key, thumbprint

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from auth.jws import Header
    from auth.state import State

_LOG: Final = logging.getLogger("preg.auth")
_PREFIX: Final = "signing/"
#: How often an unknown key is looked for, in seconds, and how often it is seen whether the known ones still hold.
_LOOK_EVERY: Final = 1.0
_READ_EVERY: Final = 60.0

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class _Document(msgspec.Struct, frozen=True):
    """What is kept of a key: when it signs, in seconds since the epoch, and PKCS #8."""

    algorithm: str
    start: int
    end: int
    pem: str


class SigningKey(NamedTuple):
    """A key, the time in which it signs, and its names: ``kid`` and ``algorithm``; ``document`` is how it is kept."""

    private: PrivateKey
    public: PublicKey
    algorithm: str
    kid: str
    start: int
    end: int
    document: bytes

    @property
    def forgotten(self) -> int:
        """From when on the key checks nothing more."""
        return self.end + (self.end - self.start)

    def seal(self, text: str) -> str:
        """Give a digest of a text that nobody can make, or try texts against, without this key."""
        return blake2b(text.encode(), key=sha256(self.document).digest(), digest_size=16).hexdigest()

    def __repr__(self) -> str:
        """Name the key."""
        return f"SigningKey({self.algorithm}, {self.kid})"


class SigningKeys:
    """The keys in a ``State``. All methods raise AuthUnavailable when it cannot be reached.

    A token must not live longer than ``rotate_every``, or its key is gone before it.
    """

    def __init__(
        self,
        state: "State",
        algorithm: "Literal['EdDSA', 'ES256', 'RS256']",
        rotate_every: float,
        *,
        now: "Callable[[], float]" = time.time,
    ) -> None:
        self._state = state
        self._algorithm = algorithm
        self._period = int(rotate_every)
        self._now = now
        self._keys: dict[str, SigningKey] = {}
        self._start = -1
        self._looked = 0.0
        self._turning = asyncio.Lock()

    async def current(self) -> SigningKey:
        """Give the key to sign with now, making it where nobody has. Raises AuthMisconfigured where it is spoiled."""
        start = await self._turn()
        return self._keys[self._name(start)]

    async def find(self, header: "Header", /) -> PublicKey:
        """See ``auth.jws.Trust``: only the name of the key counts, and no key that a token brings with it."""
        start = await self._turn()
        found = self._find(header.kid)
        if found is None and not 0 <= self._now() - self._looked < _LOOK_EVERY:
            async with self._turning:
                await self._read(start)
            found = self._find(header.kid)
        if found is None:
            raise CredentialsRefused("the token is signed with a key that is not ours, or not any more")
        return found.public

    def is_seal(self, seal: str, text: str, kid: str) -> bool:
        """Tell whether ``SigningKey.seal`` of the key of this name made it from a text."""
        key = self._find(kid)
        return key is not None and compare_digest(key.seal(text), seal)

    async def jwks(self) -> bytes:
        """Give the public keys as a JWK Set: the last period's, this one's and the next one's."""
        await self._turn()
        now = self._now()
        alive = [key for key in self._keys.values() if now < key.forgotten]
        return msgspec.json.encode(
            {
                "keys": [
                    {**jwk(key.public.key), "kid": key.kid, "alg": key.algorithm, "use": "sig"}
                    for key in sorted(alive, key=lambda key: key.start)
                ]
            }
        )

    def _name(self, start: int) -> str:
        return f"{self._algorithm}-{start}"

    def _find(self, kid: str) -> SigningKey | None:
        now = self._now()
        return next((key for key in self._keys.values() if key.kid == kid and now < key.forgotten), None)

    async def _turn(self) -> int:
        """Have the keys that this period needs, as they were kept a minute ago at most; give its start."""
        start = int(self._now()) // self._period * self._period
        if start != self._start:
            async with self._turning:
                if start != self._start:
                    await self._read(start)
                    self._start = start
        elif not 0 <= self._now() - self._looked < _READ_EVERY and not self._turning.locked():
            async with self._turning:
                await self._read_again(start)
        return start

    async def _read_again(self, start: int) -> None:
        """See whether somebody has removed a key, as one does that has leaked."""
        try:
            await self._read(start)
        except (AuthMisconfigured, AuthUnavailable) as error:
            _LOG.warning("the signing keys cannot be read, so those before still hold: %s", error)

    async def _read(self, start: int) -> None:
        """Read the keys of all processes, make what lacks, and remove those that no token needs any more."""
        self._looked = self._now()
        for begin in (start, start + self._period):
            await self._ensure(begin)
        found: dict[str, SigningKey] = {}
        async for name in self._state.names(_PREFIX):
            data = await self._state.get(_PREFIX + name)
            if data is not None:
                known = self._keys.get(name)
                found[name] = known if known is not None and known.document == data else _load(name, data)
        for name in [name for name, key in found.items() if self._now() >= key.forgotten]:
            await self._state.delete(_PREFIX + name)
            del found[name]
        if self._name(start) not in found:
            raise AuthUnavailable(f"the key {_PREFIX}{self._name(start)} was removed while it was made")
        self._keys = found

    async def _ensure(self, start: int) -> None:
        """Make the key of a period where there is none; whoever comes first makes it for all."""
        name = _PREFIX + self._name(start)
        if await self._state.get(name) is None:
            data = await asyncio.to_thread(_make, self._algorithm, start, start + self._period)
            await self._state.create(name, data)


def _make(algorithm: str, start: int, end: int) -> bytes:
    key: PrivateKey
    if algorithm == "RS256":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif algorithm == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return msgspec.json.encode(_Document(algorithm, start, end, pem))


def _load(name: str, data: bytes) -> SigningKey:
    try:
        document = msgspec.json.decode(data, type=_Document)
        private = load_pem_private_key(document.pem.encode(), None)
        public = public_key(private.public_key())
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise AuthMisconfigured(f"{_PREFIX}{name} is no signing key: remove it, and another is made") from error
    kid = thumbprint(jwk(public.key))
    only = public._replace(algorithms=public.algorithms & {document.algorithm})
    return SigningKey(private, only, document.algorithm, kid, document.start, document.end, data)  # type: ignore[arg-type]
