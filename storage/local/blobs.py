"""Blobs and upload sessions on a storage driver."""

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Final, NamedTuple

from storage import layout
from storage.errors import Busy, NotFound
from storage.local.links import exists, write_link
from storage.local.upload import LocalBlobWriter
from storage.oci.errors import BlobUnknown, BlobUploadUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from storage.guard import Guard, GuardedUpload
    from storage.oci.digest import Digest
    from storage.oci.reference import Name


#: How long a request waits for an upload session that another one holds, and how often it looks, in seconds. The other
#: may be taking back a chunk whose client is gone, which takes a slow store some calls.
_PATIENCE: Final = 15.0
_PAUSE: Final = 0.02


class LocalBlob(NamedTuple):
    """A ``storage.repository.Blob`` on a driver."""

    digest: "Digest"
    size: int
    store: "Guard"

    @property
    def path(self) -> "Path | None":
        return self.store.local_path(layout.BlobData(self.digest).key)

    def read(self, start: int = 0, stop: int | None = None) -> "AsyncIterator[bytes]":
        return self.store.read(layout.BlobData(self.digest).key, start, stop)

    async def url(self, lifetime: float, /) -> str | None:
        return await self.store.presign(layout.BlobData(self.digest).key, lifetime=lifetime)


class LocalBlobs:
    """The ``storage.repository.Blobs`` of a repository on a driver."""

    __slots__ = ("_name", "_store")

    def __init__(self, store: "Guard", name: "Name") -> None:
        self._store = store
        self._name = name

    async def get(self, digest: "Digest", /) -> LocalBlob:
        try:
            await self._store.stat(layout.LayerLink(self._name, digest).key)
            info = await self._store.stat(layout.BlobData(digest).key)
        except NotFound:
            raise BlobUnknown(detail=digest) from None
        return LocalBlob(digest, info.size, self._store)

    async def holds(self, digest: "Digest") -> bool:
        """Tell whether the repository holds a blob."""
        link, data = layout.LayerLink(self._name, digest).key, layout.BlobData(digest).key
        return await exists(self._store, link) and await exists(self._store, data)

    async def upload(self, session: str | None = None, /) -> LocalBlobWriter:
        name = session or uuid.uuid4().hex
        try:
            upload = await self._open(layout.UploadData(self._name, name).key, resume=session is not None)
        except NotFound:
            raise BlobUploadUnknown(detail=session) from None
        except Busy:
            raise Unavailable("another request is writing to this upload session", session) from None
        return LocalBlobWriter(self._store, self._name, name, upload)

    async def _open(self, key: str, *, resume: bool) -> "GuardedUpload":
        """Open an upload; the request that holds it may be one whose client is gone, and end in a moment."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return await self._store.upload(key, resume=resume)
            except Busy:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_PAUSE)

    async def mount(self, digest: "Digest", source: "Name | None", /) -> bool:
        if source is None:
            found = await exists(self._store, layout.BlobData(digest).key)
        else:
            found = await LocalBlobs(self._store, source).holds(digest)
        if found:
            await write_link(self._store, layout.LayerLink(self._name, digest).key, digest)
        return found

    async def delete(self, digest: "Digest", /) -> None:
        key = layout.LayerLink(self._name, digest).key
        if not await exists(self._store, key):
            raise BlobUnknown(detail=digest)
        await self._store.delete(key)
