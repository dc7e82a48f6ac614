"""The keys that our tokens are signed with, shared by all processes that serve one store.

Time is divided into periods of ``rotate_every`` seconds, and each has its key: ``signing/ALGORITHM-START`` in the
``State``. Processes need not talk to each other, because the clock says which key is meant, and who comes first makes
it. A key is made and published one period before its own, so that others who read our JWK Set know it in time; it
checks tokens through the period after its own, and then it is removed.
"""

import asyncio
import time
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

_PREFIX: Final = "signing/"
#: How often an unknown key is looked for, in seconds.
_LOOK_EVERY: Final = 1.0

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class _Document(msgspec.Struct, frozen=True):
    """What is kept of a key: when it signs, in seconds since the epoch, and PKCS #8."""

    algorithm: str
    start: int
    end: int
    pem: str


class SigningKey(NamedTuple):
    """A key, the time in which it signs, and its names: ``kid`` and ``algorithm``."""

    private: PrivateKey
    public: PublicKey
    algorithm: str
    kid: str
    start: int
    end: int

    @property
    def forgotten(self) -> int:
        """From when on the key checks nothing more."""
        return self.end + (self.end - self.start)

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
        await self._turn()
        found = self._find(header.kid)
        if found is None and not 0 <= self._now() - self._looked < _LOOK_EVERY:
            async with self._turning:
                await self._read()
            found = self._find(header.kid)
        if found is None:
            raise CredentialsRefused("the token is signed with a key that is not ours, or not any more")
        return found

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

    def _find(self, kid: str) -> PublicKey | None:
        now = self._now()
        return next((key.public for key in self._keys.values() if key.kid == kid and now < key.forgotten), None)

    async def _turn(self) -> int:
        """Have the keys that this period needs; give its start."""
        start = int(self._now()) // self._period * self._period
        if start != self._start:
            async with self._turning:
                if start != self._start:
                    for begin in (start, start + self._period):
                        await self._ensure(begin)
                    await self._read()
                    self._start = start
        return start

    async def _ensure(self, start: int) -> None:
        """Read the key of a period, or make it; whoever comes first has made it for all."""
        name = self._name(start)
        data = await self._state.get(_PREFIX + name)
        if data is None:
            data = await asyncio.to_thread(_make, self._algorithm, start, start + self._period)
            if not await self._state.create(_PREFIX + name, data):
                data = await self._state.get(_PREFIX + name)
        if data is None:
            raise AuthUnavailable(f"the key {_PREFIX}{name} was removed while it was made")
        self._keys[name] = _load(name, data)

    async def _read(self) -> None:
        """Read the keys of all processes, and remove those that no token needs any more."""
        self._looked = self._now()
        names = [name async for name in self._state.names(_PREFIX)]
        for name in names:
            if name not in self._keys and (data := await self._state.get(_PREFIX + name)) is not None:
                self._keys[name] = _load(name, data)
        for name, key in list(self._keys.items()):
            if self._now() >= key.forgotten:
                await self._state.delete(_PREFIX + name)
            if name not in names or self._now() >= key.forgotten:
                del self._keys[name]


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
    return SigningKey(private, only, document.algorithm, kid, document.start, document.end)  # type: ignore[arg-type]
