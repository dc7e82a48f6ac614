"""Tags on a storage driver."""

import asyncio
from typing import TYPE_CHECKING

from storage import layout
from storage.local.links import in_batches, read_link, write_link
from storage.oci.errors import ManifestUnknown, NameUnknown, TagInvalid
from storage.oci.reference import Tag, parse_tag

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from storage.guard import Guard
    from storage.oci.digest import Digest
    from storage.oci.reference import Name


class LocalTags:
    """The ``storage.repository.Tags`` of a repository on a driver."""

    __slots__ = ("_name", "_store")

    def __init__(self, store: "Guard", name: "Name") -> None:
        self._store = store
        self._name = name

    async def find(self, tag: Tag, /) -> "Digest | None":
        """Say what a tag points to, if there is such a tag."""
        return await read_link(self._store, layout.TagLink(self._name, tag).key)

    async def set(self, tag: Tag, digest: "Digest", /) -> None:
        """Point a tag to a manifest."""
        await write_link(self._store, layout.TagLink(self._name, tag).key, digest)

    async def list(self, start_after: str = "", /) -> "AsyncIterator[Tag]":
        found = False
        async for tag, _ in self._links(start_after):
            found = True
            yield tag
        if not found and not await self._is_known():
            raise NameUnknown(detail={"name": self._name})

    async def _is_known(self) -> bool:
        """Tell whether the repository holds anything. One whose last manifest was deleted still serves its blobs."""
        return await holds_manifests(self._store, self._name) or await self._store.holds(layout.layers(self._name))

    async def delete(self, tag: Tag, /) -> None:
        if await self.find(tag) is None:
            raise ManifestUnknown(detail={"tag": tag})
        await self._store.delete(layout.TagLink(self._name, tag).key)
        async for info in self._store.list(layout.tag(self._name, tag)):
            await self._store.delete(info.key)

    async def pointing_to(self, digest: "Digest") -> "AsyncIterator[Tag]":
        """Name the tags that point to a manifest."""
        async for tag, target in self._links():
            if target == digest:
                yield tag

    async def _links(self, start_after: str = "") -> "AsyncIterator[tuple[Tag, Digest]]":
        """Follow every tag, some at a time, in order."""
        children = self._store.children(layout.tags(self._name), start_after=start_after)
        async for tags in in_batches(_tags_of(children)):
            targets = await asyncio.gather(*map(self.find, tags))
            for tag, target in zip(tags, targets, strict=True):
                if target is not None:
                    yield tag, target


async def holds_manifests(store: "Guard", name: "Name") -> bool:
    """Tell whether the catalog names a repository: one that holds a manifest."""
    return await store.holds(layout.revisions(name))


async def _tags_of(children: "AsyncIterator[str]") -> "AsyncIterator[Tag]":
    async for child in children:
        tag = _tag_or_none(child.removesuffix("/"))
        if tag is not None:
            yield tag


def _tag_or_none(text: str) -> Tag | None:
    try:
        return parse_tag(text)
    except TagInvalid:
        return None
