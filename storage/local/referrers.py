"""Which manifests have which subject, on a storage driver."""

import asyncio
from typing import TYPE_CHECKING, Final

from storage import layout
from storage.errors import NotFound
from storage.local.links import in_batches
from storage.oci import media
from storage.oci.document import Descriptor, decode_descriptor
from storage.oci.errors import ManifestInvalid, ManifestUnknown
from storage.oci.manifest import Manifest, encode
from storage.oci.reference import Tag

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storage.guard import Guard
    from storage.oci.digest import Digest
    from storage.oci.reference import Name
    from storage.repository import Manifests

#: Annotations make a descriptor large; a manifest may hold no more of them than its own size.
_LIMIT: Final = 4 * 1024 * 1024 + 4096


class LocalReferrers:
    """The ``storage.repository.Referrers`` of a repository on a driver."""

    __slots__ = ("_manifests", "_name", "_store")

    def __init__(self, store: "Guard", name: "Name", manifests: "Manifests") -> None:
        self._store = store
        self._name = name
        self._manifests = manifests

    async def list(self, subject: "Digest", /) -> "list[Descriptor]":
        found: dict[Digest, Descriptor] = {}
        keys = (info.key async for info in self._store.list(layout.referrers(self._name, subject)))
        async for batch in in_batches(keys):
            for descriptor in filter(None, await asyncio.gather(*map(self._read, batch))):
                found[descriptor.digest] = descriptor
        for descriptor in await self._in_fallback_tag(subject):
            found.setdefault(descriptor.digest, descriptor)
        return list(found.values())

    async def _read(self, key: str) -> Descriptor | None:
        """Read a descriptor. None if it was deleted this moment or is spoiled: the manifest itself is the truth."""
        try:
            return decode_descriptor(await self._store.get(key, limit=_LIMIT))
        except (NotFound, ManifestInvalid):
            return None

    async def _in_fallback_tag(self, subject: "Digest") -> "Sequence[Descriptor]":
        """Read what clients attached before this registry knew of referrers (distribution-spec, "Referrers
        Tag Schema").

        Only what is here and does name the subject counts: the tag was anybody's to write.
        """
        try:
            index = await self._manifests.get(Tag(f"{subject.algorithm}-{subject.hex[:64]}"))
        except (ManifestUnknown, ManifestInvalid):
            return []
        found = []
        for child in index.children if index.media_type == media.OCI_INDEX else ():
            try:
                manifest = await self._manifests.get(child.digest)
            except (ManifestUnknown, ManifestInvalid):
                continue
            if manifest.subject is not None and manifest.subject.digest == subject:
                found.append(manifest.descriptor)
        return found


async def add_referrer(store: "Guard", name: "Name", manifest: Manifest) -> None:
    """Note a manifest under its subject, if it has one."""
    if manifest.subject is not None:
        key = layout.ReferrerDescriptor(name, manifest.subject.digest, manifest.digest).key
        await store.put(key, encode(manifest.descriptor))


async def remove_referrer(store: "Guard", name: "Name", manifest: Manifest) -> None:
    """Forget a manifest under its subject, if it has one."""
    if manifest.subject is not None:
        await store.delete(layout.ReferrerDescriptor(name, manifest.subject.digest, manifest.digest).key)
