"""The contract of a storage driver.

A driver keeps *objects*: bytes under a *key*. It knows nothing of what they mean. The executable twin of this file is
``storage.testing.DriverContract``: a driver is right when it passes.

A key is one or more components of 1 to 255 bytes of printable ASCII, joined by ``/``; no component is ``.`` or ``..``
or ends with ``~`` (which drivers may use for files of their own). An object may lie at ``a`` or below ``a/``, never
both. Listings are in byte order of the whole key, whatever the store's own order.

Whatever a method acknowledges by returning is durable: it survives ``kill -9`` and the loss of power. Whatever is read
is whole: a write is seen entirely or not at all. Reads see every write that was acknowledged before them.

Errors are those of ``storage.errors`` or the builtins they derive from; ``OSError`` with ``ENOSPC`` or ``EDQUOT`` and
any other ``OSError`` are translated by the guard. All methods may be called from many tasks at once.
"""

from typing import TYPE_CHECKING, NamedTuple, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from types import TracebackType


class ObjectInfo(NamedTuple):
    """What is known of an object without reading it.

    ``size`` is in bytes; ``modified`` in seconds since the epoch by the store's own clock; ``etag`` is opaque, and
    differs between different contents of the key.
    """

    key: str
    size: int
    modified: float
    etag: str


class Upload(Protocol):
    """An object in the making, to which bytes are appended; it is written to by one holder at a time.

    It is a context manager. Leaving the context without ``commit`` or ``abort`` *suspends* it, be it by an exception:
    a later ``Driver.upload`` with ``resume`` goes on behind what was written, in any process. ``kill -9`` takes it back
    to where it was last suspended; loss of power may lose it, and never leaves it with other bytes than those written.
    """

    @property
    def offset(self) -> int:
        """How many bytes it holds."""

    note: bytes
    """A few hundred bytes of the caller's, kept with a suspended upload."""

    async def write(self, data: bytes, /) -> None:
        """Append. The bytes may be held back until the upload is suspended or committed."""

    async def suspend(self) -> None:
        """Make durable what was written, and go on holding the upload: ``rollback`` still takes it all back."""

    async def rollback(self) -> None:
        """Forget what was written since the upload was opened. Does nothing after ``abort``."""

    def read(self) -> "AsyncIterator[bytes]":
        """Read all bytes written so far; after that only ``commit`` or ``abort`` may follow."""

    async def commit(self, key: str, /) -> ObjectInfo:
        """Publish the bytes at ``key`` in O(1), replacing what is there; the upload is gone.

        Now, and not before, they can be read at the key.
        """

    async def abort(self) -> None:
        """Drop the upload and its bytes. Idempotent."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None: ...


class Driver(Protocol):
    """A place where objects are kept."""

    name: str
    """What the driver calls itself in messages, such as ``folder``."""

    async def stat(self, key: str, /) -> ObjectInfo:
        """Describe an object. Raises NotFound."""

    async def get(self, key: str, /, *, limit: int) -> bytes:
        """Read a whole small object. Raises NotFound, and TooLarge above ``limit`` bytes."""

    def read(self, key: str, /, start: int = 0, stop: int | None = None) -> "AsyncIterator[bytes]":
        """Read bytes ``start`` up to, not including, ``stop`` in pieces of at most 1 MiB.

        A read that has begun goes on with the same bytes although the object is replaced or deleted meanwhile.
        Raises NotFound at the first piece. Bytes outside the object are left out in silence.
        """

    async def put(
        self, key: str, data: bytes, /, *, if_match: str | None = None, if_absent: bool = False
    ) -> ObjectInfo:
        """Write a whole small object atomically, replacing what is there.

        With ``if_match`` only over the object with that etag, else PreconditionFailed; with ``if_absent`` only where
        there is none, else AlreadyExists. Of many such calls at once exactly one succeeds.
        """

    async def upload(self, key: str, /, *, resume: bool = False) -> Upload:
        """Begin an upload named ``key``, or go on with a suspended one.

        No object is at ``key`` meanwhile or after: it only names the upload. Raises NotFound where there is nothing to
        resume. Of two who hold it at once one is told so by Busy: here, or when he suspends or commits.
        """

    async def delete(self, key: str, /) -> None:
        """Remove an object. It is not there now, and it is no fault if it was not before."""

    def list(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[ObjectInfo]":
        """Describe every object below ``prefix`` whose key is greater than ``start_after``, in key order.

        ``prefix`` is empty or ends with ``/``. Uploads are not listed. What is written or deleted during the listing
        may be in it or not.
        """

    def children(self, prefix: str, /, *, start_after: str = "") -> "AsyncIterator[str]":
        """Name what lies directly below ``prefix``: ``name`` for an object, ``name/`` for keys below it.

        Names greater than ``start_after``, in byte order; the slash does not count in either. ``name/`` may be given
        for a while although nothing is left below it.
        """

    async def holds(self, prefix: str, /) -> bool:
        """Tell whether there is an object below ``prefix``, which ``children`` does not prove."""

    async def purge_uploads(self, *, idle: float) -> int:
        """Abort the uploads that nobody wrote to for ``idle`` seconds; say how many there were."""

    async def aclose(self) -> None:
        """Let go of threads and connections."""


@runtime_checkable
class SupportsLocalPath(Protocol):
    """A driver whose objects are files of this host, which the kernel can send by itself."""

    def local_path(self, key: str, /) -> "Path":
        """Give the file that holds the object's bytes and nothing else; it need not exist."""


@runtime_checkable
class SupportsExpectation(Protocol):
    """An upload that wants to know beforehand how large it will be."""

    def expect(self, size: int, /) -> None:
        """Say how many bytes it is going to hold in all, as far as is known. Raises TooLarge if it cannot."""


@runtime_checkable
class SupportsRedirect(Protocol):
    """A driver whose objects others can be sent to fetch by themselves."""

    async def presign(self, key: str, /, *, lifetime: float) -> str:
        """Give a URL at which a GET, also of a range, is answered for ``lifetime`` seconds. Raises NotFound."""
