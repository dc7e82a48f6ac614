"""Manifests on a storage driver."""

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from storage import layout
from storage.errors import NotFound, TooLarge
from storage.local.blobs import LocalBlobs
from storage.local.links import exists, in_batches, write_link
from storage.local.referrers import add_referrer, is_noted, remove_referrer
from storage.local.tags import LocalTags
from storage.oci.digest import Digest
from storage.oci.errors import ManifestBlobUnknown, ManifestUnknown
from storage.oci.manifest import SIZE_LIMIT, Manifest
from storage.offload import offload

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.guard import Guard
    from storage.local.cache import ManifestCache
    from storage.oci.reference import Name, Tag

#: So much that is missing tells enough of a push.
_NAMED: Final = 100
_LOG: Final = logging.getLogger("preg.storage")


class LocalManifests:
    """The ``storage.repository.Manifests`` of a repository on a driver."""

    __slots__ = ("_cache", "_name", "_sparse", "_store")

    def __init__(self, store: "Guard", name: "Name", cache: "ManifestCache", *, sparse: bool) -> None:
        self._store = store
        self._name = name
        self._cache = cache
        self._sparse = sparse

    async def get(self, reference: "Tag | Digest", /) -> Manifest:
        digest = await self._resolve(reference)
        manifest = None
        if digest is not None and await self.holds(digest):
            manifest = self._cache.get(digest) or await self._load(digest)
        if manifest is None:
            raise ManifestUnknown(detail={"name": self._name, "reference": reference})
        return manifest

    async def holds(self, digest: Digest) -> bool:
        """Tell whether the repository holds a manifest."""
        return await exists(self._store, layout.RevisionLink(self._name, digest).key)

    async def put(self, manifest: Manifest, tags: "Sequence[Tag]" = (), /) -> None:
        if not self._sparse:
            await self._check_references(manifest)
        await self._write(manifest, tags)
        while not await self._is_whole(manifest, tags):
            # Somebody deleted the manifest meanwhile, and has not seen the tags; or has, and their turn came before.
            await self._write(manifest, tags)

    async def _write(self, manifest: Manifest, tags: "Sequence[Tag]") -> None:
        digest = manifest.digest
        # The bytes come first: a link must never point to what a crash kept from being written.
        await self._store.put(layout.BlobData(digest).key, manifest.raw)
        await write_link(self._store, layout.RevisionLink(self._name, digest).key, digest)
        await add_referrer(self._store, self._name, manifest)
        for tag in tags:
            await LocalTags(self._store, self._name).set(tag, digest)

    async def _is_whole(self, manifest: Manifest, tags: "Sequence[Tag]") -> bool:
        """Look again at what was written; a deletion looks for tags after it removed the manifest, so one sees."""
        tag_store = LocalTags(self._store, self._name)
        noted = await self.holds(manifest.digest) and await is_noted(self._store, self._name, manifest)
        return noted and all([await tag_store.find(tag) is not None for tag in tags])

    async def delete(self, digest: Digest, /) -> None:
        if not await self.holds(digest):
            raise ManifestUnknown(detail={"name": self._name, "reference": digest})
        manifest = await self._load(digest)
        await self._store.delete(layout.RevisionLink(self._name, digest).key)
        if manifest is not None:
            await offload(len(manifest.raw), manifest.read)
            await remove_referrer(self._store, self._name, manifest)
        tags = LocalTags(self._store, self._name)
        for tag in [tag async for tag in tags.pointing_to(digest)]:
            await tags.delete(tag)

    async def _load(self, digest: Digest) -> Manifest | None:
        """Read a manifest from the store. None if its bytes are gone or spoiled: then it can be pushed again."""
        try:
            raw = await self._store.get(layout.BlobData(digest).key, limit=SIZE_LIMIT)
        except (NotFound, TooLarge) as error:
            _LOG.error("the manifest %s of %s cannot be read: %s", digest, self._name, error)
            return None
        manifest = await offload(len(raw), _verified, raw, digest)
        if manifest is None:
            _LOG.error("the manifest %s of %s has other bytes on the storage", digest, self._name)
            return None
        self._cache.add(manifest)
        return manifest

    async def _resolve(self, reference: "Tag | Digest") -> Digest | None:
        if isinstance(reference, Digest):
            return reference
        return await LocalTags(self._store, self._name).find(reference)

    async def _check_references(self, manifest: Manifest) -> None:
        """Raise ManifestBlobUnknown unless all that a manifest refers to is here; some of what is missing is named.

        The child of an index may be a blob: that is how BuildKit exports its cache.
        """
        blobs = LocalBlobs(self._store, self._name)

        async def is_here(digest: Digest, is_child: bool) -> bool:
            return (is_child and await self.holds(digest)) or await blobs.holds(digest)

        missing: list[Digest] = []
        async for batch in in_batches((await offload(len(manifest.raw), _references, manifest)).items()):
            held = await asyncio.gather(*(is_here(*reference) for reference in batch))
            missing += [digest for (digest, _), here in zip(batch, held, strict=True) if not here]
            if len(missing) > _NAMED:
                break
        if missing:
            raise ManifestBlobUnknown(detail=[{"digest": digest} for digest in sorted(missing)])


def _references(manifest: Manifest) -> dict[Digest, bool]:
    """Give the digests that a manifest refers to, and whether each may be that of a manifest."""
    return {d.digest: False for d in manifest.blobs} | {d.digest: True for d in manifest.children}


def _verified(raw: bytes, digest: Digest) -> Manifest | None:
    return Manifest.stored(raw, digest) if Digest.of(raw, digest.algorithm) == digest else None
