"""Upload sessions on a storage driver: bytes are hashed as they come, and the hash survives the process."""

import hashlib
from typing import TYPE_CHECKING, Self

import msgspec
import rehashes

from storage import layout
from storage.errors import StorageFull, TooLarge
from storage.local.links import write_link
from storage.oci.digest import Digest
from storage.oci.errors import BlobTooLarge, DigestInvalid

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from storage.guard import Guard, GuardedUpload
    from storage.oci.reference import Name


class _Progress(msgspec.Struct):
    """A running SHA-256, as the note of a suspended upload: its state after so many bytes."""

    offset: int
    state: bytes


class LocalBlobWriter:
    """A ``storage.repository.BlobWriter`` on a driver's upload.

    SHA-256 runs along, as that is what nearly every client will ask for; another digest is computed by reading the
    bytes once more before they are published. A store that is full, or takes no blob as large, loses the session, which
    frees what it took.
    """

    def __init__(self, store: "Guard", name: "Name", session: str, upload: "GuardedUpload") -> None:
        self.id = session
        self._store = store
        self._name = name
        self._upload = upload
        self._hash, self._hashed = _resume(upload)

    @property
    def offset(self) -> int:
        return self._upload.offset

    def expect(self, size: int, /) -> None:
        try:
            self._upload.expect(size)
        except TooLarge as error:
            raise BlobTooLarge from error

    async def write(self, data: bytes, /) -> None:
        if self._hashed == self._upload.offset:
            self._hash.update(data)
            self._hashed += len(data)
        await self._or_free(self._upload.write(data))

    async def suspend(self) -> None:
        self._note_hash()
        await self._or_free(self._upload.suspend())

    async def rollback(self) -> None:
        await self._upload.rollback()
        self._hash, self._hashed = _resume(self._upload)

    async def commit(self, digest: Digest, /) -> None:
        actual = await self._digest(digest.algorithm)
        if actual != digest:
            await self._upload.abort()
            raise DigestInvalid(detail={"digest": digest, "content": actual})
        await self._or_free(self._upload.commit(layout.BlobData(digest).key))
        await write_link(self._store, layout.LayerLink(self._name, digest).key, digest)

    async def abort(self) -> None:
        await self._upload.abort()

    async def __aenter__(self) -> Self:
        await self._upload.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        self._note_hash()
        await self._upload.__aexit__(kind, error, traceback)

    def _note_hash(self) -> None:
        if self._hashed and self._hashed == self._upload.offset:
            # The driver may have forgotten bytes that it could not store: a hash of those is of no use.
            self._upload.note = msgspec.msgpack.encode(_Progress(self._hashed, self._hash.serialize()))

    async def _or_free(self, step: "Awaitable[object]") -> None:
        """Take a step; if the store is full, give back what the session took of it."""
        try:
            await step
        except StorageFull:
            await self._upload.abort()
            raise
        except TooLarge as error:
            await self._upload.abort()
            raise BlobTooLarge from error

    async def _digest(self, algorithm: str) -> Digest:
        if algorithm == "sha256" and self._hashed == self._upload.offset:
            return Digest(f"sha256:{self._hash.finalize()}")
        running = hashlib.new(algorithm)
        async for piece in self._upload.read():
            running.update(piece)
        return Digest(f"{algorithm}:{running.hexdigest()}")


def _resume(upload: "GuardedUpload") -> tuple[rehashes.PySha256, int]:
    """Take up the hash where the note left it. One that is spoiled leaves it to ``_digest`` to read the bytes."""
    try:
        progress = msgspec.msgpack.decode(upload.note, type=_Progress)
        running = rehashes.PySha256.deserialize(progress.state)
    except (msgspec.MsgspecError, ValueError):
        return rehashes.PySha256(), 0
    return (running, progress.offset) if progress.offset == upload.offset else (rehashes.PySha256(), 0)
