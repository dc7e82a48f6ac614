"""Which manifests have which subject, on a storage driver, in the order in which they were first pushed.

A referrer's descriptor lies at a key that begins with the time of its first push, so the store lists them in order and
from any point on. A mark, which is found by the digest, says what that time was.
"""

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from storage import layout
from storage.errors import AlreadyExists, NotFound, TooLarge
from storage.local.links import exists, in_batches
from storage.oci import media
from storage.oci.document import decode_descriptor
from storage.oci.errors import ManifestInvalid, ManifestUnknown
from storage.oci.manifest import SIZE_LIMIT, Manifest, encode
from storage.oci.reference import Tag
from storage.offload import offload
from storage.repository import ReferrersPage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.guard import Guard
    from storage.oci.digest import Digest
    from storage.oci.document import Descriptor
    from storage.oci.reference import Name
    from storage.repository import Manifests

#: What the descriptors of one page take together. The rest of a manifest's size is for what is around them.
_PAGE: Final = SIZE_LIMIT - 256
#: Descriptors up to this size are read many at a time, larger ones one after the other.
_SMALL: Final = 16 * 1024
_MARK: Final = 64


class _Referrer(NamedTuple):
    """A referrer and its place in the list; ``size`` is what it takes there, or took to find it, in bytes."""

    place: str
    descriptor: "Descriptor | None"
    size: int


class LocalReferrers:
    """The ``storage.repository.Referrers`` of a repository on a driver."""

    __slots__ = ("_manifests", "_name", "_store")

    def __init__(self, store: "Guard", name: "Name", manifests: "Manifests") -> None:
        self._store = store
        self._name = name
        self._manifests = manifests

    async def page(self, subject: "Digest", start_after: str = "", /) -> ReferrersPage:
        found: dict[Digest, Descriptor] = {}
        last, size = start_after, 0
        async for referrer in self._all(subject, start_after):
            size += referrer.size
            if size > _PAGE and last != start_after:
                return ReferrersPage(list(found.values()), last)
            last = referrer.place
            if referrer.descriptor is not None:
                found.setdefault(referrer.descriptor.digest, referrer.descriptor)
        return ReferrersPage(list(found.values()), "")

    async def _all(self, subject: "Digest", start_after: str) -> "AsyncIterator[_Referrer]":
        """Give those of the fallback tag first: clients used it before this registry knew of referrers."""
        if start_after < layout.FIRST_REFERRER:
            async for referrer in self._in_fallback_tag(subject, start_after):
                yield referrer
        prefix = layout.referrers(self._name, subject)
        async for places in in_batches(self._store.children(prefix, start_after=start_after)):
            bodies = await asyncio.gather(*(self._read(subject, place, _SMALL) for place in places))
            for place, body in zip(places, bodies, strict=True):
                raw = (await self._read(subject, place, SIZE_LIMIT) or b"") if body is None else body
                descriptor = await offload(len(raw), _descriptor_or_none, raw)
                if descriptor is not None:
                    yield _Referrer(place, descriptor, len(raw) + 1)

    async def _read(self, subject: "Digest", place: str, limit: int) -> bytes | None:
        """Read a descriptor; empty if it or its manifest was deleted this moment, None if it is above the limit."""
        entry = layout.parse(layout.referrers(self._name, subject) + place)
        if not isinstance(entry, layout.ReferrerDescriptor):
            return b""
        revision = layout.RevisionLink(self._name, entry.digest).key
        try:
            raw, here = await asyncio.gather(self._store.get(entry.key, limit=limit), exists(self._store, revision))
        except NotFound:
            return b""
        except TooLarge:
            return None
        return raw if here else b""

    async def _in_fallback_tag(self, subject: "Digest", start_after: str) -> "AsyncIterator[_Referrer]":
        """Read what clients attached by a tag (distribution-spec, "Referrers Tag Schema").

        Only what is here and does name the subject counts: the tag was anybody's to write.
        """
        try:
            index = await self._manifests.get(Tag(f"{subject.algorithm}-{subject.hex[:64]}"))
        except ManifestUnknown:
            return
        await offload(len(index.raw), index.read)
        children = index.children if index.media_type == media.OCI_INDEX else ()
        places = ((layout.fallback_place(number), child) for number, child in enumerate(children))
        async for batch in in_batches((place, child) for place, child in places if place > start_after):
            for place, child in batch:
                yield await self._child(subject, place, child)

    async def _child(self, subject: "Digest", place: str, child: "Descriptor") -> _Referrer:
        """Read a manifest that the fallback tag lists; those that are noted as well have their own place."""
        try:
            manifest = await self._manifests.get(child.digest)
        except ManifestUnknown:
            return _Referrer(place, None, _MARK)
        await offload(len(manifest.raw), manifest.read)
        noted = await is_noted(self._store, self._name, manifest)
        if noted or manifest.subject is None or manifest.subject.digest != subject:
            return _Referrer(place, None, len(manifest.raw))
        note = _note(manifest)
        return _Referrer(place, decode_descriptor(note), max(len(note) + 1, len(manifest.raw)))


async def add_referrer(store: "Guard", name: "Name", manifest: Manifest) -> None:
    """Note a manifest under its subject, if it has one. One that is noted already keeps its place."""
    if manifest.subject is not None:
        mark = layout.ReferrerMark(name, manifest.subject.digest, manifest.digest)
        pushed = time.time_ns() // 1000
        try:
            await store.put(mark.key, layout.format_time(pushed).encode(), if_absent=True)
        except AlreadyExists:
            before = await _read_mark(store, mark)
            if before is None:
                await store.put(mark.key, layout.format_time(pushed).encode())
            pushed = before or pushed
        await store.put(mark.descriptor(pushed).key, _note(manifest))


async def is_noted(store: "Guard", name: "Name", manifest: Manifest) -> bool:
    """Tell whether a manifest is noted under its subject, or has none."""
    if manifest.subject is None:
        return True
    mark = layout.ReferrerMark(name, manifest.subject.digest, manifest.digest)
    pushed = await _read_mark(store, mark)
    return pushed is not None and await exists(store, mark.descriptor(pushed).key)


async def remove_referrer(store: "Guard", name: "Name", manifest: Manifest) -> None:
    """Forget a manifest under its subject, if it has one."""
    if manifest.subject is not None:
        mark = layout.ReferrerMark(name, manifest.subject.digest, manifest.digest)
        pushed = await _read_mark(store, mark)
        if pushed is not None:
            await store.delete(mark.descriptor(pushed).key)
        await store.delete(mark.key)


async def _read_mark(store: "Guard", mark: layout.ReferrerMark) -> int | None:
    """Say when a referrer was first pushed. None if there is no mark, or one that says nothing."""
    with suppress(NotFound, TooLarge):
        return layout.parse_time((await store.get(mark.key, limit=_MARK)).decode("ascii", "replace"))
    return None


def _note(manifest: Manifest) -> bytes:
    """Describe a manifest in what one page can hold: what is too large is left out, to be read in the manifest."""
    descriptor = manifest.descriptor
    note = encode(descriptor)
    for field in ("annotations", "artifact_type"):
        if len(note) >= _PAGE:
            descriptor = msgspec.structs.replace(descriptor, **{field: None})
            note = encode(descriptor)
    return note


def _descriptor_or_none(raw: bytes) -> "Descriptor | None":
    """Read a descriptor. None if it is spoiled: the manifest itself is the truth."""
    try:
        return decode_descriptor(raw)
    except ManifestInvalid:
        return None
