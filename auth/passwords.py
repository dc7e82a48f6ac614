"""Passwords: hashed with argon2id, or as ``htpasswd -B`` does with bcrypt."""

import asyncio
import os
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from auth.errors import AuthMisconfigured, AuthUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

#: How long a password that was right is remembered, in seconds, and how many of them.
_LIFETIME: Final = 60.0
_REMEMBERED: Final = 4096
#: A thread that hashes takes a core, and 19 MiB.
_MOST_THREADS: Final = 4
#: argon2id as OWASP recommends it: 19 MiB, two passes.
_MEMORY: Final = 19_456
_PASSES: Final = 2
_HASH: Final = re.compile(
    r"\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}"
    r"|\$argon2id\$v=19\$m=\d{1,8},t=\d{1,4},p=\d{1,3}\$[A-Za-z0-9+/]{11,}\$[A-Za-z0-9+/]{16,}"
)
#: As many bytes as bcrypt looks at; ``htpasswd`` and Docker's registry pass over the rest, the library refuses it.
_BCRYPT_BYTES: Final = 72

#: How many characters of a bcrypt hash come behind the salt.
_BCRYPT_DIGEST: Final = 31

#: The hash of no password, which costs as much to check as those that are made here.
NOBODY: Final = f"$argon2id$v=19$m={_MEMORY},t={_PASSES},p=1${'A' * 22}${'A' * 43}"


class Passwords:
    """Checks passwords in threads of its own, and remembers for a minute which were right.

    What is remembered is a keyed hash of password and hash together, so it is worth nothing to who reads the memory,
    and nothing any more when the user is given another hash.
    """

    def __init__(self, *, clock: "Callable[[], float]" = time.monotonic) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._pool = ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1), "passwords")
        self._remembered: dict[bytes, float] = {}
        self._running: dict[bytes, asyncio.Future[bool]] = {}

    async def verify(self, password: str, hashed: str) -> bool:
        """Tell whether a password is the one that was hashed. Raises AuthUnavailable where memory is short."""
        mark = blake2b(f"{hashed}\0{password}".encode(errors="surrogatepass"), key=self._key).digest()
        if self._remembered.get(mark, 0.0) > self._clock():
            return True
        running = self._running.get(mark)
        if running is None:
            # A client that sends the same password on several connections at once has it hashed once.
            running = asyncio.get_running_loop().run_in_executor(self._pool, matches, password, hashed)
            self._running[mark] = running
            running.add_done_callback(lambda _: self._running.pop(mark, None))
        right = await asyncio.shield(running)
        # One that ended at once is not waited for, and is called back only later.
        self._running.pop(mark, None)
        if right:
            self._remember(mark)
        return right

    def _remember(self, mark: bytes) -> None:
        self._remembered.pop(mark, None)
        if len(self._remembered) >= _REMEMBERED:
            del self._remembered[next(iter(self._remembered))]
        self._remembered[mark] = self._clock() + _LIFETIME


def is_hash(text: str) -> bool:
    """Tell whether this is a hash of a kind that can be checked."""
    return _HASH.fullmatch(text) is not None


def spoil(hashed: str) -> str:
    """Make a hash that no password has, and that costs as much to check."""
    if hashed.startswith("$argon2id$"):
        head, _, digest = hashed.rpartition("$")
        return f"{head}${'A' * len(digest)}"
    return hashed[:-_BCRYPT_DIGEST] + "." * _BCRYPT_DIGEST


def hash_password(password: str) -> str:
    """Hash a password, which takes about 50 ms. Raises AuthMisconfigured for one that no client could send."""
    import argon2  # noqa: PLC0415 - not needed to serve without users

    if not password or not password.isprintable():
        raise AuthMisconfigured("a password is one line of printable characters, and not empty")
    return argon2.PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY, parallelism=1).hash(password)


def matches(password: str, hashed: str) -> bool:
    """Hash a password once more and compare; ``hashed`` satisfies ``is_hash``. Raises AuthUnavailable."""
    try:
        secret = password.encode()
    except UnicodeEncodeError:
        return False
    if b"\0" in secret:
        # bcrypt would take what is before it for the whole password.
        return False
    return _matches_argon2(secret, hashed) if hashed.startswith("$argon2id$") else _matches_bcrypt(secret, hashed)


def _matches_argon2(secret: bytes, hashed: str) -> bool:
    from argon2 import exceptions, low_level  # noqa: PLC0415 - as above

    try:
        return low_level.verify_secret(hashed.encode(), secret, low_level.Type.ID)
    except exceptions.VerifyMismatchError:
        return False
    except exceptions.VerificationError as error:
        raise AuthUnavailable(f"a password cannot be checked: {error}") from error


def _matches_bcrypt(secret: bytes, hashed: str) -> bool:
    import bcrypt  # noqa: PLC0415 - as above

    return bcrypt.checkpw(secret[:_BCRYPT_BYTES], hashed.encode())
