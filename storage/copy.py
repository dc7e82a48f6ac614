"""Copy an image from one repository to another, wherever each lives."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

from storage.oci import media
from storage.oci.digest import Digest
from storage.oci.errors import BlobUnknown, DigestInvalid, ManifestUnknown, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.oci.document import Descriptor
    from storage.oci.manifest import Manifest
    from storage.oci.reference import Name, Tag
    from storage.repository import Blob, Repository

State = Literal["exists", "mounted", "copying", "copied"]

_PARALLEL: Final = 4
_ATTEMPTS: Final = 3


class Progress(NamedTuple):
    """How far a blob has come; ``done`` and ``size`` are in bytes."""

    digest: Digest
    state: State
    done: int
    size: int


class _Blobs(Protocol):
    async def get(self, digest: Digest, /) -> "Blob": ...


class _Manifests(Protocol):
    async def get(self, reference: "Tag | Digest", /) -> "Manifest": ...


class Source(Protocol):
    """What of a ``Repository`` is needed to copy from it."""

    @property
    def name(self) -> "Name": ...
    @property
    def blobs(self) -> _Blobs: ...
    @property
    def manifests(self) -> _Manifests: ...


async def copy(  # noqa: PLR0913 - what is copied, where to, and three ways in which copies differ
    source: Source,
    target: "Repository",
    reference: "Tag | Digest",
    tags: "Sequence[Tag]" = (),
    *,
    same_registry: bool = False,
    parallel: int = _PARALLEL,
    report: Callable[[Progress], None] = lambda _: None,
) -> "Manifest":
    """Copy a manifest with everything it refers to, and point ``tags`` to it in the target.

    What the target has is not sent; between repositories of one registry a blob is mounted. ``parallel`` blobs are
    under way at once. Manifests go last, an index after its children: a reader of the target sees whole images only.

    Raises:
        RegistryError: as either side says; DigestInvalid if the source's bytes are not what they should be.

    """
    copying = _Copy(source, target, same_registry, asyncio.Semaphore(parallel), report)
    manifest = await source.manifests.get(reference)
    await copying.contents(manifest)
    await target.manifests.put(manifest, tags)
    return manifest


class _Copy:
    def __init__(
        self,
        source: Source,
        target: "Repository",
        same_registry: bool,
        slots: asyncio.Semaphore,
        report: Callable[[Progress], None],
    ) -> None:
        self._source = source
        self._target = target
        self._same_registry = same_registry
        self._slots = slots
        self._report = report
        self._blobs: dict[Digest, asyncio.Task[None]] = {}

    async def contents(self, manifest: "Manifest") -> None:
        """Copy what a manifest refers to, not itself."""
        for child in manifest.children:
            if child.media_type in media.MANIFESTS:
                await self._manifest(child.digest)
        # BuildKit's cache index lists blobs where others list manifests.
        blobs = (*manifest.blobs, *(c for c in manifest.children if c.media_type not in media.MANIFESTS))
        try:
            async with asyncio.TaskGroup() as group:
                for blob in {b.digest: b for b in blobs}.values():
                    if blob.digest not in self._blobs:
                        self._blobs[blob.digest] = group.create_task(self._blob(blob))
        except* Exception as faults:  # noqa: BLE001 - one is raised again, as it would be without the group
            raise faults.exceptions[0] from None

    async def _manifest(self, digest: Digest) -> None:
        try:
            await self._target.manifests.get(digest)
        except ManifestUnknown:
            manifest = await self._source.manifests.get(digest)
            await self.contents(manifest)
            await self._target.manifests.put(manifest)

    async def _blob(self, wanted: "Descriptor") -> None:
        async with self._slots:
            try:
                await self._target.blobs.get(wanted.digest)
            except BlobUnknown:
                pass
            else:
                self._report(Progress(wanted.digest, "exists", wanted.size, wanted.size))
                return
            if self._same_registry and await self._target.blobs.mount(wanted.digest, self._source.name):
                self._report(Progress(wanted.digest, "mounted", wanted.size, wanted.size))
                return
            await self._send_patiently(await self._source.blobs.get(wanted.digest))

    async def _send_patiently(self, blob: "Blob") -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                await self._send(blob)
            except Unavailable:
                if attempt == _ATTEMPTS:
                    raise
            else:
                return

    async def _send(self, blob: "Blob") -> None:
        done = 0
        writer = await self._target.blobs.upload()
        try:
            async with writer:
                async for piece in blob.read():
                    await writer.write(piece)
                    done += len(piece)
                    self._report(Progress(blob.digest, "copying", done, blob.size))
                if done != blob.size:
                    raise DigestInvalid(f"the source gave {done} of the {blob.size} bytes of {blob.digest}")
                await writer.commit(blob.digest)
        except BaseException:
            await writer.abort()
            raise
        self._report(Progress(blob.digest, "copied", done, blob.size))
